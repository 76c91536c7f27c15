"""The thread that writes: one transaction, and so one fsync, for all that waits."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.faults import fault_point
from edge.health import Alarms
from edge.store.claims import CounterTooLow
from edge.store.database import DatabaseDamaged, DiskFull
from edge.store.reserve import DiskReserve
from edge.worker import Worker

log = logging.getLogger(__name__)

T = TypeVar("T")

LINGER_S = 0.020  # orders for which nobody waits stay this long for company: fewer fsyncs, a longer card life
TURN_S = 0.5
MAX_WAITING = 1000
MAX_BATCH = 200
BLOCK_S = 5.0
COMMIT_TIMEOUT_S = 10.0
RETRY_S = 1.0
RESERVE_EVERY_NS = 5 * NS_PER_S
ALARM = "journal.failed"
FULL_ALARM = "disk.full"


@dataclass(frozen=True, slots=True)
class CommitTimes:
    """What writing costs: milliseconds per commit, fsync included, over the last thousand commits."""

    commits: int
    steps: int
    median_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True)
class _Order:
    step: Callable[[], Any]
    done: "Future[Any] | None"
    spare: bool = False  # may be given up while the disk is full


class CommitThread(Worker):
    """Takes steps from any thread and runs them in transactions, in the order in which they came.

    When the disk refuses, whoever waits gets the error, the other steps stay queued and are tried again each
    second, and an alarm stands until a commit succeeds. A damaged file ends the thread: only a new start,
    which replaces the file, can help.

    Subclasses give ``_transaction`` and are told by ``_committed``, both in this thread.
    """

    def __init__(
        self, name: str, clock: Clock, alarms: Alarms | None, reserve: DiskReserve | None = None
    ) -> None:
        super().__init__(name, clock)
        self._alarms, self._reserve = alarms, reserve
        self._scarce = False
        self._given_up = self._reserve_due_ns = 0
        self._waiting: deque[_Order] = deque()
        self._urgent = 0  # of them, those that somebody waits for
        self._changed = threading.Condition()
        self._refusing = ""
        self._commit_ms: deque[float] = deque(maxlen=1000)
        self._commits = self._steps = 0

    def commit_times(self) -> CommitTimes:
        """What writing has cost lately."""
        times = sorted(self._commit_ms) or [0.0]
        median, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        return CommitTimes(self._commits, self._steps, median, p99, times[-1])

    def work(self) -> None:
        """Write until stopped, and then whatever is still queued."""
        try:
            while not (self.stopping.is_set() and not self._waiting):
                batch = self._next_batch()
                if batch and not self._write(batch) and self.stopping.wait(RETRY_S):
                    break
                self.beat()
                self._turned()
                self._watch_reserve()
        finally:
            self._refuse("the journal has ended")

    def stop(self) -> None:
        """Ask the thread to write what is queued and end."""
        super().stop()
        with self._changed:
            self._changed.notify_all()

    def _transaction(self) -> AbstractContextManager[None]:
        raise AssertionError(f"{type(self).__name__} has no transaction")

    def _committed(self) -> None:
        """Called after each commit."""

    def _turned(self) -> None:
        """Called at each turn of the loop, at least twice a second."""

    def _order(self, step: Callable[[], object], *, spare: bool = False) -> None:
        """Queue a step and go on.

        Args:
            step: What to do inside a transaction.
            spare: On a full disk it is given up, so that there is room for the others.

        Raises:
            JournalError: The thread has ended, or the queue has been full for too long.
        """
        self._put(_Order(step, None, spare))

    def _wait_for(self, step: Callable[[], T], *, spare: bool = False) -> T:
        """Queue a step and wait until it is on the disk; ``spare`` as for ``_order``.

        Raises:
            JournalError: It is not on the disk, and will not be.
        """
        if threading.current_thread() is self:
            raise AssertionError(f"the thread {self.name} would wait for itself for ever")
        done: Future[T] = Future()
        self._put(_Order(step, done, spare))
        try:
            return done.result(COMMIT_TIMEOUT_S)
        except TimeoutError:
            if not done.cancel():  # being written at this very moment
                return done.result(COMMIT_TIMEOUT_S)
            raise JournalError(f"{self.name}: not written within {COMMIT_TIMEOUT_S:.0f} s") from None

    def _put(self, order: _Order) -> None:
        with self._changed:
            # This thread itself (an alarm it raises is an event) may not wait for room that only it can make.
            if threading.current_thread() is not self:
                self._changed.wait_for(lambda: self._refusing or len(self._waiting) < MAX_WAITING, BLOCK_S)
                if len(self._waiting) >= MAX_WAITING:
                    raise JournalError(f"{self.name}: {MAX_WAITING} events wait, and the disk takes none")
            if self._refusing:
                raise JournalError(f"{self.name}: {self._refusing}; nothing can be written")
            self._waiting.append(order)
            self._urgent += order.done is not None
            self._changed.notify_all()

    def _next_batch(self) -> list[_Order]:
        with self._changed:
            if not self._waiting:
                self._changed.wait(TURN_S)
            until_s = time.monotonic() + LINGER_S
            while self._waiting and not self._urgent and not self.stopping.is_set():
                left_s = until_s - time.monotonic()
                if left_s <= 0 or len(self._waiting) >= MAX_BATCH:
                    break
                self._changed.wait(left_s)
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            self._urgent -= sum(order.done is not None for order in batch)
            self._changed.notify_all()
        batch = [o for o in batch if o.done is None or o.done.set_running_or_notify_cancel()]
        return [order for order in batch if not self._gives_up(order)]

    def _write(self, batch: list[_Order]) -> bool:
        begun_ns = time.perf_counter_ns()
        outcomes: list[tuple[_Order, Any, CounterTooLow | None]] = []
        try:
            with self._transaction():
                for order in batch:
                    try:
                        outcomes.append((order, order.step(), None))
                    except CounterTooLow as refusal:  # nothing was written for it; the others go on
                        outcomes.append((order, None, refusal))
                fault_point("journal.before_commit")
        except DiskFull as error:
            if self._reserve is not None and self._reserve.release():
                log.error("%s; the reserve is used now, for what must not be lost", error)
                self._scarce = True
                return self._write([order for order in batch if not self._gives_up(order)])
            self._disk_refused(batch, error)
            return False
        except JournalError as error:
            self._disk_refused(batch, error)
            if isinstance(error, DatabaseDamaged):
                raise
            return False
        fault_point("journal.after_commit")
        self._commit_ms.append((time.perf_counter_ns() - begun_ns) / 1e6)
        self._commits += 1
        self._steps += len(batch)
        for order, result, refused in outcomes:
            if order.done is not None and refused is not None:
                order.done.set_exception(refused)
            elif order.done is not None:
                order.done.set_result(result)
        if self._alarms is not None:
            self._alarms.clear(ALARM, self.name)
        self._committed()
        return True

    def _gives_up(self, order: _Order) -> bool:
        """While the disk is full, what can be spared is not written; whoever waits for it is told."""
        if not (self._scarce and order.spare):
            return False
        self._given_up += 1
        if order.done is not None:
            order.done.set_exception(JournalError(f"{self.name}: the disk is full; this event is given up"))
        return True

    def _watch_reserve(self) -> None:
        """Hold the reserve, and say when it is in use."""
        if self._reserve is None or self.clock.boot_ns() < self._reserve_due_ns:
            return
        self._reserve_due_ns = self.clock.boot_ns() + RESERVE_EVERY_NS
        held = self._reserve.hold()
        if self._scarce and held:
            self._scarce = False
            log.warning("the disk has room again; %d events were given up", self._given_up)
        if self._alarms is None:
            return
        if held:
            self._alarms.clear(FULL_ALARM, self.name)
        else:
            lost = f"; {self._given_up} events that can be spared were given up" if self._given_up else ""
            self._alarms.set(FULL_ALARM, self.name, f"the disk is nearly full, make room{lost}")

    def _disk_refused(self, batch: list[_Order], error: JournalError) -> None:
        with self._changed:
            self._waiting.extendleft(order for order in reversed(batch) if order.done is None)
        for order in batch:
            if order.done is not None:
                order.done.set_exception(error)
        if self._alarms is None:
            log.error("%s", error)
        else:
            self._alarms.set(ALARM, self.name, str(error))

    def _refuse(self, why: str) -> None:
        with self._changed:
            self._refusing = self._refusing or why
            lost, self._waiting = self._waiting, deque()
            self._urgent = 0
            self._changed.notify_all()
        unwritten = 0
        for order in lost:
            if order.done is None:
                unwritten += 1
            elif order.done.set_running_or_notify_cancel():
                order.done.set_exception(JournalError(f"{self.name}: {why} before this was written"))
        if unwritten:
            log.error("%s ended with %d events that the disk did not take", self.name, unwritten)

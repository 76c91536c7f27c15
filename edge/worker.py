"""Threads, few and named, and the two ways a value crosses from one to another.

A worker owns its state; others reach it only through a bounded queue, a ``Slot``, the journal, or by the swap
of one immutable snapshot. This is the only file in which ``except Exception`` is legal: a worker that dies of
a bug is logged with its trace, reported to health, and takes the process down so that systemd restarts it.
"""

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from edge.clock import NS_PER_S, Clock
from edge.errors import WorkerStalled

log = logging.getLogger(__name__)

T = TypeVar("T")

JOIN_TIMEOUT_S = 10.0


class Slot(Generic[T]):
    """Holds only the newest value; what was not taken in time is counted and forgotten."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._value: T | None = None
        self.dropped = 0

    @property
    def is_filled(self) -> bool:
        """Whether a value waits to be taken."""
        return self._value is not None

    def put(self, value: T) -> None:
        """Replace whatever is there; never blocks."""
        with self._condition:
            if self._value is not None:
                self.dropped += 1
            self._value = value
            self._condition.notify()

    def take(self, timeout_s: float) -> T | None:
        """Wait for a value and take it; None when none came in time."""
        with self._condition:
            if self._value is None:
                self._condition.wait(timeout_s)
            value, self._value = self._value, None
            return value


class Worker(threading.Thread):
    """A named thread that reports progress and stops when asked.

    Subclasses write ``work()`` and call ``beat()`` each time they got something done (waiting in vain for
    input with a timeout counts: the loop turned). ``stalls_after_s`` is how long no beat may be missing.

    Thread: everything but ``work`` may be called from any thread.
    """

    def __init__(self, name: str, clock: Clock, *, stalls_after_s: float = 10.0) -> None:
        super().__init__(name=name, daemon=False)
        self.clock = clock
        self.stalls_after_s = stalls_after_s
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self.on_failure: Callable[[Worker], None] | None = None
        self._last_beat_ns = clock.boot_ns()

    def work(self) -> None:
        """Do the worker's job until ``stopping`` is set."""
        raise AssertionError(f"{type(self).__name__} has no work")

    def beat(self) -> None:
        """Say that progress was made just now."""
        self._last_beat_ns = self.clock.boot_ns()

    def silent_s(self) -> float:
        """Seconds since the last beat."""
        return (self.clock.boot_ns() - self._last_beat_ns) / NS_PER_S

    @property
    def is_stalled(self) -> bool:
        """True when the worker is alive but makes no progress, or is dead without having been stopped."""
        if self.failure is not None:
            return True
        return self.is_alive() and self.silent_s() > self.stalls_after_s

    def run(self) -> None:
        """Run ``work`` and keep a failure for health to see."""
        try:
            self.beat()
            self.work()
        except Exception as error:
            self.failure = error
            log.exception("worker %s failed", self.name)
            if self.on_failure is not None:
                self.on_failure(self)

    def stop(self) -> None:
        """Ask the worker to stop; returns at once. Subclasses wake what they block on."""
        self.stopping.set()

    def close(self) -> None:
        """Stop and wait.

        Raises:
            WorkerStalled: It did not end within ten seconds.
        """
        self.stop()
        if self.ident is None or self is threading.current_thread():
            return
        self.join(JOIN_TIMEOUT_S)
        if self.is_alive():
            raise WorkerStalled(f"worker {self.name} did not stop within {JOIN_TIMEOUT_S:.0f} s")


class LateWorker(Worker):
    """One that ends after the others, because it tells what they say at their end.

    ``hush`` makes it leave its usual work: ``work`` sets ``hushed`` then, and goes on until ``all_told`` is
    set or a limit of its own is over.
    """

    def __init__(self, name: str, clock: Clock, *, stalls_after_s: float = 10.0) -> None:
        super().__init__(name, clock, stalls_after_s=stalls_after_s)
        self.hushed, self.all_told = threading.Event(), threading.Event()

    def hush(self) -> None:
        """Stop obeying anybody; returns when that is so, after ten seconds at most."""
        self.stop()
        if self.is_alive() and self is not threading.current_thread():
            self.hushed.wait(JOIN_TIMEOUT_S)

    def run(self) -> None:
        """As every worker; a failed one is hushed, too."""
        try:
            super().run()
        finally:
            self.hushed.set()

    def close(self) -> None:
        """Stop and wait: nobody has anything more to tell.

        Raises:
            WorkerStalled: It did not end within ten seconds.
        """
        self.all_told.set()
        super().close()


def contain(call: Callable[[], int], on_bug: Callable[[Exception], int]) -> int:
    """Run the command's body; what nobody foresaw goes to ``on_bug``, which gives the exit code."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001  the one place besides ``Worker.run``
        return on_bug(error)

"""One board, its owner, and somebody who uses and breaks it; and what the relays must not have done."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from board_fault_kinds import CLOSE, FAMILIES, LOCK, OPEN, Fault, faults_of
from mock_pins import MockPins

from drivers.simulated import LineFaults
from edge.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge.lanes import BoardWorker
from edge.lanes.orders import Order, Outcome, WireResult

CLOCK = SystemClock()
GUARD_MS = 1000
SLACK_NS = 2 * NS_PER_S  # what a loaded machine adds to a guard, besides the times when we got no processor
AFTER_FAULT_NS = 12 * NS_PER_S  # the longest pause between tries, an opening, and slack
NAMED_WITHIN_S = 15.0
BACK_WITHIN_S = 30.0
CALM_S = 1.5  # longer than telling twice and reading back take on the slowest board


class Stopwatch:
    """Notices when this process gets no processor, so that nobody is blamed for it; a context manager."""

    PACE_S, LATE_NS = 0.02, 150 * NS_PER_MS

    def __init__(self) -> None:
        self._stop_it = threading.Event()
        self._starved: list[tuple[int, int]] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._stop_it.clear()
        self._thread = threading.Thread(target=self._run, name="stopwatch")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_it.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        before_ns = CLOCK.boot_ns()
        while not self._stop_it.wait(self.PACE_S):
            now_ns = CLOCK.boot_ns()
            if now_ns - before_ns > self.LATE_NS:
                self._starved.append((before_ns, now_ns))
            before_ns = now_ns

    def starved_ns(self, start_ns: int, end_ns: int) -> int:
        """How long nothing of us ran in an interval."""
        total_ns = 0
        for start, end in reversed(self._starved):
            if end <= start_ns:
                break
            total_ns += max(0, min(end, end_ns) - max(start, start_ns))
        return total_ns

    def own_s(self, since_ns: int) -> float:
        """Seconds since then in which we could run."""
        now_ns = CLOCK.boot_ns()
        return (now_ns - since_ns - self.starved_ns(since_ns, now_ns)) / NS_PER_S


WATCH = Stopwatch()


@dataclass
class Window:
    """A time in which something was broken."""

    fault: str
    start_ns: int
    reconnects: int
    before: Mapping[str, int]  # faults of an episode that still went on when it began
    end_ns: int = 1 << 62


@dataclass
class Outcomes:
    """What came of one family."""

    family: str
    injected: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    orders: Counter[str] = field(default_factory=Counter)
    longest_silence_s: float = 0.0
    open_won: int = 0


class Bench:
    """One board of a family, its owner, and somebody who uses and breaks it. Thread: ``bench-<family>``."""

    def __init__(
        self,
        name: str,
        board: Any,
        worker: BoardWorker,
        heard: list[tuple[int, str]],
        recovered: list[tuple[int, Mapping[str, int]]],
        seed: int,
    ) -> None:
        self.name, self._family = name, FAMILIES[name]
        self._board, self._worker, self.heard, self.recovered = board, worker, heard, recovered
        self._chance = random.Random(f"{seed} {name}")
        self._windows: list[Window] = []
        self._ordered: Counter[int] = Counter()
        self._answered = 0
        self._asked = 0
        self.outcomes = Outcomes(name)

    def run(self, count: int) -> None:
        """Break so many things, one after the other."""
        kinds = faults_of(self._family)
        for number in range(count):
            if not self._until(self._is_well, BACK_WITHIN_S):
                self._problem(f"not well again after {self._windows[-1:]}: {self._worker.status}")
                return
            # Each kind has its turn before chance begins; families begin at different ones.
            turn = kinds[(number + list(FAMILIES).index(self.name)) % len(kinds)]
            self._inject(turn if number < len(kinds) else self._chance.choice(kinds))
        self._until(self._is_well, BACK_WITHIN_S)
        self._until(lambda: self._answered == self._asked, 5.0)
        if not self._family.reads:
            # Nobody sees what a relay does there: it is told again in turn.
            mended_ns = CLOCK.boot_ns()
            self._until(lambda: WATCH.own_s(mended_ns) * NS_PER_S > AFTER_FAULT_NS, BACK_WITHIN_S)

    def _inject(self, fault: Fault) -> None:
        self.outcomes.injected[fault.name] += 1
        if fault.calm:
            calm_ns = CLOCK.boot_ns()
            self._until(lambda: WATCH.own_s(calm_ns) > CALM_S, BACK_WITHIN_S)
        elif self._chance.random() < 0.5:
            self._use(fault.avoid)
            time.sleep(self._chance.uniform(0.0, 0.12))
        status = self._worker.status
        window = Window(fault.name, CLOCK.boot_ns(), status.reconnects, status.faults)
        self._windows.append(window)
        fault.apply(self._board, self._chance)
        for_s = NAMED_WITHIN_S if fault.names else self._chance.uniform(0.2, 0.6)
        while WATCH.own_s(window.start_ns) < for_s and not (fault.names and self._is_named(fault, window)):
            self._use(fault.avoid)
            self._look()
            time.sleep(self._chance.uniform(0.03, 0.3))
            if not fault.lasts and self._is_used_up():
                break
        self._mend()
        window.end_ns = CLOCK.boot_ns()
        if not fault.names:
            self.outcomes.unseen[f"{fault.name}: {fault.why_not}"] += 1
        elif self._until(lambda: self._is_named(fault, window), NAMED_WITHIN_S, fault.avoid):
            self.outcomes.named[fault.name] += 1
        else:
            said = [name for at_ns, name in self.heard if at_ns >= window.start_ns]
            self._problem(f"{fault.name} is not named within {NAMED_WITHIN_S:g} s; named was {said}")

    def _is_used_up(self) -> bool:
        faults: LineFaults = self._board.faults
        return not (faults.corrupt or faults.drop_replies or faults.drop_requests or faults.duplicate)

    def _mend(self) -> None:
        if isinstance(self._board, MockPins):
            self._board.broken = False
            return
        self._board.faults.stuck.clear()
        self._board.faults = LineFaults()
        self._board.replug()

    def _use(self, avoid: frozenset[int] = frozenset()) -> None:
        """Open, close or unlock for a moment; or let go."""
        channel = self._chance.choice([ch for ch in (OPEN, CLOSE, OPEN, CLOSE, LOCK) if ch not in avoid])
        if self._chance.random() < 0.2:
            self._worker.release(channel)
            return
        if self._asked - self._answered > 20:
            return

        def done(result: WireResult) -> None:
            self._answered += 1
            self.outcomes.orders[result.outcome.value] += 1
            if result.outcome in (Outcome.DONE, Outcome.UNKNOWN):
                self._ordered[channel] += 1

        self._asked += 1
        not_after_ns = CLOCK.boot_ns() + NS_PER_S
        length_ms = self._chance.randint(60, 250)
        self._worker.order(
            Order(channel, length_ms, GUARD_MS, not_after_ns, first=channel != CLOSE, done=done)
        )

    def _look(self) -> None:
        now_ns = CLOCK.boot_ns()
        silent_s = self._worker.silent_s()
        own_s = silent_s - WATCH.starved_ns(now_ns - round(silent_s * NS_PER_S), now_ns) / NS_PER_S
        self.outcomes.longest_silence_s = max(self.outcomes.longest_silence_s, own_s)
        if own_s > self._worker.stalls_after_s or self._worker.failure is not None:
            self._problem(f"the owner is stuck or dead, silent for {own_s:.1f} s: {self._worker.failure}")

    def _is_named(self, fault: Fault, window: Window) -> bool:
        heard = {name for at_ns, name in self.heard[-200:] if at_ns >= window.start_ns}
        # On a machine that is too busy a board may be lost meanwhile; opening it again mends everything.
        was_lost = self._worker.status.reconnects > window.reconnects
        return bool(heard & fault.names) or (was_lost and bool(heard)) or self._is_counted(fault, window)

    def _is_counted(self, fault: Fault, window: Window) -> bool:
        """A late answer to the fault before may open an episode just before this one: then it is counted."""
        counts = [faults for at_ns, faults in self.recovered[-20:] if at_ns >= window.start_ns]
        return any(
            now.get(name, 0) > window.before[name]
            for now in (*counts[:1], self._worker.status.faults if not counts else {})
            for name in fault.names & set(window.before)
        )

    def _is_well(self) -> bool:
        self._look()
        status = self._worker.status
        is_idle = self._answered == self._asked
        return is_idle and status.is_up and not status.away and not status.faults

    def _until(
        self, what: Callable[[], bool], within_s: float, using_all_but: frozenset[int] | None = None
    ) -> bool:
        started_ns = CLOCK.boot_ns()
        next_use_s = 0.0
        while not what():
            now_s = time.monotonic()
            if WATCH.own_s(started_ns) > within_s:
                return False
            if using_all_but is not None and now_s >= next_use_s:
                self._use(using_all_but)
                next_use_s = now_s + self._chance.uniform(0.4, 1.5)
            time.sleep(0.04)
        return True

    def _problem(self, text: str) -> None:
        self.outcomes.problems.append(f"{self.name}: {text}")

    # --- afterwards -----------------------------------------------------------------------------------

    def judge(self) -> None:
        """Look at everything that the relays did."""
        history = list(self._board.history)
        if self._answered != self._asked:
            self._problem(f"{self._asked} orders, {self._answered} answers")
        intervals = {channel: list(_intervals(history, channel)) for channel in (OPEN, CLOSE, LOCK)}
        for channel in (OPEN, CLOSE):
            self._judge_count(channel, intervals[channel])
            self._judge_lengths(channel, intervals[channel])
        self._judge_lengths(LOCK, list(_gaps(intervals[LOCK])))
        self._judge_overlaps(intervals)
        wanted = {OPEN: False, CLOSE: False, LOCK: True}
        at_end = {channel: self._board.relays[channel - 1] for channel in wanted}
        rebooted_ns = [w.end_ns for w in self._windows if w.fault == "reboot"]
        if not self._family.reads and rebooted_ns and CLOCK.boot_ns() - rebooted_ns[-1] < 60 * NS_PER_S:
            del wanted[LOCK], self.final_states[LOCK]  # nobody knows; it is told again in turn
        if self.final_states != wanted:
            self._problem(f"not safe at the end: {self.final_states} (after closing {at_end})")

    def remember_final_states(self) -> None:
        """The relays as they are while the owner still runs."""
        self.final_states = {channel: self._board.relays[channel - 1] for channel in (OPEN, CLOSE, LOCK)}

    def _judge_count(self, channel: int, energised: list[tuple[int, int]]) -> None:
        unexplained = [start for start, _ in energised if not self._in_window(start, start, 0, {"stuck"})]
        if len(unexplained) > self._ordered[channel]:
            self._problem(f"relay {channel}: {len(unexplained)} pulses, {self._ordered[channel]} orders")

    def _judge_lengths(self, channel: int, away: list[tuple[int, int]]) -> None:
        for start, end in away:
            end -= WATCH.starved_ns(start, end)
            is_long = end - start > GUARD_MS * NS_PER_MS + SLACK_NS
            if is_long and not self._in_window(start, end, AFTER_FAULT_NS):
                self._problem(f"relay {channel} was away for {(end - start) / 1e6:.0f} ms without a fault")
            elif is_long and (after_ns := self._after_last_fault(start, end)) > AFTER_FAULT_NS:
                self._problem(
                    f"relay {channel} was away for {after_ns / 1e6:.0f} ms after its fault was gone"
                )

    def _judge_overlaps(self, intervals: Mapping[int, list[tuple[int, int]]]) -> None:
        closes = intervals[CLOSE]
        at = 0
        for start, end in intervals[OPEN]:
            while at < len(closes) and closes[at][1] <= start:
                at += 1
            if at < len(closes) and closes[at][0] < end:
                self._judge_overlap((start, end), closes[at])

    def _judge_overlap(self, opened: tuple[int, int], closed: tuple[int, int]) -> None:
        """What cannot be known in time: a relay that closes by itself, a welded CLOSE, and a release that got
        lost on a board that answers no write. Then OPEN wins, as in controllers. CLOSE never joins OPEN.
        """
        first, last = max(opened[0], closed[0]), min(opened[1], closed[1])
        open_came_second = opened[0] >= closed[0]
        lost_release = open_came_second and not self._family.acks
        excuses = None if lost_release else {"stuck"} if open_came_second else set()
        if not self._family.reads:
            excuses = {"stuck"} if self._family.acks else None
        if self._in_window(opened[0], opened[0], 0, {"stuck"}):
            excuses = {"stuck"}
        if excuses != set() and self._in_window(closed[0] - SLACK_NS, last, 0, excuses):
            self.outcomes.open_won += 1
            return
        near = [w for w in self._windows if w.start_ns < last and w.end_ns + 5 * NS_PER_S > first]
        self._problem(f"OPEN and CLOSE together for {(last - first) / 1e6:.1f} ms; faults {near}")

    def _in_window(self, start: int, end: int, after_ns: int, kinds: set[str] | None = None) -> bool:
        return any(
            window.start_ns <= end and window.end_ns + after_ns >= start
            for window in self._windows
            if kinds is None or window.fault in kinds
        )

    def _after_last_fault(self, start: int, end: int) -> int:
        ends = [w.end_ns for w in self._windows if w.start_ns <= end and w.end_ns + AFTER_FAULT_NS >= start]
        return end - max([start, *(min(at, end) for at in ends)])


def _intervals(history: list[tuple[int, int, bool]], channel: int) -> Iterator[tuple[int, int]]:
    """Times in which a relay was energised; one that still is ends now."""
    since: int | None = None
    for at_ns, ch, on in history:
        if ch == channel and on and since is None:
            since = at_ns
        elif ch == channel and not on and since is not None:
            yield since, at_ns
            since = None
    if since is not None:
        yield since, CLOCK.boot_ns()


def _gaps(intervals: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Times between intervals: a magnet is away from safe while it has no current."""
    for (_, end), (start, _) in zip(intervals, intervals[1:], strict=False):
        yield end, start

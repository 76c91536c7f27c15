"""The relays of one board: which are away from their safe state, and how each is brought back for certain.

Used by the board's owner alone (``edge.lanes.actuation``); it holds the line while a board is spoken to. From
just before the bytes that move a relay away from safe are written, its way back is owed: it stands on the
list until the safe state has been written, and where the board can be read, until the board says so too. A
board that acknowledges nothing is told twice, because one frame may get lost.

What moves a relay is written at once. What only makes sure (telling twice, reading back) waits until the line
is quiet and nobody is expected, and lets go of the board when somebody comes after all.
"""

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import cast

from drivers.errors import Abandoned, BadReply, CommandRefused, DriverError, ReplyTimeout
from drivers.relay import Board, PulsingBoard
from edge.clock import NS_PER_MS, NS_PER_S, Clock
from edge.faults import fault_point
from edge.health import Alarms
from edge.lanes.interlock import Interlock
from edge.lanes.line import Line
from edge.lanes.orders import Order, Outcome, WireResult
from edge.lanes.wiring import BoardWiring
from edge.settings import Output

log = logging.getLogger(__name__)

# Reading an LCUS board takes 0.2 s in which nobody can be let in: after every switching, and else seldom.
CHECK_EVERY_NS, READ_SLOW_BOARD_EVERY_NS = 15 * NS_PER_S, 60 * NS_PER_S
CHECK_DOUBTFUL_NS = 2 * NS_PER_S  # a relay that does not go back is looked at this often
# A board that cannot be read hides a relay that hung for a moment: fresh from use, it is told often.
RETELL_EVERY_NS, RETELL_FOR_NS = 3 * NS_PER_S, 60 * NS_PER_S
RETRY_NS = 50 * NS_PER_MS
# What has been told once, and twice, is told again so much later if somebody comes, else at once.
ONCE_PATIENCE_NS, TWICE_PATIENCE_NS = 1 * NS_PER_S, 5 * NS_PER_S
STUCK_AFTER = 3  # read back as not safe this many times: the relay is stuck
NEVER_NS = 1 << 62


@dataclass(slots=True)
class _Away:
    """A relay away from safe: when its pulse is over, when the guard ends it, when to try (again)."""

    off_ns: int = NEVER_NS
    guard_ns: int = NEVER_NS
    retry_ns: int = 0

    def due_ns(self) -> int:
        return max(min(self.off_ns, self.guard_ns), self.retry_ns)


class Relays:
    """See the module. Thread: the board's owner, except where a method says otherwise."""

    def __init__(
        self,
        board_name: str,
        wiring: BoardWiring,
        clock: Clock,
        alarms: Alarms,
        interlock: Interlock,
        line: Line,
        saw: Callable[[str, str], None],
    ) -> None:
        self._board_name = board_name
        self._saw = saw  # takes the name of a fault, and a line about it
        self._outputs = dict(wiring.outputs)
        self._former: dict[int, Output] = {}
        self._clock = clock
        self._alarms = alarms
        self._interlock = interlock
        self._line = line
        self._lock = threading.Lock()  # of _away; held for moments, never while the board is spoken to
        self._away: dict[int, _Away] = {}
        self._not_safe: dict[int, int] = {}  # channel -> times it was read back as not safe
        self._unconfirmed: set[int] = set()  # written, with nothing to show that the frame arrived
        # To be told again, as nothing is acknowledged; until when that may wait for somebody who comes.
        self._to_repeat: dict[int, int] = {}
        self._retell_until_ns: dict[int, int] = {}  # of a board that cannot be read, by channel
        self._refreshed = 0  # the channel whose safe state was last written again for no reason
        self._next_check_ns = 0
        self.heard_ns = 0  # CLOCK_BOOTTIME of the last sound answer

    # --- any thread -----------------------------------------------------------------------------------

    def away(self) -> tuple[int, ...]:
        """Channels that are away from safe, or not known to be back."""
        with self._lock:
            return tuple(sorted(self._away))

    def overdue_ns(self, now_ns: int) -> int:
        """How long the most overdue relay should have been back; 0 when none is overdue."""
        with self._lock:
            ends = [min(away.off_ns, away.guard_ns) for away in self._away.values()]
        return max([0, *(now_ns - end_ns for end_ns in ends)])

    def rewire(self, wiring: BoardWiring) -> tuple[int, ...]:
        """Take new outputs; returns the channels that came or went, which count as away until released."""
        self._former = {**self._former, **self._outputs}
        changed = tuple(sorted(set(self._outputs) ^ set(wiring.outputs)))
        self._outputs = dict(wiring.outputs)
        with self._lock:
            for channel in changed:
                self._away.setdefault(channel, _Away())
        return changed

    # --- away from safe -------------------------------------------------------------------------------

    def move(self, board: Board, order: Order) -> WireResult:
        """Write the bytes that move a relay away from safe.

        Raises:
            DriverError: The board is lost; the outcome is unknown, and OFF is still owed.
        """
        start_ns = self._clock.boot_ns()
        away = _Away()
        if order.guard_ms:
            away.guard_ns = start_ns + order.guard_ms * NS_PER_MS
        with self._lock:
            before = self._away.get(order.channel)
            if before is not None and order.ms:
                away.guard_ns = min(
                    before.guard_ns, away.guard_ns
                )  # pulses in a row do not stretch the guard
            if order.ms:
                away.off_ns = start_ns + order.ms * NS_PER_MS
            self._away[order.channel] = away
        # What was released and not read since is told once more, behind this: its opposite at once.
        self._unconfirmed.discard(order.channel)  # it is away now: telling it to be safe would end this
        self._to_repeat.pop(order.channel, None)
        opposite = self._interlock.opposite_of((self._board_name, order.channel))
        for channel in self._unconfirmed:
            is_opposite = (self._board_name, channel) == opposite
            until_ns = 0 if is_opposite else start_ns + TWICE_PATIENCE_NS
            self._to_repeat[channel] = min(self._to_repeat.get(channel, until_ns), until_ns)
        fault_point("actuation.before_pulse")
        try:
            with self._line.turn(urgent=order.first):
                written_ns = self._write_pulse(board, order)
        except (ReplyTimeout, BadReply) as error:
            return self._failed(Outcome.UNKNOWN, error)
        except CommandRefused as error:
            away.off_ns = self._clock.boot_ns()
            return self._failed(Outcome.FAILED, error)
        fault_point("actuation.after_pulse")
        self._heard(acknowledged=board.capabilities.acknowledges)
        if order.ms:
            away.off_ns = written_ns + order.ms * NS_PER_MS
        return WireResult(Outcome.DONE, written_ns)

    def _failed(self, outcome: Outcome, error: DriverError) -> WireResult:
        self._saw(error.fault, str(error))
        return WireResult(outcome, why=str(error))

    def _write_pulse(self, board: Board, order: Order) -> int:
        energise = not self.is_safe_energised(order.channel)
        if order.ms and energise and board.capabilities.pulse_step_ms is not None:
            # The board's own timer is the net below our OFF: it also works when this process is dead.
            try:
                return cast("PulsingBoard", board).pulse(order.channel, order.ms)
            except CommandRefused as error:
                log.debug("board %s times no such pulse, so we do: %s", self._board_name, error)
        return board.write_output(order.channel, energise)

    # --- back to safe ---------------------------------------------------------------------------------

    def make_due_safe(self, board: Board, released: Collection[int]) -> None:
        """Bring back what is released and what is due: pulses that are over, guards that ran out."""
        now_ns = self._clock.boot_ns()
        with self._lock:
            for channel in released:
                if (away := self._away.get(channel)) is not None:  # else it is safe already
                    away.off_ns, away.retry_ns = now_ns, 0
            due = sorted(channel for channel, away in self._away.items() if away.due_ns() <= now_ns)
        for channel in due:
            fault_point("actuation.before_off")
            self._bring_back(board, channel)

    def make_all_safe(self, board: Board) -> None:
        """Write the safe state of every output, known or not to be away; to be read back at once.

        Raises:
            DriverError: Not every one could be written; those stand on the list still.
        """
        with self._lock:
            for channel in self._outputs:
                self._away.setdefault(channel, _Away()).off_ns = self._clock.boot_ns()
                self._interlock.away((self._board_name, channel))
            channels = sorted(self._away)
        for channel in channels:
            self._write_safe(board, channel)
        self._next_check_ns = 0

    def _bring_back(self, board: Board, channel: int) -> None:
        try:
            self._write_safe(board, channel)
        except (ReplyTimeout, BadReply):
            # Nothing tells whether the board has acted, so it is written again until it says so.
            with self._lock:
                self._away[channel].retry_ns = self._clock.boot_ns() + RETRY_NS
            raise

    def _write_safe(self, board: Board, channel: int) -> None:
        with self._line.turn(urgent=True):
            written_ns = board.write_output(channel, self.is_safe_energised(channel))
        self._heard(acknowledged=board.capabilities.acknowledges)
        with self._lock:
            self._away.pop(channel, None)
        can = board.capabilities
        self._interlock.back((self._board_name, channel), written_ns, is_sure=not can.reads_back)
        if not can.reads_back:
            self._retell_until_ns[channel] = written_ns + RETELL_FOR_NS
        if not can.acknowledges:
            self._unconfirmed.add(channel)
            is_pressing = self._interlock.yields((self._board_name, channel))
            self._to_repeat[channel] = 0 if is_pressing else written_ns + ONCE_PATIENCE_NS
        soon_ns = written_ns + 2 * can.min_gap_ms * NS_PER_MS
        self._next_check_ns = min(self._next_check_ns, soon_ns)

    # --- is it so? ------------------------------------------------------------------------------------

    def next_ns(self, board: Board) -> int:
        """When there is something to do: a relay is due, or something to make sure of."""
        check_ns = self._check_ns() if self._outputs else NEVER_NS
        if self._interlock.awaits(self._board_name):
            check_ns = board.free_ns
        return min(check_ns, max(board.free_ns, self._repeat_ns()), self.due_ns())

    def repeat(self, board: Board) -> bool:
        """Write one safe state again; True when one was due."""
        if self._clock.boot_ns() < self._repeat_ns():
            return False
        channel = min(self._to_repeat, key=self._to_repeat.__getitem__)
        del self._to_repeat[channel]
        with self._line.turn():
            board.write_output(channel, self.is_safe_energised(channel))
        return True

    def _repeat_ns(self) -> int:
        """When the next repetition is due: kept off a line that must be free, as far as it has patience."""
        return min(*self._to_repeat.values(), self._line.free_until_ns) if self._to_repeat else NEVER_NS

    def _check_ns(self) -> int:
        """When to read next. A relay in doubt is read on a line kept free, too: CLOSE may wait for that."""
        return self._next_check_ns if self._not_safe else max(self._next_check_ns, self._line.free_until_ns)

    def due_ns(self) -> int:
        """When the next relay has to be brought back."""
        with self._lock:
            return min([NEVER_NS, *(away.due_ns() for away in self._away.values())])

    def is_due(self) -> bool:
        """True when a relay has to be brought back now."""
        return self.due_ns() <= self._clock.boot_ns()

    def check(self, board: Board, wanted: Callable[[], bool]) -> None:
        """Compare the relays with what they should be, when it is time.

        Where a board cannot be read, safe states are written again instead, because it may have lost its
        power for a moment: all of them where it acknowledges, which takes no time; else one relay in turn,
        those first that were away lately.

        Args:
            board: It.
            wanted: Asked while a slow board is being read: True gives the reading up.
        """
        now_ns = self._clock.boot_ns()
        is_early = now_ns < self._check_ns()
        if (is_early and not self._interlock.awaits(self._board_name)) or not self._outputs:
            return
        can = board.capabilities
        is_slow = can.reads_back and not can.acknowledges
        every_ns = READ_SLOW_BOARD_EVERY_NS if is_slow else CHECK_EVERY_NS
        away = self.away()
        fresh = {ch for ch, until_ns in self._retell_until_ns.items() if until_ns > now_ns and ch not in away}
        if fresh:
            every_ns = RETELL_EVERY_NS
        self._next_check_ns = now_ns + (CHECK_DOUBTFUL_NS if self._not_safe else every_ns)
        safe = {ch: out.safe_energised for ch, out in self._outputs.items() if ch not in away}
        if can.reads_back:
            try:
                with self._line.turn():
                    states = board.read_outputs(wanted)
            except Abandoned:
                self._next_check_ns = now_ns
                return
            except (ReplyTimeout, BadReply):
                self._next_check_ns = now_ns + RETRY_NS
                raise
            self._heard(acknowledged=True)
            for channel, energised in safe.items():
                if channel <= len(states):
                    self._judge(board, channel, is_safe=states[channel - 1] is energised)
        else:
            first = fresh & set(safe) or set(safe)
            for channel in sorted(safe) if can.acknowledges else self._next_in_turn(first):
                with self._line.turn():
                    board.write_output(channel, safe[channel])
        self._unconfirmed.clear()

    def _next_in_turn(self, channels: Collection[int]) -> list[int]:
        later = sorted(channel for channel in channels if channel > self._refreshed)
        self._refreshed = (later or [0])[0]
        return later[:1] or sorted(channels)[:1]

    def _judge(self, board: Board, channel: int, *, is_safe: bool) -> None:
        subject = f"{self._board_name}:{channel}"
        if is_safe:
            self._interlock.confirm((self._board_name, channel))
            self._to_repeat.pop(channel, None)  # the board has said what telling it again would make sure of
            if self._not_safe.pop(channel, None) is not None:
                self._interlock.back((self._board_name, channel), self._clock.boot_ns())
            self._alarms.clear("relay.stuck", subject)
            return
        times = self._not_safe[channel] = self._not_safe.get(channel, 0) + 1
        self._saw(
            "disobedient", f"board {self._board_name}: relay {channel} reads as switched when it must not be"
        )
        self._interlock.away((self._board_name, channel))
        if times == STUCK_AFTER:
            detail = "reads as switched although it was released; is its contact welded?"
            self._alarms.set("relay.stuck", subject, detail)
        with self._lock:
            self._away.setdefault(channel, _Away()).off_ns = self._clock.boot_ns()
        self._bring_back(board, channel)
        if times >= STUCK_AFTER:
            self._interlock.away((self._board_name, channel))
            self._next_check_ns = self._clock.boot_ns() + CHECK_DOUBTFUL_NS

    def _heard(self, *, acknowledged: bool) -> None:
        if acknowledged:
            self.heard_ns = self._clock.boot_ns()

    def is_safe_energised(self, channel: int) -> bool:
        """The configured safe state of a relay; released for one that nobody configured."""
        output = self._outputs.get(channel) or self._former.get(channel)
        return output.safe_energised if output is not None else False

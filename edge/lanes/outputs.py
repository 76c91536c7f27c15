"""The outputs of one lane: acts become orders to the boards' owners, and levels are kept.

Lamps, the alarm output and locks that are safe unlocked are levels: what they should be follows from the
machine's state, and is ordered again when a board comes back from a fault with everything in its safe state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import SIGNALS, Pulse, Wire
from edge.lanes.actuation import BoardWorker
from edge.lanes.orders import Order, Outcome, WireResult
from edge.settings import BarrierLane, Lane, Output, TurnstileLane

STALE_ORDER_NS = 500 * NS_PER_MS  # besides the dead time: an order by the machine itself is void after this
LEVEL_ORDER_NS = 2 * NS_PER_S
RETRY_NS = 1 * NS_PER_S
SETTLE_NS = 1 * NS_PER_S  # a relay that is told to go to its safe state is there by then, or nobody knows

PATIENT = (Wire.CLOSE, Wire.PASS_IN, Wire.PASS_OUT)
"""These wait until their opposite is known to rest, and must not keep it from being read meanwhile."""

Done = Callable[[WireResult], None]
Check = Callable[[], bool]


@dataclass(slots=True)
class _Level:
    """An output that is kept at a level, and how far it got."""

    wanted: bool = False
    ordered: bool = False
    retry_ns: int = 0


class LaneOutputs:
    """Thread: the lane's own; results come in the threads of the boards' owners."""

    def __init__(self, settings: Lane, boards: Mapping[str, BoardWorker]) -> None:
        self._boards = boards
        self._levels: dict[Wire, _Level] = {}
        self._settling: list[tuple[Output, Done, int]] = []
        self._settings = settings
        self.wires = outputs_of(settings)

    def update(self, settings: Lane) -> None:
        """Take other wires; the boards' owners make safe what is no longer used."""
        self._settings, self.wires = settings, outputs_of(settings)
        self._levels.clear()

    # --- acts -----------------------------------------------------------------------------------------

    def pulse(self, act: Pulse, now_ns: int, *, only_if: Check, done: Done) -> None:
        """Do what an act says, or have it done by the level that is kept.

        Args:
            act: From the machine.
            now_ns: CLOCK_BOOTTIME.
            only_if: Asked directly before the bytes are written.
            done: Told the result, once.
        """
        output = self.wires.get(act.wire)
        if output is None or self._settings.dry_run:
            done(WireResult(Outcome.CANCELLED, why="dry run" if output else f"no {act.wire} wire"))
        elif output.rests_acting:
            self._boards[output.board].release(output.channel)
            self._settling.append((output, done, now_ns))
        else:
            limit_ns = self._stale_ns(now_ns) if act.request is None else act.request.not_after_ns
            order = Order(
                channel=output.channel,
                ms=output.pulse_ms,
                guard_ms=_guard_ms(act.wire, output),
                not_after_ns=limit_ns,
                first=act.wire not in PATIENT,
                only_if=only_if,
                done=done,
            )
            self._boards[output.board].order(order)

    def release(self, wire: Wire) -> None:
        """Let an output rest; one that is safe while it acts is kept at its level instead."""
        output = self.wires.get(wire)
        if output is not None and not output.rests_acting:
            self._boards[output.board].release(output.channel)

    def release_all(self) -> None:
        """Every output to its safe state."""
        self._levels.clear()
        for output in self.wires.values():
            self._boards[output.board].release(output.channel)

    def keep_line_free(self, until_ns: int) -> None:
        """Put off slow read-backs on every board that the lane uses."""
        for name in {output.board for output in self.wires.values()}:
            self._boards[name].keep_line_free(until_ns)

    def away(self) -> tuple[str, ...]:
        """Outputs by meaning that are away from their safe state."""
        return tuple(wire.value for wire, output in self.wires.items() if self._is_away(output))

    # --- levels ---------------------------------------------------------------------------------------

    def keep(self, shows: frozenset[str], acting: Mapping[Wire, bool], now_ns: int) -> None:
        """Bring every level to what it should be, and say how releases ended."""
        self._answer_settled(now_ns)
        if self._settings.dry_run:
            return
        for wire, output in self.wires.items():
            if wire in SIGNALS:
                self._keep(wire, output, wire.value in shows, now_ns)
            elif output.rests_acting and wire in acting:
                self._keep(wire, output, not acting[wire], now_ns)

    def _keep(self, wire: Wire, output: Output, wanted: bool, now_ns: int) -> None:
        """Keep one output away from its safe state, or in it."""
        level = self._levels.setdefault(wire, _Level())
        begins = wanted and not level.wanted
        was, level.wanted = level.wanted, wanted
        board = self._boards[output.board]
        if not wanted:
            if was or (self._is_away(output) and now_ns >= level.retry_ns):
                level.retry_ns = now_ns + RETRY_NS
                board.release(output.channel)
            level.ordered = False
            return
        missing = not level.ordered and not self._is_away(output) and now_ns >= level.retry_ns
        if not board.is_up or not missing or (output.pulse_ms and not begins):
            return
        level.ordered, level.retry_ns = True, now_ns + RETRY_NS
        board.order(
            Order(
                channel=output.channel,
                ms=output.pulse_ms,
                guard_ms=output.max_on_ms if output.pulse_ms else 0,
                not_after_ns=now_ns + LEVEL_ORDER_NS,
                done=lambda _result: setattr(level, "ordered", False),
            )
        )

    def _answer_settled(self, now_ns: int) -> None:
        """A relay that is no longer away from its safe state has got there."""
        waiting, self._settling = self._settling, []
        for output, done, since_ns in waiting:
            if not self._is_away(output) and self._boards[output.board].is_up:
                done(WireResult(Outcome.DONE, now_ns))
            elif now_ns - since_ns > SETTLE_NS:
                done(WireResult(Outcome.UNKNOWN, why="the board does not say that the lock was let go"))
            else:
                self._settling.append((output, done, since_ns))

    def _is_away(self, output: Output) -> bool:
        return output.channel in self._boards[output.board].status.away

    def _stale_ns(self, now_ns: int) -> int:
        settings = self._settings
        dead_time_ms = 0
        if isinstance(settings, BarrierLane | TurnstileLane):
            dead_time_ms = settings.times.dead_time_ms
        return now_ns + STALE_ORDER_NS + dead_time_ms * NS_PER_MS


def outputs_of(settings: Lane) -> Mapping[Wire, Output]:
    """The wired outputs of a lane by meaning."""
    wires = {wire: getattr(settings, wire.value, None) for wire in Wire}
    return {wire: output for wire, output in wires.items() if output is not None}


def _guard_ms(wire: Wire, output: Output) -> int:
    """A pulse has its guard; so has a held CLOSE. What holds open is not ended behind a fire's back."""
    may_last = output.pulse_ms == 0 and wire not in (Wire.CLOSE, Wire.STOP)
    return 0 if may_last else output.max_on_ms

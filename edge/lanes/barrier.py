"""The barrier as a pure machine: sensors, requests and time in; relay acts, events and alarms out.

Phases (``Phase``) and the rules that hold in all of them:

- A sensor is True, False or None; None (not readable, stale, not settled) counts as a car under the boom
  whenever lowering is considered, and as "no news" whenever raising is.
- CLOSE is only ever sent while every wired safety sensor says "clear" and nothing holds the boom open, and
  only by a machine that raised the boom itself or was told to by a person.
- Nothing is sent at start-up: the first act on a relay answers a request, a fire input, a hold key, the
  schedule, a boom that has been seen to leave its upper limit over a car, or ``power_return = "close"``.
- A boom that comes down is raised again at once by a car, the beam, the edge, fire, the key, or a permit.
- A sensor that has been active for hours is stuck: it still keeps us from lowering the boom, but nothing is
  counted or raised by it, so that the barrier's own logic can go on.

Where a wire is missing the machine does without: no open limit means "up" is assumed after the opening time,
no closed limit means "down" is assumed after the closing time, no CLOSE wire means that the barrier lowers
itself and we only watch. An OPEN output with ``pulse_ms = 0`` is kept energised while the boom shall be up;
letting go of it is treated with the same care as sending CLOSE.
"""

from collections.abc import Callable, Mapping

from edge.clock import NS_PER_S
from edge.lanes.acts import Act, Pulse, Wire
from edge.lanes.barrier_state import BOOM_UP, BarrierInputs, BarrierState, Phase, Position
from edge.lanes.barrier_turn import BarrierTurn
from edge.settings import BarrierLane

REPEAT_RAISE_NS = 1 * NS_PER_S  # a raise for safety is sent again this often until the boom is seen up
REPEAT_HOLD_NS = 5 * NS_PER_S  # a hold is renewed this often: restarts the barrier's own closing timer


def step(
    state: BarrierState, inputs: BarrierInputs, now_ns: int, settings: BarrierLane
) -> tuple[BarrierState, tuple[Act, ...]]:
    """Advance the machine by one look at the lane.

    Args:
        state: As the step before returned it; ``BarrierState()`` for the first one.
        inputs: What is seen and asked for now.
        now_ns: CLOCK_BOOTTIME; never earlier than in the step before.
        settings: Wires and times; may change between two steps.

    Returns:
        The new state, and what to do, in order.
    """
    return advance(BarrierTurn(state, inputs, now_ns, settings))


def advance(turn: BarrierTurn) -> tuple[BarrierState, tuple[Act, ...]]:
    """Run one prepared step to its end."""
    turn.begin()
    PROGRESS[turn.state.phase](turn)
    return turn.end()


def _unknown(turn: BarrierTurn) -> None:
    """Learn from the limits where the boom is; move nothing."""
    where = turn.position()
    if where is Position.DOWN:
        _come_to_rest(turn, "found_closed")
    elif where is Position.UP:
        turn.journal("opened_by_hand" if turn.state.by_hand else "found_open")
        at_start = not turn.state.by_hand and not turn.state.pulsed_ns
        turn.set(ours=False, found=at_start, by_hand=False)
        turn.enter(Phase.OPEN_WAIT)
    if turn.state.phase is not Phase.UNKNOWN:
        turn.alarm("position_unknown", on=False)
    elif where is Position.BETWEEN and turn.in_phase(turn.settings.times.open_timeout_s):
        turn.alarm("position_unknown", on=True, detail="the boom is neither up nor down")


def _closed(turn: BarrierTurn) -> None:
    """Nothing of ours moves it from here: seen up means that somebody raised it by hand or handset."""
    where = turn.position()
    if where is Position.UP:
        turn.journal("opened_by_hand")
        turn.set(ours=False, found=False)
        turn.enter(Phase.OPEN_WAIT)
    elif where is Position.BETWEEN:
        turn.journal("moved_by_hand")
        turn.set(by_hand=True)
        turn.enter(Phase.UNKNOWN)


def _opening(turn: BarrierTurn) -> None:
    """Until the open limit, or as long as opening takes when there is none."""
    timed_out = turn.in_phase(turn.settings.times.open_timeout_s)
    if turn.wired("open_limit"):
        up = turn.inputs.open_limit is True or (timed_out and turn.inputs.open_limit is None)
    else:
        up = timed_out or (turn.state.occupied and turn.sensor("closed_limit") is False)
    if up:
        _arrive(turn)
    elif timed_out:
        turn.alarm("open_failed", on=True, detail="no open limit in time")
        turn.give_up_waiting()
        turn.set(fault="open_failed", urgent=False)
        turn.enter(Phase.FAULT)
    elif turn.state.urgent:
        _repeat_open(turn, REPEAT_RAISE_NS)


def _arrive(turn: BarrierTurn) -> None:
    """The boom is up."""
    turn.alarm("open_failed", on=False)
    turn.alarm("close_failed", on=False)
    turn.journal("raised", ms=(turn.now_ns - turn.state.since_ns) // 1_000_000)
    turn.set(urgent=False, fault="")
    if turn.state.occupied:
        turn.enter(Phase.PASSING)
    else:
        turn.enter(Phase.OPEN_WAIT if turn.state.waiting else Phase.OPEN_CLEAR)


def _open_wait(turn: BarrierTurn) -> None:
    """Up, and nobody under it yet; or up by another's hand, then it is not ours to lower."""
    if turn.state.occupied:
        turn.enter(Phase.PASSING)
    elif _goes_down_by_itself(turn):
        return
    elif not turn.state.ours:
        _stand_open(turn)
    elif not turn.state.waiting:
        turn.enter(Phase.OPEN_CLEAR)  # whoever was let in has gone through, or back
    elif turn.in_phase(turn.settings.times.pass_timeout_s):
        turn.give_up_waiting()
        turn.enter(Phase.OPEN_CLEAR)


def _stand_open(turn: BarrierTurn) -> None:
    """Not ours to lower; found so after a power cut, it may be lowered once the lane is proven clear."""
    settings = turn.settings
    if turn.in_phase(settings.times.linger_s):
        turn.alarm("standing_open", on=True, detail="raised by hand or found open, and left so")
    proven = turn.may_lower() and turn.clear_for(settings.times.power_return_s)
    if settings.power_return == "close" and turn.state.found and proven:
        turn.journal("closed_after_power_return")
        turn.set(ours=True)
        turn.lower_boom()


def _passing(turn: BarrierTurn) -> None:
    """A car is under the boom; when it has left, the next one waits or the lane clears."""
    if turn.state.occupied:
        if turn.sensor("open_limit") is False and turn.wired("open_limit") and not _is_down(turn):
            # It sinks onto a car, whoever told it to.
            turn.reverse("sinking_onto_car")
    elif turn.state.waiting or not turn.state.ours:
        turn.enter(Phase.OPEN_WAIT)
    else:
        turn.enter(Phase.OPEN_CLEAR)


def _open_clear(turn: BarrierTurn) -> None:
    """The car is gone: lower the boom once the lane has been seen clear for long enough."""
    times = turn.settings.times
    if turn.state.occupied:
        turn.enter(Phase.PASSING)
    elif _goes_down_by_itself(turn):
        return
    elif turn.can_lower():
        if turn.state.ours and turn.may_lower() and turn.clear_for(times.clear_s):
            turn.lower_boom()
    elif not turn.wired("open_limit") and not turn.wired("closed_limit"):
        if turn.in_phase(times.close_timeout_s):
            _come_to_rest(turn, "assumed_closed")
    elif turn.in_phase(times.pass_timeout_s + times.close_timeout_s):
        turn.alarm("standing_open", on=True, detail="the barrier does not close by itself")


def _closing(turn: BarrierTurn) -> None:
    """On its way down; ``BarrierTurn.guard_closing`` has looked already whether it must not be."""
    timed_out = turn.in_phase(turn.settings.times.close_timeout_s)
    if _is_down(turn):
        _come_to_rest(turn, "closed")
    elif not turn.state.commanded and turn.sensor("open_limit") is True:
        turn.enter(Phase.OPEN_CLEAR if turn.state.ours else Phase.OPEN_WAIT)
    elif timed_out and (turn.wired("closed_limit") or turn.sensor("open_limit") is True):
        turn.alarm("close_failed", on=True, detail="no closed limit in time")
        turn.release(Wire.CLOSE)
        turn.set(fault="close_failed", commanded=False)
        turn.enter(Phase.FAULT)
    elif timed_out:
        _come_to_rest(turn, "assumed_closed")


def _held_open(turn: BarrierTurn) -> None:
    """Keep it up: again and again where nothing shows that it is, now and then where it is seen up."""
    seen_up = turn.wired("open_limit") and turn.inputs.open_limit is True
    _repeat_open(turn, REPEAT_HOLD_NS if seen_up or turn.position() is None else REPEAT_RAISE_NS)


def _fault(turn: BarrierTurn) -> None:
    """Wait for the limit that was missing, or for a new request."""
    if turn.state.fault == "open_failed" and turn.sensor("open_limit") is True:
        _arrive(turn)
    elif turn.state.fault == "close_failed" and _is_down(turn):
        _come_to_rest(turn, "closed")


def _is_down(turn: BarrierTurn) -> bool:
    return turn.position() is Position.DOWN and turn.wired("closed_limit")


def _goes_down_by_itself(turn: BarrierTurn) -> bool:
    """An open boom that leaves its limit without our command: by its own logic, or by hand."""
    if _is_down(turn):
        _come_to_rest(turn, "closed_by_itself")
        return True
    if not turn.wired("open_limit") or turn.inputs.open_limit is not False:
        return False
    if turn.state.waiting and turn.state.passed:
        # The barrier closes behind the first car while the next permitted one is coming.
        turn.reverse("next_car_waits")
        return True
    turn.give_up_waiting()
    turn.set(commanded=False)
    turn.enter(Phase.CLOSING)
    return True


def _come_to_rest(turn: BarrierTurn, event: str) -> None:
    """The boom is down; a level that still stands on a wire ends."""
    turn.give_up_waiting()
    turn.journal(event)
    turn.release(Wire.CLOSE)
    if turn.settings.open.pulse_ms == 0 and turn.state.ours:
        turn.release(Wire.OPEN)
    for name in ("close_failed", "standing_open"):
        turn.alarm(name, on=False)
    turn.set(waiting=(), lifted=(), passed=0, last_passed=None, heading="", fault="")
    turn.set(ours=False, found=False, by_hand=False, commanded=False, urgent=False)
    turn.enter(Phase.CLOSED)


def _repeat_open(turn: BarrierTurn, every_ns: int) -> None:
    if turn.now_ns - turn.state.pulsed_ns >= every_ns:
        turn.acts.append(Pulse(Wire.OPEN, urgent=True))
        turn.set(pulsed_ns=turn.now_ns)


PROGRESS: Mapping[Phase, Callable[[BarrierTurn], None]] = {
    Phase.UNKNOWN: _unknown,
    Phase.CLOSED: _closed,
    Phase.OPENING: _opening,
    Phase.OPEN_WAIT: _open_wait,
    Phase.PASSING: _passing,
    Phase.OPEN_CLEAR: _open_clear,
    Phase.CLOSING: _closing,
    Phase.HELD_OPEN: _held_open,
    Phase.FAULT: _fault,
}

__all__ = [
    "BOOM_UP",
    "PROGRESS",
    "REPEAT_HOLD_NS",
    "REPEAT_RAISE_NS",
    "BarrierInputs",
    "BarrierState",
    "BarrierTurn",
    "Phase",
    "Position",
    "advance",
    "step",
]

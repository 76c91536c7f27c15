"""Cars as the barrier sees them: under the boom, which way, whose visit, and those who should not be there.

One loop tells that a car left, two tell which way (``edge.lanes.crossing``). Whoever leaves a raised boom
behind is the visit that waits longest; with nobody waiting it followed another car through. Whoever goes back
the way it came has not entered: its visit is cancelled, also when it had been counted as through already.
"""

from edge.clock import NS_PER_MS
from edge.lanes.acts import Hold
from edge.lanes.barrier_state import BOOM_UP, BarrierInputs, BarrierState, Phase
from edge.lanes.crossing import Course, follow
from edge.lanes.turn import Turn
from edge.settings import BarrierLane

GAP_NS = 1500 * NS_PER_MS  # a motorcycle between two loops is on neither for about a second

BarrierStep = Turn[BarrierState, BarrierInputs, BarrierLane]
OTHER_WAY = {"in": "out", "out": "in", "": ""}


def watch_occupancy(turn: BarrierStep) -> bool:
    """Follow the car under the boom; True when one has left in this very step.

    A long vehicle may be lost by the loop between its axles: while the beam is cut it has not left.
    """
    state: BarrierState = turn.state
    name = "presence" if turn.wired("presence") else "beam"
    car, beam = turn.trusted(name), turn.trusted("beam")
    times = turn.settings.times
    left = False
    if name in turn.state.stuck:
        turn.set(occupied=False, large=False)
    elif car and not state.occupied:
        turn.set(occupied=True, occupied_ns=turn.now_ns, large=False)
    elif car is False and beam is False and state.occupied:
        turn.set(occupied=False, large=False)
        left = True
    state = turn.state
    if state.occupied and not state.large and turn.elapsed(state.occupied_ns, times.large_s):
        turn.set(large=True)
        turn.journal("large_vehicle", visit=state.waiting[0] if state.waiting else None)
    lingers = state.occupied and turn.elapsed(state.occupied_ns, times.linger_s)
    turn.alarm("lingering", on=lingers, detail="a car stands under the boom")
    return left


def watch_ways(turn: BarrierStep, left: bool) -> None:
    """Count who went through, and which way."""
    if not turn.wired("second_loop"):
        if left:
            count_passage(turn, "")
        return
    a, b = turn.trusted("presence"), turn.trusted("second_loop")
    crossing, courses = follow(turn.state.crossing, a, b, turn.now_ns, GAP_NS)
    if crossing != turn.state.crossing:
        turn.set(crossing=crossing)
    forward = way_of_lane(turn.settings) or "in"
    for course in courses:
        if course is Course.FORWARD:
            count_passage(turn, forward)
        elif course is Course.BACKWARD:
            count_passage(turn, OTHER_WAY[forward])
        elif course is Course.UNSURE:
            count_passage(turn, "")
        elif course is Course.BACK_TO_A:
            turned_back(turn, forward)
        elif course is Course.BACK_TO_B:
            turned_back(turn, OTHER_WAY[forward])


def way_of_lane(settings: BarrierLane) -> str:
    """``in`` or ``out``; empty for a lane that leads both ways."""
    return "" if settings.direction == "both" else settings.direction


def count_passage(turn: BarrierStep, way: str) -> None:
    """A car has gone through: whose visit was it?

    Args:
        turn: The step.
        way: ``in``, ``out``, or empty when nobody knows.
    """
    state: BarrierState = turn.state
    if turn.sensor("closed_limit") is True and state.phase is Phase.CLOSED and way:
        turn.sound("passed_closed", "a car went through although the boom is down; is it broken?", way=way)
        return
    if state.phase not in BOOM_UP or turn.sensor("closed_limit") is True:
        return
    expected = state.heading or way_of_lane(turn.settings)
    if way and expected and way != expected:
        if Hold.FIRE in state.holds:
            turn.journal("wrong_way", way=way)
        else:
            turn.sound("wrong_way", f"a car went {way} where only {expected} is allowed", way=way)
        return
    held = state.phase is Phase.HELD_OPEN and state.holds != {Hold.FLEET}
    if state.waiting:
        turn.journal("passed", visit=state.waiting[0])
        turn.set(fleet_ns=turn.now_ns)
    elif held or not state.ours:
        turn.journal("passed", visit=None)
    else:
        turn.sound("tailgated", "a car went through behind another one", after=list(state.lifted[-1:]))
    last = state.waiting[0] if state.waiting else None
    turn.set(waiting=state.waiting[1:], passed=state.passed + 1, last_passed=last)


def turned_back(turn: BarrierStep, way: str) -> None:
    """A car went back the way it came: the visit is cancelled, and may be let in anew."""
    state: BarrierState = turn.state
    expected = state.heading or way_of_lane(turn.settings)
    if state.phase not in (*BOOM_UP, Phase.CLOSING) or (expected and way != expected):
        return
    if state.waiting:
        visit, waiting = state.waiting[0], state.waiting[1:]
    else:
        visit, waiting = state.last_passed or "", state.waiting
    if not visit:
        return
    turn.journal("turned_back", visit=visit)
    lifted = tuple(other for other in state.lifted if other != visit)
    turn.set(waiting=waiting, lifted=lifted, last_passed=None)


def other_way_is_busy(state: BarrierState, settings: BarrierLane, way: str, now_ns: int) -> bool:
    """One way at a time: True while the lane is used, or not clear for long enough, the other way round."""
    if settings.direction != "both" or not way or state.heading in ("", way):
        return False
    long_ns = round(settings.times.turn_s * 1000) * NS_PER_MS
    is_clear = state.clear_ns is not None and now_ns - state.clear_ns >= long_ns
    return bool(state.waiting or state.occupied or state.crossing.first or not is_clear)

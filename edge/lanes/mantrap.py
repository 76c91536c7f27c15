"""Two doors with a space between, as a pure machine: one opens only while the other is closed and locked.

IDLE, UNLOCKED (the first door is let go), ENTERING (it is open), BETWEEN (both shut, somebody inside),
EXIT_UNLOCKED (the way on is let go), LEAVING (that door is open), FREE (fire or the key: both are let go).

- A door is unlocked only while the other is known to be closed, is told to be locked, has had its time to
  lock, and its bolt, where that can be seen, is thrown. An unknown contact is an open door to the other one.
- Whoever stands between the doors is never kept there: when the way on is not used in time the machine tries
  the way back, and so on by turns, and the cabin button asks for the way back at once.
- Whoever is granted the way, or presses the exit button, while a lock settles waits up to three seconds.
- Fire and the local key let go of both doors; nothing remote does, and nothing remote ends that (SAFE-2).
"""

from collections.abc import Callable, Mapping

from edge.lanes.acts import Act, Pulse
from edge.lanes.mantrap_state import LOCKS, OTHER, MantrapInputs, MantrapPhase, MantrapState
from edge.lanes.mantrap_turn import MantrapTurn
from edge.settings import MantrapLane

REPEAT_HOLD_S = 2.0
EMPTY_S = 2.0  # the space between the doors is seen empty for so long
TRIES = 4  # unlockings, by turns on both sides, after which nobody is thought to be inside


def step(
    state: MantrapState, inputs: MantrapInputs, now_ns: int, settings: MantrapLane
) -> tuple[MantrapState, tuple[Act, ...]]:
    """Advance the machine by one look at both doors.

    Args:
        state: As the step before returned it; ``MantrapState()`` for the first one.
        inputs: What is seen and asked for now.
        now_ns: CLOCK_BOOTTIME; never earlier than in the step before.
        settings: Wires and times; may change between two steps.

    Returns:
        The new state, and what to do, in order.
    """
    return advance(MantrapTurn(state, inputs, now_ns, settings))


def advance(turn: MantrapTurn) -> tuple[MantrapState, tuple[Act, ...]]:
    """Run one prepared step to its end."""
    turn.begin()
    PROGRESS[turn.state.phase](turn)
    turn.alarm_open_leaves()
    return turn.end()


def _idle(turn: MantrapTurn) -> None:
    """Nobody under way; somebody may be left inside by a restart."""
    if turn.trusted("cabin_button") is True and not _is_seen_empty(turn):
        turn.let_out_unknown()
        return
    since_ns = dict(turn.state.active).get("occupied")
    inside = since_ns is not None and turn.elapsed(since_ns, turn.settings.times.inside_s)
    turn.alarm("waiting_inside", on=inside, detail="somebody is between the doors unasked")


def _unlocked(turn: MantrapTurn) -> None:
    """The first door is let go: it opens, or it is locked again."""
    first = turn.first
    if turn.state.went == first:
        turn.lock(first)
        turn.set(went="")
        turn.enter(MantrapPhase.ENTERING)
    elif turn.in_phase(turn.settings.times.unlock_s):
        turn.lock(first)
        turn.give_up()


def _entering(turn: MantrapTurn) -> None:
    """Until the first door is shut again."""
    if turn.sensor(f"{turn.first}_contact") is False:
        turn.set(exit_by=OTHER[turn.first], tries=0)
        turn.enter(MantrapPhase.BETWEEN)


def _is_seen_empty(turn: MantrapTurn) -> bool:
    """Nobody is between the doors: as far as there is a sensor for it."""
    return turn.wired("occupied") and turn.sensor("occupied") is False


def _between(turn: MantrapTurn) -> None:
    """Unlock the way on as soon as the interlock allows it; or the way back, by turns."""
    state = turn.state
    presses = turn.trusted("cabin_button") is True
    if (state.tries >= TRIES and not presses) or (_is_seen_empty(turn) and turn.in_phase(EMPTY_S)):
        turn.journal("assumed_empty")
        turn.give_up()
    elif turn.may_unlock(state.exit_by):
        turn.set(went="", tries=state.tries + 1)
        turn.unlock(state.exit_by)
        turn.enter(MantrapPhase.EXIT_UNLOCKED)
    elif turn.in_phase(turn.settings.times.inside_s):
        detail = f"somebody is between the doors, and the {state.exit_by} door may not open"
        turn.alarm("waiting_inside", on=True, detail=detail)
        turn.try_other_door()


def _exit_unlocked(turn: MantrapTurn) -> None:
    """The way on, or back, is let go: it is used, or the other one is tried."""
    door = turn.state.exit_by
    if turn.state.went == door:
        turn.lock(door)
        visit = turn.state.waiting[0] if turn.state.waiting else None
        came_back = door == turn.first if turn.state.heading else True
        turn.journal("turned_back" if came_back else "passed", visit=visit)
        turn.alarm("waiting_inside", on=False)
        turn.set(waiting=(), went="")
        turn.enter(MantrapPhase.LEAVING)
    elif turn.in_phase(turn.settings.times.unlock_s) and _is_seen_empty(turn):
        turn.lock(door)
        turn.journal("assumed_empty")
        turn.give_up()
    elif turn.in_phase(turn.settings.times.unlock_s):
        turn.lock(door)
        turn.alarm("waiting_inside", on=True, detail=f"the {door} door was let go and not opened")
        turn.try_other_door()


def _leaving(turn: MantrapTurn) -> None:
    """Until the door is shut behind them."""
    if turn.sensor(f"{turn.state.exit_by}_contact") is False:
        turn.give_up()


def _free(turn: MantrapTurn) -> None:
    """Renew the hold on both doors."""
    if turn.elapsed(turn.state.pulsed_ns, REPEAT_HOLD_S):
        for door in OTHER:
            turn.acts.append(Pulse(LOCKS[door], urgent=True))
        turn.set(pulsed_ns=turn.now_ns)


PROGRESS: Mapping[MantrapPhase, Callable[[MantrapTurn], None]] = {
    MantrapPhase.IDLE: _idle,
    MantrapPhase.UNLOCKED: _unlocked,
    MantrapPhase.ENTERING: _entering,
    MantrapPhase.BETWEEN: _between,
    MantrapPhase.EXIT_UNLOCKED: _exit_unlocked,
    MantrapPhase.LEAVING: _leaving,
    MantrapPhase.FREE: _free,
}

"""A lane while the kill switch is thrown: nobody gets in by recognition; fire and the exit work (SAFE-2)."""

from pathlib import Path

from lane_rig import CLOCK, LOCK, OPEN, Rig, grant, rig

from edge.clock import NS_PER_S
from edge.lanes import Ask
from edge.records import Stream, new_id


def throw(made: Rig) -> None:
    """As the daemon does: lanes and clerks ask it each time."""
    made.lane._is_killed = made.lane.clerk._is_killed = lambda: True


def ask(made: Rig, what: Ask, *, at_box: bool) -> str:
    told: list[str] = []
    until_ns = CLOCK.boot_ns() + 30 * NS_PER_S
    made.lane.command(
        what, new_id(), "desk-1", until_ns, lambda result, _why: told.append(result), at_box=at_box
    )
    made.until(lambda: told)
    return told[0]


def test_SAFE_2_fire_and_exit_work_while_nobody_gets_in(tmp_path: Path) -> None:
    with rig(tmp_path, lane="door", door={"fire": {"board": "inputs", "channel": 5}}) as made:
        throw(made)
        made.lane.submit(grant("door", lives_s=20))
        made.until(lambda: made.events(Stream.ACCESS))
        (event,) = made.events(Stream.ACCESS)
        assert event["data"]["result"] == "kill_switch"
        for what in (Ask.OPEN, Ask.HOLD):
            assert ask(made, what, at_box=False) == "kill_switch"
        assert made.pulses(LOCK) == []
        made.site.hold("exit_button", True)
        made.until_phase("unlocked")
        made.site.hold("exit_button", False)
        made.until_phase("locked")
        made.site.hold("fire", True)
        made.until_phase("held")
        made.site.hold("fire", False)
        made.until_phase("locked")


def test_whoever_stands_at_the_box_opens_and_closing_is_always_taken(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.until_phase("closed")
        throw(made)
        assert ask(made, Ask.OPEN, at_box=False) == "kill_switch"
        assert made.pulses(OPEN) == []
        assert ask(made, Ask.OPEN, at_box=True) == "done"
        made.until(lambda: made.pulses(OPEN))
        made.until_phase("open_wait")
        assert ask(made, Ask.CLOSE, at_box=False) != "kill_switch"

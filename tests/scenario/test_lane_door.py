"""A door lane on simulated boards: lock, leaf, exit button, fire."""

import time
from pathlib import Path

from lane_rig import CLOCK, LOCK, grant, rig

from edge.clock import NS_PER_S
from edge.records import Stream


def someone_pushes(made: object, *, force: bool = False) -> None:
    """A person at the door from now on, who goes through when it gives way."""
    site = made.site  # type: ignore[attr-defined]
    at_s = (CLOCK.boot_ns() - site.epoch_ns) / NS_PER_S
    site.play([{"kind": "person", "at": at_s, "open_for_s": 0.5, "patience_s": 3, "force": force}])


def test_a_permitted_person_goes_through_and_the_door_locks_behind(tmp_path: Path) -> None:
    with rig(tmp_path, lane="door") as made:
        assert made.lane.status.phase == "locked"
        made.lane.submit(grant("door"))
        made.until_phase("unlocked")
        someone_pushes(made)
        made.until_phase("open")
        made.until(lambda: not made.site.lcus.relays[LOCK - 1])
        made.until_phase("locked")
        types = made.types()
        assert {"access.decided", "door.passed", "door.actuated"} <= set(types)
        assert "door.forced" not in types
        assert len(made.events(Stream.ACCESS)) == 1
        assert made.alarms.standing() == ()


def test_nobody_comes_and_the_door_locks_after_its_time(tmp_path: Path) -> None:
    with rig(tmp_path, lane="door") as made:
        made.lane.submit(grant("door"))
        made.until_phase("unlocked")
        made.until_phase("locked")
        made.until(lambda: made.on_times_ms(LOCK))
        (lasted_ms,) = made.on_times_ms(LOCK)
        assert 600 < lasted_ms < 3000  # the time counts from the request; board or machine may have been busy


def test_a_forced_leaf_is_an_alarm_until_it_is_shut(tmp_path: Path) -> None:
    with rig(tmp_path, lane="door") as made:
        someone_pushes(made, force=True)
        made.until(lambda: [alarm.name for alarm in made.alarms.standing()] == ["door.forced"])
        made.until(lambda: made.alarms.standing() == ())
        assert made.pulses(LOCK) == []


def test_the_exit_button_unlocks_without_a_permit(tmp_path: Path) -> None:
    with rig(tmp_path, lane="door") as made:
        made.site.hold("exit_button", True)
        made.until_phase("unlocked")
        made.site.hold("exit_button", False)
        someone_pushes(made)
        made.until_phase("open")
        made.until_phase("locked")
        assert "door.exit_requested" in made.types()
        assert "door.forced" not in made.types()
        assert made.wakes[0] == "door"


def test_SAFE_2_fire_unlocks_and_holds(tmp_path: Path) -> None:
    with rig(tmp_path, lane="door") as made:
        made.site.hold("fire", True)
        time.sleep(0.3)  # this door is not wired to the fire contact, so it must not hear of it
        assert made.pulses(LOCK) == []
    folder = tmp_path / "wired"
    folder.mkdir()
    with rig(folder, lane="door", door={"fire": {"board": "inputs", "channel": 5}}) as made:
        made.site.hold("fire", True)
        made.until_phase("held")
        made.until(lambda: made.site.lcus.relays[LOCK - 1])
        made.site.hold("fire", False)
        made.until_phase("locked")
        made.until(lambda: not made.site.lcus.relays[LOCK - 1], 1.0)

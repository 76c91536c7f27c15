"""The door machine, transition by transition. Times in seconds."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from edge.clock import NS_PER_S
from edge.lanes.acts import Act, AlarmEdge, Ask, Hold, Journal, Pulse, Release, Request, Wire
from edge.lanes.door import DoorInputs, DoorPhase, DoorState, step
from edge.settings import DoorLane

TICK_S = 0.1


def door_section(*without: str, **changes: Any) -> DoorLane:
    section: dict[str, Any] = {"type": "door", "lock": {"board": "relays", "channel": 4, "pulse_ms": 0}}
    for channel, wire in enumerate(("contact", "exit_button", "fire", "hold_key"), start=1):
        section[wire] = {"board": "inputs", "channel": channel}
    for wire in without:
        del section[wire]
    return DoorLane.model_validate(section | changes)


@dataclass
class Site:
    """Drives the machine in steps and keeps what it did."""

    settings: DoorLane
    state: DoorState = DoorState()
    now_s: float = 100.0
    sensors: dict[str, bool | None] = field(default_factory=dict)

    def step(self, *requests: Request, **sensors: bool | None) -> list[Act]:
        self.now_s += TICK_S
        self.sensors |= sensors
        inputs = replace(DoorInputs(**self.sensors), requests=requests)
        self.state, acts = step(self.state, inputs, round(self.now_s * NS_PER_S), self.settings)
        return list(acts)

    def wait(self, seconds: float, **sensors: bool | None) -> list[Act]:
        acts = self.step(**sensors)
        for _ in range(round(seconds / TICK_S) - 1):
            acts += self.step()
        return acts

    def ask(self, ask: Ask, visit: str = "person-1", late_s: float = -1.0) -> list[Act]:
        not_after_ns = round((self.now_s - late_s) * NS_PER_S)
        return self.step(Request(ask, visit, not_after_ns, f"id-{visit}"))


def door(*without: str, **changes: Any) -> Site:
    made = Site(door_section(*without, **changes))
    made.step(contact=False, exit_button=False, fire=False, hold_key=False)
    return made


def moves(acts: list[Act]) -> list[str]:
    """What the lock was told: "unlock" and "lock" in order."""
    return ["unlock" if isinstance(a, Pulse) else "lock" for a in acts if isinstance(a, Pulse | Release)]


def events(acts: list[Act]) -> list[str]:
    return [act.type for act in acts if isinstance(act, Journal)]


def alarms(acts: list[Act]) -> list[tuple[str, bool]]:
    return [(act.name, act.on) for act in acts if isinstance(act, AlarmEdge)]


def test_SAFE_4_nothing_is_switched_at_start_up_and_a_leaf_found_open_is_no_alarm() -> None:
    made = Site(door_section())
    acts = made.wait(10.0, contact=True, exit_button=False, fire=False, hold_key=False)
    assert moves(acts) == []
    assert alarms(acts) == []
    assert "door.found_open" in events(acts)
    assert made.state.phase is DoorPhase.OPEN


def test_a_permitted_person_goes_through_and_the_door_locks_behind() -> None:
    made = door()
    acts = made.ask(Ask.OPEN)
    assert next(act for act in acts if isinstance(act, Pulse)).wire is Wire.LOCK
    assert made.state.phase is DoorPhase.UNLOCKED
    acts = made.step(contact=True)
    assert moves(acts) == ["lock"]
    assert Journal("door.passed", {"visit": "person-1"}) in acts
    assert made.state.phase is DoorPhase.OPEN
    made.step(contact=False)
    assert made.state.phase is DoorPhase.LOCKED


def test_nobody_goes_through_and_the_door_locks_again() -> None:
    made = door()
    made.ask(Ask.OPEN)
    acts = made.wait(4.2)
    assert moves(acts) == ["lock"]
    assert Journal("door.authorised_not_passed", {"visit": "person-1"}) in acts
    assert made.state.phase is DoorPhase.LOCKED
    assert moves(made.ask(Ask.OPEN)) == ["unlock"]


def test_the_same_visit_does_not_unlock_twice_at_a_time() -> None:
    made = door()
    made.ask(Ask.OPEN)
    assert moves(made.ask(Ask.OPEN)) == []


def test_a_leaf_that_opens_without_permission_is_forced_until_it_is_shut() -> None:
    made = door()
    acts = made.step(contact=True)
    assert alarms(acts) == [("door.forced", True)]
    assert alarms(made.step(contact=False)) == [("door.forced", False)]


def test_a_contact_that_was_unknown_in_between_hides_no_forced_door() -> None:
    made = door()
    made.wait(1.0, contact=None)
    assert alarms(made.step(contact=True)) == [("door.forced", True)]


@pytest.mark.parametrize(("pause_s", "forced"), [(1.0, False), (6.5, True)])
def test_the_exit_button_unlocks_and_masks_forced_for_its_time(pause_s: float, forced: bool) -> None:
    made = door()
    acts = made.step(exit_button=True)
    assert moves(acts) == ["unlock"]
    assert "door.exit_requested" in events(acts)
    made.wait(pause_s, exit_button=False)
    acts = made.step(contact=True)
    assert (("door.forced", True) in alarms(acts)) is forced


def test_a_held_exit_button_keeps_the_door_unlocked_and_asks_once() -> None:
    made = door()
    acts = made.wait(20.0, exit_button=True)
    assert events(acts).count("door.exit_requested") == 1
    assert moves(acts) == ["unlock"]
    assert moves(made.wait(5.0, exit_button=False)) == ["lock"]


def test_a_door_held_open_warns_at_four_fifths_and_then_raises_the_alarm() -> None:
    made = door()
    made.ask(Ask.OPEN)
    made.step(contact=True)
    assert alarms(made.wait(23.5)) == []
    assert alarms(made.wait(1.0)) == [("door.held_soon", True)]
    assert alarms(made.wait(6.0)) == [("door.held_open", True), ("door.held_soon", False)]
    assert alarms(made.step(contact=False)) == [("door.held_open", False)]


@pytest.mark.parametrize("sensor", ["fire", "hold_key"])
def test_SAFE_2_fire_and_key_unlock_and_hold_whatever_is_asked(sensor: str) -> None:
    made = door()
    assert moves(made.step(**{sensor: True})) == ["unlock"]
    for ask in (Ask.CLOSE, Ask.STOP, Ask.RELEASE):
        acts = made.ask(ask)
        assert "door.refused" in events(acts)
        assert "lock" not in moves(acts)
    acts = made.wait(60.0)
    assert set(moves(acts)) == {"unlock"}
    assert made.state.phase is DoorPhase.HELD


def test_SAFE_2_the_fire_hold_needs_its_reset_time_without_a_gap() -> None:
    made = door()
    made.step(fire=True)
    made.wait(4.0, fire=False)
    made.step(fire=None)
    made.wait(4.5, fire=False)
    assert made.state.phase is DoorPhase.HELD
    acts = made.wait(1.0)
    assert moves(acts)[-1] == "lock"
    assert made.state.phase is DoorPhase.LOCKED


def test_SAFE_2_a_remote_release_leaves_the_key() -> None:
    made = door()
    made.step(hold_key=True)
    made.ask(Ask.HOLD)
    made.ask(Ask.RELEASE)
    assert made.state.holds == {Hold.KEY}


def test_leaving_a_hold_with_the_leaf_open_is_open() -> None:
    made = door()
    made.ask(Ask.HOLD)
    assert alarms(made.step(contact=True)) == []
    made.ask(Ask.RELEASE)
    assert made.state.phase is DoorPhase.OPEN


@pytest.mark.parametrize("ask", list(Ask))
def test_SAFE_3_a_request_past_its_deadline_is_recorded_and_moves_nothing(ask: Ask) -> None:
    made = door()
    acts = made.ask(ask, late_s=0.001)
    assert [act.data["why"] for act in acts if isinstance(act, Journal)] == ["too_late"]
    assert moves(acts) == []


def test_staff_may_lock_an_unlocked_door_at_once() -> None:
    made = door()
    made.ask(Ask.OPEN)
    acts = made.ask(Ask.CLOSE)
    assert moves(acts) == ["lock"]
    assert made.state.phase is DoorPhase.LOCKED


def test_a_door_without_a_contact_locks_after_its_time() -> None:
    made = door("contact", "exit_button", "fire", "hold_key")
    made.ask(Ask.OPEN)
    assert moves(made.wait(4.2)) == ["lock"]
    assert made.state.phase is DoorPhase.LOCKED


def test_a_second_person_behind_the_first_finds_the_lock_released() -> None:
    made = door()
    made.ask(Ask.OPEN, "person-1")
    made.ask(Ask.OPEN, "person-2")
    acts = made.step(contact=True)
    assert moves(acts) == []
    assert made.state.waiting == ("person-2",)
    made.step(contact=False)
    assert made.state.phase is DoorPhase.UNLOCKED
    acts = made.step(contact=True)
    assert Journal("door.passed", {"visit": "person-2"}) in acts
    assert alarms(acts) == []


# --- alarm output, button, time ---------------------------------------------------------------------------


def test_the_alarm_output_sounds_for_a_forced_door_and_one_held_open_but_not_for_the_warning() -> None:
    made = door()
    made.step(contact=True)
    assert "alarm" in made.state.shows
    made.step(contact=False)
    assert "alarm" not in made.state.shows
    made.ask(Ask.OPEN)
    made.step(contact=True)
    made.wait(25.0)
    assert "door.held_soon" in made.state.alarms
    assert "alarm" not in made.state.shows
    made.wait(6.0)
    assert "alarm" in made.state.shows


def test_the_lamp_is_green_while_the_lock_is_let_go() -> None:
    made = door()
    assert made.state.shows == {"light_red"}
    made.ask(Ask.OPEN)
    assert made.state.shows == {"light_green"}


def test_SAFE_1_nobody_locks_the_door_against_whoever_is_at_the_exit_button() -> None:
    made = door()
    made.step(exit_button=True)
    acts = made.ask(Ask.CLOSE)
    assert moves(acts) == []
    assert [act.data["why"] for act in acts if isinstance(act, Journal)] == ["exit_button"]
    assert moves(made.step(contact=True)) == [], "the leaf opens and the button is still held"


def test_SAFE_1_a_hold_that_ends_leaves_the_door_to_whoever_is_at_the_exit_button() -> None:
    made = door()
    made.ask(Ask.HOLD)
    made.step(exit_button=True)
    assert "lock" not in moves(made.ask(Ask.RELEASE))
    assert made.state.phase is DoorPhase.UNLOCKED
    assert moves(made.wait(5.0, exit_button=False)) == ["lock"]


def test_SAFE_1_a_button_that_was_not_readable_for_a_while_still_unlocks() -> None:
    made = door()
    made.step(exit_button=True)
    assert moves(made.wait(10.0, exit_button=None)) == ["lock"]
    assert moves(made.step(exit_button=True)) == ["unlock"]


def test_an_exit_button_that_is_stuck_is_an_alarm_and_the_door_stays_unlocked() -> None:
    made = door(times={"stuck_h": 0.02})
    acts = made.wait(80.0, exit_button=True)
    assert ("door.sensor_stuck", True) in alarms(acts)
    assert made.state.unlocked


def test_a_remote_hold_for_a_time_ends_by_itself_and_the_schedule_holds_too() -> None:
    made = door()
    made.step(Request(Ask.HOLD, hold_ns=10 * NS_PER_S))
    made.wait(9.0)
    assert made.state.phase is DoorPhase.HELD
    made.wait(2.0)
    assert made.state.phase is DoorPhase.LOCKED
    scheduled = replace(DoorInputs(**made.sensors), scheduled=True)
    now_ns = round((made.now_s + 1) * NS_PER_S)
    made.state, acts = step(made.state, scheduled, now_ns, made.settings)
    assert moves(list(acts)) == ["unlock"]
    assert made.state.holds == {Hold.SCHEDULE}


def test_an_opened_cabinet_is_an_alarm_that_sounds() -> None:
    made = door(tamper={"board": "inputs", "channel": 9})
    made.step(tamper=False)
    assert alarms(made.step(tamper=True)) == [("door.tampered", True)]
    assert "alarm" in made.state.shows

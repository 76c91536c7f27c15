"""The mantrap machine, transition by transition. Times in seconds."""

from typing import Any

import pytest
from lane_drive import Drive, alarms, event, events, moves, pulses, refusals

from edge.lanes.acts import Ask, Defer, Hold, Journal
from edge.lanes.mantrap import step
from edge.lanes.mantrap_state import MantrapInputs, MantrapState
from edge.settings import MantrapLane

SENSORS = (
    *("outer_contact", "inner_contact", "outer_locked", "inner_locked", "occupied"),
    *("exit_button", "cabin_button", "fire", "hold_key", "tamper"),
)
OUTPUTS = ("outer_lock", "inner_lock", "light_red", "light_green", "alarm")
QUIET = dict.fromkeys(SENSORS, False) | {"outer_locked": True, "inner_locked": True}


def mantrap(*without: str, **changes: Any) -> Drive[MantrapState]:
    """Two doors with every wire but those named, started a second ago with both shut."""
    section: dict[str, Any] = {"type": "mantrap", "direction": "both"}
    section |= {
        wire: {"board": "relays", "channel": i, "pulse_ms": 0} for i, wire in enumerate(OUTPUTS, start=1)
    }
    section |= {wire: {"board": "inputs", "channel": i} for i, wire in enumerate(SENSORS, start=1)}
    settings = MantrapLane.model_validate({k: v for k, v in (section | changes).items() if k not in without})
    made = Drive(step, MantrapInputs, settings, MantrapState())
    made.wait(1.0, **QUIET)
    return made


def opens(made: Drive[MantrapState], door: str) -> list[Any]:
    """The leaf opens: its bolt is drawn as well."""
    return made.step(**{f"{door}_contact": True, f"{door}_locked": False})


def shuts(made: Drive[MantrapState], door: str) -> list[Any]:
    return made.step(**{f"{door}_contact": False, f"{door}_locked": True})


def inside(made: Drive[MantrapState], heading: str = "in") -> None:
    """Somebody has come in by the first door, which is shut behind them."""
    first = "outer" if heading == "in" else "inner"
    made.ask(Ask.OPEN, "person-1", heading=heading)
    opens(made, first)
    made.wait(1.0)
    shuts(made, first)
    made.step(occupied=True)


def test_SAFE_4_nothing_is_switched_at_start_up() -> None:
    for words in (QUIET, dict.fromkeys(SENSORS), QUIET | {"outer_contact": True}, QUIET | {"occupied": True}):
        made = mantrap()
        made.state = MantrapState()
        assert moves(made.wait(30.0, **words)) == []


def test_one_person_goes_through_both_doors_one_after_the_other() -> None:
    made = mantrap()
    assert moves(made.ask(Ask.OPEN, "person-1", heading="in")) == ["+outer_lock"]
    assert made.phase == "unlocked"
    assert moves(opens(made, "outer")) == ["-outer_lock"], "locked again behind the opening leaf"
    assert made.phase == "entering"
    assert moves(made.wait(3.0)) == []
    acts = shuts(made, "outer")
    acts += made.wait(0.6, occupied=True)
    assert moves(acts) == ["+inner_lock"]
    assert made.phase == "exit_unlocked"
    acts = opens(made, "inner")
    assert event(acts, "passed") == {"visit": "person-1"}
    assert moves(acts) == ["-inner_lock"]
    shuts(made, "inner")
    made.step(occupied=False)
    assert made.phase == "idle"
    assert alarms(made.acts) == []


def test_the_way_out_begins_at_the_inner_door() -> None:
    made = mantrap()
    assert moves(made.step(exit_button=True)) == ["+inner_lock"]
    opens(made, "inner")
    acts = shuts(made, "inner") + made.wait(1.0)
    assert pulses(acts) == ["outer_lock"]


def test_a_press_of_the_exit_button_is_remembered_for_a_moment_while_the_doors_are_not_ready() -> None:
    made = mantrap()
    made.step(outer_locked=False)
    made.step(exit_button=True)
    assert moves(made.wait(1.0, exit_button=False)) == []
    assert moves(made.step(outer_locked=True)) == ["+inner_lock"]
    made = mantrap()
    made.step(outer_locked=False, exit_button=True)
    made.wait(3.5)
    assert moves(made.step(outer_locked=True)) == []


def test_nobody_comes_and_the_door_is_locked_again() -> None:
    made = mantrap()
    made.ask(Ask.OPEN, "person-1", heading="in")
    acts = made.wait(5.2)
    assert moves(acts) == ["-outer_lock"]
    assert event(acts, "authorised_not_passed") == {"visit": "person-1"}
    assert made.phase == "idle"


@pytest.mark.parametrize("word", [True, None])
@pytest.mark.parametrize(("heading", "other"), [("in", "inner"), ("out", "outer")])
def test_SAFE_1_a_door_stays_locked_while_the_other_is_open_or_unknown(
    word: bool | None, heading: str, other: str
) -> None:
    made = mantrap()
    made.step(**{f"{other}_contact": word})
    acts = made.ask(Ask.OPEN, "person-1", heading=heading, lives_s=5.0)
    acts += made.wait(60.0)
    assert refusals(acts) == ["doors_not_shut"]
    assert moves(acts) == []


@pytest.mark.parametrize("word", [False, None])
def test_SAFE_1_a_door_stays_locked_while_the_others_bolt_is_not_thrown(word: bool | None) -> None:
    made = mantrap()
    made.step(inner_locked=word)
    acts = made.ask(Ask.OPEN, "person-1", heading="in", lives_s=5.0) + made.wait(3.1)
    assert refusals(acts) == ["doors_not_shut"]
    assert moves(acts + made.wait(1.0, inner_locked=True)) == [], "too late: they ask again"


def test_whoever_came_a_moment_too_early_is_let_in_as_soon_as_the_other_lock_has_settled() -> None:
    made = mantrap("outer_locked", "inner_locked")
    made.state = MantrapState()  # started just now: both were told to lock
    acts = made.ask(Ask.OPEN, "person-1", heading="in")
    assert [type(act) for act in acts if not isinstance(act, Journal)] == [Defer]
    assert made.ask(Ask.OPEN, "person-1", heading="in") == [], "asked twice, and waits once"
    acts = made.wait(1.0)
    assert (moves(acts), refusals(acts), made.phase) == (["+outer_lock"], [], "unlocked")


def test_only_one_waits_for_the_doors_and_not_beyond_the_deadline_or_a_hold() -> None:
    made = mantrap()
    made.step(inner_contact=True)
    made.ask(Ask.OPEN, "person-1", heading="in")
    assert refusals(made.ask(Ask.OPEN, "person-2", heading="in")) == ["occupied"]
    assert refusals(made.ask(Ask.CLOSE)) == ["closed_by_staff"]
    made.ask(Ask.OPEN, "person-3", heading="in", lives_s=1.0)
    acts = made.wait(1.1)
    assert (refusals(acts), moves(acts)) == (["too_late"], [])
    made.ask(Ask.OPEN, "person-4", heading="in")
    acts = made.step(cabin_button=True)
    assert "changed" in events(acts)
    assert refusals(made.step(cabin_button=False)) == ["occupied"]
    made = mantrap()
    made.step(inner_contact=True)
    made.ask(Ask.OPEN, "person-5", heading="in")
    assert refusals(made.step(fire=True)) == ["held_open"]


def test_SAFE_1_the_second_door_waits_for_the_first_to_be_shut_and_for_its_lock_to_settle() -> None:
    made = mantrap("outer_locked", "inner_locked")
    made.ask(Ask.OPEN, "person-1", heading="in")
    made.step(outer_contact=True)
    made.step(outer_contact=False)
    acts = made.wait(0.4)
    assert moves(acts) == []
    assert pulses(made.wait(0.3)) == ["inner_lock"]


def test_SAFE_1_a_first_door_that_is_not_known_to_be_shut_keeps_the_second_locked() -> None:
    made = mantrap()
    made.ask(Ask.OPEN, "person-1", heading="in")
    opens(made, "outer")
    acts = made.wait(10.0, outer_contact=None, occupied=True)
    assert made.phase == "entering"
    acts += made.wait(5.0, outer_contact=False, outer_locked=False)
    assert moves(acts) == []
    assert made.phase == "between"
    assert pulses(made.step(outer_locked=True)) == ["inner_lock"]


def test_a_second_person_is_not_let_in_while_one_is_under_way() -> None:
    made = mantrap()
    inside(made)
    assert refusals(made.ask(Ask.OPEN, "person-2", heading="in")) == ["occupied"]
    assert refusals(made.ask(Ask.OPEN, "person-1", heading="in")) == []


def test_whoever_does_not_use_the_way_on_is_let_out_again_by_turns() -> None:
    made = mantrap()
    inside(made)
    assert pulses(made.acts)[-1] == "inner_lock"
    acts = made.wait(14.0)
    assert moves(acts)[:4] == ["-inner_lock", "+outer_lock", "-outer_lock", "+inner_lock"]
    assert ("waiting_inside", True) in alarms(acts)
    made.wait(2.0)
    while made.state.exit_by != "outer" or made.phase != "exit_unlocked":
        made.step()
    acts = opens(made, "outer")
    assert event(acts, "turned_back") == {"visit": "person-1"}
    acts += shuts(made, "outer")
    assert ("waiting_inside", False) in alarms(acts)
    assert made.phase == "idle"


def test_when_the_space_is_seen_empty_nothing_is_unlocked_any_more() -> None:
    made = mantrap()
    made.ask(Ask.OPEN, "person-1", heading="in")
    opens(made, "outer")
    shuts(made, "outer")
    acts = made.wait(15.0)
    assert "assumed_empty" in events(acts)
    assert event(acts, "authorised_not_passed") == {"visit": "person-1"}
    assert made.phase == "idle"


def test_without_a_sensor_between_the_doors_it_is_thought_empty_after_some_tries() -> None:
    made = mantrap("occupied")
    made.ask(Ask.OPEN, "person-1", heading="in")
    opens(made, "outer")
    shuts(made, "outer")
    acts = made.wait(40.0)
    assert pulses(acts) == ["inner_lock", "outer_lock"] * 2
    assert made.phase == "idle"


def test_the_button_between_the_doors_asks_for_the_way_back() -> None:
    made = mantrap()
    inside(made)
    made.wait(1.0)
    assert made.phase == "exit_unlocked"
    acts = made.step(cabin_button=True) + made.wait(1.0)
    assert moves(acts) == ["-inner_lock", "+outer_lock"]
    acts = opens(made, "outer")
    assert event(acts, "turned_back") == {"visit": "person-1"}


def test_somebody_inside_whom_nobody_let_in_gets_out_and_never_in() -> None:
    made = mantrap()
    made.wait(25.0, occupied=True)
    assert "mantrap.waiting_inside" in made.state.alarms
    acts = made.step(cabin_button=True) + made.wait(60.0)
    assert set(pulses(acts)) == {"outer_lock"}


def test_a_door_opened_without_permission_is_forced_until_it_is_shut() -> None:
    made = mantrap()
    acts = opens(made, "inner")
    assert event(acts, "forced") == {"door": "inner"}
    assert alarms(acts) == [("forced", True)]
    assert "alarm" in made.shows
    assert alarms(shuts(made, "inner")) == [("forced", False)]


def test_both_doors_open_is_an_alarm() -> None:
    made = mantrap()
    opens(made, "inner")
    assert ("both_open", True) in alarms(opens(made, "outer"))
    assert ("both_open", False) in alarms(shuts(made, "outer"))


def test_a_door_that_stands_open_warns_at_four_fifths_and_then_raises_the_alarm() -> None:
    made = mantrap()
    made.ask(Ask.OPEN, "person-1", heading="in")
    opens(made, "outer")
    assert alarms(made.wait(23.5)) == []
    assert alarms(made.wait(1.0)) == [("held_soon", True)]
    assert alarms(made.wait(6.0)) == [("held_open", True), ("held_soon", False)]
    assert alarms(shuts(made, "outer")) == [("held_open", False)]


@pytest.mark.parametrize("sensor", ["fire", "hold_key"])
@pytest.mark.parametrize("begun", [False, True])
def test_SAFE_2_fire_and_key_let_go_of_both_doors_whatever_is_asked(sensor: str, begun: bool) -> None:
    made = mantrap()
    if begun:
        inside(made)
        made.wait(1.0)
    acts = made.step(**{sensor: True})
    assert moves(acts) == ["+outer_lock", "+inner_lock"]
    assert made.phase == "free"
    for ask in (Ask.CLOSE, Ask.STOP, Ask.RELEASE, Ask.HOLD, Ask.FLEET):
        assert refusals(made.ask(ask)) != []
    acts = opens(made, "outer") + opens(made, "inner") + made.wait(60.0)
    assert {"-outer_lock", "-inner_lock"}.isdisjoint(moves(acts))
    assert not {"both_open", "forced", "held_open"} & {name for name, _ in alarms(acts)}


def test_SAFE_2_an_unknown_fire_input_keeps_both_released_and_its_end_locks_both() -> None:
    made = mantrap()
    made.step(fire=True)
    assert "-outer_lock" not in moves(made.wait(30.0, fire=None))
    assert made.state.holds == {Hold.FIRE}
    acts = made.wait(5.5, fire=False)
    assert moves(acts)[-2:] == ["-outer_lock", "-inner_lock"]
    assert made.phase == "idle"


def test_after_a_fire_whoever_is_seen_inside_is_let_out() -> None:
    made = mantrap()
    made.step(fire=True, occupied=True)
    acts = made.wait(8.0, fire=False)
    assert moves(acts)[-3:] == ["-outer_lock", "-inner_lock", "+outer_lock"]


def test_SAFE_2_nobody_holds_a_mantrap_open_from_afar() -> None:
    made = mantrap()
    assert refusals(made.ask(Ask.HOLD)) == ["never_held_remotely"]


def test_staff_may_lock_both_doors_at_once() -> None:
    made = mantrap()
    made.ask(Ask.OPEN, "person-1", heading="in")
    acts = made.ask(Ask.CLOSE)
    assert moves(acts) == ["-outer_lock"]
    assert made.phase == "idle"


@pytest.mark.parametrize("ask", list(Ask))
def test_SAFE_3_a_request_past_its_deadline_is_recorded_and_moves_nothing(ask: Ask) -> None:
    made = mantrap()
    acts = made.ask(ask, "person-1", lives_s=-0.1)
    assert refusals(acts) == ["too_late"]
    assert moves(acts) == []


def test_every_change_of_phase_is_journaled() -> None:
    made = mantrap()
    inside(made)
    made.wait(1.0)
    opens(made, "inner")
    shuts(made, "inner")
    changes = [act.data["phase"] for act in made.acts if isinstance(act, Journal) and ".changed" in act.type]
    assert changes == ["unlocked", "entering", "between", "exit_unlocked", "leaving", "idle"]

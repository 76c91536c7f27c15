"""The turnstile machine, transition by transition. Times in seconds."""

from typing import Any

import pytest
from lane_drive import Drive, alarms, event, events, moves, pulses, refusals

from edge.lanes.acts import Ask, Defer, Hold
from edge.lanes.turnstile import TurnstileInputs, TurnstileState, step
from edge.settings import TurnstileLane

SENSORS = (*("passage", "passage_out", "zone_in", "zone_out", "exit_button", "fire", "hold_key", "tamper"),)
OUTPUTS = ("pass_in", "pass_out", "release", "light_red", "light_green", "alarm")


def tripod(*without: str, **changes: Any) -> Drive[TurnstileState]:
    """A turnstile with every wire but those named, that has just started with nobody there."""
    section: dict[str, Any] = {"type": "turnstile", "direction": "both"}
    section |= {wire: {"board": "relays", "channel": i} for i, wire in enumerate(OUTPUTS, start=1)}
    section["release"] |= {"pulse_ms": 0}
    section |= {wire: {"board": "inputs", "channel": i} for i, wire in enumerate(SENSORS, start=1)}
    section |= changes
    settings = TurnstileLane.model_validate({k: v for k, v in section.items() if k not in without})
    made = Drive(step, TurnstileInputs, settings, TurnstileState())
    made.step(**dict.fromkeys(SENSORS, False))
    return made


def through(made: Drive[TurnstileState], contact: str = "passage") -> list[Any]:
    """The feedback of one person."""
    return made.wait(0.2, **{contact: True}) + made.wait(0.2, **{contact: False})


def test_SAFE_4_nothing_is_switched_at_start_up_and_a_contact_that_is_closed_then_is_no_passage() -> None:
    made = tripod()
    made.state = TurnstileState()
    acts = made.wait(30.0, passage=True, zone_in=True)
    assert moves(acts) == []
    assert events(acts) == []


def test_one_pulse_lets_one_person_through_and_the_feedback_says_so() -> None:
    made = tripod()
    acts = made.ask(Ask.OPEN, "person-1", heading="in")
    assert pulses(acts) == ["pass_in"]
    assert made.phase == "admitting"
    assert "light_green" in made.shows
    acts = through(made)
    assert event(acts, "passed") == {"visit": "person-1"}
    assert made.phase == "idle"
    assert "light_red" in made.shows
    assert pulses(made.wait(30.0)) == []


def test_the_way_out_has_its_own_relay_and_its_own_feedback() -> None:
    made = tripod()
    assert pulses(made.ask(Ask.OPEN, "person-1", heading="out")) == ["pass_out"]
    assert event(through(made, "passage_out"), "passed") == {"visit": "person-1"}


def test_one_feedback_contact_serves_both_ways() -> None:
    made = tripod("passage_out")
    made.ask(Ask.OPEN, "person-1", heading="out")
    assert event(through(made), "passed") == {"visit": "person-1"}


def test_nobody_goes_and_the_credit_is_taken_back() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    acts = made.wait(6.2)
    assert event(acts, "authorised_not_passed") == {"visit": "person-1"}
    assert moves(acts) == ["-pass_in"]
    assert made.phase == "idle"
    assert pulses(made.ask(Ask.OPEN, "person-1")) == ["pass_in"]


def test_the_same_visit_gets_one_credit_at_a_time() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    assert pulses(made.ask(Ask.OPEN, "person-1")) == []


def test_never_more_than_one_credit_and_the_next_one_has_their_turn_after_the_passage() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    acts = made.ask(Ask.OPEN, "person-2", lives_s=5.0)
    assert pulses(acts) == []
    assert [type(act) for act in acts if isinstance(act, Defer)] == [Defer]
    acts = through(made)
    assert pulses(acts) == ["pass_in"]
    assert event(through(made), "passed") == {"visit": "person-2"}


def test_SAFE_3_whoever_waited_longer_than_their_decision_is_good_for_is_not_let_in() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    made.ask(Ask.OPEN, "person-2", lives_s=2.0)
    acts = made.wait(3.0)
    assert refusals(acts) == ["too_late"]
    assert pulses(through(made)) == []


def test_the_queue_is_bounded() -> None:
    made = tripod()
    for i in range(5):
        made.ask(Ask.OPEN, f"person-{i}", lives_s=9.0)
    assert refusals(made.ask(Ask.OPEN, "one-too-many")) == ["queue_full"]


def test_a_second_passage_on_one_credit_is_tailgating_and_one_out_of_nowhere_is_forced() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    through(made)
    acts = through(made)
    assert ("tailgated", True) in alarms(acts)
    assert "alarm" in made.shows
    made.wait(15.0)
    acts = through(made)
    assert ("forced", True) in alarms(acts)


def test_a_passage_against_the_open_way_uses_nobodys_credit() -> None:
    made = tripod("zone_in", "zone_out")
    made.ask(Ask.OPEN, "person-1", heading="in")
    acts = through(made, "passage_out")
    assert event(acts, "wrong_way") == {"way": "out"}
    assert made.phase == "admitting"
    assert event(through(made), "passed") == {"visit": "person-1"}


def test_a_way_without_a_relay_is_free_and_only_counted() -> None:
    made = tripod("pass_out", "exit_button", direction="in")
    acts = through(made, "passage_out")
    assert event(acts, "passed") == {"visit": None}
    assert alarms(acts) == []
    assert refusals(made.ask(Ask.OPEN, "person-1", heading="out")) == ["no_way_out"]


def test_zone_sensors_see_two_people_on_one_permit() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1", heading="in")
    made.wait(0.2, zone_in=True)
    made.wait(0.2, zone_out=True)
    made.wait(0.2, zone_in=False)
    acts = made.wait(0.2, zone_in=True)
    assert ("tailgated", True) in alarms(acts)


def test_zone_sensors_see_who_comes_against_the_open_way_and_the_credit_is_taken_back() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1", heading="in")
    made.ask(Ask.OPEN, "person-2", heading="in", lives_s=9.0)
    acts = made.step(zone_out=True)
    assert ("wrong_way", True) in alarms(acts)
    assert moves(acts) == ["-pass_in"]
    assert refusals(acts) == ["wrong_way"]
    assert made.phase == "idle"


def test_the_exit_button_lets_one_person_out() -> None:
    made = tripod()
    acts = made.wait(5.0, exit_button=True)
    assert pulses(acts) == ["pass_out"]
    assert "exit_requested" in events(acts)
    assert event(through(made, "passage_out"), "passed") == {"visit": None}


def test_a_press_of_the_exit_button_waits_a_moment_for_who_is_let_through_and_no_longer() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    acts = made.step(exit_button=True) + made.step(exit_button=False)
    assert pulses(acts) == []
    assert pulses(through(made)) == ["pass_out"]
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    made.step(exit_button=True)
    made.wait(3.5, exit_button=False)
    assert pulses(through(made)) == []


@pytest.mark.parametrize("sensor", ["fire", "hold_key"])
def test_SAFE_2_fire_and_key_give_free_passage_whatever_is_asked(sensor: str) -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    made.ask(Ask.OPEN, "person-2", lives_s=9.0)
    acts = made.step(**{sensor: True})
    assert moves(acts) == ["-pass_in", "-pass_out", "+release"]
    assert refusals(acts) == ["held_open"]
    assert made.phase == "free"
    for ask in (Ask.CLOSE, Ask.STOP, Ask.RELEASE, Ask.FLEET):
        assert refusals(made.ask(ask)) != []
    acts = made.wait(60.0)
    assert set(moves(acts)) == {"+release"}, "the hold is renewed"
    assert event(through(made), "passed") == {"visit": None}
    assert pulses(made.ask(Ask.OPEN, "person-3")) in ([], ["release"])


@pytest.mark.parametrize("seen", [True, None])
def test_SAFE_1_the_arm_comes_back_only_when_nobody_stands_in_its_way(seen: bool | None) -> None:
    made = tripod()
    made.ask(Ask.HOLD)
    made.wait(2.0, zone_out=seen)
    made.ask(Ask.RELEASE)
    assert "-release" not in moves(made.wait(30.0))
    assert made.phase == "free"
    acts = made.wait(0.9, zone_out=False)
    assert "-release" not in moves(acts)
    assert moves(made.wait(0.3)) == ["-release"]
    assert made.phase == "idle"


def test_SAFE_2_a_fire_input_that_is_unknown_neither_frees_nor_holds() -> None:
    made = tripod()
    assert moves(made.wait(10.0, fire=None)) == []
    made.step(fire=True)
    acts = made.wait(60.0, fire=None)
    assert set(moves(acts)) == {"+release"}
    assert made.state.holds == {Hold.FIRE}


def test_SAFE_2_the_fire_hold_ends_only_after_its_reset_time() -> None:
    made = tripod()
    made.step(fire=True)
    acts = made.wait(4.9, fire=False)
    assert "-release" not in moves(acts)
    assert "-release" in moves(made.wait(1.5))


def test_without_a_release_wire_nobody_can_hold_it_open() -> None:
    made = tripod("release", "fire", "hold_key")
    assert refusals(made.ask(Ask.HOLD)) == ["no_release_wire"]


def test_the_schedule_gives_free_passage() -> None:
    made = tripod()
    made.scheduled = True
    assert pulses(made.step()) == ["release"]
    made.scheduled = False
    assert moves(made.wait(2.0)) == ["-release"]


def test_staff_may_take_the_credit_back() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    acts = made.ask(Ask.CLOSE)
    assert moves(acts) == ["-pass_in"]
    assert event(acts, "authorised_not_passed") == {"visit": "person-1"}


@pytest.mark.parametrize("ask", list(Ask))
def test_SAFE_3_a_request_past_its_deadline_is_recorded_and_moves_nothing(ask: Ask) -> None:
    made = tripod()
    acts = made.ask(ask, "person-1", lives_s=-0.1)
    assert refusals(acts) == ["too_late"]
    assert moves(acts) == []


def test_a_feedback_contact_that_is_stuck_is_an_alarm_and_nobody_is_said_to_have_passed() -> None:
    made = tripod("passage_out", times={"stuck_h": 0.01})
    made.ask(Ask.OPEN, "person-1")
    made.wait(0.2, passage=True)
    acts = made.wait(40.0)
    assert ("sensor_stuck", True) in alarms(acts)
    made.ask(Ask.OPEN, "person-2")
    acts = made.wait(7.0)
    assert event(acts, "passage_unknown") == {"visit": "person-2"}


def test_every_change_of_phase_is_journaled() -> None:
    made = tripod()
    made.ask(Ask.OPEN, "person-1")
    through(made)
    made.ask(Ask.HOLD)
    made.ask(Ask.RELEASE)
    made.wait(2.0)
    changes = [
        (a.data["was"], a.data["phase"]) for a in made.acts if getattr(a, "type", "").endswith(".changed")
    ]
    assert changes == [("idle", "admitting"), ("admitting", "idle"), ("idle", "free"), ("free", "idle")]

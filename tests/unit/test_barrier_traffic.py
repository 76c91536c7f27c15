"""The barrier and its traffic: ways, turning back, long vehicles, stuck sensors, timed holds, lamps."""

from typing import Any

import pytest
from lane_drive import Drive, alarms, event, events, moves, pulses, refusals

from edge.lanes.acts import Ask, Hold
from edge.lanes.barrier import step
from edge.lanes.barrier_state import BarrierInputs, BarrierState
from edge.settings import BarrierLane

DOWN = {"open_limit": False, "closed_limit": True}
BETWEEN = {"open_limit": False, "closed_limit": False}
UP = {"open_limit": True, "closed_limit": False}
SENSORS = (
    "open_limit",
    "closed_limit",
    "presence",
    "beam",
    "edge",
    "second_loop",
    "fire",
    "hold_key",
    "tamper",
)
QUIET = dict.fromkeys(SENSORS[2:], False)


def lane(*without: str, **changes: Any) -> Drive[BarrierState]:
    """A barrier with every wire but those named, that has just started with the boom down."""
    section: dict[str, Any] = {"type": "barrier"}
    outputs = ("open", "close", "stop", "light_red", "light_green", "alarm")
    section |= {wire: {"board": "relays", "channel": i} for i, wire in enumerate(outputs, start=1)}
    section |= {wire: {"board": "inputs", "channel": i} for i, wire in enumerate(SENSORS, start=1)}
    settings = BarrierLane.model_validate({k: v for k, v in (section | changes).items() if k not in without})
    made = Drive(step, BarrierInputs, settings, BarrierState())
    made.step(**DOWN, **QUIET)
    return made


def opened(*without: str, visit: str = "car-1", heading: str = "", **changes: Any) -> Drive[BarrierState]:
    made = lane(*without, **changes)
    made.ask(Ask.OPEN, visit, heading=heading)
    made.step(**BETWEEN)
    made.step(**UP)
    assert made.phase == "open_wait"
    return made


def drive(made: Drive[BarrierState], story: str, pause_s: float = 0.3) -> list[Any]:
    """A: loop under the boom, B: second loop; a, b, x (both), - (nobody)."""
    acts = []
    for look in story:
        acts += made.wait(pause_s, presence=look in "ax", second_loop=look in "bx")
    return acts


# --- ways ---------------------------------------------------------------------------------------------------


def test_loop_then_second_loop_is_a_passage_the_right_way() -> None:
    made = opened()
    acts = drive(made, "axb")
    assert event(acts, "passed") == {"visit": "car-1"}
    acts = drive(made, "-") + made.wait(1.2)
    assert pulses(acts) == ["close"]


def test_the_boom_comes_down_behind_the_car_while_it_is_still_on_the_second_loop() -> None:
    made = opened()
    drive(made, "ax")
    assert pulses(drive(made, "b") + made.wait(1.3)) == ["close"]


def test_A_B_B_A_is_a_car_that_turns_back_and_its_visit_is_cancelled() -> None:
    made = opened()
    acts = drive(made, "axa-") + made.wait(2.0)
    assert event(acts, "turned_back") == {"visit": "car-1"}
    assert "passed" not in events(acts)
    assert made.state.waiting == ()
    acts = made.wait(2.0)
    assert "authorised_not_passed" not in events(acts)
    assert made.phase == "closing"
    made.step(**DOWN)
    assert pulses(made.ask(Ask.OPEN, "car-1")) == ["open"], "it may come again"


def test_a_car_that_went_through_and_reverses_out_is_cancelled_as_well() -> None:
    made = opened()
    acts = drive(made, "axbxa-") + made.wait(2.0)
    assert event(acts, "passed") == {"visit": "car-1"}
    assert event(acts, "turned_back") == {"visit": "car-1"}


def test_B_then_A_is_the_wrong_way_and_uses_nobodys_permit() -> None:
    made = opened()
    acts = drive(made, "bxa-")
    assert event(acts, "wrong_way") == {"way": "out"}
    assert ("wrong_way", True) in alarms(acts)
    assert "alarm" in made.shows
    assert made.state.waiting == ("car-1",)
    assert ("wrong_way", False) in alarms(made.wait(11.0))
    assert "alarm" not in made.shows


def test_the_wrong_way_during_a_fire_is_recorded_without_an_alarm() -> None:
    made = opened()
    made.step(fire=True)
    acts = drive(made, "bxa-")
    assert "wrong_way" in events(acts)
    assert alarms(acts) == []


def test_a_lane_out_knows_its_own_way() -> None:
    made = opened(direction="out")
    assert event(drive(made, "axb-"), "passed") == {"visit": "car-1"}
    made = opened(direction="out")
    assert event(drive(made, "bxa-"), "wrong_way") == {"way": "in"}


def test_a_motorcycle_between_the_loops_is_waited_for() -> None:
    made = opened()
    acts = drive(made, "a--", 0.2)
    assert made.state.waiting == ("car-1",)
    assert pulses(acts) == []
    assert event(drive(made, "b-"), "passed") == {"visit": "car-1"}


def test_a_car_that_goes_through_a_boom_that_is_down_is_an_alarm() -> None:
    made = lane()
    acts = drive(made, "axb-")
    assert event(acts, "passed_closed") == {"way": "in"}
    assert ("passed_closed", True) in alarms(acts)
    assert pulses(acts) == []


# --- two-way lanes ------------------------------------------------------------------------------------------

BOTH = {"direction": "both", "cameras": ["a", "b"], "cameras_out": ["b"]}


def test_one_way_at_a_time_and_the_other_way_only_when_the_lane_has_been_clear_for_its_time() -> None:
    made = opened(heading="in", **BOTH)
    assert refusals(made.ask(Ask.OPEN, "car-2", heading="out")) == ["other_way_busy"]
    assert made.ask(Ask.OPEN, "car-3", heading="in")
    drive(made, "axb-axb")
    assert made.state.waiting == ()
    assert refusals(made.ask(Ask.OPEN, "car-2", heading="out")) == ["other_way_busy"]
    drive(made, "-")
    assert refusals(made.ask(Ask.OPEN, "car-2", heading="out")) == ["other_way_busy"]
    made.wait(2.0)
    assert pulses(made.ask(Ask.OPEN, "car-2", heading="out")) == ["open"]
    made.step(**UP)
    assert event(drive(made, "bxa"), "passed") == {"visit": "car-2"}


def test_when_the_boom_is_down_either_way_may_begin() -> None:
    made = opened(heading="in", **BOTH)
    drive(made, "axb-")
    made.wait(1.5)
    made.step(**DOWN)
    assert made.phase == "closed"
    assert pulses(made.ask(Ask.OPEN, "car-2", heading="out")) == ["open"]


def test_on_a_two_way_lane_the_way_of_the_permit_is_the_right_one() -> None:
    made = opened(heading="out", **BOTH)
    assert event(drive(made, "axb-"), "wrong_way") == {"way": "in"}
    assert event(drive(made, "bxa-"), "passed") == {"visit": "car-1"}


def test_on_a_two_way_lane_a_car_that_leaves_may_turn_back_too() -> None:
    made = opened(heading="out", **BOTH)
    acts = drive(made, "bxb-") + made.wait(2.0)
    assert event(acts, "turned_back") == {"visit": "car-1"}


def test_staff_open_for_either_way() -> None:
    made = opened(heading="in", **BOTH)
    assert refusals(made.ask(Ask.OPEN, "staff")) == []
    assert made.state.waiting == ("car-1", "staff")


# --- long vehicles, tailgating ------------------------------------------------------------------------------


def test_a_long_vehicle_that_the_loop_loses_between_its_axles_is_one_car() -> None:
    made = opened("second_loop")
    acts = made.wait(1.0, presence=True, beam=True)
    acts += made.wait(0.5, presence=False)
    acts += made.wait(1.0, presence=True)
    assert "passed" not in events(acts)
    acts += made.wait(0.2, presence=False, beam=False)
    assert events(acts).count("passed") == 1
    assert "tailgated" not in events(acts)


def test_a_car_on_the_loop_for_long_is_a_large_vehicle_once_and_lingers_later() -> None:
    made = opened("second_loop")
    acts = made.wait(13.0, presence=True)
    assert event(acts, "large_vehicle") == {"visit": "car-1"}
    assert ("lingering", True) in alarms(made.wait(48.0))
    assert "close" not in pulses(made.acts)


def test_tailgating_is_an_alarm_that_sounds_for_its_time_and_ends_by_itself() -> None:
    made = opened("second_loop")
    made.step(presence=True)
    made.step(presence=False)
    made.step(presence=True)
    acts = made.step(presence=False)
    assert event(acts, "tailgated") == {"after": ["car-1"]}
    assert alarms(acts) == [("tailgated", True)]
    assert "alarm" in made.shows
    assert ("tailgated", False) in alarms(made.wait(10.5))


def test_the_siren_falls_silent_after_its_time_though_the_alarm_stands() -> None:
    made = lane()
    made.step(tamper=True)
    assert "alarm" in made.shows
    made.wait(31.0)
    assert "alarm" not in made.shows
    assert "barrier.tampered" in made.state.alarms
    assert alarms(made.step(tamper=False)) == [("tampered", False)]


# --- sensors one cannot trust -------------------------------------------------------------------------------


@pytest.mark.parametrize("sensor", ["presence", "beam", "edge"])
def test_SAFE_1_a_sensor_stuck_for_hours_is_an_alarm_and_still_keeps_the_boom_up(sensor: str) -> None:
    made = opened()
    made.tick_s = 30.0
    acts = made.wait(3.9 * 3600, **{sensor: True})
    assert ("sensor_stuck", True) not in alarms(acts)
    acts = made.wait(0.2 * 3600)
    assert ("sensor_stuck", True) in alarms(acts)
    assert event(acts, "sensor_stuck") == {"sensor": sensor}
    made.tick_s = 0.05
    assert pulses(made.wait(60.0)) == []
    acts = made.step(**{sensor: False})
    assert ("sensor_stuck", False) in alarms(acts)


def test_with_a_stuck_loop_the_barriers_own_logic_goes_on_undisturbed() -> None:
    made = opened("second_loop", "close", "stop")
    made.tick_s = 30.0
    made.wait(4.1 * 3600, presence=True)
    made.tick_s = 0.05
    acts = made.step(**BETWEEN) + made.wait(1.0)
    assert pulses(acts) == [], "it is not raised by a sensor that nobody believes"
    acts = made.step(**DOWN)
    assert made.phase == "closed"
    acts = made.ask(Ask.OPEN, "car-2")
    assert pulses(acts) == ["open"]
    made.step(**UP)
    acts = made.wait(2.0) + made.step(**BETWEEN) + made.step(**DOWN)
    assert event(acts, "passage_unknown") == {"visit": "car-2"}
    assert "authorised_not_passed" not in events(acts)


def test_the_hours_are_configurable_and_count_through_unknown_moments() -> None:
    made = lane(times={"stuck_h": 0.02})
    made.wait(40.0, second_loop=True)
    made.wait(10.0, second_loop=None)
    assert ("sensor_stuck", True) in alarms(made.wait(30.0, second_loop=True))


def test_an_input_that_nobody_can_read_for_long_is_an_alarm() -> None:
    made = lane()
    assert alarms(made.wait(9.5, beam=None)) == []
    assert alarms(made.wait(1.0)) == [("blind", True)]
    assert alarms(made.step(beam=False)) == [("blind", False)]


@pytest.mark.parametrize("seen", [True, None])
def test_SAFE_1_the_safety_edge_raises_a_closing_boom_and_keeps_it_from_closing(seen: bool | None) -> None:
    made = opened("second_loop")
    made.step(presence=True)
    made.wait(2.0, presence=False)
    made.step(**BETWEEN)
    assert made.phase == "closing"
    assert moves(made.step(edge=seen))[:1] == ["-close"]
    assert pulses(made.acts)[-1] == "open"
    made.step(**UP)
    assert "close" not in pulses(made.wait(60.0))


# --- after a power cut --------------------------------------------------------------------------------------


def found_open(**changes: Any) -> Drive[BarrierState]:
    made = lane(**changes)
    made.state = BarrierState()
    made.acts.clear()
    made.step(**UP)
    return made


def test_SAFE_4_a_boom_found_open_stays_unless_the_configuration_says_otherwise() -> None:
    made = found_open()
    assert pulses(made.wait(300.0)) == []
    assert "barrier.standing_open" in made.state.alarms


def test_SAFE_1_a_boom_found_open_is_closed_only_after_the_lane_was_proven_clear() -> None:
    made = found_open(power_return="close")
    assert pulses(made.wait(29.0)) == []
    made.step(presence=True)
    assert pulses(made.wait(60.0)) == []
    made.step(presence=False)
    assert pulses(made.wait(29.5)) == []
    acts = made.wait(1.0)
    assert pulses(acts) == ["close"]
    assert "closed_after_power_return" in events(acts)


def test_a_boom_that_somebody_raised_by_hand_is_not_closed_by_that() -> None:
    made = lane(power_return="close")
    made.step(**UP)
    assert pulses(made.wait(120.0)) == []
    made = lane(power_return="close")
    acts = made.step(**BETWEEN) + made.step(**UP)
    assert {"moved_by_hand", "opened_by_hand"} <= set(events(acts))
    assert pulses(made.wait(120.0)) == []


@pytest.mark.parametrize("signal", [{"beam": None}, {"fire": None}, {"hold_key": True}, {"edge": True}])
def test_SAFE_1_nothing_is_closed_after_a_power_cut_while_anything_is_unknown(signal: dict[str, Any]) -> None:
    made = found_open(power_return="close")
    assert "close" not in pulses(made.wait(120.0, **signal))


# --- holds in time, fleet -----------------------------------------------------------------------------------


def test_a_remote_hold_for_a_time_ends_by_itself_and_the_boom_closes_when_clear() -> None:
    made = lane()
    made.ask(Ask.HOLD, hold_ns=60 * 10**9)
    made.step(**UP)
    made.wait(59.0)
    assert made.phase == "held_open"
    made.step(presence=True)
    acts = made.wait(5.0)
    assert event(acts, "hold_ended") == {"by": ["remote"]}
    assert pulses(acts) == []
    assert pulses(made.wait(1.5, presence=False)) == ["close"]


def test_a_new_remote_hold_replaces_the_time_of_the_old_one() -> None:
    made = lane()
    made.ask(Ask.HOLD, hold_ns=5 * 10**9)
    made.ask(Ask.HOLD)
    made.step(**UP)
    made.wait(30.0)
    assert made.phase == "held_open"


def test_SAFE_2_the_end_of_a_timed_hold_leaves_fire_and_key() -> None:
    made = lane()
    made.ask(Ask.HOLD, hold_ns=5 * 10**9)
    made.step(hold_key=True)
    made.wait(10.0)
    assert made.state.holds == {Hold.KEY}
    assert made.phase == "held_open"


def test_the_schedule_holds_the_boom_open_and_nothing_remote_ends_that() -> None:
    made = lane()
    made.scheduled = True
    assert pulses(made.step()) == ["open"]
    made.step(**UP)
    assert refusals(made.ask(Ask.RELEASE)) == ["not_held_remotely"]
    assert refusals(made.ask(Ask.CLOSE)) == ["held_open"]
    made.wait(10.0)
    made.scheduled = False
    acts = made.wait(2.0)
    assert event(acts, "hold_ended") == {"by": ["schedule"]}
    assert pulses(acts) == ["close"]


def test_fleet_mode_stays_open_for_a_train_of_permitted_cars_and_ends_behind_it() -> None:
    made = lane("second_loop")
    made.ask(Ask.FLEET)
    made.step(**UP)
    for i in range(5):
        made.ask(Ask.OPEN, f"car-{i}")
        made.wait(8.0)
        made.wait(2.0, presence=True)
        acts = made.step(presence=False)
        assert event(acts, "passed") == {"visit": f"car-{i}"}
        assert made.phase == "held_open"
    assert "close" not in pulses(made.acts)
    acts = made.wait(21.5)
    assert event(acts, "hold_ended") == {"by": ["fleet"]}
    assert pulses(acts)[-1] == "close"


def test_a_car_without_a_permit_in_a_fleet_is_a_tailgater() -> None:
    made = lane("second_loop")
    made.ask(Ask.FLEET)
    made.step(**UP)
    made.step(presence=True)
    assert "tailgated" in events(made.step(presence=False))


def test_a_release_ends_fleet_mode_at_once() -> None:
    made = lane()
    made.ask(Ask.FLEET)
    made.step(**UP)
    acts = made.ask(Ask.RELEASE)
    assert event(acts, "hold_ended") == {"by": ["fleet"]}
    assert made.phase == "open_clear"


# --- lamps --------------------------------------------------------------------------------------------------


def test_the_lamp_is_green_only_while_the_next_car_may_drive() -> None:
    made = lane("second_loop")
    seen = [(made.phase, "light_green" in made.shows)]

    def note() -> None:
        seen.append((made.phase, "light_green" in made.shows))
        assert ("light_red" in made.shows) is not ("light_green" in made.shows)

    made.ask(Ask.OPEN, "car-1")
    note()
    made.step(**UP)
    note()
    made.step(presence=True)
    note()
    made.step(presence=False)
    note()
    made.wait(1.2)
    note()
    made.step(**DOWN)
    note()
    made.ask(Ask.HOLD)
    note()
    assert seen == [
        ("closed", False),
        ("opening", False),
        ("open_wait", True),
        ("passing", False),
        ("open_clear", False),
        ("closing", False),
        ("closed", False),
        ("held_open", True),
    ]


def test_the_lamp_stays_green_for_a_second_permitted_car_and_red_while_somebody_leaves() -> (
    None
):
    made = opened("second_loop")
    made.ask(Ask.OPEN, "car-2")
    made.step(presence=True)
    assert "light_green" in made.shows
    made = opened(heading="out", **BOTH)
    assert "light_red" in made.shows

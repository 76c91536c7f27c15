"""The barrier: sensors one cannot trust, power cuts, holds in time, fleet mode, lamps."""

from typing import Any

import pytest
from barrier_drive import BETWEEN, BOTH, DOWN, UP, lane, opened
from lane_drive import Drive, alarms, event, events, moves, pulses, refusals

from edge.lanes.acts import Ask, Hold
from edge.lanes.barrier_state import BarrierState

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


def test_the_lamp_stays_green_for_a_second_permitted_car_and_red_while_somebody_leaves() -> None:
    made = opened("second_loop")
    made.ask(Ask.OPEN, "car-2")
    made.step(presence=True)
    assert "light_green" in made.shows
    made = opened(heading="out", **BOTH)
    assert "light_red" in made.shows

"""The barrier and its traffic: ways, turning back, two-way lanes, long vehicles, tailgating."""

from barrier_drive import BOTH, DOWN, UP, drive, lane, opened
from lane_drive import alarms, event, events, pulses, refusals

from edge.lanes.acts import Ask

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

"""The barrier machine, transition by transition. Times in seconds from the start of each test."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from edge.clock import NS_PER_S
from edge.lanes.acts import Act, AlarmEdge, Ask, Hold, Journal, Pulse, Release, Request, Wire
from edge.lanes.barrier import step
from edge.lanes.barrier_state import BarrierInputs, BarrierState, Phase
from edge.settings import BarrierLane

TICK_S = 0.05


def lane_section(*without: str, **changes: Any) -> BarrierLane:
    """A barrier with every wire but those named."""
    section: dict[str, Any] = {"type": "barrier"}
    for channel, wire in enumerate(("open", "close", "stop"), start=1):
        section[wire] = {"board": "relays", "channel": channel}
    sensors = ("open_limit", "closed_limit", "presence", "beam", "fire", "hold_key")
    for channel, wire in enumerate(sensors, start=1):
        section[wire] = {"board": "inputs", "channel": channel}
    for wire in without:
        del section[wire]
    return BarrierLane.model_validate(section | changes)


DOWN = {"open_limit": False, "closed_limit": True}
BETWEEN = {"open_limit": False, "closed_limit": False}
UP = {"open_limit": True, "closed_limit": False}


@dataclass
class Site:
    """Drives the machine in steps and keeps what it did."""

    settings: BarrierLane
    state: BarrierState = BarrierState()
    now_s: float = 100.0
    sensors: dict[str, bool | None] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)

    def step(self, *requests: Request, **sensors: bool | None) -> list[Act]:
        """One step a tick later; sensors stay as they are until told otherwise."""
        self.now_s += TICK_S
        self.sensors |= sensors
        inputs = replace(BarrierInputs(**self.sensors), requests=requests)
        self.state, acts = step(self.state, inputs, round(self.now_s * NS_PER_S), self.settings)
        self.acts += acts
        return list(acts)

    def wait(self, seconds: float, **sensors: bool | None) -> list[Act]:
        """Let time pass tick by tick; returns everything that was done."""
        acts = self.step(**sensors)
        for _ in range(round(seconds / TICK_S) - 1):
            acts += self.step()
        return acts

    def ask(self, ask: Ask, visit: str = "", late_s: float = -1.0) -> list[Act]:
        """Ask for something with a deadline a second away, or that long ago."""
        not_after_ns = round((self.now_s - late_s) * NS_PER_S)
        return self.step(Request(ask, visit, not_after_ns, f"id-{visit or ask.value}"))

    @property
    def phase(self) -> Phase:
        return self.state.phase


def site(*without: str, **changes: Any) -> Site:
    """A lane that has just started with the boom down and nobody there."""
    made = Site(lane_section(*without, **changes))
    made.step(**DOWN, presence=False, beam=False, fire=False, hold_key=False)
    return made


def opened(*without: str, visit: str = "car-1", **changes: Any) -> Site:
    """A lane whose boom has gone up for a car that has not come yet."""
    made = site(*without, **changes)
    made.ask(Ask.OPEN, visit)
    made.step(**BETWEEN)
    made.step(**UP)
    return made


def closing(**changes: Any) -> Site:
    """A lane whose boom comes down behind a car."""
    made = opened(**changes)
    made.step(presence=True)
    made.wait(2.0, presence=False)
    made.step(**BETWEEN)
    assert made.phase is Phase.CLOSING
    return made


def pulses(acts: list[Act]) -> list[Wire]:
    return [act.wire for act in acts if isinstance(act, Pulse)]


def events(acts: list[Act]) -> list[str]:
    return [act.type for act in acts if isinstance(act, Journal)]


def alarms(acts: list[Act]) -> list[tuple[str, bool]]:
    return [(act.name, act.on) for act in acts if isinstance(act, AlarmEdge)]


# --- start-up ---------------------------------------------------------------------------------------------


def test_SAFE_4_nothing_is_pulsed_at_start_up_whatever_the_limits_say() -> None:
    for limits in (DOWN, UP, BETWEEN, {"open_limit": None, "closed_limit": None}):
        made = Site(lane_section())
        acts = made.wait(60.0, **limits, presence=False, beam=False, fire=False, hold_key=False)
        assert pulses(acts) == []


def test_a_boom_found_down_is_closed_and_one_found_up_is_not_ours_to_lower() -> None:
    assert site().phase is Phase.CLOSED
    made = Site(lane_section())
    acts = made.wait(300.0, **UP, presence=False, beam=False, fire=False, hold_key=False)
    assert made.phase is Phase.OPEN_WAIT
    assert "barrier.found_open" in events(acts)
    assert pulses(acts) == []
    assert ("barrier.standing_open", True) in alarms(acts)


def test_unreadable_limits_leave_the_phase_unknown_and_a_permit_opens_all_the_same() -> None:
    made = Site(lane_section())
    made.step(open_limit=None, closed_limit=None, presence=False, beam=False, fire=False, hold_key=False)
    assert made.phase is Phase.UNKNOWN
    assert pulses(made.ask(Ask.OPEN, "car-1")) == [Wire.OPEN]
    assert made.phase is Phase.OPENING


def test_a_boom_between_its_limits_for_long_is_an_alarm_that_ends_when_it_is_found() -> None:
    made = Site(lane_section())
    acts = made.wait(9.0, **BETWEEN, presence=False, beam=False, fire=False, hold_key=False)
    assert ("barrier.position_unknown", True) in alarms(acts)
    assert ("barrier.position_unknown", False) in alarms(made.step(**DOWN))


# --- one car ----------------------------------------------------------------------------------------------


def test_one_car_goes_through_and_the_boom_comes_down_behind_it() -> None:
    made = site()
    assert pulses(made.ask(Ask.OPEN, "car-1")) == [Wire.OPEN]
    phases = [made.phase]
    made.wait(1.0, **BETWEEN)
    acts = made.step(**UP)
    assert "barrier.raised" in events(acts)
    phases.append(made.phase)
    made.wait(2.0, presence=True)
    phases.append(made.phase)
    acts = made.step(presence=False)
    assert Journal("barrier.passed", {"visit": "car-1"}) in acts
    phases.append(made.phase)
    acts = made.wait(1.1)
    assert pulses(acts) == [Wire.CLOSE]
    phases.append(made.phase)
    made.wait(1.0, **BETWEEN)
    acts = made.step(**DOWN)
    phases.append(made.phase)
    assert "barrier.closed" in events(acts)
    assert phases == [
        Phase.OPENING,
        Phase.OPEN_WAIT,
        Phase.PASSING,
        Phase.OPEN_CLEAR,
        Phase.CLOSING,
        Phase.CLOSED,
    ]
    assert made.state.waiting == ()


def test_every_change_of_phase_is_journaled() -> None:
    made = closing()
    made.step(**DOWN)
    changes = [
        (act.data["was"], act.data["phase"])
        for act in made.acts
        if isinstance(act, Journal) and act.type == "barrier.changed"
    ]
    assert changes[0] == ("unknown", "closed")
    assert all(before[1] == after[0] for before, after in zip(changes, changes[1:], strict=False))
    assert changes[-1] == ("closing", "closed")


def test_the_boom_waits_for_the_beam_as_well_as_for_the_loop() -> None:
    made = opened()
    made.step(presence=True)
    assert pulses(made.wait(5.0, presence=False, beam=True)) == []
    assert pulses(made.wait(1.2, beam=False)) == [Wire.CLOSE]


def test_the_clear_time_begins_anew_with_every_flicker() -> None:
    made = opened()
    made.step(presence=True)
    made.step(presence=False)
    for _ in range(5):
        made.wait(0.8)
        assert pulses(made.step(beam=True)) == []
        made.step(beam=False)
    assert made.phase is Phase.OPEN_CLEAR
    assert pulses(made.wait(1.2)) == [Wire.CLOSE]


def test_time_in_which_nobody_looked_is_no_clear_time() -> None:
    made = opened()
    made.step(presence=True)
    made.step(presence=False)
    made.now_s += 30.0  # the loop hung
    assert pulses(made.step()) == []
    assert pulses(made.wait(1.2)) == [Wire.CLOSE]


# --- SAFE-1 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sensor", ["presence", "beam"])
@pytest.mark.parametrize("seen", [True, None])
def test_SAFE_1_nothing_is_lowered_while_a_sensor_sees_something_or_is_unknown(
    sensor: str, seen: bool | None
) -> None:
    made = opened()
    acts = made.wait(120.0, **{sensor: seen})
    assert Wire.CLOSE not in pulses(acts)
    assert pulses(made.ask(Ask.CLOSE)) == []
    assert "barrier.refused" in events(made.acts)


@pytest.mark.parametrize(
    "signal",
    [{"presence": True}, {"presence": None}, {"beam": True}, {"beam": None}, {"fire": True}, {"fire": None}]
    + [{"hold_key": True}, {"hold_key": None}],
    ids=str,
)
def test_SAFE_1_a_closing_boom_is_raised_at_once(signal: dict[str, bool | None]) -> None:
    made = closing()
    acts = made.step(**signal)
    assert acts.index(Release(Wire.CLOSE)) < next(i for i, act in enumerate(acts) if isinstance(act, Pulse))
    assert pulses(acts) == [Wire.OPEN]
    assert made.phase in (Phase.OPENING, Phase.HELD_OPEN)


def test_SAFE_1_a_permit_raises_a_closing_boom_at_once() -> None:
    made = closing()
    acts = made.ask(Ask.OPEN, "car-2")
    assert pulses(acts) == [Wire.OPEN]
    assert Journal("barrier.reversed", {"cause": "authorised"}) in acts
    assert made.state.waiting == ("car-2",)


def test_SAFE_1_a_raise_for_safety_is_repeated_until_the_boom_is_seen_up() -> None:
    made = closing()
    made.step(presence=True)
    acts = made.wait(3.0)
    assert len(pulses(acts)) == 3
    assert set(pulses(acts)) == {Wire.OPEN}
    made.step(**UP)
    assert pulses(made.wait(3.0)) == []


def test_an_opening_for_a_visitor_is_not_repeated() -> None:
    made = site()
    acts = made.ask(Ask.OPEN, "car-1") + made.wait(5.0, **BETWEEN)
    assert pulses(acts) == [Wire.OPEN]


def test_a_boom_that_sinks_onto_a_car_by_itself_is_raised() -> None:
    made = opened()
    made.wait(1.0, presence=True)
    assert pulses(made.step(**BETWEEN)) == [Wire.OPEN]


def test_a_boom_that_is_down_is_not_raised_by_a_car_that_touches_the_loop() -> None:
    made = closing()
    made.step(**DOWN)
    assert pulses(made.wait(30.0, presence=True)) == []
    assert pulses(made.wait(30.0, presence=None, beam=None)) == []


# --- several cars -----------------------------------------------------------------------------------------


def test_a_second_permitted_car_two_seconds_behind_keeps_the_boom_open() -> None:
    made = opened()
    made.wait(2.0, presence=True)
    made.ask(Ask.OPEN, "car-2")
    acts = made.step(presence=False) + made.wait(2.0)
    assert made.phase is Phase.OPEN_WAIT
    acts += made.step(presence=True) + made.step(presence=False)
    assert Journal("barrier.passed", {"visit": "car-2"}) in acts
    assert Wire.CLOSE not in pulses(acts)
    assert "barrier.tailgated" not in events(acts)
    assert pulses(made.wait(1.2)) == [Wire.CLOSE]


def test_the_same_visit_does_not_pulse_twice_while_its_boom_is_up() -> None:
    made = opened(visit="car-1")
    assert pulses(made.ask(Ask.OPEN, "car-1")) == []
    assert made.state.waiting == ("car-1",)


def test_a_visit_that_did_not_pass_may_open_anew_after_the_boom_closed() -> None:
    made = opened(visit="car-1")
    acts = made.wait(27.0)
    assert Journal("barrier.authorised_not_passed", {"visit": "car-1"}) in acts
    assert pulses(acts) == [Wire.CLOSE]
    made.step(**BETWEEN)
    made.step(**DOWN)
    assert made.phase is Phase.CLOSED
    assert pulses(made.ask(Ask.OPEN, "car-1")) == [Wire.OPEN]


def test_a_second_car_on_one_permit_is_a_tailgater_and_is_not_closed_onto() -> None:
    made = opened()
    made.step(presence=True)
    made.step(presence=False)
    acts = made.wait(0.5)
    acts += made.wait(2.0, presence=True)
    assert Wire.CLOSE not in pulses(acts)
    assert "barrier.tailgated" in events(made.step(presence=False))


def test_the_queue_is_bounded_and_says_so() -> None:
    made = opened(visit="car-0")
    for i in range(1, 16):
        made.ask(Ask.OPEN, f"car-{i}")
    acts = made.ask(Ask.OPEN, "one-too-many")
    assert pulses(acts) == []
    assert [act.data["why"] for act in acts if isinstance(act, Journal)] == ["queue_full"]


def test_a_car_that_stands_under_the_boom_is_lingering_until_it_leaves() -> None:
    made = opened()
    assert ("barrier.lingering", True) in alarms(made.wait(61.0, presence=True))
    assert ("barrier.lingering", False) in alarms(made.step(presence=False))


# --- failures ---------------------------------------------------------------------------------------------


def test_a_boom_that_does_not_come_up_is_open_failed_and_the_next_permit_tries_again() -> None:
    made = site()
    made.ask(Ask.OPEN, "car-1")
    acts = made.wait(8.2)
    assert ("barrier.open_failed", True) in alarms(acts)
    assert Journal("barrier.authorised_not_passed", {"visit": "car-1"}) in acts
    assert made.phase is Phase.FAULT
    assert pulses(made.ask(Ask.OPEN, "car-2")) == [Wire.OPEN]
    made.step(**BETWEEN)
    assert ("barrier.open_failed", False) in alarms(made.step(**UP))


def test_a_boom_that_comes_up_too_late_is_found_up() -> None:
    made = site()
    made.ask(Ask.OPEN, "car-1")
    made.wait(8.2, **BETWEEN)
    assert ("barrier.open_failed", False) in alarms(made.step(**UP))
    assert made.phase is Phase.OPEN_CLEAR


def test_a_boom_that_does_not_come_down_is_close_failed_and_close_is_let_go_of() -> None:
    made = closing()
    acts = made.wait(10.2)
    assert ("barrier.close_failed", True) in alarms(acts)
    assert Release(Wire.CLOSE) in acts
    assert made.phase is Phase.FAULT
    acts = made.step(**DOWN)
    assert made.phase is Phase.CLOSED
    assert ("barrier.close_failed", False) in alarms(acts)


def test_limits_that_contradict_each_other_are_an_alarm_and_no_position() -> None:
    made = site()
    acts = made.step(open_limit=True, closed_limit=True)
    assert ("barrier.limits_contradict", True) in alarms(acts)
    assert made.phase is Phase.CLOSED
    assert ("barrier.limits_contradict", False) in alarms(made.step(**DOWN))


def test_a_boom_raised_by_hand_is_recorded_and_not_lowered_by_us() -> None:
    made = site()
    acts = made.step(**BETWEEN)
    acts += made.step(**UP)
    assert {"barrier.moved_by_hand", "barrier.opened_by_hand"} <= set(events(acts))
    acts = made.wait(5.0, presence=True) + made.wait(200.0, presence=False)
    assert pulses(acts) == []
    assert "barrier.tailgated" not in events(acts)
    made.step(**BETWEEN)
    made.step(**DOWN)
    assert made.phase is Phase.CLOSED


def test_a_car_let_in_under_a_boom_found_open_switches_nothing_and_closes_behind_it() -> None:
    """After a crash in the middle of an opening the same car is seen again: its boom is up already."""
    made = Site(lane_section())
    made.step(**UP, presence=False, beam=False, fire=False, hold_key=False)
    made.wait(2.0)
    acts = made.ask(Ask.OPEN, "car-1")
    assert pulses(acts) == []
    assert "barrier.taken_over" in events(acts)
    made.wait(1.0, presence=True)
    acts = made.wait(3.0, presence=False)
    assert "barrier.passed" in events(acts)
    assert pulses(acts) == [Wire.CLOSE]


def test_a_boom_found_open_without_a_limit_to_see_it_is_raised_for_a_permit() -> None:
    made = Site(lane_section("open_limit"))
    made.step(closed_limit=False, presence=False, beam=False, fire=False, hold_key=False)
    made.wait(20.0)
    assert pulses(made.ask(Ask.OPEN, "car-1")) == [Wire.OPEN]


def test_a_raise_by_hand_within_one_look_is_opened_by_hand() -> None:
    assert "barrier.opened_by_hand" in events(site().step(**UP))


def test_a_boom_raised_by_hand_that_leaves_its_limit_and_returns_is_still_not_ours_to_lower() -> None:
    made = site()
    made.step(**UP)
    made.step(**BETWEEN)
    assert made.phase is Phase.CLOSING
    assert pulses(made.wait(120.0, **UP)) == []
    assert made.phase is Phase.OPEN_WAIT


def test_SAFE_1_a_boom_that_missed_its_limit_is_raised_off_a_car_for_as_long_again() -> None:
    for waited_s, raised in ((5.0, [Wire.OPEN]), (10.5, [])):
        made = closing()
        made.wait(10.2)
        assert made.phase is Phase.FAULT
        made.wait(waited_s)
        assert pulses(made.step(presence=True)) == raised


# --- SAFE-2: holds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sensor", ["fire", "hold_key"])
@pytest.mark.parametrize("phase", ["closed", "opening", "open_wait", "closing", "unknown"])
def test_SAFE_2_fire_and_key_raise_and_hold_the_boom_from_any_phase(sensor: str, phase: str) -> None:
    made = {"closed": site, "open_wait": opened, "closing": closing}.get(phase, site)()
    if phase == "opening":
        made.ask(Ask.OPEN, "car-1")
    elif phase == "unknown":
        made.step(**BETWEEN)
    assert made.phase.value == phase
    acts = made.step(**{sensor: True})
    assert pulses(acts) == [Wire.OPEN]
    assert made.phase is Phase.HELD_OPEN
    for ask in (Ask.CLOSE, Ask.STOP, Ask.RELEASE):
        acts = made.ask(ask)
        assert "barrier.refused" in events(acts)
        assert set(pulses(acts)) <= {Wire.OPEN}
        assert made.phase is Phase.HELD_OPEN


def test_SAFE_2_a_remote_release_leaves_the_hold_of_the_key() -> None:
    made = site()
    made.step(hold_key=True)
    made.ask(Ask.HOLD)
    made.ask(Ask.RELEASE)
    assert made.state.holds == {Hold.KEY}
    assert made.phase is Phase.HELD_OPEN


def test_SAFE_2_an_unknown_fire_input_neither_begins_nor_ends_a_hold() -> None:
    made = site()
    assert pulses(made.wait(10.0, fire=None)) == []
    made.step(fire=True)
    made.wait(60.0, fire=None)
    assert made.phase is Phase.HELD_OPEN


def test_SAFE_2_the_fire_hold_ends_only_after_its_reset_time_and_then_the_lane_must_be_clear() -> None:
    made = site()
    made.step(fire=True)
    made.wait(2.0, **UP)
    made.wait(4.9, fire=False)
    assert made.phase is Phase.HELD_OPEN
    made.step(fire=True)
    made.wait(4.9, fire=False)
    assert made.phase is Phase.HELD_OPEN
    acts = made.wait(0.3, presence=True)
    assert "barrier.hold_ended" in events(acts)
    assert pulses(made.wait(10.0)) == []
    assert pulses(made.wait(1.2, presence=False)) == [Wire.CLOSE]


def test_a_remote_hold_keeps_the_boom_up_for_a_convoy_and_is_renewed() -> None:
    made = site()
    made.ask(Ask.HOLD)
    made.step(**UP)
    acts = made.wait(21.0)
    assert pulses(acts) == [Wire.OPEN] * 4
    acts = made.step(presence=True) + made.step(presence=False)
    assert Journal("barrier.passed", {"visit": None}) in acts
    made.ask(Ask.RELEASE)
    assert made.phase is Phase.OPEN_CLEAR
    assert pulses(made.wait(1.2)) == [Wire.CLOSE]


def test_a_car_let_in_during_a_hold_is_waited_for_after_it() -> None:
    made = site()
    made.ask(Ask.HOLD)
    made.step(**UP)
    assert pulses(made.ask(Ask.OPEN, "car-1")) == []
    made.ask(Ask.RELEASE)
    assert made.phase is Phase.OPEN_WAIT
    assert made.state.waiting == ("car-1",)


# --- SAFE-3 and staff -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", list(Ask))
def test_SAFE_3_a_request_past_its_deadline_is_recorded_and_moves_nothing(ask: Ask) -> None:
    made = site()
    acts = made.ask(ask, "car-1", late_s=0.001)
    assert [act.data["why"] for act in acts if isinstance(act, Journal)] == ["too_late"]
    assert pulses(acts) == []


def test_staff_may_close_a_boom_that_somebody_raised_by_hand_once_the_lane_is_clear() -> None:
    made = site()
    made.step(**UP, presence=True)
    assert pulses(made.ask(Ask.CLOSE)) == []
    made.step(presence=False)
    assert pulses(made.ask(Ask.CLOSE)) == []
    made.wait(1.0)
    assert pulses(made.ask(Ask.CLOSE)) == [Wire.CLOSE]


def test_stop_halts_a_closing_boom_and_lets_go_of_close() -> None:
    made = closing()
    acts = made.ask(Ask.STOP)
    assert Release(Wire.CLOSE) in acts
    assert pulses(acts) == [Wire.STOP]
    assert made.phase is Phase.UNKNOWN
    assert pulses(made.wait(30.0)) == []


def test_stop_without_a_stop_wire_raises_a_closing_boom() -> None:
    made = site("stop")
    made.ask(Ask.OPEN, "car-1")
    made.step(**UP)
    made.step(presence=True)
    made.wait(2.0, presence=False)
    assert made.phase is Phase.CLOSING
    assert pulses(made.ask(Ask.STOP)) == [Wire.OPEN]


def test_stop_does_not_halt_a_boom_that_rises_off_a_car() -> None:
    made = closing()
    made.step(presence=True)
    assert pulses(made.ask(Ask.STOP)) == []


# --- lanes with fewer wires -------------------------------------------------------------------------------


def test_a_lane_with_nothing_but_an_open_wire_opens_and_takes_itself_for_closed_later() -> None:
    sensors = ("open_limit", "closed_limit", "presence", "beam", "fire", "hold_key")
    made = Site(lane_section("close", "stop", *sensors))
    made.step()
    acts = made.ask(Ask.OPEN, "car-1")
    assert pulses(acts) == [Wire.OPEN]
    acts = made.wait(8.0 + 25.0 + 10.0 + 1.0)
    assert pulses(acts) == []
    assert made.phase is Phase.CLOSED
    assert Journal("barrier.authorised_not_passed", {"visit": "car-1"}) in acts
    assert pulses(made.ask(Ask.OPEN, "car-1")) == [Wire.OPEN]


def test_without_limits_the_boom_is_taken_for_up_when_a_car_is_under_it_and_for_down_after_its_time() -> None:
    made = Site(lane_section("open_limit", "closed_limit"))
    made.step(presence=False, beam=False, fire=False, hold_key=False)
    made.ask(Ask.OPEN, "car-1")
    made.wait(8.1)
    assert made.phase is Phase.OPEN_WAIT
    made.step(presence=True)
    assert pulses(made.wait(1.3, presence=False)) == [Wire.CLOSE]
    made.wait(5.0)
    assert pulses(made.step(presence=True)) == [Wire.OPEN]  # it may still be on its way down
    made.wait(8.0)
    made.wait(1.3, presence=False)
    assert made.phase is Phase.CLOSING
    made.wait(10.1)
    assert made.phase is Phase.CLOSED
    assert pulses(made.wait(10.0, presence=True)) == []


def test_a_barrier_that_closes_by_itself_is_followed_by_its_limits() -> None:
    made = site("close")
    made.ask(Ask.OPEN, "car-1")
    made.step(**UP)
    made.step(presence=True)
    made.step(presence=False)
    assert pulses(made.wait(3.0)) == []
    made.step(**BETWEEN)
    assert made.phase is Phase.CLOSING
    made.step(presence=None)
    assert made.phase is Phase.CLOSING  # its own affair while nothing says "car"
    assert pulses(made.step(presence=True)) == [Wire.OPEN]
    made.step(**UP, presence=False)
    made.step(**BETWEEN)
    made.step(**DOWN)
    assert made.phase is Phase.CLOSED


def test_a_barrier_that_closes_by_itself_is_raised_again_for_the_next_permitted_car() -> None:
    made = site("close")
    made.ask(Ask.OPEN, "car-1")
    made.step(**UP)
    made.ask(Ask.OPEN, "car-2")
    made.step(presence=True)
    made.step(presence=False)
    assert pulses(made.step(**BETWEEN)) == [Wire.OPEN]
    assert made.state.waiting == ("car-2",)


def test_a_barrier_that_should_close_by_itself_and_does_not_is_an_alarm() -> None:
    made = site("close")
    made.ask(Ask.OPEN, "car-1")
    made.step(**UP)
    made.step(presence=True)
    made.step(presence=False)
    assert ("barrier.standing_open", True) in alarms(made.wait(36.0))


def test_a_held_open_wire_is_let_go_of_with_the_care_of_a_close() -> None:
    held = {"open": {"board": "relays", "channel": 1, "pulse_ms": 0}}
    made = Site(lane_section("close", **held))
    made.step(**DOWN, presence=False, beam=False, fire=False, hold_key=False)
    made.ask(Ask.OPEN, "car-1")
    made.step(**UP)
    made.step(presence=True)
    assert Release(Wire.OPEN) not in made.wait(60.0)
    assert Release(Wire.OPEN) in made.wait(1.3, presence=False)
    assert pulses(made.step(presence=True)) == [Wire.OPEN]


def test_only_an_open_limit_is_enough_to_see_the_boom_leave_it() -> None:
    made = site("closed_limit")
    made.ask(Ask.OPEN, "car-1")
    made.step(open_limit=True)
    assert made.phase is Phase.OPEN_WAIT
    made.step(presence=True)
    made.wait(1.3, presence=False)
    assert made.phase is Phase.CLOSING
    made.wait(10.1, open_limit=False)
    assert made.phase is Phase.CLOSED


def test_settings_may_change_between_two_steps() -> None:
    made = opened()
    made.settings = made.settings.model_copy(
        update={"times": made.settings.times.model_copy(update={"pass_timeout_s": 3.0})}
    )
    assert pulses(made.wait(4.5)) == [Wire.CLOSE]

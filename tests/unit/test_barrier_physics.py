"""The simulated barrier and door behave like steel, by injected time."""

import pytest

from drivers.simulated.barrier import BarrierTraits, SimulatedBarrier
from drivers.simulated.door import DoorTraits, SimulatedDoor

S = 1_000_000_000
MS = 1_000_000
TRAITS = BarrierTraits(travel_up_s=2.0, travel_down_s=3.0)


def pulse(barrier: SimulatedBarrier, contact: str, at_ns: int, long_ns: int = 100 * MS) -> None:
    barrier.set_contact(contact, True, at_ns)
    barrier.set_contact(contact, False, at_ns + long_ns)


def opened(traits: BarrierTraits = TRAITS) -> SimulatedBarrier:
    """A boom that is up at second 10."""
    barrier = SimulatedBarrier(0, traits)
    pulse(barrier, "open", 1 * S)
    barrier.step(10 * S)
    assert barrier.open_limit
    return barrier


def test_the_boom_takes_its_travel_time_up_and_down() -> None:
    barrier = SimulatedBarrier(0, TRAITS)
    assert barrier.closed_limit
    pulse(barrier, "open", 1 * S)
    barrier.step(2 * S)
    assert barrier.angle_deg == pytest.approx(45.0)
    assert not barrier.open_limit
    assert not barrier.closed_limit
    barrier.step(3 * S)
    assert barrier.open_limit
    pulse(barrier, "close", 4 * S)
    barrier.step(4 * S + 1500 * MS)
    assert barrier.angle_deg == pytest.approx(45.0)
    barrier.step(7 * S)
    assert barrier.closed_limit
    assert barrier.motion == 0


def test_many_small_steps_and_one_large_step_give_the_same_angle() -> None:
    one, many = SimulatedBarrier(0, TRAITS), SimulatedBarrier(0, TRAITS)
    for barrier in (one, many):
        pulse(barrier, "open", 1 * S)
    one.step(2500 * MS)
    for at_ms in range(1000, 2501, 7):
        many.step(at_ms * MS)
    many.step(2500 * MS)
    assert many.angle_deg == pytest.approx(one.angle_deg)


def test_an_open_signal_while_closing_raises_the_boom_at_once() -> None:
    barrier = opened()
    pulse(barrier, "close", 10 * S)
    barrier.step(11 * S)
    falling = barrier.angle_deg
    barrier.set_contact("open", True, 11 * S)
    assert barrier.motion == 1
    barrier.step(11 * S + 100 * MS)
    assert barrier.angle_deg > falling


def test_a_held_open_contact_keeps_the_boom_up() -> None:
    barrier = opened()
    barrier.set_contact("open", True, 10 * S)
    pulse(barrier, "close", 11 * S)
    barrier.step(20 * S)
    assert barrier.open_limit
    barrier.set_contact("open", False, 20 * S)
    pulse(barrier, "close", 21 * S)
    barrier.step(30 * S)
    assert barrier.closed_limit


def test_stop_beats_open_and_close() -> None:
    barrier = SimulatedBarrier(0, TRAITS)
    pulse(barrier, "open", 1 * S)
    barrier.set_contact("stop", True, 2 * S)
    barrier.step(5 * S)
    assert barrier.angle_deg == pytest.approx(45.0)
    pulse(barrier, "open", 6 * S)
    pulse(barrier, "close", 7 * S)
    barrier.step(9 * S)
    assert barrier.angle_deg == pytest.approx(45.0)


def test_a_boom_that_comes_down_on_a_car_is_recorded_once_per_car() -> None:
    barrier = opened()
    barrier.set_presence(10 * S, loop=True, beam=True)
    pulse(barrier, "close", 11 * S)
    assert barrier.closes_on_presence_ns == [11 * S]
    for at_ms in range(11_000, 16_000, 10):
        barrier.step(at_ms * MS)
    assert len(barrier.hits) == 1
    assert barrier.hits[0] == pytest.approx(12 * S, abs=20 * MS)
    barrier.set_presence(16 * S, loop=False, beam=False)
    barrier.set_presence(17 * S, loop=True, beam=True)
    assert len(barrier.hits) == 2


def test_a_car_below_an_open_boom_is_no_hit() -> None:
    barrier = opened()
    barrier.set_presence(10 * S, loop=True, beam=True)
    barrier.step(20 * S)
    barrier.set_presence(20 * S, loop=False, beam=False)
    pulse(barrier, "close", 21 * S)
    barrier.step(30 * S)
    assert barrier.hits == []
    assert barrier.closes_on_presence_ns == []


def test_a_barrier_that_protects_itself_reverses_on_the_beam() -> None:
    barrier = opened(BarrierTraits(2.0, 3.0, protects_itself=True))
    pulse(barrier, "close", 10 * S)
    barrier.set_presence(10 * S + 500 * MS, loop=True, beam=True)
    assert barrier.motion == 1
    barrier.step(15 * S)
    pulse(barrier, "close", 15 * S)
    barrier.step(20 * S)
    assert barrier.open_limit
    assert barrier.hits == []


def test_a_barrier_with_its_own_loop_closes_by_itself_after_the_car() -> None:
    barrier = opened(BarrierTraits(2.0, 3.0, auto_close_s=1.0))
    barrier.set_presence(11 * S, loop=True, beam=False)
    barrier.set_presence(13 * S, loop=False, beam=False)
    barrier.step(13 * S + 900 * MS)
    assert barrier.open_limit
    barrier.step(14 * S + 1500 * MS)
    assert barrier.angle_deg == pytest.approx(45.0)
    barrier.step(20 * S)
    assert barrier.closed_limit


def test_the_next_car_on_the_loop_keeps_such_a_barrier_open() -> None:
    barrier = opened(BarrierTraits(2.0, 3.0, auto_close_s=1.0))
    barrier.set_presence(11 * S, loop=True, beam=False)
    barrier.set_presence(13 * S, loop=False, beam=False)
    barrier.set_presence(13 * S + 500 * MS, loop=True, beam=False)
    barrier.step(20 * S)
    assert barrier.open_limit


def test_a_jammed_boom_stays_where_it_is() -> None:
    barrier = SimulatedBarrier(0, TRAITS)
    barrier.jammed = True
    pulse(barrier, "open", 1 * S)
    barrier.step(10 * S)
    assert barrier.closed_limit


def test_a_hand_lift_opens_without_a_contact() -> None:
    barrier = SimulatedBarrier(0, TRAITS)
    barrier.lift_by_hand(1 * S)
    barrier.step(5 * S)
    assert barrier.open_limit


def test_a_locked_door_gives_way_only_by_force() -> None:
    door = SimulatedDoor(0)
    assert not door.push(1 * S, open_for_s=2.0)
    door.step(2 * S)
    assert not door.is_open
    assert door.push(3 * S, open_for_s=2.0, force=True)
    door.step(3 * S + 300 * MS)
    assert door.is_open
    assert door.forced == [3 * S]


def test_an_unlocked_door_opens_and_falls_shut() -> None:
    door = SimulatedDoor(0)
    door.set_lock(True, 1 * S)
    assert door.unlocked
    assert door.push(2 * S, open_for_s=3.0)
    door.set_lock(False, 3 * S)
    assert door.is_open
    door.step(5 * S + 100 * MS)
    assert door.is_open
    door.step(5 * S + 300 * MS)
    assert not door.is_open
    assert door.passed == [2 * S]
    assert door.forced == []


def test_a_magnet_lock_lets_go_without_power() -> None:
    door = SimulatedDoor(0, DoorTraits(energised_unlocks=False))
    assert door.unlocked
    door.set_lock(True, 1 * S)
    assert not door.unlocked

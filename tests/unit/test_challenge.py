"""The challenge: a head that turns as told passes; pictures of it do not, however they are moved."""

from collections.abc import Iterable

import numpy as np
import pytest
from heads import FLAT, HEAD, points_of
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS_PER_MS, NS_PER_S
from edge.evidence.challenge import (
    TURNED,
    Challenge,
    Phase,
    Turn,
    begin,
    expire,
    is_same_plane,
    nose_place,
    observe,
)

STEP_MS = 150
Pose = tuple[float, str | None]  # yaw in degrees; whom the read names
STRAIGHT: Pose = (0.0, "anna")


def swing(to: float, steps: int = 4) -> list[Pose]:
    """Turn to an angle and come back; a turned face names nobody."""
    there = [(to * (i + 1) / steps, None) for i in range(steps)]
    return [*there, *reversed(there[:-1]), STRAIGHT]


def play(turns: Iterable[Turn], poses: Iterable[Pose], thing: np.ndarray = HEAD, **view: float) -> Challenge:
    state = begin("anna", tuple(turns), points_of(thing, **view), 0, 8.0)
    assert state is not None
    for step, (yaw, subject) in enumerate(poses):
        points = points_of(thing, **{"yaw": yaw, **view})
        state = observe(state, points, (step + 1) * STEP_MS * NS_PER_MS, subject)
    return state


L, R = Turn.LEFT, Turn.RIGHT


@pytest.mark.parametrize(
    ("turns", "poses", "phase", "why"),
    [
        ((L,), swing(36), Phase.PASSED, ""),
        ((R,), swing(-36), Phase.PASSED, ""),
        ((L, R), [*swing(36), *swing(-36)], Phase.PASSED, ""),
        ((R, R), [*swing(-40), *swing(-32)], Phase.PASSED, ""),
        ((L, R), swing(36), Phase.TURN, ""),
        ((L,), swing(-36), Phase.FAILED, "turned the other way"),
        ((L, R), [*swing(36), *swing(36)], Phase.FAILED, "turned the other way"),
        ((L,), swing(16), Phase.TURN, ""),
        ((L,), swing(36)[:-2], Phase.RETURN, ""),
        ((L,), [*swing(36)[:-1], (0.0, None)], Phase.CONFIRM, ""),
        ((L,), [*swing(36)[:-1], (0.0, None), STRAIGHT], Phase.PASSED, ""),
        ((L,), [*swing(36)[:-1], (0.0, "bert")], Phase.FAILED, "the face that turned is another person's"),
        ((L,), [(36.0, None), STRAIGHT], Phase.FAILED, "the face jumped from one place to another"),
        ((L,), swing(50, steps=2), Phase.FAILED, "the face jumped from one place to another"),
        ((L,), [STRAIGHT] * 60, Phase.FAILED, "not in time"),
        ((L,), [], Phase.TURN, ""),
    ],
)
def test_what_becomes_of_each_answer(
    turns: tuple[Turn, ...], poses: list[Pose], phase: Phase, why: str
) -> None:
    state = play(turns, poses)
    assert (state.phase, state.why) == (phase, why)


def test_a_passed_challenge_says_how_far_the_head_turned() -> None:
    numbers = play((L, R), [*swing(36), *swing(-33)]).numbers()
    assert numbers["turns"] == ["left", "right"]
    assert numbers["widest_left"] > TURNED  # type: ignore[operator]
    assert numbers["widest_right"] > TURNED  # type: ignore[operator]


@pytest.mark.parametrize("distance_mm", [350.0, 500.0, 900.0])
@pytest.mark.parametrize("turns", [(L, R), (R, L), (L, L), (R, R)])
def test_a_picture_tilted_as_the_challenge_asks_never_passes(
    turns: tuple[Turn, ...], distance_mm: float
) -> None:
    for most in (20, 35, 50, 60):
        poses = [pose for turn in turns for pose in swing(most if turn is L else -most, steps=8)]
        poses = [(yaw, "anna") for yaw, _ in poses]
        state = play(turns, poses, FLAT, distance_mm=distance_mm)
        assert state.phase is not Phase.PASSED
        assert state.at == 0, "not even one turn was believed"


@given(
    st.lists(
        st.tuples(st.floats(-55, 55), st.floats(-55, 55), st.floats(-30, 30), st.floats(400, 1500)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([(L, R), (R, L), (L, L), (R, R)]),
)
def test_no_way_of_moving_a_flat_picture_passes(
    ways: list[tuple[float, float, float, float]], turns: tuple[Turn, ...]
) -> None:
    state = begin("anna", turns, points_of(FLAT), 0, 60.0)
    assert state is not None
    for step, (yaw, pitch, roll, distance_mm) in enumerate(ways):
        points = points_of(FLAT, yaw=yaw, pitch=pitch, roll=roll, distance_mm=distance_mm)
        state = observe(state, points, (step + 1) * STEP_MS * NS_PER_MS, "anna")
        assert state.phase is not Phase.PASSED
        assert state.at == 0


def test_pictures_of_a_turned_head_shown_one_after_the_other_do_not_pass() -> None:
    """Prints of the real head at several angles: swapped, not turned."""
    state = play((L,), [(0.0, "anna"), (35.0, None), (35.0, None), (0.0, "anna")])
    assert (state.phase, state.why) == (Phase.FAILED, "the face jumped from one place to another")


def test_noise_of_the_points_of_a_still_picture_does_not_add_up_to_a_turn() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        state = begin("anna", (L,), points_of(FLAT), 0, 60.0)
        assert state is not None
        for step in range(200):
            points = points_of(FLAT, noise_px=1.2, rng=rng)
            state = observe(state, points, (step + 1) * 100 * NS_PER_MS, "anna")
        assert state.at == 0


def test_a_long_silence_ends_it_since_anybody_may_stand_there_now() -> None:
    state = begin("anna", (L,), points_of(HEAD), 0, 8.0)
    assert state is not None
    state = observe(state, points_of(HEAD, yaw=5), 3 * NS_PER_S)
    assert state.phase is Phase.FAILED


def test_reads_without_points_repeated_or_of_the_past_say_nothing() -> None:
    state = begin("anna", (L,), points_of(HEAD), NS_PER_S, 8.0)
    assert state is not None
    assert observe(state, (), 2 * NS_PER_S) == state
    assert observe(state, points_of(HEAD, yaw=38), NS_PER_S) == state
    assert observe(state, points_of(HEAD, yaw=38), 0) == state


def test_time_ends_it_without_a_read_too() -> None:
    state = begin("anna", (L,), points_of(HEAD), 0, 8.0)
    assert state is not None
    assert expire(state, 8 * NS_PER_S) == state
    assert expire(state, 8 * NS_PER_S + 1).why == "not in time"
    assert expire(expire(state, 9 * NS_PER_S), 99 * NS_PER_S).phase is Phase.FAILED


@pytest.mark.parametrize("points", [(), (1.0,) * 10, tuple(float(i) for i in range(10)), (0.0,) * 9])
def test_points_that_are_no_face_begin_nothing(points: tuple[float, ...]) -> None:
    assert begin("anna", (L,), points, 0, 8.0) is None


def test_a_face_that_is_turned_already_begins_nothing() -> None:
    assert begin("anna", (L,), points_of(HEAD, yaw=38), 0, 8.0) is None


def test_left_is_the_persons_own_left() -> None:
    place = nose_place(points_of(HEAD, yaw=20))
    assert place is not None
    assert place > 0.1, "which is the right of the picture, where the left eye is"


@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(-180, 180), st.floats(300, 3000))
def test_the_nose_of_a_picture_keeps_its_place(
    yaw: float, pitch: float, roll: float, distance_mm: float
) -> None:
    place = nose_place(points_of(FLAT, yaw=yaw, pitch=pitch, roll=roll, distance_mm=distance_mm))
    assert place is not None
    assert abs(place) < 0.08


def test_another_face_is_not_the_same_plane() -> None:
    wide = HEAD * (1.0, 1.0, 1.0)
    wide[3] += (-35, 15, 0)
    assert is_same_plane(points_of(HEAD), points_of(HEAD, yaw=25, pitch=10))
    assert not is_same_plane(points_of(HEAD), points_of(wide))
    assert not is_same_plane((), points_of(HEAD))

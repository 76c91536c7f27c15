"""What the person before the camera is told, and which of their pictures are taken."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from edge.clock import NS_PER_S
from edge.enrolment import HINT_TEXT, VIEW_TEXT, Advice, Guide, Hint, Look, View

GOOD = Look(
    at_ns=0, persons=1, height=0.3, eye_distance_px=60.0, sharpness=200.0, brightness=140.0, sideways=0.01
)
LEFT, RIGHT = replace(GOOD, sideways=0.15), replace(GOOD, sideways=-0.15)
STEP_NS = NS_PER_S // 10


class Chair:
    """A person before the camera, ten frames a second."""

    def __init__(self, **options: float) -> None:
        self.now_ns = 5 * NS_PER_S
        self.guide = Guide(self.now_ns, **options)  # type: ignore[arg-type]
        self.takes: list[View] = []

    def see(self, look: Look, seconds: float = 0.1) -> Advice:
        advice = None
        for _ in range(max(1, round(seconds * 10))):
            self.now_ns += STEP_NS
            advice = self.guide.see(replace(look, at_ns=self.now_ns))
            if advice.take is not None:
                self.takes.append(advice.take)
        assert advice is not None
        return advice


def test_the_whole_way_from_nobody_to_three_views() -> None:
    chair = Chair()
    assert chair.see(Look(0, persons=0), 2).hint is Hint.NOBODY
    assert chair.see(replace(GOOD, eye_distance_px=20)).hint is Hint.CLOSER
    assert chair.see(GOOD).hint is Hint.HOLD
    assert chair.see(GOOD, 1.0).hint is Hint.TAKEN
    assert chair.see(GOOD, 1.0).hint is Hint.TURN_LEFT
    assert chair.see(LEFT, 0.3).hint is Hint.HOLD
    chair.see(LEFT, 2.0)
    assert chair.see(LEFT).hint is Hint.TURN_RIGHT
    chair.see(RIGHT, 1.2)
    done = chair.see(RIGHT, 1.0)
    assert done.hint is Hint.DONE
    assert done.is_over
    assert done.view is None
    assert chair.takes == [View.FRONT, View.LEFT, View.RIGHT]
    assert done.taken == (View.FRONT, View.LEFT, View.RIGHT)


@pytest.mark.parametrize(
    ("look", "hint"),
    [
        (Look(0, persons=0), Hint.NOBODY),
        (Look(0, persons=2), Hint.ALONE),
        (replace(GOOD, height=0.9), Hint.BACK),
        (replace(GOOD, centre_x=0.1), Hint.CENTRE),
        (replace(GOOD, is_cut=True), Hint.CENTRE),
        (replace(GOOD, eye_distance_px=25), Hint.CLOSER),
        (replace(GOOD, brightness=30), Hint.LIGHT),
        (replace(GOOD, brightness=240), Hint.LESS_LIGHT),
        (replace(GOOD, side_light=0.6), Hint.SIDE_LIGHT),
        (replace(GOOD, sideways=0.2), Hint.STRAIGHT),
        (replace(GOOD, sharpness=20), Hint.STILL),
    ],
    ids=lambda value: value.value if isinstance(value, Hint) else "",
)
def test_one_thing_is_said_at_a_time_and_nothing_is_taken_meanwhile(look: Look, hint: Hint) -> None:
    chair = Chair()
    advice = chair.see(look, 3)
    assert advice.hint is hint
    assert not advice.is_best
    assert chair.takes == []


def test_a_face_that_moves_is_told_to_hold_still() -> None:
    chair = Chair()
    for step in range(10):
        advice = chair.see(replace(GOOD, centre_x=0.35 + 0.03 * step))
    assert advice.hint is Hint.STILL
    assert chair.takes == []
    assert chair.see(replace(GOOD, centre_x=0.62), 0.2).hint is Hint.HOLD


def test_a_turn_too_far_is_turned_back() -> None:
    chair = Chair()
    chair.see(GOOD, 2.2)
    assert chair.see(replace(GOOD, sideways=0.45)).hint is Hint.TURN_LESS
    assert chair.see(replace(GOOD, sideways=-0.2)).hint is Hint.TURN_LEFT, "that is the other side"
    assert chair.see(replace(GOOD, sideways=0.2)).hint is Hint.HOLD


def test_the_sharpest_frame_of_the_second_is_the_one_to_keep() -> None:
    chair = Chair()
    best = []
    for sharpness in (120, 140, 130, 250, 240, 150, 120, 130, 140, 120, 130, 120):
        advice = chair.see(replace(GOOD, sharpness=sharpness))
        best.append(advice.is_best)
        if advice.take:
            break
    assert chair.takes == [View.FRONT]
    assert [number for number, is_best in enumerate(best) if is_best] == [0, 1, 3]


def test_a_blink_of_the_detector_does_not_begin_the_second_anew_but_walking_away_does() -> None:
    chair = Chair()
    chair.see(GOOD, 0.6)
    assert chair.see(Look(0, persons=0), 0.2).hint is Hint.HOLD
    chair.see(GOOD, 0.4)
    assert chair.takes == [View.FRONT]
    away = Chair()
    away.see(GOOD, 0.6)
    assert away.see(Look(0, persons=0), 0.6).hint is Hint.NOBODY
    assert away.see(GOOD, 0.6).take is None
    assert away.takes == []


def test_the_progress_runs_from_nothing_to_all() -> None:
    chair = Chair()
    shares = []
    while not chair.takes:
        shares.append(chair.see(GOOD).held)
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0


def test_who_cannot_turn_the_head_is_done_with_what_there_is() -> None:
    chair = Chair(limit_s=120.0)
    chair.see(GOOD, 2.2)
    done = chair.see(GOOD, 40)
    assert done.hint is Hint.DONE
    assert done.taken == (View.FRONT,)
    assert done.given_up == (View.LEFT, View.RIGHT)


def test_the_front_view_is_never_given_up_and_the_time_is_up_at_last() -> None:
    chair = Chair(limit_s=30.0)
    advice = chair.see(replace(GOOD, sideways=0.2), 29)
    assert advice.hint is Hint.STRAIGHT
    assert advice.left_s == pytest.approx(1.0, abs=0.2)
    over = chair.see(GOOD, 2)
    assert over.hint is Hint.OVER
    assert over.is_over
    assert over.taken == ()


def test_the_time_for_a_side_view_does_not_run_while_nobody_is_there() -> None:
    chair = Chair(limit_s=200.0)
    chair.see(GOOD, 2.2)
    chair.see(Look(0, persons=0), 60)
    assert chair.see(GOOD, 1).hint is Hint.TURN_LEFT


def test_a_slow_board_with_one_frame_a_second_gets_there_too() -> None:
    guide, now_ns, takes = Guide(0), 0, []
    script = [GOOD, GOOD, GOOD, LEFT, LEFT, LEFT, RIGHT, RIGHT, RIGHT, RIGHT]
    for look in script:
        now_ns += NS_PER_S
        advice = guide.see(replace(look, at_ns=now_ns))
        takes += [advice.take] if advice.take else []
    assert takes == [View.FRONT, View.LEFT, View.RIGHT]


def texts() -> Iterator[tuple[str, str]]:
    yield from (HINT_TEXT[hint] for hint in Hint)
    yield from (VIEW_TEXT[view] for view in View)


def test_every_hint_and_view_is_said_in_both_languages() -> None:
    for english, chinese in texts():
        assert english.isascii()
        assert any("一" <= sign <= "鿿" for sign in chinese)

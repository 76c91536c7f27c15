"""The drawn lane film and its ground truth."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import PictureUnusable
from models.training.film import FilmTruth, LaneFilm, Visit, draw_lane_film

SMALL = (640, 360)


def test_a_car_comes_stops_passes_and_is_gone_in_this_order() -> None:
    film = LaneFilm([Visit("粤B12345", arrive_s=1, stop_s=3)], size_px=SMALL)
    (visit,) = film.truth.visits
    assert visit.stops_s is not None
    assert visit.loop_s is not None
    assert visit.beam_s is not None
    assert visit.leaves_s == pytest.approx(visit.stops_s + 3, abs=0.05)
    assert 1 < visit.stops_s < visit.leaves_s < visit.loop_s[0] < visit.beam_s[0]
    assert visit.beam_s[1] < visit.loop_s[1] <= visit.out_s < film.truth.duration_s


def test_a_car_that_reverses_never_reaches_the_loop_or_the_beam() -> None:
    film = LaneFilm([Visit("粤B12345", stop_s=1, leave="back")], size_px=SMALL)
    (visit,) = film.truth.visits
    assert visit.stops_s is not None
    assert visit.loop_s is None
    assert visit.beam_s is None
    assert visit.out_s > visit.leaves_s + 5


def test_the_plate_is_far_smaller_than_12_px_at_first_and_40_px_at_the_line() -> None:
    film = LaneFilm([Visit("粤B12345", arrive_s=0, stop_s=2)])
    heights = [
        np.linalg.norm(corners[3] - corners[0])
        for (corners,) in (film.plate_corners(i) for i in range(200))
        if corners is not None
    ]
    (visit,) = film.truth.visits
    assert heights[0] < 12
    assert visit.stops_s is not None
    assert 38 < heights[round(visit.stops_s * 25)] < 60
    assert visit.readable_from_frame is not None
    assert heights[visit.readable_from_frame - 1] < 24 <= heights[visit.readable_from_frame]


def test_the_corners_of_the_truth_are_where_the_plate_is_drawn() -> None:
    film = LaneFilm([Visit("粤B12345", arrive_s=0, stop_s=2, colour_bgr=(60, 60, 60))], seed=3)
    stops = film.truth.visits[0].stops_s
    assert stops is not None
    number = round(stops * 25) + 5
    frame = next(f for i, f in enumerate(film.frames()) if i == number)
    (corners,) = film.plate_corners(number)
    assert corners is not None
    target = np.array([(0, 0), (440, 0), (440, 140), (0, 140)], np.float32)
    flat = cv2.warpPerspective(
        frame, cv2.getPerspectiveTransform(corners.astype(np.float32), target), (440, 140)
    )
    is_blue = (flat[..., 0].astype(int) - flat[..., 2]) > 60
    assert is_blue.mean() > 0.4
    outside = frame.copy()
    cv2.fillConvexPoly(outside, np.round(corners).astype(np.int32), (0, 0, 0))
    outside = outside.astype(int)
    left, top = corners.min(axis=0).astype(int) - 6
    right, bottom = corners.max(axis=0).astype(int) + 6
    around = outside[top:bottom, left:right]
    assert ((around[..., 0] - around[..., 2]) > 60).mean() < 0.03


def test_a_follower_waits_behind_the_first_car_and_is_filmed_after_it() -> None:
    film = LaneFilm(
        [Visit("粤B12345", arrive_s=1, stop_s=2), Visit("京AD12345", "green_small", arrive_s=3, stop_s=2)],
        size_px=SMALL,
    )
    first, second = film.truth.visits
    assert first.loop_s is not None
    assert second.loop_s is not None
    assert second.stops_s is not None
    assert second.stops_s > first.leaves_s
    assert second.loop_s[0] > first.loop_s[1], "two cars never stand on the loop at once"


def test_a_car_that_does_not_stop_rolls_through() -> None:
    film = LaneFilm([Visit("粤B12345", stop_s=0)], size_px=SMALL)
    (visit,) = film.truth.visits
    assert visit.stops_s is None
    assert visit.loop_s is not None


def test_truth_survives_json() -> None:
    truth = LaneFilm(
        [Visit("粤B12345", stop_s=1), Visit("京A00001", arrive_s=4, stop_s=1, leave="back")], size_px=SMALL
    ).truth
    assert FilmTruth.from_json(truth.to_json()) == truth
    with pytest.raises(ValueError, match="not a film's ground truth"):
        FilmTruth.from_json('{"visits": []}')


def test_the_same_arguments_give_the_same_frames_and_another_seed_does_not() -> None:
    def first_frame(seed: int) -> bytes:
        return next(LaneFilm([Visit("粤B12345", arrive_s=0)], size_px=SMALL, seed=seed).frames()).tobytes()

    assert first_frame(1) == first_frame(1)
    assert first_frame(1) != first_frame(2)


@pytest.mark.parametrize("ending", [".mp4", ".avi"])
def test_a_film_file_holds_every_frame_and_shows_the_lane(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"lane{ending}"
    truth = draw_lane_film(path, [Visit("粤B12345", arrive_s=0, stop_s=0.5)], size_px=SMALL, fps=10, seed=4)
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        frames.append(frame)
    capture.release()
    assert len(frames) == round(truth.duration_s * 10)
    drawn = list(
        LaneFilm([Visit("粤B12345", arrive_s=0, stop_s=0.5)], size_px=SMALL, fps=10, seed=4).frames()
    )
    for number in (0, len(frames) // 2, len(frames) - 1):
        assert np.abs(frames[number].astype(int) - drawn[number]).mean() < 6


def test_night_is_dark_but_the_plate_shines() -> None:
    film = LaneFilm([Visit("粤B12345", arrive_s=0, stop_s=2)], size_px=SMALL, night=True)
    stops = film.truth.visits[0].stops_s
    assert stops is not None
    number = round(stops * 25) + 5
    frame = next(f for i, f in enumerate(film.frames()) if i == number)
    (corners,) = film.plate_corners(number)
    assert corners is not None
    (left, top), (right, bottom) = corners.min(axis=0).astype(int), corners.max(axis=0).astype(int)
    assert frame.mean() < 80
    assert frame[top:bottom, left:right].max() > 200


def test_what_cannot_be_filmed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must arrive at least"):
        LaneFilm([Visit("粤B12345", arrive_s=1), Visit("粤B12346", arrive_s=1.5)])
    with pytest.raises(ValueError, match="still reverses out"):
        LaneFilm([Visit("粤B12345", arrive_s=1, leave="back"), Visit("粤B12346", arrive_s=4)])
    with pytest.raises(ValueError, match="a film ends in"):
        draw_lane_film(tmp_path / "lane.mov", [Visit("粤B12345")])
    with pytest.raises(PictureUnusable, match="cannot be written"):
        draw_lane_film(tmp_path / "no-folder" / "lane.mp4", [Visit("粤B12345")])

"""Flaws and weights of plates in pictures."""

import cv2
import numpy as np
import pytest

from models.plate.colour import ground_colour, kind_by_colour
from models.plate.quality import assess_plate, measure_plate, plate_weight
from models.results import BgrImage, PlateReading

BLUE, YELLOW, GREEN, WHITE = (160, 60, 10), (20, 180, 220), (90, 190, 60), (230, 230, 230)


def scene(
    height_px: int = 40, *, ground: tuple[int, int, int] = BLUE, left: int = 200, blur: float = 0.0
) -> tuple[BgrImage, PlateReading]:
    """A picture with one drawn plate of the proportions 440 x 140, and where it is."""
    width_px = round(height_px * 440 / 140)
    big = np.full((140, 440, 3), ground, np.uint8)
    ink = (20, 20, 20) if sum(ground) > 300 else (250, 250, 250)
    cv2.putText(big, "A12345", (12, 108), cv2.FONT_HERSHEY_SIMPLEX, 3.6, ink, 12, cv2.LINE_AA)
    plate = cv2.resize(big, (width_px, height_px), interpolation=cv2.INTER_AREA)
    if blur:
        plate = cv2.GaussianBlur(plate, (0, 0), blur)
    picture = np.full((480, 640, 3), 70, np.uint8)
    visible = min(width_px, 640 - left)
    picture[200 : 200 + height_px, left : left + visible] = plate[:, :visible]
    right, bottom = left + visible, 200 + height_px
    corners = np.array([[left, 200], [right, 200], [right, bottom], [left, bottom]], np.float32)
    return picture, PlateReading(corners, (), 0.9)


@pytest.mark.parametrize("height_px", [18, 24, 40, 90])
@pytest.mark.parametrize("ground", [BLUE, YELLOW, GREEN, WHITE])
def test_a_sharp_plate_has_no_flaw(height_px: int, ground: tuple[int, int, int]) -> None:
    assert assess_plate(*scene(height_px, ground=ground)) == ""


def test_a_plate_below_sixteen_pixels_is_too_small() -> None:
    assert assess_plate(*scene(15)) == "too small"
    assert assess_plate(*scene(16)) == ""


def test_a_blurred_plate_is_named() -> None:
    assert assess_plate(*scene(40, blur=8.0)) == "blurred"


def test_a_plate_at_the_edge_of_the_picture_is_cut() -> None:
    assert assess_plate(*scene(40, left=560)) == "cut by the edge"


def test_a_burnt_out_plate_is_glare() -> None:
    picture, reading = scene(40)
    picture[200:240, 240:320] = 255
    picture[205:236, 210:250] = 255
    assert assess_plate(picture, reading) == "glare"


def test_weight_grows_with_height_and_sharpness() -> None:
    small, large = plate_weight(*scene(18)), plate_weight(*scene(48))
    sharp, soft = plate_weight(*scene(40)), plate_weight(*scene(40, blur=1.8))
    assert 0.0 < small < large <= 1.0
    assert soft < sharp
    assert plate_weight(*scene(12)) == 0.0


def test_a_degenerate_quadrilateral_is_too_small_not_an_error() -> None:
    picture, _ = scene()
    point = PlateReading(np.full((4, 2), 100, np.float32), (), 0.5)
    assert measure_plate(picture, point).flaw == "too small"


@pytest.mark.parametrize(
    ("ground", "colour"),
    [(BLUE, "blue"), (YELLOW, "yellow"), (GREEN, "green"), (WHITE, ""), ((40, 40, 40), "")],
)
def test_the_ground_has_a_colour_or_none(ground: tuple[int, int, int], colour: str) -> None:
    crop = np.full((32, 100, 3), ground, np.uint8)
    assert ground_colour(crop) == colour
    assert ground_colour(crop[:0]) == ""


def test_colour_rows_and_length_suggest_a_kind() -> None:
    yellow, green = np.full((32, 100, 3), YELLOW, np.uint8), np.full((32, 100, 3), GREEN, np.uint8)
    assert kind_by_colour(yellow, 7) == "yellow"
    assert kind_by_colour(yellow, 7, rows=2) == "yellow_double"
    assert kind_by_colour(green, 8) == "green_small"
    assert kind_by_colour(green, 7) == ""

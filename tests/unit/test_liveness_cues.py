"""Cues of one picture, each on a drawn thing that shows what it looks for, and on one that does not."""

from typing import Any

import cv2
import numpy as np
import pytest

from edge.records import Box
from edge.vision.liveness import LEAST_FACE_PX, cues_of, frame_cue, surface_cues, texture_cue

Picture = np.ndarray[Any, Any]
BOX = Box(270, 120, 370, 250)


def room(seed: int = 1) -> Picture:
    """A soft, coloured room with an oval of skin in it, and a sensor's noise."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(
        rng.integers(40, 190, (6, 8, 3)).astype(np.uint8), (640, 360), interpolation=cv2.INTER_CUBIC
    )
    y, x = np.mgrid[0:360, 0:640]
    inside = ((x - 320) / 52) ** 2 + ((y - 185) / 68) ** 2 < 1
    skin = np.stack([90 + 0.1 * x, 120 + 0.12 * y, 150 + 0.25 * y + 20 * np.sin(x / 9)], axis=-1)
    image = np.where(inside[..., None], skin, image)
    image = cv2.GaussianBlur(image, (0, 0), 1.0)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def rim(image: Picture, sides: str) -> Picture:
    """Draw some sides of a dark rim around the face."""
    image = image.copy()
    left, top, right, bottom = 225, 70, 415, 300
    lines = {
        "l": ((left, top), (left, bottom)),
        "t": ((left, top), (right, top)),
        "r": ((right, top), (right, bottom)),
        "b": ((left, bottom), (right, bottom)),
    }
    for side in sides:
        cv2.line(image, *lines[side], (15, 15, 15), 9)
    return image


def test_a_face_in_a_soft_room_gets_no_objection() -> None:
    cues = cues_of(room(), BOX)
    assert set(cues) >= {"frame", "texture", "colour", "glare"}
    assert min(cues[name] for name in ("frame", "texture", "colour", "glare")) > 0.7


@pytest.mark.parametrize("sides", ["ltrb", "ltr", "ltb", "trb"])
def test_lines_on_three_or_four_sides_are_a_frame(sides: str) -> None:
    cues = frame_cue(rim(room(), sides), BOX)
    assert cues["frame"] < 0.2
    names = {"l": "side_left", "t": "side_top", "r": "side_right", "b": "side_bottom"}
    assert {names[side] for side in sides} <= set(cues)
    assert cues[names[sides[0]]] == pytest.approx(0.95 if sides[0] == "l" else 1.15, abs=0.15)


@pytest.mark.parametrize("sides", ["", "l", "lr", "tb"])
def test_a_door_post_or_a_shelf_is_none(sides: str) -> None:
    assert frame_cue(rim(room(), sides), BOX)["frame"] > 0.5


def test_a_face_that_fills_the_picture_has_no_surroundings_to_judge() -> None:
    assert frame_cue(room(), Box(20, 10, 620, 350)) == {}
    assert frame_cue(room()[:, 300:380], Box(0, 120, 80, 250)) == {}


@pytest.mark.parametrize("cycles", [0.21, 0.3, 0.43])
@pytest.mark.parametrize("lean", [0.0, 0.3])
def test_a_fine_grid_is_a_screens(cycles: float, lean: float) -> None:
    y, x = np.mgrid[0:360, 0:640]
    stripes = 8 * np.sin(2 * np.pi * cycles * (x * np.cos(lean) + y * np.sin(lean)))
    image = np.clip(room() + stripes[..., None], 0, 255).astype(np.uint8)
    assert texture_cue(image, BOX)["texture"] < 0.2
    assert texture_cue(room(), BOX)["texture"] > 0.8


def test_the_blocks_of_a_jpeg_are_not_a_screen() -> None:
    for quality in (40, 60, 90):
        data = cv2.imencode(".jpg", room(), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        assert texture_cue(image, BOX)["texture"] > 0.5


def test_pale_print_is_not_a_faces_colour_and_a_camera_without_colour_says_nothing() -> None:
    image = room()
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    pale = np.asarray(image * 0.15 + grey * 0.85, np.uint8)
    face_only_pale = image.copy()
    face_only_pale[110:260, 260:380] = pale[110:260, 260:380]
    assert surface_cues(image, BOX)["colour"] > 0.7
    assert surface_cues(face_only_pale, BOX)["colour"] < 0.3
    assert "colour" not in surface_cues(np.asarray(grey, np.uint8), BOX), "infrared at night"


def test_a_lamp_in_the_glass_is_a_glare() -> None:
    image = cv2.ellipse(room(), (315, 170), (16, 10), 0, 0, 360, (255, 255, 255), -1)
    assert surface_cues(image, BOX)["glare"] < 0.3
    shiny = cv2.circle(room(), (315, 150), 3, (255, 255, 255), -1)
    assert surface_cues(shiny, BOX)["glare"] > 0.8, "a forehead shines too"


def test_a_face_of_few_pixels_is_not_judged() -> None:
    assert cues_of(room(), Box(300, 150, 300 + LEAST_FACE_PX - 1, 210)) == {}


@pytest.mark.parametrize(
    "box", [Box(-60, -40, 60, 90), Box(600, 300, 720, 430), Box(-500, -500, -400, -380), Box(0, 0, 640, 360)]
)
def test_a_face_at_any_edge_is_judged_as_far_as_it_can_be(box: Box) -> None:
    for value in cues_of(room(), box).values():
        assert np.isfinite(value)
        assert value >= 0.0

"""Networks that are shown a part of a picture find there what they find in all of it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.records import Box
from edge.vision.areas import patches
from edge.vision.search import around
from models.face import load_picture, open_detector
from models.face.contracts import LooksAtParts
from models.plate.detector import LEAST_PLATE_PX, ratio_of, view_of
from models.plate.reader import PartReader, open_reader, own_weights_present
from models.training.car import build_car, put_car
from models.training.plates import draw_plate, look_of
from models.training.scenery import draw_lane, gate_eye

W, H = 1280, 720


def part_around(box: Box, grain_px: float) -> tuple[int, int, int, int]:
    (part,) = patches([around(box)], W, H, grain_px)
    assert part != (0, 0, W, H)
    return part


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "min_face_px", "usual_iou"),
    [("yunet", 40, 0.95), ("yunet", 60, 0.95), ("yunet", 80, 0.95), ("hog", 80, 0.6)],
)
def test_a_face_is_found_in_a_part_at_the_same_place_with_the_same_points(
    shared_data: Path, name: str, min_face_px: int, usual_iou: float
) -> None:
    """As a rule to the pixel; never further off than the several boxes that a detector gives one face.

    Which of those has the best score may change with what surrounds the face, and with it the box.
    """
    detector = open_detector(
        name,
        yunet_path=shared_data / "models" / "face_detection_yunet_2023mar.onnx",
        min_face_px=min_face_px,
    )
    assert isinstance(detector, LooksAtParts)
    folders = sorted((shared_data / "faces" / "lfw-dev").iterdir())[:12]
    rng = np.random.default_rng(6)
    ious: list[float] = []
    points_off: list[float] = []
    for number, folder in enumerate(folders):
        picture = load_picture(min(folder.glob("*.jpg")))
        side = (130, 180, 220, 250)[number % 4]
        scene = rng.integers(80, 110, (H, W, 3), np.uint8)
        x, y = int(rng.integers(0, W - side)), int(rng.integers(0, H - side))
        scene[y : y + side, x : x + side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        for face in detector.detect(scene):
            box = Box(face.left, face.top, face.right, face.bottom)
            if face.bottom - face.top < min_face_px:
                continue
            found = detector.detect_part(scene, part_around(box, detector.grain_px))
            again = max(found, key=lambda one: box.iou(Box(one.left, one.top, one.right, one.bottom)))
            ious.append(box.iou(Box(again.left, again.top, again.right, again.bottom)))
            if face.landmarks is None or again.landmarks is None:
                assert name == "hog"
                continue
            points_off.append(float(np.abs(face.landmarks - again.landmarks).max() / box.height))
    assert len(ious) >= 5
    assert min(ious) > 0.6
    assert np.median(ious) > usual_iou
    if points_off:
        assert np.median(points_off) < 0.03
        assert max(points_off) < 0.15


@pytest.mark.skipif(not own_weights_present(), reason="no weights of our own nets ship")
def test_a_plate_is_found_and_read_in_a_part_as_in_the_whole_picture() -> None:
    reader = open_reader("own")
    assert isinstance(reader, PartReader)
    rng = np.random.default_rng(5)
    eye = gate_eye((W, H))
    plate = draw_plate("皖A8K216", "blue", px_per_mm=0.8)
    car = build_car(plate, look_of("blue").layout.size_mm, (44, 42, 40), rng)
    for z_m in (9.0, 6.0, 4.5, 3.8):
        scene = draw_lane(eye, np.random.default_rng(5))
        put_car(scene, car, eye, z_m, 0.0)
        (whole,) = reader.read(scene)
        part = part_around(Box(*whole.box), reader.grain_px)
        (found,) = reader.read_part(scene, part)
        assert found.text == whole.text == "皖A8K216"
        assert np.abs(found.corners - whole.corners).max() < 3
        assert (part[2] - part[0]) * (part[3] - part[1]) < 0.6 * W * H


@pytest.mark.parametrize(
    ("size", "smallest_px", "view"),
    [
        ((1280, 720), 16, (640, 384)),  # all that the network takes
        ((1280, 720), 24, (544, 320)),
        ((1280, 720), 40, (320, 192)),
        ((640, 360), 16, (416, 256)),
        ((320, 180), 16, (224, 128)),
        ((32, 20), 40, (32, 32)),
    ],
)
def test_the_view_is_no_larger_than_the_smallest_plate_needs(
    size: tuple[int, int], smallest_px: int, view: tuple[int, int]
) -> None:
    ratio = min(ratio_of(*size), LEAST_PLATE_PX / smallest_px)
    assert view_of(np.zeros((*size[::-1], 3), np.uint8), ratio) == view


@pytest.mark.skipif(not own_weights_present(), reason="no weights of our own nets ship")
def test_a_part_without_a_plate_holds_none() -> None:
    reader = open_reader("own")
    assert isinstance(reader, PartReader)
    scene = draw_lane(gate_eye((W, H)), np.random.default_rng(5))
    for part in ((0, 0, 256, 128), (640, 320, 1280, 720), (1216, 640, 1280, 720)):
        assert reader.read_part(scene, part) == []

"""Synthetic crops and scenes: deterministic, labelled right, as hard as asked for."""

import random

import numpy as np
import pytest

from models.plate.grammar import ALPHABET, PlateKind
from models.plate.lattice_reader import CROP_PX, EMPTY, KINDS, MARGIN, SLOTS
from models.training.crops import Hardship, encode, make_crop, random_plate, vary_real
from models.training.plates import LOOKS, draw_plate
from models.training.scenery import Eye, draw_lane
from models.training.scenes import Stock, make_scene

GENTLE = Hardship(height_px=(60, 60), angle_deg=0, blur=0, wear=0, jitter=0)


def test_the_same_seed_gives_the_same_crops_and_scenes() -> None:
    def draw(seed: int) -> tuple[bytes, bytes]:
        rng, chance = np.random.default_rng(seed), random.Random(seed)
        crops = b"".join(make_crop(rng, text, kind).tobytes() for kind, text in [random_plate(chance)] * 3)
        return crops, make_scene(rng, chance, Stock()).picture.tobytes()

    assert draw(5) == draw(5)
    assert draw(5) != draw(6)


def test_classes_of_the_reader_are_the_kinds_that_are_drawn() -> None:
    assert (*LOOKS, "none") == KINDS


def test_labels_fill_eight_positions_and_mark_the_rest_empty() -> None:
    classes = encode("粤B12345")
    assert [ALPHABET[c] for c in classes[:7]] == list("粤B12345")
    assert classes.shape == (SLOTS,)
    assert classes[7] == EMPTY


def test_every_kind_comes_as_a_crop_of_the_readers_size() -> None:
    rng, chance = np.random.default_rng(1), random.Random(1)
    seen = set()
    for _ in range(300):
        kind, text = random_plate(chance)
        if kind not in seen:
            crop = make_crop(rng, text, kind)
            assert crop.shape == (CROP_PX[1], CROP_PX[0], 3)
            assert crop.dtype == np.uint8
            seen.add(kind)
    assert seen == set(LOOKS)


def test_a_gentle_crop_shows_the_plate_and_a_hard_one_shows_less() -> None:
    flat = draw_plate("粤B12345", "blue").astype(float)

    def likeness(hard: Hardship, seed: int) -> float:
        import cv2

        crop = make_crop(np.random.default_rng(seed), "粤B12345", PlateKind.BLUE, hard)
        edge_x, edge_y = (round(side * MARGIN / 2 / (1 + MARGIN)) for side in CROP_PX)
        inner = cv2.resize(crop[edge_y:-edge_y, edge_x:-edge_x], CROP_PX)
        grey = cv2.cvtColor(inner, cv2.COLOR_BGR2GRAY).astype(float)
        model = cv2.resize(flat.mean(axis=2), CROP_PX, interpolation=cv2.INTER_AREA)
        return float(np.corrcoef(grey.ravel(), model.ravel())[0, 1])

    gentle = np.median([likeness(GENTLE, s) for s in range(20)])
    hard = np.median([likeness(Hardship(), s) for s in range(20)])
    assert gentle > 0.6
    assert gentle > hard + 0.1


def test_a_varied_photograph_keeps_its_size_and_changes_its_pixels() -> None:
    rng = np.random.default_rng(2)
    picture = draw_plate("粤B12345", "blue", px_per_mm=0.3)
    varied = [vary_real(rng, picture) for _ in range(5)]
    assert all(v.shape == (CROP_PX[1], CROP_PX[0], 3) for v in varied)
    assert len({v.tobytes() for v in varied}) == 5


def test_plates_of_a_scene_lie_where_they_are_said_to_lie() -> None:
    rng, chance = np.random.default_rng(3), random.Random(3)
    plates = 0
    for _ in range(60):
        scene = make_scene(rng, chance, Stock(), (320, 256), (20, 60))
        assert scene.picture.shape == (256, 320, 3)
        for plate in scene.plates:
            plates += 1
            assert plate.rows == LOOKS[PlateKind(plate.kind)][0].layout.rows
            width, height = np.ptp(plate.corners, axis=0)
            assert 5 <= height < 256
            assert width > 5
    assert plates > 20


def test_scenes_without_plates_exist_so_that_the_detector_learns_silence() -> None:
    rng, chance = np.random.default_rng(4), random.Random(4)
    empty = sum(not make_scene(rng, chance, Stock()).plates for _ in range(60))
    assert 5 < empty < 50


@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_the_camera_projects_a_point_ahead_to_the_middle_when_it_looks_at_it(tilt: float) -> None:
    eye = Eye((640, 480), 500, 2.0, 0.0, tilt)
    distance = 10.0
    point = np.array([[0.0, 2.0 - distance * np.tan(tilt), distance]])
    assert eye.project(point)[0] == pytest.approx((320, 240), abs=1e-6)


def test_what_is_behind_the_camera_is_cut_off_and_not_mirrored() -> None:
    eye = Eye((640, 480), 500, 2.0, 0.0, 0.0)
    behind = np.array([(-1, 0, -5), (1, 0, -5), (1, 0, -1), (-1, 0, -1)], float)
    across = np.array([(-1, 0, -5), (1, 0, -5), (1, 0, 5), (-1, 0, 5)], float)
    assert eye.polygon(behind) is None
    outline = eye.polygon(across)
    assert outline is not None
    assert (outline[:, 1] > 240 * 16).all(), "the road lies below the horizon"
    assert draw_lane(eye, np.random.default_rng(0)).shape == (480, 640, 3)

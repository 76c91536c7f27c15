"""Our own detector and reader: what is done with the networks' answers, and the nets' shapes."""

import math
import random

import cv2
import numpy as np
import pytest

from models.plate.detector import FoundPlate, distinct, plates_in_map, shrink_into
from models.plate.grammar import ALPHABET
from models.plate.lattice import NOTHING, confidence, lattice_text
from models.plate.lattice_reader import CROP_PX, EMPTY, MARGIN, SLOTS, lattice_of, loosen, rectify, whole
from models.training.plates import draw_plate


def _certain(text: str, sure: float = 0.99) -> np.ndarray:
    rows = np.full((SLOTS, EMPTY + 1), (1 - sure) / EMPTY)
    for place in range(SLOTS):
        rows[place, ALPHABET.index(text[place]) if place < len(text) else EMPTY] = sure
    return np.log(rows).astype(np.float32)


def test_positions_become_a_lattice_and_empty_ones_are_left_out() -> None:
    assert lattice_text(lattice_of(_certain("粤B12345"))) == "粤B12345"
    assert len(lattice_of(_certain("粤B12345"))) == 7
    assert len(lattice_of(_certain("粤BD12345"))) == 8


def test_no_plate_is_an_empty_lattice_with_confidence_0() -> None:
    lattice = lattice_of(_certain(""))
    assert lattice == ()
    assert confidence(lattice) == 0


def test_a_doubtful_position_stays_with_nothing_as_a_candidate() -> None:
    rows = np.exp(_certain("粤B12345"))
    rows[7] = 0.1 / EMPTY
    rows[7, EMPTY], rows[7, ALPHABET.index("1")] = 0.6, 0.3
    last = lattice_of(np.log(rows).astype(np.float32))[7]
    assert last[0][0] == NOTHING
    assert last[1] == ("1", pytest.approx(math.log(0.3), abs=0.01))


def test_a_plate_is_cut_upright_out_of_a_turned_picture() -> None:
    flat = draw_plate("粤B12345", "blue")
    corners = np.array([(60, 90), (330, 40), (345, 130), (70, 190)], np.float32)
    source = np.array([(0, 0), (440, 0), (440, 140), (0, 140)], np.float32) - 0.5
    picture = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(source, corners - 0.5), (400, 240))
    cut = rectify(picture, corners).astype(int)
    wanted = cv2.resize(flat, CROP_PX, interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(cut - wanted).mean() < 14
    assert np.abs(rectify(flat, whole(flat)).astype(int) - wanted).mean() < 8


def test_a_found_plate_is_cut_a_little_larger_around_the_same_middle() -> None:
    corners = np.array([(100, 50), (200, 60), (195, 95), (98, 84)], np.float32)
    looser = loosen(corners)
    assert looser.mean(axis=0) == pytest.approx(corners.mean(axis=0), abs=1e-3)
    assert np.ptp(looser, axis=0) == pytest.approx(np.ptp(corners, axis=0) * (1 + MARGIN), abs=1e-3)


def _map(plates: list[tuple[float, int, int]]) -> np.ndarray:
    answer = np.zeros((10, 48, 80), np.float32)
    for score, row, column in plates:
        answer[0, row, column] = score
        answer[2:, row, column] = (-30, -10, 30, -10, 30, 10, -30, 10)
    return answer


def test_peaks_of_the_map_become_corners_in_pixels_best_first() -> None:
    found = plates_in_map(_map([(0.6, 10, 20), (0.9, 40, 60), (0.2, 5, 5)]), 0.35)
    assert [round(plate.score, 1) for plate in found] == [0.9, 0.6]
    assert found[0].corners.tolist() == [[454, 314], [514, 314], [514, 334], [454, 334]]


def test_the_same_plate_found_twice_is_kept_once_and_crossed_corners_never() -> None:
    square = np.array([(0, 0), (60, 0), (60, 20), (0, 20)], np.float32)
    again = FoundPlate(square + 3, 0.5, 1)
    crossed = FoundPlate(square[[0, 2, 1, 3]] + 200, 0.9, 1)
    kept = distinct([crossed, FoundPlate(square, 0.8, 1), again])
    assert [plate.score for plate in kept] == [0.8]


def test_a_picture_is_fitted_with_its_proportions() -> None:
    view, ratio = shrink_into(np.full((1160, 720, 3), 255, np.uint8), (640, 384))
    assert view.shape == (384, 640, 3)
    assert ratio == pytest.approx(384 / 1160)
    assert (view[:, : round(720 * ratio)] == 255).all()
    assert (view[:, round(720 * ratio) :] != 255).all()


def test_nets_have_the_shapes_that_the_program_expects_and_stay_small() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra train")
    from models.training.nets import DetectorNet, ReaderNet

    with torch.inference_mode():
        characters, kinds = ReaderNet().eval()(torch.zeros((2, 48, 144, 3), dtype=torch.uint8))
        answer = DetectorNet().eval()(torch.zeros((1, 96, 160, 3), dtype=torch.uint8))
    assert characters.shape == (2, SLOTS, EMPTY + 1)
    assert torch.allclose(characters.exp().sum(-1), torch.ones(2, SLOTS), atol=1e-4)
    assert kinds.shape[0] == 2
    assert answer.shape == (1, 10, 12, 20)
    assert sum(p.numel() for p in ReaderNet().parameters()) * 4 < 2_000_000
    assert sum(p.numel() for p in DetectorNet().parameters()) * 4 < 1_000_000


def test_the_detectors_target_decodes_to_the_plates_it_was_made_from() -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from models.training.detector import target_of
    from models.training.scenes import Stock, make_scene

    rng, chance = np.random.default_rng(6), random.Random(6)
    plates = 0
    for _ in range(40):
        scene = make_scene(rng, chance, Stock(), (320, 256), (12, 50))
        found = plates_in_map(target_of(scene)[:10], 0.999)
        assert len(found) >= len(scene.plates)
        for plate in scene.plates:
            plates += 1
            error = min(float(np.abs(peak.corners - plate.corners).max()) for peak in found)
            assert error < 1e-2
    assert plates > 10

"""Our own detector and reader: what is done with the networks' answers, and the nets' shapes."""

import math
import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.plate.detector import FoundPlate, distinct, plates_in_map, shrink_into
from models.plate.geometry import whole_of
from models.plate.grammar import ALPHABET, PlateKind
from models.plate.lattice import NOTHING, confidence, lattice_text
from models.plate.lattice_reader import (
    CROP_PX,
    EMPTY,
    KINDS,
    MARGIN,
    SLOTS,
    LatticeNet,
    lattice_of,
    loosen,
    rectify,
)
from models.runtime import Tensor, open_session
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


def test_a_plate_of_which_every_character_is_a_guess_was_not_read() -> None:
    assert lattice_of(_certain("粤B12345", sure=0.45)) == ()
    assert lattice_text(lattice_of(_certain("粤B12345", sure=0.7))) == "粤B12345"


def test_a_doubtful_position_stays_with_nothing_as_a_candidate() -> None:
    rows = np.exp(_certain("粤B12345"))
    rows[7] = 0.1 / EMPTY
    rows[7, EMPTY], rows[7, ALPHABET.index("1")] = 0.6, 0.3
    last = lattice_of(np.log(rows).astype(np.float32))[7]
    assert last[0][0] == NOTHING
    assert last[1] == ("1", pytest.approx(math.log(0.3), abs=0.01))


class Scripted:
    """A reader net that is doubtful at first and sure when it looks again."""

    name = "scripted"
    inputs = (Tensor("pictures", (None, CROP_PX[1], CROP_PX[0], 3), "tensor(uint8)"),)
    outputs = (Tensor("characters", (None, SLOTS, EMPTY + 1), ""), Tensor("kinds", (None, len(KINDS)), ""))

    def __init__(self, first: float) -> None:
        self._sure = [first, 0.99]
        self.looks: list[int] = []

    def run(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sure = self._sure[min(len(self.looks), 1)]
        self.looks.append(len(crops))
        kinds = np.full((len(crops), len(KINDS)), 0.01, np.float32)
        kinds[:, 0] = 0.8
        return np.stack([_certain("粤B12345", sure)] * len(crops)), np.log(kinds)


@pytest.mark.parametrize(("first", "looks"), [(0.97, [2]), (0.7, [2, 4])])
def test_only_a_doubtful_plate_is_looked_at_again_and_the_answers_are_averaged(
    first: float, looks: list[int]
) -> None:
    session = Scripted(first)
    picture = np.zeros((200, 300, 3), np.uint8)
    corners = np.array([(100, 50), (200, 60), (195, 95), (98, 84)], np.float32)
    plates = [FoundPlate(corners, 1.0, rows) for rows in (1, 2)]
    read = LatticeNet(session).read(picture, plates)  # type: ignore[arg-type]
    assert session.looks == looks
    assert [lattice_text(lattice) for lattice, _ in read] == ["粤B12345"] * 2
    assert {kind for _, kind in read} == {"blue"}
    best = math.exp(read[0][0][0][0][1])
    assert best == pytest.approx(first if len(looks) == 1 else (first + 2 * 0.99) / 3, abs=0.01)
    assert LatticeNet(session).read(picture, []) == []  # type: ignore[arg-type]


def test_a_plate_is_cut_upright_out_of_a_turned_picture() -> None:
    flat = draw_plate("粤B12345", "blue")
    corners = np.array([(60, 90), (330, 40), (345, 130), (70, 190)], np.float32)
    source = np.array([(0, 0), (440, 0), (440, 140), (0, 140)], np.float32) - 0.5
    picture = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(source, corners - 0.5), (400, 240))
    cut = rectify(picture, corners).astype(int)
    wanted = cv2.resize(flat, CROP_PX, interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(cut - wanted).mean() < 14
    assert np.abs(rectify(flat, whole_of(flat)).astype(int) - wanted).mean() < 8


def test_of_two_rows_the_upper_is_laid_to_the_left_of_the_lower() -> None:
    flat = draw_plate("冀AF0236", PlateKind.YELLOW_DOUBLE)  # 440 x 220: what the standard says in millimetres
    corners = np.array([(60, 40), (330, 60), (340, 190), (70, 180)], np.float32)
    source = np.array([(0, 0), (440, 0), (440, 220), (0, 220)], np.float32) - 0.5
    picture = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(source, corners - 0.5), (400, 240))
    cut = rectify(picture, corners, rows=2).astype(int)
    assert cut.shape == (CROP_PX[1], CROP_PX[0], 3)
    upper = cv2.resize(flat[0:90, 97:343], (50, 48), interpolation=cv2.INTER_AREA)
    lower = cv2.resize(flat[77:220], (94, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(cut - np.hstack([upper, lower])).mean() < 14
    # All characters are there: 110..330 mm of the upper row, 27..412 mm of the lower.
    assert np.abs(rectify(flat, whole_of(flat), 2).astype(int) - np.hstack([upper, lower])).mean() < 8


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
    from models.training.nets import DetectorNet, ReaderNet, RefinerNet

    with torch.inference_mode():
        characters, kinds = ReaderNet().eval()(torch.zeros((2, 48, 144, 3), dtype=torch.uint8))
        answer = DetectorNet().eval()(torch.zeros((1, 96, 160, 3), dtype=torch.uint8))
        corners = RefinerNet().eval()(torch.zeros((3, 64, 128, 3), dtype=torch.uint8))
    assert corners.shape == (3, 10)
    assert sum(p.numel() for p in RefinerNet().parameters()) * 4 < 1_000_000
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


def test_the_refiners_examples_say_how_far_the_true_corners_lie_from_the_found_ones() -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from models.plate.refiner import NOMINAL, UNIT_PX
    from models.training.crops import Hardship, make_patch
    from models.training.refiner import example

    rng = np.random.default_rng(8)
    patch = make_patch(rng, "粤B12345", PlateKind.BLUE, Hardship(height_px=(50, 50), angle_deg=10, wear=0))
    for _ in range(6):
        cut, wanted = example(rng, patch.picture, patch.corners, 0.1)
        corners = NOMINAL + wanted.reshape(4, 2) * UNIT_PX
        x, y = corners.mean(axis=0).astype(int)
        blue, _, red = cut[y - 3 : y + 4, x - 12 : x + 13].reshape(-1, 3).mean(axis=0)
        assert cut.shape == (64, 128, 3)
        assert np.abs(wanted).max() < 1.5
        assert blue > red - 30


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Iterating over a tensor")
def test_a_reader_in_eight_bits_is_small_and_answers_as_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch = pytest.importorskip("torch", reason="the extra train is not installed")
    pytest.importorskip("onnx", reason="the extra train is not installed")
    from models.training import export
    from models.training.nets import ReaderNet

    torch.manual_seed(1)
    torch.save(ReaderNet().state_dict(), tmp_path / "reader.pt")
    with caplog.at_level("INFO"):
        path = export.export("plate_reader", tmp_path / "reader.pt", tmp_path)
    assert path.stat().st_size < 500_000
    assert "of the characters as before" in caplog.text
    session = open_session(path)
    characters, kinds = session.run(np.zeros((3, CROP_PX[1], CROP_PX[0], 3), np.uint8))
    assert characters.shape == (3, SLOTS, EMPTY + 1)
    assert kinds.shape == (3, len(KINDS))
    assert np.exp(characters).sum(axis=-1) == pytest.approx(1.0, abs=1e-3)

"""Moving the corners of found plates: geometry of the cut, and what is done with the network's answer."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import ModelMismatch
from models.plate.detector import FoundPlate
from models.plate.geometry import cut_to, whole_of
from models.plate.refiner import NOMINAL, PATCH_PX, UNIT_PX, PlateRefiner, seen_area, to_cut
from models.runtime import Tensor
from models.training.plates import draw_plate

PARALLELOGRAM = np.array([(100, 50), (200, 60), (206, 95), (106, 85)], np.float32)
PICTURE = np.zeros((200, 400, 3), np.uint8)


@dataclass
class Answers:
    """A session that always gives the same answer."""

    answer: NDArray[np.float32]
    name: str = "scripted"
    inputs: tuple[Tensor, ...] = (Tensor("cuts", (None, PATCH_PX[1], PATCH_PX[0], 3), "tensor(uint8)"),)
    outputs: tuple[Tensor, ...] = (Tensor("corners", (None, 10), "tensor(float)"),)
    seen: int = 0

    def run(self, cuts: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        assert cuts.shape[1:] == (PATCH_PX[1], PATCH_PX[0], 3)
        self.seen += len(cuts)
        return (np.repeat(self.answer[None], len(cuts), axis=0),)


def answer(move: tuple[float, float] = (0, 0), plate: float = 0.9, two_rows: float = 0.1) -> Answers:
    return Answers(np.array([*move * 4, plate, two_rows], np.float32))


def refine(session: Answers, score: float = 0.8) -> list[FoundPlate]:
    refiner = PlateRefiner(session)  # type: ignore[arg-type]
    return refiner.refine(PICTURE, [FoundPlate(PARALLELOGRAM, score, 1)])


def test_the_found_corners_come_to_lie_at_their_nominal_places() -> None:
    there = cv2.perspectiveTransform(PARALLELOGRAM[None], to_cut(seen_area(PARALLELOGRAM)))[0]
    assert there == pytest.approx(NOMINAL, abs=0.01)


def test_an_answer_of_nothing_leaves_the_corners_and_scales_the_score() -> None:
    (plate,) = refine(answer())
    assert plate.corners == pytest.approx(PARALLELOGRAM, abs=0.05)
    assert plate.score == pytest.approx(0.8 * 0.9)
    assert plate.rows == 1


def test_one_unit_down_is_one_plate_height_in_the_plates_own_direction() -> None:
    (plate,) = refine(answer(move=(0, 1)))
    down = PARALLELOGRAM[3] - PARALLELOGRAM[0]
    assert plate.corners == pytest.approx(PARALLELOGRAM + down, abs=0.1)
    assert pytest.approx(32) == UNIT_PX


def test_what_is_no_plate_is_dropped_and_rows_are_told() -> None:
    assert refine(answer(plate=0.1)) == []
    assert refine(answer(two_rows=0.8))[0].rows == 2


def test_nothing_found_runs_no_network() -> None:
    session = answer()
    assert PlateRefiner(session).refine(PICTURE, []) == []  # type: ignore[arg-type]
    assert session.seen == 0


def test_another_network_is_refused() -> None:
    other = answer()
    other.inputs = (Tensor("crops", (None, 48, 144, 3), "tensor(uint8)"),)
    with pytest.raises(ModelMismatch, match="refiner"):
        PlateRefiner(other)  # type: ignore[arg-type]
    with pytest.raises(ModelMismatch, match="expected"):
        refine(Answers(np.zeros(9, np.float32)))


def test_a_large_plate_is_averaged_and_not_skipped_over() -> None:
    plate = draw_plate("粤B12345", "blue", px_per_mm=3)
    small = cut_to(plate, whole_of(plate), (110, 35)).astype(float)
    wanted = cv2.resize(plate, (110, 35), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(small - wanted).mean() < 6

"""Finding plates in a whole picture with our own small network: four corners and the number of rows each.

The network sees the picture shrunk (or enlarged) into 640 x 384, keeps its proportions, and answers with a
map of one cell per 8 x 8 pixels: how likely a plate's middle lies there, whether it has two rows, and where
its corners are.
Training: `models.training.detector`. Card: weights/README.md.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch
from models.plate.geometry import Corners, box_iou
from models.results import BgrImage
from models.runtime import Session

INPUT_PX: Final = (640, 384)
"""Width and height of what the network sees."""
STRIDE_PX: Final = 8
GRAIN_PX: Final = 32
"""Its view is a multiple of this."""
LEAST_PLATE_PX: Final = 10
"""Lower plates in its view are missed now and then; see its card in weights/README.md."""
MIN_SCORE: Final = 0.35
_SAME_IOU: Final = 0.3
_MAP_CHANNELS: Final = 10
_PADDING: Final = 110  # about the mean of a picture; the network takes it for nothing
_MAX_ENLARGE: Final = 2.0
_MIN_SIDE_PX: Final = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class FoundPlate:
    """One plate in a picture.

    Attributes:
        corners: (4, 2) float32 pixels: left-top, right-top, right-bottom, left-bottom.
        score: 0..1.
        rows: 1 or 2.
    """

    corners: Corners
    score: float
    rows: int


class PlateDetector:
    """Plates in a picture. Thread: as the session's, any; holds no state."""

    def __init__(self, session: Session, *, min_score: float = MIN_SCORE) -> None:
        if len(session.inputs) != 1 or len(session.outputs) != 1 or "uint8" not in session.inputs[0].type:
            raise ModelMismatch(session.name, "is not a plate detector (one uint8 input, one map)")
        self._session = session
        self._min_score = min_score

    def find(self, image: BgrImage, ratio: float | None = None) -> list[FoundPlate]:
        """Find plates, best first.

        Args:
            image: A picture, or a part of one.
            ratio: Shrink it by this, into a view that is no larger than needed; None: fill the whole view.

        A plate so large that the network's view is too narrow for it is looked for a second time in a
        picture of half the size, when the first look found nothing.

        Raises:
            InferenceFailed: The network could not be run.
        """
        if ratio is None:
            return self._look(image, INPUT_PX) or self._look(image, (INPUT_PX[0] // 2, INPUT_PX[1] // 2))
        return self._look(image, view_of(image, ratio), ratio) or self._look(
            image, view_of(image, ratio / 2), ratio / 2
        )

    def _look(
        self, image: BgrImage, size_px: tuple[int, int], most: float = _MAX_ENLARGE
    ) -> list[FoundPlate]:
        view, ratio = shrink_into(image, size_px, most)
        (answer,) = self._session.run(view[None])
        if answer.ndim != 4 or answer.shape[1] != _MAP_CHANNELS:
            raise ModelMismatch(self._session.name, f"gave {answer.shape}, a (1, 10, h, w) map was expected")
        return distinct(
            [
                FoundPlate(np.asarray(plate.corners / ratio, np.float32), plate.score, plate.rows)
                for plate in plates_in_map(answer[0], self._min_score)
            ]
        )


def ratio_of(width: int, height: int) -> float:
    """By how much a picture of this size is shrunk (or enlarged) to fill the network's view."""
    return min(INPUT_PX[0] / width, INPUT_PX[1] / height, _MAX_ENLARGE)


def view_of(image: BgrImage, ratio: float) -> tuple[int, int]:
    """The smallest view, width and height, that a picture fits into when it is shrunk by that ratio.

    The network takes any multiple of 32 pixels.
    """
    width, height = (-int(-side * ratio // GRAIN_PX) * GRAIN_PX for side in image.shape[1::-1])
    return max(width, GRAIN_PX), max(height, GRAIN_PX)


def shrink_into(
    image: BgrImage, size_px: tuple[int, int], most: float = _MAX_ENLARGE
) -> tuple[BgrImage, float]:
    """Fit a picture into the upper left of a padded one, enlarged by no more than ``most``.

    Returns:
        The padded picture (height, width, 3) and the factor by which coordinates were multiplied.
    """
    width, height = size_px
    ratio = min(width / image.shape[1], height / image.shape[0], most)
    size = (max(1, round(image.shape[1] * ratio)), max(1, round(image.shape[0] * ratio)))
    method = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    view = np.full((height, width, 3), _PADDING, np.uint8)
    view[: size[1], : size[0]] = cv2.resize(image, size, interpolation=method)
    return view, ratio


def plates_in_map(answer: NDArray[np.float32], min_score: float) -> list[FoundPlate]:
    """Local maxima of the network's map (10, rows, columns), best first, in pixels of its input."""
    heat = answer[0]
    peak = (heat >= cv2.dilate(heat, np.ones((3, 3), np.uint8))) & (heat > min_score)
    found = []
    for row, column in zip(*np.nonzero(peak), strict=True):
        middle = (np.array([column, row], np.float32) + np.float32(0.5)) * STRIDE_PX
        corners = answer[2:, row, column].reshape(4, 2) + middle
        rows = 2 if answer[1, row, column] > 0.5 else 1
        found.append(FoundPlate(np.asarray(corners, np.float32), float(heat[row, column]), rows))
    return sorted(found, key=lambda plate: -plate.score)


def distinct(plates: list[FoundPlate]) -> list[FoundPlate]:
    """Drop weaker finds of a plate that was found already, and quadrilaterals that are none."""
    kept: list[FoundPlate] = []
    boxes: list[tuple[float, float, float, float]] = []
    for plate in plates:
        left, top = plate.corners.min(axis=0)
        right, bottom = plate.corners.max(axis=0)
        box = (float(left), float(top), float(right), float(bottom))
        if right - left < _MIN_SIDE_PX or bottom - top < _MIN_SIDE_PX or not _is_turned_right(plate.corners):
            continue
        if all(box_iou(box, other) < _SAME_IOU for other in boxes):
            kept.append(plate)
            boxes.append(box)
    return kept


def _is_turned_right(corners: Corners) -> bool:
    """Whether the corners go around clockwise on the picture without crossing."""
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    return bool((edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0] > 0).all())

"""A second look at a found plate: where exactly its corners are, and whether it is a plate at all.

The detector sees the whole picture shrunk, so its corners are off by a tenth of a plate's height or more; the
reader pays for that. This small network sees only a cut around the found plate, enlarged, and says how far
each corner is off.
Training: `models.training.refiner`. Card: weights/README.md.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch
from models.plate.detector import FoundPlate
from models.plate.geometry import Corners, cut_to, part
from models.results import BgrImage
from models.runtime import Session

PATCH_PX: Final = (128, 64)
"""Width and height of what the network sees."""
BESIDE: Final = 0.25
"""So much of the found plate's width is seen to its left and right."""
ABOVE: Final = 0.5
"""So much of its height is seen above and below."""
UNIT_PX: Final = PATCH_PX[1] / (1 + 2 * ABOVE)
"""Height of the found plate in the cut: what 1.0 of an output means."""
MIN_PLATE: Final = 0.25
"""Below this probability a find is dropped."""

_LEFT, _TOP = PATCH_PX[0] * BESIDE / (1 + 2 * BESIDE), PATCH_PX[1] * ABOVE / (1 + 2 * ABOVE)
NOMINAL: Final = np.array(
    [
        (_LEFT, _TOP),
        (PATCH_PX[0] - _LEFT, _TOP),
        (PATCH_PX[0] - _LEFT, PATCH_PX[1] - _TOP),
        (_LEFT, PATCH_PX[1] - _TOP),
    ],
    np.float32,
)
"""(4, 2) pixels of the cut: where the found corners come to lie."""
_FRAME: Final = np.array([(0, 0), (PATCH_PX[0], 0), PATCH_PX, (0, PATCH_PX[1])], np.float32)


def seen_area(corners: NDArray[np.floating]) -> Corners:
    """Corners of what the network sees around a found plate."""
    return part(np.asarray(corners, np.float32), -BESIDE, -ABOVE, 1 + BESIDE, 1 + ABOVE)


def to_cut(area: Corners) -> NDArray[np.float64]:
    """(3, 3) matrix from pixels of the picture to pixels of the cut."""
    return np.asarray(cv2.getPerspectiveTransform(area, _FRAME), np.float64)


class PlateRefiner:
    """Better corners. Thread: any; holds no state."""

    def __init__(self, session: Session) -> None:
        width, height = PATCH_PX
        if len(session.outputs) != 1 or session.inputs[0].shape[1:] != (height, width, 3):
            raise ModelMismatch(session.name, f"is not a plate refiner of {width} x {height} cuts")
        self._session = session

    def refine(self, image: BgrImage, found: Sequence[FoundPlate]) -> list[FoundPlate]:
        """Move the corners of found plates; finds that are no plate are left out.

        Raises:
            InferenceFailed: The network could not be run.
        """
        if not found:
            return []
        areas = [seen_area(plate.corners) for plate in found]
        (answers,) = self._session.run(np.stack([cut_to(image, area, PATCH_PX) for area in areas]))
        if answers.shape[1:] != (10,):
            raise ModelMismatch(self._session.name, f"gave {answers.shape}, (n, 10) was expected")
        better = []
        for plate, area, answer in zip(found, areas, answers, strict=True):
            if answer[8] < MIN_PLATE:
                continue
            moved = NOMINAL + answer[:8].reshape(4, 2) * np.float32(UNIT_PX)
            back = np.linalg.inv(to_cut(area))
            corners = cv2.perspectiveTransform(moved[None].astype(np.float64), back)[0].astype(np.float32)
            rows = 2 if answer[9] > 0.5 else 1
            better.append(FoundPlate(corners, plate.score * float(answer[8]), rows))
        return better

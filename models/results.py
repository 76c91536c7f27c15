"""Plain results of the models: arrays in, these out. No vendor's types, no ``edge``, no ``drivers``."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BgrImage = NDArray[np.uint8]
"""(height, width, 3) uint8 in blue-green-red order."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceDetection:
    """One face in a picture.

    Attributes:
        left, top, right, bottom: Box in pixels of the picture; may reach over its edges.
        score: The detector's own score (its scale differs between detectors).
        landmarks: (5, 2) float32 pixels or None: the detector's own points, if it gives any
            (right eye, left eye, nose tip, right and left corner of the mouth, as seen in YuNet).
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float
    landmarks: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlateReading:
    """One plate found and read in a picture.

    Attributes:
        corners: (4, 2) float32 pixels: left-top, right-top, right-bottom, left-bottom of the plate.
        lattice: Per position the candidate characters with natural-log probabilities, best first.
            Empty when nothing could be read: then confidence is 0.
        score: Detector's score 0..1.
        kind: Plate kind if the reader knows it ("blue", "green", ...), else "".
        rows: 1 or 2.
    """

    corners: NDArray[np.float32]
    lattice: tuple[tuple[tuple[str, float], ...], ...]
    score: float
    kind: str = ""
    rows: int = 1

    @property
    def text(self) -> str:
        """Best character of each position, without any grammar."""
        return "".join(position[0][0] for position in self.lattice)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Upright box around the corners: left, top, right, bottom."""
        left, top = self.corners.min(axis=0)
        right, bottom = self.corners.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

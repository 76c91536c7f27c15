"""Whether a plate in a picture can be read at all, and how much a read of it should count. Pure.

The vision process asks before it sends a sighting: a flaw means "not enough", never "unknown plate".
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.plate.geometry import cut_upright, quad_size
from models.results import BgrImage, PlateReading

MIN_HEIGHT_PX = 16.0
GOOD_HEIGHT_PX = 32.0  # from here on more pixels hardly help a reader
_EDGE_PX = 1.5  # corners this near to the frame's border belong to a plate that goes on beyond it
_NORMAL_HEIGHT_PX = 32  # sharpness is measured at one size, else small plates would look sharp
MIN_SHARPNESS = 0.035
GOOD_SHARPNESS = 0.12
_GLARE_VALUE = 250
MAX_GLARE = 0.30
_TWO_ROWS = 2


@dataclass(frozen=True, slots=True)
class PlateQuality:
    """What a plate looks like, before anybody reads it.

    Attributes:
        height_px: Height of the plate (of one row's share when it has two).
        sharpness: Mean horizontal step between neighbours over the plate's contrast, at 32 px height.
        glare: Share 0..1 of burnt-out pixels.
        cut: Whether the plate touches the edge of the picture.
    """

    height_px: float
    sharpness: float
    glare: float
    cut: bool

    @property
    def flaw(self) -> str:
        """Why it cannot be used, or ""."""
        if self.cut:
            return "cut by the edge"
        if self.height_px < MIN_HEIGHT_PX:
            return "too small"
        if self.glare > MAX_GLARE:
            return "glare"
        if self.sharpness < MIN_SHARPNESS:
            return "blurred"
        return ""

    @property
    def weight(self) -> float:
        """0..1, how much a read should count beside other reads of the same plate."""
        if self.flaw:
            return 0.0
        height = min(self.height_px / GOOD_HEIGHT_PX, 1.0)
        sharp = min(self.sharpness / GOOD_SHARPNESS, 1.0)
        return max(height * sharp * (1.0 - self.glare / MAX_GLARE / 2), 0.05)


def measure_plate(image: BgrImage, reading: PlateReading) -> PlateQuality:
    """Measure the plate of a reading in the picture it was read in."""
    frame_height, frame_width = image.shape[:2]
    left, top, right, bottom = reading.box
    cut = (
        left < _EDGE_PX
        or top < _EDGE_PX
        or right > frame_width - _EDGE_PX
        or bottom > frame_height - _EDGE_PX
    )
    width, height = quad_size(reading.corners)
    if width < 4 or height < 4:  # nothing to look at
        return PlateQuality(height, 0.0, 0.0, cut)
    grey = cv2.cvtColor(cut_upright(image, reading.corners), cv2.COLOR_BGR2GRAY)
    rows_px = _NORMAL_HEIGHT_PX * reading.rows
    columns_px = max(round(width * rows_px / height), 8)
    shrinks = rows_px < grey.shape[0]
    normal = cv2.resize(
        grey, (columns_px, rows_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    level = normal.astype(np.float32)
    low, high = np.percentile(level, (5, 95))
    step = float(np.abs(np.diff(level, axis=1)).mean()) / max(float(high - low), 24.0)
    glare = float(np.count_nonzero(grey >= _GLARE_VALUE)) / grey.size
    # A white ground is bright all over without being burnt out: only glare that eats the contrast counts.
    if float(low) < _GLARE_VALUE * 0.6 and glare < 0.6:
        glare *= 0.5
    row_height = height * 0.6 if reading.rows == _TWO_ROWS else height
    return PlateQuality(row_height, step, glare, cut)


def assess_plate(image: BgrImage, reading: PlateReading) -> str:
    """Why the plate cannot be used: "", "too small", "blurred", "cut by the edge" or "glare"."""
    return measure_plate(image, reading).flaw


def plate_weight(image: BgrImage, reading: PlateReading) -> float:
    """0..1 by height, sharpness and glare: what goes into ``Sighting.quality``."""
    return measure_plate(image, reading).weight

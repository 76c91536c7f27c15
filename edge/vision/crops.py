"""The evidence picture: cut from the very frame that was read, small enough for the pipe and the journal."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.records import Box

LONGEST_PX = 320
MOST_BYTES = 40_000
_QUALITIES = (85, 70, 50, 30)


def cut(image: NDArray[np.uint8], box: Box, margin: float, longest_px: int = LONGEST_PX) -> bytes:
    """Cut a box with a margin around it and put it into JPEG.

    Args:
        image: (height, width, 3) uint8 BGR, the frame.
        box: In its pixels; may reach over its edges.
        margin: Added on each side, as a part of the box's longer side.
        longest_px: Its longer side afterwards, at most.

    Returns:
        JPEG of at most 40 kB; empty when the box lies outside, or no quality makes it small enough.
    """
    around = margin * max(box.width, box.height)
    height, width = image.shape[:2]
    left, right = _span(box.left - around, box.right + around, width)
    top, bottom = _span(box.top - around, box.bottom + around, height)
    if left >= right or top >= bottom:
        return b""
    part = image[top:bottom, left:right]
    scale = longest_px / max(part.shape[:2])
    if scale < 1:
        size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).view(dtype=np.uint8)
    for quality in _QUALITIES:
        good, encoded = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if good and encoded.size <= MOST_BYTES:
            return encoded.tobytes()
    return b""


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    return max(0, int(low)), min(size, round(high))

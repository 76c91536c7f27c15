"""QR codes before a camera: found often, read seldom, so that they cost little.

Finding takes a few milliseconds and reading tens of them, so both are paced: after each look the reader rests
for several times what the look took. A code is enlarged and sharpened before it is read: a pass is 65 modules
wide, and below four pixels for each OpenCV reads hardly one straight from the frame.
"""

import logging
import time
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_S
from edge.records import Box

log = logging.getLogger(__name__)

Image = NDArray[np.uint8]

NAME = "opencv-qr"
MOST_TEXT = 1_200
# At most this share of the time is spent on codes, and not more often than this.
SHARE = 0.2
EVERY_S = 0.1
_LEAST_PX = 100.0
_MARGIN = 0.15  # of the code's side, for its quiet zone
_SMALL_PX = 250.0  # smaller ones are enlarged twice, others by half


@dataclass(frozen=True, slots=True)
class Code:
    """One code that was read: what it says, and where it is in the picture."""

    text: str
    box: Box


class CodeReader:
    """Finds and reads one code at a time. Used by one thread.

    Attributes:
        looks, reads: Counts. took_ms: Of the last look.
    """

    def __init__(self) -> None:
        self._detector = cv2.QRCodeDetectorAruco()
        self._due_ns = 0
        self._grey: Image | None = None
        self.looks = self.reads = 0
        self.took_ms = 0.0

    def look(self, image: Image, now_ns: int) -> Code | None:
        """Look for a code, if it is time to.

        Args:
            image: (height, width, 3) uint8 BGR.
            now_ns: When the frame was taken.
        """
        if now_ns < self._due_ns:
            return None
        began_ns = time.perf_counter_ns()
        code = self.read(image)
        took_ns = time.perf_counter_ns() - began_ns
        self.took_ms = took_ns / 1e6
        self._due_ns = now_ns + max(round(EVERY_S * NS_PER_S), round(took_ns / SHARE))
        self.looks += 1
        self.reads += code is not None
        return code

    def read(self, image: Image) -> Code | None:
        """Find and read a code, whatever that takes; None when there is none that can be read."""
        # Into the array of the last look, if the picture has the same size.
        self._grey = grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, self._grey), np.uint8)
        corners = self._find(grey)
        if corners is None:
            return None
        left, top = corners.min(axis=0)
        right, bottom = corners.max(axis=0)
        side = max(float(right - left), float(bottom - top))
        if side < _LEAST_PX:
            return None
        text = self._decode(_enlarged(grey, corners, side))
        if not text or len(text) > MOST_TEXT or not text.isprintable():
            return None
        return Code(text, Box(float(left), float(top), float(right), float(bottom)))

    def _find(self, grey: Image) -> NDArray[np.float32] | None:
        try:
            found, corners = self._detector.detect(grey)
        except cv2.error as error:  # some pictures of noise upset it
            log.debug("a code could not be looked for: %s", error)
            return None
        if not found or np.size(corners) != 8 or not np.isfinite(corners).all():
            return None
        return np.asarray(corners, np.float32).reshape(4, 2)

    def _decode(self, part: Image) -> str:
        try:
            return str(self._detector.detectAndDecode(part)[0])
        except (cv2.error, UnicodeDecodeError) as error:
            log.debug("a code could not be read: %s", error)
            return ""


def _enlarged(grey: Image, corners: NDArray[np.float32], side: float) -> Image:
    """The code with its quiet zone, larger and sharper."""
    margin = _MARGIN * side
    left, top = np.maximum(corners.min(axis=0) - margin, 0).astype(int)
    right, bottom = (corners.max(axis=0) + margin).astype(int)
    factor = 2.0 if side < _SMALL_PX else 1.5
    part = cv2.resize(grey[top:bottom, left:right], None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(part, (0, 0), factor)
    return np.asarray(cv2.addWeighted(part, 2.0, soft, -1.0, 0.0), np.uint8)


def draw_code(text: str) -> NDArray[np.bool_]:
    """A text as a QR code: (n, n), True where dark, without the quiet zone.

    Error correction is the lowest (L): it gives the largest modules, and a camera fails at small ones first.
    """
    wanted = cv2.QRCodeEncoder.Params()
    wanted.correction_level = cv2.QRCodeEncoder_CORRECT_LEVEL_L
    wanted.mode = cv2.QRCodeEncoder_MODE_BYTE
    drawn = np.asarray(cv2.QRCodeEncoder.create(wanted).encode(text)) == 0
    # OpenCV adds a quiet zone of its own; callers draw the four modules that the standard asks for.
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return np.asarray(drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])

"""Did anything move, and where? Asked of every frame, so it must cost next to nothing. Arrays in, record out.

Of every seventh pixel of every seventh row (720p) the green part is taken as luminance: green carries 59 % of
it (ITU-R BT.601), and an infra-red picture is grey anyway. That costs 0.02 ms, where OpenCV's cheapest resize
of all three colours costs 0.12. A blur then averages nine samples. A running average is the background.
Brightness is levelled against it, so that a cloud or the camera's exposure is not motion; when most of the
picture changes at once (a lamp), or much of it while colour comes or goes (the infra-red filter), the
background is learned anew. All arrays of a size are made once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.records import Box

HEIGHT_PX = 100
# A pixel has moved when it differs by this many grey levels from the background: above the noise of a cheap
# sensor at night after the blur, below the contrast of a dark coat on asphalt.
THRESHOLD = 18
# At least this share of the picture must have moved: 0.15 % of a 178 x 100 picture are 27 pixels, half a face
# of 60 px height in a 720p frame.
LEAST_SHARE = 0.0015
# From this share on the light has changed, not the scene.
RELIT_SHARE = 0.7
# From this share on colour is looked at: a camera that switches its infra-red filter goes grey all at once.
FLIP_SHARE = 0.15
_GREY, _COLOURED = 2.0, 5.0
# From this share of the picture on that differs from the frame before, nothing is where it was: another shot
# of a film, a camera that was turned, or somebody close who stepped aside between two slow frames.
JUMP_SHARE = 0.3
# Share of the new frame in the background, per second of time: a parked car is background after some seconds.
LEARNED_PER_S = 0.3
# Where it moved is remembered in so many cells, across and down: 40 pixels each at 720p.
CELLS = (32, 18)
# Of a cell's samples so many of 255 must have moved: two of its thirty-one, because one alone is noise.
_CELL_LEAST = 14
_MOST_GAIN = 1.6
# Added to both sides of a ratio, so that the noise of a black picture is no change of light.
_LEAST_LEVEL = np.float32(4.0)
_LONG_AGO_NS = -(10**18)

Grey = NDArray[Any]
MaskOf = Callable[[int, int], NDArray[np.uint8] | None]
"""What counts in a picture of so many columns and rows: 255; None: all of it."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What moved.

    Attributes:
        moved: Enough of the picture differs from the background.
        share: Of what counts, the share that differs, 0..1.
        area: Upright box around it, in pixels of the picture given; None when nothing moved.
        relit: The light changed: the background was learned anew from this very picture.
        jumped: So much differs from the frame before that what stands in a place may be something else.
    """

    moved: bool
    share: float
    area: Box | None
    relit: bool = False
    jumped: bool = False


class _Arrays:
    """Everything that depends on the picture's size, made once."""

    def __init__(self, image: NDArray[np.uint8], height_px: int, mask_of: MaskOf) -> None:
        self.shape = image.shape
        self.step = max(1, round(image.shape[0] / height_px))
        self.start = self.step // 2
        rows, columns = self.strided(image).shape
        self.raw, self.grey, self.before, self.usual, self.changed, self.level = (
            np.empty((rows, columns), np.uint8) for _ in range(6)
        )
        self.background = np.empty((rows, columns), np.float32)
        self.mask = mask_of(columns, rows)
        counted = rows * columns if self.mask is None else cv2.countNonZero(self.mask)
        self.counted = max(1, counted)
        self.moved_ns = np.full(CELLS[::-1], _LONG_AGO_NS, np.int64)

    def strided(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The samples of the green part, a view."""
        return image[self.start :: self.step, self.start :: self.step, 1]


class MotionGate:
    """Compares each picture with what is usually there. One thread; a new instance knows no background.

    Args:
        height_px: Rows that are sampled, about.
        mask_of: Which samples count.
    """

    def __init__(self, height_px: int = HEIGHT_PX, mask_of: MaskOf = lambda _columns, _rows: None) -> None:
        self._height_px = height_px
        self._mask_of = mask_of
        self._arrays: _Arrays | None = None
        self._was_grey: bool | None = None
        self._has_before = False
        self._last_ns = 0

    def look(self, image: NDArray[np.uint8], now_ns: int) -> Motion:
        """Compare, and learn.

        Args:
            image: (height, width, 3) uint8 BGR; another size than before starts anew.
            now_ns: When it was taken; only differences count.

        Returns:
            What moved. The first picture, and one after a change of light, count as moved in their whole
            area, because nobody knows what they hold.
        """
        arrays = self._arrays
        if arrays is None or image.shape != arrays.shape:
            self._arrays = arrays = _Arrays(image, self._height_px, self._mask_of)
            self._sample(arrays, image)
            self._has_before = False
            self._learn_anew(arrays, image, now_ns)
            return Motion(True, 1.0, _whole(image), relit=True)
        self._has_before = True
        arrays.before, arrays.grey = arrays.grey, arrays.before
        self._sample(arrays, image)
        cv2.absdiff(arrays.before, arrays.grey, arrays.level)
        jumped = _count(arrays, arrays.level) >= JUMP_SHARE * arrays.counted
        count = _count(arrays, _difference(arrays))
        share = count / arrays.counted
        if share >= RELIT_SHARE or (share >= FLIP_SHARE and self._has_flipped(arrays, image)):
            self._learn_anew(arrays, image, now_ns)
            return Motion(True, share, _whole(image), relit=True, jumped=jumped)
        seconds = max(0.0, (now_ns - self._last_ns) / 1e9)
        self._last_ns = now_ns
        cv2.accumulateWeighted(arrays.grey, arrays.background, min(1.0, seconds * LEARNED_PER_S))
        if count < LEAST_SHARE * arrays.grey.size:
            return Motion(False, share, None, jumped=jumped)
        cells = cv2.resize(arrays.changed, CELLS, interpolation=cv2.INTER_AREA)
        arrays.moved_ns[cells >= _CELL_LEAST] = now_ns
        return Motion(True, share, _area(arrays.changed, image), jumped=jumped)

    def moved_since(self, since_ns: int) -> tuple[Box, ...]:
        """Upright boxes around what has moved since then, in pixels of the pictures given."""
        arrays = self._arrays
        if arrays is None:
            return ()
        height, width = arrays.shape[:2]
        across, down = width / CELLS[0], height / CELLS[1]
        cells = (arrays.moved_ns >= since_ns).astype(np.uint8)
        if not cells.any():
            return ()
        _, _, stats, _ = cv2.connectedComponentsWithStats(cells)
        boxes = []
        for x, y, columns, rows in stats[1:, :4].tolist():
            boxes.append(Box(x * across, y * down, (x + columns) * across, (y + rows) * down))
        return tuple(boxes)

    def replaced(self, box: Box) -> float:
        """Of a box in pixels of the last picture, the share that differs from the picture before, 0..1."""
        arrays = self._arrays
        if arrays is None:
            return 0.0
        rows, columns = arrays.grey.shape
        left, right = (min(columns, max(0, int(x) // arrays.step)) for x in (box.left, box.right))
        top, bottom = (min(rows, max(0, int(y) // arrays.step)) for y in (box.top, box.bottom))
        if left >= right or top >= bottom or not self._has_before:
            return 0.0
        difference = cv2.absdiff(arrays.before[top:bottom, left:right], arrays.grey[top:bottom, left:right])
        return float(np.count_nonzero(difference > THRESHOLD)) / difference.size

    def _sample(self, arrays: _Arrays, image: NDArray[np.uint8]) -> None:
        np.copyto(arrays.raw, arrays.strided(image))
        cv2.blur(arrays.raw, (3, 3), arrays.grey)

    def _learn_anew(self, arrays: _Arrays, image: NDArray[np.uint8], now_ns: int) -> None:
        np.copyto(arrays.background, arrays.grey)
        arrays.moved_ns.fill(now_ns)
        self._was_grey = _is_grey(arrays, image)
        self._last_ns = now_ns

    def _has_flipped(self, arrays: _Arrays, image: NDArray[np.uint8]) -> bool:
        """Whether colour has come or gone with this picture. Between grey and coloured nobody can tell."""
        is_grey = _is_grey(arrays, image)
        if is_grey is None or is_grey == self._was_grey:
            return False
        known, self._was_grey = self._was_grey is not None, is_grey
        return known


def _is_grey(arrays: _Arrays, image: NDArray[np.uint8]) -> bool | None:
    """Whether a sixteenth of the samples show no colour, as by infra-red light; None: hard to say."""
    step = arrays.step * 4
    part = image[arrays.start :: step, arrays.start :: step].astype(np.int16)
    colour = float(np.abs(part[:, :, 0] - part[:, :, 2]).mean())
    return True if colour <= _GREY else False if colour >= _COLOURED else None


def _count(arrays: _Arrays, difference: Grey) -> int:
    """How many samples differ and count; ``changed`` has them."""
    cv2.threshold(difference, THRESHOLD, 255, cv2.THRESH_BINARY, arrays.changed)
    if arrays.mask is not None:
        cv2.bitwise_and(arrays.changed, arrays.mask, arrays.changed)
    return cv2.countNonZero(arrays.changed)


def _whole(image: NDArray[np.uint8]) -> Box:
    return Box(0, 0, image.shape[1], image.shape[0])


def _area(changed: Grey, image: NDArray[np.uint8]) -> Box:
    left, top, width, height = cv2.boundingRect(changed)
    across, down = image.shape[1] / changed.shape[1], image.shape[0] / changed.shape[0]
    return Box(left * across, top * down, (left + width) * across, (top + height) * down)


def _difference(arrays: _Arrays) -> Grey:
    """How far each sample is from the background, at the background's brightness."""
    cv2.convertScaleAbs(arrays.background, arrays.usual)
    # The median over a sixteenth of the samples, not the mean: a white car must not darken all the rest.
    ratios = ((arrays.background[::4, ::4] + _LEAST_LEVEL) / (arrays.grey[::4, ::4] + _LEAST_LEVEL)).ravel()
    middle = ratios.size // 2
    ratios.partition(middle)
    gain = float(ratios[middle])
    if 1 / _MOST_GAIN < gain < _MOST_GAIN:
        cv2.convertScaleAbs(arrays.grey, arrays.level, gain)
        return cv2.absdiff(arrays.level, arrays.usual, arrays.level)
    return cv2.absdiff(arrays.grey, arrays.usual, arrays.level)

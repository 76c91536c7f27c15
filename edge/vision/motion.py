"""Did anything move? Asked of every frame, so it must cost next to nothing. Pure: arrays in, record out.

Of every seventh pixel of every seventh row (720p) the green part is taken as luminance: green carries 59 % of
it (ITU-R BT.601), and an infra-red picture is grey anyway. That costs 0.02 ms, where OpenCV's cheapest resize
of all three colours costs 0.12. A blur then averages nine samples. A running average is the background.
Brightness is levelled against it, so that a cloud or the camera's exposure is not motion; when most of the
picture changes at once (a lamp, the infra-red filter), the background is learned anew.
"""

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
# From this share of the picture on that differs from the frame before, nothing is where it was: another shot
# of a film, a camera that was turned, or somebody close who stepped aside between two slow frames.
JUMP_SHARE = 0.3
# Share of the new frame in the background, per second of time: a parked car is background after some seconds.
LEARNED_PER_S = 0.3
_MOST_GAIN = 1.6
# Added to both sides of a ratio, so that the noise of a black picture is no change of light.
_LEAST_LEVEL = 4.0


@dataclass(frozen=True, slots=True)
class Motion:
    """What moved.

    Attributes:
        moved: Enough of the picture differs from the background.
        share: Of the picture that differs, 0..1.
        area: Upright box around it, in pixels of the picture given; None when nothing moved.
        relit: The light changed: the background was learned anew from this very picture.
        jumped: So much differs from the frame before that what stands in a place may be something else.
    """

    moved: bool
    share: float
    area: Box | None
    relit: bool = False
    jumped: bool = False


class MotionGate:
    """Compares each picture with what is usually there. One thread; a new instance knows no background."""

    def __init__(self, height_px: int = HEIGHT_PX) -> None:
        self._height_px = height_px
        self._shape: tuple[int, ...] = ()
        self._background: NDArray[np.float32] | None = None
        self._before: NDArray[Any] | None = None
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
        grey = self._sample(image)
        before, self._before = self._before, grey
        jumped = before is not None and before.shape == grey.shape and _share(before, grey) >= JUMP_SHARE
        if self._background is None or image.shape != self._shape:
            self._learn_anew(image, grey, now_ns)
            return Motion(True, 1.0, _whole(image), relit=True)
        changed = cv2.threshold(_difference(grey, self._background), THRESHOLD, 255, cv2.THRESH_BINARY)[1]
        count = cv2.countNonZero(changed)
        share = count / grey.size
        if share >= RELIT_SHARE:
            self._learn_anew(image, grey, now_ns)
            return Motion(True, share, _whole(image), relit=True, jumped=jumped)
        seconds = max(0.0, (now_ns - self._last_ns) / 1e9)
        self._last_ns = now_ns
        cv2.accumulateWeighted(grey, self._background, min(1.0, seconds * LEARNED_PER_S))
        if share < LEAST_SHARE:
            return Motion(False, share, None, jumped=jumped)
        return Motion(True, share, _area(changed, image), jumped=jumped)

    def _sample(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        step = max(1, round(image.shape[0] / self._height_px))
        return cv2.blur(np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step, 1]), (3, 3))

    def _learn_anew(self, image: NDArray[np.uint8], grey: NDArray[Any], now_ns: int) -> None:
        self._shape = image.shape
        self._background = grey.astype(np.float32)
        self._last_ns = now_ns


def _share(before: NDArray[Any], now: NDArray[Any]) -> float:
    changed = cv2.threshold(cv2.absdiff(before, now), THRESHOLD, 255, cv2.THRESH_BINARY)[1]
    return float(cv2.countNonZero(changed)) / now.size


def _whole(image: NDArray[np.uint8]) -> Box:
    return Box(0, 0, image.shape[1], image.shape[0])


def _area(changed: NDArray[Any], image: NDArray[np.uint8]) -> Box:
    left, top, width, height = cv2.boundingRect(changed)
    across, down = image.shape[1] / changed.shape[1], image.shape[0] / changed.shape[0]
    return Box(left * across, top * down, (left + width) * across, (top + height) * down)


def _difference(grey: NDArray[Any], background: NDArray[np.float32]) -> NDArray[Any]:
    """How far each sample is from the background, at the background's brightness."""
    usual = cv2.convertScaleAbs(background)
    # The median over a sixteenth of the samples, not the mean: a white car must not darken all the rest.
    ratios = (background[::4, ::4] + _LEAST_LEVEL) / (grey[::4, ::4] + np.float32(_LEAST_LEVEL))
    gain = float(np.median(ratios))
    if 1 / _MOST_GAIN < gain < _MOST_GAIN:
        grey = cv2.convertScaleAbs(grey, alpha=gain)
    return cv2.absdiff(grey, usual)

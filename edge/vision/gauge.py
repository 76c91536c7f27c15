"""Measures what a camera shows, a few numbers a second, against a small picture of what it usually shows.

Twice a second a glance: a thousand samples, is it dark, is it white? Every two seconds a long look: focus,
and where the scene stands compared with the reference, a grey picture 90 pixels high that is the median of
the first minutes, so that whoever walked through them is not in it. Numbers only; ``edge.vision.condition``
judges them. Arrays in, numbers out; no clock, no file.

How the scene is found again: both pictures lose their light (each pixel minus its surroundings, over their
spread) and are laid over each other by phase correlation (Kuglin and Hines, 1975), straight and turned by a
few angles. How dirt is found: a drop, mud or a web on the glass takes the detail from the same few blocks of
the picture for minutes and adds none, where whatever stands in the scene has outlines of its own.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.picture import measure_grey

HEIGHT_PX = 90
LEAST_SAMPLES = 5
MOST_SAMPLES = 60
# A reference of which the pictures do not agree is none: somebody was turning the camera.
AGREEING = 0.25
# From this fit on (correlation of the two pictures without light) the scene counts as found. Of real street
# pictures the same scene, moved by 15 %, turned, blurred or with a car over a third of it, had 0.5 to 1;
# another scene at most 0.2.
FOUND = 0.33
# Below this fit the scene may be turned as well, by more than the two halves of the picture tell.
CLEAR = 0.6
# Below this fit something stands before the scene, and may be what looks like dirt.
FREE = 0.85
ANGLES = (-14.0, -12.0, -10.0, -8.0, -6.0, -4.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0)
# The blocks whose detail is compared, in pixels of the small picture.
_BLOCK_PX = 6
# Blocks of the reference below this spread (grey levels) are sky or wall: nothing to lose.
_TEXTURED = 3.0
_LEAST_BLOCKS = 30
# Detail below this share of what the rest of the picture has kept is dimmed, below the next it is gone; above
# the last there is something new.
_DIMMED, _GONE, _ADDED = 0.55, 0.15, 1.7
# What shines through dirt is still the scene: its dimmed detail agrees with the reference's by this much.
_SHINES_THROUGH = 0.3
# Blocks brighter or darker than this on average are burnt out or black: their detail is lost to the light.
_BURNT, _BLACK = 215.0, 20.0
# Weight of a new look in the blocks' average: what passes by within half a minute does not count.
_NEW = 0.15
_DARK, _BRIGHT = 16, 240
_GLANCE_PX = 32


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a camera usually shows.

    Attributes:
        picture: (90, width) uint8 grey.
        focus: Of the pictures it was made of (``edge.vision.picture``).
        has_colour: They were in colour; infra-red pictures at night are not.
    """

    picture: NDArray[np.uint8]
    focus: float
    has_colour: bool


class Gauge:
    """Measures the pictures of one camera. One thread.

    Args:
        samples: So many long looks make a reference; 0: none is ever learnt.
    """

    def __init__(self, samples: int = MOST_SAMPLES) -> None:
        self.samples = samples
        self._reference: Reference | None = None
        self._flat: NDArray[np.float32] | None = None
        self._collected: list[tuple[NDArray[Any], float, bool]] = []
        self._blocks: NDArray[np.float32] | None = None

    @property
    def reference(self) -> Reference | None:
        """What pictures are compared with; None while that is being learnt."""
        return self._reference

    def compare_with(self, reference: Reference | None) -> None:
        """Take a reference from now on; None: forget it and learn anew."""
        self._reference = reference
        self._flat = None if reference is None else _flat(reference.picture)
        self._collected.clear()
        self._blocks = None

    def glance(self, image: NDArray[np.uint8]) -> dict[str, float]:
        """Brightness, contrast, dark and bright share from a thousand samples; 0.03 ms.

        Args:
            image: (height, width, 3) uint8 BGR.
        """
        step = max(1, image.shape[0] // _GLANCE_PX)
        grey: Any = image[step // 2 :: step, step // 2 :: step, 1]
        return {
            "width_px": float(image.shape[1]),
            "height_px": float(image.shape[0]),
            "brightness": round(float(grey.mean()), 1),
            "contrast": round(float(grey.std()), 1),
            "dark": round(float((grey < _DARK).mean()), 3),
            "bright": round(float((grey > _BRIGHT).mean()), 3),
        }

    def look(self, image: NDArray[np.uint8]) -> dict[str, float]:
        """Focus, and how the scene stands against the reference; learns one while there is none.

        Args:
            image: (height, width, 3) uint8 BGR.

        Returns:
            ``focus`` always; ``focus_share``, ``likeness``, ``shift`` (of the width), ``turn`` (degrees) and
            ``dirt`` (share of the blocks) as far as they can be said of this picture.
        """
        green: Any = cv2.extractChannel(image, 1)
        focus = measure_grey(green).focus
        small = cv2.resize(green, (max(16, round(image.shape[1] * HEIGHT_PX / image.shape[0])), HEIGHT_PX),
                           interpolation=cv2.INTER_AREA)  # fmt: skip
        has_colour = _has_colour(image)
        numbers = {"focus": focus}
        if self._reference is None or self._reference.picture.shape != small.shape:
            self._collect(small, focus, has_colour)
            return numbers | {"learnt": round(len(self._collected) / max(1, self.samples), 2)}
        return numbers | self._compare(self._reference, small, focus, has_colour)

    def _collect(self, small: NDArray[Any], focus: float, has_colour: bool) -> None:
        if (
            not self.samples
            or small.std() < 8
            or (self._collected and self._collected[0][0].shape != small.shape)
        ):
            self._collected.clear()
            return
        self._collected.append((small, focus, has_colour))
        if len(self._collected) < max(LEAST_SAMPLES, self.samples):
            return
        pictures = np.stack([picture for picture, _, _ in self._collected])
        middle = np.median(pictures, axis=0).astype(np.uint8)
        flat = _flat(middle)
        agreeing = float(np.median([_found_at(flat, _flat(p))[0] for p in pictures[:: len(pictures) // 5]]))
        if agreeing >= AGREEING:
            self.compare_with(
                Reference(
                    middle,
                    float(np.median([f for _, f, _ in self._collected])),
                    sum(colour for _, _, colour in self._collected) * 2 > len(self._collected),
                )
            )
        self._collected.clear()

    def _compare(
        self, reference: Reference, small: NDArray[Any], focus: float, has_colour: bool
    ) -> dict[str, float]:
        numbers: dict[str, float] = {}
        is_same_light = has_colour == reference.has_colour and _is_same_light(reference.picture, small)
        if is_same_light and reference.focus > 0:
            numbers["focus_share"] = round(min(10.0, focus / reference.focus), 3)
        usual = _flat(reference.picture) if self._flat is None else self._flat
        now = _flat(small)
        likeness, right, down, turn = locate(usual, now)
        if likeness >= FOUND or is_same_light:
            # Not to be found in another light says nothing.
            numbers["likeness"] = round(likeness, 3)
        if likeness < FOUND:
            return numbers
        numbers["shift"] = round(float(np.hypot(right, down)) / small.shape[1], 4)
        if turn is not None:
            numbers["turn"] = round(abs(turn), 1)
            is_in_place = abs(turn) < 1.0 and max(abs(right), abs(down)) < 1.5
            if is_same_light and is_in_place and likeness >= FREE:
                agreeing = _agreement(usual, now)
                numbers["dirt"] = round(self._dirt(reference.picture, small, agreeing), 3)
        return numbers

    def _dirt(self, reference: NDArray[Any], small: NDArray[Any], agreeing: NDArray[Any]) -> float:
        """Share of the textured blocks behind something that dims them and has no outlines of its own."""
        usual, now = _detail(reference), _detail(small)
        light = _blocks(small.astype(np.float32))
        textured = (usual >= _TEXTURED) & (light < _BURNT) & (light > _BLACK)
        if int(textured.sum()) < _LEAST_BLOCKS:
            return 0.0
        ratios = (now + 0.5) / (usual + 0.5)
        ratios = np.minimum(ratios / max(0.05, float(np.median(ratios[textured]))), 3.0)
        seen = np.stack([ratios, agreeing]).astype(np.float32)
        if self._blocks is None or self._blocks.shape != seen.shape:
            self._blocks = seen
        else:
            self._blocks += _NEW * (seen - self._blocks)
        ratios, agreeing = self._blocks
        dimmed = (ratios < _DIMMED) & (agreeing > _SHINES_THROUGH) & textured
        gone = (ratios < _GONE) & textured
        added = float((ratios > _ADDED).mean())
        share = float(dimmed.sum()) + (float((gone & ~dimmed).sum()) if added < 0.01 else 0.0)
        return share / float(textured.sum())


def locate(usual: NDArray[Any], now: NDArray[Any]) -> tuple[float, float, float, float | None]:
    """Find the scene of one small picture in another of the same size, both without their light.

    Returns:
        How well it fits (0..1), pixels to the right and down, and degrees by which it is turned; None:
        not to be said, because one half of the scene is not to be found.
    """
    height, width = now.shape
    likeness, right, down = _found_at(usual, now)
    angle = 0.0
    if likeness < CLEAR:
        for candidate in ANGLES:
            matrix = cv2.getRotationMatrix2D((width / 2, height / 2), candidate, 1.0)
            turned: Any = cv2.warpAffine(now, matrix, (width, height))
            found = _found_at(usual, turned)
            # Straight is the rule; a turned one must fit clearly better.
            if found[0] > likeness + (0.0 if angle else 0.02):
                (likeness, right, down), angle, best = found, candidate, turned
        if angle:
            now = best
    rest = _turn_between(usual, now)
    turn = angle + rest if rest is not None else (angle or None)
    return likeness, right, down, turn


def _turn_between(usual: NDArray[Any], now: NDArray[Any]) -> float | None:
    """Degrees by which a picture is turned by little: its halves have gone up and down by different ways."""
    middle = usual.shape[1] // 2
    left, _, left_down = _found_at(usual[:, :middle].copy(), now[:, :middle].copy())
    right, _, right_down = _found_at(usual[:, -middle:].copy(), now[:, -middle:].copy())
    if min(left, right) < FOUND:
        return None
    return float(np.degrees(np.arctan2(right_down - left_down, middle)))


def _found_at(usual: NDArray[Any], now: NDArray[Any]) -> tuple[float, float, float]:
    """How well one picture fits on the other where it fits best; how far it has gone right and down."""
    height, width = usual.shape
    (right, down), _ = cv2.phaseCorrelate(usual, now, cv2.createHanningWindow((width, height), cv2.CV_32F))
    x, y = round(right), round(down)
    if abs(x) > width // 2 or abs(y) > height // 2:
        return 0.0, 0.0, 0.0
    there = now[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
    here = usual[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
    # The peak itself is high for many a wrong turn; what lies on top of each other is not.
    fit: Any = cv2.matchTemplate(here.copy(), there.copy(), cv2.TM_CCOEFF_NORMED)
    return max(0.0, float(fit[0, 0])), float(right), float(down)


def _flat(grey: NDArray[Any]) -> NDArray[np.float32]:
    """The picture without its light: each pixel minus its surroundings, over their spread."""
    values = grey.astype(np.float32)
    mean = cv2.blur(values, (9, 9))
    spread = cv2.blur(values * values, (9, 9)) - mean * mean
    flat: Any = np.clip((values - mean) / (np.sqrt(np.maximum(spread, 0)) + 4.0), -2.5, 2.5)
    return np.asarray(flat, np.float32)


def _detail(grey: NDArray[Any]) -> NDArray[np.float32]:
    """Spread of the fine detail in each block, grey levels."""
    values = grey.astype(np.float32)
    return _blocks(cv2.absdiff(values, cv2.blur(values, (5, 5))))


def _agreement(usual: NDArray[Any], now: NDArray[Any]) -> NDArray[np.float32]:
    """How far two pictures without light agree in each block and its neighbours, -1..1."""
    sums = [cv2.blur(_blocks(product), (3, 3)) for product in (usual * now, usual * usual, now * now)]
    agreement: Any = sums[0] / np.sqrt(sums[1] * sums[2] + 1e-6)
    return np.asarray(agreement, np.float32)


def _blocks(values: NDArray[Any]) -> NDArray[np.float32]:
    """Mean of each block."""
    rows, columns = values.shape[0] // _BLOCK_PX, values.shape[1] // _BLOCK_PX
    whole: Any = values[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _is_same_light(reference: NDArray[Any], small: NDArray[Any]) -> bool:
    brightness = (float(small.mean()) + 1) / (float(reference.mean()) + 1)
    contrast = (float(small.std()) + 1) / (float(reference.std()) + 1)
    return 0.6 < brightness < 1.7 and 0.4 < contrast < 2.0


def _has_colour(image: NDArray[np.uint8]) -> bool:
    step = max(1, image.shape[0] // _GLANCE_PX)
    # Averaged first: the noise of the three colours is no colour.
    samples = cv2.blur(np.ascontiguousarray(image[::step, ::step]), (5, 5)).astype(np.int16)
    return float(np.abs(samples[..., 0] - samples[..., 2]).mean()) > 3.0

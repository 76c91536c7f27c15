"""Where in a picture something counts, and where a network looks. Pure: shapes and boxes in, areas out.

A network's cost grows with the number of pixels, so it is shown only the areas that hold what moved lately
and what is expected. An area is cut on a grid that suits the network: its cells fall on the same pixels as in
the whole picture, so that it finds the same.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.records import Box

Shape = Sequence[tuple[float, float]]
"""Corners of a polygon, as parts of the picture's width and height."""
Mask = NDArray[np.uint8]
Patch = tuple[int, int, int, int]
"""Part of a picture in whole pixels: left, top, right, bottom."""

# From this share of the picture on, one look at all of it costs no more than looks at its parts.
WHOLE_SHARE = 0.6
MOST_PATCHES = 2
_FINE = 16  # subpixel positions of cv2.fillPoly, as a power of two


@dataclass(frozen=True, slots=True)
class Zones:
    """Which parts of a camera's picture count.

    Attributes:
        watch: Only inside these, if there are any. ignore: And outside all of these.
    """

    watch: tuple[Shape, ...] = ()
    ignore: tuple[Shape, ...] = ()

    @property
    def is_everywhere(self) -> bool:
        """Whether the whole picture counts."""
        return not (self.watch or self.ignore)

    def count(self, x: float, y: float) -> bool:
        """Whether a place counts, given as parts of the picture."""
        if self.watch and not any(holds(shape, x, y) for shape in self.watch):
            return False
        return not any(holds(shape, x, y) for shape in self.ignore)

    def mask(self, width: int, height: int, region: tuple[float, float, float, float]) -> Mask | None:
        """255 where it counts, in a picture of the region in that many samples; None: everywhere."""
        if self.is_everywhere:
            return None
        left, top, right, bottom = region
        size = np.array([width / (right - left), height / (bottom - top)])
        mask = np.full((height, width), 0 if self.watch else 255, np.uint8)
        for shapes, value in ((self.watch, 255), (self.ignore, 0)):
            for shape in shapes:
                # A sample's middle lies half a sample from its corner.
                corners = (np.array(shape) - (left, top)) * size - 0.5
                points = np.round(corners * (1 << _FINE)).astype(np.int32)
                cv2.fillPoly(mask, [points], value, shift=_FINE)
        return mask


def holds(shape: Shape, x: float, y: float) -> bool:
    """Whether a point lies in a polygon: a ray from it crosses the edge an odd number of times.

    >>> [holds(((0, 0), (1, 0), (1, 1)), *point) for point in ((0.8, 0.2), (0.2, 0.8))]
    [True, False]
    """
    inside = False
    for (x1, y1), (x2, y2) in zip(shape, (*shape[1:], shape[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def grown(box: Box, by_px: float) -> Box:
    """A box with a margin on each side."""
    return Box(box.left - by_px, box.top - by_px, box.right + by_px, box.bottom + by_px)


def patches(wanted: Iterable[Box], width: int, height: int, grain_px: float) -> tuple[Patch, ...]:
    """Cover boxes with few patches of a picture, cut on a grid.

    Args:
        wanted: What must be inside; what reaches over the picture's edges is cut off.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        grain_px: Edges inside the picture are multiples of this.

    Returns:
        At most `MOST_PATCHES` that do not overlap; one, the whole picture, when they would cover most of it.
    """
    found: list[Patch] = []
    for box in wanted:
        patch = _snapped(box, width, height, grain_px)
        if patch is not None:
            found.append(patch)
    merged = _merged(found, lambda one, other: _size(_union(one, other)) <= _size(one) + _size(other))
    while len(merged) > MOST_PATCHES:
        merged = _merged([_union(merged[0], merged[1]), *merged[2:]], _overlap)
    if sum(map(_size, merged)) >= WHOLE_SHARE * width * height:
        return ((0, 0, width, height),)
    return tuple(merged)


def is_cut(box: Box, patch: Patch, width: int, height: int) -> bool:
    """Whether a box found in a patch reaches an edge that is none of the picture: it may be a part only."""
    left, top, right, bottom = patch
    least = 0.05 * max(box.width, box.height)
    return (
        (left > 0 and box.left - left < least)
        or (top > 0 and box.top - top < least)
        or (right < width and right - box.right < least)
        or (bottom < height and bottom - box.bottom < least)
    )


def _snapped(box: Box, width: int, height: int, grain: float) -> Patch | None:
    left, top = max(0.0, box.left) // grain * grain, max(0.0, box.top) // grain * grain
    right, bottom = -(-box.right // grain) * grain, -(-box.bottom // grain) * grain
    patch = round(left), round(top), min(width, round(right)), min(height, round(bottom))
    return patch if patch[0] < patch[2] and patch[1] < patch[3] else None


def _merged(given: list[Patch], belong: Callable[[Patch, Patch], bool]) -> list[Patch]:
    """Join those that overlap or belong together, until none do."""
    done: list[Patch] = []
    waiting = list(given)
    while waiting:
        patch = waiting.pop()
        near = next((other for other in done if _overlap(patch, other) or belong(patch, other)), None)
        if near is None:
            done.append(patch)
        else:
            done.remove(near)
            waiting.append(_union(patch, near))
    return sorted(done)


def _overlap(one: Patch, other: Patch) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _union(one: Patch, other: Patch) -> Patch:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _size(patch: Patch) -> int:
    return (patch[2] - patch[0]) * (patch[3] - patch[1])

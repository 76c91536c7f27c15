"""One kind of thing looked for: in which parts of a picture, and what was found there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.records import Box
from edge.vision.areas import Patch, grown, is_cut, patches
from edge.vision.senses import Finding, Sense

# Around what moved, as a part of its longer side, and in cells of the network no less and no more than this.
# Upwards twice as much: a face may stand still over shoulders that move.
MOVED_MARGIN, LEAST_CELLS, MOST_CELLS = 0.5, 0.75, 1.5
# Around where a track is expected, in its own sizes.
TRACK_MARGIN = 1.0
LONG_AGO_NS = -(10**18)


@dataclass(slots=True)
class Search:
    """When and where one sense has looked. One thread.

    Attributes:
        searched_ns, whole_ns: Capture time of the last picture searched, and of the last searched whole.
        searches: How many pictures were searched; wholes: how many of them whole.
        pixels: How many pixels the network was shown in all.
        found_ms: Milliseconds per stage inside the last ``find``, if the sense has more than one.
    """

    sense: Sense
    searched_ns: int = LONG_AGO_NS
    whole_ns: int = LONG_AGO_NS
    searches: int = 0
    wholes: int = 0
    pixels: int = 0
    found_ms: dict[str, float] = field(default_factory=dict)

    def where(
        self, width: int, height: int, moved: Sequence[Box], wanted: Sequence[Box], others: Sequence[Box]
    ) -> tuple[Patch, ...]:
        """Which parts of a picture to search.

        Args:
            width: Of the picture, pixels.
            height: Of the picture, pixels.
            moved: Where something moved.
            wanted: Where a track is expected that is to be looked at.
            others: Where other tracks are; each is searched whole or not at all.
        """
        everything = ((0, 0, width, height),)
        grain_px = self.sense.grain_px
        if not grain_px:
            return everything
        boxes = [with_margin(box, grain_px) for box in moved]
        boxes += [
            around(box)
            for box in (*wanted, *(other for other in others if any(box.iou(other) > 0 for box in boxes)))
        ]
        return patches(boxes, width, height, grain_px) or everything

    def find(
        self, image: NDArray[np.uint8], parts: tuple[Patch, ...], now_ns: int
    ) -> tuple[list[Finding], tuple[Patch, ...]]:
        """Search parts of a picture; all of it when something reaches over their edges.

        Args:
            image: (height, width, 3) uint8 BGR.
            parts: That do not overlap.
            now_ns: When it was taken.

        Returns:
            What was found, in pixels of the picture, and the parts that were searched in the end.
        """
        height, width = image.shape[:2]
        whole = (0, 0, width, height)
        self.found_ms = {}
        found: list[Finding] = []
        for part in parts:
            here = self._look(image, part)
            if part != whole and any(is_cut(finding.box, part, width, height) for finding in here):
                found, parts = self._look(image, whole), (whole,)
                break
            found += here
        self.searches += 1
        self.searched_ns = now_ns
        if whole in parts:
            self.wholes += 1
            self.whole_ns = now_ns
        return found, parts

    def _look(self, image: NDArray[np.uint8], part: Patch) -> list[Finding]:
        left, top, right, bottom = part
        self.pixels += (right - left) * (bottom - top)
        found = self.sense.find(image, part)
        _add(self.found_ms, self.sense.found_ms)
        return found


def with_margin(box: Box, grain_px: float) -> Box:
    """Where a thing may be of which a part has moved."""
    wanted = max(MOVED_MARGIN * max(box.width, box.height), LEAST_CELLS * grain_px)
    beside, above = min(wanted, MOST_CELLS * grain_px), min(wanted, 2 * MOST_CELLS * grain_px)
    return Box(box.left - beside, box.top - above, box.right + beside, box.bottom + beside)


def around(box: Box) -> Box:
    """Where a track is looked for: where it is expected, with a margin."""
    return grown(box, TRACK_MARGIN * max(box.width, box.height))


def was_searched(box: Box, parts: Sequence[Patch], width: int, height: int) -> bool:
    """Whether all of a box that lies in the picture lies in one of the parts searched."""
    left, top, right, bottom = (
        max(0.0, box.left),
        max(0.0, box.top),
        min(float(width), box.right),
        min(float(height), box.bottom),
    )
    return any(p[0] <= left and p[1] <= top and right <= p[2] and bottom <= p[3] for p in parts)


def _add(sums: dict[str, float], times: Mapping[str, float]) -> None:
    for stage, took_ms in times.items():
        sums[stage] = sums.get(stage, 0.0) + took_ms

"""Where a track came from, which way it crossed the line, where it went. Pure."""

from dataclasses import dataclass
from typing import Literal

from edge.records import Box

Way = Literal["", "in", "out"]
Edge = Literal["", "left", "top", "right", "bottom"]
EDGES: tuple[Edge, ...] = ("", "left", "top", "right", "bottom")
WAYS: tuple[Way, ...] = ("", "in", "out")
Point = tuple[float, float]

# On the line a trembling box would cross it with every frame: it is on a side only from this part of its
# longer side on.
_DEAD = 0.15
# Whoever is within this many of its own sizes of an edge comes from there, or goes there.
_NEAR_EDGE = 0.5


@dataclass(slots=True)
class Course:
    """How one track moves. Written by ``follow`` only.

    Attributes:
        came: Edge of the picture that it came from; empty: it began inside.
        crossed: Which way it crossed the line last.
    """

    came: Edge = ""
    crossed: Way = ""
    _side: int = 0
    _point: Point = (0.0, 0.0)
    _has_begun: bool = False

    def follow(self, box: Box, width: int, height: int, line: tuple[Point, Point] | None) -> Way:
        """Take the next box.

        Args:
            box: Pixels of the frame.
            width: Of the frame, pixels.
            height: Of the frame, pixels.
            line: Two points as parts of the frame; None: there is none.

        Returns:
            Which way it has crossed the line with this very box.
        """
        if not self._has_begun:
            self._has_begun = True
            self.came = near_edge(box, width, height)
        if line is None:
            return ""
        (x1, y1), (x2, y2) = line
        start, end = (x1 * width, y1 * height), (x2 * width, y2 * height)
        point = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
        distance = right_of(start, end, point)
        if abs(distance) < _DEAD * max(box.width, box.height):
            return ""
        side = 1 if distance > 0 else -1
        before, self._side = self._side, side
        way: Way = ""
        if before == -side and _meets(start, end, self._point, point):
            way = self.crossed = "in" if side > 0 else "out"
        self._point = point
        return way


def near_edge(box: Box, width: int, height: int) -> Edge:
    """The edge of the picture that a box is at; the nearest, if it is near enough to any.

    >>> near_edge(Box(2, 100, 62, 160), 640, 360), near_edge(Box(300, 100, 360, 160), 640, 360)
    ('left', '')
    """
    gaps: dict[Edge, float] = {
        "left": box.left,
        "top": box.top,
        "right": width - box.right,
        "bottom": height - box.bottom,
    }
    edge = min(gaps, key=lambda name: gaps[name])
    return edge if gaps[edge] <= _NEAR_EDGE * max(box.width, box.height) else ""


def right_of(start: Point, end: Point, point: Point) -> float:
    """How far to the right of a line a point lies, in pixels, looking from start to end; y goes down.

    >>> right_of((0, 50), (100, 50), (30, 60))
    10.0
    """
    along = end[0] - start[0], end[1] - start[1]
    length = (along[0] ** 2 + along[1] ** 2) ** 0.5
    across: float = along[0] * (point[1] - start[1]) - along[1] * (point[0] - start[0])
    return across / length if length else 0.0


def _meets(start: Point, end: Point, before: Point, after: Point) -> bool:
    """Whether the way from one point to another, known to change sides, passes between the line's ends."""
    sides = right_of(before, after, start), right_of(before, after, end)
    return (sides[0] > 0) != (sides[1] > 0)

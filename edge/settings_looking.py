"""Settings of where a camera looks: what counts, what is left out, and the line that somebody crosses."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from edge.settings_boards import Section

Part = Annotated[float, Field(ge=0.0, le=1.0)]
"""A part of the picture's width or height."""
Point = tuple[Part, Part]
_MOST_SHAPES = 16
_MOST_CORNERS = 32


def _corners(given: Any) -> Any:
    """A rectangle of four numbers as its four corners; everything else as it is.

    >>> _corners([0, 0.5, 1, 1])
    [(0, 0.5), (1, 0.5), (1, 1), (0, 1)]
    """
    if not isinstance(given, list | tuple) or any(not isinstance(part, int | float) for part in given):
        return given
    if len(given) != 4 or not (given[0] < given[2] and given[1] < given[3]):
        raise ValueError("a rectangle is left, top, right, bottom, with left < right and top < bottom")
    left, top, right, bottom = given
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


Shape = Annotated[tuple[Point, ...], BeforeValidator(_corners), Field(min_length=3, max_length=_MOST_CORNERS)]
"""Corners of a polygon in turn; a rectangle may be given as left, top, right, bottom."""


class LookingSettings(Section):
    """What of a camera's picture counts. All places are parts of its width and height, 0 to 1."""

    region: tuple[float, float, float, float] = Field(
        default=(0.0, 0.0, 1.0, 1.0), description="Left, top, right, bottom as parts of the picture, 0 to 1."
    )
    watch: tuple[Shape, ...] = Field(
        default=(),
        max_length=_MOST_SHAPES,
        description="Look only here: rectangles [left, top, right, bottom] or polygons [[x, y], ...]; none:"
        " everywhere.",
    )
    ignore: tuple[Shape, ...] = Field(
        default=(),
        max_length=_MOST_SHAPES,
        description="Nothing counts here, not even what moves: a tree, a flag, the road outside.",
    )
    line: tuple[Point, Point] | None = Field(
        default=None,
        description="Two points of a line that is crossed. From its left side to its right, looking from the"
        " first point to the second, is in: below a line that is drawn from left to right.",
    )
    loiter_s: float = Field(
        default=0.0, ge=0, le=86_400, description="In view for so long is told once; 0: never."
    )

    @model_validator(mode="after")
    def _places_make_sense(self) -> "LookingSettings":
        left, top, right, bottom = self.region
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError("region must be left < right and top < bottom, all between 0 and 1")
        if self.line is not None and self.line[0] == self.line[1]:
            raise ValueError("line needs two points that differ")
        for name in ("watch", "ignore"):
            for shape in getattr(self, name):
                if area_of(shape) < 1e-4:
                    raise ValueError(f"{name} holds a shape without area: give its corners in turn")
        return self


def area_of(shape: tuple[Point, ...]) -> float:
    """Area of a polygon by its corners (Gauss), as a part of the picture.

    >>> area_of(((0.0, 0.0), (1.0, 0.0), (1.0, 0.5)))
    0.25
    """
    turns = zip(shape, shape[1:] + shape[:1], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turns)) / 2

"""A clean flat plate of any kind, with the proportions of GA 36-2018.

Sizes and positions in millimetres follow the table in the reference (plates-parking-privacy 5.1, tags T4, T9,
T10): 440x140 for cars, 480x140 for new energy, 440x220 for double rows, 220x140 for the rear of motorcycles.
Where it is silent (armed police, emergency, motorcycle rows) the positions are ours, made from the nearest
kind.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate.grammar import PlateKind
from models.results import BgrImage
from models.training.glyphs import LATIN, MARGIN_MM, distance_field

Box = tuple[int, int, int, int]
"""Left, top, width, height in millimetres."""
Bgr = tuple[int, int, int]

WHITE: Final[Bgr] = (244, 246, 246)
BLACK: Final[Bgr] = (24, 22, 22)
RED: Final[Bgr] = (36, 30, 205)
BLUE: Final[Bgr] = (182, 76, 22)
YELLOW: Final[Bgr] = (24, 176, 246)
DEEP_GREEN: Final[Bgr] = (96, 172, 26)
PALE_GREEN: Final[Bgr] = (232, 244, 232)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the glyphs of one kind stand.

    Attributes:
        size_mm: Width and height of the plate.
        boxes: One box per character.
        dot_mm: Middle of the round dot, or None.
        rows: 1 or 2.
        pen: Factor on stroke widths (small plates have thin strokes).
    """

    size_mm: tuple[int, int]
    boxes: tuple[Box, ...]
    dot_mm: tuple[int, int] | None
    rows: int = 1
    pen: float = 1.0


@dataclass(frozen=True, slots=True)
class Style:
    """How a maker pressed the plate.

    Attributes:
        latin: Face of letters and digits.
        chinese: Face of Chinese characters.
        latin_pen_mm: How much the outline of letters grows on every side.
        chinese_pen_mm: The same for Chinese characters.
    """

    latin: str
    chinese: str
    latin_pen_mm: float
    chinese_pen_mm: float


STYLES: Final = (
    Style("strokes", "noto-light", 2.4, 1.0),
    Style("strokes", "noto-regular", 3.0, 0.4),
    Style("open-regular", "noto-medium", 0.6, 0.0),
    Style("strokes", "noto-thin", 1.6, 1.6),
    Style("roboto-light", "noto-light", 2.2, 1.4),
    Style("noto-regular", "noto-regular", 1.4, 0.8),
    Style("open-condensed-bold", "noto-bold", -0.5, -0.6),
)
"""Weights that `draw_plate` offers, the most faithful first."""


def _row(first_x: int, top: int, widths: Sequence[int], height: int, gaps: Sequence[int]) -> tuple[Box, ...]:
    boxes = []
    x = first_x
    for width, gap in zip(widths, (*gaps, 0), strict=True):
        boxes.append((x, top, width, height))
        x += width + gap
    return tuple(boxes)


_CAR = Layout((440, 140), _row(15, 25, [45] * 7, 90, [12, 34, 12, 12, 12, 12]), (134, 70))
_NEW_ENERGY = Layout((480, 140), _row(15, 25, [45] + [43] * 7, 90, [9, 49, 9, 9, 9, 9, 9]), (136, 70))
_DOUBLE = Layout(
    (440, 220), (*_row(110, 15, [80] * 2, 60, [60]), *_row(27, 90, [65] * 5, 110, [15] * 4)), (220, 45), 2
)
_EMBASSY = Layout((440, 140), _row(15, 25, [45] * 7, 90, [12, 12, 34, 12, 12, 12]), (191, 70))
_CONSULATE = Layout((440, 140), _row(15, 25, [45] * 7, 90, [12, 12, 12, 34, 12, 12]), (248, 70))
_EIGHT = Layout((440, 140), _row(15, 25, [42] * 8, 90, [8, 26, 8, 8, 8, 8, 8]), (120, 70))
_MOTORCYCLE = Layout(
    (220, 140), (*_row(56, 10, [42] * 2, 40, [24]), *_row(14, 58, [32] * 5, 68, [8] * 4)), (110, 30), 2, 0.55
)


@dataclass(frozen=True, slots=True)
class Look:
    """Layout and colours of one kind; ``red`` are the positions printed in red (negative from the end)."""

    layout: Layout
    ground: Bgr
    ink: Bgr
    red: tuple[int, ...] = ()
    ground_below: Bgr | None = None
    yellow_until_mm: int = 0


LOOKS: Final[dict[PlateKind, tuple[Look, ...]]] = {
    PlateKind.BLUE: (Look(_CAR, BLUE, WHITE),),
    PlateKind.YELLOW: (Look(_CAR, YELLOW, BLACK),),
    PlateKind.YELLOW_DOUBLE: (Look(_DOUBLE, YELLOW, BLACK),),
    PlateKind.MOTORCYCLE: (Look(_MOTORCYCLE, YELLOW, BLACK), Look(_MOTORCYCLE, BLUE, WHITE)),
    PlateKind.GREEN_SMALL: (Look(_NEW_ENERGY, PALE_GREEN, BLACK, ground_below=DEEP_GREEN),),
    PlateKind.GREEN_LARGE: (
        Look(_NEW_ENERGY, PALE_GREEN, BLACK, ground_below=DEEP_GREEN, yellow_until_mm=125),
    ),
    PlateKind.POLICE: (Look(_CAR, WHITE, BLACK, red=(-1,)),),
    PlateKind.LEARNER: (Look(_CAR, YELLOW, BLACK),),
    PlateKind.TRAILER: (Look(_DOUBLE, YELLOW, BLACK),),
    PlateKind.TRIAL: (Look(_CAR, YELLOW, BLACK),),
    PlateKind.OVERSIZE: (Look(_CAR, YELLOW, BLACK),),
    PlateKind.HK_MACAU: (Look(_CAR, BLACK, WHITE),),
    PlateKind.EMBASSY: (Look(_EMBASSY, BLACK, WHITE, red=(-1,)),),
    PlateKind.CONSULATE: (Look(_CONSULATE, BLACK, WHITE, red=(-1,)),),
    PlateKind.ARMED_POLICE: (Look(_EIGHT, WHITE, BLACK, red=(0, 1)),),
    PlateKind.MILITARY: (Look(_CAR, WHITE, BLACK, red=(0,)),),
    PlateKind.EMERGENCY: (Look(_EIGHT, WHITE, BLACK, red=(-2, -1)),),
    PlateKind.CIVIL_AVIATION: (Look(_CAR, DEEP_GREEN, WHITE),),
}
"""How every current kind may look, the usual look first."""


def look_of(kind: PlateKind | str) -> Look:
    """Usual look of a kind.

    Raises:
        ValueError: No such kind is drawn.
    """
    try:
        return LOOKS[PlateKind(kind)][0]
    except (KeyError, ValueError):
        drawn = ", ".join(LOOKS)
        raise ValueError(f"no plate of kind {str(kind)!r} can be drawn; known: {drawn}") from None


def ink_field(text: str, layout: Layout, style: Style) -> NDArray[np.float32]:
    """Signed distance to the edge of all glyphs, positive inside.

    Args:
        text: As many characters as the layout has boxes.
        layout: Where they stand.
        style: Faces and pens.

    Returns:
        (height, width) float32 millimetres at 1 px/mm.

    Raises:
        ValueError: The text does not fit the layout, or a character has no glyph.
    """
    if len(text) != len(layout.boxes):
        raise ValueError(f"plate {text!r} has {len(text)} characters, this kind has {len(layout.boxes)}")
    width, height = layout.size_mm
    field = np.full((height + 2 * MARGIN_MM, width + 2 * MARGIN_MM), -9.0, np.float32)
    for char, (left, top, box_width, box_height) in zip(text, layout.boxes, strict=True):
        is_latin = char in LATIN
        face, pen = (style.latin, style.latin_pen_mm) if is_latin else (style.chinese, style.chinese_pen_mm)
        pen *= layout.pen
        # Outlines fill their box, so they shrink by what the pen adds; our strokes stand inside theirs
        # already.
        shrink = 0 if face == "strokes" else max(0, round(pen))
        try:
            glyph = distance_field(char, face, box_width - 2 * shrink, box_height - 2 * shrink)
        except ValueError:
            raise ValueError(f"plate {text!r}: no glyph for {char!r}") from None
        y, x = top + shrink, left + shrink
        part = field[y : y + glyph.shape[0], x : x + glyph.shape[1]]
        np.maximum(part, glyph[: part.shape[0], : part.shape[1]] + np.float32(pen), out=part)
    field = field[MARGIN_MM : MARGIN_MM + height, MARGIN_MM : MARGIN_MM + width]
    if layout.dot_mm is not None:
        x, y = layout.dot_mm
        ys, xs = np.ogrid[y - 12 : y + 12, x - 12 : x + 12]
        dot = 5.5 - np.hypot(xs + 0.5 - x, ys + 0.5 - y).astype(np.float32)
        part = field[y - 12 : y + 12, x - 12 : x + 12]
        np.maximum(part, dot, out=part)
    return np.ascontiguousarray(field)


@functools.lru_cache(maxsize=32)
def rim_field(size_mm: tuple[int, int], inset_mm: int = 5, corner_mm: int = 9) -> NDArray[np.float32]:
    """Signed distance to a rounded rectangle inset from the plate's edge, positive inside; read-only."""
    width, height = size_mm
    ys, xs = np.ogrid[:height, :width]
    half_w, half_h = width / 2 - inset_mm - corner_mm, height / 2 - inset_mm - corner_mm
    dx = np.maximum(np.abs(xs + 0.5 - width / 2) - half_w, 0)
    dy = np.maximum(np.abs(ys + 0.5 - height / 2) - half_h, 0)
    field = (corner_mm - np.hypot(dx, dy)).astype(np.float32)
    field.setflags(write=False)
    return field


def ground(look: Look) -> NDArray[np.float32]:
    """(height, width, 3) float32 BGR 0..255 at 1 px/mm: the plate without ink."""
    width, height = look.layout.size_mm
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = look.ground
    if look.ground_below is not None:
        # White at the top, full green from about three quarters down.
        share = np.clip((np.arange(height, dtype=np.float32) / height - 0.12) / 0.7, 0, 1)[:, None, None]
        picture += (np.array(look.ground_below, np.float32) - picture) * share
    if look.yellow_until_mm:
        picture[:, : look.yellow_until_mm] = YELLOW
    return picture


def draw_plate(text: str, kind: PlateKind | str, *, px_per_mm: float = 1.0, weight: int = 0) -> BgrImage:
    """Draw a clean plate, flat, from edge to edge.

    Args:
        text: Characters without dot or spaces, as the kind's grammar writes them.
        kind: A kind's value ("blue", "green_small", ...); see `LOOKS`.
        px_per_mm: Size; 1.0 gives 440 x 140 pixels for a car.
        weight: Number of the style in `STYLES` (counted round): faces and stroke widths.

    Returns:
        (height, width, 3) uint8 BGR.

    Raises:
        ValueError: Unknown kind, a text of the wrong length, or a character without glyph.
    """
    look = look_of(kind)
    field = ink_field(text, look.layout, STYLES[weight % len(STYLES)])
    return colour_plate(look, field, px_per_mm=px_per_mm)


def colour_plate(look: Look, field: NDArray[np.float32], *, px_per_mm: float = 1.0) -> BgrImage:
    """Turn the distance field of the glyphs into a picture; see `draw_plate`."""
    width, height = look.layout.size_mm
    size = (round(width * px_per_mm), round(height * px_per_mm))
    picture = ground(look)
    rim = rim_field(look.layout.size_mm)
    if px_per_mm != 1.0:
        picture, field, rim = (
            np.asarray(cv2.resize(each, size), np.float32) for each in (picture, field, rim)
        )
    # A line 3 mm wide runs around the plate.
    line = np.clip((1.5 - np.abs(rim - 1.5)) * px_per_mm + 0.5, 0, 1)[..., None]
    picture += (np.array(look.ink, np.float32) - picture) * line
    ink = np.empty_like(picture)
    ink[:] = look.ink
    for position in look.red:
        left, _, box_width, _ = look.layout.boxes[position]
        ink[:, round((left - 4) * px_per_mm) : round((left + box_width + 4) * px_per_mm)] = RED
    coverage = np.clip(field * px_per_mm + 0.5, 0, 1)[..., None]
    picture += (ink - picture) * coverage
    return np.clip(picture, 0, 255).astype(np.uint8)

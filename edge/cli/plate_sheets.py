"""Pictures that ``gatehouse eval`` writes about plates: the worst cases side by side, and curves.

Characters are drawn with the shapes of our own drawn plates, so that no system font is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import PictureUnusable
from models.plate.evaluate import Outcome
from models.plate.labels import Box, load_picture
from models.results import BgrImage
from models.training.glyphs import CHINESE, LATIN, MARGIN_MM, distance_field

_CELL_PX = (300, 132)
_PHOTO_PX = (300, 84)
_COLUMNS = 4
_INK, _GOOD, _BAD, _PAPER = (30, 30, 30), (60, 130, 30), (30, 30, 200), (250, 250, 250)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GLYPH_PX = (13, 22)
_BLUE, _ORANGE = (178, 114, 0), (0, 94, 213)


def worst_cases(outcomes: Sequence[Outcome], most: int = 40) -> BgrImage | None:
    """The plates that were not read right, each with what it says (green) and what was read (red).

    Args:
        outcomes: Of one reader.
        most: Cells at most; surely wrong ones come first.

    Returns:
        A contact sheet, or None when everything was right.
    """
    wrong = sorted((o for o in outcomes if not o.exact), key=lambda o: (-o.margin, o.file))[:most]
    if not wrong:
        return None
    cells = [_cell(outcome) for outcome in wrong]
    blank = np.full((_CELL_PX[1], _CELL_PX[0], 3), _PAPER, np.uint8)
    cells += [blank] * (-len(cells) % min(_COLUMNS, len(cells)))
    columns = min(_COLUMNS, len(cells))
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.asarray(np.vstack(rows), np.uint8)


def _cell(outcome: Outcome) -> BgrImage:
    cell = np.full((_CELL_PX[1], _CELL_PX[0], 3), _PAPER, np.uint8)
    try:
        photo = _around(load_picture(outcome.path), outcome.box)
        cell[4 : 4 + photo.shape[0], 4 : 4 + photo.shape[1]] = photo
    except PictureUnusable:
        cv2.putText(cell, "picture is gone", (8, 40), _FONT, 0.5, _BAD, 1, cv2.LINE_AA)
    write_plate(cell, outcome.truth, (6, 94), _GOOD)
    write_plate(cell, outcome.read, (150, 94), _BAD)
    if not outcome.read:
        what = "not read" if outcome.located else "not found"
        cv2.putText(cell, what, (150, 110), _FONT, 0.45, _BAD, 1, cv2.LINE_AA)
    name = outcome.file if outcome.file.isascii() else "?"
    cv2.putText(cell, f"{name[-30:]}  {outcome.margin:.1f}", (6, 128), _FONT, 0.33, _INK, 1, cv2.LINE_AA)
    return cell


def _around(picture: BgrImage, box: Box | None) -> BgrImage:
    """The plate with a little of what is around it, as large as its place on the sheet."""
    height, width = picture.shape[:2]
    if box is not None:
        left, top, right, bottom = box
        reach = max(bottom - top, (right - left) / 4) * 0.5
        x0, y0 = max(0, int(left - reach)), max(0, int(top - reach))
        x1, y1 = min(width, int(right + reach) + 1), min(height, int(bottom + reach) + 1)
        if x1 - x0 > 1 and y1 - y0 > 1:
            picture = picture[y0:y1, x0:x1]
    ratio = min((_PHOTO_PX[0] - 8) / picture.shape[1], _PHOTO_PX[1] / picture.shape[0])
    size = (max(1, round(picture.shape[1] * ratio)), max(1, round(picture.shape[0] * ratio)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def write_plate(sheet: BgrImage, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Write a plate's characters into a picture, in place; what has no shape becomes a box."""
    width, height = _GLYPH_PX
    for number, char in enumerate(text[:10]):
        x, y = at[0] + number * (width + 4), at[1]
        if char in LATIN or char in CHINESE:
            face = "open-regular" if char in LATIN else "noto-medium"
            field = distance_field(char, face, width, height)[MARGIN_MM:-MARGIN_MM, MARGIN_MM:-MARGIN_MM]
            cover = np.clip(field + np.float32(0.5), 0, 1)[..., None]
        else:
            cover = np.zeros((height, width, 1), np.float32)
            cover[[0, -1]] = cover[:, [0, -1]] = 1
        area: NDArray[np.uint8] = sheet[y : y + height, x : x + width]
        cover = cover[: area.shape[0], : area.shape[1]]
        area[:] = (area + (np.array(colour, np.float32) - area) * cover).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart: shares over one changing thing.

    Attributes:
        title, below: ASCII words above and under it.
        ticks: What stands under each point.
        lines: Name and shares 0..1 of each line, as many as there are ticks.
    """

    title: str
    below: str
    ticks: Sequence[str]
    lines: Sequence[tuple[str, Sequence[float]]]


_PANEL_PX = (430, 380)
_AXES = (62, 46, 20, 58)  # left, top, right, bottom


def draw_panels(panels: Sequence[Panel]) -> BgrImage:
    """Charts side by side: (380, 430 n, 3) uint8."""
    return np.asarray(np.hstack([_panel(panel) for panel in panels]), np.uint8)


def _panel(panel: Panel) -> BgrImage:
    width, height = _PANEL_PX
    left, top, right, bottom = _AXES
    chart = np.full((height, width, 3), 255, np.uint8)
    span_x, span_y = width - left - right, height - top - bottom

    def place(number: int, share: float) -> tuple[int, int]:
        across = number / max(len(panel.ticks) - 1, 1)
        return round(left + 14 + across * (span_x - 28)), round(top + (1 - share) * span_y)

    for tenth in range(11):
        _, y = place(0, tenth / 10)
        cv2.line(chart, (left, y), (width - right, y), (225, 225, 225), 1)
        if tenth % 2 == 0:
            cv2.putText(chart, f"{10 * tenth} %", (left - 52, y + 5), _FONT, 0.42, _INK, 1, cv2.LINE_AA)
    for number, tick in enumerate(panel.ticks):
        x, _ = place(number, 0)
        (wide, _), _ = cv2.getTextSize(tick, _FONT, 0.42, 1)
        cv2.putText(chart, tick, (x - wide // 2, height - bottom + 20), _FONT, 0.42, _INK, 1, cv2.LINE_AA)
    for number, (name, shares) in enumerate(panel.lines):
        colour = (_BLUE, _ORANGE)[number % 2]
        points = np.array([place(i, share) for i, share in enumerate(shares)], np.int32)
        cv2.polylines(chart, [points], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
        for x, y in points:
            cv2.circle(chart, (int(x), int(y)), 4, colour, -1, cv2.LINE_AA)
        y = height - bottom - 14 - 22 * (len(panel.lines) - 1 - number)
        cv2.putText(chart, name, (left + 16, y), _FONT, 0.46, colour, 1, cv2.LINE_AA)
    cv2.rectangle(chart, (left, top), (width - right, height - bottom), _INK, 1)
    cv2.putText(chart, panel.title, (left, 28), _FONT, 0.55, _INK, 1, cv2.LINE_AA)
    cv2.putText(chart, panel.below, (left, height - 14), _FONT, 0.45, _INK, 1, cv2.LINE_AA)
    return chart

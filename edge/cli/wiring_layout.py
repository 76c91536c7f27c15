"""A wiring plan as shapes on paper: boards left, devices right, a pair of wires for each row. Pure.

Pixels of a page 1200 wide; ``wiring_picture`` turns the shapes into SVG or PNG.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from edge.cli.wiring_plan import Plan, Row

WIDTH = 1200
_LEFT, _LEFT_END = 24, 340
_RIGHT, _RIGHT_END = 560, 830
_NOTE = 850
_HEAD, _ROW, _GAP, _BETWEEN = 68, 70, 28, 26
_TOP = 76
_INK, _GREY, _COMMON = "#22303c", "#66737f", "#3c4650"
_BOARD, _DEVICE = ("#e9f1f8", "#2f5d86"), ("#f8f1e4", "#8a6a2f")
_RELAY_WIRE, _CONTACT_WIRE, _SUPPLY = "#cf4a12", "#1769aa", "#b3151b"

_LEGEND = (
    "Contacts are drawn at rest. Barrier inputs take dry contacts only, no voltage. Low voltage, no mains.",
    "触点按静止状态绘制(无电、未动作)。道闸输入只接干接点,不得加电压;只用于低压,禁止接市电。",
)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with round corners."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 2.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A terminal screw."""

    x: float
    y: float
    radius: float = 5.0
    fill: str = "#ffffff"
    stroke: str = _INK


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text; ``anchor`` is start, middle or end; y is its base line."""

    x: float
    y: float
    text: str
    size: float = 14.0
    colour: str = _INK
    anchor: str = "start"
    is_bold: bool = False


Shape = Box | Line | Dot | Words


@dataclass(frozen=True, slots=True)
class Page:
    """A drawing: its size, its title for those who cannot see it, its shapes in the order of drawing."""

    width: int
    height: int
    title: str
    shapes: tuple[Shape, ...]


def lay_out(plan: Plan) -> Page:
    """Place everything."""
    tops = list(_tops(plan.rows))
    bottom = tops[-1] + _ROW if tops else _TOP
    title = f"{plan.lane}: {plan.title[0]} {plan.title[1]}"
    shapes: list[Shape] = [Words(_LEFT, 40, title, 22, is_bold=True)]
    shapes += _blocks(plan, tops)
    for row, top in zip(plan.rows, tops, strict=True):
        shapes += _row(row, top)
    shapes += _legend(bottom + _BETWEEN)
    return Page(WIDTH, bottom + _BETWEEN + 62, f"wiring of {title}", tuple(shapes))


def _tops(rows: Sequence[Row]) -> Iterator[int]:
    """Upper edge of each row; a new board or device needs room for its heading."""
    y, before = _TOP, None
    for row in rows:
        if before is None or row.board != before.board:
            y += _HEAD + (_BETWEEN if before is not None else 0)
        elif row.device != before.device:
            y += _GAP
        yield y
        y, before = y + _ROW, row


def _blocks(plan: Plan, tops: Sequence[int]) -> Iterator[Shape]:
    for name, first, last in _runs(plan.rows, tops, lambda row: row.board):
        plate = plan.boards[name]
        yield Box(_LEFT, first - _HEAD, _LEFT_END - _LEFT, last + _ROW - first + _HEAD, *_BOARD)
        yield Words(_LEFT + 12, first - 46, f"{plate.name}: {plate.title[0]}", 15, is_bold=True)
        small = (plate.where, plate.reached[0], f"{plate.title[1]};{plate.reached[1]}")
        for i, text in enumerate(words for words in small if words):
            yield Words(_LEFT + 12, first - 28 + 16 * i, text, 10.5, _GREY)
    for _, first, last in _runs(plan.rows, tops, lambda row: f"{row.board} {row.device}"):
        device = next(row.device for row, top in zip(plan.rows, tops, strict=True) if top == first)
        yield Box(_RIGHT, first - 16, _RIGHT_END - _RIGHT, last + _ROW - first + 12, *_DEVICE)
        yield Words(_RIGHT_END - 12, first + 4, f"{device[0]} {device[1]}", 15, anchor="end", is_bold=True)


def _runs(
    rows: Sequence[Row], tops: Sequence[int], key: Callable[[Row], str]
) -> Iterator[tuple[str, int, int]]:
    """Neighbours with the same key: it, and the upper edges of the first and the last of them."""
    for name, run in groupby(zip(rows, tops, strict=True), key=lambda item: key(item[0])):
        edges = [top for _, top in run]
        yield name, edges[0], edges[-1]


def _row(row: Row, top: int) -> Iterator[Shape]:
    upper, lower = top + 20, top + 50
    colour = _RELAY_WIRE if row.is_relay else _CONTACT_WIRE
    yield Line(((_LEFT_END, upper), (_RIGHT, upper)), _COMMON)
    yield Line(((_LEFT_END, lower), (_RIGHT, lower)), colour)
    for y, near, far in zip((upper, lower), row.board_terminals, row.device_terminals, strict=True):
        yield Dot(_LEFT_END, y)
        yield Dot(_RIGHT, y)
        yield Words(_LEFT_END - 14, y + 5, near, 13, anchor="end")
        yield Words(_RIGHT + 14, y + 5, far, 13)
    if row.is_fed:
        yield from _supply(upper)
    yield from _switch(_LEFT + 196 if row.is_relay else _RIGHT + 218, upper, lower, row.contact, colour)
    yield Words(_LEFT + 12, upper + 22, f"{row.title[0]} {row.title[1]}", 14, colour, is_bold=True)
    yield Words(_NOTE, upper + 8, row.note[0], 12.5, _GREY)
    yield Words(_NOTE, upper + 28, row.note[1], 12.5, _GREY)


def _switch(x: float, upper: float, lower: float, contact: str, colour: str) -> Iterator[Shape]:
    """A contact as it stands at rest: NO open, NC closed."""
    yield Line(((x, upper - 4), (x, upper + 6)), colour)
    yield Line(((x, lower - 6), (x, lower + 4)), colour)
    tip = (x + (13 if contact == "NO" else 3), upper + (9 if contact == "NO" else 5))
    yield Line(((x, lower - 6), tip), colour)
    if contact == "NC":
        yield Line(((x, upper + 6), (x + 7, upper + 6)), colour)
    yield Words(x + 18, (upper + lower) / 2 + 5, contact, 11, colour)


def _supply(y: float) -> Iterator[Shape]:
    """A battery in the upper wire: long stroke plus, short stroke minus."""
    x = (_LEFT_END + _RIGHT) / 2
    yield Box(x - 5, y - 3, 10, 6, "#ffffff", "#ffffff")
    yield Line(((x - 5, y - 7), (x - 5, y + 7)), _SUPPLY, 3.0)
    yield Line(((x + 5, y - 12), (x + 5, y + 12)), _SUPPLY)
    yield Words(x, y - 15, "supply of the device 设备电源", 11, _SUPPLY, "middle")


def _legend(y: float) -> Iterator[Shape]:
    for i, text in enumerate(_LEGEND):
        yield Words(_LEFT, y + 16 + 22 * i, text, 12.5, _GREY)

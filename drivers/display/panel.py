"""What stands on a card, drawn: as lines for a terminal, and as a small SVG for a page. Pure.

Neither needs a font of ours: terminal and browser have the Chinese one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from drivers.display.base import Colour
from drivers.display.text import cells, pad

_CELL_PX, _ROW_PX, _EDGE_PX, _FONT_PX = 14, 34, 10, 25
_GLOW = {Colour.RED: "#ff5a3c", Colour.GREEN: "#4be36b", Colour.YELLOW: "#ffd23c"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a card."""

    text: str = ""
    colour: Colour = Colour.RED

    def scrolls(self, columns: int) -> bool:
        """Whether it is longer than the card is wide."""
        return cells(self.text) > columns


def panel_text(rows: Sequence[Row], columns: int) -> str:
    """The card as lines in a frame; a scrolling text ends with ``»``."""
    lines = ["┌" + "─" * columns + "┐"]
    for row in rows:
        is_long = row.scrolls(columns)
        shown = pad(row.text, columns - 1) + "»" if is_long else pad(row.text, columns)
        lines.append(f"│{shown}│")
    return "\n".join([*lines, "└" + "─" * columns + "┘"])


def panel_svg(rows: Sequence[Row], columns: int, title: str = "") -> str:
    """The card as an SVG picture; a scrolling text moves."""
    width, height = columns * _CELL_PX + 2 * _EDGE_PX, len(rows) * _ROW_PX + 2 * _EDGE_PX
    glass = f'x="{_EDGE_PX}" width="{columns * _CELL_PX}" height="{height}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img">'
    )
    parts = [
        head,
        f"<title>{escape(title)}</title>" if title else "",
        f'<rect width="{width}" height="{height}" rx="6" fill="#14110f"/>',
        f'<clipPath id="glass"><rect {glass}/></clipPath>',
        '<g clip-path="url(#glass)" font-family="monospace" font-weight="bold">',
    ]
    for number, row in enumerate(rows):
        parts.append(_row_svg(row, columns, _EDGE_PX + number * _ROW_PX + round(_ROW_PX * 0.75)))
    return "\n".join([part for part in [*parts, "</g>", "</svg>"] if part])


def _row_svg(row: Row, columns: int, baseline_px: int) -> str:
    if not row.text:
        return ""
    long_px, wide_px = cells(row.text) * _CELL_PX, columns * _CELL_PX
    left_px = _EDGE_PX if row.scrolls(columns) else _EDGE_PX + (wide_px - long_px) // 2
    # Every character has its own place, so that no font of the reader can break the columns.
    places: list[str] = []
    for character in row.text:
        places.append(str(left_px))
        left_px += cells(character) * _CELL_PX
    move = (
        f'<animateTransform attributeName="transform" type="translate" from="{wide_px}" to="-{long_px}"'
        f' dur="{max(2, cells(row.text) // 4)}s" repeatCount="indefinite"/>'
        if row.scrolls(columns)
        else ""
    )
    return (
        f'<text x="{" ".join(places)}" y="{baseline_px}" font-size="{_FONT_PX}"'
        f' fill="{_GLOW[row.colour]}">{escape(row.text)}{move}</text>'
    )

"""Shapes on paper as SVG, or as PNG by OpenCV, whose own fonts hold Latin and Chinese."""

from functools import cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np

from edge.cli.wiring_layout import Box, Dot, Line, Page, Shape, Words
from models.results import BgrImage

_SCALE = 2  # pixels of PNG for one of the page, so that small print stays sharp
_FONTS = "'Noto Sans CJK SC','Microsoft YaHei','PingFang SC','Noto Sans',sans-serif"
_NORMAL, _BOLD = 400, 700


def to_svg(page: Page) -> str:
    """The page as an SVG document."""
    shapes = "\n".join(_svg_of(shape) for shape in page.shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{page.width}" height="{page.height}"'
        f' viewBox="0 0 {page.width} {page.height}" font-family={quoteattr(_FONTS)} role="img">\n'
        f"<title>{escape(page.title)}</title>\n"
        f'<rect width="{page.width}" height="{page.height}" fill="#ffffff"/>\n{shapes}\n</svg>\n'
    )


def to_picture(page: Page) -> BgrImage:
    """The page as pixels, twice as fine: (2 * height, 2 * width, 3) uint8, blue first."""
    picture = np.full((page.height * _SCALE, page.width * _SCALE, 3), 255, np.uint8)
    for shape in page.shapes:
        _paint(picture, shape)
    return picture


def _svg_of(shape: Shape) -> str:
    match shape:
        case Box(x, y, width, height, fill, stroke):
            return (
                f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}"'
                f' stroke="{stroke}" stroke-width="1.5"/>'
            )
        case Line(points, colour, width):
            path = " ".join(f"{x:g},{y:g}" for x, y in points)
            return (
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"'
                ' stroke-linecap="round"/>'
            )
        case Dot(x, y, radius, fill, stroke):
            return (
                f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{stroke}"'
                ' stroke-width="1.5"/>'
            )
        case Words(x, y, text, size, colour, anchor, is_bold):
            weight = ' font-weight="bold"' if is_bold else ""
            return (
                f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"'
                f"{weight}>{escape(text)}</text>"
            )


def _paint(picture: BgrImage, shape: Shape) -> None:
    match shape:
        case Box(x, y, width, height, fill, stroke):
            corners = _at(x, y), _at(x + width, y + height)
            cv2.rectangle(picture, *corners, _bgr(fill), cv2.FILLED)
            cv2.rectangle(picture, *corners, _bgr(stroke), _SCALE, cv2.LINE_AA)
        case Line(points, colour, width):
            path = np.array([_at(x, y) for x, y in points], np.int32)
            cv2.polylines(picture, [path], False, _bgr(colour), round(width * _SCALE), cv2.LINE_AA)
        case Dot(x, y, radius, fill, stroke):
            cv2.circle(picture, _at(x, y), round(radius * _SCALE), _bgr(fill), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(picture, _at(x, y), round(radius * _SCALE), _bgr(stroke), _SCALE, cv2.LINE_AA)
        case Words(x, y, text, size, colour, anchor, is_bold):
            weight, pixels = _BOLD if is_bold else _NORMAL, round(size * _SCALE)
            _, _, width, _ = cv2.getTextSize(
                (picture.shape[1], picture.shape[0]), text, (0, 0), _font(), pixels, weight
            )
            shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width
            left, base = _at(x, y)
            cv2.putText(picture, text, (round(left - shift), base), _bgr(colour), _font(), pixels, weight)


@cache
def _font() -> Any:
    """OpenCV's own font with Chinese in it."""
    return cv2.FontFace("uni")


def _at(x: float, y: float) -> tuple[int, int]:
    return round(x * _SCALE), round(y * _SCALE)


def _bgr(colour: str) -> tuple[int, int, int]:
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)

"""Draws the curves of an evaluation as a picture: who is recognised against who is let in by mistake."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from models.results import BgrImage

_WIDTH, _HEIGHT = 1100, 760
_LEFT, _RIGHT, _TOP, _BOTTOM = 100, 30, 70, 90
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK, _GRID, _PAPER = (40, 40, 40), (220, 220, 220), (255, 255, 255)
# Told apart also by who sees no red or no green (blue, vermilion, bluish green, purple; BGR).
_COLOURS = ((178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204))
_DECADES = 4  # the axis of mistakes goes from 1e-4 to 1


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of the chart.

    Attributes:
        label: ASCII; the font has nothing else.
        points: (rate of mistakes, share recognised), rates ascending.
        least_rate: Below this the pictures are too few to say anything; drawn thin.
    """

    label: str
    points: Sequence[tuple[float, float]]
    least_rate: float = 0.0


def draw_curves(title: str, below: str, left: str, curves: Sequence[Curve]) -> BgrImage:
    """Draw curves over a logarithmic axis of mistakes.

    Args:
        title: Above the chart; like all words here in ASCII.
        below: What the axis of mistakes says.
        left: What the axis of shares says.
        curves: Up to four.

    Returns:
        (760, 1100, 3) uint8.
    """
    chart = np.full((_HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    for decade in range(_DECADES + 1):
        rate = 10.0 ** (decade - _DECADES)
        for step in range(1, 10 if decade < _DECADES else 2):
            at, _ = _place(rate * step, 0)
            cv2.line(chart, (at, _TOP), (at, _HEIGHT - _BOTTOM), _GRID, 2 if step == 1 else 1)
        at, _ = _place(rate, 0)
        _write(
            chart, f"{rate:g}" if rate >= 1e-3 else "1e-4", (at, _HEIGHT - _BOTTOM + 28), 0.55, middle=True
        )
    for tenth in range(11):
        _, at = _place(1, tenth / 10)
        cv2.line(chart, (_LEFT, at), (_WIDTH - _RIGHT, at), _GRID, 1)
        _write(chart, f"{10 * tenth} %", (_LEFT - 68, at + 6), 0.5)
    cv2.rectangle(chart, (_LEFT, _TOP), (_WIDTH - _RIGHT, _HEIGHT - _BOTTOM), _INK, 1)
    for number, curve in enumerate(curves):
        _draw(chart, curve, _COLOURS[number % len(_COLOURS)])
    for number, curve in enumerate(curves):
        at = _HEIGHT - _BOTTOM - 24 - 30 * (len(curves) - 1 - number)
        colour = _COLOURS[number % len(_COLOURS)]
        (width, _), _ = cv2.getTextSize(curve.label, _FONT, 0.55, 1)
        start = _WIDTH - _RIGHT - 24 - width
        cv2.rectangle(chart, (start - 56, at - 18), (_WIDTH - _RIGHT - 10, at + 10), _PAPER, -1)
        cv2.line(chart, (start - 48, at - 5), (start - 12, at - 5), colour, 3, cv2.LINE_AA)
        _write(chart, curve.label, (start, at), 0.55)
    _write(chart, title, (_LEFT, 32), 0.75)
    _write(chart, left, (_LEFT, 58), 0.5)
    _write(chart, below, ((_LEFT + _WIDTH - _RIGHT) // 2, _HEIGHT - 24), 0.55, middle=True)
    return chart


def _draw(chart: BgrImage, curve: Curve, colour: tuple[int, int, int]) -> None:
    """The line; thin where the pictures are too few, with a dot at 1 in 100 and 1 in 1,000."""
    lowest = 10.0**-_DECADES
    points = [(rate, share) for rate, share in curve.points if rate >= lowest * 0.999]
    for (rate, share), (next_rate, next_share) in pairwise(points):
        thickness = 3 if rate >= curve.least_rate else 1
        cv2.line(chart, _place(rate, share), _place(next_rate, next_share), colour, thickness, cv2.LINE_AA)
    for rate, share in points:
        is_named = any(math.isclose(rate, named, rel_tol=1e-6) for named in (1e-2, 1e-3))
        if is_named and rate >= curve.least_rate:
            cv2.circle(chart, _place(rate, share), 6, colour, -1, cv2.LINE_AA)


def _place(rate: float, share: float) -> tuple[int, int]:
    across = (math.log10(rate) + _DECADES) / _DECADES
    return (
        round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT)),
        round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)),
    )


def _write(chart: BgrImage, text: str, at: tuple[int, int], size: float, *, middle: bool = False) -> None:
    if middle:
        (width, _), _ = cv2.getTextSize(text, _FONT, size, 1)
        at = (at[0] - width // 2, at[1])
    cv2.putText(chart, text, at, _FONT, size, _INK, 1, cv2.LINE_AA)

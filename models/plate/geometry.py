"""Quadrilaterals: cutting a plate upright out of a picture, joining rows, comparing boxes. Pure."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import BgrImage

Corners = NDArray[np.float32]
"""(4, 2) float32 pixels: left-top, right-top, right-bottom, left-bottom."""


def quad_size(corners: Corners) -> tuple[float, float]:
    """Width and height of a quadrilateral: the longer of its opposite sides."""
    top, right, bottom, left = (float(np.linalg.norm(corners[(i + 1) % 4] - corners[i])) for i in range(4))
    return max(top, bottom), max(left, right)


def stretch(corners: Corners, left: float, right: float, across: float) -> Corners:
    """Move the sides outwards in the quadrilateral's own directions, by fractions of its height.

    ``left`` and ``right`` move these sides, ``across`` both upper and lower; negative values shrink.
    """
    _, height = quad_size(corners)
    along = corners[1] + corners[2] - corners[0] - corners[3]
    down = corners[2] + corners[3] - corners[0] - corners[1]
    along = along / max(float(np.linalg.norm(along)), 1e-6) * height
    down = down / max(float(np.linalg.norm(down)), 1e-6) * height * across
    moves = (-along * left - down, along * right - down, along * right + down, -along * left + down)
    return np.asarray(corners + np.array(moves), dtype=np.float32)


def grow(corners: Corners, across: float, along: float) -> Corners:
    """``stretch`` by the same amount on both sides."""
    return stretch(corners, along, along, across)


def cut_upright(image: BgrImage, corners: Corners) -> BgrImage:
    """Warp the quadrilateral to an upright rectangle of about its own size."""
    width, height = (max(round(side), 2) for side in quad_size(corners))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    cut = cv2.warpPerspective(
        image, warp, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, dtype=np.uint8)


def cut_to(image: BgrImage, corners: NDArray[np.floating], size_px: tuple[int, int]) -> BgrImage:
    """Warp the quadrilateral to an upright rectangle of a given width and height.

    A large one is cut out at two, three, ... times the size and then averaged: no stroke may be skipped.
    """
    tall = max(
        float(np.linalg.norm(corners[3] - corners[0])), float(np.linalg.norm(corners[2] - corners[1])), 1.0
    )
    times = int(np.clip(tall / size_px[1], 1, 6))
    width, height = size_px[0] * times, size_px[1] * times
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform((corners - 0.5).astype(np.float32), target)
    flat = cv2.warpPerspective(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if times > 1:
        flat = cv2.resize(flat, size_px, interpolation=cv2.INTER_AREA)
    return np.asarray(flat, np.uint8)


def whole_of(image: BgrImage) -> Corners:
    """Corners of the whole picture."""
    height, width = image.shape[:2]
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)


def part(corners: Corners, left: float, top: float, right: float, bottom: float) -> Corners:
    """A part of the quadrilateral, by fractions of its sides; below 0 or above 1 reaches outside."""

    def point(x: float, y: float) -> NDArray[np.float32]:
        upper = corners[0] + (corners[1] - corners[0]) * x
        lower = corners[3] + (corners[2] - corners[3]) * x
        return np.asarray(upper + (lower - upper) * y, dtype=np.float32)

    return np.stack([point(left, top), point(right, top), point(right, bottom), point(left, bottom)])


def part_of_plate(
    corners: NDArray[np.floating], left: float, top: float, right: float, bottom: float
) -> Corners:
    """``part`` of a plate that hangs in space: shares of its own sides, as seen in perspective."""
    flat = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, np.asarray(corners, np.float32))
    inner = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float32)
    return np.asarray(cv2.perspectiveTransform(inner, matrix)[0], np.float32)


def around_both(upper: Corners, lower: Corners) -> Corners:
    """The quadrilateral of two rows: as wide as the lower, from the upper's top to the lower's bottom."""
    lift = (upper[0] + upper[1]) / 2 - (lower[0] + lower[1]) / 2
    down = lower[3] - lower[0]
    along = float(np.dot(lift, down) / max(float(np.dot(down, down)), 1e-6))
    joined = lower.copy()
    joined[0] = lower[0] + down * along
    joined[1] = lower[1] + (lower[2] - lower[1]) * along
    return joined.astype(np.float32)


def box_iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two upright boxes (left, top, right, bottom)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)

"""A drawn car, seen from the front and above: flat textured surfaces put into the picture by perspective.

Car coordinates are metres: x to the right on the picture, y up, z back from the front bumper. Everything is
drawn by this file; no photograph is used.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import BgrImage
from models.training.scenery import NEAR_M, Eye, Points, fill

LENGTH_M = 4.4
PLATE_Y_M = 0.46
"""Height of the middle of the plate above the road."""
_PX_PER_M = 320
_HALF_WIDTH_M = 0.92
_FRONT_TOP_M = 0.82

Bgr = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A flat four-sided piece of the car.

    Attributes:
        pyramid: (height, width, 4) uint8 BGRA pictures, each half the size of the one before.
        corners: (4, 3) metres: left-far, right-far, right-near, left-near (top of the picture is far or
            high).
    """

    pyramid: tuple[NDArray[np.uint8], ...]
    corners: Points


@dataclass(frozen=True, slots=True, eq=False)
class Car:
    """Surfaces from back to front, the plate's corners, and the lamps' middles for the glow at night."""

    surfaces: tuple[Surface, ...]
    plate_corners: Points
    lamps: Points
    plate: Surface


def _pyramid(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    levels = [picture]
    while min(levels[-1].shape[:2]) > 24 and len(levels) < 5:
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return tuple(levels)


def _sheet(width_m: float, height_m: float, colour: Bgr) -> NDArray[np.uint8]:
    """An opaque BGRA rectangle of one colour."""
    sheet = np.empty((round(height_m * _PX_PER_M), round(width_m * _PX_PER_M), 4), np.uint8)
    sheet[:] = (*colour, 255)
    return sheet


def _tone(colour: Bgr, light: float) -> tuple[float, float, float, float]:
    """Colour times light, with a little of the sky in what is bright; opaque."""
    sky = max(0.0, light - 1.0) * 60
    b, g, r = (min(255.0, channel * light + sky) for channel in colour)
    return (b, g, r, 255.0)


def _shade(sheet: NDArray[np.uint8], top: float, bottom: float, *, edge: float = 0.0) -> None:
    """Multiply a sheet's colour by a light that runs from top to bottom and falls off towards both sides."""
    height, width = sheet.shape[:2]
    rows = np.linspace(top, bottom, height, dtype=np.float32)[:, None]
    columns = 1 - edge * np.abs(np.linspace(-1, 1, width, dtype=np.float32))[None] ** 4
    sheet[..., :3] = np.clip(sheet[..., :3] * (rows * columns)[..., None], 0, 255).astype(np.uint8)


def _poly(sheet: NDArray[np.uint8], points_m: list[tuple[float, float]], colour: tuple[float, ...]) -> None:
    """Fill a polygon given in metres: x from the middle, y down from the top."""
    pixels = np.array([(x * _PX_PER_M + sheet.shape[1] / 2, y * _PX_PER_M) for x, y in points_m])
    cv2.fillPoly(sheet, [np.round(pixels * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _both(sheet: NDArray[np.uint8], points_m: list[tuple[float, float]], colour: tuple[float, ...]) -> None:
    """Fill a polygon and its mirror picture."""
    _poly(sheet, points_m, colour)
    _poly(sheet, [(-x, y) for x, y in points_m], colour)


def _front(colour: Bgr, rng: np.random.Generator, *, lit: bool) -> NDArray[np.uint8]:
    """Bumper, grille, lamps, fog lamps, wheels; y is measured down from the edge of the bonnet."""
    sheet = _sheet(2 * _HALF_WIDTH_M, _FRONT_TOP_M, colour)
    _shade(sheet, 1.08, 0.62, edge=0.35)
    dark = (34.0, 32.0, 30.0, 255.0)
    _poly(
        sheet, [(-0.86, 0.62), (0.86, 0.62), (0.80, 0.70), (-0.80, 0.70)], dark
    )  # lower air intake and shadow
    _both(sheet, [(0.62, 0.66), (0.86, 0.62), (0.86, 0.82), (0.66, 0.82)], (22, 22, 22, 255))  # tyres
    sheet[round(0.72 * _PX_PER_M) :, round(0.28 * _PX_PER_M) : -round(0.28 * _PX_PER_M), 3] = (
        0  # under the car
    )
    half, drop = rng.uniform(0.34, 0.44), rng.uniform(0.15, 0.20)
    _poly(sheet, [(-half, 0.05), (half, 0.05), (half - 0.07, 0.05 + drop), (0.07 - half, 0.05 + drop)], dark)
    bars = int(rng.integers(3, 6))
    for i in range(bars):  # bars of the grille
        y = 0.065 + drop * (i + 0.5) / (bars + 0.3)
        cut = half - 0.02 - 0.07 * (i + 0.5) / bars
        _poly(sheet, [(-cut, y), (cut, y), (cut, y + 0.010), (-cut, y + 0.010)], (128, 128, 128, 255))
    centre = (sheet.shape[1] // 2, round(0.12 * _PX_PER_M))
    cv2.circle(sheet, centre, round(0.052 * _PX_PER_M), (196, 196, 196, 255), -1, cv2.LINE_AA)
    cv2.circle(sheet, centre, round(0.036 * _PX_PER_M), (92, 88, 84, 255), -1, cv2.LINE_AA)
    lamp = (244, 246, 250, 255) if lit else (196, 202, 204, 255)
    outer = rng.uniform(0.02, 0.06)
    _both(sheet, [(half + 0.03, 0.07), (0.87, outer), (0.89, 0.20), (half + 0.10, 0.23)], (70, 68, 66, 255))
    _both(sheet, [(half + 0.07, 0.09), (0.85, outer + 0.03), (0.86, 0.18), (half + 0.12, 0.205)], lamp)
    for side in (-1, 1):
        spot = (round((side * (half + 0.22) + _HALF_WIDTH_M) * _PX_PER_M), round(0.14 * _PX_PER_M))
        cv2.circle(sheet, spot, round(0.045 * _PX_PER_M), (255, 255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(sheet, spot, round(0.045 * _PX_PER_M), (120, 120, 122, 255), 2, cv2.LINE_AA)
        fog = (round((side * 0.68 + _HALF_WIDTH_M) * _PX_PER_M), round(0.52 * _PX_PER_M))
        cv2.ellipse(sheet, fog, (26, 17), 0, 0, 360, (58, 58, 58, 255), -1, cv2.LINE_AA)
        cv2.circle(sheet, fog, 11, (205, 208, 208, 255), -1, cv2.LINE_AA)
    _poly(sheet, [(-0.88, 0.265), (0.88, 0.265), (0.88, 0.273), (-0.88, 0.273)], _tone(colour, 0.5))
    _poly(
        sheet, [(-0.30, 0.275), (0.30, 0.275), (0.28, 0.46), (-0.28, 0.46)], _tone(colour, 0.72)
    )  # plate seat
    _poly(sheet, [(-0.5, 0.50), (0.5, 0.50), (0.44, 0.60), (-0.44, 0.60)], dark)
    # Round the lower corners.
    height, width = sheet.shape[:2]
    mask = np.full((height, width), 255, np.uint8)
    cut_px = round(0.05 * _PX_PER_M)
    for x in (0, width - 1):
        cv2.fillPoly(mask, [np.array([(x, 0), (abs(x - cut_px), 0), (x, cut_px * 2)])], 0, cv2.LINE_AA)
    sheet[..., 3] = np.minimum(sheet[..., 3], mask)
    return sheet


def _bonnet(colour: Bgr) -> NDArray[np.uint8]:
    sheet = _sheet(2 * _HALF_WIDTH_M, 1.1, colour)
    _shade(sheet, 1.22, 0.98, edge=0.25)
    for light, x in ((0.82, 0.46), (1.25, 0.475)):
        for side in (-1, 1):
            middle = sheet.shape[1] / 2
            start = (round(middle + side * x * _PX_PER_M), 0)
            end = (round(middle + side * (x + 0.17) * _PX_PER_M), sheet.shape[0] - 1)
            cv2.line(sheet, start, end, _tone(colour, light), 3, cv2.LINE_AA)
    glow = np.zeros(sheet.shape[:2], np.float32)
    cv2.ellipse(glow, (sheet.shape[1] // 2, 90), (230, 60), 0, 0, 360, 34.0, -1)
    soft = cv2.GaussianBlur(glow, (0, 0), 38)
    sheet[..., :3] = np.clip(sheet[..., :3] + soft[..., None], 0, 255).astype(np.uint8)
    return sheet


def _windscreen(colour: Bgr, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Glass with pillars, the sky's reflection, a dark driver, seats, a permit sticker and both mirrors."""
    sheet = np.zeros((round(0.9 * _PX_PER_M), round(2.1 * _PX_PER_M), 4), np.uint8)
    _both(sheet, [(0.78, 0.66), (1.03, 0.62), (1.03, 0.78), (0.86, 0.80)], _tone(colour, 0.85))  # mirrors
    _both(sheet, [(0.90, 0.66), (1.01, 0.64), (1.01, 0.76), (0.90, 0.77)], (50, 50, 52, 255))
    _poly(sheet, [(-0.60, 0.0), (0.60, 0.0), (0.84, 0.9), (-0.84, 0.9)], _tone(colour, 0.9))
    glass = [(-0.545, 0.035), (0.545, 0.035), (0.765, 0.86), (-0.765, 0.86)]
    _poly(sheet, glass, (72, 62, 54, 255))
    _both(sheet, [(0.16, 0.30), (0.42, 0.30), (0.46, 0.86), (0.12, 0.86)], (50, 46, 42, 255))  # seats
    head = (round((0.29 + 1.05) * _PX_PER_M), round(0.36 * _PX_PER_M))
    cv2.ellipse(sheet, head, (30, 44), 0, 0, 360, (92, 104, 124, 255), -1, cv2.LINE_AA)
    _poly(sheet, [(0.12, 0.62), (0.46, 0.62), (0.50, 0.86), (0.08, 0.86)], (64, 58, 84, 255))
    shine = np.zeros(sheet.shape[:2], np.float32)
    x = rng.uniform(-0.5, 0.1)
    band = np.array([(x, 0.03), (x + 0.26, 0.03), (x + 0.05, 0.87), (x - 0.34, 0.87)])
    pixels = np.round(band * _PX_PER_M + (sheet.shape[1] / 2, 0)).astype(np.int32)
    cv2.fillPoly(shine, [pixels], 55.0)
    shine = (
        cv2.GaussianBlur(shine, (0, 0), 12) + np.linspace(46, 0, sheet.shape[0], dtype=np.float32)[:, None]
    )
    area = np.zeros(sheet.shape[:2], np.uint8)
    cv2.fillPoly(area, [np.round(np.array(glass) * _PX_PER_M + (sheet.shape[1] / 2, 0)).astype(np.int32)], 1)
    sheet[..., :3] = np.clip(sheet[..., :3] + (shine * area)[..., None], 0, 255).astype(np.uint8)
    _poly(sheet, [(-0.52, 0.12), (-0.42, 0.12), (-0.43, 0.20), (-0.54, 0.20)], (190, 210, 190, 255))
    _poly(sheet, [(-0.07, 0.04), (0.07, 0.04), (0.08, 0.10), (-0.08, 0.10)], (30, 30, 30, 255))
    return sheet


def _quad(
    z_far: float, y_far: float, half_far: float, z_near: float, y_near: float, half_near: float
) -> Points:
    return np.array(
        [
            (-half_far, y_far, z_far),
            (half_far, y_far, z_far),
            (half_near, y_near, z_near),
            (-half_near, y_near, z_near),
        ]
    )


def build_car(
    plate: BgrImage, plate_mm: tuple[int, int], colour: Bgr, rng: np.random.Generator, *, lit: bool = False
) -> Car:
    """Make the surfaces of one car.

    Args:
        plate: Flat picture of its plate.
        plate_mm: Size of that plate.
        colour: Body colour, BGR.
        rng: Decides grille, lamps and reflections.
        lit: Headlights on.
    """
    deck = _sheet(1.7, 1.2, colour)
    _shade(deck, 0.85, 1.0, edge=0.2)
    _poly(deck, [(-0.55, 0.45), (0.55, 0.45), (0.50, 1.18), (-0.50, 1.18)], (66, 60, 54, 255))  # rear window
    shoulder = _sheet(1.84, 1.0, colour)
    _shade(shoulder, 0.75, 0.9)
    roof = _sheet(1.2, 1.4, colour)
    _shade(roof, 1.0, 1.3, edge=0.12)
    cheeks = _sheet(1.6, 0.5, (58, 52, 46))
    parts = (
        (shoulder, _quad(4.3, 0.90, 0.84, 0.9, 0.94, 0.91)),
        (deck, _quad(4.35, 1.00, 0.76, 3.0, 1.42, 0.57)),
        (cheeks, _quad(3.3, 1.20, 0.72, 1.3, 1.12, 0.76)),
        (roof, _quad(3.15, 1.41, 0.57, 1.72, 1.40, 0.585)),
        (_windscreen(colour, rng), _quad(1.74, 1.405, 1.05, 0.98, 0.93, 1.05)),
        (_bonnet(colour), _quad(1.08, 0.95, 0.86, 0.04, 0.80, 0.90)),
        (_front(colour, rng, lit=lit), _quad(0.0, _FRONT_TOP_M, _HALF_WIDTH_M, 0.0, 0.0, _HALF_WIDTH_M)),
    )
    half, tall = plate_mm[0] / 2000, plate_mm[1] / 2000
    plate_corners = np.array(
        [
            (-half, PLATE_Y_M + tall, -0.02),
            (half, PLATE_Y_M + tall, -0.02),
            (half, PLATE_Y_M - tall, -0.02),
            (-half, PLATE_Y_M - tall, -0.02),
        ]
    )
    opaque = np.dstack([plate, np.full(plate.shape[:2], 255, np.uint8)])
    surfaces = tuple(Surface(_pyramid(picture), corners) for picture, corners in parts)
    lamps = np.array([(-0.66, _FRONT_TOP_M - 0.14, -0.02), (0.66, _FRONT_TOP_M - 0.14, -0.02)])
    return Car(surfaces, plate_corners, lamps, Surface(_pyramid(opaque), plate_corners))


def _put(picture: BgrImage, surface: Surface, eye: Eye, shift: Points, light: float) -> None:
    """Warp one surface into the picture, cutting off what is behind the camera."""
    corners = surface.corners + shift
    depth = eye.axes(corners)[:, 2]
    far, near = min(depth[0], depth[1]), min(depth[2], depth[3])
    if far <= NEAR_M:
        return
    cut = 1.0
    if near < NEAR_M:  # the near edge lies behind the camera: keep the part of the picture before it
        cut = (far - NEAR_M) / (far - near) * 0.999
        corners[2] = corners[1] + (corners[2] - corners[1]) * cut
        corners[3] = corners[0] + (corners[3] - corners[0]) * cut
    target = eye.project(corners)
    height, width = picture.shape[:2]
    left, top = np.floor(np.maximum(target.min(axis=0) - 1, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(target.max(axis=0) + 2, (width, height))).astype(int)
    if right - left < 2 or bottom - top < 2:
        return
    wide = float(max(np.linalg.norm(target[1] - target[0]), np.linalg.norm(target[2] - target[3])))
    tall = float(max(np.linalg.norm(target[3] - target[0]), np.linalg.norm(target[2] - target[1]))) / cut
    level = 0
    while level + 1 < len(surface.pyramid) and (
        surface.pyramid[level + 1].shape[1] >= wide and surface.pyramid[level + 1].shape[0] >= tall
    ):
        level += 1
    sheet = surface.pyramid[level]
    sheet_h, sheet_w = sheet.shape[0] * cut, float(sheet.shape[1])
    source = np.array([(0, 0), (sheet_w, 0), (sheet_w, sheet_h), (0, sheet_h)], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(source, (target - (left, top) - 0.5).astype(np.float32))
    warped = cv2.warpPerspective(
        sheet, matrix, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR
    )
    area = picture[top:bottom, left:right]
    colour = cv2.convertScaleAbs(warped[..., :3], alpha=light)
    alpha = warped[..., 3]
    area[:] = cv2.blendLinear(
        colour,
        area,
        alpha.astype(np.float32) / np.float32(255),
        (255 - alpha).astype(np.float32) / np.float32(255),
    )


def put_car(
    picture: BgrImage,
    car: Car,
    eye: Eye,
    z_m: float,
    x_m: float = 0.0,
    *,
    light: float = 1.0,
    plate_light: float = 1.0,
) -> NDArray[np.float64] | None:
    """Draw a car into the picture, in place.

    Args:
        picture: The lane.
        car: From `build_car`.
        eye: The camera.
        z_m: Where its front bumper is.
        x_m: How far right of the lane's middle it drives.
        light: Brightness of the body (about 0.3 at night).
        plate_light: Brightness of the plate (retroreflecting at night).

    Returns:
        (4, 2) pixels of the plate's corners (may lie outside the picture), or None when it is behind the
        camera.
    """
    shift = np.array([x_m, 0.0, z_m])
    shadow = np.array([(-0.98, 0, 4.45), (0.98, 0, 4.45), (1.0, 0, -0.12), (-1.0, 0, -0.12)]) + shift
    fill(picture, eye.polygon(shadow), (46 * light, 46 * light, 46 * light))
    for surface in car.surfaces:
        _put(picture, surface, eye, shift, light)
    _put(picture, car.plate, eye, shift, plate_light)
    corners = car.plate_corners + shift
    return eye.project(corners) if eye.axes(corners)[:, 2].min() > NEAR_M else None

"""A lane without cars, seen by a pinhole camera above it.

Lane coordinates are metres: x to the right, y up from the road, z along the lane away from the camera's foot.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import BgrImage

Points = NDArray[np.float64]
NEAR_M = 0.35
"""Nothing nearer than this along the optical axis is drawn."""


@dataclass(frozen=True, slots=True)
class Eye:
    """A pinhole camera that looks along the lane, tilted down.

    Attributes:
        size_px: Width and height of the picture.
        focal_px: Focal length.
        height_m: Above the road.
        side_m: Right of the lane's middle line.
        tilt_rad: Downwards.
        yaw_rad: To the right.
    """

    size_px: tuple[int, int]
    focal_px: float
    height_m: float
    side_m: float
    tilt_rad: float
    yaw_rad: float = 0.0

    def axes(self, points: Points) -> Points:
        """Lane points (n, 3) to camera axes (right, down, depth) in metres."""
        x, y, z = (points - (self.side_m, self.height_m, 0.0)).T
        cos_yaw, sin_yaw = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        right, ahead = x * cos_yaw - z * sin_yaw, x * sin_yaw + z * cos_yaw
        cos_tilt, sin_tilt = math.cos(self.tilt_rad), math.sin(self.tilt_rad)
        return np.stack([right, -y * cos_tilt - ahead * sin_tilt, ahead * cos_tilt - y * sin_tilt], axis=1)

    def project(self, points: Points) -> Points:
        """Lane points (n, 3) in front of the camera to pixels (n, 2)."""
        right, down, depth = self.axes(points).T
        centre = np.asarray(self.size_px, np.float64) / 2
        pixels: Points = np.stack([right, down], axis=1) / depth[:, None] * self.focal_px + centre
        return pixels

    def polygon(self, points: Points) -> NDArray[np.int32] | None:
        """Outline of a flat polygon cut at `NEAR_M`, as cv2 points with 4 fractional bits; None if behind."""
        camera = self.axes(points)
        kept = []
        for here, there in zip(camera, np.roll(camera, -1, axis=0), strict=True):
            if here[2] >= NEAR_M:
                kept.append(here)
            if (here[2] >= NEAR_M) != (there[2] >= NEAR_M):
                kept.append(here + (there - here) * (NEAR_M - here[2]) / (there[2] - here[2]))
        if len(kept) < 3:
            return None
        right, down, depth = np.asarray(kept).T
        centre = np.asarray(self.size_px, np.float64) / 2
        pixels = np.stack([right, down], axis=1) / depth[:, None] * self.focal_px + centre
        fixed: NDArray[np.int32] = np.round(np.clip(pixels, -8000, 8000) * 16).astype(np.int32)
        return fixed


def gate_eye(size_px: tuple[int, int]) -> Eye:
    """Camera of a gate: 2 m up, a little right of the middle; a car stops 3.8 m before it."""
    return Eye(
        size_px, focal_px=1300 * size_px[1] / 720, height_m=2.0, side_m=0.35, tilt_rad=math.radians(14)
    )


def fill(picture: BgrImage, outline: NDArray[np.int32] | None, colour: tuple[float, float, float]) -> None:
    """Fill a polygon from `Eye.polygon` in place, with smooth edges."""
    if outline is not None:
        cv2.fillPoly(picture, [outline], colour, lineType=cv2.LINE_AA, shift=4)


def _speckle(rng: np.random.Generator, shape: tuple[int, int], grain_px: int) -> NDArray[np.float32]:
    """Smooth random field of mean 0 and deviation about 1."""
    height, width = shape
    small = rng.standard_normal((height // grain_px + 3, width // grain_px + 3)).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _box(
    picture: BgrImage,
    eye: Eye,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    colour: tuple[float, float, float],
) -> None:
    """An upright box: its side towards the lane, then its front."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    inner = x1 if x1 < eye.side_m else x0
    side = np.array([(inner, y0, z0), (inner, y1, z0), (inner, y1, z1), (inner, y0, z1)])
    top = np.array([(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)])
    front = np.array([(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)])
    for face, light in ((top, 1.12), (side, 0.82), (front, 1.0)):
        fill(picture, eye.polygon(face), (colour[0] * light, colour[1] * light, colour[2] * light))


def draw_lane(eye: Eye, rng: np.random.Generator, *, stop_z_m: float = 3.6) -> BgrImage:
    """Draw the empty lane by day: sky, houses, trees, wall, kerbs, road with stop line, barrier housing.

    Args:
        eye: The camera.
        rng: Decides trees, windows, stains and shades.
        stop_z_m: Where the stop line is.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    width, height = eye.size_px
    horizon = float(eye.project(np.array([[0.0, eye.height_m, 1e6]]))[0, 1])
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to((236, 214, 190) + rows * (10, 16, 26), (height, width, 3)).astype(
        np.uint8, order="C"
    )

    ground = np.array([(-60, 0, 0.5), (60, 0, 0.5), (60, 0, 300), (-60, 0, 300)], np.float64)
    fill(picture, eye.polygon(ground), (96, 128, 112))
    for _ in range(7):  # houses far behind
        x, z = rng.uniform(-45, 45), rng.uniform(60, 120)
        shade = rng.uniform(130, 195)
        _box(
            picture,
            eye,
            (x, 0, z),
            (x + rng.uniform(8, 18), rng.uniform(8, 30), z + 10),
            (shade + 8, shade, shade - 6),
        )
    for _ in range(46):  # trees: a trunk and some round crowns
        side = -1 if rng.random() < 0.5 else 1
        x, z = side * rng.uniform(4.5, 16), rng.uniform(14, 55)
        (px, base), (_, top) = eye.project(np.array([(x, 0, z), (x, rng.uniform(3, 6), z)]))
        radius = max(3.0, (base - top) * 0.3)
        cv2.line(picture, (int(px), int(base)), (int(px), int(top)), (52, 66, 78), max(1, int(radius / 4)))
        for _ in range(9):
            green = rng.uniform(0.7, 1.25)
            spot = (int(px + rng.normal(0, radius * 0.55)), int(top + rng.normal(0, radius * 0.45)))
            colour = (46 * green, 98 * green, 62 * green)
            cv2.circle(picture, spot, int(radius * rng.uniform(0.4, 0.8)), colour, -1, cv2.LINE_AA)
    _box(picture, eye, (-7.0, 0, 5), (-4.2, 1.9, 38), (150, 168, 182))  # wall
    _box(picture, eye, (3.6, 0, 9), (6.0, 1.2, 45), (66, 110, 72))  # hedge
    road = np.array([(-2.6, 0, 0.5), (2.6, 0, 0.5), (2.6, 0, 80), (-2.6, 0, 80)], np.float64)
    fill(picture, eye.polygon(road), (104, 106, 106))
    for x in (-2.6, 2.6):
        _box(picture, eye, (min(x, x * 1.09), 0, 0.8), (max(x, x * 1.09), 0.14, 80), (178, 182, 184))
    for x in (-1.75, 1.75):
        stripe = np.array([(x - 0.05, 0, 0.6), (x + 0.05, 0, 0.6), (x + 0.05, 0, 70), (x - 0.05, 0, 70)])
        fill(picture, eye.polygon(stripe), (206, 208, 208))
    line = np.array(
        [(-1.7, 0, stop_z_m - 0.2), (1.7, 0, stop_z_m - 0.2), (1.7, 0, stop_z_m), (-1.7, 0, stop_z_m)]
    )
    fill(picture, eye.polygon(line), (222, 224, 224))
    _box(picture, eye, (-2.35, 0.0, 5.2), (-2.0, 1.05, 5.55), (30, 120, 236))  # barrier housing
    _box(picture, eye, (2.75, 0.0, 6.5), (3.15, 2.4, 6.9), (160, 160, 164))  # gate pillar

    mask = (np.arange(height, dtype=np.float32)[:, None] > horizon).astype(np.float32)
    grain = _speckle(rng, (height, width), 2) * 3.5 + _speckle(rng, (height, width), 40) * 5.0
    noisy: BgrImage = np.clip(picture + (grain * (0.25 + 0.75 * mask))[..., None], 0, 255).astype(np.uint8)
    return noisy

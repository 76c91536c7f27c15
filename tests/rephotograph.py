"""Simulated presentation attacks: a picture shown on a screen or on paper, photographed again.

This is a simulation and nothing else: no spoof pictures were at hand when it was written. What is modelled:
the grid of red, green and blue stripes of a screen sampled by the camera's own grid behind its colour filter
(which makes moire), the bezel, gamma and blue cast, the gamut and black of print, blur, glare, noise, JPEG,
and a flat thing held by a moving hand (a track of homographies). What is not: real optics, flicker, curved
paper, masks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Corners = NDArray[np.float64]
_STEPS = (-0.25, 0.25)  # samples a side in one pixel of the camera


@dataclass(frozen=True, slots=True)
class Medium:
    """What the picture is shown on.

    Attributes:
        name: For tables. is_screen: Else paper.
        rows: Screen pixels from the top to the bottom of the picture; 0 for paper.
        border: Bezel or margin, as a share of the picture's height; 0: none in view.
        border_level: Grey of it, 0..1.
        blue: Added to blue, taken from red, 0..0.2. gamma: Of the screen against sRGB.
        black, white: Darkest and brightest of it, 0..1. colour: Saturation kept.
        blur_px: Of the second camera. glare: Strength, 0..1.
    """

    name: str
    is_screen: bool
    rows: int = 0
    border: float = 0.08
    border_level: float = 0.03
    blue: float = 0.06
    gamma: float = 1.1
    black: float = 0.02
    white: float = 1.0
    colour: float = 1.0
    blur_px: float = 0.5
    glare: float = 0.0


MEDIA = (
    Medium("phone", True, rows=900),
    Medium("phone with glare", True, rows=900, glare=0.7),
    Medium("phone, fine screen", True, rows=1600),
    Medium("monitor, rim in view", True, rows=420, border=0.05),
    Medium("monitor, rim out of view", True, rows=420, border=0.0),
    Medium("monitor, rim out of view, sharp", True, rows=580, border=0.0, blur_px=0.3),
    Medium("tablet, rim out of view", True, rows=1100, border=0.0, blur_px=0.4, blue=0.02),
    Medium("paper, white margin", False, border=0.1, border_level=0.85, black=0.14, white=0.82, colour=0.7),
    Medium("paper, no margin", False, border=0.0, black=0.14, white=0.82, colour=0.7),
    Medium("glossy photo, no margin", False, border=0.0, black=0.06, white=0.95, colour=0.9, glare=0.5),
)


def show(picture: Image, scene: Image, corners: Corners, medium: Medium, rng: np.random.Generator) -> Image:
    """Photograph a picture that is held into a scene.

    Args:
        picture: What is shown, BGR.
        scene: What the camera sees else, BGR; gives the size of the result.
        corners: (4, 2) pixels of the scene where the picture's corners come to lie, from the left top on.
        medium: What it is shown on.
        rng: Of noise.
    """
    height, width = picture.shape[:2]
    shown = _emitted(picture, medium)
    if medium.border:
        rim = round(medium.border * height)
        level = (medium.border_level, medium.border_level, medium.border_level, 0.0)
        shown = cv2.copyMakeBorder(shown, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=level)
    else:
        rim = 0
    inner = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + rim
    to_scene = cv2.getPerspectiveTransform(inner, np.asarray(corners, np.float32))
    light = _sampled(shown, np.linalg.inv(to_scene), scene, medium, rim, height)
    if medium.glare:
        light = _with_glare(light, np.asarray(corners), medium.glare, rng)
    light = cv2.GaussianBlur(light, (0, 0), medium.blur_px)
    return _camera(light, rng)


def photograph(scene: Image, rng: np.random.Generator, blur_px: float = 0.5) -> Image:
    """The same camera before the real thing."""
    return _camera(cv2.GaussianBlur(_linear(scene), (0, 0), blur_px), rng)


def hand_held(
    centre: tuple[float, float],
    size: tuple[float, float],
    frames: int,
    rng: np.random.Generator,
    tilt_degrees: float = 15.0,
    travel: float = 0.3,
) -> Iterator[Corners]:
    """Corners of a flat picture of ``size`` pixels, moved and tilted smoothly by a hand, frame by frame."""
    phase, speed = rng.uniform(0, 2 * np.pi, 6), rng.uniform(0.15, 0.4, 6)
    distance = 6.0 * size[1]  # from the camera; its focal length in the same unit
    half = (
        np.array(
            [[-size[0], -size[1], 0], [size[0], -size[1], 0], [size[0], size[1], 0], [-size[0], size[1], 0]]
        )
        / 2
    )
    for step in range(frames):
        wave = np.sin(phase + speed * step)
        yaw, pitch, roll = np.radians(tilt_degrees) * wave[:3] * (1, 0.6, 0.3)
        turned = half @ _rotation(yaw, pitch, roll).T
        turned[:, 2] += distance * (1 + 0.08 * wave[3])
        flat = turned[:, :2] * distance / turned[:, 2:]
        yield flat + np.array(centre) + travel * np.array(size) * (wave[4] / 2, wave[5] / 4)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    return np.asarray(cv2.Rodrigues(np.array([0, yaw, 0.0]))[0] @ cv2.Rodrigues(np.array([pitch, 0, 0.0]))[0]
                      @ cv2.Rodrigues(np.array([0, 0, roll]))[0])  # fmt: skip


def _linear(image: Image) -> NDArray[np.float32]:
    return np.power(image.astype(np.float32) / 255.0, 2.2)


def _emitted(picture: Image, medium: Medium) -> NDArray[np.float32]:
    """Light of every point of the medium, linear, BGR."""
    values = picture.astype(np.float32) / 255.0
    grey = values.mean(axis=2, keepdims=True)
    values = grey + medium.colour * (values - grey)
    values = medium.black + (medium.white - medium.black) * np.clip(values, 0, 1)
    light = np.power(values, 2.2 * medium.gamma)
    light *= np.array([1 + medium.blue, 1.0, 1 - medium.blue], np.float32)
    return light.astype(np.float32)


def _sampled(
    shown: NDArray[np.float32],
    to_shown: NDArray[np.float64],
    scene: Image,
    medium: Medium,
    rim: int,
    height: int,
) -> NDArray[np.float32]:
    """Light that reaches each pixel of the camera, before its colour filter."""
    rows, columns = scene.shape[:2]
    total = np.zeros((rows, columns, 3), np.float32)
    covered = np.zeros((rows, columns, 1), np.float32)
    for down in _STEPS:
        for across in _STEPS:
            u, v = _places(to_shown, rows, columns, across, down)
            inside = ((u >= 0) & (v >= 0) & (u < shown.shape[1] - 1) & (v < shown.shape[0] - 1))[..., None]
            total += np.where(inside, cv2.remap(shown, u, v, cv2.INTER_LINEAR), 0.0)
            covered += inside
    samples = len(_STEPS) ** 2
    light = total / samples
    if medium.rows:
        u, v = _places(to_shown, rows, columns, 0.0, 0.0)
        of_picture = (u >= rim) & (v >= rim) & (u < shown.shape[1] - rim) & (v < shown.shape[0] - rim)
        grid = _grid((u - rim) * (medium.rows / height), (v - rim) * (medium.rows / height), medium.blur_px)
        light = np.where(of_picture[..., None], light * grid, light)
    return (light + _linear(scene) * (1 - covered / samples)).astype(np.float32)


def _places(
    to_shown: NDArray[np.float64], rows: int, columns: int, across: float, down: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where on the shown thing the centre of each pixel, moved by a part of one, comes to lie."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    u, v, w = np.tensordot(to_shown, np.stack([x + across, y + down, np.ones_like(x)]), axes=1)
    return (u / w).astype(np.float32), (v / w).astype(np.float32)


def _grid(u: NDArray[np.float32], v: NDArray[np.float32], blur_px: float) -> NDArray[np.float32]:
    """Stripes of a screen as a camera sees them: a Fourier series, each term weakened by lens and pixel.

    Why a series: a few samples in a pixel that covers many stripes would invent moire that no camera has.
    ``u`` and ``v`` are in screen pixels. Blue, green and red shine in a third of the width each, in 0.84 of
    the height.
    """
    screen_px = 1.0 / max(float(np.median(np.abs(np.diff(u, axis=1)))), 1e-6)  # in pixels of the camera
    grid = np.ones((*u.shape, 3), np.float32)
    for term in (1, 2, 3):
        seen = _passed(term / screen_px, blur_px)
        across = 2 * np.sin(np.pi * term / 3) / (np.pi * term / 3) * seen
        down = 2 * np.sin(np.pi * term * 0.84) / (np.pi * term * 0.84) * seen
        for channel, place in enumerate((5 / 6, 3 / 6, 1 / 6)):
            grid[..., channel] += across * np.cos(2 * np.pi * term * (u - place))
        grid += (down * np.cos(2 * np.pi * term * (v - 0.5)))[..., None]
    return np.clip(grid, 0.0, None)


def _passed(cycles_per_px: float, blur_px: float) -> float:
    """Modulation transfer of a square pixel behind a Gaussian lens."""
    aperture = abs(float(np.sinc(cycles_per_px)))
    return aperture * float(np.exp(-2 * (np.pi * blur_px * cycles_per_px) ** 2))


def _with_glare(
    light: NDArray[np.float32], corners: Corners, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A lamp that mirrors in the glass: a soft bright spot near the face."""
    rows, columns = light.shape[:2]
    size = float(np.linalg.norm(corners[2] - corners[0]))
    at = corners.mean(axis=0) + rng.uniform(-0.15, 0.15, 2) * size
    y, x = np.mgrid[0:rows, 0:columns]
    distance = np.hypot((x - at[0]) / (0.10 * size), (y - at[1]) / (0.05 * size))
    spot = strength * np.exp(-(distance**2))
    return (light + spot[..., None].astype(np.float32)).astype(np.float32)


def _camera(light: NDArray[np.float32], rng: np.random.Generator) -> Image:
    """Colour filter, noise, demosaicing, gamma, JPEG."""
    rows, columns = light.shape[0] // 2 * 2, light.shape[1] // 2 * 2
    light = np.clip(light[:rows, :columns], 0, 1)
    mosaic = np.empty((rows, columns), np.float32)
    mosaic[0::2, 0::2] = light[0::2, 0::2, 2]
    mosaic[0::2, 1::2] = light[0::2, 1::2, 1]
    mosaic[1::2, 0::2] = light[1::2, 0::2, 1]
    mosaic[1::2, 1::2] = light[1::2, 1::2, 0]
    mosaic += rng.normal(0, 1, mosaic.shape).astype(np.float32) * (0.002 + 0.012 * np.sqrt(mosaic))
    raw = (np.clip(mosaic, 0, 1) * 65535).astype(np.uint16)
    colour = cv2.cvtColor(raw, cv2.COLOR_BayerBG2BGR).astype(np.float32) / 65535
    picture = (np.power(np.clip(colour, 0, 1), 1 / 2.2) * 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)

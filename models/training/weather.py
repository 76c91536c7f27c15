"""What happens to a plate on the road, and to its picture on the way through a camera.

First half: dirt, screws, frames, dealer strips, glare, shadow, cover, on the flat plate with its
surroundings. Second half: light, lens, sensor and compression, on the finished view. Both work on float32 BGR
0..255 arrays in place or return new ones, and take all chance from one generator, so a seed decides
everything.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""(height, width, 3) float32 BGR 0..255."""
Rng = np.random.Generator


def cloud(rng: Rng, shape: tuple[int, int], cells: int) -> NDArray[np.float32]:
    """Smooth random field 0..1 with about ``cells`` bumps across its width."""
    height, width = shape
    rows = max(2, round(cells * height / width) + 1)
    small = rng.random((rows + 1, cells + 2), dtype=np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _blend(area: Picture, colour: NDArray[np.float32] | float, cover: NDArray[np.float32]) -> None:
    area += (colour - area) * cover[..., None]


def surround(rng: Rng, shape: tuple[int, int]) -> Picture:
    """Something a plate may be screwed to: body colour with gradients, edges and slots."""
    height, width = shape
    base = rng.uniform(10, 235) + rng.normal(0, 22, 3) if rng.random() < 0.75 else rng.uniform(10, 240, 3)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = base.astype(np.float32)
    picture *= (0.6 + 0.8 * cloud(rng, shape, int(rng.integers(2, 6))))[..., None]
    for _ in range(int(rng.integers(0, 5))):
        shade = float(np.clip(base.mean() * rng.uniform(0.2, 1.8), 0, 255))
        if rng.random() < 0.6:  # grille bars and edges of sheet metal
            y = int(rng.integers(0, height))
            end = (width, y + int(rng.normal(0, height / 10)))
            cv2.line(picture, (0, y), end, (shade, shade, shade), int(rng.integers(1, 6)))
        else:
            x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
            size = (int(rng.integers(4, width // 3)), int(rng.integers(3, height // 3)))
            cv2.rectangle(picture, (x, y, *size), (shade, shade * 0.98, shade * 0.95), -1)
    return picture


def mount(rng: Rng, canvas: Picture, left: int, top: int, width: int, height: int) -> None:
    """Put a frame, a holder's strip with small print, or a lamp's shade around the plate's place."""
    unit = height / 14  # one centimetre of a one-row plate
    if rng.random() < 0.45:
        rim = round(unit * rng.uniform(0.4, 1.6))
        shade = float(rng.choice([rng.uniform(5, 50), rng.uniform(130, 230)]))
        cv2.rectangle(
            canvas, (left - rim, top - rim, width + 2 * rim, height + 2 * rim), (shade, shade, shade), -1
        )
    if rng.random() < 0.25:
        tall = round(unit * rng.uniform(1.5, 3.0))
        y = top + height if rng.random() < 0.6 else top - tall
        shade = float(rng.uniform(5, 240))
        strip = np.full((max(tall, 3), width + 4), shade, np.uint8)
        text = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXYZ0123456789-.  "), int(rng.integers(4, 16))))
        ink = 255.0 - shade if abs(shade - 128) > 40 else 0.0
        where = (int(rng.integers(0, max(1, width // 2))), round(tall * 0.8))
        cv2.putText(strip, text, where, cv2.FONT_HERSHEY_SIMPLEX, tall / 34, ink, 1, cv2.LINE_AA)
        area = canvas[max(0, y) : y + len(strip), left - 2 : left + width + 2]
        area[:] = strip[: len(area), : area.shape[1], None]


def emboss(rng: Rng, plate: Picture, field: NDArray[np.float32]) -> None:
    """Light and shade on the pressed edges of the glyphs; ``field`` is their signed distance in pixels."""
    angle = rng.uniform(0, 2 * math.pi)
    edge = np.clip(2.0 - np.abs(field), 0, 2) * 0.5
    slope_y, slope_x = np.gradient(field)
    plate += (edge * (slope_x * math.cos(angle) + slope_y * math.sin(angle)) * rng.uniform(4, 38))[..., None]


def screws(rng: Rng, plate: Picture, px_per_mm: float) -> None:
    """Two to four screws or caps on the holes that GA 36 leaves near the upper and lower edge."""
    height, width = plate.shape[:2]
    inset = 11 * px_per_mm
    span = width * 0.25
    spots = [(span, inset), (width - span, inset)]
    if rng.random() < 0.55:
        spots += [(span, height - inset), (width - span, height - inset)]
    radius = rng.uniform(4, 10.5) * px_per_mm
    shade = rng.uniform(30, 230)
    for x, y in spots:
        if rng.random() < 0.1:
            continue
        spot = (
            round(float(x + rng.normal(0, 3 * px_per_mm))),
            round(float(y + rng.normal(0, 2 * px_per_mm))),
        )
        cv2.circle(plate, spot, max(1, round(radius)), (shade, shade, shade), -1, cv2.LINE_AA)
        if radius > 2:
            other = float(np.clip(shade * rng.uniform(0.4, 1.5), 0, 255))
            cv2.circle(plate, spot, max(1, round(radius * 0.5)), (other, other, other), -1, cv2.LINE_AA)


def dirt(rng: Rng, plate: Picture, strength: float) -> None:
    """Mud, dust and worn paint in patches; strength 0..1."""
    shape = plate.shape[:2]
    mud = np.array([rng.uniform(50, 120), rng.uniform(70, 130), rng.uniform(80, 140)], np.float32)
    patches = cloud(rng, shape, int(rng.integers(3, 18)))
    _blend(plate, mud, np.clip((patches - 1 + strength * 0.6) * 3, 0, 0.85) * rng.uniform(0.4, 1))
    dust = rng.uniform(0, 0.35) * strength
    plate += (mud * 1.2 - plate) * np.float32(dust)
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 6))):  # scratches
            x, y = int(rng.integers(0, shape[1])), int(rng.integers(0, shape[0]))
            end = (x + int(rng.normal(0, shape[1] / 8)), y + int(rng.normal(0, shape[0] / 6)))
            shade = float(rng.uniform(60, 230))
            cv2.line(plate, (x, y), end, (shade, shade, shade), 1, cv2.LINE_AA)


def cover(rng: Rng, plate: Picture) -> None:
    """A leaf, a tow hook, a drop or a rope before the plate: small, or at its edge."""
    height, width = plate.shape[:2]
    shade = np.clip(rng.uniform(10, 220) + rng.normal(0, 25, 3), 0, 255).tolist()
    if rng.random() < 0.6:
        size = (int(height * rng.uniform(0.04, 0.13)), int(height * rng.uniform(0.03, 0.09)))
        spot = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        cv2.ellipse(plate, spot, size, float(rng.uniform(0, 180)), 0, 360, shade, -1, cv2.LINE_AA)
    elif rng.random() < 0.5:
        tall = int(height * rng.uniform(0.04, 0.13))
        y = 0 if rng.random() < 0.5 else height - tall
        cv2.rectangle(plate, (0, y, width, tall), shade, -1)
    else:
        x = int(rng.integers(0, width))
        cv2.line(plate, (x, 0), (x + int(rng.normal(0, width / 6)), height), shade, 1, cv2.LINE_AA)


def light_and_shadow(rng: Rng, canvas: Picture) -> None:
    """Uneven light: a slope, a hard or soft shadow line, a glare spot."""
    height, width = canvas.shape[:2]
    xs = np.linspace(-1, 1, width, dtype=np.float32)[None]
    ys = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    if rng.random() < 0.5:
        canvas *= (1 + rng.normal(0, 0.15) * xs + rng.normal(0, 0.15) * ys)[..., None].astype(np.float32)
    if rng.random() < 0.25:
        angle = rng.uniform(0, 2 * math.pi)
        line = xs * math.cos(angle) + ys * math.sin(angle) + rng.uniform(-0.8, 0.8)
        step = 1 / (1 + np.exp(-np.clip(line * rng.uniform(4, 60), -30, 30)))
        canvas *= (1 - rng.uniform(0.2, 0.75) * step)[..., None].astype(np.float32)
    if rng.random() < 0.2:
        x, y, radius = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.15, 0.9)
        spot = np.exp(-((xs - x) ** 2 + (ys - y) ** 2 * 0.3) / radius**2) * rng.uniform(40, 200)
        canvas += spot[..., None].astype(np.float32)


def illuminate(rng: Rng, view: Picture) -> Picture:
    """Time of day and camera: day, dark, sodium lamp, infra-red grey, too bright; white balance, gamma."""
    pick = rng.random()
    if pick < 0.13:  # infra-red or monochrome camera
        weights = rng.dirichlet((4, 3, 3)).astype(np.float32)
        view = np.repeat((view @ weights)[..., None], 3, axis=2) * np.float32(rng.uniform(0.5, 1.4))
    elif pick < 0.22:  # sodium lamp: hardly any blue
        grey = view.mean(axis=2, keepdims=True)
        view = view + (grey - view) * np.float32(rng.uniform(0.2, 0.8))
        view *= np.array((rng.uniform(0.2, 0.6), rng.uniform(0.55, 0.8), rng.uniform(0.9, 1.2)), np.float32)
    elif pick < 0.36:  # dark
        view = view * np.float32(rng.uniform(0.18, 0.5))
    elif pick < 0.46:  # too bright
        view = view * np.float32(rng.uniform(1.2, 2.2)) + np.float32(rng.uniform(0, 40))
    else:
        view = view * np.float32(rng.uniform(0.5, 1.2))
    view = view * rng.normal(1, 0.07, 3).astype(np.float32)
    middle = np.float32(rng.uniform(60, 170))
    view = (view - middle) * np.float32(rng.uniform(0.65, 1.25)) + middle + np.float32(rng.uniform(-25, 35))
    if rng.random() < 0.4:
        gamma = math.exp(rng.normal(0, 0.3))
        view = 255 * (np.clip(view, 0, 255) / np.float32(255)) ** np.float32(gamma)
    return np.clip(view, 0, 255).astype(np.float32)


def lens(rng: Rng, view: Picture, plate_height_px: float, strength: float = 1.0) -> Picture:
    """Defocus and motion blur, in proportion to the size of the plate."""
    if rng.random() < 0.6:
        sigma = plate_height_px * abs(rng.normal(0, 0.017)) * strength + 0.25
        view = np.asarray(cv2.GaussianBlur(view, (0, 0), sigma), np.float32)
    if rng.random() < 0.3:
        length = plate_height_px * rng.uniform(0.02, 0.11) * strength
        if length > 1.5:
            size = int(length) | 1
            angle = rng.choice([rng.normal(0, 0.2), rng.normal(math.pi / 2, 0.25), rng.uniform(0, math.pi)])
            kernel = np.zeros((size, size), np.float32)
            dx, dy = math.cos(angle) * size / 2, math.sin(angle) * size / 2
            middle = (size - 1) / 2
            start = (round((middle - dx) * 16), round((middle - dy) * 16))
            end = (round((middle + dx) * 16), round((middle + dy) * 16))
            cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
            view = np.asarray(cv2.filter2D(view, -1, kernel / kernel.sum()), np.float32)
    return view


def sensor(rng: Rng, view: Picture) -> NDArray[np.uint8]:
    """Noise, over-sharpening and JPEG; returns uint8 BGR."""
    if rng.random() < 0.7:
        sigma = abs(rng.normal(0, 5)) * min(1.0, 0.25 + float(view.mean()) / 120)
        noise = rng.standard_normal(view.shape, dtype=np.float32)
        if rng.random() < 0.4:
            noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8), np.float32) * np.float32(2)
        view = view + noise * np.float32(sigma)
    if rng.random() < 0.2:
        soft = cv2.GaussianBlur(view, (0, 0), 1.0)
        view = view + (view - soft) * np.float32(rng.uniform(0.4, 1.8))
    picture = np.clip(view, 0, 255).astype(np.uint8)
    if rng.random() < 0.7:
        quality = int(np.clip(rng.normal(68, 22), 15, 98))
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return picture

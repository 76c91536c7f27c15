"""A person who steps before the camera and turns their head, drawn from a public-domain portrait.

The turn is a warp: the head as a cylinder, and the nose moved over it, as the five points see a real turn.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.demo.portraits import ASTRONAUT, portrait_path

WIDTH, HEIGHT = 640, 480
# Of the astronaut: base of the nose, distance of the eyes, radius of the head; in pixels.
NOSE, EYE_DISTANCE, RADIUS = (224.0, 133.0), 43.0, 75.0


def astronaut() -> np.ndarray:
    image = cv2.imdecode(np.fromfile(portrait_path(ASTRONAUT), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def turned(image: np.ndarray, turn: float) -> np.ndarray:
    """The portrait with the head turned; ``turn`` above 0 is to the person's own left, about 0.2 is slight.

    To the right it is the mirror image of a turn to the left, because the portrait itself is not symmetric.
    """
    if turn < 0:
        return np.ascontiguousarray(turned(image, -turn)[:, ::-1])
    rows, columns = np.indices(image.shape[:2], np.float32)
    across, down = columns - NOSE[0], rows - NOSE[1]
    angle = np.arcsin(np.clip(across / RADIUS, -1, 1))
    head = np.exp(-((np.abs(down + 25) / 90) ** 4)) * (np.abs(across) < RADIUS)
    shift = RADIUS * (np.sin(angle) - np.sin(angle - turn)) * head
    nose = np.exp(-((across / (0.45 * EYE_DISTANCE)) ** 2) / 2 - ((down / (0.5 * EYE_DISTANCE)) ** 2) / 2)
    shift += 1.2 * turn * EYE_DISTANCE * nose
    return cv2.remap(image, (columns - shift).astype(np.float32), rows, cv2.INTER_LINEAR)


def scene(
    portraits: Sequence[tuple[np.ndarray, float, float]], light: float = 1.0, seed: int = 0
) -> np.ndarray:
    """A frame with portraits, each (image, scale, x of its middle as a part of the width)."""
    frame = np.full((HEIGHT, WIDTH, 3), 175, np.uint8)
    for image, scale, middle in portraits:
        small = cv2.resize(image[:380], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = HEIGHT - small.shape[0], round(WIDTH * middle - small.shape[1] / 2)
        cut_top, cut_left = max(0, -top), max(0, -left)
        small = small[cut_top:, cut_left : cut_left + WIDTH - max(0, left)]
        top, left = max(0, top), max(0, left)
        frame[top : top + small.shape[0], left : left + small.shape[1]] = small[
            : HEIGHT - top, : WIDTH - left
        ]
    noise = np.random.default_rng(seed).integers(-3, 4, frame.shape, dtype=np.int16)
    return np.clip(frame.astype(np.float32) * light + noise, 0, 255).astype(np.uint8)


def write_film(
    folder: Path, shots: Sequence[tuple[float, Sequence[tuple[np.ndarray, float, float]], float]], fps: float
) -> None:
    """Pictures of (seconds, portraits, light) shots, one after the other, for a replay camera."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for seconds, portraits, light in shots:
        for _ in range(round(seconds * fps)):
            cv2.imwrite(
                str(folder / f"{number:04}.jpg"),
                scene(portraits, light, number),
                [cv2.IMWRITE_JPEG_QUALITY, 95],
            )
            number += 1

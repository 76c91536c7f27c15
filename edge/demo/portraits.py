"""The door's film: two public-domain portraits step before the camera, one after the other.

The pictures ship inside declared dependencies: Eileen Collins (NASA, ``astronaut.png`` of scikit-image) and
Grace Hopper (US Navy, ``grace_hopper.jpg`` of matplotlib). They are read as files; neither is imported.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import Unavailable

ASTRONAUT = ("skimage", "data/astronaut.png")
HOPPER = ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")
SIZE_PX = (640, 480)
FPS = 15.0


@dataclass(frozen=True, slots=True)
class Appearance:
    """Somebody stands before the door from ``enter_s`` to ``leave_s``."""

    portrait: Path
    enter_s: float
    leave_s: float


def portrait_path(where: tuple[str, str]) -> Path:
    """Path of a portrait inside an installed package.

    Raises:
        Unavailable: The package of the demo extra is not installed.
    """
    package, name = where
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"the demo needs {package}: pip install 'gatehouse[demo]'")
    path = Path(spec.submodule_search_locations[0], name)
    if not path.is_file():
        raise Unavailable(f"{path}: the portrait is not there; this version of {package} does not ship it")
    return path


def draw_face_film(path: Path, appearances: Sequence[Appearance], duration_s: float, seed: int = 7) -> None:
    """Write the film: an entrance hall, and the persons who come up to the door's camera.

    Args:
        path: An ``.avi`` file (MJPEG).
        appearances: Who and when; each walks up for a second, stands, and steps aside.
        duration_s: Length of the film.
        seed: Of the sensor noise, without which a picture that does not move would look frozen.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE_PX)
    if not writer.isOpened():
        raise Unavailable(f"{path}: cannot write a film there")
    try:
        for frame in face_frames(appearances, duration_s, seed):
            writer.write(frame)
    finally:
        writer.release()


def face_frames(
    appearances: Sequence[Appearance], duration_s: float, seed: int = 7
) -> Iterator[NDArray[np.uint8]]:
    """Draw the film of ``draw_face_film`` frame by frame, (480, 640, 3) BGR, each the caller's own."""
    rng = np.random.default_rng(seed)
    hall = _entrance_hall()
    portraits = [_portrait(a.portrait) for a in appearances]
    for index in range(round(duration_s * FPS)):
        now_s = index / FPS
        frame = hall.copy()
        for appearance, portrait in zip(appearances, portraits, strict=True):
            if appearance.enter_s <= now_s < appearance.leave_s:
                _paste(frame, portrait, now_s - appearance.enter_s, appearance.leave_s - now_s)
        noise = rng.integers(-3, 4, (SIZE_PX[1], SIZE_PX[0], 1), dtype=np.int16)
        yield np.clip(frame.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def _portrait(path: Path) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise Unavailable(f"{path}: not a readable picture")
    # Head and shoulders: the upper part, as wide as it is high.
    height, width = image.shape[:2]
    side = min(width, round(height * 0.75))
    left = (width - side) // 2
    return np.ascontiguousarray(image[:side, left : left + side], dtype=np.uint8)


def _entrance_hall() -> NDArray[np.uint8]:
    width, height = SIZE_PX
    column = np.linspace(205, 150, height, dtype=np.float32)[:, None]
    hall = np.repeat(np.repeat(column, width, axis=1)[:, :, None], 3, axis=2)
    hall *= np.array([0.97, 1.0, 1.02], np.float32)
    picture = hall.astype(np.uint8)
    cv2.rectangle(picture, (60, 60), (190, 470), (120, 130, 140), -1)
    cv2.rectangle(picture, (72, 72), (178, 470), (150, 165, 175), -1)
    cv2.rectangle(picture, (450, 90), (600, 260), (190, 200, 190), -1)
    cv2.rectangle(picture, (450, 90), (600, 260), (110, 110, 110), 3)
    cv2.line(picture, (0, 430), (width, 430), (95, 100, 105), 3)
    return np.ascontiguousarray(cv2.GaussianBlur(picture, (0, 0), 2.0), dtype=np.uint8)


def _paste(frame: NDArray[np.uint8], portrait: NDArray[np.uint8], since_s: float, until_s: float) -> None:
    near = min(1.0, 0.55 + 0.45 * min(since_s, 1.0))
    side = round(400 * near)
    scaled = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    sway = round(4 * np.sin(2.2 * since_s))
    aside = round(700 * max(0.0, 0.5 - until_s))
    left = (SIZE_PX[0] - side) // 2 + sway + aside
    top = SIZE_PX[1] - side
    right = min(SIZE_PX[0], left + side)
    if right > left:
        frame[top:, left:right] = scaled[:, : right - left]

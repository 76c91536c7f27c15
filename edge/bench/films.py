"""Films to be measured with: drawn here, so that nothing need be brought, or anybody's own.

Each drawn film has three parts: nothing happens; something passes that is neither car nor face; then
visitors come, of whom the first is known. They are written as Motion JPEG, which is what USB cameras send.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.demo.portraits import ASTRONAUT, FPS, HOPPER, Appearance, face_frames, portrait_path
from edge.errors import Unavailable
from edge.records import Kind
from models.training.film import LaneFilm, Visit

KNOWN_PLATE = "粤B12345"
OTHER_PLATES = ("苏E60K8D", "京AD12345")
LANE_SIZE_PX = (1280, 720)
SEED = 4
START_S = 1.5
"""A loop that has just begun knows no background; this long before anything is measured."""
_WALKER_BGR = (52, 60, 74)


@dataclass(frozen=True, slots=True)
class BenchFilm:
    """A film and what is known of it.

    Attributes:
        kind: What is looked for in it.
        path: The file.
        fps: Its frames per second.
        is_drawn: It was drawn here, so who comes is known.
        portrait: Of the one who is enrolled; None where nobody is.
        plate: Of the car that is known; "" where none is.
        visits: How many come.
        readable_s: When the known plate is first 24 pixels high; None where nobody knows.
    """

    kind: Kind
    path: Path
    fps: float
    is_drawn: bool = False
    portrait: Path | None = None
    plate: str = ""
    visits: int = 0
    readable_s: float | None = None


def given_film(path: Path, kind: Kind) -> BenchFilm:
    """Somebody's own film, looked through for faces or for plates.

    Raises:
        Unavailable: It cannot be read as a film.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened() or not capture.grab():
            raise Unavailable(f"{path}: no film that can be read here")
        return BenchFilm(kind, path, float(capture.get(cv2.CAP_PROP_FPS)) or 25.0)
    finally:
        capture.release()


def draw_films(
    folder: Path, kinds: Sequence[Kind], *, quick: bool, progress: Callable[[float], None]
) -> list[BenchFilm]:
    """Draw the films.

    Args:
        folder: Gets the files.
        kinds: Of ``FACE`` and ``PLATE``.
        quick: Shorter ones, with one visit each.
        progress: Told how much is done, 0 to 1.

    Raises:
        Unavailable: A portrait is missing (it comes with the demo extra), or the folder cannot be written.
    """
    films = []
    for number, kind in enumerate(kinds):

        def told(share: float, number: int = number) -> None:
            progress((number + share) / len(kinds))

        films.append(
            _draw_lane(folder, quick, told) if kind is Kind.PLATE else _draw_door(folder, quick, told)
        )
    return films


def _draw_lane(folder: Path, quick: bool, progress: Callable[[float], None]) -> BenchFilm:
    idle_s, passing_s = _lengths(quick)
    first_s = START_S + idle_s + passing_s
    plates = (KNOWN_PLATE,) if quick else (KNOWN_PLATE, *OTHER_PLATES)
    kinds = ("blue", "blue", "green_small")
    visits = [
        Visit(plate, kind, arrive_s=first_s + 13.0 * i, stop_s=1.0 if quick else 3.0)
        for i, (plate, kind) in enumerate(zip(plates, kinds, strict=False))
    ]
    film = LaneFilm(visits, fps=FPS, size_px=LANE_SIZE_PX, seed=SEED)
    count = round((film.truth.visits[-1].out_s + 0.5) * FPS)
    frames = with_walker(film.frames(), START_S + idle_s, passing_s)
    path = _write(folder / "bench-lane.avi", frames, count, LANE_SIZE_PX, progress)
    readable = film.truth.visits[0].readable_from_frame
    readable_s = None if readable is None else readable / FPS
    return BenchFilm(Kind.PLATE, path, FPS, True, None, KNOWN_PLATE, len(visits), readable_s)


def _draw_door(folder: Path, quick: bool, progress: Callable[[float], None]) -> BenchFilm:
    idle_s, passing_s = _lengths(quick)
    first_s, stay_s = START_S + idle_s + passing_s, 2.5 if quick else 4.0
    known = portrait_path(ASTRONAUT)
    guests = [Appearance(known, first_s, first_s + stay_s)]
    if not quick:
        again_s = first_s + stay_s + 2.0
        guests.append(Appearance(portrait_path(HOPPER), again_s, again_s + stay_s))
    length_s = guests[-1].leave_s + 1.0
    frames = with_walker(face_frames(guests, length_s), START_S + idle_s, passing_s)
    path = _write(folder / "bench-door.avi", frames, round(length_s * FPS), (640, 480), progress)
    return BenchFilm(Kind.FACE, path, FPS, True, portrait=known, visits=len(guests))


def _lengths(quick: bool) -> tuple[float, float]:
    """How long nothing happens, and how long something passes, in seconds."""
    return (2.0, 1.2) if quick else (8.0, 5.0)


def with_walker(
    frames: Iterator[NDArray[np.uint8]], from_s: float, for_s: float, fps: float = FPS
) -> Iterator[NDArray[np.uint8]]:
    """Let somebody who shows neither a face nor a plate walk through a film, from left to right.

    Args:
        frames: (height, width, 3) BGR, the caller's own.
        from_s: When the walk begins.
        for_s: How long it takes.
        fps: Of the film.
    """
    for index, frame in enumerate(frames):
        share = (index / fps - from_s) / for_s
        if 0 <= share < 1:
            height, width = frame.shape[:2]
            tall = round(0.4 * height)
            across, ground = round((share * 1.2 - 0.1) * width), round(0.95 * height)
            step = round(0.12 * tall * math.sin(9.0 * share * for_s))
            cv2.ellipse(
                frame,
                (across, ground - round(0.62 * tall)),
                (tall // 7, tall // 3),
                0,
                0,
                360,
                _WALKER_BGR,
                -1,
            )
            for side in (step, -step):
                hip, foot = (across, ground - round(0.4 * tall)), (across + side, ground)
                cv2.line(frame, hip, foot, _WALKER_BGR, max(3, tall // 12))
        yield frame


def _write(
    path: Path,
    frames: Iterator[NDArray[np.uint8]],
    count: int,
    size_px: tuple[int, int],
    progress: Callable[[float], None],
) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), FPS, size_px)
    if not writer.isOpened():
        raise Unavailable(f"{path}: cannot write a film there")
    try:
        for index, frame in enumerate(islice(frames, count)):
            writer.write(frame)
            progress((index + 1) / count)
    finally:
        writer.release()
    return path

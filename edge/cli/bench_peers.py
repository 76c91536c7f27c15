"""The same frames given to what others use: face_recognition, and RapidOCR.

Neither is scheduled, tracked or told where to look: each gets whole frames and does in each all it can, as
its own examples do. Ours gets the same frames, finds and reads everything in each of them too; so the figure
compares work with work. What the product saves by not looking at every frame comes on top.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bench import BenchFilm, Setting, Spread
from edge.cli.benching import Against
from edge.cli.face_peer import Peer
from edge.records import Kind
from edge.vision.senses import open_senses
from models.plate.decode import decode
from models.plate.evaluate import same_text
from models.plate.reader import PlateReader, open_reader

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Compared:
    """Ours and a peer on the same frames.

    Attributes:
        peer: Its name.
        frames: How many.
        ours_ms, theirs_ms: Milliseconds of a frame.
        ours_found, theirs_found: Frames in which the visitor was found; for a drawn car: read right.
    """

    peer: str
    frames: int
    ours_ms: Spread
    theirs_ms: Spread
    ours_found: int
    theirs_found: int

    @property
    def times_as_fast(self) -> float:
        """Ours against the peer, by the medians."""
        return self.theirs_ms.p50 / self.ours_ms.p50 if self.ours_ms.p50 else 0.0


def compare(
    against: Against, setting: Setting, numbers: Sequence[int], progress: Callable[[float], None]
) -> Compared:
    """Give the same frames to both, one after the other in this thread.

    Args:
        against: Which peer.
        setting: The film and its surroundings.
        numbers: Of the frames, ascending from 0.
        progress: Told how much is done, 0 to 1.

    Raises:
        Unavailable, ModelError: The peer is not installed; the line says how to install it.
    """
    theirs = _face_recognition() if against.kind is Kind.FACE else _rapidocr(setting)
    ours = _ours(setting)
    times: tuple[list[float], list[float]] = ([], [])
    found = [0, 0]
    images = frames_of(setting.film, numbers)
    ours(images[0])  # the first run of a network takes several times as long
    theirs(images[0])
    for done, image in enumerate(images):
        for which, work in enumerate((ours, theirs)):
            began = time.perf_counter()
            good = work(image)
            times[which].append((time.perf_counter() - began) * 1000)
            found[which] += good
        progress((done + 1) / len(images))
    return Compared(against.value, len(images), Spread.of(times[0]), Spread.of(times[1]), found[0], found[1])


def frames_of(film: BenchFilm, numbers: Sequence[int]) -> list[Image]:
    """Those frames of a film."""
    capture = cv2.VideoCapture(str(film.path), cv2.CAP_FFMPEG)
    wanted, images = set(numbers), []
    try:
        for number in range(max(numbers) + 1):
            more, image = capture.read()
            if not more:
                break
            if number in wanted:
                images.append(image.view(dtype=np.uint8))
    finally:
        capture.release()
    return images


def spaced(numbers: Sequence[int], most: int) -> list[int]:
    """So many of them, evenly spaced.

    >>> spaced([1, 2, 3, 4, 5, 6], 3)
    [2, 4, 6]
    """
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[(i + 1) * len(numbers) // most - 1] for i in range(most)]


def _ours(setting: Setting) -> Callable[[Image], bool]:
    camera = setting.camera
    sense = open_senses(
        camera.looks_for,
        setting.settings.models,
        min_face_px=camera.min_face_px,
        min_plate_px=camera.min_plate_px,
        cache_dir=setting.cache_dir,
    )[0]
    plate = setting.film.plate

    def look(image: Image) -> bool:
        findings = sense.find(image)
        readings = sense.read(image, findings)
        if plate:
            return any(same_text(decode(r.lattice).text, plate) for r in readings if r.lattice)
        return any(not reading.flaw for reading in readings)

    return look


def _rapidocr(setting: Setting) -> Callable[[Image], bool]:
    reader: PlateReader = open_reader("rapidocr")
    plate = setting.film.plate

    def look(image: Image) -> bool:
        readings = [reading for reading in reader.read(image) if reading.lattice]
        return any(not plate or same_text(decode(reading.lattice).text, plate) for reading in readings)

    return look


def _face_recognition() -> Callable[[Image], bool]:
    peer = Peer()

    def look(image: Image) -> bool:
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        boxes = peer.find_all(rgb)
        if not boxes:
            return False
        peer.describe(rgb, *boxes)
        return True

    return look

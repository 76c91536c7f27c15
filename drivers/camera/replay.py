"""A film or a folder of pictures as a camera: for demonstrations, tests and training of staff.

The film is played by a clock, not by whoever reads it: which frame is shown depends only on how long ago it
began. A slow reader misses frames as it would with a camera, and a process that is killed and started again
finds the film where it is by then.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera.base import EndOfFilm, Frame
from drivers.camera.buffers import Buffers
from drivers.camera.video import boot_ns, open_film
from drivers.errors import DriverClosed, LinkLost

NS_PER_S = 1_000_000_000
FOLDER_FPS = 5.0
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
# Reading on over a gap of up to this many frames is cheaper than jumping to a key frame before it.
_STRIDE = 60
# Containers count frames by their duration, so the last few of a whole film may not exist.
_LOOSE_END = 0.03

Image = NDArray[np.uint8]


class Reel(Protocol):
    """Numbered pictures."""

    count: int
    fps: float

    def picture(self, index: int) -> Image | None:
        """The picture with that number, from 0; None when it cannot be had."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Film:
    """The frames of a film file."""

    def __init__(self, path: Path) -> None:
        capture = open_film(str(path))
        if capture is None:
            raise LinkLost(str(path), "is no film, or is damaged or cut off: make the file again")
        self._capture = capture
        self._buffers = Buffers()
        self._next = 0
        self.count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.fps = float(capture.get(cv2.CAP_PROP_FPS)) or 25.0
        if self.count == 0:
            capture.release()
            raise LinkLost(str(path), "is a film without frames: make the file again")

    def picture(self, index: int) -> Image | None:
        """Decode up to the frame wanted, or jump when it is far or behind."""
        if not self._next <= index <= self._next + _STRIDE:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
            self._next = index
        try:
            while self._next < index and self._capture.grab():
                self._next += 1
            good, image = self._capture.read(self._buffers.free())
        except cv2.error:
            good, image = False, None
        self._next = index + 1
        return self._buffers.keep(image) if good and image is not None else None

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()


class Folder:
    """The pictures of a folder, in the order of their names."""

    def __init__(self, path: Path) -> None:
        try:
            self._files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
        except OSError as error:
            raise LinkLost(str(path), f"the folder cannot be read: {error.strerror or error}") from error
        self.count = len(self._files)
        self.fps = FOLDER_FPS
        if self.count == 0:
            raise LinkLost(str(path), "the folder holds no picture (.jpg, .png, .bmp, .webp)")

    def picture(self, index: int) -> Image | None:
        """Decode one picture to BGR."""
        try:
            content = np.frombuffer(self._files[index].read_bytes(), np.uint8)
            image = cv2.imdecode(content, cv2.IMREAD_COLOR)
        except (OSError, cv2.error):
            return None
        return None if image is None else image.view(dtype=np.uint8)

    def close(self) -> None:
        """Hold nothing open."""


class ReplayCamera:
    """Plays a film or a folder by its own clock.

    Args:
        name: Of the camera.
        source: A film or a folder.
        repeat: Begin again at the end.
        fps: Instead of the film's own; of a folder (default 5).
        epoch_ns: CLOCK_BOOTTIME at which frame 0 was due; 0: now.
        clock: CLOCK_BOOTTIME in nanoseconds.
        sleep: Waits for that many seconds.

    Attributes:
        epoch_ns: When the film began; give it to the next process to play on.

    Raises:
        LinkLost: There is no such film or folder, or it is damaged or empty.
    """

    def __init__(
        self,
        name: str,
        source: str,
        *,
        repeat: bool = False,
        fps: float | None = None,
        epoch_ns: int = 0,
        clock: Callable[[], int] = boot_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.may_repeat = True
        path = Path(source)
        self._path = path
        if not path.exists():
            raise LinkLost(source, "there is no such film or folder")
        self._reel: Reel | None = Folder(path) if path.is_dir() else Film(path)
        self._fps = fps or self._reel.fps
        self._repeat = repeat
        self._clock = clock
        self._sleep = sleep
        self._last = -1
        self.epoch_ns = epoch_ns or clock()

    def read(self) -> Frame:
        """Block until the next frame is due; see ``Camera.read``. ``taken_ns`` is when it was due.

        Raises:
            LinkLost: The film is cut off or a picture is damaged; the ones after it can still be read.
            EndOfFilm: It does not repeat and is over.
        """
        if self._reel is None:
            raise DriverClosed(str(self._path), "the film is closed")
        count = self._reel.count
        while True:
            index = self._wait_for_next()
            if index >= count and not self._repeat:
                raise EndOfFilm(f"{self._path} is over")
            self._last = index
            image = self._reel.picture(index % count)
            if image is not None:
                image.flags.writeable = False
                return Frame(self.name, index + 1, self._due_ns(index), image)
            if isinstance(self._reel, Folder) or index % count < count * (1 - _LOOSE_END) - 5:
                raise LinkLost(
                    str(self._path),
                    f"is damaged or cut off at frame {index % count + 1} of {count}: make it again",
                )

    def close(self) -> None:
        """Let go of the file."""
        if self._reel is not None:
            self._reel.close()
            self._reel = None

    def _due_ns(self, index: int) -> int:
        return self.epoch_ns + round(index * NS_PER_S / self._fps)

    def _wait_for_next(self) -> int:
        """Number of the frame that is shown now, counted over repetitions, once it is a new one."""
        while True:
            now_ns = self._clock()
            index = int((now_ns - self.epoch_ns) * self._fps // NS_PER_S)
            if index > self._last:
                return index
            self._sleep(max(0.0005, (self._due_ns(self._last + 1) - now_ns) / NS_PER_S))

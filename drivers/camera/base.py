"""What a camera is to the rest: something that blocks until the next frame and then hands it over."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture.

    Attributes:
        camera: Name from the configuration.
        seq: Rises by one per frame that the source delivered, also over frames nobody looked at.
        taken_ns: CLOCK_BOOTTIME at arrival, nanoseconds.
        image: (height, width, 3) uint8, BGR, not writeable.
    """

    camera: str
    seq: int
    taken_ns: int
    image: NDArray[np.uint8]


class Camera(Protocol):
    """A source of frames. Used by one thread of one vision process.

    Attributes:
        name: From the configuration.
        may_repeat: Two pictures may be the same byte for byte although the camera lives: an H.264 encoder
            may say "as before". Where each picture is coded by itself the sensor's noise forbids it.
    """

    name: str
    may_repeat: bool

    def read(self) -> Frame:
        """Block until the next frame.

        Raises:
            LinkLost: The stream stopped or cannot be opened; the message says what and what to do.
            EndOfFilm: A film that does not repeat is over.
        """
        ...

    def close(self) -> None:
        """Give the device back. Safe to call twice."""
        ...


class EndOfFilm(Exception):
    """A film that does not repeat has been played to its end."""

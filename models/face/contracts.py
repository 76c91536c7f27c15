"""The two contracts of the face engine: something that finds faces, something that describes them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.results import BgrImage, FaceDetection


class FaceDetector(Protocol):
    """Finds faces. One instance belongs to one thread."""

    @property
    def name(self) -> str:
        """Short name: ``hog``, ``yunet``."""
        ...

    def detect(self, image: BgrImage) -> list[FaceDetection]:
        """Find faces, best score first; boxes may reach over the picture's edges."""
        ...


class FaceEmbedder(Protocol):
    """Turns faces into templates. One instance belongs to one thread."""

    @property
    def set_name(self) -> str:
        """Name of the template space; templates of different names must never be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a template."""
        ...

    def embed(self, image: BgrImage, faces: Sequence[FaceDetection]) -> NDArray[np.float32]:
        """Describe faces of one picture.

        Returns:
            (n, dimensions) float32, one row per face, in the order given.
        """
        ...

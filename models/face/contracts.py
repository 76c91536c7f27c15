"""The contracts of the face engine: something that finds faces, something that describes them."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.face.alignment import AlignedFace
from models.face.distances import PairDistances
from models.results import BgrImage, FaceDetection


class View(Enum):
    """What of an aligned face is described. One alone takes half the time of both."""

    BOTH = "both"
    SEEN = "seen"
    MIRRORED = "mirrored"


class FaceDetector(Protocol):
    """Finds faces. One instance belongs to one thread."""

    @property
    def name(self) -> str:
        """Short name: ``hog``, ``yunet``, ``cnn``."""
        ...

    def detect(self, image: BgrImage) -> list[FaceDetection]:
        """Find faces, best score first; boxes may reach over the picture's edges."""
        ...


@runtime_checkable
class LooksAtParts(Protocol):
    """A detector that finds in a part of a picture what it finds in the whole, and is quicker with it."""

    @property
    def grain_px(self) -> float:
        """Cut parts at multiples of this: the network's cells then fall on the same pixels."""
        ...

    def detect_part(self, image: BgrImage, part: tuple[int, int, int, int]) -> list[FaceDetection]:
        """As ``detect``, of one part (left, top, right, bottom); faces are in pixels of ``image``."""
        ...


class FaceEmbedder(Protocol):
    """Turns faces into templates. One instance belongs to one thread.

    Templates of all embedders are on one scale: Euclidean distances above ``models.face.distances.LINE`` are
    those of two persons by the publisher's own word. Templates of different spaces still have nothing in
    common.
    """

    @property
    def set_name(self) -> str:
        """Name of the template space; templates of different names must never be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a template."""
        ...

    @property
    def pairs(self) -> PairDistances:
        """What is known of distances in this space."""
        ...

    def embed(self, image: BgrImage, faces: Sequence[FaceDetection]) -> NDArray[np.float32]:
        """Describe faces of one picture.

        Returns:
            (n, dimensions) float32, one row per face, in the order given.
        """
        ...


@runtime_checkable
class DescribesAligned(Protocol):
    """An embedder whose frame is dlib's chip: it need not align faces that are aligned already."""

    def embed_aligned(
        self, faces: Sequence[AlignedFace], views: Sequence[View] | None = None
    ) -> NDArray[np.float32]:
        """The same as ``embed`` for faces of any pictures, in one call: (n, dimensions) float32.

        Args:
            faces: Of any pictures.
            views: What to describe of each, for reads of one visit that are fused anyway; None: as ``embed``.
        """
        ...

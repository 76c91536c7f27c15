"""A classifier of the user's own that tells a living face from a picture of one.

None ships with Gatehouse: what is public is trained on other cameras, or not free to use. The file is pinned
by its checksum, so that nobody swaps what decides about a door.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import InferenceFailed, ModelMismatch, ModelNotFound
from models.manifest import sha256_of
from models.results import BgrImage
from models.runtime import open_session


@dataclass(frozen=True, slots=True)
class LivingInput:
    """How the network wants its picture.

    Attributes:
        input_px: Side of the square it takes.
        live_class: Which of its outputs means a living face.
        crop: Side of what is cut out, in sides of the face; what is beyond the frame repeats its rim.
        is_rgb: Colour order; else BGR.
        mean, scale: (value - mean) * scale for every value of 0..255.
    """

    input_px: int
    live_class: int
    crop: float = 2.7
    is_rgb: bool = False
    mean: float = 0.0
    scale: float = 1.0


class LivingClassifier:
    """Scores faces. Used by one thread."""

    def __init__(self, path: Path, sha256: str, wants: LivingInput, threads: int = 1) -> None:
        """Load the network.

        Raises:
            ModelNotFound: No such file.
            ModelMismatch: Another file, or a network that takes or gives something else.
        """
        if not path.is_file():
            raise ModelNotFound("liveness", f"no such file: {path} (models.liveness.path)")
        found = sha256_of(path)
        if found != sha256:
            raise ModelMismatch(
                "liveness", f"{path} has SHA-256 {found}, models.liveness.sha256 says {sha256[:16]}..."
            )
        self._session = open_session(path, threads)
        self._wants = wants
        side = wants.input_px
        if len(self._session.inputs) != 1:
            raise ModelMismatch(
                "liveness", f"{path} takes {len(self._session.inputs)} inputs, not one picture"
            )
        shape = self._session.inputs[0].shape
        if len(shape) != 4 or any(
            given not in (None, wanted) for given, wanted in zip(shape, (1, 3, side, side), strict=True)
        ):
            raise ModelMismatch("liveness", f"{path} takes {shape}, not (1, 3, {side}, {side})")
        classes = self._classes(np.zeros((side, side, 3), np.uint8)).size
        if wants.live_class >= classes:
            raise ModelMismatch("liveness", f"{path} gives {classes} classes, and none is {wants.live_class}")

    def score(self, image: BgrImage, box: tuple[float, float, float, float]) -> float:
        """Probability 0..1 that a face is living.

        Args:
            image: The frame, or a window around the face.
            box: Left, top, right, bottom of the face in it.

        Raises:
            InferenceFailed: The network failed, or gave something that is no number.
        """
        return float(self._classes(self._cut(image, box))[self._wants.live_class])

    def _cut(self, image: BgrImage, box: tuple[float, float, float, float]) -> BgrImage:
        left, top, right, bottom = box
        side = self._wants.input_px
        scale = side / max(self._wants.crop * max(right - left, bottom - top), 1.0)
        move = (side / 2 - scale * (left + right) / 2, side / 2 - scale * (top + bottom) / 2)
        # Shrinking by more than two needs the mean of what falls into a pixel, not a sample of it.
        if scale < 0.5:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.35 / scale), np.uint8)
        matrix = np.array([[scale, 0, move[0]], [0, scale, move[1]]], np.float32)
        cut = cv2.warpAffine(
            image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(cut, np.uint8)

    def _classes(self, picture: BgrImage) -> NDArray[np.float64]:
        if self._wants.is_rgb:
            picture = np.ascontiguousarray(picture[:, :, ::-1])
        values = (picture.astype(np.float32) - self._wants.mean) * self._wants.scale
        given = np.asarray(self._session.run(values.transpose(2, 0, 1)[None])[0], np.float64).ravel()
        if not given.size or not np.isfinite(given).all():
            raise InferenceFailed("liveness", "the classifier gave no numbers")
        if given.min() >= 0 and abs(given.sum() - 1) < 1e-3:
            return given
        if given.size == 1:
            # One output is the living face's logit.
            return 1 / (1 + np.exp(-given))
        shifted = np.exp(given - given.max())
        return np.asarray(shifted / shifted.sum())

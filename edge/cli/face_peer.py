"""face_recognition, to be measured against; never used for anything else.

It is not a dependency: ``pip install --no-deps face_recognition`` (with its dependencies pip would compile
dlib). Its own way to its weights needs ``pkg_resources``, which current setuptools no longer has, so it is
told where they lie. Of the two landmark models that it loads, the 68-point one must not be used here (its
training pictures exclude it) and is not: descriptors need the 5-point one only, which stands in its place.
"""

import importlib
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import Unavailable
from models.face.weights import CNN_DETECTOR, FIVE_POINTS, PACKAGE, RECOGNITION, find_weights

_HINT = "face_recognition is not installed: pip install --no-deps face_recognition"
Box = tuple[int, int, int, int]


class Peer:
    """The library, loaded."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            Unavailable: It is not installed.
        """
        self._library: Any = _loaded()
        self.version = metadata.version("face_recognition")

    def read(self, path: Path) -> NDArray[np.uint8]:
        """A picture as it wants it, RGB."""
        image: NDArray[np.uint8] = self._library.load_image_file(str(path))
        return image

    def find(self, image: NDArray[np.uint8]) -> Box | None:
        """The face in the middle: HOG, once more with the picture enlarged by two when nothing is found."""
        boxes = self._library.face_locations(image, number_of_times_to_upsample=0)
        boxes = boxes or self._library.face_locations(image, number_of_times_to_upsample=1)
        height, width = image.shape[:2]

        def oddness(box: Box) -> float:
            top, right, bottom, left = box
            across, down = (left + right - width) / 2, (top + bottom - height) / 2
            return float(np.hypot(across, down)) - 0.3 * (right - left)

        return min(boxes, key=oddness, default=None)

    def find_all(self, image: NDArray[np.uint8]) -> list[Box]:
        """All faces of a frame as its examples find them."""
        found: list[Box] = self._library.face_locations(image)
        return found

    def describe(self, image: NDArray[np.uint8], *boxes: Box) -> NDArray[np.float32]:
        """Descriptors, (128,) for one box, (n, 128) for several."""
        described = np.array(self._library.face_encodings(image, list(boxes)), np.float32)
        return described[0] if len(boxes) == 1 else described


def _loaded() -> ModuleType:
    if "face_recognition" in sys.modules:
        return sys.modules["face_recognition"]
    five, network, cnn = (str(find_weights(name)) for name in (FIVE_POINTS, RECOGNITION, CNN_DETECTOR))
    stand_in = ModuleType(PACKAGE)
    for name, path in (
        ("pose_predictor_model_location", five),
        ("pose_predictor_five_point_model_location", five),
        ("face_recognition_model_location", network),
        ("cnn_face_detector_model_location", cnn),
    ):
        setattr(stand_in, name, lambda path=path: path)
    before = sys.modules.get(PACKAGE)
    sys.modules[PACKAGE] = stand_in
    try:
        return importlib.import_module("face_recognition")
    except ImportError as error:
        raise Unavailable(_HINT) from error
    finally:
        if before is None:
            del sys.modules[PACKAGE]
        else:
            sys.modules[PACKAGE] = before

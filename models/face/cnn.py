"""Faces by dlib's convolutional detector: also turned and half hidden ones, nothing to download, but costly.

One picture holds the whole pyramid: each level is 5/6 of the one before, all lie beside each other as dlib
lays them (image_transforms/image_pyramid.h), so that boxes and scores are dlib's own. Because the network
slides one window over it, cost grows with the number of pixels.
"""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.mmod_convert import convert_detector
from models.face.pictures import resize_picture
from models.face.weights import CNN_DETECTOR, find_weights
from models.results import BgrImage, FaceDetection
from models.runtime import open_session

WINDOW_PX = 80  # the smallest face it finds in the picture as given to it
_LONGEST_SIDE_PX = 4000
_LEVEL, _GROWTH = 5 / 6, 6 / 5
_LEAST_LEVEL_PX = 5
_BETWEEN_PX, _AROUND_PX = 10, 11  # empty pixels between levels, and around all of them
_SHIFT = 0.3  # pixels by which dlib moves a point from level to level besides scaling it

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tile:
    """Place of one level of the pyramid in the picture of all."""

    left: int
    top: int
    width: int
    height: int


class CnnDetector:
    """dlib's ``cnn_face_detection_model_v1``, converted.

    As for HOG, the picture is first brought to the scale at which a face of ``min_face_px`` fills the window.
    """

    name = "cnn"

    def __init__(
        self, upsample: int = 0, min_face_px: int = 40, threshold: float = 0.0, threads: int = 1
    ) -> None:
        """Convert and load the network.

        Raises:
            ModelNotFound: The weights' package is missing.
            ModelMismatch: The weights are damaged.
        """
        self._windows = convert_detector(find_weights(CNN_DETECTOR).read_bytes())
        self._session = open_session(self._windows.onnx, threads, name=CNN_DETECTOR)
        self._scale = min(2.0**upsample, WINDOW_PX / min_face_px)
        self._threshold = threshold

    def detect(self, image: BgrImage) -> list[FaceDetection]:
        """Find faces, best score first. Scores start at the threshold (0); clear faces have about 1."""
        height, width = image.shape[:2]
        scale = min(self._scale, _LONGEST_SIDE_PX / max(height, width))
        if scale != 1.0:
            image = resize_picture(image, round(width * scale), round(height * scale))
        down, across = image.shape[0] / height, image.shape[1] / width
        return [
            FaceDetection(
                left=box[0] / across,
                top=box[1] / down,
                right=(box[2] + 1) / across,
                bottom=(box[3] + 1) / down,
                score=score,
            )
            for score, box in self._look(image)
        ]

    def _look(self, image: BgrImage) -> list[tuple[float, tuple[float, ...]]]:
        """Scores and boxes (left, top, right, bottom; both ends included) as dlib gives them."""
        windows = self._windows
        tiles, rows, columns = lay_tiles(*image.shape[:2])
        canvas = np.empty((1, rows, columns, 3), np.float32)
        canvas[0] = windows.means
        level = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32)
        for tile in tiles:
            level = _shrunk(level, tile.width, tile.height)
            canvas[0, tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = level
        if min(rows, columns) < 2 * windows.first:
            return []  # the network's filters do not fit in
        scores = self._session.run(canvas)[0]
        down, across = np.nonzero(scores > self._threshold)
        centres = np.column_stack([across, down]).astype(np.float64) * windows.step + windows.first
        boxes = _in_picture(centres, tiles, windows.window)
        boxes = np.trunc(boxes + np.copysign(0.5, boxes))  # halves away from zero, as C rounds
        found = scores[down, across]
        order = np.argsort(-found, kind="stable")
        kept = _apart(boxes[order], windows.overlap)
        return [(float(found[order[row]]), tuple(map(float, boxes[order[row]]))) for row in kept]


@functools.lru_cache(maxsize=8)
def lay_tiles(height: int, width: int) -> tuple[tuple[Tile, ...], int, int]:
    """Where the levels of a picture lie: down the left side, then up again beside the smaller ones.

    Returns:
        The tiles, largest first; height and width of the picture of all.
    """
    sizes = [(height, width)]
    while True:
        height, width = math.floor(_LEVEL * height), math.floor(_LEVEL * width)
        if height < _LEAST_LEVEL_PX or width == 0:
            break
        sizes.append((height, width))
    first_height, first_width = sizes[0]
    total = sum(size[0] + _BETWEEN_PX for size in sizes) - 2 * _BETWEEN_PX
    column = before = 0
    for level_height, level_width in sizes:
        is_beside = level_width <= first_width - before - _BETWEEN_PX
        if is_beside and 2 * (column - first_height) >= total - first_height:
            break
        column += level_height + _BETWEEN_PX
        before = level_width
    column -= _BETWEEN_PX
    tiles: list[Tile] = []
    y = _AROUND_PX
    while y < column + _AROUND_PX and len(tiles) < len(sizes):
        level_height, level_width = sizes[len(tiles)]
        tiles.append(Tile(_AROUND_PX, y, level_width, level_height))
        y += level_height + _BETWEEN_PX
    y -= _BETWEEN_PX
    for level_height, level_width in sizes[len(tiles) :]:
        left, top = _AROUND_PX + first_width - level_width, y - level_height
        if top < _AROUND_PX + first_height:
            break
        tiles.append(Tile(left, top, level_width, level_height))
        y -= level_height + _BETWEEN_PX
    return tuple(tiles), column + 2 * _AROUND_PX, first_width + 2 * _AROUND_PX


def _shrunk(image: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Bilinear, corner pixels on corner pixels."""
    before_height, before_width = image.shape[:2]
    if (before_width, before_height) == (width, height):
        return image
    across, down = (before_width - 1) / max(width - 1, 1), (before_height - 1) / max(height - 1, 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = np.array([[across, 0, 0], [0, down, 0]])
    made = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(made, np.float32)


def _in_picture(centres: Reals, tiles: tuple[Tile, ...], window: tuple[int, int]) -> Reals:
    """Boxes around centres, (n, 2) in the picture of all tiles, as (n, 4) in the picture itself."""
    places = np.array([(tile.left, tile.top, tile.width, tile.height) for tile in tiles], np.float64)
    off = np.maximum(
        np.maximum(
            places[None, :, :2] - centres[:, None],
            centres[:, None] - places[None, :, :2] - places[None, :, 2:] + 1,
        ),
        0,
    )
    levels = (off**2).sum(axis=2).argmin(axis=1)
    half = (np.array(window, np.float64) - 1) / 2
    centred = centres - places[levels, :2]
    boxes = np.concatenate([centred - half, centred + half], axis=1)
    # Level by level as dlib does it, so that even its rounding of halves is met.
    for level in range(int(levels.max(initial=0))):
        deeper = levels > level
        boxes[deeper] = boxes[deeper] * _GROWTH + _SHIFT
    return np.asarray(boxes, np.float64)


def _apart(boxes: Reals, most: float) -> list[int]:
    """Which boxes stay, given best first: those that have little of the box around both in common."""
    kept: list[int] = []
    for row, box in enumerate(boxes):
        others = boxes[kept]
        inner = _area(np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:]))
        around = _area(np.minimum(box[:2], others[:, :2]), np.maximum(box[2:], others[:, 2:]))
        if not (inner / around > most).any():
            kept.append(row)
    return kept


def _area(least: Reals, most: Reals) -> Reals:
    return np.asarray(np.maximum(most - least + 1, 0).prod(axis=1), np.float64)

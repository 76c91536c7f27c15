"""Faces by YuNet: a small convolutional net (opencv_zoo, MIT) that also finds turned and small faces."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch, ModelNotFound
from models.face.onnx_format import free_input_sizes
from models.face.pictures import resize_picture
from models.results import BgrImage, FaceDetection
from models.runtime import open_session

# The smallest face the net finds reliably in a picture as it gets it; see tests/bench/faces_detect.py.
WINDOW_PX = 20
_STRIDES = (8, 16, 32)
_OVERLAP = 0.3  # intersection over union from which two boxes are the same face
# Faces larger than about half of this are better found in a second, smaller copy of the picture.
_SECOND_LOOK_PX = 480
_SECOND_LOOK_TO_PX = 256


class YunetDetector:
    """YuNet through onnxruntime. The file is fetched or placed by the user; see ``gatehouse models``."""

    name = "yunet"

    def __init__(self, path: Path, min_face_px: int = 40, threshold: float = 0.7, threads: int = 1) -> None:
        if not path.is_file():
            raise ModelNotFound("yunet", f"no such file: {path}; fetch it with: gatehouse models fetch yunet")
        try:
            # The published file is fixed to 640 x 640; the net itself takes any multiple of 32.
            model = free_input_sizes(path.read_bytes(), (1, 3, "height", "width"))
        except ValueError as error:
            raise ModelMismatch("yunet", f"{path} is no ONNX file: {error}") from error
        self._session = open_session(model, threads, name=path.name)
        wanted = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in _STRIDES}
        if {output.name for output in self._session.outputs} != wanted:
            raise ModelMismatch(
                "yunet", f"{path} is another network: it has no outputs named cls_8 ... kps_32"
            )
        self._scale = min(1.0, WINDOW_PX / min_face_px)
        self._threshold = threshold

    @property
    def grain_px(self) -> float:
        """Pixels of the picture under one cell of the coarsest stride, see ``LooksAtParts``."""
        return _STRIDES[-1] / self._scale

    def detect(self, image: BgrImage) -> list[FaceDetection]:
        """Find faces, best score (0..1) first, each with its five landmarks."""
        return self.detect_part(image, (0, 0, image.shape[1], image.shape[0]))

    def detect_part(self, image: BgrImage, part: tuple[int, int, int, int]) -> list[FaceDetection]:
        """See ``LooksAtParts``: what decides on scales is the size of the whole picture."""
        longest = max(image.shape[:2])
        left, top, right, bottom = part
        image = image[top:bottom, left:right]
        found = self._look(image, self._scale)
        if longest * self._scale > _SECOND_LOOK_PX:
            found = np.concatenate([found, self._look(image, _SECOND_LOOK_TO_PX / longest)])
        found[:, [0, 2, 5, 7, 9, 11, 13]] += left
        found[:, [1, 3, 6, 8, 10, 12, 14]] += top
        if not len(found):
            return []
        kept = cv2.dnn.NMSBoxes(
            np.column_stack([found[:, :2], found[:, 2:4] - found[:, :2]]).tolist(),
            found[:, 4].tolist(),
            self._threshold,
            _OVERLAP,
        )
        rows = [found[int(index)] for index in np.asarray(kept).ravel()]
        faces = [
            FaceDetection(
                left=float(row[0]),
                top=float(row[1]),
                right=float(row[2]),
                bottom=float(row[3]),
                score=float(row[4]),
                landmarks=row[5:].reshape(5, 2).copy(),
            )
            for row in rows
        ]
        return sorted(faces, key=lambda face: -face.score)

    def _look(self, image: BgrImage, scale: float) -> NDArray[np.float32]:
        """Candidates in the picture at one scale: (n, 15) left, top, right, bottom, score, 5 points."""
        height, width = image.shape[:2]
        small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
        if scale < 1.0:
            image = resize_picture(image, small_width, small_height)
        padded_height, padded_width = -small_height % 32 + small_height, -small_width % 32 + small_width
        # Padding at the right and below, as OpenCV's own FaceDetectorYN does: zero, BGR, not scaled.
        blob = np.zeros((1, 3, padded_height, padded_width), np.float32)
        blob[0, :, :small_height, :small_width] = image.transpose(2, 0, 1)
        outputs = dict(zip((o.name for o in self._session.outputs), self._session.run(blob), strict=True))
        found = np.concatenate([self._decode(outputs, stride, padded_width // stride) for stride in _STRIDES])
        found[:, [0, 2, 5, 7, 9, 11, 13]] *= width / small_width
        found[:, [1, 3, 6, 8, 10, 12, 14]] *= height / small_height
        return found

    def _decode(self, outputs: dict[str, NDArray[Any]], stride: int, columns: int) -> NDArray[np.float32]:
        """Boxes of one stride: centre and points relative to the cell, sizes as exponents."""
        scores = np.sqrt(
            np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1)
            * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
        )
        cells = np.flatnonzero(scores >= self._threshold)
        corner = np.column_stack([cells % columns, cells // columns]).astype(np.float32)
        box = outputs[f"bbox_{stride}"][0, cells]
        points = outputs[f"kps_{stride}"][0, cells].reshape(-1, 5, 2)
        centre = (corner + box[:, :2]) * stride
        half = np.exp(box[:, 2:]) * (stride / 2)
        landmarks = (points + corner[:, None]) * stride
        return np.column_stack(
            [centre - half, centre + half, scores[cells], landmarks.reshape(-1, 10)]
        ).astype(np.float32)

"""Chooses a face detector, and finds the one face of an enrolment picture."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.errors import FacesUnusable, ModelNotFound
from models.face.cnn import CnnDetector
from models.face.contracts import FaceDetector
from models.face.hog import HogDetector
from models.face.pictures import resize_picture
from models.face.yunet import YunetDetector
from models.results import BgrImage, FaceDetection

log = logging.getLogger(__name__)

_PORTRAIT_PX = 1000  # enrolment pictures are looked at no larger than this: the person is close
_SMALL_PICTURE_PX = 700  # below this a picture without a face is looked at once more, enlarged by two
# A further face is another person only when it is not much smaller and not doubtful: HOG with one
# enlargement sees a second face of score 0.12 in scikit-image's astronaut; real second faces in our test
# pictures had 0.88 and more, so the line is drawn low enough to refuse rather than to guess.
_OTHER_PERSON_HEIGHT = 1 / 3
_OTHER_PERSON_SCORE = {"hog": 0.3, "yunet": 0.8, "cnn": 0.6}


def open_detector(
    name: str = "auto",
    *,
    yunet_path: Path | None = None,
    upsample: int = 0,
    min_face_px: int = 40,
    threads: int = 1,
) -> FaceDetector:
    """Open a detector.

    Args:
        name: ``hog``, ``yunet``, ``cnn``, or ``auto``: YuNet when its file is there, else HOG, said so in the
            log.
        yunet_path: YuNet's ONNX file.
        upsample: How often HOG and CNN may enlarge the picture by two to find smaller faces; each time costs
            four times as much.
        min_face_px: Height of the smallest face of interest; the picture is shrunk as far as that allows.
            HOG and CNN without enlarging find none below about 80.
        threads: Of YuNet and CNN.

    Returns:
        The detector, for one thread.

    Raises:
        ModelNotFound: Unknown name, or its file or package is missing.
        ModelMismatch: The file is another network.
    """
    if name == "auto":
        if yunet_path is not None and yunet_path.is_file():
            name = "yunet"
        else:
            where = f"no file {yunet_path}" if yunet_path else "no file for it is configured"
            # The daemon says it once; each vision process would say it again.
            log.debug("face detector: hog, because yunet is not to be had (%s)", where)
            name = "hog"
    if name == "hog":
        return HogDetector(upsample=upsample, min_face_px=min_face_px)
    if name == "yunet":
        if yunet_path is None:
            raise ModelNotFound("yunet", "the path of its file is not given")
        return YunetDetector(yunet_path, min_face_px=min_face_px, threads=threads)
    if name == "cnn":
        return CnnDetector(upsample=upsample, min_face_px=min_face_px, threads=threads)
    raise ModelNotFound(name, "no such face detector; there are: auto, hog, yunet, cnn")


def single_face(image: BgrImage, detector: FaceDetector) -> FaceDetection:
    """Find the one face of an enrolment picture.

    Faces in the background (less than a third as high) and doubtful ones are no second person.

    Returns:
        The face, in pixels of ``image``.

    Raises:
        FacesUnusable: No face, or two or more.
    """
    longest = max(image.shape[:2])
    scale = min(1.0, _PORTRAIT_PX / longest)
    faces = _detect_at(image, detector, scale)
    if not faces and longest < _SMALL_PICTURE_PX:
        faces = _detect_at(image, detector, 2.0)
    if not faces:
        advice = "one person, from the front, well lit, face at least 100 px"
        raise FacesUnusable("picture", 0, "no face", advice)
    persons = persons_among(faces, detector.name)
    if len(persons) > 1:
        count = len(persons)
        many = "two faces" if count == 2 else f"{count} faces"
        raise FacesUnusable("picture", count, many, "the picture must show one person alone")
    return persons[0]


def persons_among(faces: Sequence[FaceDetection], detector: str) -> list[FaceDetection]:
    """Who stands before the camera, the nearest first: no faces in the background, no doubtful ones.

    Args:
        faces: All that were found in one picture.
        detector: By the detector of this name; scores mean different things.
    """
    ordered = sorted(faces, key=lambda face: -_height(face))
    surest = _OTHER_PERSON_SCORE.get(detector, 0.5)
    clear = [face for face in ordered if face.score >= surest] or ordered[:1]
    return [face for face in clear if _height(face) >= _height(clear[0]) * _OTHER_PERSON_HEIGHT]


def _height(face: FaceDetection) -> float:
    return face.bottom - face.top


def _detect_at(image: BgrImage, detector: FaceDetector, scale: float) -> list[FaceDetection]:
    if scale == 1.0:
        return detector.detect(image)
    small = resize_picture(image, round(image.shape[1] * scale), round(image.shape[0] * scale))
    return [
        FaceDetection(
            left=face.left / scale,
            top=face.top / scale,
            right=face.right / scale,
            bottom=face.bottom / scale,
            score=face.score,
            landmarks=None if face.landmarks is None else (face.landmarks / np.float32(scale)),
        )
        for face in detector.detect(small)
    ]

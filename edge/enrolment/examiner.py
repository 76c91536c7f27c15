"""One picture -> a template, or the flaw that stands against it. Knows nothing of other persons.

The networks are opened here, in the command itself or in the short-lived process of ``outside``; the daemon's
control process never loads them.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import cv2

from edge.enrolment.verdicts import THUMB_PX, Examination, Finding
from edge.face_models import open_face_detector, open_face_embedder
from edge.settings import ModelSettings
from models.errors import PictureUnusable
from models.face import (
    AlignedFace,
    FaceQuality,
    FacesUnusable,
    align_faces,
    load_picture,
    measure_face,
    single_face,
)
from models.results import BgrImage, FaceDetection

# The gate makes do with 16 px and a sharpness of 56. What everybody is compared with for years should be
# better: below 100 a template has moved by 0.37 from that of the clear picture, and 4 of 100 good ones are
# refused (lfw-dev, 300 pictures).
LEAST_EYE_DISTANCE_PX = 24.0
LEAST_SHARPNESS = 100.0
_FINDING_OF_FLAW: Mapping[str, Finding] = {
    "cut by the edge": Finding.CUT,
    "too small": Finding.TOO_SMALL,
    "turned": Finding.POSE,
    "too dark": Finding.TOO_DARK,
    "too bright": Finding.TOO_BRIGHT,
    "blurred": Finding.BLURRED,
}


class Examiner:
    """Detector, quality gate and embedder of one configuration.

    Thread: one.
    """

    def __init__(self, models: ModelSettings, cache: Path) -> None:
        """Open the networks.

        Args:
            models: Which ones.
            cache: Where converted and fetched networks are kept.

        Raises:
            ModelError: A file is missing or damaged; one line says which and what to do.
        """
        # Enrolment looks harder than the gate: one enlargement finds the smaller faces of a portrait.
        self._detector = open_face_detector(models, cache, upsample=1)
        self._embedder = open_face_embedder(models, cache, thorough=True)
        self.set_name = f"faces-{self._embedder.set_name}"

    def examine(self, picture: Path | bytes) -> Examination:
        """Judge a picture file, or its content."""
        try:
            image = load_picture(picture)
        except PictureUnusable as error:
            return Examination(Finding.UNREADABLE, detail=str(error).removeprefix(f"{error.name}: "))
        content = picture if isinstance(picture, bytes) else picture.read_bytes()
        return self.examine_image(image, sha256(content).digest())

    def examine_image(self, image: BgrImage, digest: bytes = b"") -> Examination:
        """Judge a decoded picture, (height, width, 3) uint8 BGR."""
        try:
            face = single_face(image, self._detector)
        except FacesUnusable as error:
            finding = Finding.TWO_FACES if error.count else Finding.NO_FACE
            return Examination(finding, detail=error.found)
        return self.examine_face(image, face, digest=digest)

    def examine_face(self, image: BgrImage, face: FaceDetection, digest: bytes = b"") -> Examination:
        """Judge a face that was found already."""
        aligned = align_faces(image, [face])[0]
        quality = measure_face(image, face, aligned)
        numbers = _numbers(quality)
        finding, detail = _flaw(quality)
        if finding is not Finding.GOOD:
            return Examination(finding, detail=detail, numbers=numbers)
        template = self._embedder.embed(image, [face])[0]
        return Examination(finding, template, "", thumb_of(aligned), digest, numbers)


def thumb_of(face: AlignedFace) -> bytes:
    """The inner face as 32 x 32 grey bytes."""
    grey = cv2.cvtColor(face.chip, cv2.COLOR_RGB2GRAY)[20:135, 20:130]
    small = cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return small.tobytes()


def _flaw(quality: FaceQuality) -> tuple[Finding, str]:
    if quality.flaw:
        known = _FINDING_OF_FLAW.get(quality.flaw)
        return (known, "") if known else (Finding.FLAWED, quality.flaw)
    if quality.eye_distance_px < LEAST_EYE_DISTANCE_PX:
        return Finding.TOO_SMALL, ""
    if quality.sharpness < LEAST_SHARPNESS:
        return Finding.BLURRED, ""
    return Finding.GOOD, ""


def _numbers(quality: FaceQuality) -> dict[str, float]:
    return {
        "eye_distance_px": round(quality.eye_distance_px, 1),
        "sharpness": round(quality.sharpness, 1),
        "turn": round(quality.turn, 3),
        "brightness": round(quality.brightness, 1),
    }

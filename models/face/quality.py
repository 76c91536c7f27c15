"""Is this face worth describing? Each flaw has its number and its name.

A flawed face means "not enough to say", never "unknown person": nobody is refused because he moved.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.alignment import AlignedFace, align_faces
from models.results import BgrImage, FaceDetection

# Where the template of a spoilt face moves by about 0.35 from that of the clear one (half way to a stranger):
# measured on 212 faces made smaller, darker, brighter, and blurred all round or one way.
SMALLEST_EYE_DISTANCE_PX = 16.0
LEAST_SHARPNESS = 56.0  # loses 1 % of good faces, catches 79 % of those that moved by 0.45 or more
MOST_TURN = 0.55
DARKEST, BRIGHTEST = 20.0, 235.0
MOST_CUT = 0.2
_SURELY_DARK, _SURELY_BRIGHT = 15.0, 250.0  # of the box, for what is only glanced at
_LAG = 4  # pixels of the chip between the points whose curvature counts as detail


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """Numbers about one face.

    Attributes:
        flaw: "", or the first of: cut by the edge, too small, turned, too dark, too bright, blurred.
        eye_distance_px: Between the middles of the eyes, in the picture.
        sharpness: Detail of the upright chip, thousandths of its contrast; least over four directions.
        turn: How far the nose is from the middle between the eyes, in eye distances; 0 is frontal.
        sideways: The same with its side: above 0 the nose points to the right of the picture, which is the
            person's own left.
        brightness: Mean grey level of the inner face, 0..255.
        outside: Share of the box beyond the edges of the picture.
    """

    flaw: str
    eye_distance_px: float
    sharpness: float
    turn: float
    brightness: float
    outside: float
    sideways: float = 0.0


def assess_face(image: BgrImage, detection: FaceDetection) -> str:
    """The first flaw of a face, or "" when it may be described."""
    return measure_face(image, detection).flaw


def measure_face(
    image: BgrImage, detection: FaceDetection, aligned: AlignedFace | None = None
) -> FaceQuality:
    """All numbers of a face.

    Args:
        image: The picture.
        detection: The face in it.
        aligned: The aligned face if the caller already has it; it is made otherwise.
    """
    face = aligned or align_faces(image, [detection])[0]
    points = face.points
    right_eye, left_eye, nose = points[:2].mean(axis=0), points[2:4].mean(axis=0), points[4]
    between = right_eye - left_eye
    eye_distance = float(np.hypot(*between)) or 1e-6
    middle = (right_eye + left_eye) / 2
    sideways = float((nose - middle) @ between) / eye_distance**2
    grey = cv2.cvtColor(face.chip, cv2.COLOR_RGB2GRAY)[30:130, 30:120]
    return _judged(eye_distance, _sharpness(grey), sideways, float(grey.mean()), _outside(image, detection))


def glance_at_face(image: BgrImage, detection: FaceDetection) -> str:
    """A flaw that shows without aligning the face, which takes a millisecond; "" when it needs a closer look.

    Only what ``measure_face`` would certainly find as well (its limits are left a wide berth).
    """
    height, width = image.shape[:2]
    across, down = detection.right - detection.left, detection.bottom - detection.top
    left, right = (int(np.clip(detection.left + part * across, 0, width)) for part in (0.2, 0.8))
    top, bottom = (int(np.clip(detection.top + part * down, 0, height)) for part in (0.25, 0.9))
    inner = image[top : bottom : max(1, (bottom - top) // 24), left : right : max(1, (right - left) // 24)]
    if not inner.size:
        return ""
    brightness = float(cv2.cvtColor(np.ascontiguousarray(inner), cv2.COLOR_BGR2GRAY).mean())
    if brightness < _SURELY_DARK:
        return "too dark"
    return "too bright" if brightness > _SURELY_BRIGHT else ""


def _judged(
    eye_distance: float, sharpness: float, sideways: float, brightness: float, outside: float
) -> FaceQuality:
    turn = abs(sideways)
    flaws = (
        ("cut by the edge", outside > MOST_CUT),
        ("too small", eye_distance < SMALLEST_EYE_DISTANCE_PX),
        ("turned", turn > MOST_TURN),
        ("too dark", brightness < DARKEST),
        ("too bright", brightness > BRIGHTEST),
        ("blurred", sharpness < LEAST_SHARPNESS),
    )
    flaw = next((name for name, present in flaws if present), "")
    return FaceQuality(flaw, eye_distance, sharpness, turn, brightness, outside, sideways)


def _sharpness(grey: NDArray[Any]) -> float:
    """Detail of a few pixels in the poorest of four directions, relative to the contrast.

    Why directions: a face that moved is blurred one way only and keeps its detail across. Why a few pixels:
    finer detail is mostly noise of the sensor.
    """
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.5)
    contrast = float(smooth.var()) + 1.0
    height, width = smooth.shape
    inner = smooth[_LAG : height - _LAG, _LAG : width - _LAG]

    def detail(down: int, across: int) -> float:
        ahead = smooth[_LAG + down : height - _LAG + down, _LAG + across : width - _LAG + across]
        behind = smooth[_LAG - down : height - _LAG - down, _LAG - across : width - _LAG - across]
        return float(np.square(ahead + behind - 2 * inner).mean())

    directions = ((0, _LAG), (_LAG, 0), (_LAG, _LAG), (_LAG, -_LAG))
    return 1000.0 * min(detail(*direction) for direction in directions) / contrast


def _outside(image: BgrImage, detection: FaceDetection) -> float:
    height, width = image.shape[:2]
    area = (detection.right - detection.left) * (detection.bottom - detection.top)
    seen_width = max(0.0, min(detection.right, width) - max(detection.left, 0.0))
    seen_height = max(0.0, min(detection.bottom, height) - max(detection.top, 0.0))
    return 1.0 - seen_width * seen_height / area if area > 0 else 1.0

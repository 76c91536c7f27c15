"""The cues on real pictures: faces of a film against the same film's faces on simulated phones and paper."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from rephotograph import MEDIA, hand_held, show

from edge.evidence.liveness import LivenessEvidence
from edge.records import Box, Kind, Liveness, Sighting
from edge.vision.liveness import cues_of
from models.face import FaceDetector, open_detector
from models.results import FaceDetection

pytestmark = pytest.mark.shared_data

SHOWN = [medium for medium in MEDIA if medium.name in ("phone", "paper, white margin")]
"""Two of five; all of them, and what gets through: tests/bench/liveness_eval.py."""


@pytest.fixture(scope="module")
def detector(shared_data: Path) -> FaceDetector:
    return open_detector(
        "yunet", yunet_path=next((shared_data / "models").glob("*yunet*.onnx")), min_face_px=48
    )


@pytest.fixture(scope="module")
def frames(shared_data: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(next((shared_data / "faces" / "clip").glob("*.mp4"))))
    frames = []
    for number in range(0, 240, 6):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        frames.append(capture.read()[1])
    return frames


@pytest.fixture(scope="module")
def portraits(shared_data: Path) -> list[np.ndarray]:
    people = sorted((shared_data / "faces" / "lfw-dev").iterdir())[5:600:200]
    return [cv2.imread(str(min(person.iterdir())))[25:225, 25:225] for person in people]


def box_of(face: FaceDetection) -> Box:
    return Box(face.left, face.top, face.right, face.bottom)


def test_the_faces_of_a_real_film_meet_hardly_an_objection(
    frames: list[np.ndarray], detector: FaceDetector
) -> None:
    worst = []
    for frame in frames:
        for face in detector.detect(frame):
            cues = cues_of(frame, box_of(face))
            if cues:
                worst.append(
                    min(cues[name] for name in ("frame", "texture", "colour", "glare") if name in cues)
                )
    assert len(worst) >= 40
    assert np.mean(np.array(worst) < 0.5) < 0.1


@pytest.mark.parametrize("medium", SHOWN, ids=lambda medium: medium.name)
def test_a_picture_whose_rim_is_in_view_never_reaches_the_passive_level(
    portraits: list[np.ndarray], frames: list[np.ndarray], detector: FaceDetector, medium: object
) -> None:
    rng = np.random.default_rng(8)
    seen = 0
    for picture, scene in zip(portraits, frames[::14], strict=True):
        track = LivenessEvidence()
        for seq, corners in enumerate(hand_held((320, 180), (230, 230), 4, rng)):
            image = show(picture, scene, corners, medium, rng)  # type: ignore[arg-type]
            across, down = corners.mean(axis=0)
            for face in detector.detect(image):
                if face.left < across < face.right and face.top < down < face.bottom:
                    points = () if face.landmarks is None else tuple(map(float, face.landmarks.ravel()))
                    track.observe(
                        Sighting(
                            *("c", "s", 1, Kind.FACE, seq, seq, seq, box_of(face), 0.9),
                            cues=cues_of(image, box_of(face)),
                            points=points,
                        )
                    )
                    break
        seen += track.reads
        assert track.findings(least_score=0.5, least_model=1.0).level is Liveness.NONE
    assert seen >= 9

"""Flaws of faces, made on purpose on a real face, get their names; the face as it is has none."""

import cv2
import matplotlib as mpl
import numpy as np
import pytest

from models.face import FaceQuality, assess_face, load_picture, measure_face, open_detector
from models.results import BgrImage, FaceDetection


@pytest.fixture(scope="module")
def officer() -> tuple[BgrImage, FaceDetection]:
    image = load_picture(mpl.get_data_path() + "/sample_data/grace_hopper.jpg")
    return image, open_detector("hog").detect(image)[0]


def shrunk(image: BgrImage, face: FaceDetection, scale: float) -> tuple[BgrImage, FaceDetection]:
    small = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    box = (face.left * scale, face.top * scale, face.right * scale, face.bottom * scale)
    return small, FaceDetection(*box, face.score)


def test_a_good_face_has_no_flaw(officer: tuple[BgrImage, FaceDetection]) -> None:
    quality = measure_face(*officer)
    assert quality.flaw == ""
    assert 75 < quality.eye_distance_px < 95
    assert quality.turn < 0.1
    assert quality.outside == 0.0


def test_defocus_is_blur(officer: tuple[BgrImage, FaceDetection]) -> None:
    image, face = officer
    assert assess_face(cv2.GaussianBlur(image, (0, 0), 9), face) == "blurred"


def test_a_face_that_moved_across_is_blurred(officer: tuple[BgrImage, FaceDetection]) -> None:
    image, face = officer
    assert assess_face(cv2.blur(image, (45, 1)), face) == "blurred"  # half the distance of the eyes


def test_movement_costs_sharpness_in_either_direction(officer: tuple[BgrImage, FaceDetection]) -> None:
    image, face = officer
    clear = measure_face(image, face).sharpness
    for moved in ((25, 1), (1, 25)):
        assert measure_face(cv2.blur(image, moved), face).sharpness < clear / 3


def test_noise_is_no_sharpness(officer: tuple[BgrImage, FaceDetection]) -> None:
    image, face = officer
    soft = cv2.GaussianBlur(image, (0, 0), 9)
    noise = np.random.default_rng(1).normal(0, 8, image.shape)
    assert assess_face(np.clip(soft + noise, 0, 255).astype(np.uint8), face) == "blurred"


def test_a_small_face_is_too_small(officer: tuple[BgrImage, FaceDetection]) -> None:
    assert assess_face(*shrunk(*officer, 0.15)) == "too small"


def test_poor_light_is_named(officer: tuple[BgrImage, FaceDetection]) -> None:
    image, face = officer
    assert assess_face((image * 0.1).astype(np.uint8), face) == "too dark"
    assert assess_face(np.clip(image.astype(int) * 4, 0, 255).astype(np.uint8), face) == "too bright"


def test_light_does_not_count_as_blur(officer: tuple[BgrImage, FaceDetection]) -> None:
    image, face = officer
    assert assess_face((image * 0.4).astype(np.uint8), face) == ""


def test_a_face_half_outside_the_frame_is_cut(officer: tuple[BgrImage, FaceDetection]) -> None:
    image, face = officer
    offset = (face.left + face.right) / 2
    cut = np.ascontiguousarray(image[:, int(offset) :])
    moved = FaceDetection(face.left - offset, face.top, face.right - offset, face.bottom, face.score)
    quality = measure_face(cut, moved)
    assert isinstance(quality, FaceQuality)
    assert quality.flaw == "cut by the edge"
    assert quality.outside == pytest.approx(0.5, abs=0.02)


def test_a_face_squeezed_like_a_turned_head_is_named_or_less_frontal(
    officer: tuple[BgrImage, FaceDetection],
) -> None:
    # A profile of the same person is not to be had; the nose is moved sideways instead of the head.
    from models.face.alignment import AlignedFace, align_faces

    image, face = officer
    aligned = align_faces(image, [face])[0]
    points = aligned.points.copy()
    points[4, 0] += 0.6 * (points[0, 0] - points[2, 0])
    assert measure_face(image, face, AlignedFace(aligned.chip, points)).flaw == "turned"

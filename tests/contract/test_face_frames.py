"""The ArcFace frame from either detector: from YuNet's own points, or from dlib's predictor in HOG's box."""

from pathlib import Path

import numpy as np
import pytest

from models.face import align_faces, load_picture, open_detector
from models.face.evaluation import central_face, pictures_by_person
from models.face.warp import ARCFACE_POINTS, ARCFACE_PX, DLIB_POINTS, similarity

FACES = 24


@pytest.mark.shared_data
def test_the_frame_from_hog_is_on_average_within_a_twelfth_of_that_from_yunet(shared_data: Path) -> None:
    yunet_path = shared_data / "models" / "face_detection_yunet_2023mar.onnx"
    yunet, hog = open_detector("yunet", yunet_path=yunet_path), open_detector("hog", min_face_px=80)
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64) * ARCFACE_PX
    apart = []
    for paths in list(pictures_by_person(shared_data / "faces" / "lfw-dev").values())[: FACES + 6]:
        image = load_picture(paths[0])
        with_points, without = (central_face(image, detector.detect(image)) for detector in (yunet, hog))
        if with_points is None or without is None:
            continue
        assert with_points.landmarks is not None
        wanted = similarity(with_points.landmarks, ARCFACE_POINTS)
        made = similarity(align_faces(image, [without])[0].points, DLIB_POINTS)
        back = np.linalg.inv(np.vstack([wanted, [0, 0, 1]]))
        in_picture = np.column_stack([corners, np.ones(4)]) @ back.T
        apart.append(float(np.linalg.norm(in_picture @ made.T - corners, axis=1).mean()))
    assert len(apart) >= FACES
    assert np.mean(apart) < ARCFACE_PX / 12

"""Embedders with a description: frames, set names, scales, and files that are not what was described."""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_embedder import write_small_embedder

from models.errors import ModelMismatch, ModelNotFound
from models.face.described import DescribedEmbedder, Description, sface
from models.face.distances import LINE
from models.face.embedder import open_described
from models.face.warp import ARCFACE_POINTS, Warp, cut_faces, similarity
from models.results import FaceDetection

PICTURE = np.random.default_rng(4).integers(0, 256, (60, 80, 3)).repeat(5, axis=0).repeat(5, axis=1)
PICTURE = cv2.GaussianBlur(PICTURE.astype(np.uint8), (0, 0), 3)
# Five points as YuNet gives them, of a face 90 px wide that is turned a little.
POINTS = np.array([[151, 122], [193, 116], [176, 146], [160, 172], [196, 168]], np.float32)
FACE = FaceDetection(125, 80, 220, 200, 0.9, POINTS)


def described(path: Path, **changes: object) -> Description:
    wanted = Description("small", write_small_embedder(path), 128, 0.9, mean=(0.0, 0.0, 0.0), scale=1.0)
    return replace(wanted, **changes)  # type: ignore[arg-type]


@given(
    turn=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_a_turned_scaled_shifted_face_is_brought_back_exactly(
    turn: float, scale: float, x: float, y: float
) -> None:
    matrix = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    points = ARCFACE_POINTS @ matrix.T + (x, y)
    back = similarity(points, ARCFACE_POINTS)
    np.testing.assert_allclose(points @ back[:, :2].T + back[:, 2], ARCFACE_POINTS, atol=1e-6)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    mirrored = ARCFACE_POINTS * (-1, 1)
    back = similarity(mirrored, ARCFACE_POINTS)
    assert np.linalg.det(back[:, :2]) > 0


def test_our_frame_and_features_are_those_of_opencvs_own_recogniser(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    embedder = DescribedEmbedder(replace(sface(write_small_embedder(path)), mirrored=False), path)
    theirs = cv2.FaceRecognizerSF_create(str(path), "")
    row = np.array([[FACE.left, FACE.top, 95, 120, *POINTS.ravel(), FACE.score]], np.float32)
    frame = theirs.alignCrop(PICTURE, row)
    (ours,) = cut_faces(PICTURE, [FACE], Warp.ARCFACE, 112)
    assert np.abs(ours.astype(int) - frame).max() <= 2
    feature = theirs.feature(frame)[0]
    (template,) = embedder.embed(PICTURE, [FACE])
    cosine = float(feature @ template) / float(np.linalg.norm(feature) * np.linalg.norm(template))
    assert cosine > 0.9999


def test_two_faces_at_the_publishers_cosine_are_apart_by_the_common_line() -> None:
    stretch = sface("0" * 64).stretch
    one, other = np.array([1.0, 0.0]), np.array([0.363, math.sqrt(1 - 0.363**2)])
    assert float(np.linalg.norm(one - other)) * stretch == pytest.approx(LINE)
    assert replace(sface("0" * 64), distance="l2", line=1.2).stretch == pytest.approx(0.5)


def test_templates_are_unit_vectors_times_the_stretch_and_mirrored_ones_say_the_same_of_both(
    tmp_path: Path,
) -> None:
    path = tmp_path / "small.onnx"
    embedder = open_described(described(path), path)
    templates = embedder.embed(PICTURE, [FACE, replace(FACE, landmarks=POINTS + np.float32(20))])
    assert templates.shape == (2, 128)
    np.testing.assert_allclose(np.linalg.norm(templates, axis=1), described(path).stretch, rtol=1e-5)
    flipped = np.ascontiguousarray(PICTURE[:, ::-1])
    width = PICTURE.shape[1]
    points = (np.array([width - 1, 0]) + POINTS * (-1, 1))[[1, 0, 2, 4, 3]].astype(np.float32)
    (mirror_image,) = embedder.embed(flipped, [replace(FACE, landmarks=points)])
    # The reference frame itself is not quite symmetrical, so not to the last digit.
    assert np.linalg.norm(mirror_image - templates[0]) < 0.3 * np.linalg.norm(templates[1] - templates[0])
    assert embedder.embed(PICTURE, []).shape == (0, 128)


def test_one_call_may_take_several_faces_where_the_network_does(tmp_path: Path) -> None:
    one_path, many_path = tmp_path / "one.onnx", tmp_path / "many.onnx"
    one = open_described(described(one_path), one_path)
    many = open_described(
        replace(described(one_path), sha256=write_small_embedder(many_path, faces="n")), many_path
    )
    faces = [replace(FACE, landmarks=POINTS + np.float32(shift)) for shift in range(10)]
    np.testing.assert_allclose(many.embed(PICTURE, faces), one.embed(PICTURE, faces), atol=1e-5)


def test_distances_as_they_are_for_networks_compared_by_distance(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    raw = open_described(described(path, distance="l2", line=0.6, mirrored=False), path).embed(
        PICTURE, [FACE]
    )[0]
    cosine = open_described(described(path, mirrored=False), path).embed(PICTURE, [FACE])[0]
    assert np.linalg.norm(raw) != pytest.approx(float(np.linalg.norm(cosine)), rel=0.01)
    np.testing.assert_allclose(raw / np.linalg.norm(raw), cosine / np.linalg.norm(cosine), atol=1e-5)


def test_any_other_file_or_use_of_it_is_another_space(tmp_path: Path) -> None:
    first = described(tmp_path / "a.onnx")
    others = [
        replace(first, sha256=write_small_embedder(tmp_path / "b.onnx", seed=1)),
        replace(first, colours="bgr"),
        replace(first, mean=(127.5, 127.5, 127.5)),
        replace(first, scale=0.5),
        replace(first, warp=Warp.DLIB),
        replace(first, line=0.5),
        replace(first, name="other"),
    ]
    spaces = [first.space, *(other.space for other in others)]
    assert len(set(spaces)) == len(spaces)
    assert all(space.rpartition("-")[0] in {"small", "other"} for space in spaces)
    assert first.space == replace(first, mirrored=False).space
    assert sface("0" * 64).space == "sface"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "0" * 64}, "another file"),
        ({"dimensions": 64}, "makes 128 numbers of a face, not 64"),
        ({"size_px": 96}, "not a face of 96 x 96 pixels"),
        ({"output": "fc2"}, "has no output 'fc2'; it has: fc1"),
    ],
)
def test_a_file_that_is_not_as_described_is_refused_by_name(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    path = tmp_path / "small.onnx"
    with pytest.raises(ModelMismatch, match=f"small: .*{words}"):
        open_described(described(path, **change), path)


def test_of_several_outputs_one_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    wanted = replace(described(path), sha256=write_small_embedder(path, outputs=("fc1", "extra")))
    with pytest.raises(ModelMismatch, match="say which one: fc1, extra"):
        open_described(wanted, path)
    assert open_described(replace(wanted, output="extra"), path).embed(PICTURE, [FACE]).shape == (1, 128)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    wanted = described(tmp_path / "there.onnx")
    with pytest.raises(ModelNotFound, match=r"no such file: .*gone\.onnx"):
        open_described(wanted, tmp_path / "gone.onnx")


@pytest.mark.parametrize(
    "change",
    [{"name": "Größe"}, {"sha256": "12"}, {"line": 1.5}, {"distance": "l2", "line": 0}, {"scale": 0.0}],
)
def test_a_description_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="embedder"):
        replace(Description("small", "0" * 64, 128, 0.4), **change)  # type: ignore[arg-type]

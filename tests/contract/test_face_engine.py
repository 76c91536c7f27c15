"""The face engine on real pictures: every detector and embedder keeps the same promises."""

from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
import skimage

from models.errors import ModelMismatch, ModelNotFound, PictureUnusable
from models.face import (
    AlignedFace,
    FaceDetector,
    FaceEmbedder,
    Gallery,
    align_faces,
    judge_face,
    load_picture,
    open_detector,
    open_embedder,
    single_face,
)
from models.face.alignment import chip_transform, cut_views
from models.face.contracts import View
from models.face.embedder import ConvertedEmbedder, DlibEmbedder
from models.face.evaluation import central_face, describe_pictures, pictures_by_person
from models.face.quality import assess_face, glance_at_face
from models.results import BgrImage

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"
OFFICER = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
DETECTORS = ["hog", "hog-enlarged", "yunet", "cnn"]


@pytest.fixture(params=DETECTORS)
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    if request.param == "yunet":
        folder: Path = request.getfixturevalue("shared_data")
        return open_detector("yunet", yunet_path=folder / "models" / "face_detection_yunet_2023mar.onnx")
    if request.param == "cnn":
        return open_detector("cnn", min_face_px=80)
    return open_detector("hog", upsample=int(request.param == "hog-enlarged"))


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    return open_embedder("dlib")


@pytest.fixture(scope="module")
def astronaut() -> BgrImage:
    return load_picture(ASTRONAUT)


@pytest.fixture(scope="module")
def officer() -> BgrImage:
    return load_picture(OFFICER)


def test_a_portrait_gives_its_one_face(detector: FaceDetector, astronaut: BgrImage) -> None:
    face = single_face(astronaut, detector)
    assert 160 < face.left < 200
    assert 60 < face.top < 100
    assert 250 < face.right < 290
    assert 150 < face.bottom < 190


def test_two_people_are_refused_for_enrolment(detector: FaceDetector, shared_data: Path) -> None:
    picture = load_picture(shared_data / "faces" / "portraits" / "two_people.jpg")
    with pytest.raises(PictureUnusable, match="two faces"):
        single_face(picture, detector)


def test_a_picture_without_a_face_is_refused_for_enrolment(detector: FaceDetector) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (300, 300, 3), np.uint8)
    with pytest.raises(PictureUnusable, match="no face"):
        single_face(noise, detector)


def test_an_empty_scene_has_no_faces(detector: FaceDetector) -> None:
    assert detector.detect(np.full((240, 320, 3), 128, np.uint8)) == []


@pytest.mark.parametrize("size", [(1, 1), (7, 400), (31, 33), (200, 3)])
def test_a_picture_of_any_size_is_accepted(detector: FaceDetector, size: tuple[int, int]) -> None:
    assert detector.detect(np.zeros((*size, 3), np.uint8)) == []


@pytest.mark.parametrize("edge", ["left", "right", "top", "bottom"])
def test_a_face_at_any_edge_of_the_frame_survives(
    detector: FaceDetector, astronaut: BgrImage, edge: str
) -> None:
    # The face spans 179..267 x 83..171; the frame ends a little inside its box.
    cut = {
        "left": astronaut[:400, 190:500],
        "right": astronaut[:400, :255],
        "top": astronaut[88:400],
        "bottom": astronaut[:160],
    }[edge]
    faces = detector.detect(np.ascontiguousarray(cut))
    assert faces
    face = max(faces, key=lambda face: face.score)
    height, width = cut.shape[:2]
    # It touches the edge or reaches over it, and most of it is inside.
    reach = {
        "left": -face.left,
        "right": face.right - width,
        "top": -face.top,
        "bottom": face.bottom - height,
    }[edge]
    assert -12 <= reach <= 40


def test_larger_smallest_faces_leave_small_ones_out(astronaut: BgrImage, officer: BgrImage) -> None:
    detector = open_detector("hog", min_face_px=160)
    assert detector.detect(astronaut) == []  # 88 px
    assert len(detector.detect(officer)) == 1  # 200 px


def test_the_demo_pair_is_told_apart(
    detector: FaceDetector, embedder: FaceEmbedder, astronaut: BgrImage, officer: BgrImage
) -> None:
    enrolled = embedder.embed(astronaut, [single_face(astronaut, detector)])
    gallery = Gallery.build(embedder.set_name, [("astronaut", enrolled[0])])
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    same = gallery.match(embedder.embed(mirrored, [single_face(mirrored, detector)])[0])
    stranger = gallery.match(embedder.embed(officer, [single_face(officer, detector)])[0])
    assert judge_face(same)
    assert not judge_face(stranger)
    assert stranger.distance > 0.65


def test_a_picture_with_no_faces_gives_no_templates(embedder: FaceEmbedder, astronaut: BgrImage) -> None:
    assert embedder.embed(astronaut, []).shape == (0, embedder.dimensions)


def test_missing_yunet_falls_back_to_hog_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        assert open_detector("auto", yunet_path=tmp_path / "yunet.onnx").name == "hog"
    assert "yunet is not to be had" in caplog.text


def test_a_wrong_file_is_no_yunet(tmp_path: Path) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(b"\x0a\xff\xff")
    with pytest.raises(ModelMismatch, match="no ONNX file"):
        open_detector("yunet", yunet_path=path)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelNotFound, match="auto, hog, yunet, cnn"):
        open_detector("haar")
    with pytest.raises(ModelNotFound, match="auto, dlib, dlib-onnx"):
        open_embedder("facenet")


def test_a_mirrored_embedder_says_the_same_of_a_face_and_its_mirror_image(
    tmp_path: Path, officer: BgrImage, embedder: FaceEmbedder
) -> None:
    mirrored = open_embedder("auto", cache_dir=tmp_path)
    assert (mirrored.set_name, mirrored.dimensions) == (embedder.set_name, embedder.dimensions)
    aligned = align_faces(officer, [single_face(officer, open_detector("hog"))])[0]
    swapped = AlignedFace(np.ascontiguousarray(aligned.chip[:, ::-1]), aligned.points)
    assert isinstance(mirrored, ConvertedEmbedder)
    one, other = mirrored.embed_aligned([aligned, swapped])
    np.testing.assert_allclose(one, other, atol=1e-5)
    plain = embedder.embed(officer, [single_face(officer, open_detector("hog"))])[0]
    assert 0.01 < np.linalg.norm(one - plain) < 0.35  # comparable, and not the same


def test_views_can_be_described_one_at_a_time_and_their_mean_is_both(
    tmp_path: Path, officer: BgrImage
) -> None:
    mirrored = open_embedder("auto", cache_dir=tmp_path)
    assert isinstance(mirrored, ConvertedEmbedder)
    face = align_faces(officer, [single_face(officer, open_detector("hog"))])[0]
    seen, other, both = mirrored.embed_aligned([face] * 3, [View.SEEN, View.MIRRORED, View.BOTH])
    assert np.linalg.norm(seen - other) > 0.02
    np.testing.assert_allclose((seen + other) / 2, both, atol=1e-5)
    np.testing.assert_allclose(mirrored.embed_aligned([face])[0], both, atol=1e-5)
    assert mirrored.embed_aligned([]).shape == (0, mirrored.dimensions)


def test_a_glance_finds_only_flaws_that_a_closer_look_would_find_too(officer: BgrImage) -> None:
    face = single_face(officer, open_detector("hog"))
    assert glance_at_face(officer, face) == ""
    for gain, offset, flaw in ((0.05, 0, "too dark"), (1.0, 235, "too bright")):
        spoilt = cv2.convertScaleAbs(officer, alpha=gain, beta=offset).view(np.uint8)
        assert (glance_at_face(spoilt, face), assess_face(spoilt, face)) == (flaw, flaw)
    beside = replace(face, left=-90.0, right=-10.0)
    assert glance_at_face(officer, beside) == ""


def test_our_own_chip_is_dlibs_to_a_fraction_of_a_pixel(embedder: FaceEmbedder, officer: BgrImage) -> None:
    face = single_face(officer, open_detector("hog"))
    aligned = align_faces(officer, [face])[0]
    rgb = cv2.cvtColor(officer, cv2.COLOR_BGR2RGB)
    own = cv2.warpAffine(rgb, chip_transform(aligned.points.astype(np.float64)), (150, 150))
    inner = (slice(10, 140), slice(10, 140))
    blurred = [cv2.GaussianBlur(chip, (0, 0), 1.5).astype(float)[inner] for chip in (aligned.chip, own)]
    assert float(np.abs(blurred[0] - blurred[1]).mean()) < 2.0
    assert isinstance(embedder, DlibEmbedder)
    one, other = embedder.describe([aligned.chip, np.asarray(own, np.uint8)])
    assert np.linalg.norm(one - other) < 0.1


def test_a_thorough_embedder_averages_views_and_stays_comparable(
    tmp_path: Path, officer: BgrImage, astronaut: BgrImage
) -> None:
    detector = open_detector("hog")
    views = cut_views(officer, [single_face(officer, detector)])
    assert [len(chips) for chips in views] == [3]
    assert all(chip.shape == (150, 150, 3) and chip.dtype == np.uint8 for chip in views[0])
    assert float(np.abs(views[0][0].astype(int) - views[0][1]).mean()) > 3, "the views differ"
    assert cut_views(officer, []) == []
    quick = open_embedder("dlib-onnx", cache_dir=tmp_path)
    thorough = open_embedder("dlib-onnx", cache_dir=tmp_path, thorough=True)
    assert thorough.set_name == quick.set_name
    described = {
        name: [engine.embed(image, [single_face(image, detector)])[0] for engine in (quick, thorough)]
        for name, image in (("officer", officer), ("astronaut", astronaut))
    }
    for one, other in described.values():
        assert 0.005 < np.linalg.norm(one - other) < 0.3
    assert np.linalg.norm(described["officer"][1] - described["astronaut"][0]) > 0.6
    assert thorough.embed(officer, []).shape == (0, 128)


def test_one_call_describes_several_faces_in_their_order(tmp_path: Path, shared_data: Path) -> None:
    picture = load_picture(shared_data / "faces" / "portraits" / "two_people.jpg")
    faces = open_detector("hog").detect(picture)
    engine = open_embedder("dlib-onnx", cache_dir=tmp_path)
    together = engine.embed(picture, faces)
    for face, template in zip(faces, together, strict=True):
        np.testing.assert_allclose(engine.embed(picture, [face])[0], template, atol=1e-5)
    assert np.linalg.norm(together[0] - together[1]) > 0.5


def test_pictures_that_fail_are_listed_when_many_are_described(
    tmp_path: Path, embedder: FaceEmbedder, astronaut: BgrImage
) -> None:
    person = tmp_path / "宇航员"
    person.mkdir()
    (person / "a.png").write_bytes(ASTRONAUT.read_bytes())
    (person / "b.jpg").write_bytes(b"no picture")
    (person / "c.png").write_bytes(cv2.imencode(".png", np.full((100, 100, 3), 90, np.uint8))[1].tobytes())
    (person / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / "nobody").mkdir()
    people = pictures_by_person(tmp_path)
    assert list(people) == ["宇航员"]
    told: list[tuple[int, int]] = []
    done = describe_pictures(
        people["宇航员"], open_detector("hog"), embedder, lambda *share: told.append(share)
    )
    assert list(done.templates) == [person / "a.png"]
    assert list(done.unreadable) == [str(person / "b.jpg")]
    assert done.without_face == [str(person / "c.png")]
    assert told[-1] == (3, 3)
    assert done.ms["embed"] > 0


def test_both_detectors_lead_to_the_same_descriptor(tmp_path: Path, shared_data: Path) -> None:
    """Of 1,268 faces of lfw-dev 0.039 apart on average, 4 farther than 0.25 (tests/bench/faces_detect.py)."""
    embedder = open_embedder("dlib-onnx", cache_dir=tmp_path, mirrored=False)
    hog = open_detector("hog", upsample=1)
    yunet = open_detector("yunet", yunet_path=shared_data / "models" / "face_detection_yunet_2023mar.onnx")
    people = pictures_by_person(shared_data / "faces" / "lfw-dev")
    apart = []
    for paths in list(people.values())[::40]:
        image = load_picture(paths[0])
        faces = [central_face(image, detector.detect(image)) for detector in (hog, yunet)]
        assert faces[1] is not None
        if faces[0] is not None:
            one, other = embedder.embed(image, [face for face in faces if face is not None])
            apart.append(float(np.linalg.norm(one - other)))
    assert len(apart) >= 14
    assert np.mean(apart) < 0.25
    assert np.mean(np.array(apart) > 0.25) < 0.1

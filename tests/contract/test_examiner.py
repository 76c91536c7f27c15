"""Enrolment pictures as people bring them: each flaw is found, inside this process and in the one outside."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.clock import SystemClock
from edge.demo.portraits import ASTRONAUT, HOPPER, portrait_path
from edge.enrolment import Examiner, Finding, LikenessRule, OutsideExaminer, judge
from edge.enrolment.pipe import ExaminerGone
from edge.errors import Unavailable
from edge.settings import ModelSettings
from models.face import Gallery, Measure

pytestmark = pytest.mark.skipif(find_spec("skimage") is None, reason="the demo extra is not installed")
MODELS = ModelSettings(face_detector="hog")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def examiner(cache: Path) -> Examiner:
    return Examiner(MODELS, cache)


def portrait(which: tuple[str, str] = ASTRONAUT) -> np.ndarray:
    image = cv2.imdecode(np.fromfile(portrait_path(which), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def as_png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def as_jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def pasted(*images: np.ndarray) -> np.ndarray:
    return np.hstack([cv2.resize(image[: image.shape[1]], (512, 512)) for image in images])


SPOILT = {
    Finding.NO_FACE: lambda: np.full((400, 400, 3), 128, np.uint8),
    Finding.TWO_FACES: lambda: pasted(portrait(), portrait(HOPPER)),
    Finding.TOO_SMALL: lambda: cv2.resize(portrait(), None, fx=0.45, fy=0.45, interpolation=cv2.INTER_AREA),
    Finding.BLURRED: lambda: cv2.GaussianBlur(cv2.resize(portrait(), None, fx=2, fy=2), (0, 0), 6.5),
    Finding.TOO_DARK: lambda: (portrait() * 0.09).astype(np.uint8),
    Finding.TOO_BRIGHT: lambda: np.clip(portrait().astype(np.float32) * 0.3 + 200, 0, 255).astype(np.uint8),
    Finding.CUT: lambda: np.ascontiguousarray(portrait(HOPPER)[:, 220:]),
}


@pytest.mark.parametrize("finding", list(SPOILT), ids=str)
def test_each_flaw_of_a_picture_is_named(examiner: Examiner, finding: Finding) -> None:
    found = examiner.examine(as_png(SPOILT[finding]()))
    assert found.finding is finding, found.numbers
    assert found.template is None


def test_a_good_picture_gives_a_template_and_its_numbers(examiner: Examiner, tmp_path: Path) -> None:
    path = tmp_path / "portrait.png"
    path.write_bytes(as_png(portrait()))
    found = examiner.examine(path)
    assert found.finding is Finding.GOOD
    assert found.template is not None
    assert found.template.shape == (128,)
    assert len(found.digest) == 32
    assert found.numbers["eye_distance_px"] > 40
    assert examiner.set_name.startswith("faces-")


@pytest.mark.parametrize("content", [b"", b"no picture", as_png(np.zeros((8, 8, 3), np.uint8))[:40]], ids=len)
def test_what_is_no_picture_is_a_verdict_and_no_error(examiner: Examiner, content: bytes) -> None:
    found = examiner.examine(content)
    assert found.finding is Finding.UNREADABLE
    assert found.detail


def test_a_file_that_is_not_there_is_a_verdict_too(examiner: Examiner, tmp_path: Path) -> None:
    assert examiner.examine(tmp_path / "none.jpg").finding is Finding.UNREADABLE


def test_the_same_picture_is_found_again_whatever_was_done_to_the_file(examiner: Examiner) -> None:
    image = portrait()
    copies = [as_png(image), as_jpeg(image, 60), as_png(cv2.resize(image, (430, 430))), as_png(image[8:, 8:])]
    pictures = [(f"copy {number}", examiner.examine(copy)) for number, copy in enumerate(copies)]
    result = judge("x", pictures, Gallery.build("faces-none", ()), LikenessRule(Measure.DISTANCE, 0.5, 0.54))
    assert [verdict.finding for verdict in result.verdicts] == [Finding.GOOD] + [Finding.SAME_PICTURE] * 3


def test_the_examiner_outside_says_the_same_and_leaves_no_process_behind(
    examiner: Examiner, cache: Path
) -> None:
    pictures = [as_jpeg(portrait()), as_png(SPOILT[Finding.NO_FACE]()), b"rubbish", as_jpeg(portrait(HOPPER))]
    turns = []
    with OutsideExaminer(MODELS, cache, SystemClock(), lambda: turns.append(1)) as outside:
        pid = outside._process.pid
        assert outside.set_name == examiner.set_name
        for content in pictures:
            here, there = examiner.examine(content), outside.examine(content)
            assert (there.finding, there.detail) == (here.finding, here.detail)
            assert (there.digest, there.thumb, dict(there.numbers)) == (
                here.digest,
                here.thumb,
                dict(here.numbers),
            )
            if here.template is not None:
                assert there.template is not None
                np.testing.assert_allclose(there.template, here.template, atol=1e-5)
                there.template.fill(0)  # it may be overwritten
    assert turns, "the caller was never asked while it waited"
    assert not Path(f"/proc/{pid}").exists()


def test_an_examiner_that_is_killed_is_said_so_in_one_line(cache: Path) -> None:
    with OutsideExaminer(MODELS, cache, SystemClock()) as outside:
        os.kill(outside._process.pid, signal.SIGKILL)
        with pytest.raises(ExaminerGone, match="the examiner has ended"):
            outside.examine(as_jpeg(portrait()))


def test_an_examiner_that_hangs_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutsideExaminer(MODELS, cache, SystemClock()) as outside:
        os.kill(outside._process.pid, signal.SIGSTOP)
        monkeypatch.setattr("edge.enrolment.outside.PICTURE_LIMIT_S", 0.5)
        with pytest.raises(ExaminerGone, match="does not answer"):
            outside.examine(as_jpeg(portrait()))


def test_a_network_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    models = ModelSettings(face_detector="yunet", yunet_path=tmp_path / "none.onnx")
    with pytest.raises(Unavailable, match=r"none\.onnx"):
        OutsideExaminer(models, tmp_path / "cache", SystemClock())


def test_a_face_turned_far_away_is_named(shared_data: Path, cache: Path) -> None:
    models = ModelSettings(
        face_detector="yunet", yunet_path=shared_data / "models" / "face_detection_yunet_2023mar.onnx"
    )
    examiner = Examiner(models, cache)
    found = examiner.examine(shared_data / "faces" / "lfw-dev" / "Romano_Prodi" / "Romano_Prodi_0004.jpg")
    assert found.finding is Finding.POSE
    assert found.numbers["turn"] > 0.5

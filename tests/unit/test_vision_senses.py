"""The senses over canned models: flaws, weights, and what tells two apart."""

from collections.abc import Sequence

import numpy as np
import pytest

import edge.vision.senses as senses
from edge.records import Box
from edge.vision.senses import FaceSense, Finding, PlateSense, Reading
from models.face import FaceQuality
from models.results import FaceDetection, PlateReading

IMAGE = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)


def lattice(text: str, log_p: float = -0.01) -> tuple[tuple[tuple[str, float], ...], ...]:
    return tuple(((character, log_p),) for character in text)


def reading(text: str, log_p: float = -0.01, height: float = 40) -> PlateReading:
    corners = np.array([[100, 100], [220, 100], [220, 100 + height], [100, 100 + height]], np.float32)
    return PlateReading(corners, lattice(text, log_p), 0.9)


class CannedReader:
    name = "canned"

    def __init__(self, *readings: PlateReading) -> None:
        self.readings = list(readings)

    def read(self, image: np.ndarray) -> list[PlateReading]:
        return self.readings


class CannedFaces:
    name = "canned"
    set_name = "dlib-resnet"
    dimensions = 128

    def __init__(self) -> None:
        self.faces = [FaceDetection(300, 200, 400, 300, 1.0, np.full((5, 2), 250, np.float32))]
        self.windows: list[tuple[tuple[int, ...], FaceDetection]] = []

    def detect(self, image: np.ndarray) -> list[FaceDetection]:
        return self.faces

    def embed(self, image: np.ndarray, faces: Sequence[FaceDetection]) -> np.ndarray:
        self.windows += [(image.shape, face) for face in faces]
        return np.ones((len(faces), 128), np.float32)


def test_lines_that_cannot_be_plates_by_their_length_are_left_out() -> None:
    sense = PlateSense(CannedReader(reading("皖A12345"), reading("ABCD"), reading("13800138000")), 16)
    assert [finding.text for finding in sense.find(IMAGE)] == ["皖A12345"]


def test_an_unsure_text_does_not_tell_cars_apart() -> None:
    sense = PlateSense(CannedReader(reading("皖A12345", log_p=-1.0)), 16)
    assert sense.find(IMAGE)[0].text == ""


def test_a_readable_plate_keeps_its_lattice() -> None:
    sense = PlateSense(CannedReader(reading("皖A12345")), 16)
    (read,) = sense.read(IMAGE, sense.find(IMAGE))
    assert (read.flaw, read.lattice) == ("", lattice("皖A12345"))
    assert 0 < read.quality <= 1


@pytest.mark.parametrize(
    ("plate", "smallest_px", "flaw"),
    [
        (reading("皖A12345", height=30), 35, "too small"),
        (reading("皖A12345", height=14), 12, "too small"),
        (PlateReading(reading("x").corners, (), 0.5), 16, "not read"),
    ],
)
def test_a_plate_that_cannot_be_used_says_why(plate: PlateReading, smallest_px: int, flaw: str) -> None:
    sense = PlateSense(CannedReader(plate), smallest_px)
    (read,) = sense.read(IMAGE, sense.find(IMAGE))
    assert (read.flaw, read.lattice) == (flaw, ())


def test_plates_with_little_in_common_are_of_two_cars() -> None:
    sense = PlateSense(CannedReader(), 16)
    mine = Reading(lattice=lattice("皖A12345"))
    assert sense.is_other(mine, Reading(lattice=lattice("粤B98765")))
    assert not sense.is_other(mine, Reading(lattice=lattice("皖A1Z34S")))
    assert not sense.is_other(mine, Reading(lattice=lattice("98")))


def test_a_small_face_is_not_described() -> None:
    canned = CannedFaces()
    sense = FaceSense(canned, canned, smallest_px=120)
    (read,) = sense.read(IMAGE, sense.find(IMAGE))
    assert read.flaw == "too small"
    sense.configure(80)
    assert canned.windows == []


def test_a_face_is_described_in_a_window_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    canned = CannedFaces()
    measured = FaceQuality("", 40.0, 320.0, 0.1, 120.0, 0.0)
    monkeypatch.setattr(senses, "measure_face", lambda *_: measured)
    sense = FaceSense(canned, canned, smallest_px=60)
    (read,) = sense.read(IMAGE, sense.find(IMAGE))
    ((shape, face),) = canned.windows
    assert shape == (301, 301, 3)
    assert (face.left, face.top, face.right, face.bottom) == (100, 100, 200, 200)
    assert face.landmarks is not None
    assert face.landmarks.tolist() == [[50, 150]] * 5
    assert len(read.template) == 512
    assert read.quality == pytest.approx(0.9)


def test_a_flawed_face_is_not_described(monkeypatch: pytest.MonkeyPatch) -> None:
    canned = CannedFaces()
    measured = FaceQuality("turned", 40.0, 320.0, 0.9, 120.0, 0.0)
    monkeypatch.setattr(senses, "measure_face", lambda *_: measured)
    (read,) = FaceSense(canned, canned, 60).read(
        IMAGE, [Finding(Box(300, 200, 400, 300), "", canned.faces[0])]
    )
    assert (read.flaw, read.template) == ("turned", b"")
    assert canned.windows == []


def test_faces_farther_apart_than_one_person_are_two_persons() -> None:
    canned = CannedFaces()
    sense = FaceSense(canned, canned, 60)
    near, far = np.zeros(128, "<f4"), np.zeros(128, "<f4")
    near[0], far[0] = 0.55, 0.65
    start = Reading(template=np.zeros(128, "<f4").tobytes())
    assert not sense.is_other(start, Reading(template=near.tobytes()))
    assert sense.is_other(start, Reading(template=far.tobytes()))
    assert not sense.is_other(Reading(flaw="turned"), Reading(template=far.tobytes()))

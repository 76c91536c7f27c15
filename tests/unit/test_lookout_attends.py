"""The loop in a challenge and before a code: what it reads then, and what it sends."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from drivers.camera import Frame
from edge.records import Box, Kind, Sighting
from edge.settings import OpenCvCamera
from edge.vision.areas import Patch
from edge.vision.codes import CodeReader, draw_code
from edge.vision.loop import Lookout
from edge.vision.senses import FaceSense, Finding, Reading

S = 1_000_000_000
FRAME_NS = S // 10
POINTS = tuple(float(value) for value in range(10))


class StillFace:
    """A face that is always there, and always turned."""

    kind, reads_as, name = Kind.FACE, "embed", "canned"
    found_ms: Mapping[str, float] = {}
    grain_px = 32.0

    def __init__(self) -> None:
        self.reading = Reading(flaw="turned", points=POINTS)

    def find(self, image: np.ndarray, part: Patch | None = None) -> list[Finding]:
        return [Finding(Box(100, 100, 200, 220))]

    def read(self, image: np.ndarray, findings: Sequence[Finding]) -> list[Reading]:
        return [self.reading for _ in findings]

    def is_other(self, before: Reading, now: Reading) -> bool:
        return False

    def configure(self, smallest_px: int) -> None:
        pass


class Stage:
    """A lookout at ten frames a second."""

    def __init__(self, codes: CodeReader | None = None, **options: object) -> None:
        self.now_ns, self.seq = 1000 * S, 0
        self.said: list[Sighting] = []
        self.sense = StillFace()
        settings = OpenCvCamera(source="0", looks_for=("face", "qr"), **options)  # type: ignore[arg-type]
        senses = [] if codes else [self.sense]
        self.lookout = Lookout("door", "s1", settings, senses, self.said.append, lambda: self.now_ns, codes)

    def show(self, frames: int, image: np.ndarray | None = None) -> list[Sighting]:
        self.said.clear()
        for _ in range(frames):
            self.seq += 1
            self.now_ns += FRAME_NS
            picture = np.full((360, 640, 3), 80, np.uint8) if image is None else image
            self.lookout.step(Frame("door", self.seq, self.now_ns, picture))
        return list(self.said)


def test_in_a_challenge_every_frame_is_read_and_told_even_if_flawed() -> None:
    stage = Stage()
    stage.show(600)
    before = stage.show(80)
    assert len(before) <= 20, "an old track is read seldom"
    stage.lookout.attend(1, 8.0)
    during = stage.show(80)
    assert len(during) >= 79
    assert {sighting.flaw for sighting in during} == {"turned"}
    assert {sighting.points for sighting in during} == {POINTS}
    assert len(stage.show(80)) <= 20, "and then as before"


def test_a_track_that_has_left_is_not_attended() -> None:
    stage = Stage()
    stage.lookout.attend(99, 8.0)
    assert stage.lookout.tracks == 0


def test_points_are_of_the_whole_frame_and_cues_travel_with_the_read() -> None:
    stage = Stage(region=(0.5, 0.5, 1.0, 1.0))
    stage.sense.reading = Reading(
        0.8, template=b"\0" * 512, points=POINTS, cues={"frame": 0.5, "raw_frame": 1.0}
    )
    (sighting, *_) = stage.show(1)
    assert sighting.points == tuple(v + (320 if i % 2 == 0 else 180) for i, v in enumerate(POINTS))
    assert sighting.cues == {"frame": 0.5, "raw_frame": 1.0}


def test_a_moving_code_is_told_with_its_text_and_without_a_picture() -> None:
    stage = Stage(CodeReader())
    cells = np.pad(np.where(draw_code("pass.text.here"), 0, 255).astype(np.uint8), 4, constant_values=255)
    code = np.kron(cells, np.ones((6, 6), np.uint8))[..., None].repeat(3, axis=2)
    told: list[Sighting] = []
    stage.show(20)
    for step in range(20):
        image = np.full((360, 640, 3), 80, np.uint8)
        left = 60 + 10 * step
        image[60 : 60 + len(code), left : left + len(code)] = code
        told += stage.show(1, image)
    assert told
    assert {(s.kind, s.text, s.crop_jpeg, s.template) for s in told} == {
        (Kind.QR, "pass.text.here", b"", b"")
    }
    assert len({s.track_id for s in told}) == len(told)
    assert stage.show(200) == [], "nothing moves any more, and nobody looks"
    assert "code" in stage.lookout.timer.medians()


@pytest.mark.parametrize("wanted", [True, False, None])
def test_cues_are_measured_only_where_they_are_asked_for(wanted: bool | None) -> None:
    class Blind:
        name = "none"

        def detect(self, image: np.ndarray) -> list[object]:
            return []

    sense = FaceSense(Blind(), None, 60)  # type: ignore[arg-type]
    settings = OpenCvCamera(source="0", looks_for=("face",))
    lookout = Lookout("door", "s1", settings, [sense], lambda _: None, lambda: 0)
    lookout.configure(settings.model_copy(update={"liveness_cues": wanted}))
    assert sense.with_cues is bool(wanted)

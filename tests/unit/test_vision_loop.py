"""The loop with canned senses on drawn frames: when it looks, what it reads, what it says."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import pytest

from drivers.camera import Frame
from edge.records import Box, Kind, Sighting
from edge.settings import CameraSettings, OpenCvCamera
from edge.vision.areas import Patch
from edge.vision.loop import Lookout
from edge.vision.messages import Passed
from edge.vision.senses import Finding, Reading
from edge.vision.story import read_pause_s

S = 1_000_000_000
FRAME_NS = S // 15
GOOD = Reading(0.9, lattice=((("皖", -0.01),), (("A", -0.01),)))


class CannedSense:
    """Finds the white squares that are really in the picture, and reads what the test wants."""

    reads_as = "read"
    name = "canned"
    found_ms: Mapping[str, float] = {}

    def __init__(self, kind: Kind = Kind.PLATE) -> None:
        self.kind = kind
        self.searches = 0
        self.read_sizes: list[int] = []
        self.reading: Callable[[Finding], Reading] = lambda _: GOOD
        self.text = ""
        self.smallest_px = 0
        self.grain_px = 32.0
        self.part = (0, 0, 0, 0)

    def find(self, image: np.ndarray, part: Patch | None = None) -> list[Finding]:
        self.searches += 1
        left, top, right, bottom = self.part = part or (0, 0, image.shape[1], image.shape[0])
        white = cv2.inRange(image[top:bottom, left:right], (200, 200, 200), (255, 255, 255))
        shapes = cv2.findContours(white, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        boxes = sorted(cv2.boundingRect(shape) for shape in shapes)
        return [
            Finding(Box(x, y, x + w, y + h), self.text)
            for x, y, w, h in ((left + x, top + y, w, h) for x, y, w, h in boxes)
        ]

    def read(self, image: np.ndarray, findings: Sequence[Finding]) -> list[Reading]:
        self.read_sizes.append(len(findings))
        return [self.reading(finding) for finding in findings]

    def is_other(self, before: Reading, now: Reading) -> bool:
        return before.template != now.template

    def configure(self, smallest_px: int) -> None:
        self.smallest_px = smallest_px


class Stage:
    """A lookout before a drawn yard, at 15 frames/s."""

    def __init__(self, **options: object) -> None:
        self.now_ns = 1000 * S
        self.sense = CannedSense()
        self.said: list[Sighting] = []
        self.noted: list[Passed] = []
        self.settings = OpenCvCamera(source="0", looks_for=("plate",), **options)  # type: ignore[arg-type]
        self.lookout = self.make(self.settings)
        self.seq = 0
        # The start looks at everything once; let that pass.
        self.show(seconds=12)
        self.sense.searches = 0

    def make(self, settings: CameraSettings) -> Lookout:
        return Lookout(
            "gate",
            "s1",
            settings,
            [self.sense],
            self.said.append,
            lambda: self.now_ns,
            note=self.noted.append,
        )

    def show(
        self,
        *squares: tuple[int, int],
        seconds: float = 1 / 15,
        step: tuple[int, int] = (0, 0),
        wall: int = 80,
        shade: int = 255,
    ) -> None:
        """Show white squares of 60 px at these corners, moving by ``step`` each frame, before a wall."""
        for number in range(round(seconds * 15)):
            image = np.full((360, 640, 3), wall, np.uint8)
            for x, y in squares:
                left, top = x + step[0] * number, y + step[1] * number
                image[top : top + 60, left : left + 60] = shade
            self.seq += 1
            self.now_ns += FRAME_NS
            self.lookout.step(Frame("gate", self.seq, self.now_ns - 5_000_000, image))

    def told(self) -> list[Sighting]:
        told, self.said[:] = list(self.said), []
        return told


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nothing_is_searched_while_nothing_moves_but_a_round_every_ten_seconds(stage: Stage) -> None:
    stage.show(seconds=60)
    assert 5 <= stage.sense.searches <= 7
    assert stage.told() == []


def test_somebody_who_comes_is_read_in_the_very_first_frame(stage: Stage) -> None:
    stage.show((100, 100))
    (sighting,) = stage.told()
    assert (sighting.camera, sighting.session, sighting.track_id) == ("gate", "s1", 1)
    assert sighting.box == Box(100, 100, 160, 160)
    assert sighting.lattice == GOOD.lattice
    assert sighting.seq == stage.seq
    assert sighting.taken_ns == stage.now_ns - 5_000_000
    assert sighting.sent_ns == stage.now_ns
    assert sighting.stages_ms["capture_to_start"] == pytest.approx(5.0)
    assert {"detect", "read"} <= set(sighting.stages_ms)


def test_the_crop_is_cut_from_the_very_frame_that_was_read(stage: Stage) -> None:
    stage.show((100, 100))
    crop = cv2.imdecode(np.frombuffer(stage.told()[0].crop_jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert crop.shape == (96, 96, 3)
    assert crop[48, 48].min() > 240
    assert crop[4, 4].max() < 100


def test_an_unsettled_track_is_read_often_at_first_and_seldom_later(stage: Stage) -> None:
    counts = []
    for seconds in (3, 7, 50, 60):
        stage.show((100, 100), seconds=seconds)
        counts.append(len(stage.told()))
    assert counts[0] >= 40
    assert 20 <= counts[1] <= 30
    assert 20 <= counts[2] <= 28
    assert counts[3] <= 8


def test_a_settled_car_that_stands_costs_no_search_and_no_read(stage: Stage) -> None:
    stage.show((100, 100), seconds=0.5)
    stage.lookout.settle(stage.told()[0].track_id)
    stage.show((100, 100), seconds=10)  # until it is background
    stage.sense.read_sizes.clear()
    stage.sense.searches = 0
    stage.show((100, 100), seconds=600)
    assert stage.sense.read_sizes == []
    assert stage.sense.searches <= 61
    assert stage.told() == []


def test_when_the_settled_car_drives_off_its_track_ends(stage: Stage) -> None:
    stage.show((100, 100), seconds=0.5)
    last = stage.told()[-1]
    stage.lookout.settle(last.track_id)
    stage.show((100, 100), seconds=60)
    stage.show(seconds=3)
    (end,) = stage.told()
    assert end.ended
    assert (end.track_id, end.seq, end.lattice, end.crop_jpeg) == (
        last.track_id,
        last.seq,
        last.lattice,
        last.crop_jpeg,
    )


def test_a_newcomer_beside_a_settled_car_is_read_within_300_ms(stage: Stage) -> None:
    stage.show((100, 100), seconds=0.5)
    stage.lookout.settle(1)
    stage.show((100, 100), seconds=30)
    stage.told()
    stage.show((100, 100), (400, 100), seconds=0.3)
    assert {sighting.track_id for sighting in stage.told()} == {2}


def test_two_side_by_side_are_two_tracks_read_in_one_go(stage: Stage) -> None:
    stage.show((100, 100), (180, 100), seconds=1, step=(6, 0))
    assert {sighting.track_id for sighting in stage.told()} == {1, 2}
    assert set(stage.sense.read_sizes) == {2}


def test_a_flaw_is_told_twice_a_second_without_content(stage: Stage) -> None:
    stage.sense.reading = lambda _: Reading(flaw="too small")
    stage.show((100, 100), seconds=2)
    told = stage.told()
    assert 3 <= len(told) <= 5
    assert all(s.flaw == "too small" and s.lattice == () and s.crop_jpeg == b"" for s in told)
    assert stage.lookout.reads == 0


def test_a_flawed_thing_that_stays_for_ever_is_tried_ever_less(stage: Stage) -> None:
    stage.sense.reading = lambda _: Reading(flaw="blurred")
    stage.show((100, 100), seconds=120)
    stage.sense.searches = 0
    stage.show((100, 100), seconds=60)
    assert stage.sense.searches <= 7


def test_a_car_that_stopped_in_the_shade_is_read_again_when_it_rolls_on(stage: Stage) -> None:
    stage.sense.reading = lambda _: Reading(flaw="too dark")
    stage.show((100, 100), seconds=120)
    stage.sense.reading = lambda _: GOOD
    stage.told()
    stage.show((100, 100), seconds=1.5, step=(5, 0))
    assert [sighting.flaw for sighting in stage.told()][:1] == [""]


def test_another_person_at_the_same_place_gets_a_new_track(stage: Stage) -> None:
    stage.sense.reading = lambda _: Reading(0.9, template=b"alice")
    stage.show((100, 100), seconds=0.3)
    stage.told()
    stage.sense.reading = lambda _: Reading(0.9, template=b"bob")
    stage.show((100, 100), seconds=0.2)
    told = stage.told()
    assert (told[0].track_id, told[0].ended, told[0].template) == (1, True, b"alice")
    assert {(s.track_id, s.template) for s in told[1:]} == {(2, b"bob")}


def test_another_person_who_takes_a_settled_place_is_noticed(stage: Stage) -> None:
    stage.sense.reading = lambda _: Reading(0.9, template=b"alice")
    stage.show((100, 100), seconds=0.5)
    stage.lookout.settle(1)
    stage.told()
    stage.sense.reading = lambda _: Reading(0.9, template=b"bob")
    stage.show((104, 100), seconds=2, step=(4, 0))
    told = stage.told()
    assert (told[0].track_id, told[0].ended) == (1, True)
    assert told[1].track_id == 2
    assert told[1].template == b"bob"


def test_an_input_of_the_lane_makes_it_look_although_nothing_moves(stage: Stage) -> None:
    stage.lookout.wake(5.0)
    stage.show(seconds=5)
    assert stage.sense.searches >= 70
    stage.show(seconds=5)
    assert stage.sense.searches <= 80


def test_only_the_region_is_searched_and_boxes_are_of_the_whole_frame() -> None:
    stage = Stage(region=(0.5, 0.25, 1.0, 1.0))
    stage.show((100, 200), (400, 200))
    (sighting,) = stage.told()
    assert sighting.box == Box(400, 200, 460, 260)


def test_new_settings_are_taken_by_the_loop_and_the_senses(stage: Stage) -> None:
    fields = stage.settings.model_dump() | {"region": (0.0, 0.0, 0.5, 1.0), "min_plate_px": 33}
    stage.lookout.configure(OpenCvCamera(**fields))
    assert stage.sense.smallest_px == 33
    stage.show((400, 200), seconds=1)
    assert stage.told() == []


def test_when_the_camera_is_gone_all_tracks_end(stage: Stage) -> None:
    stage.show((100, 100), (400, 100))
    stage.told()
    stage.lookout.leave()
    assert [(s.track_id, s.ended) for s in stage.told()] == [(1, True), (2, True)]
    assert stage.lookout.tracks == 0


def test_settling_a_track_that_has_left_does_nothing(stage: Stage) -> None:
    stage.lookout.settle(99)
    assert stage.lookout.tracks == 0


def test_the_pause_between_reads_never_shrinks_with_age() -> None:
    pauses = [read_pause_s(age / 10) for age in range(3000)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0.0


# When nearly the whole picture is another one at once, a face's place may be somebody else's


def face(person: bytes) -> Reading:
    return Reading(0.9, template=person)


@pytest.fixture
def door() -> Stage:
    stage = Stage()
    stage.sense = CannedSense(Kind.FACE)
    stage.lookout = stage.make(stage.settings)
    stage.show(seconds=12)
    stage.told()
    return stage


@pytest.mark.parametrize("after", [face(b"bert"), Reading(flaw="turned")], ids=["read", "flawed"])
def test_a_settled_name_does_not_stay_with_whoever_is_there_after_a_cut(door: Stage, after: Reading) -> None:
    door.sense.reading = lambda _: face(b"anna")
    door.show((100, 100), seconds=1)
    anna = door.told()[-1].track_id
    door.lookout.settle(anna)
    door.sense.reading = lambda _: after
    door.show((102, 100), seconds=0.2, wall=150)
    told = door.told()
    assert [sighting.track_id for sighting in told if sighting.ended] == [anna]
    assert {sighting.track_id for sighting in told if not sighting.ended}.isdisjoint({anna})


def test_the_same_face_after_a_cut_keeps_its_track_and_its_name(door: Stage) -> None:
    door.sense.reading = lambda _: face(b"anna")
    door.show((100, 100), seconds=1)
    (anna,) = {sighting.track_id for sighting in door.told()}
    door.lookout.settle(anna)
    reads = len(door.sense.read_sizes)
    door.show((102, 100), seconds=0.5, wall=150)
    assert len(door.sense.read_sizes) == reads + 1, "looked at once more"
    assert door.told() == []
    assert door.lookout.tracks == 1


def test_a_face_whose_place_changes_all_at_once_is_looked_at_in_that_very_frame(door: Stage) -> None:
    door.sense.reading = lambda _: face(b"anna")
    door.show((100, 100), (400, 100), seconds=1)
    anna, other = sorted({sighting.track_id for sighting in door.told()})
    door.lookout.settle(anna)
    door.lookout.settle(other)
    door.show((100, 100), (400, 100), seconds=3)
    door.told()
    door.sense.reading = lambda _: face(b"bert")
    door.show((100, 100), shade=205)
    told = door.told()
    assert [sighting.track_id for sighting in told if sighting.ended][:1] == [anna]
    assert [sighting.template for sighting in told if not sighting.ended] == [b"bert"]


def test_the_same_face_in_another_light_keeps_its_name_after_one_look(door: Stage) -> None:
    door.sense.reading = lambda _: face(b"anna")
    door.show((100, 100), seconds=1)
    (anna,) = {sighting.track_id for sighting in door.told()}
    door.lookout.settle(anna)
    door.show((100, 100), seconds=3)
    reads = len(door.sense.read_sizes)
    door.show((100, 100), seconds=1, shade=210)
    assert len(door.sense.read_sizes) == reads + 1
    assert door.told() == []
    assert door.lookout.tracks == 1


def test_a_face_that_is_gone_after_a_cut_lends_its_track_to_nobody(door: Stage) -> None:
    door.sense.reading = lambda _: face(b"anna")
    door.show((100, 100), seconds=1)
    anna = door.told()[-1].track_id
    door.show(seconds=0.2, wall=150)
    (ended,) = [sighting for sighting in door.told() if sighting.ended]
    assert ended.track_id == anna
    assert door.lookout.tracks == 0


def test_a_plate_keeps_its_track_when_a_lorry_fills_the_picture(stage: Stage) -> None:
    stage.show((100, 100), seconds=1)
    (plate,) = {sighting.track_id for sighting in stage.told()}
    stage.show((104, 100), seconds=0.5, wall=150)
    assert {sighting.track_id for sighting in stage.told()} == {plate}


def test_reads_of_one_face_keep_apart_once_there_are_enough(door: Stage) -> None:
    door.sense.reading = lambda _: face(b"anna")
    for number in range(60):  # a camera of 60 frames/s
        image = np.full((360, 640, 3), 80, np.uint8)
        image[100:160, 100 + number // 2 : 160 + number // 2] = 255
        door.seq += 1
        door.now_ns += S // 60
        door.lookout.step(Frame("gate", door.seq, door.now_ns, image))
    times = [sighting.taken_ns for sighting in door.told()]
    assert 8 <= len(times) <= 16
    apart = np.diff(times)
    assert apart[:3].max() <= S // 50, "the first four at once"
    assert apart[3:].min() >= S * 0.1


# Parts of the picture, masks, lines


def test_a_network_is_shown_only_where_something_moves_and_all_of_it_now_and_then(stage: Stage) -> None:
    (search,) = stage.lookout._searches
    searches, wholes = search.searches, search.wholes
    stage.show((100, 100), seconds=2, step=(2, 0))
    left, top, right, bottom = stage.sense.part
    assert (right - left) * (bottom - top) < 0.5 * 640 * 360
    assert left % 32 == top % 32 == 0
    assert left <= 160
    assert right >= 220
    assert search.wholes - wholes < 0.2 * (search.searches - searches)
    assert {sighting.track_id for sighting in stage.told()} == {1}


def test_tracks_at_far_ends_are_shown_in_parts_and_keep_their_numbers(stage: Stage) -> None:
    for number in range(45):
        x = 20 + 2 * number
        stage.show((x, 20), (560 - 2 * number, 280))
    told = stage.told()
    assert {sighting.track_id for sighting in told} == {1, 2}
    assert len(told) >= 80
    (search,) = stage.lookout._searches
    assert search.pixels < 0.7 * search.searches * 640 * 360


def test_what_reaches_over_the_edge_of_a_part_is_looked_at_whole(stage: Stage) -> None:
    stage.show((100, 100), seconds=1)
    stage.told()
    search = stage.lookout._searches[0]
    image = np.full((360, 640, 3), 80, np.uint8)
    image[100:160, 100:160] = 255
    found, parts = search.find(image, ((128, 96, 256, 192),), stage.now_ns)
    assert parts == ((0, 0, 640, 360),)
    assert [finding.box for finding in found] == [Box(100, 100, 160, 160)]


def test_a_car_outside_the_parts_that_were_searched_is_not_missed(stage: Stage) -> None:
    stage.show((40, 40), seconds=0.5)
    stage.lookout.settle(1)
    stage.show((40, 40), seconds=12)  # it is background by now
    stage.told()
    stage.show((40, 40), (500, 250), seconds=4, step=(0, 0))
    stage.lookout.settle(2)
    for number in range(60):
        stage.show((40, 40), (500, 250 - number % 30))
    assert [sighting.track_id for sighting in stage.told() if sighting.ended] == []
    assert stage.lookout.tracks == 2


def test_what_is_ignored_is_neither_motion_nor_found(stage: Stage) -> None:
    stage = Stage(ignore=[[0.0, 0.0, 0.5, 1.0]])
    stage.show((100, 100), seconds=1, step=(4, 0))
    assert stage.told() == []
    assert stage.sense.searches <= 1
    stage.show((100, 100), (400, 100), seconds=1, step=(2, 0))
    assert {sighting.box.left >= 320 for sighting in stage.told()} == {True}


def test_new_shapes_are_taken_by_the_running_loop(stage: Stage) -> None:
    stage.lookout.configure(OpenCvCamera(**stage.settings.model_dump() | {"watch": [[0.5, 0, 1, 1]]}))
    stage.show((100, 100), seconds=1, step=(4, 0))
    assert stage.told() == []
    stage.show((400, 100), seconds=1, step=(2, 0))
    assert stage.told()


def test_who_crosses_the_line_is_told_with_its_way_and_its_edge() -> None:
    stage = Stage(line=((0.0, 0.5), (1.0, 0.5)))
    stage.show((300, 0), seconds=4, step=(0, 4))
    stage.show(seconds=2)
    told = stage.told()
    assert [(p.what, p.track_id, p.came) for p in stage.noted] == [("in", 1, "top")]
    assert told[-1].ended
    assert (told[0].crossed, told[-1].crossed) == ("", "in")
    assert told[-1].came == "top"
    assert 3500 <= told[-1].in_view_ms <= 4100
    assert stage.lookout.counts == {"tracks": 1, "read": 1, "in": 1, "out": 0}


def test_who_drives_out_of_the_picture_is_told_by_which_edge() -> None:
    stage = Stage()
    stage.show((20, 150), seconds=2.4, step=(16, 0))
    stage.show(seconds=2)
    end = stage.told()[-1]
    assert (end.ended, end.came, end.went) == (True, "left", "right")


def test_who_stays_for_long_is_told_once_even_if_nobody_could_read_it() -> None:
    stage = Stage(loiter_s=20)
    stage.sense.reading = lambda _: Reading(flaw="blurred")
    stage.show((300, 100), seconds=15)
    assert stage.noted == []
    stage.show((300, 100), seconds=60)
    assert [(p.what, p.track_id) for p in stage.noted] == [("loiters", 1)]
    assert stage.noted[0].in_view_ms >= 20_000
    assert stage.lookout.counts["read"] == 0


def test_a_person_who_stands_still_after_the_decision_costs_nothing(door: Stage) -> None:
    rng = np.random.default_rng(1)
    noise = [rng.integers(-5, 6, (360, 640, 3), np.int16) for _ in range(4)]
    door.sense.reading = lambda _: face(b"anna")

    def stand(frames: int) -> None:
        for number in range(frames):
            image = np.full((360, 640, 3), 80, np.int16) + noise[number % 4]
            image[100:160, 100:160] = 230 + noise[number % 4][:60, :60]
            door.seq += 1
            door.now_ns += FRAME_NS
            door.lookout.step(Frame("door", door.seq, door.now_ns, image.astype(np.uint8)))

    stand(30)
    door.lookout.settle(door.told()[-1].track_id)
    stand(150)  # until the gate knows it
    reads, searched = len(door.sense.read_sizes), door.lookout.searched
    stand(60 * 15)
    assert len(door.sense.read_sizes) == reads
    assert door.lookout.searched - searched <= 7, "nothing but the round"
    assert door.told() == []

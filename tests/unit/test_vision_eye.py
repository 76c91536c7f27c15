"""The eye with a canned process: alarms, back-off, orders. Time moves when the test says so."""

import time
from collections.abc import Callable, Iterator

import pytest

import edge.vision.eye as eye_module
from edge.clock import ManualClock
from edge.health import Alarms
from edge.records import Box, Kind, Sighting
from edge.settings import ModelSettings, OpenCvCamera
from edge.vision.eye import BackOff, Eye
from edge.vision.messages import (
    Compare,
    Configure,
    Health,
    Learnt,
    Look,
    Order,
    Passed,
    Ready,
    Report,
    Settled,
    Stats,
)
from edge.vision.process import VisionDied

SETTINGS = OpenCvCamera(source="rtsp://camera/1", looks_for=("plate",))


class CannedProcess:
    """Says what the test puts in; raises what the test puts in."""

    made: list["CannedProcess"] = []
    pid = 4711
    pulse = ("R", 0)

    def __init__(self, *arguments: object, session: str, epoch_ns: int, **_: object) -> None:
        self.session = session
        self.epoch_ns = epoch_ns
        self.says: list[Report | VisionDied] = []
        self.told: list[Order] = []
        self.is_dead = False
        self.made.append(self)

    def poll(self, timeout_s: float) -> Report | None:
        if not self.says:
            time.sleep(0.001)
            return None
        said = self.says.pop(0)
        if isinstance(said, VisionDied):
            raise said
        return said

    def send(self, order: Order) -> bool:
        self.told.append(order)
        return True

    def kill(self) -> None:
        self.is_dead = True


class Watched:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.alarms = Alarms(clock)
        self.sightings: list[Sighting] = []
        self.eye = Eye("gate", SETTINGS, ModelSettings(), clock, self.alarms, self.sightings.append)

    @property
    def process(self) -> CannedProcess:
        return CannedProcess.made[-1]

    def standing(self) -> list[tuple[str, str]]:
        return [(alarm.name, alarm.detail) for alarm in self.alarms.standing()]

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, "it did not come to that"
            time.sleep(0.002)

    def says(self, *messages: Report | VisionDied) -> None:
        process = self.process
        process.says += messages
        self.until(lambda: not process.says)


@pytest.fixture
def watched(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(eye_module, "VisionProcess", CannedProcess)
    monkeypatch.setattr(eye_module, "_TURN_S", 0.005)
    CannedProcess.made.clear()
    watched = Watched(clock)
    watched.eye.start()
    watched.until(lambda: CannedProcess.made)
    yield watched
    watched.eye.close()
    assert all(process.is_dead for process in CannedProcess.made)


def ready(epoch_ns: int = 0) -> Ready:
    return Ready("s", epoch_ns, {"plate": "canned"})


def test_pauses_grow_to_eight_seconds_and_shrink_after_a_good_run() -> None:
    back_off = BackOff()
    assert [back_off.after_run(2.0) for _ in range(7)] == [0.25, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert back_off.after_run(11.0) == 0.25
    assert back_off.after_run(1.0) == 1.0


def test_a_process_that_does_nothing_is_stalled_at_once_and_one_that_works_is_not(watched: Watched) -> None:
    watched.says(ready())
    watched.until(lambda: watched.eye.stats.models)
    watched.clock.advance(1.2)  # it runs, so it may take its time
    time.sleep(0.05)
    assert watched.standing() == []
    watched.process.pulse = ("S", 7)
    time.sleep(0.05)
    watched.clock.advance(1.2)
    watched.until(lambda: [name for name, _ in watched.standing()] == ["vision.stalled"])
    watched.says(Stats())
    watched.until(lambda: watched.standing() == [])


def test_the_thread_is_named_after_the_camera(watched: Watched) -> None:
    assert watched.eye.name == "eye-gate"


def test_sightings_are_handed_over_and_counted(watched: Watched) -> None:
    sighting = Sighting("gate", "s", 1, Kind.PLATE, 1, 1, 2, Box(0, 0, 1, 1), 0.5)
    watched.says(ready(), sighting)
    watched.until(lambda: watched.sightings == [sighting])
    watched.until(lambda: watched.eye.stats.sightings == 1)


def test_the_health_of_the_camera_becomes_alarms(watched: Watched) -> None:
    watched.says(ready(), Health("camera.lost", True, "cable out"))
    watched.until(lambda: watched.standing() == [("camera.lost", "cable out")])
    assert not watched.eye.stats.is_seeing
    watched.says(Health("camera.frozen", True, "same"), Health("camera.lost", False))
    watched.until(lambda: watched.standing() == [("camera.frozen", "same")])
    watched.until(lambda: watched.eye.stats.is_seeing)
    watched.says(Health("camera.frozen", False), Health("film.ended", True, "over"))
    watched.until(lambda: watched.eye.stats.film_ended)
    assert watched.standing() == []


def test_a_made_up_alarm_is_not_raised(watched: Watched) -> None:
    watched.says(ready(), Health("fire.detected", True, "let them out"))
    watched.says(Stats(frames=1))
    watched.until(lambda: watched.eye.stats.stats.frames == 1)
    assert watched.standing() == []
    assert not watched.eye.stats.film_ended


def test_a_death_is_named_the_pause_kept_and_the_film_goes_on(watched: Watched) -> None:
    first = watched.process
    watched.says(ready(epoch_ns=123), VisionDied("gate: the vision process was killed by signal 9"))
    watched.until(lambda: first.is_dead)
    watched.until(lambda: [name for name, _ in watched.standing()] == ["vision.died"])
    assert watched.eye.stats.pid == 0
    watched.clock.advance(0.2)
    time.sleep(0.05)
    assert watched.process is first
    watched.clock.advance(0.1)
    watched.until(lambda: watched.process is not first)
    assert watched.process.epoch_ns == 123
    assert watched.process.session != first.session
    watched.says(ready())
    watched.until(lambda: watched.standing() == [])
    assert watched.eye.stats.runs == 2


def test_what_was_counted_goes_on_with_the_next_process(watched: Watched) -> None:
    first = watched.process
    watched.says(ready(), Stats(counts={"tracks": 4.0, "read": 3.0, "in": 2.0, "out": 0.0}))
    watched.says(VisionDied("gate: the vision process was killed by signal 9"))
    watched.until(lambda: first.is_dead)
    watched.clock.advance(0.3)
    watched.until(lambda: watched.process is not first)
    assert watched.eye.stats.counts["tracks"] == 4
    watched.says(ready(), Stats(counts={"tracks": 1.0, "read": 0.0, "in": 0.0, "out": 1.0}))
    watched.until(lambda: watched.eye.stats.counts["tracks"] == 5)
    watched.says(Stats(counts={"tracks": 2.0, "read": 1.0, "in": 0.0, "out": 1.0}))
    watched.until(lambda: watched.eye.stats.counts["tracks"] == 6)
    assert watched.eye.stats.counts == {"tracks": 6, "read": 4, "in": 2, "out": 1}
    assert watched.eye.stats.stats.counts["tracks"] == 2, "the process's own"


def test_a_silent_process_is_stalled_only_after_it_was_ready(watched: Watched) -> None:
    first = watched.process
    watched.clock.advance(60)  # loading, on a slow board
    time.sleep(0.05)
    assert not first.is_dead
    watched.says(ready())
    watched.until(lambda: watched.eye.stats.models)
    watched.clock.advance(11)
    watched.until(lambda: first.is_dead)
    watched.until(lambda: {name for name, _ in watched.standing()} == {"vision.stalled", "vision.died"})
    watched.clock.advance(1.1)
    watched.until(lambda: watched.process is not first)
    watched.says(ready())
    watched.until(lambda: watched.standing() == [])


def test_orders_reach_the_process_and_only_the_right_one(watched: Watched) -> None:
    watched.says(ready())
    watched.eye.settle(3)
    watched.eye.settle(4, session="of an earlier process")
    watched.eye.settle(5, session=watched.process.session)
    watched.eye.look(2.0)
    other = SETTINGS.model_copy(update={"max_fps": 5.0})
    watched.eye.configure(other)
    assert watched.process.told == [
        Settled(3),
        Settled(5),
        Look(2000),
        Configure(other.model_dump(mode="json")),
    ]


class Kept:
    """A shelf that remembers what it was told."""

    def __init__(self, compare: Compare | None = None) -> None:
        self.compare = compare
        self.learnt: list[Learnt] = []
        self.forgotten: list[str] = []

    def put(self, camera: str, learnt: Learnt) -> None:
        self.learnt.append(learnt)

    def get(self, camera: str) -> Compare | None:
        return self.compare

    def forget(self, camera: str) -> None:
        self.forgotten.append(camera)


BLACK = {"brightness": 2.0, "contrast": 1.0, "dark": 1.0, "bright": 0.0}
USUAL = {"brightness": 100.0, "contrast": 40.0, "dark": 0.0, "bright": 0.0, "focus": 2.0}


def test_the_numbers_of_the_picture_become_alarms_that_come_and_go(watched: Watched) -> None:
    watched.says(ready())
    for _ in range(2):
        watched.clock.advance(0.5)
        watched.says(Stats(picture=BLACK))
    watched.until(lambda: [name for name, _ in watched.standing()] == ["camera.black"])
    for _ in range(4):
        watched.clock.advance(0.5)
        watched.says(Stats(picture=USUAL))
    watched.until(lambda: watched.standing() == [])


def test_alarms_that_are_not_wanted_are_not_raised_and_standing_ones_end(watched: Watched) -> None:
    watched.says(ready())
    for _ in range(2):
        watched.clock.advance(0.5)
        watched.says(Stats(picture=BLACK))
    watched.until(lambda: [name for name, _ in watched.standing()] == ["camera.black"])
    watched.eye.configure(SETTINGS.model_copy(update={"condition_alarms": ("dark",)}))
    for _ in range(4):
        watched.clock.advance(0.5)
        watched.says(Stats(picture=BLACK))
    watched.until(lambda: watched.standing() == [])


def test_a_reference_is_kept_given_to_the_next_process_and_forgotten_when_told(watched: Watched) -> None:
    compare, learnt = Compare(b"png", 1.0, True), Learnt(b"png", 1.0, True)
    kept = Kept(compare)
    watched.eye._shelf = kept
    watched.says(ready(), learnt)
    watched.until(lambda: kept.learnt == [learnt])
    watched.until(lambda: watched.process.told == [compare])
    watched.eye.relearn()
    assert kept.forgotten == ["gate"]
    assert watched.process.told == [compare, Compare(b"")]


def test_crossings_and_long_stays_are_handed_on_with_camera_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eye_module, "VisionProcess", CannedProcess)
    heard: list[tuple[str, str, Passed]] = []
    clock = ManualClock()
    eye = Eye(
        "gate",
        SETTINGS,
        ModelSettings(),
        clock,
        Alarms(clock),
        lambda _: None,
        on_passed=lambda *w: heard.append(w),
    )
    eye.start()
    try:
        deadline = time.monotonic() + 60
        while not eye.stats.session:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        passed = Passed(3, Kind.PLATE, "in", 5, 1200, "top")
        CannedProcess.made[-1].says.append(passed)
        while not heard:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        session = eye.stats.session
    finally:
        eye.close()
    assert heard == [("gate", session, passed)]

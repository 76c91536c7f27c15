"""What a camera and its process can suffer, with real processes, sockets and signals.

Each fault has a name, nothing else notices, and within five seconds of the source's return there are frames.
"""

import gc
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.simulated.cameras import CameraFault, SimulatedCamera
from edge.clock import SystemClock
from edge.health import Alarm, Alarms
from edge.records import Sighting
from edge.settings import CameraSettings, ModelSettings, OpenCvCamera, ReplayCamera
from edge.vision import Eye, VisionDied, VisionProcess
from edge.vision.messages import Ready, Stats

BACK_S = 5.0
CLOCK = SystemClock()
# The plate reader loads without any folder of its own; what it reads does not matter here.
LOOKS_FOR = ("plate",)
MODELS = ModelSettings()


def noise(count: int = 20) -> list[bytes]:
    random = np.random.default_rng(1)
    return [
        cv2.imencode(".jpg", random.integers(0, 60, (120, 160, 3), dtype=np.uint8))[1].tobytes()
        for _ in range(count)
    ]


def wait_for(condition: Callable[[], object], timeout_s: float, what: str) -> float:
    """Seconds until a condition held."""
    began = time.monotonic()
    while time.monotonic() < began + timeout_s:
        if condition():
            return time.monotonic() - began
        time.sleep(0.01)
    pytest.fail(f"{what}: not within {timeout_s} s")


class Watched:
    """An eye, and everything that it told."""

    def __init__(self, settings: CameraSettings, **options: object) -> None:
        self.alarms = Alarms(CLOCK)
        self.edges: list[tuple[str, bool]] = []
        self.details: dict[str, str] = {}
        self.alarms.listen(self._note)
        self.sightings: list[Sighting] = []
        self.eye = Eye(
            "gate", settings, MODELS, CLOCK, self.alarms, self.sightings.append, log_level="error", **options
        )

    def _note(self, alarm: Alarm, raised: bool) -> None:
        assert alarm.subject == "gate"
        if raised:
            self.details[alarm.name] = alarm.detail
        self.edges.append((alarm.name, raised))

    def stands(self, name: str) -> bool:
        """Whether the last that was heard of this alarm is that it was raised."""
        return next((raised for heard, raised in reversed(self.edges) if heard == name), False)

    def await_frames(self, timeout_s: float = 60.0) -> float:
        """Seconds until new frames are reported by the child."""
        before = self.eye.stats
        return wait_for(
            lambda: (
                (now := self.eye.stats).is_seeing
                and now.stats.looked > (before.stats.looked if now.session == before.session else 0)
            ),
            timeout_s,
            "frames",
        )

    def await_alarm(self, name: str, timeout_s: float = 15.0) -> float:
        return wait_for(lambda: self.stands(name), timeout_s, name)

    def await_clear(self, name: str, timeout_s: float = BACK_S) -> float:
        return wait_for(lambda: not self.stands(name), timeout_s, f"{name} to clear")


@contextmanager
def watched(settings: CameraSettings, **options: object) -> Iterator[Watched]:
    watched = Watched(settings, **options)
    watched.eye.start()
    try:
        yield watched
    finally:
        watched.eye.close()


@pytest.fixture
def camera() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(noise(), fps=15) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def lane() -> Iterator[tuple[SimulatedCamera, "Watched"]]:
    """One camera and one eye that live through one fault of the stream after the other."""
    with SimulatedCamera(noise(), fps=15) as simulated, watched(http(simulated)) as seen:
        yield simulated, seen


@pytest.fixture
def stream(lane: tuple[SimulatedCamera, "Watched"]) -> Iterator[tuple[SimulatedCamera, "Watched"]]:
    """The two of ``lane``, in order; afterwards the process must be the one of before."""
    camera, seen = lane
    camera.fault = CameraFault.NONE
    seen.await_frames()
    before = seen.eye.stats.session
    yield lane
    assert seen.eye.stats.session == before


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No process of ours and no file descriptor more than before; a stream's own connections come and go."""
    if "lane" in request.fixturenames:
        yield
        return
    before, own = descriptors(), children()
    yield
    # The camera of ``lane`` may be opening a new connection just now.
    wait_for(lambda: children() == own and descriptors() <= before, 60.0, "nothing that is left")


def descriptors() -> int:
    """How many files this process has open."""
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def children() -> list[str]:
    """Our vision processes, dead or alive."""
    own = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"PPid:\t{os.getpid()}\n" in text:
            own.append(text.split("\n", 1)[0])
    return own


def http(camera: SimulatedCamera, **options: object) -> OpenCvCamera:
    options = {"stall_s": 1.5, "freeze_s": 2.0, "open_timeout_s": 2.0} | options
    return OpenCvCamera(source=camera.url, looks_for=LOOKS_FOR, **options)


def test_a_killed_process_is_named_and_started_again(camera: SimulatedCamera) -> None:
    with watched(http(camera)) as seen:
        seen.await_frames()
        first = seen.eye.stats
        os.kill(first.pid, signal.SIGKILL)
        assert seen.await_alarm("vision.died", 1.0) < 1.0
        assert "killed by signal 9" in seen.details["vision.died"]
        seen.await_clear("vision.died", 30.0)
        seen.await_frames()
        assert seen.eye.stats.session != first.session
        assert not seen.eye.is_stalled


def test_a_process_that_hangs_is_named_and_started_again(camera: SimulatedCamera) -> None:
    with watched(http(camera), silent_s=2.5) as seen:
        seen.await_frames()
        os.kill(seen.eye.stats.pid, signal.SIGSTOP)
        assert seen.await_alarm("vision.stalled", 5.0) < 4.0
        seen.await_clear("vision.stalled", 30.0)
        seen.await_frames()
        assert seen.eye.stats.runs == 2


def test_a_cut_stream_is_lost_and_back_within_five_seconds(
    stream: tuple[SimulatedCamera, Watched],
) -> None:
    camera, seen = stream
    for away_s in (0.5, 4.0):
        camera.cut()
        assert seen.await_alarm("camera.lost") < 2.0
        time.sleep(away_s)
        camera.restore()
        assert seen.await_clear("camera.lost") < BACK_S
        seen.await_frames(BACK_S)


def test_a_stream_that_says_nothing_is_lost_and_back_within_five_seconds(
    stream: tuple[SimulatedCamera, Watched],
) -> None:
    camera, seen = stream
    camera.fault = CameraFault.SILENT
    assert seen.await_alarm("camera.lost") < 3.0
    time.sleep(3)
    camera.fault = CameraFault.NONE
    assert seen.await_clear("camera.lost") < BACK_S
    seen.await_frames(BACK_S)


def test_a_frozen_stream_is_named_and_back_when_it_moves(
    stream: tuple[SimulatedCamera, Watched],
) -> None:
    camera, seen = stream
    camera.fault = CameraFault.FROZEN
    assert seen.await_alarm("camera.frozen") < 4.0
    assert "the same picture for 2 s" in seen.details["camera.frozen"]
    assert not seen.stands("camera.lost")
    camera.fault = CameraFault.NONE
    assert seen.await_clear("camera.frozen") < BACK_S
    seen.await_frames(BACK_S)


def test_a_stuck_server_is_asked_again_while_its_picture_is_frozen(
    stream: tuple[SimulatedCamera, Watched],
) -> None:
    camera, seen = stream
    camera.fault = CameraFault.FROZEN
    seen.await_alarm("camera.frozen")
    opened = camera.connections
    wait_for(lambda: camera.connections > opened, 10.0, "a new connection")
    assert seen.stands("camera.frozen")  # the same picture again is no recovery


def test_garbage_is_lost_and_pictures_afterwards_are_seen(
    stream: tuple[SimulatedCamera, Watched],
) -> None:
    camera, seen = stream
    camera.fault = CameraFault.GARBAGE
    assert seen.await_alarm("camera.lost") < 4.0
    camera.fault = CameraFault.NONE
    assert seen.await_clear("camera.lost") < BACK_S
    seen.await_frames(BACK_S)


def test_a_wrong_address_is_named_without_its_password(stream: tuple[SimulatedCamera, Watched]) -> None:
    camera, seen = stream
    right = http(camera)
    source = camera.url.replace("//", "//admin:geheim@") + "-not"
    seen.eye.configure(right.model_copy(update={"source": source}))
    seen.await_alarm("camera.lost")
    assert "no such stream (HTTP 404)" in seen.details["camera.lost"]
    assert "geheim" not in seen.details["camera.lost"]
    seen.eye.configure(right)
    assert seen.await_clear("camera.lost") < BACK_S
    seen.await_frames(BACK_S)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (160, 120))
    random = np.random.default_rng(2)
    for _ in range(45):
        writer.write(random.integers(0, 60, (120, 160, 3), dtype=np.uint8))
    writer.release()
    return path


def test_a_truncated_film_is_named_and_seen_when_it_is_whole(film: Path) -> None:
    whole = film.read_bytes()
    film.write_bytes(whole[: len(whole) // 2])
    with watched(ReplayCamera(source=str(film), looks_for=LOOKS_FOR, repeat=True)) as seen:
        seen.await_alarm("camera.lost", 60.0)
        assert "cut off at frame" in seen.details["camera.lost"]
        film.write_bytes(whole)
        wait_for(lambda: seen.edges[-1:] == [("camera.lost", False)], BACK_S, "camera.lost to clear")
        time.sleep(4)  # longer than the film: it is whole now
        assert not seen.stands("camera.lost")
        assert seen.eye.stats.runs == 1


def test_a_file_that_is_no_film_is_named(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film at all")
    with watched(OpenCvCamera(source=str(path), looks_for=LOOKS_FOR)) as seen:
        seen.await_alarm("camera.lost", 60.0)
        assert "is no film" in seen.details["camera.lost"]


def test_a_folder_that_is_missing_is_named_and_seen_when_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    with watched(ReplayCamera(source=str(folder), looks_for=LOOKS_FOR, repeat=True, fps=10)) as seen:
        seen.await_alarm("camera.lost", 60.0)
        assert "there is no such film or folder" in seen.details["camera.lost"]
        folder.mkdir()
        for number, jpeg in enumerate(noise()):
            (folder / f"{number:02}.jpg").write_bytes(jpeg)
        assert seen.await_clear("camera.lost") < BACK_S
        seen.await_frames(BACK_S)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir(mode=0)
    with watched(ReplayCamera(source=str(folder), looks_for=LOOKS_FOR)) as seen:
        seen.await_alarm("camera.lost", 60.0)
        assert "cannot be read" in seen.details["camera.lost"]


def test_a_killed_process_goes_on_where_the_film_is_by_then(film: Path) -> None:
    with watched(ReplayCamera(source=str(film), looks_for=LOOKS_FOR)) as seen:
        seen.await_frames()
        os.kill(seen.eye.stats.pid, signal.SIGKILL)
        # Of the 45 frames in three seconds, those are over that pass while a new process loads its networks:
        # at least the second of its back-off.
        time.sleep(3.0)
        wait_for(lambda: seen.eye.stats.film_ended, 60.0, "the end of the film")
        assert seen.eye.stats.stats.frames <= 32


def test_models_that_cannot_be_loaded_are_the_named_cause(tmp_path: Path, camera: SimulatedCamera) -> None:
    alarms = Alarms(CLOCK)
    models = ModelSettings(face_detector="yunet", yunet_path=tmp_path / "missing.onnx")
    settings = OpenCvCamera(source=camera.url, looks_for=("face",))
    eye = Eye("gate", settings, models, CLOCK, alarms, print, log_level="error")
    eye.start()
    try:
        wait_for(alarms.standing, 30.0, "vision.died")
        (alarm,) = alarms.standing()
        assert alarm.name == "vision.died"
        assert "missing.onnx" in alarm.detail
    finally:
        eye.close()


def test_the_process_ends_with_its_parent(camera: SimulatedCamera, tmp_path: Path) -> None:
    """A daemon that is killed leaves no process that holds the camera."""
    pids = tmp_path / "pid"
    pid = os.fork()
    if pid == 0:  # the daemon of this test: one process, one child, then gone without a word
        process = VisionProcess("gate", http(camera), MODELS, CLOCK, session="s", log_level="error")
        pids.write_text(str(process.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    orphan = Path(f"/proc/{pids.read_text()}")
    wait_for(lambda: not orphan.exists() or "Z (zombie)" in (orphan / "status").read_text(), 5.0, "the end")


def test_a_process_that_speaks_nonsense_is_ended(camera: SimulatedCamera) -> None:
    process = VisionProcess("gate", http(camera), MODELS, CLOCK, session="s", log_level="error")
    read, write = os.pipe()
    os.write(write, b"\x80\x04cos\nsystem\n")  # what a pickle would begin with
    with process._lock:
        real, process._up = process._up, read
    with pytest.raises(VisionDied, match="speaks nonsense"):
        process.poll(1.0)
    assert not Path(f"/proc/{process.pid}").exists()
    os.close(real)
    os.close(write)


def test_orders_to_a_process_that_has_ended_are_forgotten(camera: SimulatedCamera) -> None:
    with watched(http(camera)) as seen:
        seen.await_frames()
        seen.eye.settle(1)
        seen.eye.settle(1, session="another")
        seen.eye.look()
    seen.eye.settle(1)
    seen.eye.look()
    assert (seen.eye.stats.pid, seen.eye.stats.runs) == (0, 1), "an order to nobody starts nothing"


def test_twenty_starts_and_kills_leave_nothing(camera: SimulatedCamera) -> None:
    for number in range(20):
        process = VisionProcess("gate", http(camera), MODELS, CLOCK, session=f"s{number}", log_level="error")
        process.poll(0.01)
        process.kill()
        process.kill()
        assert process.poll(0.0) is None


def test_the_daemon_sees_ready_and_then_a_beat_each_second(camera: SimulatedCamera) -> None:
    with VisionProcess("gate", http(camera), MODELS, CLOCK, session="s", log_level="error") as process:
        heard: list[tuple[float, object]] = []
        end = time.monotonic() + 60
        while time.monotonic() < end and sum(isinstance(m, Stats) for _, m in heard) < 4:
            if (message := process.poll(0.25)) is not None:
                heard.append((time.monotonic(), message))
    assert isinstance(heard[0][1], Ready)
    beats = [at for at, message in heard if isinstance(message, Stats)]
    assert max(b - a for a, b in itertools.pairwise(beats)) < 2.0
    assert heard[-1][1].fps == pytest.approx(15, rel=0.3)


def test_other_threads_run_on_while_processes_die(camera: SimulatedCamera) -> None:
    """What the barrier's thread would feel: the longest pause of a thread that ticks every 10 ms."""
    pauses: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        last = time.monotonic()
        while not stop.wait(0.01):
            now = time.monotonic()
            pauses.append(now - last)
            last = now

    with watched(http(camera)) as seen:
        seen.await_frames()
        barrier = threading.Thread(target=tick)
        barrier.start()
        try:
            os.kill(seen.eye.stats.pid, signal.SIGKILL)
            seen.await_alarm("vision.died", 2.0)
            camera.cut()
            seen.await_clear("vision.died", 30.0)
            camera.restore()
        finally:
            stop.set()
            barrier.join()
    assert max(pauses) < 0.5

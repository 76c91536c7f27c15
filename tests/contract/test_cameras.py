"""Every camera keeps the same contract: films, folders, HTTP and RTSP streams, a device if there is one."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera import Camera, EndOfFilm, open_camera
from drivers.camera.video import boot_ns
from drivers.errors import DriverClosed, LinkLost
from drivers.simulated.cameras import CameraFault, SimulatedCamera
from drivers.simulated.rtsp import SimulatedRtspCamera

FPS = 20.0
WIDTH, HEIGHT = 320, 240
BACKENDS = ("film", "film through opencv", "folder", "http", "rtsp", "device")


def picture(number: int) -> np.ndarray:
    """A blue left half, a green right half, and a level that tells the pictures apart."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2, 0] = 60 + number * 6
    image[:, WIDTH // 2 :, 1] = 60 + number * 6
    return image


JPEGS = [cv2.imencode(".jpg", picture(number))[1].tobytes() for number in range(20)]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for number in range(60):
        writer.write(picture(number % 20))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for number, jpeg in enumerate(JPEGS):
        (path / f"{number:03}.jpg").write_bytes(jpeg)
    return path


@pytest.fixture(params=BACKENDS)
def open_it(request: pytest.FixtureRequest, film: Path, folder: Path) -> Iterator[Callable[[], Camera]]:
    """Opens a camera of one backend."""
    with ExitStack() as stack:
        if request.param == "film":
            yield lambda: open_camera("gate", type="replay", source=str(film), repeat=True)
        elif request.param == "film through opencv":
            yield lambda: open_camera("gate", source=str(film))
        elif request.param == "folder":
            yield lambda: open_camera("gate", type="replay", source=str(folder), fps=FPS, repeat=True)
        elif request.param == "device":
            if not Path("/dev/video0").exists():
                pytest.skip("there is no camera at /dev/video0")
            yield lambda: open_camera("gate", source="0", width_px=640, height_px=480)
        else:
            kind = SimulatedCamera if request.param == "http" else SimulatedRtspCamera
            camera = stack.enter_context(kind(JPEGS, fps=FPS))
            yield lambda: open_camera("gate", source=camera.url)


@pytest.fixture(params=[SimulatedCamera, SimulatedRtspCamera], ids=["http", "rtsp"])
def stream(request: pytest.FixtureRequest) -> Iterator[SimulatedCamera]:
    with request.param(JPEGS, fps=FPS) as camera:
        yield camera


def test_frames_are_bgr_read_only_numbered_and_stamped(open_it: Callable[[], Camera], capfd) -> None:
    began_ns = boot_ns()
    camera = open_it()
    try:
        frames = [camera.read() for _ in range(8)]
    finally:
        camera.close()
    for frame in frames:
        assert frame.camera == camera.name == "gate"
        assert frame.image.dtype == np.uint8
        assert frame.image.shape[2] == 3
        assert not frame.image.flags.writeable
    assert all(later.seq > earlier.seq for earlier, later in itertools.pairwise(frames))
    stamps = [frame.taken_ns for frame in frames]
    assert stamps == sorted(set(stamps))
    assert began_ns <= stamps[0]
    assert stamps[-1] <= boot_ns()
    assert capfd.readouterr() == ("", "")


def test_colours_are_blue_green_red(open_it: Callable[[], Camera], request: pytest.FixtureRequest) -> None:
    if "device" in request.node.name:
        pytest.skip("nobody knows what a device looks at")
    camera = open_it()
    try:
        image = camera.read().image.astype(int)
    finally:
        camera.close()
    left, right = image[:, 10 : WIDTH // 2 - 20], image[:, WIDTH // 2 + 20 :]
    assert left[..., 0].mean() > 40 > left[..., 1].mean()
    assert right[..., 1].mean() > 40 > right[..., 0].mean()


def test_frames_come_at_the_pace_of_the_source(
    open_it: Callable[[], Camera], request: pytest.FixtureRequest
) -> None:
    if "device" in request.node.name:
        pytest.skip("nobody knows how fast a device is")
    camera = open_it()
    try:
        camera.read()
        stamps = [camera.read().taken_ns for _ in range(20)]
    finally:
        camera.close()
    assert 19 / ((stamps[-1] - stamps[0]) / 1e9) == pytest.approx(FPS, rel=0.3)


def test_closing_twice_is_safe_and_reading_afterwards_an_error(open_it: Callable[[], Camera]) -> None:
    camera = open_it()
    camera.close()
    camera.close()
    with pytest.raises(DriverClosed):
        camera.read()


def test_a_file_through_opencv_ends_as_a_film(film: Path) -> None:
    camera = open_camera("gate", source=str(film), epoch_ns=boot_ns() - 10_000_000_000)
    with pytest.raises(EndOfFilm):
        camera.read()
    camera.close()


def read_until_lost(camera: Camera) -> tuple[str, float]:
    """What the loss said, and the seconds it took."""
    began = time.monotonic()
    with pytest.raises(LinkLost) as caught:
        list(iter(camera.read, None))
    camera.close()
    return str(caught.value), time.monotonic() - began


def test_a_cut_stream_is_lost_at_once(stream: SimulatedCamera, capfd) -> None:
    camera = open_camera("gate", source=stream.url)
    camera.read()
    stream.cut()
    message, took_s = read_until_lost(camera)
    assert "the stream stopped" in message
    assert took_s < 5.0, "not only after some timeout"
    assert capfd.readouterr() == ("", "")


def test_a_silent_stream_is_lost_after_the_read_timeout(stream: SimulatedCamera, capfd) -> None:
    camera = open_camera("gate", source=stream.url, read_timeout_s=1.0)
    camera.read()
    stream.fault = CameraFault.SILENT
    message, took_s = read_until_lost(camera)
    assert "the stream stopped" in message
    assert 0.5 < took_s < 10.0
    assert capfd.readouterr() == ("", "")


def test_a_silent_stream_does_not_open_for_longer_than_the_timeout(stream: SimulatedCamera) -> None:
    stream.fault = CameraFault.SILENT
    began = time.monotonic()
    with pytest.raises(LinkLost, match=r"no pictures came in time|the stream stopped"):
        open_camera("gate", source=stream.url, open_timeout_s=1.0, read_timeout_s=1.0).read()
    assert time.monotonic() - began < 4.0


def test_garbage_in_the_stream_never_gets_out_as_an_exception_of_opencv(
    stream: SimulatedCamera, capfd
) -> None:
    camera = open_camera("gate", source=stream.url, read_timeout_s=1.0)
    camera.read()
    stream.fault = CameraFault.GARBAGE
    end = time.monotonic() + 1.5
    try:
        while time.monotonic() < end:
            assert camera.read().image.ndim == 3
    except LinkLost:
        pass  # the other thing that may happen
    finally:
        camera.close()
    assert capfd.readouterr() == ("", "")


def test_another_size_in_mid_stream_is_taken_or_lost_but_never_torn(stream: SimulatedCamera) -> None:
    camera = open_camera("gate", source=stream.url, read_timeout_s=1.0)
    camera.read()
    smaller = [cv2.imencode(".jpg", picture(n)[: HEIGHT // 2, : WIDTH // 2])[1].tobytes() for n in range(20)]
    stream.pictures = tuple(smaller)
    shapes = set()
    end = time.monotonic() + 1.5
    try:
        while time.monotonic() < end:
            shapes.add(camera.read().image.shape)
    except LinkLost:
        camera = open_camera("gate", source=stream.url)
        shapes.add(camera.read().image.shape)
    camera.close()
    assert shapes <= {(HEIGHT, WIDTH, 3), (HEIGHT // 2, WIDTH // 2, 3)}


def test_a_wrong_path_is_told_without_the_password(stream: SimulatedCamera) -> None:
    source = stream.url.replace("://", "://admin:geheim@").replace("/live", "/nothing")
    with pytest.raises(LinkLost) as caught:
        open_camera("gate", source=source, open_timeout_s=1.0)
    assert "geheim" not in str(caught.value)
    assert "check" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rtsp_is_asked_for_over_tcp_only() -> None:
    # The simulated camera answers 461 to everything else, so a frame is the proof.
    with SimulatedRtspCamera(JPEGS, fps=FPS) as simulated:
        camera = open_camera("gate", source=simulated.url)
        assert camera.read().image.shape == (HEIGHT, WIDTH, 3)
        camera.close()

"""Every camera keeps the same contract: films, folders, HTTP and RTSP streams, a device if there is one."""

import itertools
import shutil
import subprocess
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
from drivers.simulated.h264 import SimulatedH264Camera, encode_picture
from drivers.simulated.rtsp import SimulatedRtspCamera

FPS = 20.0
WIDTH, HEIGHT = 320, 240
BACKENDS = ("film", "film through opencv", "folder", "http", "rtsp", "device", "picamera")


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
        elif request.param == "picamera":
            pytest.importorskip("picamera2", reason="picamera2 is only on a Raspberry Pi")
            yield lambda: open_camera("gate", type="picamera", source="0", width_px=640, height_px=480)
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
    if {"device", "picamera"} & set(request.node.callspec.id.split("-")):
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
    if {"device", "picamera"} & set(request.node.callspec.id.split("-")):
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


# H.264, as most cameras send it; the pictures of our own encoder have no colour


def grey(number: int, width: int = 192, height: int = 144) -> np.ndarray:
    """Steps from left to right, and a bar that tells the pictures apart."""
    image = np.tile(np.linspace(40, 200, width).astype(np.uint8) // 16 * 16, (height, 1))
    image[number * 16 : number * 16 + 16] = 230
    return image


@pytest.fixture
def h264() -> Iterator[SimulatedH264Camera]:
    with SimulatedH264Camera([encode_picture(grey(n), n) for n in range(8)], fps=FPS) as camera:
        yield camera


def bar_of(image: np.ndarray) -> int:
    """Number of the picture, by where its bar is."""
    return int(image[8::16, :, 1].mean(axis=1).argmax())


def test_h264_over_rtsp_is_decoded_picture_by_picture(h264: SimulatedH264Camera, capfd) -> None:
    camera = open_camera("gate", source=h264.url)
    try:
        bars, in_a_row = [], 0
        while (
            in_a_row < 12 and len(bars) < 90
        ):  # a machine that stops for a moment loses pictures: begin anew
            image = camera.read().image
            assert image.shape == (144, 192, 3)
            bars.append(bar_of(image))
            in_a_row = in_a_row + 1 if len(bars) > 1 and (bars[-1] - bars[-2]) % 8 == 1 else 1
    finally:
        camera.close()
    assert in_a_row == 12, bars
    assert capfd.readouterr() == ("", "")


def test_an_encoder_may_repeat_its_picture_and_a_jpeg_camera_may_not(h264: SimulatedH264Camera) -> None:
    camera = open_camera("gate", source=h264.url)
    assert camera.may_repeat
    h264.fault = CameraFault.FROZEN
    bars = [bar_of(camera.read().image) for _ in range(30)]
    camera.close()
    assert set(bars[-10:]) == {0}, "the first picture, for ever, and no error"
    with SimulatedRtspCamera(JPEGS, fps=FPS) as jpeg:
        camera = open_camera("gate", source=jpeg.url)
        assert not camera.may_repeat
        camera.close()


def test_a_decoder_that_the_board_has_not_is_replaced_by_software_and_logged(
    h264: SimulatedH264Camera, caplog: pytest.LogCaptureFixture
) -> None:
    camera = open_camera("gate", source=h264.url, decoder="h264_rkmpp")
    assert camera.read().image.shape == (144, 192, 3)
    camera.close()
    assert "the decoder h264_rkmpp is not to be had here" in caplog.text


def test_another_size_in_mid_stream_of_h264_shows_the_new_pictures(h264: SimulatedH264Camera) -> None:
    camera = open_camera("gate", source=h264.url)
    camera.read()
    h264.pictures = tuple(encode_picture(np.full((96, 128), 100 + n, np.uint8), n) for n in range(8))
    levels = []
    try:
        levels = [float(camera.read().image.std()) for _ in range(20)]
    except LinkLost:
        camera = open_camera("gate", source=h264.url)
        levels = [float(camera.read().image.std())]
    finally:
        camera.close()
    assert levels[-1] < 5, "the new ones are plain"


def test_what_ffmpeg_itself_encodes_is_read_as_well(tmp_path: Path) -> None:
    """Our own stream could be one that only our own reading of the standard understands."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("there is no ffmpeg here")
    stream = tmp_path / "film.264"
    scene = ["-f", "lavfi", "-i", "testsrc=size=320x192:rate=10", "-frames:v", "10"]
    coding = ["-c:v", "libx264", "-bf", "0", "-g", "1", "-x264-params", "repeat-headers=1:slices=1"]
    done = subprocess.run(
        [ffmpeg, "-v", "error", *scene, *coding, "-pix_fmt", "yuv420p", str(stream)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"this ffmpeg has no libx264: {done.stderr!r}")
    content = stream.read_bytes().replace(b"\0\0\0\1", b"\0\0\1").replace(b"\0\0\1", b"\0\0\0\1")
    start = b"\0\0\0\1\x67"
    units = [start + unit for unit in content.split(start)[1:]]
    assert len(units) == 10
    with SimulatedH264Camera(units, fps=FPS) as simulated:
        camera = open_camera("gate", source=simulated.url)
        images = [camera.read().image for _ in range(5)]
        camera.close()
    assert images[-1].shape == (192, 320, 3)
    assert images[-1].std() > 40, "colour bars"

"""MJPEG decoded at a fraction of its size, from a simulated camera with real bytes on real sockets."""

import itertools
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera import open_camera
from drivers.camera.mjpeg import MjpegCamera, Parts
from drivers.errors import DriverClosed, LinkLost
from drivers.simulated.cameras import CameraFault, SimulatedCamera

WIDTH, HEIGHT = 640, 480
FPS = 25.0


def picture(number: int) -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2, 0] = 60 + number * 6
    image[:, WIDTH // 2 :, 1] = 60 + number * 6
    return image


JPEGS = [cv2.imencode(".jpg", picture(number))[1].tobytes() for number in range(20)]


@pytest.fixture
def simulated() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(JPEGS, fps=FPS) as camera:
        yield camera


@pytest.mark.parametrize("reduce", [2, 4, 8])
def test_pictures_come_smaller_in_the_right_colours_numbered_and_stamped(
    simulated: SimulatedCamera, reduce: int
) -> None:
    camera = open_camera("gate", source=simulated.url, reduce=reduce)
    try:
        frames = [camera.read() for _ in range(6)]
    finally:
        camera.close()
        camera.close()
    for frame in frames:
        assert frame.camera == "gate"
        assert frame.image.shape == (HEIGHT // reduce, WIDTH // reduce, 3)
        assert not frame.image.flags.writeable
        left, right = frame.image[:, : WIDTH // reduce // 2 - 2], frame.image[:, WIDTH // reduce // 2 + 2 :]
        assert left[..., 0].mean() > 40 > left[..., 1].mean()
        assert right[..., 1].mean() > 40 > right[..., 0].mean()
    for before, after in itertools.pairwise(frames):
        assert after.seq > before.seq
        assert after.taken_ns > before.taken_ns
    with pytest.raises(DriverClosed):
        camera.read()


def test_a_slow_reader_gets_the_newest_picture_and_the_others_are_counted(
    simulated: SimulatedCamera,
) -> None:
    camera = MjpegCamera("gate", simulated.url, reduce=8)
    try:
        first = camera.read()
        time.sleep(1.0)
        later = camera.read()
    finally:
        camera.close()
    assert later.seq - first.seq > 5


@pytest.mark.parametrize("fault", [CameraFault.SILENT, CameraFault.GARBAGE])
def test_a_stream_that_gives_no_pictures_is_lost_after_the_timeout(
    simulated: SimulatedCamera, fault: CameraFault
) -> None:
    camera = open_camera("gate", source=simulated.url, reduce=2, open_timeout_s=50, read_timeout_s=1.0)
    camera.read()
    simulated.fault = fault
    began = time.monotonic()
    with pytest.raises(LinkLost, match="the stream stopped"):
        list(iter(camera.read, None))
    assert 0.5 < time.monotonic() - began < 40, "its own limit, not that of opening"
    camera.close()


def test_a_cut_stream_is_lost(simulated: SimulatedCamera) -> None:
    camera = open_camera("gate", source=simulated.url, reduce=2, read_timeout_s=20.0)
    camera.read()
    simulated.cut()
    with pytest.raises(LinkLost, match="the stream stopped"):
        list(iter(camera.read, None))
    camera.close()


def test_another_size_in_mid_stream_is_taken(simulated: SimulatedCamera) -> None:
    camera = open_camera("gate", source=simulated.url, reduce=2)
    camera.read()
    simulated.pictures = tuple(
        cv2.imencode(".jpg", picture(n)[: HEIGHT // 2, : WIDTH // 2])[1].tobytes() for n in range(5)
    )
    deadline = time.monotonic() + 60
    while camera.read().image.shape[0] != HEIGHT // 4:
        assert time.monotonic() < deadline
    camera.close()


def test_a_wrong_path_is_told_without_the_password(simulated: SimulatedCamera) -> None:
    source = simulated.url.replace("://", "://admin:geheim@").replace("/live", "/nothing")
    with pytest.raises(LinkLost) as caught:
        open_camera("gate", source=source, reduce=2)
    assert "geheim" not in str(caught.value)
    assert "404" in str(caught.value)


def test_nobody_there_is_told_as_for_every_camera() -> None:
    with pytest.raises(LinkLost, match="refuses port"):
        open_camera("gate", source="http://127.0.0.1:9/live", reduce=2)


def part(body: bytes, *, with_length: bool) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if with_length else b""
    return b"--frame\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + body + b"\r\n"


bodies = st.lists(st.binary(max_size=60).filter(lambda body: b"--frame" not in body), max_size=6)


@given(bodies, st.booleans(), st.sampled_from([b"frame", b"--frame"]), st.data())
def test_parts_are_found_however_the_bytes_are_cut(
    given_bodies: list[bytes], with_length: bool, boundary: bytes, data: st.DataObject
) -> None:
    stream = b"".join(part(body, with_length=with_length) for body in given_bodies) + b"--frame"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = Parts(boundary)
    found = [body for a, b in itertools.pairwise([0, *cuts, len(stream)]) for body in parts.feed(stream[a:b])]
    assert found == given_bodies


def test_a_part_without_end_is_refused() -> None:
    parts = Parts(b"frame")
    parts.feed(b"--frame\r\n\r\n")
    parts.feed(bytes(16_000_000))
    with pytest.raises(ValueError, match="without end"):
        parts.feed(bytes(1_000_000))

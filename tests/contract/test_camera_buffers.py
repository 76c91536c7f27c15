"""Pictures in memory that is used again: how much is made, and that nobody's picture is overwritten."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera import Camera, open_camera
from drivers.camera.buffers import MOST, Buffers
from drivers.simulated.cameras import SimulatedCamera
from edge.worker import Slot

WIDTH, HEIGHT = 640, 360
FRAME_BYTES = WIDTH * HEIGHT * 3


def picture(number: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), 20 + number * 9, np.uint8)


JPEGS = [cv2.imencode(".jpg", picture(number))[1].tobytes() for number in range(20)]


@pytest.fixture(params=["film", "http"])
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Camera]]:
    with ExitStack() as stack:
        if request.param == "http":
            simulated = stack.enter_context(SimulatedCamera(JPEGS, fps=60))
            yield lambda: open_camera("gate", source=simulated.url)
            return
        film = tmp_path / "film.avi"
        writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 60, (WIDTH, HEIGHT))
        for number in range(120):
            writer.write(picture(number % 20))
        writer.release()
        yield lambda: open_camera("gate", type="replay", source=str(film), repeat=True)


def test_in_steady_state_no_picture_takes_new_memory(open_it: Callable[[], Camera]) -> None:
    camera, slot = open_it(), Slot()
    try:
        for _ in range(6):
            slot.put(camera.read())
        looked_at = slot.take(0)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(40):
                # As in the vision process: one is looked at, one waits, one is being filled.
                slot.put(camera.read())
                if number % 3 == 0:
                    looked_at = slot.take(0)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
    finally:
        camera.close()
    assert looked_at is not None
    # The pool may still have grown by the last one it keeps.
    assert peak < 1.5 * FRAME_BYTES, f"{peak} bytes for 40 frames of {FRAME_BYTES}"


def test_a_picture_that_somebody_keeps_is_never_overwritten(open_it: Callable[[], Camera]) -> None:
    camera = open_it()
    try:
        kept = [camera.read().image[100:200, 100:200] for _ in range(2 * MOST)]
        copies = [part.copy() for part in kept]
        for _ in range(20):
            camera.read()
    finally:
        camera.close()
    for part, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


def filled(buffers: Buffers, value: int, size: tuple[int, int] = (4, 4)) -> np.ndarray:
    """What a decoder does with the buffer that it is given."""
    array = buffers.free()
    if array is None or array.shape != (*size, 3):
        array = np.empty((*size, 3), np.uint8)
    array[:] = value
    return buffers.keep(array)


def test_a_buffer_is_used_again_as_soon_as_nobody_refers_to_it() -> None:
    buffers = Buffers()
    for value in range(50):
        image = filled(buffers, value)
        assert image[0, 0, 0] == value
        assert not image.flags.writeable
    assert buffers.made == 2, "one is in use while the next one is filled"


def test_kept_views_of_views_keep_their_buffer() -> None:
    buffers = Buffers()
    corner = filled(buffers, 1)[1:][:2, :, 0]
    for value in range(2, 30):
        filled(buffers, value)
    assert (corner == 1).all()
    assert buffers.made == 2


def test_far_too_many_kept_pictures_only_cost_memory() -> None:
    buffers = Buffers()
    kept = [filled(buffers, value) for value in range(20)]
    assert [int(image[0, 0, 0]) for image in kept] == list(range(20))
    assert buffers.made == 20


def test_another_size_in_mid_stream_gets_buffers_of_its_own() -> None:
    buffers = Buffers()
    large = filled(buffers, 7)
    small = [filled(buffers, value, (2, 2)).shape for value in range(10)]
    assert set(small) == {(2, 2, 3)}
    assert (large == 7).all()
    assert buffers.made <= 4

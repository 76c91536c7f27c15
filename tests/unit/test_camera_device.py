"""What is asked of a USB camera and of a Pi's own; stand-ins keep what V4L2 and picamera2 promise."""

import sys
import types
from concurrent.futures import Future
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.camera import open_camera
from drivers.camera.device import DeviceWishes, ask, properties, refusals
from drivers.errors import DriverClosed, DriverUnavailable, LinkLost

MJPG, YUYV = (float(cv2.VideoWriter.fourcc(*code)) for code in ("MJPG", "YUYV"))


class V4l2Camera:
    """A device as the kernel's interface has it: it takes the nearest that it can."""

    def __init__(self, sizes: dict[float, list[tuple[int, int]]], rates: list[float]) -> None:
        self.sizes, self.rates = sizes, rates
        self.now: dict[int, float] = {
            cv2.CAP_PROP_FOURCC: YUYV,
            cv2.CAP_PROP_FRAME_WIDTH: 640,
            cv2.CAP_PROP_FRAME_HEIGHT: 480,
            cv2.CAP_PROP_FPS: 30,
            cv2.CAP_PROP_BUFFERSIZE: 4,
            cv2.CAP_PROP_AUTO_EXPOSURE: 3,
        }
        self.wide = 640

    def set(self, property_id: int, value: float, /) -> bool:
        if property_id == cv2.CAP_PROP_FOURCC and value not in self.sizes:
            return False
        if property_id == cv2.CAP_PROP_FRAME_WIDTH:
            self.wide = round(value)
            return True
        if property_id == cv2.CAP_PROP_FRAME_HEIGHT:
            can = self.sizes[self.now[cv2.CAP_PROP_FOURCC]]
            width, height = min(can, key=lambda size: abs(size[0] - self.wide) + abs(size[1] - value))
            self.now |= {cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height}
            return True
        if property_id == cv2.CAP_PROP_FPS:
            value = min(self.rates, key=lambda rate: abs(rate - value))
        self.now[property_id] = value
        return True

    def get(self, property_id: int, /) -> float:
        return self.now.get(property_id, 0.0)


GOOD = {MJPG: [(640, 480), (1280, 720)], YUYV: [(640, 480)]}


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (
            DeviceWishes(),
            [(cv2.CAP_PROP_FOURCC, MJPG), (cv2.CAP_PROP_BUFFERSIZE, 1), (cv2.CAP_PROP_AUTO_EXPOSURE, 3)],
        ),
        (
            DeviceWishes(1280, 720, 15, "yuyv", 5000, 2),
            [
                (cv2.CAP_PROP_FOURCC, YUYV),
                (cv2.CAP_PROP_FRAME_WIDTH, 1280),
                (cv2.CAP_PROP_FRAME_HEIGHT, 720),
                (cv2.CAP_PROP_FPS, 15),
                (cv2.CAP_PROP_BUFFERSIZE, 2),
                (cv2.CAP_PROP_AUTO_EXPOSURE, 1),
                (cv2.CAP_PROP_EXPOSURE, 50),
            ],
        ),
        (DeviceWishes(format="auto"), [(cv2.CAP_PROP_BUFFERSIZE, 1), (cv2.CAP_PROP_AUTO_EXPOSURE, 3)]),
    ],
)
def test_the_format_comes_before_the_size_and_the_size_before_the_rate(
    wishes: DeviceWishes, expected: list[tuple[int, float]]
) -> None:
    assert properties(wishes) == expected


def test_a_camera_that_can_everything_refuses_nothing() -> None:
    camera, wishes = V4l2Camera(GOOD, [15, 30]), DeviceWishes(1280, 720, 15, "mjpg", 5000, 1)
    ask(camera, wishes)
    assert refusals(camera, wishes) == []
    assert camera.now[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert camera.now[cv2.CAP_PROP_EXPOSURE] == 50


def test_what_a_camera_cannot_is_said_in_words() -> None:
    camera, wishes = V4l2Camera({YUYV: [(640, 480)]}, [30]), DeviceWishes(1280, 720, 15)
    ask(camera, wishes)
    assert refusals(camera, wishes) == [
        "format YUYV instead of MJPG",
        "640 px wide instead of 1280",
        "480 px high instead of 720",
        "30 frames/s instead of 15",
    ]


# A Raspberry Pi's own


class Picamera2:
    """As the manual of picamera2 has it: configure, start, capture_array, stop, close."""

    made: list["Picamera2"] = []
    fails = ""

    def __init__(self, number: int) -> None:
        if number > 0:
            raise IndexError("list index out of range")
        self.number, self.steps, self.silent = number, [], False
        self.made.append(self)

    def create_video_configuration(self, **asked: Any) -> dict[str, Any]:
        return asked

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration
        self.steps.append("configure")

    def start(self) -> None:
        if self.fails:
            raise RuntimeError(self.fails)
        self.steps.append("start")

    def capture_array(self, name: str, wait: bool) -> Any:
        assert (name, wait) == ("main", False)
        future: Future[np.ndarray] = Future()
        if not self.silent:
            width, height = self.configuration["main"]["size"]
            future.set_result(np.full((height, width, 3), 77, np.uint8))
        return types.SimpleNamespace(get_result=lambda timeout: future.result(timeout=timeout))

    def stop(self) -> None:
        self.steps.append("stop")

    def close(self) -> None:
        self.steps.append("close")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    made = types.ModuleType("picamera2")
    made.Picamera2 = Picamera2  # type: ignore[attr-defined]
    below = types.ModuleType("libcamera")
    below.Transform = lambda **flips: flips  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", made)
    monkeypatch.setitem(sys.modules, "libcamera", below)
    monkeypatch.setattr(Picamera2, "fails", "")
    Picamera2.made.clear()
    return Picamera2


def test_without_picamera2_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(DriverUnavailable, match="sudo apt install python3-picamera2"):
        open_camera("gate", type="picamera", source="0")


def test_a_camera_of_the_pi_is_asked_for_what_the_configuration_says(library: type[Picamera2]) -> None:
    camera = open_camera(
        "gate", type="picamera", source="0", width_px=640, height_px=480, fps=10, exposure_us=4000,
        upside_down=True,
    )  # fmt: skip
    frames = [camera.read(), camera.read()]
    camera.close()
    camera.close()
    (made,) = library.made
    assert made.configuration["main"] == {"size": (640, 480), "format": "RGB888"}
    assert made.configuration["controls"] == {"FrameRate": 10, "AeEnable": False, "ExposureTime": 4000}
    assert made.configuration["transform"] == {"hflip": True, "vflip": True}
    assert made.steps == ["configure", "start", "stop", "close"]
    assert [frame.seq for frame in frames] == [1, 2]
    assert not frames[0].image.flags.writeable
    with pytest.raises(DriverClosed):
        camera.read()


def test_a_pi_without_that_camera_and_one_that_is_taken_are_lost_with_advice(
    library: type[Picamera2],
) -> None:
    with pytest.raises(LinkLost, match="rpicam-hello --list-cameras"):
        open_camera("gate", type="picamera", source="3")
    library.fails = "Camera __init__ sequence did not complete."
    with pytest.raises(LinkLost, match="sequence did not complete"):
        open_camera("gate", type="picamera", source="0")
    assert library.made[-1].steps[-2:] == ["stop", "close"], "what was opened is given back"


def test_a_camera_of_the_pi_that_falls_silent_is_lost_after_the_read_timeout(
    library: type[Picamera2],
) -> None:
    camera = open_camera("gate", type="picamera", source="0", read_timeout_s=0.05)
    library.made[-1].silent = True
    with pytest.raises(LinkLost, match="no picture came in time"):
        camera.read()
    camera.close()

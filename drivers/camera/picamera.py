"""Cameras on a Raspberry Pi's own connector, through libcamera and Debian's ``python3-picamera2``.

The library is no wheel: it comes with the system and is loaded on the first use, so everything else works
without it. Its pictures called ``RGB888`` lie in memory as blue, green, red, which is what we want.
"""

import importlib
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import numpy as np

from drivers.camera.base import Frame
from drivers.camera.video import boot_ns
from drivers.errors import DriverClosed, DriverUnavailable, LinkLost

MISSING = (
    "picamera2 is not to be had here: sudo apt install python3-picamera2, and make the virtual environment"
    " with --system-site-packages"
)


class PiCamera:
    """One camera of libcamera. Opened by its constructor.

    Args:
        name: Of the camera.
        number: As ``rpicam-hello --list-cameras`` counts them.
        width_px: Of its pictures.
        height_px: The same.
        fps: Pictures a second.
        exposure_us: Fixed exposure time; None: automatic.
        upside_down: Turn the picture by 180 degrees, in the sensor.
        read_timeout_s: How long the next picture may take.
        clock: CLOCK_BOOTTIME in nanoseconds.

    Raises:
        DriverUnavailable: The library is missing; the message says how to get it.
        LinkLost: There is no such camera, or another program has it.
    """

    may_repeat = False

    def __init__(
        self,
        name: str,
        number: int,
        *,
        width_px: int,
        height_px: int,
        fps: float,
        exposure_us: int | None = None,
        upside_down: bool = False,
        read_timeout_s: float = 3.0,
        clock: Callable[[], int] = boot_ns,
    ) -> None:
        self.name = name
        self._device = f"picamera {number}"
        self._timeout_s = read_timeout_s
        self._clock = clock
        self._seq = 0
        try:
            library = importlib.import_module("picamera2")
            transform = importlib.import_module("libcamera").Transform
        except ImportError as error:
            raise DriverUnavailable(self._device, MISSING) from error
        controls: dict[str, Any] = {"FrameRate": fps}
        if exposure_us is not None:
            controls |= {"AeEnable": False, "ExposureTime": exposure_us}
        self._camera: Any = None
        try:
            self._camera = library.Picamera2(number)
            configuration = self._camera.create_video_configuration(
                main={"size": (width_px, height_px), "format": "RGB888"},
                controls=controls,
                transform=transform(hflip=upside_down, vflip=upside_down),
                # Two are enough to fill one while the other is looked at; more would only be older.
                buffer_count=2,
                queue=False,
            )
            self._camera.configure(configuration)
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            self.close()
            words = " ".join(str(error).split())[:200]
            raise LinkLost(
                self._device,
                f"does not open ({words}): check the ribbon cable, and rpicam-hello --list-cameras",
            ) from error

    def read(self) -> Frame:
        """Block until the next frame; see ``Camera.read``. ``taken_ns`` is its arrival."""
        if self._camera is None:
            raise DriverClosed(self._device, "the camera is closed")
        try:
            image = self._camera.capture_array("main", wait=False).get_result(timeout=self._timeout_s)
        except (TimeoutError, FutureTimeout, RuntimeError) as error:
            raise LinkLost(self._device, "no picture came in time: check the ribbon cable") from error
        taken_ns = self._clock()
        self._seq += 1
        frame = np.ascontiguousarray(image, np.uint8)
        frame.flags.writeable = False
        return Frame(self.name, self._seq, taken_ns, frame)

    def close(self) -> None:
        """Give the camera back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.stop()
            camera.close()

"""USB cameras and network streams through OpenCV (V4L2, FFmpeg)."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import cv2

from drivers.camera.address import is_url, shown, why_no_stream, why_unreachable
from drivers.camera.base import Frame
from drivers.camera.buffers import Buffers
from drivers.camera.device import NO_WISHES, DeviceWishes, ask, refusals
from drivers.camera.video import boot_ns, codec_of, open_device, open_stream
from drivers.errors import DriverClosed, LinkLost, PortBusy

log = logging.getLogger(__name__)

SOFTWARE = "software"
_CODED_ALONE = frozenset({"mjpg", "jpeg", "mjpa", "mjpb"})
# A decoder that is fed noise makes pictures of any size of it; no camera's are this small.
_LEAST_PX = 64


def is_live(source: str) -> bool:
    """Whether the source is a device or a stream, and not a file."""
    return source.isdecimal() or source.startswith("/dev/") or is_url(source)


class OpenCvCamera:
    """A V4L2 device or a network stream. Opened by its constructor.

    Args:
        name: Of the camera.
        source: A number, a device path, or an address.
        wishes: Asked of a device; what it refuses is logged.
        decoder: Of a stream, by FFmpeg's name; where that is not to be had, software decodes.
        open_timeout_s: How long a stream may take to begin.
        read_timeout_s: How long the next frame of a stream may take. A device's limit is three seconds.
        clock: CLOCK_BOOTTIME in nanoseconds.

    Raises:
        LinkLost: It cannot be opened; the message says what to check, and shows no password.
        PortBusy: This user may not open the device.
    """

    def __init__(
        self,
        name: str,
        source: str,
        *,
        wishes: DeviceWishes = NO_WISHES,
        decoder: str = SOFTWARE,
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 3.0,
        clock: Callable[[], int] = boot_ns,
    ) -> None:
        self.name = name
        self._shown = shown(source)
        self._clock = clock
        self._seq = 0
        self._buffers = Buffers()
        self.may_repeat = False
        self._capture: cv2.VideoCapture | None
        if is_url(source):
            self._capture = self._open_stream(source, decoder, open_timeout_s, read_timeout_s)
            self.may_repeat = codec_of(self._capture) not in _CODED_ALONE
        else:
            self._capture = self._open_device(source, wishes)

    def read(self) -> Frame:
        """Block until the next frame; see ``Camera.read``. ``taken_ns`` is its arrival, before conversion."""
        if self._capture is None:
            raise DriverClosed(self._shown, "the camera is closed")
        try:
            arrived = self._capture.grab()
            taken_ns = self._clock()
            good, image = self._capture.retrieve(self._buffers.free()) if arrived else (False, None)
        except cv2.error as error:
            raise LinkLost(
                self._shown, f"the decoder failed: {' '.join(str(error).split())[:200]}"
            ) from error
        if not good or image is None or image.ndim != 3 or image.shape[2] != 3:
            raise LinkLost(self._shown, "the stream stopped")
        if min(image.shape[:2]) < _LEAST_PX:
            height, width = image.shape[:2]
            raise LinkLost(self._shown, f"what comes is no picture of a camera ({width} x {height}): garbage")
        self._seq += 1
        return Frame(self.name, self._seq, taken_ns, self._buffers.keep(image))

    def close(self) -> None:
        """Give the device or the connection back."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open_stream(
        self, url: str, decoder: str, open_timeout_s: float, read_timeout_s: float
    ) -> cv2.VideoCapture:
        if reason := why_unreachable(url):
            raise LinkLost(self._shown, reason)
        if decoder != SOFTWARE:
            capture = open_stream(url, open_timeout_s, read_timeout_s, decoder)
            if capture is not None:
                return capture
            log.warning("%s: the decoder %s is not to be had here; software decodes", self._shown, decoder)
        capture = open_stream(url, open_timeout_s, read_timeout_s)
        if capture is None:
            raise LinkLost(self._shown, why_no_stream(url))
        return capture

    def _open_device(self, source: str, wishes: DeviceWishes) -> cv2.VideoCapture:
        path = Path(f"/dev/video{source}" if source.isdecimal() else source)
        if not path.exists():
            raise LinkLost(self._shown, f"there is no {path}: is the camera plugged in? (ls /dev/video*)")
        if not os.access(path, os.R_OK | os.W_OK):
            raise PortBusy(self._shown, f"this user may not open {path}: add the user to the group video")
        capture = open_device(str(path))
        if capture is None:
            raise LinkLost(
                self._shown, f"{path} does not open: it is in use by another program, or no camera"
            )
        ask(capture, wishes)
        if refused := refusals(capture, wishes):
            log.warning("%s: the camera does as it can: %s", self._shown, "; ".join(refused))
        return capture

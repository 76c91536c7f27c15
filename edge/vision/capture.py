"""The thread that reads the camera: newest frame wins, and an open camera is always being tried for."""

import dataclasses
import logging
import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue

from drivers.camera import Camera, EndOfFilm, Frame, open_camera
from drivers.errors import DriverError
from edge.clock import NS_PER_S, Clock
from edge.settings import CameraSettings, OpenCvCamera, PiCamera
from edge.worker import Slot, Worker

log = logging.getLogger(__name__)

# Pauses between the beginnings of two tries to open. Short, because the camera shall be back soon after its
# cable is; never longer, because a try costs one packet while the camera is away.
PAUSES_S = (0.5, 1.0, 2.0)
LEAST_PAUSE_S = 0.25
PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Loss:
    """The camera failed or could not be opened, and when."""

    detail: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class End:
    """The film is over."""

    detail: str


def open_configured(name: str, settings: CameraSettings, epoch_ns: int) -> Camera:
    """Open a camera as its section says.

    Args:
        name: Of the camera.
        settings: Its section.
        epoch_ns: When a film began; 0: now.

    Raises:
        DriverError: It cannot be opened now.
    """
    if isinstance(settings, OpenCvCamera):
        return open_camera(
            name,
            source=settings.source,
            width_px=settings.width_px,
            height_px=settings.height_px,
            fps=settings.fps,
            format=settings.format,
            exposure_us=settings.exposure_us,
            buffers=settings.buffers,
            decoder=settings.decoder,
            reduce=settings.reduce,
            open_timeout_s=settings.open_timeout_s,
            # The alarm comes first; the connection is given up only when it is not a hiccup of the network.
            read_timeout_s=settings.stall_s + PATIENCE_S,
            epoch_ns=epoch_ns,
        )
    if isinstance(settings, PiCamera):
        return open_camera(
            name,
            type="picamera",
            source=str(settings.number),
            width_px=settings.width_px,
            height_px=settings.height_px,
            fps=settings.fps,
            exposure_us=settings.exposure_us,
            upside_down=settings.upside_down,
            read_timeout_s=settings.stall_s + PATIENCE_S,
        )
    return open_camera(
        name,
        type="replay",
        source=settings.source,
        repeat=settings.repeat,
        fps=settings.fps,
        epoch_ns=epoch_ns,
    )


class Capture(Worker):
    """Reads frames for as long as it lives. ``is_stalled`` when the driver hangs in a call.

    Args:
        camera: Name.
        settings: Its section.
        clock: Of the process.
        epoch_ns: When a film began.

    Attributes:
        frames: The newest frame, and how many were dropped unseen.
        news: ``Loss`` and ``End``, in order. opened, delivered: How often opened; frames so far.
        may_repeat: The camera may send one picture twice, byte for byte (``Camera.may_repeat``).

    Thread: itself; ``reopen`` and ``configure`` from any.
    """

    def __init__(self, camera: str, settings: CameraSettings, clock: Clock, epoch_ns: int) -> None:
        super().__init__("capture", clock, stalls_after_s=_patience_s(settings))
        # The process ends by os._exit when the driver hangs; a hung thread must not keep it.
        self.daemon = True
        self.camera = camera
        self.frames: Slot[Frame] = Slot()
        self.news: SimpleQueue[Loss | End] = SimpleQueue()
        self.opened = 0
        self.delivered = 0
        self._settings = settings
        self._epoch_ns = epoch_ns
        self.may_repeat = True
        self._reopen = threading.Event()
        self._failures = 0
        self._last_seq = 0

    def reopen(self) -> None:
        """Close the camera after the next frame and open it again."""
        self._reopen.set()

    def configure(self, settings: CameraSettings) -> None:
        """Take new settings; the camera is opened again with them."""
        self._settings = settings
        self.stalls_after_s = _patience_s(settings)
        self.reopen()

    def work(self) -> None:
        """Open, read, and open again, until stopped."""
        while not self.stopping.is_set():
            began_ns = self.clock.boot_ns()
            self.beat()
            self._reopen.clear()
            try:
                camera = self._open()
                try:
                    self._deliver(camera)
                finally:
                    camera.close()
            except EndOfFilm as end:
                self.news.put(End(str(end)))
                self._rest()
            except DriverError as error:
                self.news.put(Loss(str(error), self.clock.boot_ns()))
                self._pause(began_ns)

    def _open(self) -> Camera:
        camera = open_configured(self.camera, self._settings, self._epoch_ns)
        self.may_repeat = camera.may_repeat
        self.opened += 1
        return camera

    def _deliver(self, camera: Camera) -> None:
        # A camera counts from 1 each time it is opened; a film counts from its epoch.
        offset = 0
        while not (self.stopping.is_set() or self._reopen.is_set()):
            frame = camera.read()
            self.beat()
            if frame.seq + offset <= self._last_seq:
                offset = self._last_seq - frame.seq + 1
            if offset:
                frame = dataclasses.replace(frame, seq=frame.seq + offset)
            self._last_seq = frame.seq
            self.delivered += 1
            self._failures = 0
            self.frames.put(frame)

    def _pause(self, began_ns: int) -> None:
        pause_s = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        spent_s = (self.clock.boot_ns() - began_ns) / NS_PER_S
        self.stopping.wait(max(LEAST_PAUSE_S, pause_s - spent_s))

    def _rest(self) -> None:
        """Wait for new settings or the end."""
        while not (self.stopping.is_set() or self._reopen.is_set()):
            self.beat()
            time.sleep(0.1)


def _patience_s(settings: CameraSettings) -> float:
    """How long one call of the driver may take before the driver counts as hung."""
    opening_s = settings.open_timeout_s if isinstance(settings, OpenCvCamera) else 5.0
    return opening_s + settings.stall_s + PATIENCE_S + 5.0

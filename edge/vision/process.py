"""The daemon's side of one vision process: start it, talk with it, end it without a trace."""

import logging
import os
import select
import subprocess
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.children import spawn
from edge.clock import Clock
from edge.errors import Unavailable
from edge.records import Sighting
from edge.settings import CameraSettings, ModelSettings
from edge.vision.messages import (
    Attend,
    Compare,
    Configure,
    Failed,
    Look,
    Order,
    Report,
    Settled,
    Start,
    decode,
    encode,
)
from edge.vision.wire import Unframer, WireError

log = logging.getLogger(__name__)

_ORDERS = (Start, Look, Settled, Attend, Compare, Configure)
_REAP_S = 5.0


class VisionDied(Unavailable):
    """The vision process has ended, or says what makes no sense; the message says why."""


class VisionProcess:
    """One run of ``edge.vision.child``. Started by its constructor; use as a context manager, or ``kill``.

    Args:
        camera_name: Name of the camera.
        camera_settings: Its section.
        model_settings: Which networks.
        clock: CLOCK_BOOTTIME, the same in all processes of the machine.
        session: Random id of this run.
        cache_dir: Where converted networks are kept.
        epoch_ns: When its film began, if an earlier run has said so; else 0.
        log_level: Of the child.

    Thread: the one that made it must live as long as the process does (the kernel ends the child with that
    thread), and polls it. ``send`` and ``kill`` may be called from any thread.
    """

    def __init__(
        self,
        camera_name: str,
        camera_settings: CameraSettings,
        model_settings: ModelSettings,
        clock: Clock,
        *,
        session: str,
        cache_dir: Path | None = None,
        epoch_ns: int = 0,
        log_level: str = "info",
    ) -> None:
        self.camera = camera_name
        self.session = session
        self._clock = clock
        self._unframer = Unframer()
        self._arrived: deque[Report] = deque()
        self._last_words = ""
        # Guards the down pipe's number: a write must not meet another file that got the same number.
        self._lock = threading.Lock()
        self._process, self._up, self._down = _spawn(log_level)
        start = Start(
            camera_name,
            session,
            camera_settings.model_dump(mode="json"),
            model_settings.model_dump(mode="json"),
            str(cache_dir or ""),
            epoch_ns,
        )
        if not self.send(start):
            self.kill()
            raise VisionDied(f"{camera_name}: the vision process ended before it could be told anything")

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def poll(self, timeout_s: float) -> Report | None:
        """Wait for the next message; None when none came in time.

        Raises:
            VisionDied: The process has ended or speaks nonsense. It is dead and reaped then.
        """
        if not self._arrived and self._up >= 0:
            self._receive(timeout_s)
        return self._arrived.popleft() if self._arrived else None

    def send(self, order: Order) -> bool:
        """Send an order without waiting; False when it cannot be taken now, and then it is forgotten.

        Why: a child that does not listen hangs, and is found by its silence; nobody else may wait for it.
        """
        data = encode(order)
        with self._lock:
            if self._down < 0:
                return False
            try:
                return os.write(self._down, data) == len(data)
            except (BlockingIOError, BrokenPipeError):
                return False

    @property
    def pulse(self) -> tuple[str, int]:
        """State of the process as ``ps`` names it, and how long it has run so far, in ticks of the kernel.

        proc(5), stat: after the name in parentheses the third field is the state, the 14th and 15th are the
        times. Empty and 0 when it is gone.
        """
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return "", 0
        return fields[0], int(fields[11]) + int(fields[12])

    def kill(self) -> None:
        """End the process, reap it, and close the pipes. Safe to call twice."""
        with self._lock:
            down, self._down = self._down, -1
            up, self._up = self._up, -1
        if self._process.poll() is None:
            self._process.kill()
        try:
            self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            # A driver that hangs inside the kernel holds its process until the device answers.
            log.error("%s: process %d cannot be ended, the kernel holds it", self.camera, self.pid)
        for pipe in (down, up):
            if pipe >= 0:
                os.close(pipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _receive(self, timeout_s: float) -> None:
        poller = select.poll()
        poller.register(self._up, select.POLLIN)
        if not poller.poll(max(0.0, timeout_s) * 1000):
            return
        try:
            piece = os.read(self._up, 262_144)
            for header, blob in self._unframer.feed(piece):
                self._take(decode(header, blob))
        except WireError as error:
            self.kill()
            raise VisionDied(f"{self.camera}: the vision process speaks nonsense: {error}") from error
        if not piece:
            self.kill()
            raise VisionDied(f"{self.camera}: the vision process {self._why()}")

    def _take(self, message: object) -> None:
        if isinstance(message, _ORDERS):
            raise WireError("an order came up")
        if isinstance(message, Failed):
            self._last_words = message.detail
            return
        if isinstance(message, Sighting):
            self._check(message)
        self._arrived.append(message)  # type: ignore[arg-type]

    def _check(self, sighting: Sighting) -> None:
        """A sighting is of this camera and this run, and from the past."""
        if (sighting.camera, sighting.session) != (self.camera, self.session):
            raise WireError("a sighting of another camera or session")
        if not sighting.taken_ns <= sighting.sent_ns <= self._clock.boot_ns():
            raise WireError("a sighting from the future")

    def _why(self) -> str:
        if self._last_words:
            return f"gave up: {self._last_words}"
        code = self._process.returncode
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _spawn(log_level: str) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start the child; returns it and our ends of the pipes (up, down)."""
    try:
        process, up, down = spawn(
            "edge.vision.child", ["--log-level", log_level], python=["-X", "faulthandler"]
        )
    except OSError as error:
        raise VisionDied(f"a vision process cannot be started: {error.strerror or error}") from error
    os.set_blocking(down, False)
    return process, up, down

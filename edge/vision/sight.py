"""Is the camera's picture alive? Says when it is lost, frozen, or over, and when it is back. Pure.

A stream can stop without an error, and it can go on without moving: some cameras and servers repeat their
last picture for ever. Two pictures of a real sensor always differ in their noise, so the very same one for
several seconds is no picture. All black or all white ones may: there the sensor has no noise to show, and
they are named for what they are (``edge.vision.condition``). And where a decoder may make pictures out of
noise, a few of them are no sign of life (``edge.vision.pulse``).
"""

import zlib
from collections.abc import Callable

from drivers.camera import Frame
from edge.clock import NS_PER_S
from edge.vision.messages import Health
from edge.vision.pulse import Pulse

LOST = "camera.lost"
FROZEN = "camera.frozen"
ENDED = "film.ended"
# Every 16th pixel of every 16th row: 10 kB of a 720p frame, 20 microseconds.
_STEP = 16
_FLAT = 1.5


class Sight:
    """Watches the frames of one camera. One thread.

    Args:
        report: Told of each edge: what began (``standing``) and what ended.
        stall_s: No frame for this long is ``camera.lost``.
        freeze_s: The same frame for this long is ``camera.frozen``.
        now_ns: From when frames are expected.
        least: Fewer frames than this in the stall time, where many came before, is ``camera.lost`` as well.
    """

    def __init__(
        self, report: Callable[[Health], None], stall_s: float, freeze_s: float, now_ns: int, least: int = 0
    ) -> None:
        self._report = report
        self._pulse = Pulse()
        self.configure(stall_s, freeze_s, least)
        # Whether it stands; unknown at first, so that an alarm of the process before this one is cleared.
        self._standing: dict[str, bool] = {}
        self._last_frame_ns = now_ns
        self._lost_ns = 0
        self._ended = False
        self._print = 0
        self._changed_ns = 0

    @property
    def is_frozen(self) -> bool:
        """Whether the same frame has come for too long."""
        return self._standing.get(FROZEN, False)

    @property
    def is_lost(self) -> bool:
        """Whether no frames come."""
        return self._standing.get(LOST, False)

    def configure(self, stall_s: float, freeze_s: float, least: int = 0) -> None:
        """Take new limits."""
        self._pulse.least = least
        self._stall_ns = round(stall_s * NS_PER_S)
        self._freeze_ns = round(freeze_s * NS_PER_S)

    def on_frame(self, frame: Frame) -> None:
        """Take a frame. One that was taken before the loss proves nothing."""
        if frame.taken_ns < self._lost_ns:
            return
        self._last_frame_ns = frame.taken_ns
        self._pulse.beat(frame.taken_ns, frame.seq)
        if self._ended:
            self._ended = False
            self._edge(ENDED, standing=False)
        if self._pulse.is_steady(frame.taken_ns, self._stall_ns):
            self._edge(LOST, standing=False)
        now_print = zlib.crc32(frame.image[::_STEP, ::_STEP].tobytes())
        if now_print != self._print or not self._changed_ns:
            first = not self._changed_ns
            self._print, self._changed_ns = now_print, frame.taken_ns
            if not first:
                self._edge(FROZEN, standing=False)
        elif frame.taken_ns - self._changed_ns >= self._freeze_ns and not _is_flat(frame):
            seconds = self._freeze_ns / NS_PER_S
            self._edge(
                FROZEN, standing=True, detail=f"the same picture for {seconds:g} s: restart the camera"
            )

    def on_loss(self, detail: str, now_ns: int) -> None:
        """The camera failed or cannot be opened."""
        self._lost_ns = now_ns
        self._edge(LOST, standing=True, detail=detail)

    def on_end(self, detail: str) -> None:
        """The film is over; no frames are expected any more."""
        self._ended = True
        self._edge(LOST, standing=False)
        self._edge(ENDED, standing=True, detail=detail)

    def check(self, now_ns: int) -> None:
        """See whether frames fail to come although nothing failed."""
        if self._ended:
            return
        seconds = self._stall_ns / NS_PER_S
        if now_ns - self._last_frame_ns > self._stall_ns:
            self._edge(LOST, standing=True, detail=f"no frame for {seconds:g} s")
        elif self._pulse.is_faint(now_ns, self._stall_ns):
            detail = f"hardly a frame in {seconds:g} s: the stream is damaged, look at network and camera"
            self._edge(LOST, standing=True, detail=detail)

    def _edge(self, name: str, *, standing: bool, detail: str = "") -> None:
        if self._standing.get(name) is not standing:
            self._standing[name] = standing
            self._report(Health(name, standing, detail))


def _is_flat(frame: Frame) -> bool:
    return float(frame.image[::_STEP, ::_STEP].std()) < _FLAT

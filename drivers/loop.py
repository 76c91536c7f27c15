"""A line inside one process, with faults to order: for tests of codecs and drivers without any device."""

import threading
from collections import deque
from dataclasses import dataclass, field

from drivers.errors import DriverClosed, LinkLost
from drivers.link import NS_PER_MS, boot_ns


@dataclass(slots=True)
class LoopFaults:
    """What happens to the bytes that one end writes; may be changed at any time.

    Attributes:
        drop: So many of the next writes vanish.
        garbage_before, garbage_after: Bytes that travel with every write.
        split_bytes: Deliver in pieces of this size, one per ``read``; 0 = whole.
        delay_ms: Time under way.
    """

    drop: int = 0
    garbage_before: bytes = b""
    garbage_after: bytes = b""
    split_bytes: int = 0
    delay_ms: float = 0.0


@dataclass(slots=True)
class _Wire:
    """What the two ends share; everything below ``moved`` is guarded by it."""

    moved: threading.Condition = field(default_factory=threading.Condition)
    # Per end: pieces on their way to it, each with the CLOCK_BOOTTIME from which it can be read.
    arriving: tuple[deque[tuple[int, bytes]], deque[tuple[int, bytes]]] = field(
        default_factory=lambda: (deque(), deque())
    )
    is_open: list[bool] = field(default_factory=lambda: [False, False])
    is_cut: list[bool] = field(default_factory=lambda: [False, False])


class LoopLink:
    """One end of a line whose other end is in the same process.

    Made in pairs by ``loop_pair``. Thread: each end has one owner; the two owners may differ.
    """

    def __init__(self, name: str, wire: _Wire, end: int) -> None:
        self._name = name
        self._wire = wire
        self._end = end
        self._last_byte_ns = 0
        self.faults = LoopFaults()

    @property
    def name(self) -> str:
        """What error messages call this end."""
        return self._name

    @property
    def is_open(self) -> bool:
        """True while this end can be used."""
        return self._wire.is_open[self._end]

    @property
    def is_there(self) -> bool:
        """True until the line is cut."""
        return not self._wire.is_cut[self._end]

    @property
    def last_byte_ns(self) -> int:
        """CLOCK_BOOTTIME of the last byte either way at this end; 0 before the first."""
        return self._last_byte_ns

    def open(self) -> None:
        """Take this end; what arrived before is thrown away."""
        with self._wire.moved:
            self._wire.arriving[self._end].clear()
            self._wire.is_open[self._end], self._wire.is_cut[self._end] = True, False

    def write(self, data: bytes) -> int:
        """Send to the other end, through this end's faults."""
        with self._wire.moved:
            self._check()
            self._last_byte_ns = boot_ns()
            faults = self.faults
            if faults.drop > 0:
                faults.drop -= 1
                return self._last_byte_ns
            due_ns = self._last_byte_ns + round(faults.delay_ms * NS_PER_MS)
            whole = faults.garbage_before + data + faults.garbage_after
            step = faults.split_bytes or max(1, len(whole))
            pieces = ((due_ns, whole[i : i + step]) for i in range(0, len(whole), step))
            self._wire.arriving[1 - self._end].extend(pieces)
            self._wire.moved.notify_all()
            return self._last_byte_ns

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Wait for the next piece and return at most ``limit`` bytes of it; empty when the time is over."""
        deadline_ns = boot_ns() + round(timeout_s * 1e9)
        with self._wire.moved:
            while True:
                self._check()
                now_ns = boot_ns()
                arriving = self._wire.arriving[self._end]
                if arriving and arriving[0][0] <= now_ns:
                    due_ns, piece = arriving.popleft()
                    if len(piece) > limit:
                        arriving.appendleft((due_ns, piece[limit:]))
                    self._last_byte_ns = now_ns
                    return piece[:limit]
                if now_ns >= deadline_ns:
                    return b""
                wake_ns = min(deadline_ns, arriving[0][0]) if arriving else deadline_ns
                self._wire.moved.wait((wake_ns - now_ns) / 1e9)

    def discard(self) -> int:
        """Throw away what has arrived; returns how many bytes that were."""
        with self._wire.moved:
            self._check()
            now_ns, arriving, thrown_away = boot_ns(), self._wire.arriving[self._end], 0
            while arriving and arriving[0][0] <= now_ns:
                thrown_away += len(arriving.popleft()[1])
            return thrown_away

    def cut(self) -> None:
        """Cut the line: both ends see LinkLost until they are opened again."""
        with self._wire.moved:
            self._wire.is_open[:] = [False, False]
            self._wire.is_cut[:] = [True, True]
            self._wire.moved.notify_all()

    def close(self) -> None:
        """Give this end back. Safe to call twice."""
        with self._wire.moved:
            self._wire.is_open[self._end] = self._wire.is_cut[self._end] = False

    def _check(self) -> None:
        if self._wire.is_cut[self._end]:
            raise LinkLost(self._name, "the line was cut")
        if not self._wire.is_open[self._end]:
            raise DriverClosed(self._name, "the line is not open")


def loop_pair(name: str = "loop") -> tuple[LoopLink, LoopLink]:
    """Two ends of a new line: ours and the device's."""
    wire = _Wire()
    return LoopLink(f"{name}.ours", wire, 0), LoopLink(f"{name}.theirs", wire, 1)

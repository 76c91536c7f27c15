"""What every board on a serial line shares: pause between frames, collecting a reply, channel check."""

import time
from collections.abc import Callable

from drivers.errors import CommandRefused, DriverClosed, ReplyTimeout
from drivers.link import NS_PER_MS, Link, boot_ns

_MAX_REPLY_BYTES = 1024


class SerialBoard:
    """A board at the end of a ``Link``; the protocols derive from it.

    Args:
        name: What the configuration calls the board.
        link: Its line, not yet open.
        gap_ms: Silence on the line that the board needs before a frame.
        reply_timeout_ms: Longest wait for the first byte of a reply, and for a whole one.
    """

    def __init__(self, name: str, link: Link, *, gap_ms: float, reply_timeout_ms: float) -> None:
        self.name = name
        self._link = link
        self._gap_ns = round(gap_ms * NS_PER_MS)
        self._reply_timeout_s = reply_timeout_ms / 1000.0
        self._is_open = False

    @property
    def where(self) -> str:
        """Board and port, as error messages name them."""
        return f"{self.name} ({self._link.name})"

    def close(self) -> None:
        """Give the line back; switches nothing. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._link.close()

    def _take_line(self) -> None:
        self.close()
        self._link.open()
        self._is_open = True

    def _send(self, frame: bytes) -> int:
        """Write one frame after the pause that the board needs; what came unasked before is thrown away.

        Returns:
            CLOCK_BOOTTIME in nanoseconds of the last byte.
        """
        if not self._is_open:
            raise DriverClosed(self.where, "the board is not open")
        wait_ns = self._link.last_byte_ns + self._gap_ns - boot_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
        self._link.discard()
        return self._link.write(frame)

    def _collect(
        self,
        is_whole: Callable[[bytes], bool],
        *,
        quiet_s: float | None = None,
        limit: int = _MAX_REPLY_BYTES,
    ) -> bytes:
        """Gather a reply until it is whole, the line falls quiet after a first byte, or time is over.

        Returns:
            The bytes that came, whole or not; never empty.

        Raises:
            ReplyTimeout: Not one byte came.
        """
        deadline_ns = boot_ns() + round(self._reply_timeout_s * 1e9)
        data = b""
        while (left_ns := deadline_ns - boot_ns()) > 0 and len(data) < limit:
            wait_s = left_ns / 1e9 if quiet_s is None or not data else min(quiet_s, left_ns / 1e9)
            piece = self._link.read(limit - len(data), wait_s)
            if not piece and data and quiet_s is not None:
                break
            data += piece
            if piece and is_whole(data):
                break
        if not data:
            raise ReplyTimeout(self.where, f"no answer within {self._reply_timeout_s * 1000:.0f} ms")
        return data

    def _check_channel(self, channel: int, channels: int) -> None:
        if not 1 <= channel <= channels:
            raise CommandRefused(self.where, f"no channel {channel}; this board has {channels}")

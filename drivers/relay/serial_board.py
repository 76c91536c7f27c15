"""What every board on a serial line shares: pause between frames, collecting a reply, channel check."""

import time
from collections.abc import Callable

from drivers.errors import Abandoned, AnswerPending, BadReply, CommandRefused, DriverClosed, ReplyTimeout
from drivers.link import NS_PER_MS, Link, boot_ns
from drivers.relay.base import Oddities, Wanted

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
        self.oddities = Oddities()
        self._link = link
        self._gap_ns = round(gap_ms * NS_PER_MS)
        self._reply_timeout_s = reply_timeout_ms / 1000.0
        self._is_open = False
        self._late_until_ns = 0
        self._asked = False  # what was sent last is a question of ``_question``

    @property
    def where(self) -> str:
        """Board and port, as error messages name them."""
        return f"{self.name} ({self._link.name})"

    @property
    def is_there(self) -> bool:
        """False when the port has visibly gone."""
        return self._link.is_there

    @property
    def free_ns(self) -> int:
        """CLOCK_BOOTTIME from which a frame can be sent without waiting for the board's pause."""
        return self._link.last_byte_ns + self._gap_ns

    def close(self) -> None:
        """Give the line back; switches nothing. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._link.close()

    def _take_line(self) -> None:
        self.close()
        self._link.open()
        self._is_open = True
        self._late_until_ns = 0

    def _send(self, frame: bytes) -> int:
        """Write one frame after the pause that the board needs; what came unasked before is thrown away.

        Returns:
            CLOCK_BOOTTIME in nanoseconds of the last byte.
        """
        if not self._is_open:
            raise DriverClosed(self.where, "the board is not open")
        wait_ns = self.free_ns - boot_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
        self.oddities.stray_bytes += self._link.discard()
        self._asked = False
        return self._link.write(frame)

    def _question(self, frame: bytes) -> int:
        """Send a question whose answer could be taken for the answer to another one.

        After a lost answer nothing is asked until that answer can no longer arrive: these protocols number
        nothing. Writes need no such wait, and nothing blocks here: the owner of the line may have to switch
        another relay meanwhile.

        Raises:
            AnswerPending: It is too early to ask.
        """
        if boot_ns() < self._late_until_ns:
            raise AnswerPending(self.where, "the answer to the last question may still be under way")
        sent_ns = self._send(frame)
        self._asked = True
        return sent_ns

    def _bad(self, reason: str) -> BadReply:
        """The error for an answer that cannot be used; the real one may still come."""
        self._expect_late()
        return BadReply(self.where, reason)

    def _expect_late(self) -> None:
        if self._asked:
            self._late_until_ns = boot_ns() + round(self._reply_timeout_s * 1e9)

    def _stop_if(self, wanted: Wanted) -> None:
        if wanted():
            raise Abandoned(self.where, "this reading was given up for something more urgent")

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
        started_ns = boot_ns()
        deadline_ns = started_ns + round(self._reply_timeout_s * 1e9)
        data = b""
        while (left_ns := deadline_ns - boot_ns()) > 0 and len(data) < limit:
            wait_s = left_ns / 1e9 if quiet_s is None or not data else min(quiet_s, left_ns / 1e9)
            piece = self._link.read(limit - len(data), wait_s)
            if not piece and data and quiet_s is not None:
                break
            if piece and not data:
                self.oddities.slow_answers += 2 * (boot_ns() - started_ns) > deadline_ns - started_ns
            data += piece
            if piece and is_whole(data):
                break
        if not data:
            self._expect_late()
            raise ReplyTimeout(self.where, f"no answer within {self._reply_timeout_s * 1000:.0f} ms")
        return data

    def _check_channel(self, channel: int, channels: int) -> None:
        if not 1 <= channel <= channels:
            raise CommandRefused(self.where, f"no channel {channel}; this board has {channels}")

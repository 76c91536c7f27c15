"""What both families of cards share: one line, a pause between frames, answers that may or may not come."""

import time

from drivers.display.base import DisplayCapabilities
from drivers.errors import CommandRefused, DriverClosed, ReplyTimeout
from drivers.link import NS_PER_MS, Link, boot_ns

_ANSWER_S = 0.12
_LOST_AFTER = 4  # frames in a row without an answer, of a card that used to answer
_READ_BYTES = 512


class SerialCard:
    """A display card at the end of a ``Link``; the protocols derive from it.

    Args:
        name: What the configuration calls the card.
        link: Its line, not yet open.
        rows: Lines of text.
        columns: Half-width cells of a line.
        gap_ms: Pause between two frames; these cards lose what comes faster (200 ms is what others keep).
        sets_volume: Whether the protocol has a command for it.
    """

    def __init__(
        self, name: str, link: Link, *, rows: int, columns: int, gap_ms: int, sets_volume: bool
    ) -> None:
        self.name = name
        self._link = link
        self._rows, self._columns, self._gap_ms = rows, columns, gap_ms
        self._sets_volume = sets_volume
        self._is_open = False
        self._answers = 0
        self._unanswered = 0

    @property
    def where(self) -> str:
        """Card and port, as error messages name them."""
        return f"{self.name} ({self._link.name})"

    @property
    def capabilities(self) -> DisplayCapabilities:
        """What it can do; ``acknowledges`` becomes true with the first answer."""
        return DisplayCapabilities(
            rows=self._rows,
            columns=self._columns,
            speaks=True,
            sets_volume=self._sets_volume,
            acknowledges=self._answers > 0,
            min_gap_ms=self._gap_ms,
        )

    @property
    def free_ns(self) -> int:
        """CLOCK_BOOTTIME from which the card takes a frame."""
        return self._link.last_byte_ns + self._gap_ms * NS_PER_MS

    def open(self) -> None:
        """Take the line; nothing is shown."""
        self.close()
        self._link.open()
        self._is_open = True

    def check(self) -> None:
        """Look whether the port is still there; writes nothing."""
        self._need_open()
        self._link.read(_READ_BYTES, 0.0)

    def close(self) -> None:
        """Give the line back; what is shown stays. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._link.close()

    def _is_answer(self, data: bytes, frame: bytes) -> bool:
        """Whether these bytes hold the card's answer to a frame."""
        raise NotImplementedError

    def _send(self, frame: bytes) -> int:
        """Write one frame after the pause, and listen for a moment.

        Nobody promises an answer. But of a card that has answered before, silence means that it is gone;
        an adapter that stays plugged in would never tell.
        """
        self._need_open()
        wait_ns = self.free_ns - boot_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
        self._link.discard()
        written_ns = self._link.write(frame)
        if self._listen(frame):
            self._answers += 1
            self._unanswered = 0
        elif self._answers:
            self._unanswered += 1
            if self._unanswered >= _LOST_AFTER:
                raise ReplyTimeout(
                    self.where, f"{self._unanswered} frames without an answer; is the card powered and wired?"
                )
        return written_ns

    def _listen(self, frame: bytes) -> bool:
        # Within the pause that the card needs anyway, so that nothing waits for an answer that never comes.
        deadline_ns = boot_ns() + min(round(_ANSWER_S * 1e9), self._gap_ms * NS_PER_MS)
        data = b""
        while (left_ns := deadline_ns - boot_ns()) > 0 and len(data) < _READ_BYTES:
            piece = self._link.read(_READ_BYTES - len(data), left_ns / 1e9)
            data += piece
            if piece and self._is_answer(data, frame):
                return True
        return False

    def _need_open(self) -> None:
        if not self._is_open:
            raise DriverClosed(self.where, "the card is not open")

    def _check_row(self, row: int) -> None:
        if not 1 <= row <= self._rows:
            raise CommandRefused(self.where, f"no row {row}; this card has {self._rows}")

"""KF cards: lines of temporary text and a voice, over RS-485."""

from enum import StrEnum

from drivers.display import kf_codec as codec
from drivers.display.base import Colour
from drivers.display.card import SerialCard
from drivers.display.text import cells, encode, pad
from drivers.errors import CommandRefused
from drivers.link import Link

ENTRY_ADDRESS = 0x64


class KfVoice(StrEnum):
    """What the card says sentences with.

    ``phrases``: its store of recorded phrases. ``text``: any GBK text. ``chip``: a speech chip behind it.
    """

    PHRASES = "phrases"
    TEXT = "text"
    CHIP = "chip"


class KfCard(SerialCard):
    """A KF card.

    Args:
        name: What the configuration calls it.
        link: Its line, not yet open.
        address: Of the card; 100 at an entry, 101 at an exit, as they are sold.
        rows: Lines of text.
        columns: Half-width cells of a line.
        gap_ms: Pause between two frames.
        voice: What it says sentences with.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        address: int = ENTRY_ADDRESS,
        rows: int = 4,
        columns: int = 8,
        gap_ms: int = 200,
        voice: KfVoice = KfVoice.PHRASES,
    ) -> None:
        super().__init__(name, link, rows=rows, columns=columns, gap_ms=gap_ms, sets_volume=False)
        self._address = address
        self._voice = voice
        self._seq = 0

    def show(self, row: int, text: str, colour: Colour = Colour.RED, *, seconds: int = 0) -> int:
        """Put a text on one line; the card itself scrolls what does not fit."""
        self._check_row(row)
        shown = text if cells(text) > self._columns else pad(text, self._columns)
        frame = codec.encode_text(self._next(), self._address, row, seconds, colour, encode(shown))
        return self._send(frame)

    def speak(self, text: str) -> int:
        """Say a text."""
        if self._voice is KfVoice.CHIP:
            return self._send(codec.encode_speech(text))
        data = codec.phrases(text) if self._voice is KfVoice.PHRASES else encode(text)
        return self._send(codec.encode(self._next(), self._address, codec.VOICE, data))

    def set_volume(self, percent: int) -> int:
        """No command is known that does it."""
        raise CommandRefused(
            self.where, f"volume {percent}: a KF card is set by its own knob or remote control"
        )

    def _next(self) -> int:
        self._seq = (self._seq + 1) & 0xFF
        return self._seq

    def _is_answer(self, data: bytes, frame: bytes) -> bool:
        sent, _ = codec.decode(frame)
        answers, _ = codec.decode(data)
        # The adapter's own echo is the same frame; an answer to it bears its number.
        return any(a.seq == s.seq and a != s for s in sent for a in answers)

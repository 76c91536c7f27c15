"""FK cards: four lines of 16 px text and a voice, over RS-232 or RS-485."""

from drivers.display import fk_codec as codec
from drivers.display.base import Colour
from drivers.display.card import SerialCard
from drivers.display.text import cells, encode, pad
from drivers.errors import CommandRefused
from drivers.link import Link

_LONGEST_STAY_S = 255
_SCROLL_ROUND_S = 1


class FkCard(SerialCard):
    """An FK card.

    Args:
        name: What the configuration calls it.
        link: Its line, not yet open.
        address: ``DA`` of its frames; 0 on a line with one card.
        rows: Lines of text.
        columns: Half-width cells of a line.
        gap_ms: Pause between two frames.
        interrupts: A new sentence ends the one being said; False queues it behind, for cards that do not know
            voice mode 02.
        volume_steps: What the card calls full volume; cards with 100 and with 10 are sold.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        address: int = 0,
        rows: int = 4,
        columns: int = 8,
        gap_ms: int = 200,
        interrupts: bool = True,
        volume_steps: int = 100,
    ) -> None:
        super().__init__(name, link, rows=rows, columns=columns, gap_ms=gap_ms, sets_volume=True)
        self._address = address
        self._voice_mode = codec.REPLACE_AND_PLAY if interrupts else codec.APPEND_AND_PLAY
        self._volume_steps = volume_steps

    def show(self, row: int, text: str, colour: Colour = Colour.RED, *, seconds: int = 0) -> int:
        """Put a text on one line; what does not fit scrolls."""
        self._check_row(row)
        scrolls = cells(text) > self._columns
        shown = text if scrolls else pad(text, self._columns)
        stay_s = min(seconds, _LONGEST_STAY_S)
        content = codec.Text(
            row - 1,
            encode(shown),
            codec.SCROLL_LEFT if scrolls else codec.AT_ONCE,
            _SCROLL_ROUND_S if scrolls else stay_s or _LONGEST_STAY_S,
            # A scrolling text has no length in seconds; a few rounds are near enough to what was asked.
            rounds=0 if not seconds else max(1, seconds // 5) if scrolls else 1,
            rgb0=codec.RGB0[colour],
        )
        return self._send(codec.encode_text(content, self._address))

    def speak(self, text: str) -> int:
        """Say a text."""
        return self._send(codec.encode_voice(text, mode=self._voice_mode, address=self._address))

    def set_volume(self, percent: int) -> int:
        """Set the volume, 0 to 100."""
        if not 0 <= percent <= 100:
            raise CommandRefused(self.where, f"volume {percent} is not between 0 and 100")
        return self._send(codec.encode_volume(round(percent * self._volume_steps / 100), self._address))

    def _is_answer(self, data: bytes, frame: bytes) -> bool:
        (sent,), _ = codec.decode(frame)
        answers, _ = codec.decode(data)
        # An adapter that returns what is sent gives the same frame back; an answer has one byte of data.
        return any(a.command == sent.command and len(a.data) == 1 and a != sent for a in answers)

"""Simulated lane displays: FK and KF cards that understand the real bytes, and show and say it.

Both check every checksum, keep a line for as long as they were told to, lose frames that come too fast, and
can acknowledge or keep silent. ``rows`` is what stands on the card now, ``spoken`` what it has said.
"""

from dataclasses import dataclass
from pathlib import Path

from drivers.display import fk_codec, kf_codec
from drivers.display.base import Colour
from drivers.display.panel import Row, panel_text
from drivers.display.text import decode
from drivers.link import NS_PER_MS, boot_ns
from drivers.simulated.line import SimulatedLine

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Shown:
    row: Row
    until_ns: int | None


class SimulatedCard(SimulatedLine):
    """What both cards share: lines with an end, a voice, a volume, and a limit of speed.

    Args:
        name: Of the card and its thread.
        address: That it obeys; left out: as it is sold.
        rows: Lines of text.
        columns: Half-width cells of a line.
        acknowledges: Whether it answers commands.
        drop_faster_than_ms: A frame that follows the one before sooner is lost, as on the real cards.
        link: Path of a symbolic link to keep pointed at the port.
        wire_baud: Let bytes take their time on the wire.
    """

    sold_as = 0

    def __init__(
        self,
        name: str = "card",
        *,
        address: int | None = None,
        rows: int = 4,
        columns: int = 8,
        acknowledges: bool = False,
        drop_faster_than_ms: float = 100.0,
        link: Path | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, link=link, wire_baud=wire_baud)
        self.columns = columns
        self.volume: int | None = None
        self.lost_frames = 0
        self.strange_frames = 0
        self._address = self.sold_as if address is None else address
        self._acknowledges = acknowledges
        self._shortest_gap_ns = round(drop_faster_than_ms * NS_PER_MS)
        self._shown: list[_Shown] = [_Shown(Row(), None)] * rows
        self._spoken: list[tuple[int, str]] = []
        self._history: list[tuple[int, int, Row]] = []
        self._last_frame_ns = 0
        self._buffer = b""

    @property
    def rows(self) -> tuple[Row, ...]:
        """What stands on the card now."""
        now_ns = boot_ns()
        with self._records:
            return tuple(
                shown.row if shown.until_ns is None or now_ns < shown.until_ns else Row()
                for shown in self._shown
            )

    @property
    def texts(self) -> tuple[str, ...]:
        """The lines without the blanks that centre them."""
        return tuple(row.text.strip() for row in self.rows)

    @property
    def spoken(self) -> tuple[str, ...]:
        """Every sentence it was told to say."""
        with self._records:
            return tuple(text for _, text in self._spoken)

    @property
    def history(self) -> tuple[tuple[int, int, Row], ...]:
        """Every text that was ever put on it, as (CLOCK_BOOTTIME ns, line from 1, text)."""
        with self._records:
            return tuple(self._history)

    def panel(self) -> str:
        """The card as lines for a terminal."""
        return panel_text(self.rows, self.columns)

    def power_up(self) -> None:
        """Dark, until somebody writes."""
        self._buffer = b""
        with self._records:
            self._shown = [_Shown(Row(), None)] * len(self._shown)

    def _is_too_fast(self, now_ns: int) -> bool:
        too_fast = now_ns - self._last_frame_ns < self._shortest_gap_ns
        self._last_frame_ns = now_ns
        self.lost_frames += too_fast
        return too_fast

    def _show(self, row: int, text: bytes, colour: Colour, seconds: int, now_ns: int) -> bool:
        if not 1 <= row <= len(self._shown):
            return False
        shown = Row(decode(text), colour)
        with self._records:
            self._shown[row - 1] = _Shown(shown, now_ns + seconds * NS_PER_S if seconds else None)
            self._history.append((now_ns, row, shown))
        return True

    def _say(self, text: str, now_ns: int) -> bool:
        with self._records:
            self._spoken.append((now_ns, text))
        return True


class SimulatedFkCard(SimulatedCard):
    """An FK card; its address is the ``DA`` of the frames."""

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Obey the frames in the stream."""
        frames, self._buffer = fk_codec.decode(self._buffer + data)
        answers: list[bytes] = []
        for frame in frames:
            if frame.address != self._address or self._is_too_fast(now_ns):
                continue
            obeyed = self._obey(frame, now_ns)
            self.strange_frames += not obeyed
            if self._acknowledges:
                answers.append(fk_codec.encode_answer(frame, 0 if obeyed else 1))
        return answers

    def _obey(self, frame: fk_codec.Frame, now_ns: int) -> bool:
        data = frame.data
        if frame.command == fk_codec.VOICE and data:
            return self._say(decode(data[1:]), now_ns)
        if frame.command == fk_codec.VOLUME and data:
            self.volume = data[0]
            return True
        if frame.command == fk_codec.TEXT and (text := fk_codec.decode_text(data)) is not None:
            colour = next((c for c, rgb0 in fk_codec.RGB0.items() if rgb0 == text.rgb0), Colour.RED)
            scrolls = text.entry == fk_codec.SCROLL_LEFT
            round_s = max(1, len(text.text) // 4) if scrolls else text.stay_s
            return self._show(text.window + 1, text.text, colour, round_s * text.rounds, now_ns)
        return False


class SimulatedKfCard(SimulatedCard):
    """A KF card; it also hears the frames for the speech chip."""

    sold_as = 0x64

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Obey the frames in the stream."""
        frames, self._buffer = kf_codec.decode(self._buffer + data)
        if not frames and (text := kf_codec.decode_speech(data)) and not self._is_too_fast(now_ns):
            self._buffer = b""
            self._say(text, now_ns)
        answers: list[bytes] = []
        for frame in frames:
            if frame.address != self._address or self._is_too_fast(now_ns):
                continue
            obeyed = self._obey(frame, now_ns)
            self.strange_frames += not obeyed
            if self._acknowledges:
                result = bytes((0 if obeyed else 1,))
                answers.append(kf_codec.encode(frame.seq, frame.address, frame.command, result))
        return answers

    def _obey(self, frame: kf_codec.Frame, now_ns: int) -> bool:
        data = frame.data
        if frame.command == kf_codec.VOICE:
            return self._say(kf_codec.said(data), now_ns)
        if frame.command == kf_codec.TEXT and len(data) >= 4:
            colour = next((c for c, number in kf_codec.COLOURS.items() if number == data[2]), Colour.RED)
            return self._show(data[0], data[4:], colour, data[1], now_ns)
        return False

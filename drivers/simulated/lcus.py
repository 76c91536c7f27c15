"""A simulated LCUS board with the habits of the real ones: no acknowledgement, stale answers, lost frames."""

from pathlib import Path

from drivers.link import NS_PER_MS
from drivers.relay.lcus_codec import Dialect, decode_switches, encode_text_status
from drivers.simulated.boards import SimulatedBoard


class SimulatedLcusBoard(SimulatedBoard):
    """LCUS-1/2/4/8 on a pseudo-terminal.

    Args:
        channels: Relays.
        dialect: How it answers the status query: ``text``, ``binary`` or ``none``.
        stale_by_one: The answer is the state at the query before.
        drop_faster_than_ms: A frame that follows the one before sooner is lost, as on the real board.
        link: Path of a symbolic link to keep pointed at the port.
        wire_baud: Let bytes take their time on the wire.
    """

    def __init__(
        self,
        channels: int = 4,
        dialect: str = "text",
        *,
        stale_by_one: bool = True,
        drop_faster_than_ms: float = 50.0,
        name: str = "lcus",
        link: Path | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, channels=channels, link=link, wire_baud=wire_baud)
        self._dialect = Dialect(dialect)
        self._stale_by_one = stale_by_one
        self._shortest_gap_ns = round(drop_faster_than_ms * NS_PER_MS)
        self._last_frame_ns = 0
        self._buffer = b""
        self._reported = self.relays
        self.lost_frames = 0

    def power_up(self) -> None:
        """Forget what was half received."""
        self._buffer = b""
        self._reported = self.relays

    def power_down(self) -> None:
        """The USB plug feeds the coils: without it every relay falls off."""
        self._release_all()

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Obey the commands in the stream and answer the queries."""
        found, self._buffer = decode_switches(self._buffer + data)
        replies: list[bytes] = []
        for command in found:
            too_fast = now_ns - self._last_frame_ns < self._shortest_gap_ns
            self._last_frame_ns = now_ns
            if too_fast:
                self.lost_frames += 1
            elif self.is_lost():
                continue
            elif command is not None:
                self.switch(*command)
            elif self._dialect is not Dialect.NONE:
                replies.append(self._status())
        return replies

    def _status(self) -> bytes:
        states = self._reported if self._stale_by_one else self.relays
        self._reported = self.relays
        return encode_text_status(states) if self._dialect is Dialect.TEXT else bytes(states)

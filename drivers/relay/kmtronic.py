"""KMTronic USB relay boards: three bytes switch a relay, nothing acknowledges, every board tells its state.

Command ``FF channel 00|01``. State of a 1 or 2 channel board: ``FF channel 03`` per relay, answered by
``FF channel 00|01``. State of a 4 or 8 channel board: ``FF 09 00``, answered by one byte per relay.
Source: KMTronic's published command lists.
"""

from drivers.errors import BadReply, DriverError
from drivers.link import Link
from drivers.relay.base import Capabilities
from drivers.relay.serial_board import SerialBoard

_HEAD = 0xFF
_SMALL_STATUS, _LARGE_STATUS = 0x03, bytes((0xFF, 0x09, 0x00))
_SMALL_BOARDS, _BOARDS = (1, 2), (1, 2, 4, 8)
_QUIET_S = 0.03


class KmtronicBoard(SerialBoard):
    """A KMTronic board. Thread: the owner of its line.

    Args:
        name: What the configuration calls the board.
        link: Its line (9600 baud).
        channels: Number of relays; the question for the state depends on it.
        pacing_ms: Pause between two frames.
        reply_timeout_ms: Longest wait for an answer.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        channels: int = 8,
        pacing_ms: float = 20.0,
        reply_timeout_ms: float = 300.0,
    ) -> None:
        super().__init__(name, link, gap_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms)
        if channels not in _BOARDS:
            raise DriverError(name, f"channels = {channels}: KMTronic USB boards have 1, 2, 4 or 8 relays")
        self._channels = channels
        self._pacing_ms = round(pacing_ms)

    @property
    def capabilities(self) -> Capabilities:
        """What this board can do."""
        return Capabilities(
            outputs=self._channels,
            inputs=0,
            acknowledges=False,
            reads_back=True,
            pulse_step_ms=None,
            min_gap_ms=self._pacing_ms,
        )

    def open(self) -> None:
        """Open the port and have the board tell its state."""
        self._take_line()
        try:
            self.read_outputs()
        except DriverError:
            self.close()
            raise

    def write_output(self, channel: int, on: bool) -> int:
        """Switch one relay; assumed until read back."""
        self._check_channel(channel, self._channels)
        return self._send(bytes((_HEAD, channel, on)))

    def read_outputs(self) -> tuple[bool, ...]:
        """Energised relays as the board reports them."""
        if self._channels in _SMALL_BOARDS:
            return tuple(self._read_one(channel) for channel in range(1, self._channels + 1))
        self._send(_LARGE_STATUS)
        data = self._collect(lambda _: False, quiet_s=_QUIET_S)
        if len(data) != self._channels or any(byte > 1 for byte in data):
            raise BadReply(self.where, f"not the state of {self._channels} relays: {data[:16].hex(' ')}")
        return tuple(byte == 1 for byte in data)

    def read_inputs(self) -> tuple[bool, ...]:
        """These boards have no inputs."""
        return ()

    def _read_one(self, channel: int) -> bool:
        self._send(bytes((_HEAD, channel, _SMALL_STATUS)))
        data = self._collect(lambda _: False, quiet_s=_QUIET_S)
        if len(data) != 3 or data[0] != _HEAD or data[1] != channel or data[2] > 1:
            raise BadReply(self.where, f"not the state of relay {channel}: {data[:16].hex(' ')}")
        return data[2] == 1

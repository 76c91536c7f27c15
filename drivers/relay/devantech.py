"""Devantech USB-RLY08 and its sisters: one byte is a command, nothing acknowledges, one byte is the state.

On ``65``..``6C``, off ``6F``..``76`` for relays 1..8; ``5B`` asks for the state, one bit per relay, relay 1
lowest. The board is a CDC port, so its speed setting means nothing. Source: Devantech's USB-RLY08 data sheet.
"""

from drivers.errors import BadReply, DriverError
from drivers.link import Link
from drivers.relay.base import Capabilities
from drivers.relay.serial_board import SerialBoard

_GET_STATES = b"\x5b"
_ON_BASE, _OFF_BASE = 0x64, 0x6E  # plus the relay's number
_QUIET_S = 0.02


class DevantechBoard(SerialBoard):
    """A USB-RLY board. Thread: the owner of its line.

    Args:
        name: What the configuration calls the board.
        link: Its line.
        channels: Relays, 2 or 8.
        pacing_ms: Pause between two commands.
        reply_timeout_ms: Longest wait for an answer.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        channels: int = 8,
        pacing_ms: float = 5.0,
        reply_timeout_ms: float = 300.0,
    ) -> None:
        super().__init__(name, link, gap_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms)
        if channels not in (2, 8):
            raise DriverError(name, f"channels = {channels}: USB-RLY boards have 2 or 8 relays")
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
            forbidden=("all on, all off, set all (other outputs share the board)",),
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
        return self._send(bytes(((_ON_BASE if on else _OFF_BASE) + channel,)))

    def read_outputs(self) -> tuple[bool, ...]:
        """Energised relays as the board reports them."""
        self._send(_GET_STATES)
        data = self._collect(lambda _: False, quiet_s=_QUIET_S)
        if len(data) != 1 or data[0] >> self._channels:
            raise BadReply(self.where, f"not the state of {self._channels} relays: {data[:16].hex(' ')}")
        return tuple(bool(data[0] >> i & 1) for i in range(self._channels))

    def read_inputs(self) -> tuple[bool, ...]:
        """These boards have no inputs."""
        return ()

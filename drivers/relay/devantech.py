"""Devantech USB-RLY08 and its sisters: one byte is a command, nothing acknowledges, one byte is the state.

On ``65``..``6C``, off ``6F``..``76`` for relays 1..8; ``5B`` asks for the state, one bit per relay, relay 1
lowest. The board is a CDC port, so its speed setting means nothing. Source: Devantech's USB-RLY08 data sheet.
"""

from drivers.link import Link
from drivers.relay.base import Wanted, never
from drivers.relay.relay_board import RelayBoard

_GET_STATES = b"\x5b"
_ON_BASE, _OFF_BASE = 0x64, 0x6E  # plus the relay's number
_QUIET_S = 0.02


class DevantechBoard(RelayBoard):
    """A USB-RLY board. See ``RelayBoard``."""

    make = "USB-RLY boards"
    sizes = (2, 8)
    forbidden = ("all on, all off, set all (other outputs share the board)",)

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        channels: int = 8,
        pacing_ms: float = 5.0,
        reply_timeout_ms: float = 300.0,
    ) -> None:
        super().__init__(
            name, link, channels=channels, pacing_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms
        )

    def write_output(self, channel: int, on: bool) -> int:
        """Switch one relay; assumed until read back."""
        self._check_channel(channel, self._channels)
        return self._send(bytes(((_ON_BASE if on else _OFF_BASE) + channel,)))

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Energised relays as the board reports them."""
        del wanted  # one byte each way
        self._question(_GET_STATES)
        data = self._collect(lambda _: False, quiet_s=_QUIET_S)
        if len(data) != 1 or data[0] >> self._channels:
            raise self._bad(f"not the state of {self._channels} relays: {data[:16].hex(' ')}")
        return tuple(bool(data[0] >> i & 1) for i in range(self._channels))

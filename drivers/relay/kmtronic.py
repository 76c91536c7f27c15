"""KMTronic USB relay boards: three bytes switch a relay, nothing acknowledges, every board tells its state.

Command ``FF channel 00|01``. State of a 1 or 2 channel board: ``FF channel 03`` per relay, answered by
``FF channel 00|01``. State of a 4 or 8 channel board: ``FF 09 00``, answered by one byte per relay.
Source: KMTronic's published command lists.
"""

from drivers.link import Link
from drivers.relay.base import Wanted, never
from drivers.relay.relay_board import RelayBoard

_HEAD = 0xFF
_SMALL_STATUS, _LARGE_STATUS = 0x03, bytes((0xFF, 0x09, 0x00))
_SMALL_BOARDS = (1, 2)
_QUIET_S = 0.03


class KmtronicBoard(RelayBoard):
    """A KMTronic board (9600 baud); the question for the state depends on its size. See ``RelayBoard``."""

    make = "KMTronic USB boards"
    sizes = (1, 2, 4, 8)

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        channels: int = 8,
        pacing_ms: float = 20.0,
        reply_timeout_ms: float = 300.0,
    ) -> None:
        super().__init__(
            name, link, channels=channels, pacing_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms
        )

    def write_output(self, channel: int, on: bool) -> int:
        """Switch one relay; assumed until read back."""
        self._check_channel(channel, self._channels)
        return self._send(bytes((_HEAD, channel, on)))

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Energised relays as the board reports them."""
        if self._channels in _SMALL_BOARDS:
            return tuple(self._read_one(channel, wanted) for channel in range(1, self._channels + 1))
        self._question(_LARGE_STATUS)
        data = self._collect(lambda _: False, quiet_s=_QUIET_S)
        if len(data) != self._channels or any(byte > 1 for byte in data):
            raise self._bad(f"not the state of {self._channels} relays: {data[:16].hex(' ')}")
        return tuple(byte == 1 for byte in data)

    def _read_one(self, channel: int, wanted: Wanted) -> bool:
        self._stop_if(wanted)
        self._question(bytes((_HEAD, channel, _SMALL_STATUS)))
        data = self._collect(lambda _: False, quiet_s=_QUIET_S)
        if len(data) != 3 or data[0] != _HEAD or data[1] != channel or data[2] > 1:
            raise self._bad(f"not the state of relay {channel}: {data[:16].hex(' ')}")
        return data[2] == 1

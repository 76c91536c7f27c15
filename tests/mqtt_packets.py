"""MQTT packets in a stream of bytes, and a wire that says some of them twice.

TCP never doubles bytes, and doubled bytes would only break the protocol. What really comes twice is a whole
PUBLISH: a broker or a client that has not seen the PUBACK sends it again after a reconnect (MQTT 3.1.1,
4.4), and a cluster may do so at any time. ``Doubler`` does the same to any share of them.
"""

import random
from collections.abc import Iterator

PUBLISH, PUBACK = 3, 4
_DUP, _QOS = 0x08, 0x06
_QOS_1 = 0x02


class Packets:
    """Cuts a stream into packets; what is not whole yet waits. Thread: one for each direction."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, give every packet that is whole now."""
        self._rest += data
        while (size := _size(self._rest)) is not None and len(self._rest) >= size:
            yield bytes(self._rest[:size])
            del self._rest[:size]


def _size(data: bytearray) -> int | None:
    """Bytes of the first packet (MQTT 3.1.1, 2.2.3: seven bits a byte, low first); None: not known yet."""
    length, shift = 0, 0
    for place in range(1, 5):
        if place >= len(data):
            return None
        length |= (data[place] & 0x7F) << shift
        shift += 7
        if not data[place] & 0x80:
            return 1 + place + length
    raise ValueError("no MQTT: the remaining length has five bytes")


def kind_of(packet: bytes) -> int:
    """The type in the first four bits."""
    return packet[0] >> 4


def is_qos_1(packet: bytes) -> bool:
    """A PUBLISH that somebody acknowledges."""
    return kind_of(packet) == PUBLISH and packet[0] & _QOS == _QOS_1


def packet_id(packet: bytes) -> bytes:
    """The two bytes that name a PUBLISH of QoS 1, or a PUBACK."""
    start = 1
    while packet[start] & 0x80:
        start += 1
    start += 1
    if kind_of(packet) == PUBLISH:
        start += 2 + int.from_bytes(packet[start : start + 2], "big")
    return packet[start : start + 2]


class Doubler:
    """Repeats packets of one direction, and swallows one PUBACK for each in the other.

    Thread: that of its wire.
    """

    def __init__(self, share: float, seed: int | str) -> None:
        """Double this share of all PUBLISH packets of QoS 1."""
        self._share, self._chance = share, random.Random(seed)
        self._owed: dict[bytes, int] = {}
        self.doubled = 0

    def there(self, packet: bytes) -> list[bytes]:
        """What goes on for a packet in the doubled direction; the second is marked as a repetition."""
        if not is_qos_1(packet) or self._chance.random() >= self._share:
            return [packet]
        self.doubled += 1
        name = packet_id(packet)
        self._owed[name] = self._owed.get(name, 0) + 1
        return [packet, bytes((packet[0] | _DUP,)) + packet[1:]]

    def back(self, packet: bytes) -> list[bytes]:
        """What goes on for a packet of the other direction: whoever asked once is answered once."""
        if kind_of(packet) == PUBACK and self._owed.get(packet_id(packet), 0):
            name = packet_id(packet)
            self._owed[name] -= 1
            return []
        return [packet]

"""Two relays of one lane that must never be energised together, even when they sit on different boards.

OPEN and CLOSE of one barrier are opposites. Before a relay is moved away from its safe state its opposite
must be known to be back in it, and that for the dead time. CLOSE waits for that without limit. OPEN does not:
when the opposite cannot be brought back (its board is gone, its contact is stuck), OPEN goes out after
``OPEN_PATIENCE_NS`` all the same, because barrier controllers let OPEN win over CLOSE and a boom that cannot
be raised is the greater harm.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from edge.clock import NS_PER_MS, NS_PER_S
from edge.settings import BarrierLane, Settings

Channel = tuple[str, int]
"""Board and channel."""

OPEN_PATIENCE_NS = 1 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Opposite:
    """The other relay of a pair, the pause between the two, and whether this one may lose patience."""

    channel: Channel
    dead_time_ns: int
    wins: bool


class Interlock:
    """Knows of every paired relay whether it is away from safe, and since when it is back.

    Thread: any; every method is short and calls nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._pairs = pairs_of(settings)
        self._away: set[Channel] = set()
        self._back_ns: dict[Channel, int] = {}
        self._refused_ns: dict[Channel, int] = {}

    def update(self, settings: Settings) -> None:
        """Take new pairs and dead times; what is energised stays known."""
        with self._lock:
            self._pairs = pairs_of(settings)

    def claim(self, channel: Channel, now_ns: int) -> int:
        """Ask to move a relay away from safe.

        Returns:
            0: do it now; it counts as away from here on. Else: try again after that many nanoseconds.
        """
        with self._lock:
            wait_ns = self._wait_ns(channel, now_ns)
            if wait_ns == 0:
                self._away.add(channel)
                self._refused_ns.pop(channel, None)
            return wait_ns

    def away(self, channel: Channel) -> None:
        """It has been found to be away from safe, whatever was written."""
        with self._lock:
            self._away.add(channel)

    def back(self, channel: Channel, now_ns: int) -> None:
        """The bytes that bring it back to safe are on the line."""
        with self._lock:
            if channel in self._away:
                self._away.discard(channel)
                self._back_ns[channel] = now_ns

    def _wait_ns(self, channel: Channel, now_ns: int) -> int:
        opposite = self._pairs.get(channel)
        if opposite is None:
            return 0
        if opposite.channel not in self._away:
            back_ns = self._back_ns.get(opposite.channel)
            return 0 if back_ns is None else max(0, back_ns + opposite.dead_time_ns - now_ns)
        since_ns = self._refused_ns.setdefault(channel, now_ns)
        if opposite.wins and now_ns - since_ns >= OPEN_PATIENCE_NS:
            return 0
        return 10 * NS_PER_MS


def pairs_of(settings: Settings) -> Mapping[Channel, Opposite]:
    """The opposites that the configured lanes have."""
    pairs: dict[Channel, Opposite] = {}
    for lane in settings.lanes.values():
        if isinstance(lane, BarrierLane) and lane.close is not None:
            opens = (lane.open.board, lane.open.channel)
            closes = (lane.close.board, lane.close.channel)
            dead_time_ns = lane.times.dead_time_ms * NS_PER_MS
            pairs[opens] = Opposite(closes, dead_time_ns, wins=True)
            pairs[closes] = Opposite(opens, dead_time_ns, wins=False)
    return pairs

"""Two relays of one lane that must never act together, even when they sit on different boards.

OPEN and CLOSE of one barrier are opposites, and so are the two ways of a turnstile. Before a relay is moved
away from its safe state its opposite must be known to be back in it, and that for the dead time. CLOSE and
turnstiles wait for that without limit. OPEN does not: when the opposite cannot be brought back (its board is
gone, its contact is stuck), OPEN goes out after ``OPEN_PATIENCE_NS`` all the same, because controllers let
OPEN win over CLOSE and a boom that cannot be raised is the greater harm.

Where a board can be read, a relay counts as back for OPEN as soon as that is written, for a raise must not
wait; for the others only when it has been read, because a frame may be lost and a contact may be welded.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from edge.clock import NS_PER_MS, NS_PER_S
from edge.settings import BarrierLane, Settings, TurnstileLane

Channel = tuple[str, int]
"""Board and channel."""

OPEN_PATIENCE_NS = 1 * NS_PER_S
_ASK_AGAIN_NS = 10 * NS_PER_MS
_GIVEN_UP_NS = 500 * NS_PER_MS  # not asked for again for so long


@dataclass(frozen=True, slots=True)
class Opposite:
    """The other relay of a pair, the pause between the two, and whether this one may lose patience."""

    channel: Channel
    dead_time_ns: int
    wins: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A relay that is asked for and must wait: since when, and when it was asked for last."""

    since_ns: int
    asked_ns: int


class Interlock:
    """Knows of every paired relay whether it is away from safe, and since when it is back.

    Thread: any; every method is short and calls nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()
        self._pairs = pairs_of(settings)
        self._away: set[Channel] = set()
        self._unsure: set[Channel] = set()  # back, as far as writing goes
        self._awaited: set[Channel] = set()  # unsure, and somebody waits for it to be read
        self._back_ns: dict[Channel, int] = {}
        self._waiting: dict[Channel, _Waiting] = {}

    def update(self, settings: Settings) -> None:
        """Take new pairs and dead times; what is energised stays known."""
        with self._lock:
            self._pairs = pairs_of(settings)

    def opposite_of(self, channel: Channel) -> Channel | None:
        """The relay that must never act together with this one, or None."""
        with self._lock:
            pair = self._pairs.get(channel)
            return None if pair is None else pair.channel

    def yields(self, channel: Channel) -> bool:
        """True for a relay that must never linger, because its opposite may have to act at once."""
        with self._lock:
            pair = self._pairs.get(channel)
            return pair is not None and not pair.wins

    def claim(self, channel: Channel, now_ns: int) -> int:
        """Ask to move a relay away from safe.

        Returns:
            0: do it now; it counts as away from here on. Else: try again after that many nanoseconds.
        """
        with self._lock:
            wait_ns = self._wait_ns(channel, now_ns)
            if wait_ns == 0:
                self._away.add(channel)
                self._waiting.pop(channel, None)
            return wait_ns

    def away(self, channel: Channel) -> None:
        """It has been found to be away from safe, whatever was written."""
        with self._lock:
            self._away.add(channel)
            self._unsure.discard(channel)

    def back(self, channel: Channel, now_ns: int, *, is_sure: bool = True) -> None:
        """The bytes that bring it back to safe are on the line; ``is_sure`` unless it can still be read."""
        with self._lock:
            if channel in self._away:
                self._away.discard(channel)
                self._back_ns[channel] = now_ns
                if not is_sure:
                    self._unsure.add(channel)

    def confirm(self, channel: Channel) -> None:
        """It has been read to be in its safe state."""
        with self._lock:
            self._unsure.discard(channel)
            self._awaited.discard(channel)

    def awaits(self, board: str) -> bool:
        """True when somebody waits for a relay of this board to be read."""
        with self._lock:
            return any(name == board for name, _ in self._awaited & self._unsure)

    def _wait_ns(self, channel: Channel, now_ns: int) -> int:
        opposite = self._pairs.get(channel)
        if opposite is None:
            return 0
        if not opposite.wins and self._is_waiting(opposite.channel, now_ns):
            return _ASK_AGAIN_NS  # the one that wins goes first, or it would wait for ever
        if opposite.channel in self._unsure and not opposite.wins:
            self._awaited.add(opposite.channel)
            return _ASK_AGAIN_NS
        if opposite.channel not in self._away:
            back_ns = self._back_ns.get(opposite.channel)
            return 0 if back_ns is None else max(0, back_ns + opposite.dead_time_ns - now_ns)
        if not opposite.wins:
            return _ASK_AGAIN_NS
        since_ns = self._waiting[channel].since_ns if self._is_waiting(channel, now_ns) else now_ns
        self._waiting[channel] = _Waiting(since_ns, now_ns)
        return 0 if now_ns - since_ns >= OPEN_PATIENCE_NS else _ASK_AGAIN_NS

    def _is_waiting(self, channel: Channel, now_ns: int) -> bool:
        """True while somebody keeps asking; who has given up has no patience to lose."""
        waiting = self._waiting.get(channel)
        return waiting is not None and now_ns - waiting.asked_ns < _GIVEN_UP_NS


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
        elif isinstance(lane, TurnstileLane) and lane.pass_in is not None and lane.pass_out is not None:
            inwards = (lane.pass_in.board, lane.pass_in.channel)
            outwards = (lane.pass_out.board, lane.pass_out.channel)
            dead_time_ns = lane.times.dead_time_ms * NS_PER_MS
            pairs[inwards] = Opposite(outwards, dead_time_ns, wins=False)
            pairs[outwards] = Opposite(inwards, dead_time_ns, wins=False)
    return pairs

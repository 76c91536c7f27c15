"""When is it this box's turn to fetch a snapshot? So that a whole scope does not fetch in one second.

The platform knows how many boxes it has and what its server can give; it says over how many seconds a
snapshot is to be fetched (``snap.spread_s``), counted from when it was written. Each box has its place in
that time, drawn from its name and the snapshot, so that nobody has to count. Small things (deltas, buckets)
and revocations wait for nothing. Pure but for the clock.
"""

import logging
from hashlib import sha256

from edge.clock import NS_PER_S, Clock, ClockState
from edge.sync.set_documents import SnapshotFile

log = logging.getLogger(__name__)


def place_of(audience: str, snapshot: str) -> float:
    """Place of a box in the time in which a snapshot (its SHA-256) is fetched, 0 to below 1."""
    return int.from_bytes(sha256(f"{audience}|{snapshot}".encode()).digest()[:6]) / (1 << 48)


class Turns:
    """The turn of one box. Thread: the sets'."""

    def __init__(self, audience: str, clock: Clock) -> None:
        self._audience, self._clock = audience, clock
        self._seen: tuple[str, int] = ("", 0)
        self._until_ns = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the turn that was last asked for is still to come."""
        return self._clock.boot_ns() < self._until_ns

    def forget(self) -> None:
        """Something else is wanted now: ask anew."""
        self._until_ns = 0

    def has_come(self, name: str, snapshot: SnapshotFile) -> bool:
        """Whether this snapshot may be fetched now; if not, ``is_waiting`` until it may.

        A box that is new, or was away, finds the time over and waits for nobody.
        """
        now_ns = self._clock.boot_ns()
        if self._seen[0] != snapshot.sha256:
            self._seen = (snapshot.sha256, now_ns)
        gone_s = (now_ns - self._seen[1]) / NS_PER_S
        if snapshot.written_s and self._clock.state() is not ClockState.UNSET:
            gone_s = max(gone_s, self._clock.utc_ns() / NS_PER_S - snapshot.written_s)
        wait_s = place_of(self._audience, snapshot.sha256) * snapshot.spread_s - gone_s
        if wait_s <= 0:
            return True
        self._until_ns = now_ns + round(wait_s * NS_PER_S)
        log.info("set %s: many boxes fetch a snapshot; it is our turn in %.0f s", name, wait_s)
        return False

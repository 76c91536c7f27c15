"""Which events to send next, and which to send again. Pure: rows and times come in, decisions go out.

Events of a stream go in order. What was sent stays in flight until the *platform* acknowledged it; a PUBACK
settles nothing. In flight are never more than the window, over all streams. A stream starts again behind its
last acknowledgement when the connection is new, when the broker refuses one of its events, when no
acknowledgement came for a while, or when the platform names a place behind what it should have by now.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.clock import NS_PER_S
from edge.records import Stream
from edge.store.schema import OutboxRow

# Access first: of everything that waits it is what the platform must know soonest.
PRIORITY = (Stream.ACCESS, Stream.ALARM, Stream.BARRIER, Stream.PLATE, Stream.AUDIT, Stream.SYS)

ACK_TIMEOUT_S = 10.0
LONGEST_TIMEOUT_S = 120.0
REFUSAL_PAUSE_S = 1.0
# An acknowledgement younger than this may simply have crossed what is in flight.
CROSSING_NS = 2 * NS_PER_S
REFUSALS = 5
"""An event that was refused so often for itself, and not for its topic, will not be taken any more."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Fetch up to ``limit`` unacknowledged rows of a stream behind a row id, and send them."""

    stream: Stream
    after: int
    limit: int


@dataclass(slots=True)
class _Flow:
    """One stream on its way out.

    Attributes:
        base: Row id of the last event that is known to be acknowledged; what is sent again begins behind it.
        cursor: Row id of the last event sent.
        sent, acked: Highest sequence ever sent, and acknowledged.
    """

    base: int = 0
    cursor: int = 0
    sent: int = 0
    acked: int = 0
    in_flight: deque[tuple[OutboxRow, int, int]] = field(default_factory=deque)  # row, token, sent_ns
    has_more: bool = True
    not_before_ns: int = 0
    tries: int = 0
    refusal: str = ""
    backlog: int = 0  # up to this sequence it was written long before this connection
    suspect: int = 0  # sequence of the event that was refused last, and how often
    refusals: int = 0

    def rewind(self) -> None:
        self.cursor = self.base
        self.in_flight.clear()
        self.has_more = True


class Outbox:
    """What is in flight. Thread: the uplink's."""

    def __init__(
        self,
        window: int,
        first_wanted: Mapping[Stream, int] | None = None,
        written: Mapping[Stream, int] | None = None,
        drain_rate: float = 0.0,
    ) -> None:
        """Begin.

        Args:
            window: At most so many events in flight.
            first_wanted: Sequence per stream of the first event that is not acknowledged; 1 where not named.
            written: The last sequence per stream so far. All up to there may have been sent before a restart,
                and acknowledged by the platform, whatever the journal came to hear of it.
            drain_rate: Events per second of streams that have a backlog; 0: as fast as the window lets them.
        """
        self.drain_rate = drain_rate
        self._allowance, self._allowed_ns = 0.0, 0
        self._window = self._limit = max(window, 1)
        wanted, sent = first_wanted or {}, written or {}
        self._flows = {
            stream: _Flow(acked=wanted.get(stream, 1) - 1, sent=sent.get(stream, 0)) for stream in PRIORITY
        }
        self._rotation = list(PRIORITY)
        self._poison: list[tuple[OutboxRow, str]] = []
        self.waiting_since_ns: int | None = None
        """Since when events are out and the platform has acknowledged nothing; None when it need not."""

    @property
    def in_flight(self) -> int:
        """Events sent and not acknowledged by the platform."""
        return sum(len(flow.in_flight) for flow in self._flows.values())

    def refused(self) -> dict[Stream, str]:
        """Streams that the broker refuses, with its words."""
        return {stream: flow.refusal for stream, flow in self._flows.items() if flow.refusal}

    def restart(self, window: int, written: Mapping[Stream, int] | None = None) -> None:
        """The connection is new, its broker allows ``window``: everything unacknowledged goes again.

        What was ``written`` until now (last sequence per stream) is a backlog where it is more than fits in
        the window: it yields to streams without one, and keeps to the drain rate.
        """
        for stream, flow in self._flows.items():
            last = (written or {}).get(stream, 0)
            flow.backlog = last if last - flow.acked > self._window else 0
        self.waiting_since_ns = None
        self._limit = max(1, min(self._window, window))
        self._rotation = list(PRIORITY)
        for flow in self._flows.values():
            flow.rewind()
            flow.not_before_ns = flow.tries = 0

    def wake(self, streams: Iterable[Stream]) -> None:
        """New events were committed."""
        for stream in streams:
            self._flows[stream].has_more = True

    def demands(self, now_ns: int) -> list[Demand]:
        """What to fetch and send now, most urgent first."""
        room = self._limit - self.in_flight
        ready = [
            s for s in self._rotation if self._flows[s].has_more and now_ns >= self._flows[s].not_before_ns
        ]
        ready.sort(key=self._is_behind)  # stable: live streams first, the rest as it was
        allowed = self._allowed(now_ns)
        demands = []
        for stream in ready:
            flow = self._flows[stream]
            # Never the whole window, and half of it while another stream has something too: one that
            # nobody acknowledges must not hold up the rest.
            alone = len(ready) == 1
            share = self._limit - self._limit // 4 if alone else max(1, self._limit // 2)
            limit = min(room, share - len(flow.in_flight))
            if self._is_behind(stream):
                limit = min(limit, allowed)
                allowed -= max(0, limit)
            if limit > 0:
                demands.append(Demand(stream, flow.cursor, limit))
                room -= limit
        return demands

    def _is_behind(self, stream: Stream) -> bool:
        """Whether a stream still has events from long before this connection."""
        return self._flows[stream].acked < self._flows[stream].backlog

    def _allowed(self, now_ns: int) -> int:
        """How many events of backlogs may go now (a token bucket of half a second, or of one window)."""
        if self.drain_rate <= 0:
            return self._limit
        most = max(self._limit, self.drain_rate / 2)
        passed_s = (now_ns - self._allowed_ns) / NS_PER_S
        self._allowance = min(most, self._allowance + passed_s * self.drain_rate)
        self._allowed_ns = now_ns
        return int(self._allowance)

    def fetched(self, demand: Demand, rows: int) -> None:
        """So many rows answered a demand; fewer than asked for: there is no more for now."""
        if rows < demand.limit:
            self._flows[demand.stream].has_more = False

    def sent(self, row: OutboxRow, token: int, now_ns: int) -> None:
        """A row has gone out with this token."""
        flow = self._flows[row.stream]
        flow.cursor = row.id
        flow.sent = max(flow.sent, row.seq)
        if self.drain_rate > 0 and self._is_behind(row.stream):
            self._allowance -= 1
        flow.in_flight.append((row, token, now_ns))
        if self.waiting_since_ns is None:
            self.waiting_since_ns = now_ns

    def delivered(self, token: int, refusal: str, now_ns: int, *, for_itself: bool = False) -> Stream | None:
        """PUBACK. A refusal sends the stream back behind its last acknowledgement, after a growing pause.

        Args:
            token: Of the message.
            refusal: The broker's words; empty when it took the message.
            now_ns: Now.
            for_itself: What is refused is this very event, whatever its topic.

        Returns:
            The stream that was refused, or None.
        """
        if not refusal:
            return None
        for stream, flow in self._flows.items():
            for row, known, _ in flow.in_flight:
                if token == known:
                    flow.refusal = refusal
                    if for_itself:
                        self._suspect(flow, row, refusal)
                    self._back_off(stream, flow, now_ns, REFUSAL_PAUSE_S)
                    return stream
        return None

    def rejected(self, stream: Stream, seq: int, words: str, now_ns: int) -> None:
        """The platform will not have an event; it goes again after a pause, a few times."""
        flow = self._flows[stream]
        for row, _, _ in flow.in_flight:
            if row.seq == seq:
                flow.refusal = words
                self._suspect(flow, row, words)
                self._back_off(stream, flow, now_ns, REFUSAL_PAUSE_S)
                return

    def poison(self) -> list[tuple[OutboxRow, str]]:
        """Events that were refused too often, each with the last words, to be parked; told once."""
        poison, self._poison = self._poison, []
        return poison

    def parked(self, row: OutboxRow) -> None:
        """A stand-in has taken the place of an event: send it at once."""
        flow = self._flows[row.stream]
        flow.rewind()
        flow.not_before_ns = flow.tries = 0
        flow.refusal = ""

    def is_plausible(self, stream: Stream, upto: int) -> bool:
        """Whether an acknowledgement may be believed: nobody has what was never sent."""
        return 0 <= upto <= self._flows[stream].sent

    def payload_of(self, stream: Stream, seq: int) -> bytes | None:
        """The bytes of an event that is in flight; None when it is not."""
        rows = (row for row, _, _ in self._flows[stream].in_flight if row.seq == seq)
        return next((row.payload for row in rows), None)

    def acked(self, stream: Stream) -> int:
        """Highest sequence that counts as acknowledged."""
        return self._flows[stream].acked

    def go_back(self, stream: Stream, acked: int) -> None:
        """The platform has less than it had acknowledged: begin behind that."""
        flow = self._flows[stream]
        flow.base, flow.acked = 0, acked
        flow.rewind()

    def heard(self, stream: Stream) -> None:
        """The platform spoke of this stream: it listens, so there is no reason to wait any longer."""
        flow = self._flows[stream]
        flow.not_before_ns = flow.tries = 0

    def acknowledged(self, stream: Stream, upto: int, now_ns: int, *, resend: bool = False) -> int:
        """The platform has a stream up to a sequence; what it should have by now and has not goes again.

        Returns:
            How many events that newly settles, as far as it is known which were settled before.
        """
        flow = self._flows[stream]
        before = len(flow.in_flight)
        while flow.in_flight and flow.in_flight[0][0].seq <= upto:
            flow.base = flow.in_flight.popleft()[0].id
        if len(flow.in_flight) < before:
            flow.refusal = ""
            flow.has_more = True
            self.waiting_since_ns = now_ns if self.in_flight else None
        settled, flow.acked = max(0, upto - flow.acked), max(upto, flow.acked)
        if flow.in_flight and (resend or now_ns - flow.in_flight[0][2] > CROSSING_NS):
            flow.rewind()
        return settled

    def overdue(self, now_ns: int) -> list[Stream]:
        """Send streams back whose oldest event was not acknowledged in time; returns them."""
        late = []
        for stream, flow in self._flows.items():
            timeout_ns = min(ACK_TIMEOUT_S * 2**flow.tries, LONGEST_TIMEOUT_S) * NS_PER_S
            if flow.in_flight and now_ns - flow.in_flight[0][2] > timeout_ns:
                late.append(stream)
                flow.rewind()
                flow.tries = min(flow.tries + 1, 16)
                self._to_the_end(stream)
        return late

    def _back_off(self, stream: Stream, flow: _Flow, now_ns: int, first_s: float) -> None:
        flow.rewind()
        flow.not_before_ns = now_ns + round(min(first_s * 2**flow.tries, 60.0) * NS_PER_S)
        flow.tries = min(flow.tries + 1, 16)
        self._to_the_end(stream)

    def _suspect(self, flow: _Flow, row: OutboxRow, words: str) -> None:
        flow.refusals = flow.refusals + 1 if flow.suspect == row.seq else 1
        flow.suspect = row.seq
        if flow.refusals >= REFUSALS:
            flow.refusals = 0
            self._poison.append((row, words))

    def _to_the_end(self, stream: Stream) -> None:
        self._rotation.remove(stream)
        self._rotation.append(stream)

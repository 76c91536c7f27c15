"""Events from the journal onto the wire, and acknowledgements of the platform back into the journal.

Thread: the uplink's, except ``committed``.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from edge.clock import NS_PER_S
from edge.errors import JournalError
from edge.faults import fault_point
from edge.records import Event, Stream
from edge.store.journal import Journal
from edge.store.schema import OutboxRow
from edge.sync.mqtt_link import MqttLink
from edge.sync.outbox import Outbox
from edge.sync.presence import Ack
from edge.sync.session import Delivered
from edge.sync.topics import Topics

log = logging.getLogger(__name__)


class Delivery:
    """The way out for events: reads, sends, and settles what the platform has."""

    def __init__(
        self,
        journal: Journal,
        topics: Topics,
        window: int,
        wake: Callable[[], None],
        drain_rate: float = 0.0,
    ) -> None:
        self._journal, self._topics, self._wake = journal, topics, wake
        self._outbox = Outbox(window, journal.first_wanted(), journal.last_written(), drain_rate)
        self._committed: deque[Stream] = deque()
        self._acks: dict[Stream, Ack] = {}
        self._rejected: list[Ack] = []
        self._poison: list[tuple[OutboxRow, str]] = []
        self.acknowledged = self.parked = 0
        self.last_ack_ns = 0
        self.last_parked = ""
        journal.on_commit(self.committed)

    @property
    def in_flight(self) -> int:
        """Events sent and not acknowledged."""
        return self._outbox.in_flight

    @property
    def refused(self) -> str:
        """One line about events that the broker refuses; empty when it takes all."""
        refused = self._outbox.refused()
        return "; ".join(
            f"the broker refuses {self._topics.event(stream)}: {words}" for stream, words in refused.items()
        )

    def committed(self, events: tuple[Event, ...]) -> None:
        """Events are on the disk. Thread: the journal's."""
        self._committed.extend({event.stream for event in events})
        self._wake()

    def restart(self, window: int) -> None:
        """The connection is new; begin behind what the platform has acknowledged."""
        try:
            written = self._journal.last_written()
        except JournalError:  # its own alarm stands; without it nothing counts as a backlog
            written = {}
        self._outbox.restart(window, written)

    def keep_to(self, drain_rate: float) -> None:
        """Send backlogs so fast from now on; 0: as fast as it goes."""
        self._outbox.drain_rate = drain_rate

    def told(self, puback: Delivered, now_ns: int) -> None:
        """The broker's word about one message."""
        about_the_event = not puback.nobody_listens and not puback.about_us
        self._outbox.delivered(puback.token, puback.refusal, now_ns, for_itself=about_the_event)

    def note(self, ack: Ack) -> None:
        """The platform's word, to be settled soon; cumulative, so only the highest matters."""
        if ack.epoch == self._journal.epoch:
            before = self._acks.get(ack.stream, ack)
            resend = ack.resend or before.resend
            if ack.refused:
                self._rejected.append(ack)
            self._acks[ack.stream] = replace(ack, upto=max(ack.upto, before.upto), resend=resend)

    def settle(self, now_ns: int) -> bool:
        """Bring the platform's words into the journal; True when it has something new.

        Raises:
            JournalError: The journal takes nothing; call again.
        """
        news = False
        while self._acks:
            stream, ack = next(iter(self._acks.items()))
            self._outbox.heard(stream)
            if self._outbox.is_plausible(stream, ack.upto):
                # The next events need not wait for the disk: what is lost of this in a crash is sent again.
                if ack.upto:
                    fault_point("delivery.acknowledged")
                    self._journal.acknowledge_soon(stream, ack.epoch, ack.upto)
                settled = self._outbox.acknowledged(stream, ack.upto, now_ns, resend=ack.resend)
                self.acknowledged += settled
                self.last_ack_ns = now_ns
                news = news or settled > 0
            del self._acks[stream]
        for ack in self._rejected:
            self._outbox.rejected(ack.stream, ack.refused, f"the platform: {ack.why}", now_ns)
        self._rejected.clear()
        self._park()
        return news

    def _park(self) -> None:
        """Put a stand-in in the place of what nobody will have, so that the stream goes on."""
        self._poison += self._outbox.poison()
        while self._poison:
            row, why = self._poison[0]
            if self._journal.park(row, why):
                self.parked += 1
                self.last_parked = f"{row.stream.value} {row.seq}: {why}"
                log.error("event %s %d is refused and parked: %s", row.stream.value, row.seq, why)
            self._outbox.parked(row)
            del self._poison[0]

    def send(self, link: MqttLink, now_ns: int) -> None:
        """Send what the window allows.

        Raises:
            JournalError: It cannot be read.
        """
        committed = set()
        while self._committed:
            committed.add(self._committed.popleft())
        self._outbox.wake(committed)
        for stream in self._outbox.overdue(now_ns):
            log.debug("the platform has not acknowledged %s; sending again", stream)
        # Each round sends something or learns that a stream has no more, so this ends.
        while demands := self._outbox.demands(now_ns):
            for demand in demands:
                rows = self._journal.pending(demand.stream, demand.after, demand.limit)
                self._outbox.fetched(demand, len(rows))
                for row in rows:
                    token = link.publish(self._topics.event(row.stream), row.payload)
                    self._outbox.sent(row, token, now_ns)
                    fault_point("delivery.sent")

    def silent_s(self, now_ns: int) -> float:
        """Seconds for which events have been out while the platform acknowledged nothing; 0 when none are."""
        since_ns = self._outbox.waiting_since_ns
        return 0.0 if since_ns is None else (now_ns - since_ns) / NS_PER_S

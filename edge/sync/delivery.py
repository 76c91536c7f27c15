"""Events from the journal onto the wire, and acknowledgements of the platform back into the journal.

Thread: the uplink's, except ``committed``.
"""

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.faults import fault_point
from edge.records import Event, Stream
from edge.store.envelope import EnvelopeInvalid, chained_digest, from_wire
from edge.store.journal import Journal
from edge.store.schema import OutboxRow
from edge.sync.mqtt_link import MqttLink
from edge.sync.outbox import Outbox
from edge.sync.presence import Ack, read_ack
from edge.sync.session import Delivered, Received
from edge.sync.topics import Topics

log = logging.getLogger(__name__)

FORK_PAUSE_NS = 600 * NS_PER_S
SEE_OUT_NS = 2 * NS_PER_S
LAST_WORDS_NS = 60 * NS_PER_S  # so long may the others take to end


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
        self._window = window
        self._outbox = Outbox(window, journal.first_wanted(), journal.last_written(), drain_rate)
        self._committed: deque[Stream] = deque()
        self._acks: dict[Stream, Ack] = {}
        self._rejected: list[Ack] = []
        self._poison: list[tuple[OutboxRow, str]] = []
        self._epoch = journal.epoch
        self._agreed: dict[Stream, int] = {}
        self._heard: set[Stream] = set()
        self._conn = 0
        self._forked_ns: int | None = None
        self._is_forking = self._wants_anew = False
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

    def restart(self, window: int, conn: int = 0) -> None:
        """The connection ``conn`` is new; begin behind what the platform has acknowledged."""
        self._agreed.clear()
        self._heard.clear()
        self._conn = conn
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

    def hear(self, payload: bytes) -> Ack | None:
        """Take a word of the platform; None when it makes no sense."""
        ack = read_ack(payload)
        if ack is not None:
            self.note(ack)
        return ack

    def note(self, ack: Ack) -> None:
        """The platform's word, to be settled soon; cumulative, so the highest that can be true matters."""

        def weight(said: Ack) -> tuple[bool, int]:
            return self._outbox.is_plausible(said.stream, said.upto), said.upto

        if ack.epoch == self._epoch:
            before = self._acks.get(ack.stream, ack)
            resend = ack.resend or before.resend
            if ack.refused:
                self._rejected.append(ack)
            highest = max(ack, before, key=weight)  # of equals the newer
            self._acks[ack.stream] = replace(highest, resend=resend)

    def settle(self, now_ns: int) -> bool:
        """Bring the platform's words into the journal; True when it has something new.

        Raises:
            JournalError: The journal takes nothing; call again.
        """
        news = False
        self._follow_epoch()
        while self._acks:
            stream, ack = next(iter(self._acks.items()))
            self._outbox.heard(stream)
            if fork := self._fork(ack):
                self._leave(fork, now_ns)
            elif self._is_behind(ack):
                self._go_back(ack)
            elif self._outbox.is_plausible(stream, ack.upto):
                # The next events need not wait for the disk: what is lost of this in a crash is sent again.
                if ack.upto:
                    fault_point("delivery.acknowledged")
                    self._journal.acknowledge_soon(stream, ack.epoch, ack.upto)
                settled = self._outbox.acknowledged(stream, ack.upto, now_ns, resend=ack.resend)
                self.acknowledged += settled
                self.last_ack_ns = now_ns
                news = news or settled > 0
                if ack.conn == self._conn:  # an older one may have waited at the broker
                    self._heard.add(stream)
            del self._acks[stream]
        for ack in self._rejected:
            self._outbox.rejected(ack.stream, ack.refused, f"the platform: {ack.why}", now_ns)
        self._rejected.clear()
        self._park()
        return news

    def wants_anew(self) -> bool:
        """Whether the link is to be made anew, so that will, state and birth name a new epoch; told once."""
        wants, self._wants_anew = self._wants_anew, False
        return wants

    def _fork(self, ack: Ack) -> str:
        """How the platform's history differs from ours, or ""; only one that gives its hash can tell."""
        if not ack.digest or ack.upto == self._agreed.get(ack.stream):
            return ""
        if not self._outbox.is_plausible(ack.stream, ack.upto):
            return f"the platform has {ack.stream.value} {ack.upto}, which was never written here"
        sent = self._outbox.payload_of(ack.stream, ack.upto)
        ours = (
            self._journal.reader.digest_at(ack.stream, ack.upto)
            if sent is None
            else chained_digest(sent, ack.epoch)
        )
        if ours and ours != ack.digest:
            return f"the platform has another {ack.stream.value} {ack.upto} than was written here"
        self._agreed[ack.stream] = ack.upto
        return ""

    def _is_behind(self, ack: Ack) -> bool:
        """Whether the platform has less than it had acknowledged, as after a restored backup.

        Believed of who knows our connection, and says it as its first word there or because it has just come:
        any other lower number is merely late.
        """
        first_word = ack.resend or ack.stream not in self._heard
        return first_word and ack.conn == self._conn and ack.upto < self._outbox.acked(ack.stream)

    def _go_back(self, ack: Ack) -> None:
        """Send again what is still here; the birth certificate names where that begins."""
        acked = self._journal.go_back(ack.stream, ack.epoch, ack.upto)
        words = "the platform has %s %d only, and had acknowledged %d; again from %d on"
        log.warning(words, ack.stream.value, ack.upto, self._outbox.acked(ack.stream), acked + 1)
        self._outbox.go_back(ack.stream, acked)
        self._heard.add(ack.stream)

    def _leave(self, fork: str, now_ns: int) -> None:
        """Begin a new epoch, at most one in ten minutes, whatever the platform says."""
        if self._is_forking or (self._forked_ns is not None and now_ns - self._forked_ns < FORK_PAUSE_NS):
            log.debug("not settled: %s", fork)
            return
        self._journal.begin_epoch_soon(f"{fork}; what it has not acknowledged is sent again, in a new epoch")
        self._is_forking, self._forked_ns = True, now_ns

    def _follow_epoch(self) -> None:
        """Once the journal has begun a new epoch, begin behind what was acknowledged of the old one."""
        if self._epoch == self._journal.epoch:
            return
        wanted, written = self._journal.first_wanted(), self._journal.last_written()
        self._outbox = Outbox(self._window, wanted, written, self._outbox.drain_rate)
        self._epoch = self._journal.epoch
        self._acks.clear()
        self._rejected.clear()
        self._poison.clear()
        self._agreed.clear()
        self._is_forking, self._wants_anew = False, True

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
        if self._is_forking:
            return
        committed = set()
        while self._committed:
            committed.add(self._committed.popleft())
        self._outbox.wake(committed)
        for stream in self._outbox.overdue(now_ns):
            log.debug("the platform has not acknowledged %s; sending again", stream)
            self._look_for_damage(stream)
        # Each round sends something or learns that a stream has no more, so this ends.
        while demands := self._outbox.demands(now_ns):
            for demand in demands:
                rows = self._journal.pending(demand.stream, demand.after, demand.limit)
                self._outbox.fetched(demand, len(rows))
                for row in rows:
                    token = link.publish(self._topics.event(row.stream), row.payload)
                    self._outbox.sent(row, token, now_ns)
                    fault_point("delivery.sent")

    def see_out(
        self, link: MqttLink, clock: Clock, on_turn: Callable[[], None], all_told: Callable[[], bool]
    ) -> None:
        """At the end, bring what has been journaled to a platform that listens; hear nothing else of it.

        Once nobody will journal more it takes `SEE_OUT_NS` at most: what stays is sent the next time.
        """
        is_all, done_by_ns = False, clock.boot_ns() + LAST_WORDS_NS
        with suppress(JournalError):
            while not link.has_ended and (now_ns := clock.boot_ns()) < done_by_ns:
                if not is_all and all_told():
                    self._journal.flush()
                    is_all, done_by_ns = True, now_ns + SEE_OUT_NS
                self.settle(now_ns)
                if is_all and not any(self._journal.backlog().values()):
                    return
                self.send(link, now_ns)
                for event in link.poll(0.05):
                    match event:
                        case Delivered():
                            self.told(event, clock.boot_ns())
                        case Received() if event.topic == self._topics.ack and not event.retained:
                            self.hear(event.payload)
                            link.acknowledge(event)
                on_turn()

    def _look_for_damage(self, stream: Stream) -> None:
        """What the disk has damaged so that nobody can even name it would hold up its stream for ever."""
        for row in self._journal.pending(stream, 0, 1):
            try:
                from_wire(row.payload)
            except EnvelopeInvalid as error:
                self._poison.append((row, f"damaged on the disk: {error}"))

    def silent_s(self, now_ns: int) -> float:
        """Seconds for which events have been out while the platform acknowledged nothing; 0 when none are."""
        since_ns = self._outbox.waiting_since_ns
        return 0.0 if since_ns is None else (now_ns - since_ns) / NS_PER_S

"""The thread ``pictures``: what the camera read is kept as a picture, where consent and configuration allow.

The picture is the evidence crop of the very frame that was read; it comes with the decision. ``choose`` (in
the thread ``decide``) only hashes it and lays it aside, so the event can name it and nobody waits. When the
event is on the disk this thread seals the picture into the store; when the platform has acknowledged the
event, it may have the picture too. A picture whose event never comes is forgotten.

A face is kept only of whom it was recognised as, and only while that person's consent says so: who consents
is looked at before the choice, before writing, before each part that is sent, and whenever the roster
changes; what lost its consent is deleted with a receipt (PRIV-1).
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from edge.clock import NS_PER_S, Clock, ClockState
from edge.errors import JournalError
from edge.faults import fault_point
from edge.health import Alarms
from edge.pictures.choosing import Offers, rests_on, without_picture
from edge.pictures.sending import PictureSender
from edge.records import Decision, Event, EventDraft, JsonObject, Stream
from edge.settings import PictureSettings
from edge.store import Journal
from edge.store.media import Media
from edge.store.media_tables import KeptPicture
from edge.store.receipts import CONSENT_WITHDRAWN
from edge.sync.picture_upload import ack_topic, up_topic
from edge.sync.topics import Topics
from edge.worker import Worker

log = logging.getLogger(__name__)

TURN_S = 0.25
ROOM_NS = 30 * NS_PER_S
RETENTION_NS = 3600 * NS_PER_S
CALM_NS = 3600 * NS_PER_S
MOST_WRITTEN = 256
PLATFORM_ASKED = "asked by the platform"
SUBJECT = "pictures"
FAILED = "pictures.failed"
NOT_KEPT = "pictures.not_kept"
DAMAGED_FOUND = "pictures.damaged"
UNSENT_LOST = "pictures.unsent_lost"

Consents = Callable[[], Mapping[str, str]]
"""Who allows pictures of their face at passages, with "keep" or "send"."""
Witness = Callable[[str, str, Sequence[tuple[str, str]]], object]
"""Writes the receipt: person, why, and (name, SHA-256 of the sealed file) of each picture."""


class PictureDesk(Worker):
    """Keeps, sends and deletes pictures of passages.

    Thread: ``pictures``. ``choose`` in ``decide``; ``committed`` in ``journal``; ``offer``, ``connected`` and
    ``take_outgoing`` in ``uplink``; ``delete`` and ``numbers`` from any.
    """

    def __init__(
        self,
        settings: PictureSettings,
        media: Media,
        journal: Journal,
        clock: Clock,
        alarms: Alarms,
        *,
        topics: Topics,
        consents: Consents,
        witness: Witness,
        grounds: Callable[[], object] = lambda: None,
    ) -> None:
        """Take what is needed; nothing happens before ``start``.

        Args:
            settings: The section ``pictures`` of the file.
            media: The store; ours from now on.
            journal: Tells of events that are written, and of those that the platform has.
            clock: Boot time and UTC.
            alarms: Ours begin with ``pictures.``.
            topics: Of this box.
            consents: Asked in this thread.
            witness: Told of what was deleted because a consent is gone.
            grounds: Another object whenever consents may have changed.
        """
        super().__init__("pictures", clock, stalls_after_s=60.0)
        self._settings, self._media, self._journal, self._alarms = settings, media, journal, alarms
        self._ask_consents, self._witness = consents, witness
        self._ask_grounds, self._grounds = grounds, object()
        self._consents: Mapping[str, str] = {}
        self._offers = Offers()
        self._written: deque[Event] = deque(maxlen=MOST_WRITTEN)
        self._orders: deque[tuple[tuple[str, ...], Future[int]]] = deque()
        self._bell = threading.Event()
        self._answer_topic = ack_topic(topics)
        self._sender = PictureSender(media, journal, up_topic(topics), self._find_damage)
        self._room_ns = self._retention_ns = 0
        self._raised_ns: dict[str, int] = {}
        self._unsent_lost = 0
        self._numbers: JsonObject = {}
        self._is_tidy = False
        journal.on_commit(self.committed)

    # Other threads

    def choose(self, decision: Decision) -> Decision:
        """Lay the picture aside if it may be kept, and have the event name it; it goes no further itself."""
        person = rests_on(self._settings, decision, self._consents)
        if person is None:
            return without_picture(decision)
        return self._offers.put(decision, person, self.clock.boot_ns())

    def choosing(self, submit: Callable[[str, Decision], bool]) -> Callable[[str, Decision], bool]:
        """``submit`` with ``choose`` before it."""
        return lambda lane, decision: submit(lane, self.choose(decision))

    def committed(self, events: tuple[Event, ...]) -> None:
        """Events are on the disk."""
        for event in events:
            if event.stream is Stream.ACCESS and "picture" in event.data:
                self._written.append(event)
                self._bell.set()

    @property
    def on_outgoing(self) -> Callable[[], None]:
        """Called when there is a part to send."""
        return self._sender.on_outgoing

    @on_outgoing.setter
    def on_outgoing(self, wake: Callable[[], None]) -> None:
        self._sender.on_outgoing = wake

    def yield_to(self, in_flight: Callable[[], int]) -> None:
        """Wait while more than a few events are on the wire."""
        self._sender.in_flight = in_flight

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """What the uplink is to listen to for us."""
        return (self._answer_topic,) if self._settings.upload else ()

    def connected(self) -> None:
        """There is a new connection."""
        self._sender.reconnected()
        self._bell.set()

    def offer(self, topic: str, payload: bytes) -> bool:
        """Take an answer of the platform; False when the topic is not ours."""
        if topic not in self.subscriptions:
            return False
        self._sender.hear(payload)
        self._bell.set()
        return True

    def take_outgoing(self) -> list[tuple[str, bytes]]:
        """Parts to be published, by topic."""
        return self._sender.take_outgoing()

    def delete(self, sha256s: Sequence[str]) -> "Future[int]":
        """Have pictures deleted; the future says how many were here."""
        future: Future[int] = Future()
        self._orders.append((tuple(sha256s), future))
        self._bell.set()
        return future

    def numbers(self) -> JsonObject:
        """How many there are, for the platform's curves."""
        return self._numbers

    def stop(self) -> None:
        """Ask the thread to end."""
        super().stop()
        self._bell.set()

    def close(self) -> None:
        """End the thread and close the store."""
        super().close()
        self._media.close()

    # The thread

    def work(self) -> None:
        """Keep, send, delete; until stopped."""
        while not self.stopping.is_set():
            self._bell.wait(TURN_S)
            self._bell.clear()
            self.beat()
            try:
                self.turn()
                self._alarms.clear(FAILED, SUBJECT)
            except JournalError as error:
                self._alarms.set(FAILED, SUBJECT, f"{error}; no picture is kept or sent meanwhile")
                self.stopping.wait(1.0)
        while self._orders:
            self._orders.popleft()[1].cancel()

    def turn(self) -> None:
        """One round. Only in this thread, or a test.

        Raises:
            JournalError: The disk refuses.
        """
        now_ns = self.clock.boot_ns()
        if not self._is_tidy:
            self._tidy()
        self._follow_consents()
        while self._written:
            self._keep(self._written.popleft())
        self._offers.forget_old(now_ns)
        while self._orders:
            self._obey(*self._orders.popleft())
        self._clean(now_ns)
        if self._settings.upload:
            self._sender.turn(now_ns, self._consents)
        self._tell_deletions()

    def _tidy(self) -> None:
        """What a crash has left, and what the disk has lost."""
        if self._media.salvage is not None:
            self._find_damage(self._media.salvage.words)
        if lost := self._media.tidy():
            self._find_damage(f"{lost} pictures were gone or cut, and are removed; check the card")
        self._is_tidy = True

    def _follow_consents(self) -> None:
        grounds = self._ask_grounds()
        if grounds is self._grounds:
            return
        self._consents = dict(self._ask_consents())
        self._offers.keep_to(self._consents)
        for person in self._media.persons() - self._consents.keys():
            gone = self._media.sealed_of(person)
            if self._media.forget(person, CONSENT_WITHDRAWN):
                self._witness(person, CONSENT_WITHDRAWN, gone)
        self._grounds = grounds

    def _keep(self, event: Event) -> None:
        """Seal the picture of an event that is written."""
        fault_point("picture.journaled")
        sha256 = str(event.data["picture"]["sha256"])
        offer = self._offers.take(str(event.data["decision"]))
        if offer is None:
            log.warning("the picture %s was forgotten before its event was written", sha256[:12])
            return
        if offer.person and offer.person not in self._consents:
            return
        is_dated = self.clock.state() is not ClockState.UNSET
        picture = KeptPicture(
            sha256=sha256,
            size_bytes=len(offer.jpeg),
            kind=str(event.data["kind"]),
            lane=str(event.data["lane"]),
            camera=str(event.data["camera"]),
            verdict=str(event.data["verdict"]),
            person=offer.person,
            event=event.id,
            epoch=event.epoch,
            seq=event.seq,
            kept_utc_s=self.clock.utc_ns() // NS_PER_S if is_dated else 0,
        )
        try:
            why_not = self._media.put(picture, offer.jpeg)
        except JournalError as error:
            why_not = str(error)
        if why_not:
            self._raise(NOT_KEPT, f"a picture is not kept: {why_not}")
        else:
            self._sender.look_soon()
            self._alarms.clear(NOT_KEPT, SUBJECT)
        if self._settings.upload and self._media.unsent_lost > self._unsent_lost:
            self._raise(UNSENT_LOST, "pictures that the platform has not have made room for newer ones")
        self._unsent_lost = self._media.unsent_lost

    def _obey(self, sha256s: tuple[str, ...], future: "Future[int]") -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(self._media.remove(sha256s, PLATFORM_ASKED))
            except JournalError as error:
                future.set_exception(error)

    def _clean(self, now_ns: int) -> None:
        """What is too old goes, and what the journal needs the room of; what was wrong once is over."""
        if self.clock.state() is not ClockState.UNSET and now_ns >= self._retention_ns:
            self._retention_ns = now_ns + RETENTION_NS
            self._media.expire(self.clock.utc_ns() // NS_PER_S, round(self._settings.keep_days * 86_400))
        if now_ns >= self._room_ns:
            self._room_ns = now_ns + ROOM_NS
            self._media.give_way()
            self._numbers = self._media.numbers()
        for name, raised_ns in list(self._raised_ns.items()):
            if now_ns - raised_ns > CALM_NS:
                del self._raised_ns[name]
                self._alarms.clear(name, SUBJECT)

    def _tell_deletions(self) -> None:
        deletions = self._media.deletions()
        for deletion in deletions:
            data = {
                "why": deletion.why,
                "person": deletion.person or None,
                "count": len(deletion.sha256),
                "sha256": list(deletion.sha256),
            }
            self._journal.append(EventDraft(Stream.AUDIT, "pictures.deleted", SUBJECT, data))
        if deletions:
            self._journal.flush()
            self._media.drop_deletions(deletions)

    def _find_damage(self, words: str) -> None:
        self._raise(DAMAGED_FOUND, words)

    def _raise(self, name: str, detail: str) -> None:
        self._raised_ns[name] = self.clock.boot_ns()
        self._alarms.set(name, SUBJECT, detail)

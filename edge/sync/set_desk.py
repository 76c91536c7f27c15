"""The thread ``sets``: what the platform publishes for many boxes, kept as its manifests say.

The uplink hands over messages and takes questions; it never waits. Manifests, deltas and keys go before
chunks and buckets, and building is done in small steps, so that a revocation never queues behind a snapshot.
"""

import logging
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, JournalError
from edge.faults import fault_point
from edge.health import Alarms
from edge.records import JsonObject
from edge.settings import Settings
from edge.store.envelope import json_bytes
from edge.store.scope_sets import ScopeSets
from edge.store.scope_tables import Gone
from edge.store.sealing import device_key, public_bytes
from edge.store.sets import SetStore
from edge.store.vault import Vault
from edge.sync.set_documents import SetPlace
from edge.sync.set_fetcher import SnapshotFetcher, Wanted
from edge.sync.set_freshness import Freshness
from edge.sync.set_keeper import DAMAGED, SetKeeper
from edge.sync.set_questions import Surroundings
from edge.sync.set_topics import ScopeTopics, answer_topic, request_topic
from edge.sync.topics import Topics
from edge.worker import Worker

log = logging.getLogger(__name__)

PERMITS = "permits"
FOLDER = "snapshots"
TURN_S = 0.25
URGENT_LIMIT, BULK_LIMIT = 512, 64
STALE = "roster.stale"
_DISK_PAUSE_NS = 5 * NS_PER_S

Revoked = Callable[[str, tuple[str, ...]], None]
"""Told the set and the ids that are revoked as of now; must be quick."""


class SetDesk(Worker):
    """Keeps the sets of this box's scope.

    Thread: ``sets``. ``offer``, ``take_outgoing``, ``connected``, ``is_stale`` and ``info`` from any.
    """

    def __init__(
        self,
        settings: Settings,
        store: ScopeSets,
        local: SetStore,
        vault: Vault,
        keys: Mapping[str, Ed25519PublicKey],
        clock: Clock,
        alarms: Alarms,
        *,
        face_set: str,
        revoked: Revoked,
    ) -> None:
        """Take what is needed; nothing happens before ``start``.

        Args:
            settings: ``device``, ``sets`` and ``sync`` are read, once.
            store: What the platform has said.
            local: What was enrolled here; whoever is revoked leaves it too.
            vault: The device key, to which content keys are wrapped.
            keys: Whose signatures count.
            clock: Boot time and UTC.
            alarms: Ours are ``sets.damaged``, ``sets.refused`` and ``roster.stale``.
            face_set: Name of the set of faces that this box can use.
            revoked: Takes somebody out of what is decided with, in this thread, before anything else.

        Raises:
            UsageError: A name may not stand in a topic.
        """
        super().__init__("sets", clock, stalls_after_s=60.0)
        self.on_outgoing: Callable[[], None] = lambda: None
        self._store, self._local, self._alarms, self._revoked = store, local, alarms, revoked
        self._topics = Topics(settings.device.tenant, settings.device.id)
        self._face_set, self._stale_s = face_set, settings.sets.stale_after_h * 3600
        self._urgent: deque[tuple[SetKeeper, str, bytes]] = deque()
        self._bulk: deque[tuple[SetKeeper, bytes]] = deque()
        self._fetched: deque[tuple[Wanted, str]] = deque()
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._bell = threading.Event()
        self._is_new_connection = False
        self._purge_due = self._sweep_due = self._left_due = True
        self._pause_until_ns = 0
        ca_file = settings.sync.ca_file
        tls = partial(ssl.create_default_context, cafile=None if ca_file is None else str(ca_file))
        self._fetcher = SnapshotFetcher(clock, self._on_fetched, tls)
        key = device_key(vault)
        self.public_key = public_bytes(key)
        scope = settings.sets.scope or "none"
        names = {PERMITS: PERMITS, "faces": face_set}
        self._keepers: dict[str, SetKeeper] = {}
        self._routes: dict[str, tuple[SetKeeper, str]] = {}
        self._freshness: dict[str, Freshness] = {}
        for kind in settings.sets.take if settings.sets.scope else ():
            name = names[kind]
            topics = ScopeTopics(self._topics.tenant, scope, name)
            keeper = self._keepers[name] = SetKeeper(
                SetPlace(self._topics.tenant, scope, name),
                store,
                keys,
                clock,
                self._surroundings(name),
                audience=self._topics.audience,
                device_key=key,
                folder=settings.device.state_dir / FOLDER,
                by_http=settings.sets.snapshot == "http",
                limit_bytes=settings.sets.limit_mb << 20,
            )
            self._routes[topics.manifest] = keeper, "manifest"
            self._routes[topics.delta] = keeper, "delta"
            self._routes[answer_topic(self._topics, name)] = keeper, "answer"
            active = keeper.active
            self._freshness[name] = Freshness(
                active.issued_s if active else 0.0, (active.max_stale_s if active else 0) or self._stale_s
            )

    # Any thread

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """What the uplink is to listen to for us."""
        return tuple(self._routes)

    def connected(self) -> None:
        """There is a new connection; nothing of the old one will be answered."""
        self._outgoing.clear()
        self._is_new_connection = True
        self._bell.set()

    def offer(self, topic: str, payload: bytes) -> bool:
        """Take a message; False when its topic is not ours. Never blocks."""
        route = self._routes.get(topic)
        if route is None:
            return False
        keeper, kind = route
        if kind == "answer":
            if len(self._bulk) < BULK_LIMIT:
                self._bulk.append((keeper, payload))
        elif payload and len(self._urgent) < URGENT_LIMIT:
            self._urgent.append((keeper, kind, payload))
        self._bell.set()
        return True

    def take_outgoing(self) -> list[tuple[str, bytes]]:
        """Questions to be published, by topic; for the uplink, while it is connected."""
        taken = []
        while self._outgoing:
            taken.append(self._outgoing.popleft())
        return taken

    def is_stale(self) -> bool:
        """Whether a set of ours is too old, or its age is not known; False when we take none."""
        moment = self.clock.boot_ns(), self.clock.utc_ns(), self.clock.state()
        return any(freshness.is_stale(*moment) for freshness in self._freshness.values())

    def info(self) -> JsonObject:
        """For the birth certificate: revisions, and the key to which content keys are wrapped."""
        return {"revs": self._store.revs(), "key": self.public_key.hex()} if self._keepers else {}

    def stop(self) -> None:
        """Ask the thread to end."""
        super().stop()
        self._fetcher.stop()
        self._bell.set()

    def close(self) -> None:
        """End both threads."""
        super().close()
        self._fetcher.close()
        for keeper in self._keepers.values():
            keeper.close()

    def _on_fetched(self, wanted: Wanted, failure: str) -> None:
        self._fetched.append((wanted, failure))
        self._bell.set()

    # The thread

    def work(self) -> None:
        """Take what comes, build, ask; until stopped."""
        self._fetcher.start()
        while not self.stopping.is_set():
            busy = self._bulk or any(keeper.is_busy for keeper in self._keepers.values())
            if not busy:
                self._bell.wait(TURN_S)
            self._bell.clear()
            self.beat()
            try:
                self.turn()
            except JournalError as error:
                # Nothing counts that was not written; the manifest says later what is missing.
                for name in self._keepers:
                    self._alarms.set(DAMAGED, name, f"{error}; the set before stays")
                self.stopping.wait(1.0)

    def turn(self) -> None:
        """One round. Only in this thread, or a test.

        Raises:
            JournalError: The disk refuses.
        """
        if self._left_due:  # a crash may have come between
            for name in self._keepers:
                self._on_left(name, tuple(self._store.revoked(name)), ())
            self._left_due = False
        if self._is_new_connection:
            self._is_new_connection = False
            self._bulk.clear()
            for keeper in self._keepers.values():
                keeper.connected()
        while self._urgent:
            keeper, kind, payload = self._urgent.popleft()
            (keeper.on_delta if kind == "delta" else keeper.on_manifest)(payload)
        if self._bulk:
            keeper, payload = self._bulk.popleft()
            keeper.on_answer(payload)
        while self._fetched:
            wanted, failure = self._fetched.popleft()
            self._keepers[wanted.tag].fetched(wanted, failure)
        for keeper in self._keepers.values():
            keeper.step()
            keeper.tick()
        self._note_freshness()
        if not self._bulk and not self._urgent:
            self._clean()

    def _note_freshness(self) -> None:
        moment = self.clock.boot_ns(), self.clock.utc_ns(), self.clock.state()
        for name, keeper in self._keepers.items():
            freshness, active = self._freshness[name], keeper.active
            if active is not None:
                freshness.heard(active.issued_s, active.max_stale_s or self._stale_s, moment[0])
            if not freshness.is_stale(*moment):
                self._alarms.clear(STALE, name)
                continue
            age_s = freshness.age_s(*moment)
            age = "of unknown age" if age_s is None else f"{age_s / 3600:.1f} h old"
            self._alarms.set(STALE, name, f"the platform's set is {age}; lanes do as when_stale says")

    def _clean(self) -> None:
        """Delete what counts no more, a little at a time."""
        if self._sweep_due:
            building = [gen for keeper in self._keepers.values() for gen in keeper.building]
            self._sweep_due = self._store.sweep(building)
            if self._sweep_due:
                self._bell.set()
        elif self._purge_due and self.clock.boot_ns() >= self._pause_until_ns:
            try:
                self._store.purge()
                self._purge_due = False
            except JournalError as error:
                self._pause_until_ns = self.clock.boot_ns() + _DISK_PAUSE_NS
                log.debug("what was deleted from the sets is overwritten later: %s", error)

    def _surroundings(self, name: str) -> Surroundings:
        return Surroundings(
            ask=partial(self._ask, name),
            alarm=lambda alarm, detail: self._set_alarm(alarm, name, detail),
            clear=lambda alarm: self._clear_alarm(alarm, name),
            revoked=partial(self._revoked, name),
            left=partial(self._on_left, name),
            fetch=self._fetch,
        )

    def _set_alarm(self, alarm: str, name: str, detail: str) -> None:
        self._alarms.set(alarm, name, detail)

    def _clear_alarm(self, alarm: str, name: str) -> None:
        self._alarms.clear(alarm, name)

    def _fetch(self, wanted: Wanted) -> None:
        self._fetcher.want(wanted)

    def _ask(self, name: str, question: JsonObject) -> None:
        self._outgoing.append((request_topic(self._topics, name), json_bytes(question)))
        self.on_outgoing()

    def _on_left(self, name: str, ids: tuple[str, ...], _gone: tuple[Gone, ...]) -> None:
        """Whoever left the platform's set leaves this box: entries, templates and pictures made here too."""
        self._sweep_due = self._purge_due = True
        owed = self._store.owed(name)  # the other files are written after this one; a crash may come between
        if name == PERMITS:
            for person_id in dict.fromkeys((*ids, *(item.id for item in owed))):
                if self._local.person(person_id) is not None:
                    self._local.remove_person(person_id)
        elif owed:
            try:
                self._local.witness(name, [(item.id, item.sha256.hex(), item.rev) for item in owed])
            except EdgeError as error:
                log.error("set %s: receipts of deletion are written later: %s", name, error)
                return
        fault_point("sets.witnessed")
        if owed:
            self._store.witnessed(name, owed)

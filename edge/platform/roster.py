"""Publishes sets for many boxes: a manifest that proves, deltas that hurry, answers to who asks.

    publisher = SetPublisher(login, folder, clock, tenant="park")
    publisher.start()
    publisher.replace_permits("north", roster)          # or publish(...), publish_faces(...)

Deltas go out before the manifest that counts them, revocations before everything else. The manifest is signed
again every hour: its date is how a box knows that its roster is not stale.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.access import Person, Roster, person_from_json, person_to_json
from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, UsageError
from edge.jws import JwsError, decode_part, parse_object
from edge.platform.set_files import find_snapshot, write_snapshot
from edge.platform.set_table import NOTHING, Entry, SetTable
from edge.platform.signer import Signer
from edge.platform.steady_link import SteadyWorker
from edge.store.items import DEL
from edge.store.scope_layer import face_content
from edge.store.sealing import wrap
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import Login, ProtocolChoice, Received
from edge.sync.set_documents import (
    CHUNK_BYTES,
    Manifest,
    SetPlace,
    SetRefused,
    SnapshotFile,
    answer,
    batches,
    key_about,
    sign_deltas,
    sign_key,
    sign_manifest,
    whole_number,
)
from edge.sync.set_topics import ScopeTopics, answer_topic, parse_request, request_filter
from edge.sync.topics import Topics

log = logging.getLogger(__name__)

SETS_FILE, SNAPSHOTS_FOLDER = "sets.db", "snapshots"
PERMITS = "permits"
ISSUE_AGAIN_NS = 3600 * NS_PER_S
DELTA_LIMIT = 5000
"""More changes than this, and buckets or a snapshot are the better way."""
SNAPSHOT_FROM = 2000
"""Smaller sets need no snapshot: their buckets are small enough."""
SNAPSHOT_AGE = 0.1
"""A new snapshot is written when this share of the items has changed since."""
SNAPSHOT_BYTES_PER_S = 20e6
LONGEST_SPREAD_S = 6 * 3600
_PERMIT_FIELDS = ("valid_from", "valid_to", "zones", "id")


class SetPublisher(SteadyWorker):
    """The platform's thread for sets, with a connection of its own.

    Thread: ``set-publisher``; the public methods from any. Those that publish commit before they return.
    """

    def __init__(
        self,
        login: Login,
        folder: Path,
        clock: Clock,
        *,
        tenant: str,
        protocol: ProtocolChoice = "auto",
        url: str = "",
        max_stale_s: int = 0,
        bytes_per_s: float = SNAPSHOT_BYTES_PER_S,
        reconnect_max_s: float = 5.0,
    ) -> None:
        """Open the table and the key.

        Args:
            login: Broker and credentials; a client id of its own.
            folder: As of ``Counterpart``: keys; ``sets.db`` and ``snapshots`` are made here.
            clock: For dates.
            tenant: Whose boxes.
            protocol: Version of MQTT.
            url: Under which the folder ``snapshots`` is served, "" for only MQTT chunks.
            max_stale_s: After which boxes call the set stale; 0: as each box is configured.
            bytes_per_s: What may be spent on snapshots; many boxes fetch them one after the other.
            reconnect_max_s: Longest pause between two tries.

        Raises:
            JournalError: The table cannot be opened. SettingsError: There is no key.
        """
        super().__init__("set-publisher", login, clock, protocol, reconnect_max_s)
        self.signer = Signer.load(folder)
        self.table = SetTable(folder / SETS_FILE)
        self.snapshots = folder / SNAPSHOTS_FOLDER
        self.url = url.rstrip("/")
        self.tenant, self._max_stale_s, self._bytes_per_s = tenant, max_stale_s, bytes_per_s
        self._publishing = threading.Lock()
        self._to_publish: deque[tuple[str, bytes, bool]] = deque()
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._issue_at_ns = 0
        self._changed = threading.Event()

    # Any thread

    @property
    def is_online(self) -> bool:
        """True while connected to the broker."""
        return self._steady.online is not None

    def publish(
        self, scope: str, name: str, puts: Mapping[str, Entry] = NOTHING, deletions: Sequence[str] = ()
    ) -> int:
        """Change a set, and tell everybody; returns its revision.

        Raises:
            ItemInvalid: An id or a member cannot be used; nothing is changed.
            UsageError: A name may not stand in a topic.
        """
        topics = ScopeTopics(self.tenant, scope, name)
        with self._publishing:
            before = self._manifest(scope, name)
            items = self.table.commit(scope, name, puts, deletions, self._now_utc_s())
            if not items:
                return before.rev
            rev = items[0].rev
            # Whoever is revoked hurries, however many come besides; grants may wait for a snapshot.
            hurried = items if len(items) <= DELTA_LIMIT else [item for item in items if item.op == DEL]
            if hurried:
                sign = self.signer.sign_with
                for raw in sign(
                    lambda kid, key: sign_deltas(self._place(scope, name), rev, hurried, kid=kid, key=key)
                ):
                    self._to_publish.append((topics.delta, raw, False))
            self._refresh(scope, name, before, {item.bucket for item in items})
            self._to_publish.append((topics.manifest, self._manifests[scope, name].raw, True))
        self._waker.wake()
        return rev

    def replace_permits(self, scope: str, roster: Roster, name: str = PERMITS) -> int:
        """Make the set of permits what a roster says; returns its revision."""
        known = self.table.entries(scope, name)
        wanted = {person.id: permit_entry(person) for person in roster.persons.values()}
        puts = {
            item_id: entry
            for item_id, entry in wanted.items()
            if item_id not in known or not _says(known[item_id], entry)
        }
        return self.publish(scope, name, puts, [item_id for item_id in known if item_id not in wanted])

    def publish_faces(
        self,
        scope: str,
        name: str,
        faces: Mapping[str, tuple[Mapping[str, object], list[NDArray[np.float32]]]],
        deletions: Sequence[str] = (),
    ) -> int:
        """Put (consent, templates) of persons, sealed, into ``faces-<model>``; returns its revision.

        Raises:
            UsageError: The set is not one of faces.
        """
        if not name.startswith("faces-"):
            raise UsageError(f"{name!r} is no set of faces; name it faces-<model>")
        self.table.content_key(scope, name)
        puts = {
            person: Entry({}, secret=face_content(consent, templates))
            for person, (consent, templates) in faces.items()
        }
        return self.publish(scope, name, puts, deletions)

    def issue_again(self) -> None:
        """Sign every manifest anew: it is still so."""
        self._issue_at_ns = 0
        self._waker.wake()

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until the broker has everything; False when it has not in time."""
        until_ns = self.clock.boot_ns() + round(timeout_s * NS_PER_S)
        while self.clock.boot_ns() < until_ns:
            link = self._steady.online
            if link is not None and not self._to_publish and not link.outstanding:
                return True
            self._changed.wait(0.05)
        return False

    def close(self) -> None:
        """End the thread and close the table."""
        super().close()
        self.table.close()

    # The thread

    def _subscribe(self, link: MqttLink) -> None:
        link.subscribe((request_filter(self.tenant),))
        self._issue_at_ns = 0  # the broker may have lost what it retained

    def _turned(self) -> None:
        link, now_ns = self._steady.online, self.clock.boot_ns()
        if link is None:
            return
        while self._to_publish:
            topic, raw, retain = self._to_publish.popleft()
            link.publish(topic, raw, retain=retain)
        if now_ns >= self._issue_at_ns:
            self._issue_at_ns = now_ns + ISSUE_AGAIN_NS
            for scope, name in self.table.sets():
                with self._publishing:
                    self._refresh(scope, name, self._manifest(scope, name), set())
                    manifest = self._manifests[scope, name]
                if manifest.rev:
                    topic = ScopeTopics(self.tenant, scope, name).manifest
                    link.publish(topic, manifest.raw, retain=True)

    def _take(self, link: MqttLink, message: Received) -> None:
        asked = parse_request(message.topic)
        if asked is None or len(message.payload) > 2048:
            return
        topics, name = asked
        try:
            question = parse_object(message.payload)
        except JwsError as error:
            log.warning("%s asks nonsense: %s", topics.audience, error)
            return
        for payload in self.answers(topics, name, question):
            link.publish(answer_topic(topics, name), payload)

    def answers(self, topics: Topics, name: str, question: Mapping[str, object]) -> list[bytes]:
        """What a box that asks is told. Only in this thread, or a test."""
        header = {"id": str(question.get("id"))[:64], "ask": str(question.get("ask"))[:16]}
        try:
            answers = self._answers(topics, name, question)
        except (EdgeError, OSError) as error:
            log.warning("%s: set %s: %s", topics.audience, name, error)
            answers = [({"error": str(error)[:200]}, b"")]
        return [answer({**header, **more}, content) for more, content in answers]

    def _answers(
        self, topics: Topics, name: str, question: Mapping[str, object]
    ) -> list[tuple[dict[str, object], bytes]]:
        scope = str(question.get("scope"))
        with self._publishing:
            manifest = self._manifest(scope, name)
        if manifest.rev == 0:
            raise SetRefused(f"there is no set {name} of scope {scope}")
        self.table.heard(scope, topics.audience, self._now_utc_s())
        match question.get("ask"):
            case "manifest":
                return [({}, manifest.raw)]
            case "delta":
                items = self.table.since(scope, name, whole_number(question, "from"), DELTA_LIMIT)
                if items is None:
                    raise SetRefused("more has changed since than a delta can say")
                changed = items
                raws = self.signer.sign_with(
                    lambda kid, key: sign_deltas(manifest.place, manifest.rev, changed, kid=kid, key=key)
                )
                return [({"part": i, "parts": len(raws)}, raw) for i, raw in enumerate(raws)]
            case "bucket":
                items = self.table.bucket(scope, name, whole_number(question, "bucket"))
                parts = batches(items)
                return [
                    (
                        {"rev": manifest.rev, "part": i, "parts": len(parts)},
                        b"\n".join(item.line() for item in part),
                    )
                    for i, part in enumerate(parts)
                ]
            case "chunk":
                return [({}, self._chunk(scope, name, manifest, question))]
            case "key":
                return [({}, self._wrapped_key(topics, scope, name, question))]
        raise SetRefused(f"no answer to {question.get('ask')!r}")

    def _chunk(self, scope: str, name: str, manifest: Manifest, question: Mapping[str, object]) -> bytes:
        snapshot = manifest.snapshot
        if snapshot is None or question.get("sha256") != snapshot.sha256:
            raise SetRefused("that snapshot is no longer here")
        with find_snapshot(self.snapshots, scope, name, snapshot.rev).open("rb") as file:
            file.seek(whole_number(question, "chunk") * snapshot.chunk_bytes)
            return file.read(snapshot.chunk_bytes)

    def _wrapped_key(self, topics: Topics, scope: str, name: str, question: Mapping[str, object]) -> bytes:
        try:
            public = decode_part(str(question.get("public")).encode())
        except JwsError as error:
            raise SetRefused(f"public is {error}") from None
        self.table.trust(topics.audience, public)
        key_id, key = self.table.content_key(scope, name)
        place = self._place(scope, name)
        wrapped = wrap(key, public, key_about(place, topics.audience, key_id))
        return self.signer.sign_with(
            lambda kid, by: sign_key(place, topics.audience, key_id, wrapped, kid=kid, key=by)
        )

    # Manifests; the caller holds the lock

    def _now_utc_s(self) -> int:
        return self.clock.utc_ns() // NS_PER_S

    def _place(self, scope: str, name: str) -> SetPlace:
        return SetPlace(self.tenant, scope, name)

    def _manifest(self, scope: str, name: str) -> Manifest:
        known = self._manifests.get((scope, name))
        if known is None or known.rev != self.table.row(scope, name).rev:  # another process has published
            digests, count = self.table.digests(scope, name)
            empty = Manifest(self._place(scope, name), 0, count, digests)
            self._refresh(scope, name, empty, set())
        return self._manifests[scope, name]

    def _refresh(self, scope: str, name: str, before: Manifest, buckets: set[int]) -> None:
        """Bring the manifest up to the table, given which buckets have changed since ``before``."""
        digests = list(before.digests)
        for bucket in buckets:
            digests[bucket] = self.table.digest(scope, name, bucket)
        row = self.table.row(scope, name)
        count = self.table.count(scope, name)
        if row.rev and count >= SNAPSHOT_FROM and self._wants_snapshot(scope, name, row.snap_rev, count):
            _, size, sha256 = write_snapshot(
                self.snapshots, scope, name, row.rev, self.table.items(scope, name)
            )
            now_utc_s = self._now_utc_s()
            boxes = self.table.askers(scope, now_utc_s)
            spread_s = min(LONGEST_SPREAD_S, round(max(0, boxes - 1) * size / self._bytes_per_s))
            self.table.note_snapshot(
                scope, name, row.rev, size, sha256, now_utc_s=now_utc_s, spread_s=spread_s
            )
            row = self.table.row(scope, name)
        snapshot = None
        if row.snap_rev:
            url = f"{self.url}/{scope}.{name}.{row.snap_rev}.set" if self.url else ""
            size, sha256, spread_s = row.snap_size, row.snap_sha256, row.snap_spread_s
            snapshot = SnapshotFile(row.snap_rev, size, sha256, CHUNK_BYTES, url, row.snap_utc_s, spread_s)
        manifest = Manifest(
            self._place(scope, name),
            row.rev,
            count,
            tuple(digests),
            key_id=row.key_id,
            snapshot=snapshot,
            min_delta_rev=row.min_delta_rev,
            issued_s=round(self.clock.utc_ns() / NS_PER_S, 3),
            max_stale_s=self._max_stale_s,
        )
        self._manifests[scope, name] = self.signer.sign_with(
            lambda kid, key: sign_manifest(manifest, kid=kid, key=key)
        )

    def _wants_snapshot(self, scope: str, name: str, snap_rev: int, count: int) -> bool:
        if not snap_rev or not find_snapshot(self.snapshots, scope, name, snap_rev).is_file():
            return True
        return self.table.changed_since(scope, name, snap_rev) > count * SNAPSHOT_AGE


def permit_entry(person: Person) -> Entry:
    """A person of a roster as an entry of the set of permits."""
    document = person_to_json(person_from_json(person_to_json(person)))
    body = {field: value for field, value in document.items() if field not in _PERMIT_FIELDS}
    return Entry(body, person.valid_from_utc_s, person.valid_to_utc_s, person.zones)


def _says(members: Mapping[str, object], entry: Entry) -> bool:
    mine = (entry.body, entry.valid_from, entry.valid_to, list(entry.zones))
    return mine == tuple(members[name] for name in ("body", "valid_from", "valid_to", "zones"))

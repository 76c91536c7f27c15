"""What the platform publishes, laid over what was enrolled on the box: one roster, one set of templates.

About an id that the platform names, the platform has the last word, put or revoked; others stay as they are.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from edge.access.consent import consent_from_json
from edge.access.roster import Person, Roster, person_from_json, with_changes
from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, JournalError, VaultError
from edge.store.faces import Template
from edge.store.items import members_of
from edge.store.scope_sets import ScopeSets
from edge.store.sealing import ContentKey
from edge.store.set_snapshot import SetSnapshot

log = logging.getLogger(__name__)

MOST_DIMENSIONS = 4096
HEADER_BYTES = 4096


class ScopeLayer:
    """Lays the platform's sets over a snapshot. Thread: one at a time, except ``has_changed``."""

    def __init__(self, store: ScopeSets, clock: Clock, *, permits: str, faces: str) -> None:
        """Take what is needed.

        Args:
            store: The platform's sets.
            clock: A consent cannot come from the future.
            permits: Name of the set of permits, "" for none.
            faces: The same for faces.
        """
        self._store, self._clock = store, clock
        self._permits_name, self._faces_name = permits, faces
        # Reading a hundred thousand persons takes seconds; what did not change is the same as before.
        self._persons: dict[str, Person] = {}
        self._named: set[str] = set()
        self._merged: tuple[Roster, Roster] | None = None
        self._local_rev = -1
        self.unusable = 0
        self.faces_are_new = True
        self._passages: tuple[frozenset[str], Mapping[str, str]] = (frozenset(), {})
        for name in filter(None, (permits, faces)):
            store.changed_all(name)

    @property
    def permits(self) -> str:
        """Name of the set of permits."""
        return self._permits_name

    @property
    def faces(self) -> str:
        """Name of the set of faces."""
        return self._faces_name

    def has_changed(self) -> bool:
        """Whether the platform's sets have changed since ``over``."""
        return self._store.has_changed()

    def passage_consents(self, local: Mapping[str, str]) -> dict[str, str]:
        """Who allows pictures of passages: about whom the platform names, its word counts. Any thread."""
        named, allowed = self._passages
        return {person: word for person, word in local.items() if person not in named} | dict(allowed)

    def revs(self) -> Mapping[str, int]:
        """Revision of each set that is laid; one that has not come is left out."""
        stored = self._store.revs()
        names = filter(None, (self._permits_name, self._faces_name))
        return MappingProxyType({name: rev for name in names if (rev := stored.get(name, 0))})

    def over(self, snapshot: SetSnapshot) -> SetSnapshot:
        """The same snapshot with the platform's sets laid over it.

        Where no face has changed since the last time, ``faces_are_new`` is False and the platform's are not
        read again.

        Raises:
            JournalError: They cannot be read; the next try reads all.
        """
        self.unusable = 0
        roster, templates = snapshot.roster, snapshot.templates
        # Read before the items: should a revision come in between, the next load, soon, names it.
        revs = self.revs()
        try:
            if self._permits_name:
                roster = self._lay_permits(roster, self._store.take_changed(self._permits_name))
            if self._faces_name:
                changed = self._store.take_changed(self._faces_name)
                self.faces_are_new = changed is None or bool(changed) or snapshot.rev != self._local_rev
                if self.faces_are_new:
                    templates = self._lay_faces(templates)
        except JournalError:
            for name in filter(None, (self._permits_name, self._faces_name)):
                self._store.changed_all(name)
            raise
        self._local_rev = snapshot.rev
        if self.unusable:
            log.error("%d items of the platform cannot be used and are left out", self.unusable)
        return replace(
            snapshot,
            roster=replace(roster, set_revs=revs),
            templates=templates,
            unreadable=snapshot.unreadable + self.unusable,
        )

    def _lay_permits(self, local: Roster, changed: frozenset[str] | None) -> Roster:
        name, before = self._permits_name, self._merged
        if changed is None:
            index = self._store.index(name)
            self._named = set(self._store.named(name))
            self._persons = {}
            for item_id, rev, doc in self._store.docs(name):
                if index.get(item_id) == rev:
                    self._take(item_id, doc)
        else:
            for item_id, _, doc, is_named in self._store.standing(name, changed):
                self._persons.pop(item_id, None)
                (self._named.add if is_named else self._named.discard)(item_id)
                if doc:
                    self._take(item_id, doc)
        if changed is None or before is None or local.rev != before[0].rev:
            mine = [person for person in local.persons.values() if person.id not in self._named]
            merged = Roster.of(local.rev, [*mine, *self._persons.values()], local.deny)
        else:
            come = [self._persons[i] for i in changed if i in self._persons]
            come += [local.persons[i] for i in changed if i in local.persons and i not in self._named]
            merged = with_changes(before[1], changed, come)
        self._merged = (local, merged)
        return merged

    def _take(self, item_id: str, doc: bytes) -> None:
        try:
            self._persons[item_id] = _person(doc)
        except EdgeError as error:
            self.unusable += 1
            log.debug("a permit is left out: %s", error)

    def _lay_faces(
        self, templates: Mapping[str, tuple[tuple[str, Template], ...]]
    ) -> Mapping[str, tuple[tuple[str, Template], ...]]:
        name = self._faces_name
        said = self._store.named(name)
        mine = [pair for pair in templates.get(name, ()) if pair[0] not in said]
        passages: dict[str, str] = {}
        published = self._read_faces(passages)
        self._passages = (frozenset(said), passages)
        return MappingProxyType({**templates, name: (*mine, *published)})

    def _read_faces(self, passages: dict[str, str]) -> list[tuple[str, Template]]:
        name = self._faces_name
        index = self._store.index(name)
        keys: dict[str, ContentKey | None] = {}
        now_utc_s = self._clock.utc_ns() // NS_PER_S
        pairs: list[tuple[str, Template]] = []
        for item_id, rev, doc in self._store.docs(name):
            if index.get(item_id) != rev:
                continue
            body = members_of(doc)["body"]
            key_id = str(body.get("key_id", ""))
            if key_id not in keys:
                keys[key_id] = self._store.content_key(name, key_id)
            key = keys[key_id]
            try:
                if key is None:
                    raise VaultError(f"the key {key_id!r} has not come yet")
                plain = key.open(body, name, item_id, rev)
                pairs += [(item_id, template) for template in read_face(plain, item_id, now_utc_s, passages)]
            except EdgeError as error:
                self.unusable += 1
                log.debug("a face is left out: %s", error)
        return pairs


def face_content(consent: Mapping[str, object], templates: list[Template]) -> bytes:
    """Content of a face's body: a line of JSON with the consent, then little-endian float32 numbers."""
    header = {"consent": dict(consent), "dimensions": int(templates[0].shape[0])}
    rows = b"".join(np.ascontiguousarray(template, "<f4").tobytes() for template in templates)
    return json.dumps(header, ensure_ascii=False).encode() + b"\n" + rows


def read_face(
    plain: bytearray, person_id: str, now_utc_s: int, passages: dict[str, str] | None = None
) -> list[Template]:
    """Templates of a face whose consent is complete; they share the buffer, so wiping them wipes it.

    Args:
        plain: What ``face_content`` made.
        person_id: Whose.
        now_utc_s: Now; a consent cannot come from the future.
        passages: Is told what the consent says about pictures of passages, unless that is "no".

    Raises:
        ConsentMissing: The consent does not say all that it must.
        VaultError: The content is not what ``face_content`` makes.
    """
    end = plain.find(b"\n", 0, HEADER_BYTES)
    try:
        header = json.loads(plain[:end]) if end > 0 else None
    except ValueError:
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("consent"), dict):
        raise VaultError(f"the face of {person_id!r} has no readable header")
    dimensions = header.get("dimensions")
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise VaultError(f"the face of {person_id!r} has {dimensions!r} dimensions")
    consent = consent_from_json(header["consent"], person_id, now_utc_s)
    rows = memoryview(plain)[end + 1 :]
    if not rows or len(rows) % (4 * dimensions):
        raise VaultError(f"the face of {person_id!r} has {len(rows)} bytes of numbers")
    numbers = np.frombuffer(rows, "<f4").reshape(-1, dimensions)
    if not np.isfinite(numbers).all():
        raise VaultError(f"the face of {person_id!r} has numbers that are not finite")
    if passages is not None and consent.passage_pictures != "no":
        passages[person_id] = consent.passage_pictures
    return list(numbers)


def _person(doc: bytes) -> Person:
    members = members_of(doc)
    document = {**members["body"], "id": members["id"], "zones": members["zones"]}
    for name in ("valid_from", "valid_to"):
        if members[name] is not None:
            document[name] = members[name]
    # The platform's publisher has written the plates in their one form; another form matches nobody.
    return person_from_json(document, plates_are_checked=True)

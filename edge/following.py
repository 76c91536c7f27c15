"""What is decided with follows what is stored: roster, gallery and rule, brought up to date person by person.

Building a large gallery and its rule takes seconds, so persons who are new or gone are added and removed, and
somebody who is gone is gone before the rule is made anew. Templates read from the disk are overwritten as
soon as the gallery has them; the gallery overwrites its own when the last reader lets go of it.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.access import without
from edge.known import FaceRules, Known
from edge.records import EventDraft, Stream
from edge.settings import DecisionSettings, LaneSettings
from edge.store import Journal, ScopeLayer, SetStore
from models.face import Asked, Gallery
from models.face.distances import EXACT, PairDistances

log = logging.getLogger(__name__)

MOST_STEPS = 200
"""More persons than this at once, and more than a fiftieth of all, are quicker done by building anew."""

Pairs = Iterable[tuple[str, NDArray[np.float32]]]


class LiveGallery:
    """One gallery that is exchanged for another as templates come and go.

    Thread: one at a time.
    """

    def __init__(self, set_name: str) -> None:
        self.set_name = set_name
        self._marks: dict[str, bytes] = {}
        self._gallery = Gallery.build(set_name, ())
        self._built_size = 0

    @property
    def gallery(self) -> Gallery:
        """As ``follow`` has left it."""
        return self._gallery

    def follow(self, pairs: Pairs) -> tuple[Gallery, bool]:
        """Bring the gallery up to these (person, template) pairs.

        Returns:
            The gallery, the same as before if nothing has changed, and whether somebody's template is gone.
        """
        by_person: dict[str, list[NDArray[np.float32]]] = {}
        for person, template in pairs:
            by_person.setdefault(person, []).append(template)
        marks = {person: _mark(templates) for person, templates in by_person.items()}
        gone = [person for person in self._marks if person not in marks]
        fresh = [person for person, mark in marks.items() if self._marks.get(person) != mark]
        has_lost = bool(gone) or any(person in self._marks for person in fresh)
        self._marks = marks
        size = sum(len(templates) for templates in by_person.values())
        if (
            len(gone) + len(fresh) > min(MOST_STEPS, 20 + len(marks) // 50)
            or size > 2 * self._built_size + 100
        ):
            # Also when it has outgrown the axes that it was built for.
            everything = ((person, template) for person in by_person for template in by_person[person])
            self._gallery, self._built_size = Gallery.build(self.set_name, everything), size
            return self._gallery, has_lost
        for person in gone:
            self._gallery = self._gallery.without_person(person)
        for person in fresh:
            self._gallery = self._gallery.with_person(person, by_person[person])
        return self._gallery, has_lost


class Follower:
    """Reads the sets and gives what is decided with; tells the journal what happened to them.

    Thread: any; a lock keeps two apart.
    """

    def __init__(
        self,
        sets: SetStore,
        journal: Journal,
        set_name: str,
        pairs: PairDistances = EXACT,
        layer: ScopeLayer | None = None,
    ) -> None:
        """Take what is needed.

        Args:
            sets: Roster and templates on the disk.
            journal: Is told of every load, and of every note left in the sets.
            set_name: ``faces-<model>`` of the configured embedder; other sets are never looked at.
            pairs: What is known of distances between its templates.
            layer: What the platform publishes, to be laid over it.
        """
        self._layer = layer
        self._swapping = threading.Lock()
        self._revoked: list[tuple[bool, frozenset[str]]] = []
        self._sets, self._journal, self.set_name = sets, journal, set_name
        self._lock = threading.Lock()
        self._live = LiveGallery(set_name)
        self._rules = FaceRules(pairs)
        self._known: Known | None = None
        self._may_have_notes = True

    @property
    def known(self) -> Known:
        """What was loaded last; ``load`` was called before."""
        if self._known is None:
            raise AssertionError("nothing was loaded yet")
        return self._known

    def load(
        self,
        decision: DecisionSettings,
        swap: Callable[[Known], None] = lambda _known: None,
        lanes: Mapping[str, LaneSettings] = MappingProxyType({}),
    ) -> Known:
        """Read everything as it is now and hand it over.

        Args:
            decision: How the rules are made.
            lanes: Which may have rules of their own.
            swap: Takes over what is decided with from now on. Called at once when somebody is gone, with the
                rule as it was, and when all is done.

        Raises:
            JournalError: The sets cannot be read; what was loaded last stays.
        """
        with self._lock:
            with self._swapping:
                seen = len(self._revoked)
            snapshot = self._sets.snapshot()
            if self._layer is not None:
                snapshot = self._layer.over(snapshot)
            pairs = snapshot.templates.get(self.set_name, ())
            if self._layer is not None and not self._layer.faces_are_new and self._known is not None:
                gallery, has_lost = self._live.gallery, False
            else:
                gallery, has_lost = self._live.follow(pairs)
            snapshot.wipe()
            roster, size = snapshot.roster, gallery.size
            if has_lost and self._known is not None:
                before = self._known
                known = Known(roster, gallery, before.rule, snapshot.pins, before.lane_rules)
                self._take_over(known, swap, seen)
            rule = self._rules.rule_for(gallery, decision)
            lane_rules = self._rules.lane_rules(gallery, roster, decision, lanes)
            self._take_over(Known(roster, gallery, rule, snapshot.pins, lane_rules), swap, seen)
            with self._swapping:
                del self._revoked[:seen]
            self._may_have_notes = True
        log.info("roster %d: %d persons, %d face templates", roster.rev, len(roster.persons), size)
        if gallery.names and decision.face_distance is None:
            for lane, made in (("", rule), *lane_rules.items()):
                log.info("faces%s: %s %s", f" at {lane}" if lane else "", *made.sentence())
        data: dict[str, Any] = {"rev": roster.rev, "persons": len(roster.persons), "templates": size}
        data["faces"] = self.known.expected()
        if self._layer is not None:
            data["sets"] = dict(roster.set_revs)
        self._journal.append(EventDraft(Stream.AUDIT, "roster.loaded", "roster", data))
        return self.known

    def has_changed(self) -> bool:
        """Whether anything that ``load`` reads has changed since."""
        return self._sets.has_changed() or (self._layer is not None and self._layer.has_changed())

    def revoke(self, set_name: str, ids: Iterable[str], swap: Callable[[Known], None]) -> None:
        """Take persons, or their faces, out of what is decided with, at once; the store knows already.

        Never waits for a ``load`` that is under way: what that hands over is cut in the same way.

        Args:
            set_name: ``faces-<model>``: only their faces go; else they go as persons.
            ids: Whose.
            swap: Takes over what is decided with from now on.
        """
        revoked = (set_name.startswith("faces-"), frozenset(ids))
        with self._swapping:
            self._revoked.append(revoked)
            before = self._known
            if before is not None:
                self._known = _cut(before, [revoked])
                if self._known is not before:
                    swap(self._known)

    def asked(self) -> Asked:
        """What the gallery that is decided with says to strangers."""
        with self._lock:
            return self._rules.asked(self.known.gallery)

    def tell_journal(self) -> None:
        """Journal the notes that changes of the sets have left; a few at a time, until there are none.

        Raises:
            JournalError: They stay and are told later. After a crash one may be told twice, under one id.
        """
        if not self._may_have_notes:
            return
        notes = self._sets.notes()
        for note in notes:
            command = note.data.get("command")
            chain = (str(command), note.id) if command else (note.id,)
            self._journal.append(EventDraft(Stream.AUDIT, note.type, note.subject, note.data, chain))
        if notes:
            self._journal.flush()
            self._sets.drop_notes(notes)
        self._may_have_notes = bool(notes)

    def _take_over(self, known: Known, swap: Callable[[Known], None], seen: int) -> None:
        with self._swapping:
            self._known = _cut(known, self._revoked[seen:])
            swap(self._known)


def _cut(known: Known, revocations: Iterable[tuple[bool, frozenset[str]]]) -> Known:
    """What is left when some persons, or only their faces, are gone."""
    for faces_only, ids in revocations:
        if faces_only:
            gallery = known.gallery
            for person in ids & gallery.persons:
                gallery = gallery.without_person(person)
            known = replace(known, gallery=gallery) if gallery is not known.gallery else known
        else:
            roster = without(known.roster, ids)
            known = replace(known, roster=roster) if roster is not known.roster else known
    return known


def _mark(templates: Iterable[NDArray[np.float32]]) -> bytes:
    """Changes whenever a template of this person does; takes no copy of any."""
    mark = blake2b(digest_size=16)
    for template in templates:
        mark.update(np.ascontiguousarray(template).view(np.uint8).data)
    return mark.digest()

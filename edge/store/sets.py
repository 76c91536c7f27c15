"""``sets.db``: the roster and the face templates, shared by the daemon and the command line.

Templates are sealed by the vault before they reach SQLite; a person without a recorded consent has none.
Every change is one transaction and one step of the revision. Both processes may write (SQLite's lock keeps
them apart); the daemon asks ``has_changed`` now and then, which costs microseconds, and swaps a new snapshot.
Only the daemon may write the journal, so what the journal should know is left as a note in the transaction.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from edge.access.consent import Consent
from edge.access.roster import DenyEntry, DenyKind, Person, Roster, person_from_json, person_to_json
from edge.errors import UsageError
from edge.records import JsonObject
from edge.store.faces import WITHDRAWN, Template
from edge.store.receipts import (
    CONSENT_WITHDRAWN,
    PERSON_REMOVED,
    PLATFORM_REVOKED,
    ROSTER_REPLACED,
    receipt_to_json,
    write_receipt,
)
from edge.store.set_reading import SetReader
from edge.store.set_tables import Note, Receipt

ENROLLED, REEMBEDDED = "face.enrolled", "face.reembedded"
"""Types of the notes, and of the audit events that they become."""


class SetStore(SetReader):
    """The one door to ``sets.db``: ``SetReader``, and every change.

    Thread: any; a lock of this object keeps them apart, and SQLite's the processes.
    """

    # Writing: each returns the new revision, or what the deletion left as proof

    def put_person(self, person: Person) -> int:
        """Add a person or replace their entry; consent and templates stay as they are.

        Raises:
            UsageError: The record breaks a rule of the roster (an id, a plate, a date).
        """
        with self._changing() as rev:
            self._put(person)
        return rev

    def remove_person(self, person_id: str) -> Receipt | None:
        """Remove a person with consent and templates; None when there is no such person."""
        try:
            with self._changing() as rev:
                self._known(person_id)
                receipt, pictures = self._erase(person_id, PERSON_REMOVED, rev)
                self._database.execute("DELETE FROM persons WHERE id = ?", (person_id,))
        except UsageError:
            return None
        self._clean_up(pictures, [receipt])
        return receipt

    def put_pin(self, person_id: str, pin: str) -> int:
        """Set a person's PIN; only its digest is kept, sealed.

        Raises:
            UsageError: There is no such person, or the PIN is not good enough.
        """
        with self._changing() as rev:
            self._known(person_id)
            self._pins.put(person_id, pin)
        return rev

    def remove_pin(self, person_id: str) -> bool:
        """Delete a person's PIN; False when there was none."""
        with self._changing():
            return self._pins.remove(person_id)

    def put_deny(self, entry: DenyEntry) -> int:
        """Add or replace a deny entry."""
        with self._changing() as rev:
            self._database.execute(
                "INSERT OR REPLACE INTO deny VALUES (?, ?, ?)", (entry.kind.value, entry.value, entry.reason)
            )
        return rev

    def remove_deny(self, kind: DenyKind, value: str) -> bool:
        """Remove a deny entry; False when there is none."""
        with self._changing():
            self._database.execute("DELETE FROM deny WHERE kind = ? AND value = ?", (kind.value, value))
            return self._database.changes() == 1

    def replace_roster(self, roster: Roster) -> tuple[Receipt, ...]:
        """Make persons and deny list what a document says, whole; templates of who stays are kept.

        The revision becomes the document's, or one more than now if that is higher.

        Returns:
            Receipts of the persons who are gone.
        """
        with self._changing(roster.rev) as rev:
            before = [str(row[0]) for row in self._database.execute("SELECT id FROM persons ORDER BY id")]
            gone = [person_id for person_id in before if person_id not in roster.persons]
            erased = [self._erase(person_id, ROSTER_REPLACED, rev) for person_id in gone]
            for person_id in gone:
                self._database.execute("DELETE FROM persons WHERE id = ?", (person_id,))
            for person in roster.persons.values():
                self._put(person)
            self._database.execute("DELETE FROM deny")
            for entry in roster.deny:
                self._database.execute(
                    "INSERT INTO deny VALUES (?, ?, ?)", (entry.kind.value, entry.value, entry.reason)
                )
        receipts = tuple(receipt for receipt, _ in erased)
        self._clean_up([picture for _, pictures in erased for picture in pictures], receipts)
        return receipts

    def put_consent(self, person_id: str, consent: Consent) -> int:
        """Record that a person consents to be recognised by face; a later consent replaces the earlier.

        Raises:
            UsageError: There is no such person.
            ConsentMissing: The consent does not say who, which text, where, or a child's guardian.
        """
        with self._changing() as rev:
            self._known(person_id)
            self._faces.put_consent(person_id, consent)
        return rev

    def enrol(
        self,
        person_id: str,
        consent: Consent,
        set_name: str,
        templates: Sequence[Template],
        *,
        person: Person | None = None,
        pictures: Sequence[bytes] = (),
        note: JsonObject = MappingProxyType({}),
    ) -> int:
        """Record consent, templates and kept pictures of a person: all of it, or nothing.

        Args:
            person_id: Of somebody on the roster, unless ``person`` is given.
            consent: Takes the place of an earlier one.
            set_name: ``faces-<model>``; earlier templates of this set are replaced.
            templates: (dimensions,) float32 each.
            person: Put on the roster, or in place of their entry, first.
            pictures: As handed in; kept only if the consent allows it. Earlier ones are deleted in any case.
            note: What the journal is told besides person, set and counts; no name, no template, no picture.

        Raises:
            UsageError: No such person, a wrong record, or a template that is not finite.
            ConsentMissing: The consent does not say all it must.
        """
        kept = pictures if consent.keep_pictures else ()
        with self._changing() as rev:
            if person is not None:
                self._put(person)
            self._known(person_id)
            self._faces.put_consent(person_id, consent)
            self._faces.put_templates(person_id, set_name, templates)
            earlier = self._faces.put_pictures(person_id, kept)
            data = {"set": set_name, "templates": len(templates), "pictures_kept": len(kept), **note}
            self._faces.add_note(ENROLLED, person_id, data)
        self._clean_up(earlier)
        return rev

    def withdraw_consent(self, person_id: str) -> Receipt:
        """Take a consent back: templates and pictures are gone when this returns; see the receipt (PRIV-1).

        Raises:
            UsageError: There is no such person.
        """
        with self._changing() as rev:
            self._known(person_id)
            receipt, pictures = self._erase(person_id, CONSENT_WITHDRAWN, rev)
        self._clean_up(pictures, [receipt])
        return receipt

    def put_templates(self, person_id: str, set_name: str, templates: Sequence[Template]) -> int:
        """Replace a person's templates of one model; consent and pictures stay as they are.

        Args:
            person_id: Of somebody in the roster with a recorded consent.
            set_name: ``faces-<model>``; templates of another model are another set.
            templates: (dimensions,) float32 each.

        Raises:
            UsageError: No such person, no consent, or a template is not finite.
        """
        with self._changing() as rev:
            self._known(person_id)
            self._faces.put_templates(person_id, set_name, templates)
            if templates and self._faces.pictures_of(person_id):
                self._faces.add_note(REEMBEDDED, person_id, {"set": set_name, "templates": len(templates)})
        self._purge()
        return rev

    def drop_other_sets(self, set_name: str) -> int:
        """Delete templates of other models, of everybody who has templates of this one; returns how many."""
        with self._changing():
            count = self._faces.drop_other_sets(set_name)
        self._purge()
        return count

    def witness(self, set_name: str, gone: Sequence[tuple[str, str, int]]) -> None:
        """Receipts for faces that the platform published and has taken back; see ``edge.store.scope_sets``.

        Args:
            set_name: ``faces-<model>``.
            gone: (person, SHA-256 of the sealed item as it stood here, revision of the deletion).
        """
        with self._lock, self._database.transaction():
            for person_id, sha256, rev in gone:
                self._faces.witness(set_name, person_id, PLATFORM_REVOKED, sha256, rev)
            # What the journal is to be told is told with the next snapshot.
            self._dirty = self._dirty or bool(gone)

    def witness_passages(self, person_id: str, why: str, gone: Sequence[tuple[str, str]]) -> Receipt:
        """The receipt for pictures of passages that are deleted; see ``edge.pictures``."""
        with self._lock, self._database.transaction():
            receipt = self._faces.witness_passages(person_id, why, gone, self._rev())
            self._dirty = True
        write_receipt(self._papers, receipt)
        return receipt

    def drop_notes(self, notes: Sequence[Note]) -> None:
        """The journal has been told these."""
        with self._lock, self._database.transaction():
            self._faces.drop_notes(note.id for note in notes)

    def tidy(self) -> None:
        """Delete kept pictures that belong to nobody: what a crash has left. Once, when a process starts."""
        with self._lock, self._database.transaction():
            self._portraits.tidy(self._faces.all_pictures())

    # Inside

    @contextmanager
    def _changing(self, at_least: int = 0) -> Iterator[int]:
        """One transaction under the next revision."""
        with self._lock, self._database.transaction():
            rev = max(self._rev() + 1, at_least)
            yield rev
            self._database.execute("UPDATE meta SET value = ? WHERE key = 'rev'", (rev,))
            self._dirty = True

    def _put(self, person: Person) -> None:
        # What is stored has been checked, whoever built the record: reading trusts it.
        checked = person_from_json(person_to_json(person))
        body = json.dumps(person_to_json(checked), ensure_ascii=False)
        self._database.execute(
            "INSERT INTO persons VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (person.id, body),
        )

    def _known(self, person_id: str) -> None:
        if not self._database.execute("SELECT 1 FROM persons WHERE id = ?", (person_id,)):
            raise UsageError(f"no person {person_id!r} in the roster")

    def _erase(self, person_id: str, why: str, rev: int) -> tuple[Receipt, tuple[str, ...]]:
        """Delete everything about a face, with receipt and note in the same transaction."""
        passages = self._media.sealed_of(person_id)
        receipt, pictures = self._faces.erase(person_id, why, rev, passages)
        if receipt.sha256 or receipt.text_version:
            data = {name: value for name, value in receipt_to_json(receipt).items() if name != "person"}
            self._faces.add_note(WITHDRAWN, person_id, data)
        return receipt, pictures

    def _clean_up(self, pictures: Sequence[str], receipts: Sequence[Receipt] = ()) -> None:
        """After the transaction: files of deleted pictures, papers of receipts, remains in the log."""
        if pictures:
            with self._lock, self._database.transaction():
                self._portraits.delete(pictures)
        for receipt in receipts:
            self._media.forget(receipt.person, receipt.why)
            if receipt.sha256 or receipt.text_version:
                write_receipt(self._papers, receipt)
        self._purge()

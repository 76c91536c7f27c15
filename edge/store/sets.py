"""``sets.db``: the roster and the face templates, shared by the daemon and the command line.

Templates are sealed by the vault before they reach SQLite; a person without a recorded consent has none.
Every change is one transaction and one step of the revision. Both processes may write (SQLite's lock keeps
them apart); the daemon asks ``has_changed`` now and then, which costs microseconds, and swaps a new snapshot.
"""

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge.access.roster import DenyEntry, DenyKind, Person, Roster, person_from_json, person_to_json
from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError, UsageError, VaultError
from edge.records import new_id
from edge.store.database import Database
from edge.store.set_tables import MIGRATIONS, Consent, Receipt
from edge.store.vault import Vault
from models.face import Gallery

log = logging.getLogger(__name__)

Template = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SetSnapshot:
    """Roster and templates of one revision; never changes, so any thread may keep it.

    Attributes:
        templates: (person id, descriptor) pairs by set name (``faces-<model>``).
        unreadable: Templates that did not open with this device's key; their persons are not recognised.
    """

    roster: Roster
    templates: Mapping[str, tuple[tuple[str, Template], ...]]
    unreadable: int = 0

    @property
    def rev(self) -> int:
        """The revision."""
        return self.roster.rev

    def gallery(self, set_name: str) -> Gallery:
        """The templates of one model, ready to be compared; denied persons too, so that they are noticed."""
        return Gallery.build(set_name, self.templates.get(set_name, ()))


class SetStore:
    """The one door to ``sets.db``.

    Thread: any; a lock of this object keeps them apart, and SQLite's the processes.
    """

    def __init__(self, path: Path, vault: Vault, clock: Clock) -> None:
        """Open or make the file.

        Raises:
            JournalError: It cannot be opened; the message says why.
        """
        self._vault, self._clock = vault, clock
        self._lock = threading.RLock()
        # Deleted templates are overwritten, not only unlinked.
        self._database = Database(path, MIGRATIONS, secure_delete=True)
        self._seen_version = -1
        self._dirty = False
        self._purge_due = False

    # Reading

    def snapshot(self) -> SetSnapshot:
        """Everything as it is now, in one consistent state; ``has_changed`` counts from here."""
        with self._lock:
            self._seen_version, self._dirty = self._database.data_version(), False
            with self._database.snapshot():
                rev = self._rev()
                bodies = [row[0] for row in self._database.execute("SELECT body FROM persons ORDER BY id")]
                deny = [
                    DenyEntry(DenyKind(kind), value, reason)
                    for kind, value, reason in self._database.execute(
                        "SELECT kind, value, reason FROM deny ORDER BY kind, value"
                    )
                ]
                rows = self._database.execute(
                    "SELECT id, person, set_name, sealed FROM templates ORDER BY person, id"
                )
        templates: dict[str, list[tuple[str, Template]]] = {}
        unreadable = 0
        for template_id, person, set_name, sealed in rows:
            try:
                plain = self._vault.open(sealed, _about(set_name, person, template_id))
            except VaultError as error:
                # One bad row must not take everybody's face away, nor anybody's plate.
                log.error("template %s of person %s is left out: %s", template_id, person, error)
                unreadable += 1
                continue
            templates.setdefault(set_name, []).append((person, np.frombuffer(plain, "<f4")))
        frozen = {name: tuple(pairs) for name, pairs in templates.items()}
        return SetSnapshot(Roster.of(rev, _persons(bodies), deny), MappingProxyType(frozen), unreadable)

    def has_changed(self) -> bool:
        """Whether anybody, in any process, has changed the sets since the last ``snapshot``."""
        with self._lock:
            if self._purge_due:
                self._purge()
            return self._dirty or self._database.data_version() != self._seen_version

    def rev(self) -> int:
        """Revision of what is stored now."""
        with self._lock:
            return self._rev()

    def consent_of(self, person_id: str) -> Consent | None:
        """The consent that stands, or None."""
        with self._lock:
            rows = self._database.execute(
                "SELECT who, when_utc_s, text_version, channel FROM consents WHERE person = ?", (person_id,)
            )
        return Consent(*rows[0]) if rows else None

    def template_counts(self) -> Mapping[str, int]:
        """Number of templates per person who has any."""
        with self._lock:
            rows = self._database.execute("SELECT person, count(*) FROM templates GROUP BY person")
        return {person: int(count) for person, count in rows}

    def receipts(self) -> tuple[Receipt, ...]:
        """All deletions of templates, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, person, why, templates, text_version, when_utc_s, rev FROM receipts ORDER BY id"
            )
        return tuple(Receipt(*row) for row in rows)

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
                receipt = self._erase(person_id, "person removed", rev)
                self._database.execute("DELETE FROM persons WHERE id = ?", (person_id,))
        except UsageError:
            return None
        self._purge()
        return receipt

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
            receipts = tuple(self._erase(person_id, "roster replaced", rev) for person_id in gone)
            for person_id in gone:
                self._database.execute("DELETE FROM persons WHERE id = ?", (person_id,))
            for person in roster.persons.values():
                self._put(person)
            self._database.execute("DELETE FROM deny")
            for entry in roster.deny:
                self._database.execute(
                    "INSERT INTO deny VALUES (?, ?, ?)", (entry.kind.value, entry.value, entry.reason)
                )
        self._purge()
        return receipts

    def put_consent(self, person_id: str, consent: Consent) -> int:
        """Record that a person consents to be recognised by face; a later consent replaces the earlier.

        Raises:
            UsageError: There is no such person, or the consent does not say who, which text and where.
        """
        if not (consent.who and consent.text_version and consent.channel):
            raise UsageError(
                f"consent of {person_id!r} must say who gave it, to which text version, and where"
            )
        with self._changing() as rev:
            self._known(person_id)
            self._database.execute(
                "INSERT INTO consents VALUES (?, ?, ?, ?, ?) ON CONFLICT (person) DO UPDATE SET"
                " who = excluded.who, when_utc_s = excluded.when_utc_s,"
                " text_version = excluded.text_version, channel = excluded.channel",
                (person_id, consent.who, consent.when_utc_s, consent.text_version, consent.channel),
            )
        return rev

    def withdraw_consent(self, person_id: str) -> Receipt:
        """Take a consent back: the templates are gone when this returns, and a receipt says so (PRIV-1).

        Raises:
            UsageError: There is no such person.
        """
        with self._changing() as rev:
            self._known(person_id)
            receipt = self._erase(person_id, "consent withdrawn", rev)
        self._purge()
        return receipt

    def put_templates(self, person_id: str, set_name: str, templates: Sequence[Template]) -> int:
        """Replace a person's templates of one model.

        Args:
            person_id: Of somebody in the roster with a recorded consent.
            set_name: ``faces-<model>``; templates of another model are another set.
            templates: (dimensions,) float32 each.

        Raises:
            UsageError: No such person, no consent, or a template is not finite.
        """
        if any(not np.isfinite(template).all() or template.ndim != 1 for template in templates):
            raise UsageError(f"a template of {person_id!r} is not a row of finite numbers")
        with self._changing() as rev:
            self._known(person_id)
            if not self._database.execute("SELECT 1 FROM consents WHERE person = ?", (person_id,)):
                raise UsageError(
                    f"person {person_id!r} has not consented to face recognition; record the consent first"
                )
            self._database.execute(
                "DELETE FROM templates WHERE person = ? AND set_name = ?", (person_id, set_name)
            )
            for template in templates:
                template_id = new_id()
                plain = np.asarray(template, "<f4").tobytes()
                sealed = self._vault.seal(plain, _about(set_name, person_id, template_id))
                self._database.execute(
                    "INSERT INTO templates VALUES (?, ?, ?, ?, ?)",
                    (template_id, person_id, set_name, sealed, self._clock.utc_ns() // NS_PER_S),
                )
        self._purge()
        return rev

    def close(self) -> None:
        """Close; harmless when closed."""
        with self._lock:
            self._database.close()

    # Inside

    @contextmanager
    def _changing(self, at_least: int = 0) -> Iterator[int]:
        """One transaction under the next revision."""
        with self._lock, self._database.transaction():
            rev = max(self._rev() + 1, at_least)
            yield rev
            self._database.execute("UPDATE meta SET value = ? WHERE key = 'rev'", (rev,))
            self._dirty = True

    def _rev(self) -> int:
        return int(self._database.execute("SELECT value FROM meta WHERE key = 'rev'")[0][0])

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

    def _erase(self, person_id: str, why: str, rev: int) -> Receipt:
        """Delete consent and templates, and write the receipt into the same transaction."""
        versions = self._database.execute("SELECT text_version FROM consents WHERE person = ?", (person_id,))
        self._database.execute("DELETE FROM templates WHERE person = ?", (person_id,))
        count = self._database.changes()
        self._database.execute("DELETE FROM consents WHERE person = ?", (person_id,))
        version = str(versions[0][0]) if versions else ""
        now_utc_s = self._clock.utc_ns() // NS_PER_S
        receipt = Receipt(new_id(), person_id, why, count, version, now_utc_s, rev)
        self._database.execute(
            "INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (receipt.id, person_id, why, count, version, now_utc_s, rev),
        )
        return receipt

    def _purge(self) -> None:
        """Empty the write-ahead log, in which what was deleted still stands."""
        with self._lock:
            try:
                self._database.checkpoint()
                self._purge_due = False
            except JournalError as error:
                # Somebody in another process reads right now; ``has_changed`` tries again.
                self._purge_due = True
                log.warning("deleted templates are not yet overwritten: %s", error)


def _persons(bodies: Sequence[str]) -> list[Person]:
    """Stored persons; one that can no longer be read (a rule has changed) is left out, the others stay."""
    persons: list[Person] = []
    for body in bodies:
        try:
            persons.append(person_from_json(json.loads(body), plates_are_checked=True))
        except UsageError as error:
            log.error("a stored person is left out: %s", error)
    return persons


def _about(set_name: str, person: str, template_id: str) -> bytes:
    """What a sealed template is bound to: it does not open in another person's row."""
    return f"template|{set_name}|{person}|{template_id}".encode()

"""Rows about faces: consents, sealed templates, kept pictures, receipts, notes. Only ``SetStore`` uses it.

Every writing method runs inside a transaction of the caller, who holds the write lock of the file.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.access.consent import Consent, check_consent
from edge.clock import NS_PER_S, Clock
from edge.errors import ConsentMissing, UsageError, VaultError
from edge.records import JsonObject, new_id
from edge.store.database import Database
from edge.store.portraits import Portraits
from edge.store.receipts import receipt_to_json
from edge.store.set_tables import Note, Receipt
from edge.store.vault import Vault

log = logging.getLogger(__name__)

Template = NDArray[np.float32]
WITHDRAWN = "face.withdrawn"

_CONSENT = (
    "who, when_utc_s, text_version, channel, under_14, guardian, relation, keep_pictures, passage_pictures"
)
_RECEIPT = "id, person, why, templates, text_version, when_utc_s, rev, pictures, sha256"


class FaceRows:
    """Everything in ``sets.db`` that belongs to faces."""

    def __init__(self, database: Database, vault: Vault, portraits: Portraits, clock: Clock) -> None:
        self._database, self._vault, self._portraits, self._clock = database, vault, portraits, clock

    # Reading

    def consent_of(self, person_id: str) -> Consent | None:
        """The consent that stands, or None."""
        rows = self._database.execute(f"SELECT {_CONSENT} FROM consents WHERE person = ?", (person_id,))  # noqa: S608
        if not rows:
            return None
        who, when, text, channel, under_14, guardian, relation, keep, passages = rows[0]
        return Consent(who, when, text, channel, bool(under_14), guardian, relation, bool(keep), passages)

    def passage_pictures(self) -> dict[str, str]:
        """Persons whose consent allows pictures of passages, with "keep" or "send"."""
        rows = self._database.execute(
            "SELECT person, passage_pictures FROM consents WHERE passage_pictures <> 'no'"
        )
        return {str(person): str(allowed) for person, allowed in rows}

    def templates(self) -> tuple[Mapping[str, tuple[tuple[str, Template], ...]], int]:
        """All templates by set name, as (person, template) pairs, and how many do not open.

        Returns:
            Every template is an array of its own that may be overwritten.
        """
        found: dict[str, list[tuple[str, Template]]] = {}
        unreadable = 0
        rows = self._database.execute(
            "SELECT id, person, set_name, sealed FROM templates ORDER BY person, id"
        )
        for template_id, person, set_name, sealed in rows:
            try:
                plain = self._vault.open_wipeable(sealed, _about(set_name, person, template_id))
            except VaultError as error:
                # One bad row must not take everybody's face away, nor anybody's plate.
                log.error("template %s of person %s is left out: %s", template_id, person, error)
                unreadable += 1
                continue
            found.setdefault(set_name, []).append((person, np.frombuffer(plain, "<f4")))
        return {name: tuple(pairs) for name, pairs in found.items()}, unreadable

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of templates by person and set name."""
        rows = self._database.execute(
            "SELECT person, set_name, count(*) FROM templates GROUP BY person, set_name"
        )
        found: dict[str, dict[str, int]] = {}
        for person, set_name, count in rows:
            found.setdefault(person, {})[set_name] = int(count)
        return found

    def pictures_of(self, person_id: str) -> tuple[str, ...]:
        """Ids of the pictures that are kept of a person, oldest first."""
        rows = self._database.execute("SELECT id FROM pictures WHERE person = ? ORDER BY id", (person_id,))
        return tuple(row[0] for row in rows)

    def all_pictures(self) -> frozenset[str]:
        """Ids of all kept pictures."""
        return frozenset(row[0] for row in self._database.execute("SELECT id FROM pictures"))

    def receipts(self) -> tuple[Receipt, ...]:
        """All receipts, oldest first."""
        rows = self._database.execute(f"SELECT {_RECEIPT} FROM receipts ORDER BY id")  # noqa: S608
        return tuple(Receipt(*row) for row in rows)

    def notes(self, limit: int) -> tuple[Note, ...]:
        """What the journal has not been told yet, oldest first."""
        rows = self._database.execute(
            "SELECT id, type, subject, data FROM notes ORDER BY id LIMIT ?", (limit,)
        )
        return tuple(Note(note_id, kind, subject, json.loads(data)) for note_id, kind, subject, data in rows)

    # Writing

    def put_consent(self, person_id: str, consent: Consent) -> None:
        """Record a consent; it takes the place of an earlier one.

        Raises:
            ConsentMissing: It does not say all that it must.
        """
        check_consent(person_id, consent)
        self._database.execute(
            f"INSERT INTO consents (person, {_CONSENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT (person) DO UPDATE SET who = excluded.who, when_utc_s = excluded.when_utc_s,"
            " text_version = excluded.text_version, channel = excluded.channel,"
            " under_14 = excluded.under_14, guardian = excluded.guardian, relation = excluded.relation,"
            " keep_pictures = excluded.keep_pictures, passage_pictures = excluded.passage_pictures",
            (
                person_id,
                consent.who,
                consent.when_utc_s,
                consent.text_version,
                consent.channel,
                int(consent.under_14),
                consent.guardian,
                consent.relation,
                int(consent.keep_pictures),
                consent.passage_pictures,
            ),
        )

    def put_templates(self, person_id: str, set_name: str, templates: Sequence[Template]) -> None:
        """Replace a person's templates of one set.

        Raises:
            ConsentMissing: There is no consent. UsageError: A template is not finite.
        """
        if any(not np.isfinite(template).all() or template.ndim != 1 for template in templates):
            raise UsageError(f"a template of {person_id!r} is not a row of finite numbers")
        if not self._database.execute("SELECT 1 FROM consents WHERE person = ?", (person_id,)):
            raise ConsentMissing(
                f"person {person_id!r} has not consented to face recognition; record the consent first"
            )
        self._database.execute(
            "DELETE FROM templates WHERE person = ? AND set_name = ?", (person_id, set_name)
        )
        for template in templates:
            template_id = new_id()
            plain = np.ascontiguousarray(template, "<f4").view(np.uint8).data
            sealed = self._vault.seal(plain, _about(set_name, person_id, template_id))
            self._database.execute(
                "INSERT INTO templates VALUES (?, ?, ?, ?, ?)",
                (template_id, person_id, set_name, sealed, self._now_utc_s()),
            )

    def put_pictures(self, person_id: str, pictures: Sequence[bytes]) -> tuple[str, ...]:
        """Keep these pictures of a person in place of the earlier ones.

        Returns:
            Ids of the earlier ones; their files are to be deleted once the transaction stands.

        Raises:
            JournalError: A file cannot be written.
        """
        earlier = self.pictures_of(person_id)
        self._database.execute("DELETE FROM pictures WHERE person = ?", (person_id,))
        for content in pictures:
            picture_id = new_id()
            size, digest = self._portraits.write(picture_id, person_id, content)
            self._database.execute(
                "INSERT INTO pictures VALUES (?, ?, ?, ?, ?)",
                (picture_id, person_id, size, digest, self._now_utc_s()),
            )
        return earlier

    def erase(
        self, person_id: str, why: str, rev: int, passages: Sequence[tuple[str, str]] = ()
    ) -> tuple[Receipt, tuple[str, ...]]:
        """Delete everything about a person's face, and write the receipt.

        Args:
            person_id: Whose.
            why: For the receipt.
            rev: Of the set without them.
            passages: (name, SHA-256 of the file) of their pictures of passages, which the caller deletes when
                the transaction stands; the receipt counts them.

        Returns:
            The receipt, and the ids of the pictures whose files are to be deleted.
        """
        versions = self._database.execute("SELECT text_version FROM consents WHERE person = ?", (person_id,))
        templates = self._database.execute(
            "SELECT id, sealed FROM templates WHERE person = ? ORDER BY id", (person_id,)
        )
        pictures = self._database.execute(
            "SELECT id, sha256 FROM pictures WHERE person = ? ORDER BY id", (person_id,)
        )
        digest = hashlib.sha256()
        for template_id, sealed in templates:
            digest.update(template_id.encode() + sealed)
        for picture_id, sha256 in pictures:
            digest.update(picture_id.encode() + bytes.fromhex(sha256))
        for name, sha256 in passages:
            digest.update(name.encode() + bytes.fromhex(sha256))
        for table in ("pictures", "templates", "consents"):
            self._database.execute(f"DELETE FROM {table} WHERE person = ?", (person_id,))  # noqa: S608
        receipt = Receipt(
            id=new_id(),
            person=person_id,
            why=why,
            templates=len(templates),
            text_version=str(versions[0][0]) if versions else "",
            when_utc_s=self._now_utc_s(),
            rev=rev,
            pictures=len(pictures) + len(passages),
            sha256=digest.hexdigest() if templates or pictures or passages else "",
        )
        self.put_receipt(receipt)
        return receipt, tuple(picture_id for picture_id, _ in pictures)

    def witness(self, set_name: str, person_id: str, why: str, sha256: str, rev: int) -> None:
        """A receipt and its note for a face that stood elsewhere on this box and is gone; once for each."""
        known = "SELECT 1 FROM receipts WHERE person = ? AND why = ? AND sha256 = ? AND rev = ?"
        if self._database.execute(known, (person_id, why, sha256, rev)):
            return
        receipt = Receipt(new_id(), person_id, why, 1, "", self._now_utc_s(), rev, 0, sha256)
        self.put_receipt(receipt)
        data = {name: value for name, value in receipt_to_json(receipt).items() if name != "person"}
        self.add_note(WITHDRAWN, person_id, {"set": set_name, **data})

    def witness_passages(
        self, person_id: str, why: str, gone: Sequence[tuple[str, str]], rev: int
    ) -> Receipt:
        """A receipt and its note for pictures of passages that the daemon has deleted."""
        digest = hashlib.sha256()
        for name, sha256 in gone:
            digest.update(name.encode() + bytes.fromhex(sha256))
        now_utc_s, count = self._now_utc_s(), len(gone)
        receipt = Receipt(new_id(), person_id, why, 0, "", now_utc_s, rev, count, digest.hexdigest())
        self.put_receipt(receipt)
        data = {name: value for name, value in receipt_to_json(receipt).items() if name != "person"}
        self.add_note(WITHDRAWN, person_id, data)
        return receipt

    def put_receipt(self, receipt: Receipt) -> None:
        """Keep a receipt."""
        self._database.execute(
            f"INSERT INTO receipts ({_RECEIPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                receipt.id,
                receipt.person,
                receipt.why,
                receipt.templates,
                receipt.text_version,
                receipt.when_utc_s,
                receipt.rev,
                receipt.pictures,
                receipt.sha256,
            ),
        )

    def drop_other_sets(self, set_name: str) -> int:
        """Delete templates of other sets, of everybody who has some in this one; returns how many."""
        self._database.execute(
            "DELETE FROM templates WHERE set_name <> ? AND person IN"
            " (SELECT person FROM templates WHERE set_name = ?)",
            (set_name, set_name),
        )
        return self._database.changes()

    def add_note(self, kind: str, subject: str, data: JsonObject) -> None:
        """Leave a note for the journal, in the same transaction as what it tells of."""
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        self._database.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", (new_id(), kind, subject, text))

    def drop_notes(self, note_ids: Iterable[str]) -> None:
        """The journal has been told."""
        for note_id in note_ids:
            self._database.execute("DELETE FROM notes WHERE id = ?", (note_id,))

    def _now_utc_s(self) -> int:
        return self._clock.utc_ns() // NS_PER_S


def _about(set_name: str, person: str, template_id: str) -> bytes:
    """What a sealed template is bound to: it does not open in another person's row, nor in another set."""
    return f"template|{set_name}|{person}|{template_id}".encode()

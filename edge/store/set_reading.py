"""What ``sets.db`` says: roster, faces, consents, receipts, as one process reads them while another writes.

``SetStore`` (``edge.store.sets``) is this and the writing; nobody opens the file for reading alone.
"""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from edge.access.consent import Consent
from edge.access.roster import DenyEntry, DenyKind, Person, Roster, person_from_json
from edge.clock import Clock
from edge.errors import JournalError, UsageError
from edge.store.database import Database
from edge.store.faces import FaceRows
from edge.store.media import MEDIA_FILE
from edge.store.media_beside import MediaBeside
from edge.store.pins import PinRows
from edge.store.portraits import Portraits
from edge.store.receipts import write_receipt
from edge.store.salvage import Salvage, open_or_salvage
from edge.store.set_snapshot import SetSnapshot
from edge.store.set_tables import MIGRATIONS, Note, Receipt
from edge.store.vault import Vault

log = logging.getLogger(__name__)

PICTURES_FOLDER = "pictures"
RECEIPTS_FOLDER = "receipts"


class SetReader:
    """The half of ``SetStore`` that changes nothing.

    Attributes:
        salvage: What was saved of a damaged file at this opening; None when it was sound.

    Thread: any; a lock of this object keeps them apart, and SQLite's the processes.
    """

    def __init__(self, path: Path, vault: Vault, clock: Clock, *, may_salvage: bool = False) -> None:
        """Open or make the file.

        Args:
            path: The file.
            vault: Seals what is in it.
            clock: For receipts.
            may_salvage: Replace a damaged file by what can be read of it; only for the one process that
                surely has it alone.

        Raises:
            JournalError: It cannot be opened; the message says why.
        """
        self._lock = threading.RLock()
        # Deleted templates are overwritten, not only unlinked.
        self.salvage: Salvage | None = None
        if may_salvage:
            self._database, self.salvage = open_or_salvage(
                path, MIGRATIONS, clock.utc_ns(), secure_delete=True
            )
        else:
            self._database = Database(path, MIGRATIONS, secure_delete=True)
        self._portraits = Portraits(path.with_name(PICTURES_FOLDER), vault)
        self._papers = path.with_name(RECEIPTS_FOLDER)
        self._media = MediaBeside(path.with_name(MEDIA_FILE), vault, clock)
        self._faces = FaceRows(self._database, vault, self._portraits, clock)
        self._pins = PinRows(self._database, vault, clock)
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
                templates, unreadable = self._faces.templates()
                pins = self._pins.all()
        roster = Roster.of(rev, _persons(bodies), deny)
        return SetSnapshot(roster, MappingProxyType(templates), unreadable, MappingProxyType(pins))

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

    def person(self, person_id: str) -> Person | None:
        """The entry of one person on the roster, or None."""
        with self._lock:
            rows = self._database.execute("SELECT body FROM persons WHERE id = ?", (person_id,))
        return next(iter(_persons([row[0] for row in rows])), None)

    def consent_of(self, person_id: str) -> Consent | None:
        """The consent that stands, or None."""
        with self._lock:
            return self._faces.consent_of(person_id)

    def passage_consents(self) -> dict[str, str]:
        """Who allows pictures of their face at passages: "keep", or "send"."""
        with self._lock:
            return self._faces.passage_pictures()

    def template_counts(self) -> Mapping[str, int]:
        """Number of templates, of all sets, per person who has any."""
        return {person: sum(sets.values()) for person, sets in self.face_counts().items()}

    def face_counts(self) -> Mapping[str, Mapping[str, int]]:
        """Number of templates by person and set name, of persons who have any."""
        with self._lock:
            return self._faces.counts()

    def pictures_of(self, person_id: str) -> tuple[str, ...]:
        """Ids of the pictures that are kept of a person."""
        with self._lock:
            return self._faces.pictures_of(person_id)

    def picture(self, picture_id: str, person_id: str) -> bytes:
        """A kept picture, as it was handed in.

        Raises:
            VaultError: It is gone, was altered, or is another person's.
        """
        return self._portraits.read(picture_id, person_id)

    def receipts(self) -> tuple[Receipt, ...]:
        """All deletions of templates, oldest first."""
        with self._lock:
            return self._faces.receipts()

    def receipt_path(self, receipt: Receipt) -> Path:
        """The paper of a receipt; written again if it is not there."""
        return write_receipt(self._papers, receipt)

    def notes(self, limit: int = 20) -> tuple[Note, ...]:
        """What happened here and the journal was not told yet; ``drop_notes`` when it was."""
        with self._lock:
            return self._faces.notes(limit)

    def close(self) -> None:
        """Close; harmless when closed."""
        with self._lock:
            self._database.close()

    # Inside

    def _rev(self) -> int:
        return int(self._database.execute("SELECT value FROM meta WHERE key = 'rev'")[0][0])

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

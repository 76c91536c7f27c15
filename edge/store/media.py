"""Pictures of passages: sealed files under a quota, an index that is durable, and no longer than allowed.

Each is one file ``media/<name>.sealed`` (``edge.store.portraits``: AES-256-GCM under the device key, on the
disk with its folder before its row is) and one row in ``media.db``. The event names a picture by the SHA-256
of its JPEG; the file's name is a keyed hash of that, so that nobody without the key can tell which event a
file belongs to. Rows are deleted before files: what a crash leaves is a file without a row, and ``tidy``
deletes it. Each deletion leaves a line, in the same transaction, that the journal is told later.

A picture of a face rests on its person's consent (``KeptPicture.person``); one of a plate on the
configuration alone.
"""

import hashlib
import hmac
import json
import logging
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError, VaultError
from edge.faults import fault_point
from edge.records import JsonObject
from edge.store.database import Database, Row
from edge.store.media_tables import COLUMNS, KEPT, MIGRATIONS, SENT, Deletion, KeptPicture
from edge.store.portraits import SUFFIX, Portraits
from edge.store.salvage import Salvage, open_or_salvage
from edge.store.vault import Vault

log = logging.getLogger(__name__)

MEDIA_FILE = "media.db"
MEDIA_FOLDER = "media"
OLD, CROWDED, GAVE_WAY, DAMAGED = "older than pictures.keep_days", "quota", "disk", "damaged"
"""Why a picture was deleted by itself; the other words are those of receipts, and of who asked."""
_SEALED_EXTRA = 29  # edge.store.vault: version, nonce, tag
_AT_ONCE = 100  # names in one line for the journal; files that are overwritten under one lock
_MARK = b"media"


def free_bytes(folder: Path) -> int:
    """Room left on the disk of a folder."""
    return shutil.disk_usage(folder).free


class Media:
    """The store.

    Attributes:
        salvage: What was saved of a damaged index at this opening; None when it was sound.
        unsent_lost: Pictures that went for a newer one before the platform had them.

    Thread: any; a lock of this object keeps them apart, and SQLite's the processes.
    """

    def __init__(
        self,
        path: Path,
        vault: Vault,
        clock: Clock,
        *,
        quota_mb: int = 200,
        leave_free_mb: int = 128,
        may_salvage: bool = False,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """Open or make the index; files lie in the folder beside it.

        Args:
            path: ``media.db``.
            vault: Seals the files.
            clock: For the age of pictures.
            quota_mb: All files together, at most.
            leave_free_mb: Room on the disk that no picture takes: the journal's.
            may_salvage: Replace a damaged index; only for the daemon.
            free: Room on the disk of a folder, in bytes.

        Raises:
            JournalError: It cannot be opened.
            VaultError: It was made with another device key; nothing is touched.
        """
        self._lock = threading.RLock()
        self._vault, self._clock, self._free = vault, clock, free
        self._quota, self._leave_free = quota_mb << 20, leave_free_mb << 20
        self._name_key = vault.derive(b"gatehouse names of passage pictures")
        self.salvage: Salvage | None = None
        self.unsent_lost = 0
        if may_salvage:
            self._database, self.salvage = open_or_salvage(
                path, MIGRATIONS, clock.utc_ns(), secure_delete=True
            )
        else:
            self._database = Database(path, MIGRATIONS, secure_delete=True)
        self._files = Portraits(path.with_name(MEDIA_FOLDER), vault)
        try:
            self._check_key()
        except (JournalError, VaultError):
            self._database.close()
            raise

    def _check_key(self) -> None:
        with self._database.transaction():
            rows = self._database.execute("SELECT value FROM meta WHERE key = 'mark'")
            if not rows:
                mark = self._vault.seal(b"", _MARK)
                self._database.execute("INSERT INTO meta VALUES ('mark', ?)", (mark,))
                return
        try:
            self._vault.open(rows[0][0], _MARK)
        except VaultError:
            raise VaultError(
                f"{self._database.path}: made with another device key; put that key back, or remove the file"
                f" and the folder {MEDIA_FOLDER}"
            ) from None

    # Reading

    def pictures(self, prefix: str = "") -> tuple[KeptPicture, ...]:
        """What is kept, oldest first; of those whose hash begins so."""
        with self._lock:
            rows = self._database.execute(
                f"SELECT {COLUMNS} FROM pictures WHERE substr(sha256, 1, ?1) = ?2 ORDER BY place",  # noqa: S608
                (len(prefix), prefix),
            )
        return tuple(KeptPicture(*row) for row in rows)

    def read(self, sha256: str) -> bytes:
        """The JPEG.

        Raises:
            VaultError: It is not here, or no longer what it was.
        """
        with self._lock:
            rows = self._database.execute("SELECT file, person FROM pictures WHERE sha256 = ?", (sha256,))
        if not rows:
            raise VaultError(f"there is no picture {sha256[:12]} here")
        jpeg = self._files.read(rows[0][0], _owner(rows[0][1]))
        if hashlib.sha256(jpeg).hexdigest() != sha256:
            raise VaultError(f"picture {sha256[:12]} is not what its event names")
        return jpeg

    def persons(self) -> frozenset[str]:
        """Whose consent pictures of faces rest on."""
        with self._lock:
            rows = self._database.execute("SELECT DISTINCT person FROM pictures WHERE person <> ''")
        return frozenset(row[0] for row in rows)

    def sealed_of(self, person: str) -> tuple[tuple[str, str], ...]:
        """(Name of the file, SHA-256 of it as it stands on the disk) of a person's pictures."""
        with self._lock:
            rows = self._database.execute(
                "SELECT file, sealed_sha256 FROM pictures WHERE person = ? ORDER BY place", (person,)
            )
        return tuple((str(name), str(digest)) for name, digest in rows)

    def numbers(self) -> JsonObject:
        """How many are kept, the room they take in bytes, and how many the platform has not."""
        with self._lock:
            rows = self._database.execute(
                f"SELECT count(*), coalesce(sum(sealed_bytes), 0), coalesce(sum(state <> '{SENT}'), 0)"  # noqa: S608
                " FROM pictures"
            )
        count, size, unsent = rows[0]
        return {"kept": count, "bytes": size, "not_sent": unsent}

    def next_unsent(
        self, epoch: str, below: int, consented: Collection[str], apart: Collection[str] = ()
    ) -> KeptPicture | None:
        """The oldest picture that the platform has not, of an event that it has.

        Args:
            epoch: Of the journal that runs.
            below: Sequence of the first access event that is not acknowledged. Events of an earlier journal
                count as acknowledged: they have another place now, or none.
            consented: Persons who allow that pictures of their face are sent.
            apart: Hashes to leave out for now.
        """
        with self._lock:
            rows = self._database.execute(
                f"SELECT {COLUMNS} FROM pictures WHERE state = '{KEPT}' AND (epoch <> ?1 OR seq < ?2)"  # noqa: S608
                " AND (person = '' OR person IN (SELECT value FROM json_each(?3)))"
                " AND sha256 NOT IN (SELECT value FROM json_each(?4)) ORDER BY place LIMIT 1",
                (epoch, below, json.dumps(list(consented)), json.dumps(list(apart))),
            )
        return KeptPicture(*rows[0]) if rows else None

    # Writing

    def put(self, picture: KeptPicture, jpeg: bytes) -> str:
        """Keep a picture; it and its row are on the disk when this returns.

        The oldest that the platform has go first to make room, then the oldest.

        Returns:
            Why it is not kept; empty when it is, or was already.

        Raises:
            JournalError: The disk refuses; nothing of it stays.
        """
        name, size = self._name_of(picture.sha256), len(jpeg) + _SEALED_EXTRA
        victims: list[Row] = []
        with self._lock:
            try:
                with self._database.transaction():
                    if self._database.execute("SELECT 1 FROM pictures WHERE sha256 = ?", (picture.sha256,)):
                        return ""
                    if size > self._quota:
                        return "it is larger than pictures.quota_mb"
                    if self._free(self._database.path.parent) - size < self._leave_free:
                        return "the disk has only room for the journal"
                    victims = self._oldest(self._used() + size - self._quota)
                    sealed_bytes, digest = self._files.write(name, _owner(picture.person), jpeg)
                    fault_point("picture.written")
                    row = (*picture.row(), name, sealed_bytes, digest)
                    self._database.execute(
                        f"INSERT INTO pictures ({COLUMNS}, file, sealed_bytes, sealed_sha256)"  # noqa: S608
                        f" VALUES ({', '.join('?' * len(row))})",
                        row,
                    )
                    self._strike(victims, CROWDED)
            except JournalError:
                self._files.delete([name])
                raise
            self._unlink(victims)
        return ""

    def mark(self, sha256: str, state: str) -> None:
        """Note that the platform has a picture, or will not have it."""
        with self._lock, self._database.transaction():
            self._database.execute("UPDATE pictures SET state = ? WHERE sha256 = ?", (state, sha256))

    def remove(self, sha256s: Iterable[str], why: str) -> int:
        """Delete pictures by their hashes; returns how many were here."""
        wanted = json.dumps(list(sha256s))
        return self._delete("sha256 IN (SELECT value FROM json_each(?))", wanted, why)

    def forget(self, person: str, why: str) -> int:
        """Delete all pictures of a person's face; returns how many there were."""
        return self._delete("person = ?", person, why) if person else 0

    def expire(self, now_utc_s: int, keep_s: int) -> int:
        """Delete what is too old; returns how many. Only while the clock can be trusted.

        What was kept while the clock was not set begins to age now.
        """
        with self._lock, self._database.transaction():
            self._database.execute("UPDATE pictures SET kept_utc_s = ? WHERE kept_utc_s = 0", (now_utc_s,))
        return self._delete("kept_utc_s < ?", now_utc_s - keep_s, OLD)

    def give_way(self) -> int:
        """Delete the oldest where the disk has not the room left that is the journal's; returns how many.

        And where the quota has become smaller than what is kept.
        """
        missing = self._leave_free - self._free(self._database.path.parent)
        with self._lock:
            too_many = self._used() - self._quota
            if max(missing, too_many) <= 0:
                return 0
            with self._database.transaction():
                victims = self._oldest(max(missing, too_many))
                self._strike(victims, GAVE_WAY if missing > too_many else CROWDED)
            self._unlink(victims)
        return len(victims)

    def tidy(self) -> int:
        """Delete files without a row, and rows whose file is gone or cut; returns how many of the latter.

        Once, when the daemon starts.
        """
        with self._lock:
            with self._database.transaction():
                rows = self._database.execute("SELECT file, sealed_bytes, sha256 FROM pictures")
                self._files.tidy({row[0] for row in rows})
                bad = [sha256 for name, size, sha256 in rows if self._size_of(name) != size]
            return self.remove(bad, DAMAGED) if bad else 0

    def deletions(self, limit: int = 20) -> tuple[Deletion, ...]:
        """What was deleted and the journal was not told yet, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, why, person, when_utc_s, sha256 FROM deletions ORDER BY id LIMIT ?", (limit,)
            )
        return tuple(
            Deletion(place, why, person, when_utc_s, tuple(json.loads(names)))
            for place, why, person, when_utc_s, names in rows
        )

    def drop_deletions(self, deletions: Iterable[Deletion]) -> None:
        """The journal has been told."""
        with self._lock, self._database.transaction():
            for deletion in deletions:
                self._database.execute("DELETE FROM deletions WHERE id = ?", (deletion.id,))

    def close(self) -> None:
        """Close; harmless when closed."""
        with self._lock:
            self._database.close()

    # Inside

    def _used(self) -> int:
        return int(self._database.execute("SELECT coalesce(sum(sealed_bytes), 0) FROM pictures")[0][0])

    def _oldest(self, missing_bytes: int) -> list[Row]:
        """(sha256, file, person, state) of those that go for so many bytes."""
        victims: list[Row] = []
        if missing_bytes > 0:
            for row in self._database.execute(
                "SELECT sha256, file, person, state, sealed_bytes FROM pictures ORDER BY state = ?, place",
                (KEPT,),
            ):
                victims.append(row[:4])
                missing_bytes -= row[4]
                if missing_bytes <= 0:
                    break
        return victims

    def _delete(self, condition: str, value: str | int, why: str) -> int:
        with self._lock:
            with self._database.transaction():
                rows = self._database.execute(
                    f"SELECT sha256, file, person, state FROM pictures WHERE {condition}",  # noqa: S608
                    (value,),
                )
                self._strike(rows, why)
            self._unlink(rows)
            if rows:
                try:
                    self._database.checkpoint()  # the names of persons do not linger in the log
                except JournalError as error:
                    log.debug("the log of the pictures is emptied later: %s", error)
        return len(rows)

    def _strike(self, rows: Sequence[Row], why: str) -> None:
        """Delete rows and leave a line for the journal. Inside a transaction of the caller."""
        by_person: dict[str, list[str]] = {}
        for sha256, _, person, state in rows:
            self._database.execute("DELETE FROM pictures WHERE sha256 = ?", (sha256,))
            by_person.setdefault(person, []).append(sha256)
            if state == KEPT and why in (CROWDED, GAVE_WAY):
                self.unsent_lost += 1
        now_utc_s = self._clock.utc_ns() // NS_PER_S
        for person, names in by_person.items():
            for start in range(0, len(names), _AT_ONCE):
                self._database.execute(
                    "INSERT INTO deletions (why, person, when_utc_s, sha256) VALUES (?, ?, ?, ?)",
                    (why, person, now_utc_s, json.dumps(names[start : start + _AT_ONCE])),
                )

    def _unlink(self, rows: Sequence[Row]) -> None:
        """Overwrite and delete the files of struck rows; held by the write lock, as ``tidy`` is."""
        if rows:
            fault_point("picture.struck")
        for start in range(0, len(rows), _AT_ONCE):  # whoever waits for the lock has a turn between
            with self._database.transaction():
                self._files.delete(row[1] for row in rows[start : start + _AT_ONCE])

    def _name_of(self, sha256: str) -> str:
        return hmac.new(self._name_key, sha256.encode(), hashlib.sha256).hexdigest()[:40]

    def _size_of(self, name: str) -> int:
        try:
            return (self._files.folder / f"{name}{SUFFIX}").stat().st_size
        except OSError:
            return -1


def _owner(person: str) -> str:
    """What a sealed file is bound to besides its name: no portrait, and no other person's."""
    return f"passage:{person}"

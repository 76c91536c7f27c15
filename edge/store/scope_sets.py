"""``scope_sets.db``: the sets that the platform publishes, exactly as its signed manifests count them.

A file of its own, because it can be fetched again and because nothing long may be written where residents are
enrolled. A new generation is written beside the one that counts, in small transactions; one transaction then
makes it count, or none does. Revocations act at once: they lie over whatever generation counts.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.errors import JournalError, VaultError
from edge.store.database import Database
from edge.store.items import BUCKETS, Item, bucket_digest, bucket_of
from edge.store.scope_tables import MIGRATIONS, Gone, SetState
from edge.store.sealing import ContentKey
from edge.store.vault import Vault

log = logging.getLogger(__name__)

SWEEP_ROWS = 2000
Change = tuple[Mapping[str, Item], frozenset[str]]
"""For one bucket: items to put by id, and ids to delete."""


class ScopeSets:
    """The one door to ``scope_sets.db``.

    Thread: any; a lock keeps them apart. Nothing holds it for longer than one bucket or one batch takes,
    except a flip and the reading of a whole set.
    """

    def __init__(self, path: Path, vault: Vault) -> None:
        """Open or make the file.

        Raises:
            DatabaseDamaged: It holds what can be fetched again; ``discard`` it.
            JournalError: It cannot be opened; the message says why.
        """
        self._lock = threading.RLock()
        self._vault = vault
        self._database = Database(path, MIGRATIONS, secure_delete=True)
        self._reader = Database(path, MIGRATIONS, readonly=True)
        self._reader_lock = threading.Lock()
        # Which ids have changed since somebody asked, by set; None: too many to name.
        self._changed: dict[str, set[str] | None] = {}

    # Reading

    def state(self, name: str) -> SetState:
        """How far a set is."""
        with self._lock:
            rows = self._database.execute(
                "SELECT gen, rev, manifest, seen_rev FROM sets WHERE name = ?", (name,)
            )
        return SetState(*rows[0]) if rows else SetState()

    def revs(self) -> dict[str, int]:
        """The revision that counts, by set."""
        with self._lock:
            return dict(self._database.execute("SELECT name, rev FROM sets"))

    def revoked(self, name: str) -> dict[str, int]:
        """Revisions of the deletions that lie over a set, by id."""
        with self._lock:
            return dict(self._database.execute("SELECT id, rev FROM revoked WHERE name = ?", (name,)))

    def bucket_rows(self, gen: int, bucket: int) -> dict[str, tuple[int, bytes]]:
        """Revision and hash of the items of one bucket, by id."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, rev, sha256 FROM items WHERE gen = ? AND bucket = ?", (gen, bucket)
            )
        return {item_id: (rev, sha256) for item_id, rev, sha256 in rows}

    def digest(self, gen: int, bucket: int) -> bytes:
        """Digest of one bucket, as it stands."""
        rows = self.bucket_rows(gen, bucket).items()
        return bucket_digest((item_id, rev, sha256) for item_id, (rev, sha256) in rows)

    def has_changed(self) -> bool:
        """Whether what counts has changed since ``take_changed``."""
        return bool(self._changed)

    def take_changed(self, name: str) -> frozenset[str] | None:
        """Ids about which something else counts than when this was last asked; None: perhaps all."""
        with self._lock:
            changed = self._changed.pop(name, set())
        return None if changed is None else frozenset(changed)

    def changed_all(self, name: str) -> None:
        """Whoever asks next reads all anew."""
        with self._lock:
            self._changed[name] = None

    def index(self, name: str) -> dict[str, int]:
        """Revision of every item that counts, by id; revoked ones are not among them."""
        with self._reader_lock:
            rows = self._reader.execute(
                "SELECT i.id, i.rev FROM items i JOIN sets s ON s.gen = i.gen"
                " WHERE s.name = ? AND i.doc <> x'' AND NOT EXISTS"
                " (SELECT 1 FROM revoked r WHERE r.name = s.name AND r.id = i.id AND r.rev > i.rev)",
                (name,),
            )
        return dict(rows)

    def named(self, name: str) -> frozenset[str]:
        """Every id about which the platform has the say: what it has put, and what it has revoked."""
        with self._reader_lock:
            rows = self._reader.execute(
                "SELECT i.id FROM items i JOIN sets s ON s.gen = i.gen WHERE s.name = ?1"
                " UNION SELECT id FROM revoked WHERE name = ?1",
                (name,),
            )
        return frozenset(row[0] for row in rows)

    def standing(self, name: str, ids: Iterable[str]) -> Iterator[tuple[str, int, bytes, bool]]:
        """(id, rev, doc, whether the platform names it) of these; without a doc nothing counts."""
        gen, revoked = self.state(name).gen, self.revoked(name)
        for item_id in ids:
            with self._reader_lock:
                rows = self._reader.execute(
                    "SELECT rev, doc FROM items WHERE gen = ? AND bucket = ? AND id = ?",
                    (gen, bucket_of(item_id), item_id),
                )
            rev, doc = rows[0] if rows else (0, b"")
            counts = bool(rows) and revoked.get(item_id, 0) < rev
            yield item_id, rev, doc if counts else b"", bool(rows) or item_id in revoked

    def docs(self, name: str) -> Iterator[tuple[str, int, bytes]]:
        """(id, rev, doc) of all items, also of those that a revocation covers; bucket by bucket."""
        gen = self.state(name).gen
        for bucket in range(BUCKETS):  # a whole set at once would be a hundred megabytes
            with self._reader_lock:
                rows = self._reader.execute(
                    "SELECT id, rev, doc FROM items WHERE gen = ? AND bucket = ?", (gen, bucket)
                )
            yield from ((row[0], row[1], row[2]) for row in rows if row[2])

    def content_key(self, name: str, key_id: str) -> ContentKey | None:
        """A key of a set; None when it has not come yet, or does not open with this device's key."""
        with self._lock:
            rows = self._database.execute(
                "SELECT sealed FROM keys WHERE name = ? AND key_id = ?", (name, key_id)
            )
        if not rows:
            return None
        try:
            return ContentKey(key_id, self._vault.open(rows[0][0], _about_key(name, key_id)))
        except VaultError as error:
            log.error("the key %s of set %s is asked for again: %s", key_id, name, error)
            return None

    # Writing

    def saw(self, name: str, rev: int) -> None:
        """A manifest of this revision was verified; older ones are refused from now on."""
        with self._writing():
            self._know(name)
            self._database.execute("UPDATE sets SET seen_rev = max(seen_rev, ?) WHERE name = ?", (rev, name))

    def put_key(self, name: str, key_id: str, key: bytes) -> None:
        """Keep a content key, sealed."""
        with self._writing():
            self._database.execute(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?)",
                (name, key_id, self._vault.seal(key, _about_key(name, key_id))),
            )
        self.changed_all(name)

    def revoke(self, name: str, deletions: Sequence[tuple[str, int]]) -> tuple[Gone, ...]:
        """Take items away at once, whatever else is going on; their content is overwritten.

        Args:
            name: Of the set.
            deletions: (id, revision of the deletion).

        Returns:
            What stood here and is gone.
        """
        gone: list[Gone] = []
        with self._lock:
            with self._database.transaction():
                state = self.state(name)
                for item_id, rev in deletions:
                    if rev <= state.rev:
                        continue  # counted by the manifest already
                    self._database.execute(
                        "INSERT INTO revoked VALUES (?, ?, ?)"
                        " ON CONFLICT (name, id) DO UPDATE SET rev = max(rev, excluded.rev)",
                        (name, item_id, rev),
                    )
                    gone += self._empty(state.gen, item_id, rev)
                self._owe(name, gone)
            self._note_changed(name, {item_id for item_id, _ in deletions})
        return tuple(gone)

    def begin(self, name: str) -> int:
        """A generation to be written beside the one that counts."""
        with self._writing():
            self._know(name)
            self._database.execute("INSERT INTO generations (name) VALUES (?)", (name,))
            return int(self._database.execute("SELECT last_insert_rowid()")[0][0])

    def add(self, gen: int, items: Iterable[Item]) -> None:
        """Write items into a generation that does not count yet."""
        with self._writing():
            for item in items:
                self._put(gen, item)

    def replace_bucket(self, gen: int, bucket: int, items: Iterable[Item]) -> None:
        """Make one bucket of a generation that does not count yet exactly these items."""
        with self._writing():
            self._database.execute("DELETE FROM items WHERE gen = ? AND bucket = ?", (gen, bucket))
            for item in items:
                self._put(gen, item)

    def flip(
        self, name: str, *, rev: int, manifest: bytes, gen: int, changes: Mapping[int, Change]
    ) -> tuple[Gone, ...]:
        """Make a revision count, in one transaction: this generation, with these buckets changed.

        Returns:
            What the revision before had and this one has not; what was revoked before is not named again.
        """
        with self._lock:
            before = self.state(name)
            with self._database.transaction():
                leaving = self._leaving(before, gen, changes, rev)
                self._owe(name, leaving)
                for puts, deletions in changes.values():
                    for item_id in deletions:
                        self._delete(gen, item_id)
                    for item in puts.values():
                        self._put(gen, item)
                self._database.execute(
                    "UPDATE sets SET gen = ?, rev = ?, manifest = ?, seen_rev = max(seen_rev, ?)"
                    " WHERE name = ?",
                    (gen, rev, manifest, rev, name),
                )
                counted = {i for i, revoked_rev in self.revoked(name).items() if revoked_rev <= rev}
                self._database.execute("DELETE FROM revoked WHERE name = ? AND rev <= ?", (name, rev))
                for item_id, revoked_rev in self.revoked(name).items():
                    self._empty(gen, item_id, revoked_rev)
            if gen != before.gen:
                self.changed_all(name)
            else:
                moved = {i for puts, gone in changes.values() for i in (*puts, *gone)}
                self._note_changed(name, counted | moved)
        return leaving

    def owed(self, name: str) -> tuple[Gone, ...]:
        """What is gone and was not seen to yet elsewhere on this box; ``witnessed`` when it was."""
        with self._lock:
            rows = self._database.execute("SELECT id, sha256, rev FROM owed WHERE name = ?", (name,))
        return tuple(Gone(*row) for row in rows)

    def witnessed(self, name: str, gone: Iterable[Gone]) -> None:
        """These were seen to."""
        with self._writing():
            for item in gone:
                place = (name, item.id, item.sha256)
                self._database.execute("DELETE FROM owed WHERE name = ? AND id = ? AND sha256 = ?", place)

    def renew(self, name: str, manifest: bytes) -> None:
        """The same revision, signed again later."""
        with self._writing():
            self._database.execute("UPDATE sets SET manifest = ? WHERE name = ?", (manifest, name))

    def sweep(self, building: Iterable[int] = ()) -> bool:
        """Delete a little of what counts no more and is not being built; True while there may be more."""
        wanted = set(building)
        with self._lock:
            rows = self._database.execute(
                "SELECT g.gen FROM generations g WHERE g.gen NOT IN (SELECT gen FROM sets)"
                " AND EXISTS (SELECT 1 FROM items i WHERE i.gen = g.gen)"
            )
            leftover = next((gen for (gen,) in rows if gen not in wanted), None)
            if leftover is None:
                return False
            with self._database.transaction():
                self._database.execute(
                    "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE gen = ? LIMIT ?)",
                    (leftover, SWEEP_ROWS),
                )
        return True

    def purge(self) -> None:
        """Empty the write-ahead log, in which what was deleted still stands.

        Raises:
            JournalError: Somebody reads right now; try again.
        """
        with self._lock, self._reader_lock:
            self._database.checkpoint()

    def close(self) -> None:
        """Close; harmless when closed."""
        with self._lock, self._reader_lock:
            self._reader.close()
            self._database.close()

    # Inside

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._database.transaction():
            yield

    def _note_changed(self, name: str, ids: set[str]) -> None:
        with self._lock:
            known = self._changed.setdefault(name, set())
            if known is not None:
                known |= ids

    def _know(self, name: str) -> None:
        self._database.execute("INSERT INTO sets (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))

    def _owe(self, name: str, gone: Iterable[Gone]) -> None:
        for item in gone:
            row = (name, item.id, item.sha256, item.rev)
            self._database.execute("INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?)", row)

    def _put(self, gen: int, item: Item) -> None:
        self._database.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (gen, bucket, id) DO UPDATE"
            " SET rev = excluded.rev, sha256 = excluded.sha256, doc = excluded.doc",
            (gen, item.bucket, item.id, item.rev, item.sha256, item.doc),
        )

    def _delete(self, gen: int, item_id: str) -> None:
        self._database.execute(
            "DELETE FROM items WHERE gen = ? AND bucket = ? AND id = ?", (gen, bucket_of(item_id), item_id)
        )

    def _empty(self, gen: int, item_id: str, rev: int) -> list[Gone]:
        place = (gen, bucket_of(item_id), item_id)
        rows = self._database.execute(
            "SELECT sha256 FROM items WHERE gen = ? AND bucket = ? AND id = ? AND doc <> x'' AND rev < ?",
            (*place, rev),
        )
        if not rows:
            return []
        self._database.execute(
            "UPDATE items SET doc = x'' WHERE gen = ? AND bucket = ? AND id = ?",
            place,
        )
        return [Gone(item_id, rows[0][0], rev)]

    def _leaving(
        self, before: SetState, gen: int, changes: Mapping[int, Change], rev: int
    ) -> tuple[Gone, ...]:
        if not before.gen:
            return ()
        if gen == before.gen:
            left = [item_id for _, deletions in changes.values() for item_id in deletions]
            rows = [
                row
                for item_id in left
                for row in self._database.execute(
                    "SELECT id, sha256 FROM items WHERE gen = ? AND bucket = ? AND id = ? AND doc <> x''",
                    (gen, bucket_of(item_id), item_id),
                )
            ]
            return tuple(Gone(item_id, sha256, rev) for item_id, sha256 in rows)
        gone: list[Gone] = []
        for bucket in range(BUCKETS):
            puts, deletions = changes.get(bucket, ({}, frozenset()))
            new = (self.bucket_rows(gen, bucket).keys() | puts.keys()) - deletions
            rows = self._database.execute(
                "SELECT id, sha256 FROM items WHERE gen = ? AND bucket = ? AND doc <> x''",
                (before.gen, bucket),
            )
            gone += [Gone(item_id, sha256, rev) for item_id, sha256 in rows if item_id not in new]
        return tuple(gone)


def discard(path: Path) -> None:
    """Delete a damaged file: all that was in it can be fetched again.

    Raises:
        JournalError: It cannot be deleted.
    """
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        try:
            path.with_name(name).unlink(missing_ok=True)
        except OSError as error:
            raise JournalError(f"{path}: damaged, and cannot be deleted: {error.strerror}") from error


def _about_key(name: str, key_id: str) -> bytes:
    return f"set key|{name}|{key_id}".encode()

"""The platform's side of sets: the table of items, with revisions given at commit and deletions kept.

One file per platform, ``sets.db`` beside the ledger. A deletion is kept for ninety days, longer than any box
may be away and still be brought up to date by deltas; who was away longer gets buckets or a snapshot.
"""

import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.errors import KeyRefused
from edge.records import JsonObject
from edge.store.database import Database
from edge.store.items import BUCKETS, DEL, Item, bucket_digest, bucket_of, make_item, members_of
from edge.store.sealing import CONTENT_KEY_BYTES, ContentKey

DAY_S = 86_400
KEEP_DELETIONS_S = 90 * DAY_S
_MIGRATIONS = (
    """
    CREATE TABLE sets (
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        rev INTEGER NOT NULL DEFAULT 0,
        min_delta_rev INTEGER NOT NULL DEFAULT 0,
        key_id TEXT NOT NULL DEFAULT '',
        key BLOB NOT NULL DEFAULT x'',
        snap_rev INTEGER NOT NULL DEFAULT 0,
        snap_size INTEGER NOT NULL DEFAULT 0,
        snap_sha256 TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (scope, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE items (
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        bucket INTEGER NOT NULL,
        id TEXT NOT NULL,
        rev INTEGER NOT NULL,
        op TEXT NOT NULL,
        utc_s INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        doc BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX items_in_bucket ON items (scope, name, bucket, id);
    CREATE INDEX items_by_rev ON items (scope, name, rev);
    -- The first key that a box has shown counts; another one would be another box.
    CREATE TABLE boxes (box TEXT PRIMARY KEY, public BLOB NOT NULL) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE sets ADD COLUMN snap_utc_s INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sets ADD COLUMN snap_spread_s INTEGER NOT NULL DEFAULT 0;
    -- Who asks about which scope, and when last (to the day): how many will fetch a snapshot.
    CREATE TABLE askers (
        scope TEXT NOT NULL, box TEXT NOT NULL, utc_s INTEGER NOT NULL, PRIMARY KEY (scope, box)
    ) STRICT, WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody wants to have in a set.

    Attributes:
        body: Members of a permit, or ``{}`` with ``secret`` for a body that is to be sealed.
        valid_from, valid_to: Seconds since 1970, or None. zones: Names.
        secret: Content of a sealed body, b"" for none.
    """

    body: JsonObject
    valid_from: int | None = None
    valid_to: int | None = None
    zones: tuple[str, ...] = ()
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class SetRow:
    """A set as the table has it; attributes as in ``edge.sync.set_documents.Manifest``."""

    rev: int = 0
    min_delta_rev: int = 0
    key_id: str = ""
    snap_rev: int = 0
    snap_size: int = 0
    snap_sha256: str = ""
    snap_utc_s: int = 0
    snap_spread_s: int = 0


class SetTable:
    """The items of all sets. Thread: any."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            JournalError: It cannot be opened.
        """
        self._lock = threading.RLock()
        self._database = Database(path, _MIGRATIONS, secure_delete=True)

    def sets(self) -> list[tuple[str, str]]:
        """(scope, name) of every set."""
        with self._lock:
            return [(scope, name) for scope, name in self._database.execute("SELECT scope, name FROM sets")]

    def row(self, scope: str, name: str) -> SetRow:
        """A set; revision 0 when there is none."""
        with self._lock:
            rows = self._database.execute(
                "SELECT rev, min_delta_rev, key_id, snap_rev, snap_size, snap_sha256, snap_utc_s,"
                " snap_spread_s FROM sets WHERE scope = ? AND name = ?",
                (scope, name),
            )
        return SetRow(*rows[0]) if rows else SetRow()

    def commit(
        self, scope: str, name: str, puts: Mapping[str, Entry], deletions: Sequence[str], now_utc_s: int
    ) -> list[Item]:
        """Give what changes one new revision, and keep it.

        Args:
            scope: Of the set.
            name: Of the set.
            puts: By id.
            deletions: Ids; those that are not there are passed over.
            now_utc_s: For how long deletions are kept.

        Returns:
            The changed items, empty when nothing changes.

        Raises:
            ItemInvalid: An id or a member cannot be used; nothing is changed.
        """
        with self._lock, self._database.transaction():
            self._database.execute(
                "INSERT INTO sets (scope, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (scope, name)
            )
            rev = self.row(scope, name).rev + 1
            present = [item_id for item_id in deletions if self._stands(scope, name, item_id)]
            items = [make_item(item_id, rev, None) for item_id in present]
            items += [self._made(scope, name, item_id, rev, entry) for item_id, entry in puts.items()]
            for item in items:
                self._keep(scope, name, item, now_utc_s)
            if items:
                self._forget_old(scope, name, now_utc_s)
                self._database.execute(
                    "UPDATE sets SET rev = ? WHERE scope = ? AND name = ?", (rev, scope, name)
                )
        return items

    def entries(self, scope: str, name: str) -> dict[str, dict[str, Any]]:
        """Members of every item that stands, by id."""
        return {item.id: members_of(item.doc) for item in self.items(scope, name)}

    def items(self, scope: str, name: str) -> Iterator[Item]:
        """All items that stand, bucket by bucket, in the order of their ids."""
        for bucket in range(BUCKETS):
            yield from self.bucket(scope, name, bucket)

    def bucket(self, scope: str, name: str, bucket: int) -> list[Item]:
        """Items of one bucket that stand."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, rev, sha256, doc FROM items"
                " WHERE scope = ? AND name = ? AND bucket = ? AND op <> ? ORDER BY id",
                (scope, name, bucket, DEL),
            )
        return [Item(*row) for row in rows]

    def since(self, scope: str, name: str, rev: int, limit: int) -> list[Item] | None:
        """What has changed after a revision, deletions too; None when that is more than the limit."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, rev, sha256, doc, op FROM items"
                " WHERE scope = ? AND name = ? AND rev > ? ORDER BY rev LIMIT ?",
                (scope, name, rev, limit + 1),
            )
        return None if len(rows) > limit else [Item(*row) for row in rows]

    def digests(self, scope: str, name: str) -> tuple[tuple[bytes, ...], int]:
        """Digest of each bucket, and the number of items."""
        digests = tuple(self.digest(scope, name, bucket) for bucket in range(BUCKETS))
        return digests, self.count(scope, name)

    def changed_since(self, scope: str, name: str, rev: int) -> int:
        """How many items have changed after a revision."""
        with self._lock:
            rows = self._database.execute(
                "SELECT count(*) FROM items WHERE scope = ? AND name = ? AND rev > ?", (scope, name, rev)
            )
        return int(rows[0][0])

    def count(self, scope: str, name: str) -> int:
        """How many items stand."""
        with self._lock:
            rows = self._database.execute(
                "SELECT count(*) FROM items WHERE scope = ? AND name = ? AND op <> ?", (scope, name, DEL)
            )
        return int(rows[0][0])

    def digest(self, scope: str, name: str, bucket: int) -> bytes:
        """Digest of one bucket."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, rev, sha256 FROM items WHERE scope = ? AND name = ? AND bucket = ? AND op <> ?",
                (scope, name, bucket, DEL),
            )
        return bucket_digest((row[0], row[1], row[2]) for row in rows)

    def note_snapshot(
        self,
        scope: str,
        name: str,
        rev: int,
        size: int,
        sha256: str,
        *,
        now_utc_s: int = 0,
        spread_s: int = 0,
    ) -> None:
        """A snapshot file was written, to be fetched within so many seconds."""
        with self._lock, self._database.transaction():
            self._database.execute(
                "UPDATE sets SET snap_rev = ?, snap_size = ?, snap_sha256 = ?, snap_utc_s = ?,"
                " snap_spread_s = ? WHERE scope = ? AND name = ?",
                (rev, size, sha256, now_utc_s, spread_s, scope, name),
            )

    def heard(self, scope: str, box: str, now_utc_s: int) -> None:
        """A box asks about a scope; written once a day."""
        with self._lock:
            place = (scope, box)
            rows = self._database.execute("SELECT utc_s FROM askers WHERE scope = ? AND box = ?", place)
            if rows and abs(now_utc_s - rows[0][0]) <= DAY_S:
                return
            with self._database.transaction():
                self._database.execute("INSERT OR REPLACE INTO askers VALUES (?, ?, ?)", (*place, now_utc_s))

    def askers(self, scope: str, now_utc_s: int) -> int:
        """How many boxes have asked about a scope within thirty days."""
        with self._lock:
            rows = self._database.execute(
                "SELECT count(*) FROM askers WHERE scope = ? AND utc_s >= ?", (scope, now_utc_s - 30 * DAY_S)
            )
        return int(rows[0][0])

    def content_key(self, scope: str, name: str) -> tuple[str, bytes]:
        """Id and bytes of the key that seals a set's bodies; made on first use."""
        with self._lock, self._database.transaction():
            self._database.execute(
                "INSERT INTO sets (scope, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (scope, name)
            )
            key_id, key = self._database.execute(
                "SELECT key_id, key FROM sets WHERE scope = ? AND name = ?", (scope, name)
            )[0]
            if not key_id:
                key_id, key = secrets.token_hex(8), secrets.token_bytes(CONTENT_KEY_BYTES)
                self._database.execute(
                    "UPDATE sets SET key_id = ?, key = ? WHERE scope = ? AND name = ?",
                    (key_id, key, scope, name),
                )
        return str(key_id), bytes(key)

    def trust(self, box: str, public: bytes) -> None:
        """Keep the first key of a box.

        Raises:
            KeyRefused: It has shown another one before; somebody must say that it was replaced (``forget``).
        """
        with self._lock, self._database.transaction():
            self._database.execute("INSERT INTO boxes VALUES (?, ?) ON CONFLICT DO NOTHING", (box, public))
            known = self._database.execute("SELECT public FROM boxes WHERE box = ?", (box,))[0][0]
        if known != public:
            raise KeyRefused(f"{box} shows another key than before; forget it if the box was replaced")

    def forget(self, box: str) -> bool:
        """A box was replaced: its next key counts. False when none was known."""
        with self._lock, self._database.transaction():
            self._database.execute("DELETE FROM boxes WHERE box = ?", (box,))
            return self._database.changes() == 1

    def close(self) -> None:
        """Close; harmless when closed."""
        with self._lock:
            self._database.close()

    def _made(self, scope: str, name: str, item_id: str, rev: int, entry: Entry) -> Item:
        body: JsonObject = entry.body
        if entry.secret:
            key_id, key = self._database.execute(
                "SELECT key_id, key FROM sets WHERE scope = ? AND name = ?", (scope, name)
            )[0]
            body = ContentKey(key_id, key).seal(entry.secret, name, item_id, rev)
        return make_item(
            item_id, rev, body, valid_from=entry.valid_from, valid_to=entry.valid_to, zones=entry.zones
        )

    def _stands(self, scope: str, name: str, item_id: str) -> bool:
        rows = self._database.execute(
            "SELECT op FROM items WHERE scope = ? AND name = ? AND bucket = ? AND id = ?",
            (scope, name, bucket_of(item_id), item_id),
        )
        return bool(rows) and rows[0][0] != DEL

    def _keep(self, scope: str, name: str, item: Item, now_utc_s: int) -> None:
        self._database.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (scope, name, bucket, id) DO UPDATE SET rev = excluded.rev, op = excluded.op,"
            " utc_s = excluded.utc_s, sha256 = excluded.sha256, doc = excluded.doc",
            (scope, name, item.bucket, item.id, item.rev, item.op, now_utc_s, item.sha256, item.doc),
        )

    def _forget_old(self, scope: str, name: str, now_utc_s: int) -> None:
        old = (scope, name, DEL, now_utc_s - KEEP_DELETIONS_S)
        where = "scope = ? AND name = ? AND op = ? AND utc_s < ?"
        newest = self._database.execute(f"SELECT max(rev) FROM items WHERE {where}", old)[0][0]  # noqa: S608
        if newest is not None:
            self._database.execute(f"DELETE FROM items WHERE {where}", old)  # noqa: S608
            self._database.execute(
                "UPDATE sets SET min_delta_rev = max(min_delta_rev, ?) WHERE scope = ? AND name = ?",
                (newest, scope, name),
            )


NOTHING: Mapping[str, Entry] = MappingProxyType({})

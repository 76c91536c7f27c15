"""Tables of ``scope_sets.db``, and what is known of one set there."""

from dataclasses import dataclass

MIGRATIONS = (
    """
    -- What counts now: the generation, and the manifest that proves it.
    CREATE TABLE sets (
        name TEXT PRIMARY KEY,
        gen INTEGER NOT NULL DEFAULT 0,
        rev INTEGER NOT NULL DEFAULT 0,
        manifest BLOB NOT NULL DEFAULT x'',
        seen_rev INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;

    -- Generations are never given twice, so what a crash has left of one cannot be taken for another's.
    CREATE TABLE generations (gen INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL) STRICT;

    -- Exactly what the manifest counts; a revoked item's doc is emptied, its place stays for the digest.
    CREATE TABLE items (
        gen INTEGER NOT NULL,
        bucket INTEGER NOT NULL,
        id TEXT NOT NULL,
        rev INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        doc BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX items_in_bucket ON items (gen, bucket, id);

    -- Signed deletions that the manifest does not count yet: they act at once, and only take away (ACC-2).
    CREATE TABLE revoked (
        name TEXT NOT NULL,
        id TEXT NOT NULL,
        rev INTEGER NOT NULL,
        PRIMARY KEY (name, id)
    ) STRICT, WITHOUT ROWID;

    -- Content keys, sealed by the vault.
    CREATE TABLE keys (
        name TEXT NOT NULL,
        key_id TEXT NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (name, key_id)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- What is gone from a set, and was not seen to yet in the other files: entries made here, receipts.
    CREATE TABLE owed (
        name TEXT NOT NULL,
        id TEXT NOT NULL,
        sha256 BLOB NOT NULL,
        rev INTEGER NOT NULL,
        PRIMARY KEY (name, id, sha256)
    ) STRICT, WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class SetState:
    """How far a set is.

    Attributes:
        gen: Generation of the items that count; 0: there are none yet.
        rev: Revision that counts. manifest: The signed manifest that proves it, as it came.
        seen_rev: Highest revision of a verified manifest; an older one is a replay.
    """

    gen: int = 0
    rev: int = 0
    manifest: bytes = b""
    seen_rev: int = 0


@dataclass(frozen=True, slots=True)
class Gone:
    """An item whose content is gone from this box.

    Attributes:
        id: Of the person. sha256: Of the item as it stood here. rev: Of the deletion.
    """

    id: str
    sha256: bytes
    rev: int

"""Tables of ``sets.db``, and the small records that live there beside the roster."""

from dataclasses import dataclass

from edge.records import JsonObject

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('rev', 0);

    CREATE TABLE persons (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE deny (
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (kind, value)
    ) STRICT, WITHOUT ROWID;

    -- A template without a consent cannot stand here: the database itself refuses it (PRIV-1).
    CREATE TABLE consents (
        person TEXT PRIMARY KEY REFERENCES persons (id) ON DELETE CASCADE,
        who TEXT NOT NULL,
        when_utc_s INTEGER NOT NULL,
        text_version TEXT NOT NULL,
        channel TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE templates (
        id TEXT PRIMARY KEY,
        person TEXT NOT NULL REFERENCES consents (person) ON DELETE CASCADE,
        set_name TEXT NOT NULL,
        sealed BLOB NOT NULL,
        made_utc_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX templates_of_person ON templates (person);

    -- Proof that something is gone; outlives the person.
    CREATE TABLE receipts (
        id TEXT PRIMARY KEY,
        person TEXT NOT NULL,
        why TEXT NOT NULL,
        templates INTEGER NOT NULL,
        text_version TEXT NOT NULL,
        when_utc_s INTEGER NOT NULL,
        rev INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- A child without a guardian cannot stand here either.
    ALTER TABLE consents ADD COLUMN under_14 INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE consents ADD COLUMN guardian TEXT NOT NULL DEFAULT '';
    ALTER TABLE consents ADD COLUMN keep_pictures INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE consents ADD COLUMN relation TEXT NOT NULL DEFAULT ''
        CHECK (NOT under_14 OR (guardian <> '' AND relation <> ''));
    ALTER TABLE receipts ADD COLUMN pictures INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE receipts ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';

    -- Pictures that a consent allows to keep; the sealed files stand in a folder beside this one.
    CREATE TABLE pictures (
        id TEXT PRIMARY KEY,
        person TEXT NOT NULL REFERENCES consents (person) ON DELETE CASCADE,
        bytes INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        made_utc_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX pictures_of_person ON pictures (person);

    -- What the journal is still to be told, for only the daemon may write there; see SetStore.notes.
    CREATE TABLE notes (
        id TEXT PRIMARY KEY,
        type TEXT NOT NULL,
        subject TEXT NOT NULL,
        data TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Digests of PINs, sealed; see edge.access.pins.
    CREATE TABLE pins (
        person TEXT PRIMARY KEY REFERENCES persons (id) ON DELETE CASCADE,
        sealed BLOB NOT NULL,
        made_utc_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Whether pictures of passages may be kept, or sent; the pictures themselves are in media.db.
    ALTER TABLE consents ADD COLUMN passage_pictures TEXT NOT NULL DEFAULT 'no'
        CHECK (passage_pictures IN ('no', 'keep', 'send'));
    """,
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a person's templates and pictures are gone from this device.

    Attributes:
        id: UUIDv7. person: Roster id.
        why: "consent withdrawn", "person removed", "roster replaced".
        templates: How many were deleted.
        text_version: Of the consent that had been given, "" when there was none.
        when_utc_s: When. rev: Revision of the set without them.
        pictures: How many kept pictures were deleted, those of passages included.
        sha256: Of everything that was deleted, as it stood on the disk, sealed, in the order of the ids;
            "" when there was nothing.
    """

    id: str
    person: str
    why: str
    templates: int
    text_version: str
    when_utc_s: int
    rev: int
    pictures: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something the journal is to be told about the sets; ``id`` stays the same if it is told twice."""

    id: str
    type: str
    subject: str
    data: JsonObject

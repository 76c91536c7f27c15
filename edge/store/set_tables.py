"""Tables of ``sets.db``, and the small records that live there beside the roster."""

from dataclasses import dataclass

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
)


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's separate consent to be recognised by face.

    Attributes:
        who: Who gave it: the person, or for a child under 14 the guardian, by name.
        when_utc_s: When, seconds since 1970.
        text_version: Version of the text that was shown.
        channel: Where: "paper", "kiosk", "app", ...
    """

    who: str
    when_utc_s: int
    text_version: str
    channel: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a person's templates are gone from this device.

    Attributes:
        id: UUIDv7. person: Roster id.
        why: "consent withdrawn", "person removed", "roster replaced".
        templates: How many were deleted.
        text_version: Of the consent that had been given, "" when there was none.
        when_utc_s: When. rev: Revision of the set without them.
    """

    id: str
    person: str
    why: str
    templates: int
    text_version: str
    when_utc_s: int
    rev: int

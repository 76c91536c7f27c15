"""Tables of ``events.db``, and the rows that leave it."""

from dataclasses import dataclass

from edge.records import Stream

UNKNOWN = "unknown"
"""Result of what a crash interrupted: it may have happened or not, and is never tried again (SAFE-3)."""

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

    -- AUTOINCREMENT: the id of a deleted row is never given again, so readers may keep it as their place.
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        stream TEXT NOT NULL,
        seq INTEGER NOT NULL,
        utc_ns INTEGER NOT NULL,
        payload BLOB NOT NULL,
        UNIQUE (stream, seq)
    ) STRICT;
    CREATE INDEX events_in_stream ON events (stream, id);

    -- Outlives the rows: the next sequence and hash do not depend on what retention has deleted.
    CREATE TABLE heads (
        stream TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        digest TEXT NOT NULL,
        acked_seq INTEGER NOT NULL DEFAULT 0,
        acked_id INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE actuations (
        id TEXT PRIMARY KEY,
        stream TEXT NOT NULL,
        subject TEXT NOT NULL,
        chain TEXT NOT NULL,
        begun_utc_ns INTEGER NOT NULL,
        result TEXT
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE commands (
        jti TEXT PRIMARY KEY,
        kid TEXT NOT NULL,
        ctr INTEGER NOT NULL,
        exp_utc_s INTEGER NOT NULL,
        subject TEXT NOT NULL,
        chain TEXT NOT NULL,
        begun_utc_ns INTEGER NOT NULL,
        result TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE counters (kid TEXT PRIMARY KEY, ctr INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
    """
    -- Events that nobody would take, as they were; a stand-in has their place in the stream.
    CREATE TABLE parked (
        stream TEXT NOT NULL,
        seq INTEGER NOT NULL,
        utc_ns INTEGER NOT NULL,
        why TEXT NOT NULL,
        payload BLOB NOT NULL,
        PRIMARY KEY (stream, seq)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- How often each QR pass of few uses has opened; kept until it has expired.
    CREATE TABLE passes (
        jti TEXT PRIMARY KEY,
        uses INTEGER NOT NULL,
        exp_utc_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Events of a damaged journal, as they were; they get a place in the new epoch at the next opening.
    CREATE TABLE salvaged (
        id INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    """,
)

FIRST_KEPT = (
    "coalesce((SELECT min(events.seq) FROM events WHERE events.stream = heads.stream AND events.seq >="
    " (SELECT coalesce(max(CAST(value AS INTEGER)), 1) FROM meta WHERE key = 'begun:' || heads.stream)),"
    " heads.seq + 1)"
)
"""In a query of ``heads``: sequence of the oldest event of the present epoch that is here, or of the next.

An epoch that follows on another one goes on counting, where it begins stands in ``meta``.
"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One stored event, ready to be sent.

    Attributes:
        id: Place in the journal, rising over all streams; what ``after`` means everywhere.
        epoch, seq: Its place in the stream; what an acknowledgement names.
        payload: The bytes to send, unchanged (``edge.store.envelope``).
    """

    id: int
    stream: Stream
    epoch: str
    seq: int
    payload: bytes

"""Tables of ``media.db``, and what is in them: pictures of passages, and deletions still to be told."""

from dataclasses import astuple, dataclass
from typing import Any

from edge.records import JsonObject

KEPT, SENT, REFUSED = "kept", "sent", "refused"
"""States: only here; the platform has it too; the platform will not have it."""

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE pictures (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        sha256 TEXT NOT NULL UNIQUE,
        bytes INTEGER NOT NULL,
        kind TEXT NOT NULL,
        lane TEXT NOT NULL,
        camera TEXT NOT NULL,
        verdict TEXT NOT NULL,
        person TEXT NOT NULL,
        event TEXT NOT NULL,
        epoch TEXT NOT NULL,
        seq INTEGER NOT NULL,
        kept_utc_s INTEGER NOT NULL,
        state TEXT NOT NULL,
        file TEXT NOT NULL UNIQUE,
        sealed_bytes INTEGER NOT NULL,
        sealed_sha256 TEXT NOT NULL
    ) STRICT;
    CREATE INDEX pictures_of_person ON pictures (person);

    -- What the journal is still to be told, for only the daemon may write there.
    CREATE TABLE deletions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        why TEXT NOT NULL,
        person TEXT NOT NULL,
        when_utc_s INTEGER NOT NULL,
        sha256 TEXT NOT NULL
    ) STRICT;
    """,
)
COLUMNS = "sha256, bytes, kind, lane, camera, verdict, person, event, epoch, seq, kept_utc_s, state"


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture that is kept.

    Attributes:
        sha256, size_bytes: Of the JPEG, as its event names it.
        kind: "plate" or "face". lane, camera, verdict: Of the decision.
        person: For a face: roster id of whose consent it rests on; empty for a plate.
        event, epoch, seq: Of the access event that refers to it.
        kept_utc_s: Since when. state: ``KEPT``, ``SENT`` or ``REFUSED``.
    """

    sha256: str
    size_bytes: int
    kind: str
    lane: str
    camera: str
    verdict: str
    person: str
    event: str
    epoch: str
    seq: int
    kept_utc_s: int
    state: str = KEPT

    def row(self) -> tuple[Any, ...]:
        """In the order of ``COLUMNS``."""
        return astuple(self)

    def to_json(self) -> JsonObject:
        """For people, and for the platform."""
        return {
            "sha256": self.sha256,
            "bytes": self.size_bytes,
            "kind": self.kind,
            "lane": self.lane,
            "camera": self.camera,
            "verdict": self.verdict,
            "person": self.person or None,
            "event": self.event,
            "epoch": self.epoch,
            "seq": self.seq,
            "kept": self.kept_utc_s,
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class Deletion:
    """Pictures that were deleted together. ``person``: whose, for faces; ``sha256``: of the JPEGs."""

    id: int
    why: str
    person: str
    when_utc_s: int
    sha256: tuple[str, ...]

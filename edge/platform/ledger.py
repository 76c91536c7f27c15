"""The platform's table of events: each exactly once, in order per stream and epoch (DEL-2).

An event is taken when it is the next of its (device, epoch, stream); an older one is a duplicate, and a newer
one is parked for 30 seconds until what is missing has come, in the same file: several processes may take
events of one box, as with a shared subscription. Only what is committed here is acknowledged, and the
acknowledgement is all that lets the device forget.
"""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import NS_PER_S
from edge.records import Event, Stream
from edge.store.database import Database, Row, Value
from edge.store.envelope import FIRST_PREV, EnvelopeInvalid, digest, from_wire
from edge.store.standin import stand_in_of

PARKED_S = 30.0
PARKED_LIMIT = 1000

MIGRATIONS = (
    """
    CREATE TABLE events (
        device TEXT NOT NULL,
        epoch TEXT NOT NULL,
        stream TEXT NOT NULL,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        received_utc_ns INTEGER NOT NULL,
        payload BLOB NOT NULL,
        UNIQUE (device, epoch, stream, seq)
    ) STRICT;

    CREATE TABLE heads (
        device TEXT NOT NULL,
        epoch TEXT NOT NULL,
        stream TEXT NOT NULL,
        seq INTEGER NOT NULL,
        digest TEXT NOT NULL,
        broken INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (device, epoch, stream)
    ) STRICT, WITHOUT ROWID;

    -- What a device had delivered and forgotten before this table was made.
    CREATE TABLE gaps (
        device TEXT NOT NULL, epoch TEXT NOT NULL, stream TEXT NOT NULL, upto INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE counters (kid TEXT PRIMARY KEY, ctr INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE documents (
        device TEXT NOT NULL, rev INTEGER NOT NULL, issued REAL NOT NULL, document BLOB NOT NULL
    ) STRICT;
    """,
    """
    -- What came before its turn; ``first`` is the sequence that must be next for it.
    CREATE TABLE parked (
        device TEXT NOT NULL, epoch TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL,
        since_ns INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (device, epoch, stream, first)
    ) STRICT, WITHOUT ROWID;
    """,
)

Place = tuple[str, str, Stream]
"""Device as "tenant/device", epoch, stream."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message on ``ev/<stream>``, as it came. ``device`` and ``stream`` are those of the topic."""

    device: str
    stream: Stream
    payload: bytes


@dataclass(slots=True)
class Tally:
    """What became of a batch of arrivals.

    Attributes:
        heads: Last sequence of every place that was touched; this is what to acknowledge.
        taken, duplicates, parked, refused: How many arrivals ended so.
        rejected: The event at a place that this platform will not have, and why.
        conflicts: Places where an event has come that is not the one we have under its sequence, or does not
            follow from it: two boxes with one identity and one history, as after copying a card, or a box
            whose disk has lost what it had sent. Nothing of it is stored; the acknowledgement names the hash
            of what is, by which the box notices and begins a new epoch.
    """

    heads: dict[Place, int] = field(default_factory=dict)
    taken: int = 0
    duplicates: int = 0
    parked: int = 0
    refused: int = 0
    rejected: dict[Place, tuple[int, str]] = field(default_factory=dict)
    conflicts: set[Place] = field(default_factory=set)


class Ledger:
    """Thread: any, calls queue up; another process may open the same file."""

    def __init__(self, path: Path, refuses: Callable[[Event], str] = lambda _event: "") -> None:
        """Open or make the file.

        Args:
            path: The file.
            refuses: Says why this platform will not have an event; empty when it will.

        Raises:
            JournalError: It cannot be opened.
        """
        self._database = Database(path, MIGRATIONS)
        self._refuses = refuses
        self._lock = threading.Lock()  # one connection: a transaction of one thread must not meet another's
        self._has_parked = True  # within one transaction: whether looking for what is parked is worth it

    def take(self, arrivals: Iterable[Arrival], *, now_ns: int, utc_ns: int) -> Tally:
        """Store a batch in one transaction; on the disk when this returns.

        Raises:
            JournalError: Nothing of it is stored; acknowledge nothing.
        """
        tally = Tally()
        with self._lock, self._database.transaction():
            self._forget_parked(now_ns)
            for arrival in arrivals:
                self._take_one(arrival, tally, now_ns, utc_ns)
        return tally

    def begin_at(self, device: str, epoch: str, stream: Stream, seq: int) -> None:
        """A device says that all before ``seq`` was acknowledged once; believed only if nothing is known."""
        self._skip(device, epoch, stream, seq, known=False)

    def leave_out(self, device: str, epoch: str, stream: Stream, kept: int) -> int:
        """A device says that it has nothing before ``kept`` any more; returns how many will never come.

        None as a rule: only a table that was put back to an older state lacks what was acknowledged, and only
        if the device has forgotten it since.
        """
        return self._skip(device, epoch, stream, kept, known=True)

    def _skip(self, device: str, epoch: str, stream: Stream, seq: int, *, known: bool) -> int:
        """Go on at ``seq`` in a place that is known, or in one that is not; returns how many are left out."""
        place = (device, epoch, stream)
        with self._lock, self._database.transaction():
            head = self._head(place)
            last = 0 if head is None else head[0]
            if not last + 1 < seq < 1 << 62 or (head is not None) is not known:
                return 0
            gap = (device, epoch, stream.value, seq - 1)
            self._database.execute("INSERT INTO gaps VALUES (?, ?, ?, ?)", gap)
            self._put_head(place, seq - 1, "", broken=False)
            return seq - 1 - last

    def heads(self, device: str, epoch: str) -> dict[Stream, int]:
        """Last sequence per stream, 0 where there is none: what to acknowledge to a device that came back."""
        rows = self._read("SELECT stream, seq FROM heads WHERE device = ? AND epoch = ?", (device, epoch))
        return dict.fromkeys(Stream, 0) | {Stream(stream): int(seq) for stream, seq in rows}

    def mark(self, place: Place) -> tuple[int, str]:
        """Last sequence of one place and the hash that the next event must carry, what to acknowledge.

        0 where there is none; "" where the hash is not known.
        """
        with self._lock:
            return self._head(place) or (0, "")

    def counts(self) -> dict[str, dict[str, int]]:
        """Events per device and stream."""
        counts: dict[str, dict[str, int]] = {}
        for device, stream, count in self._read(
            "SELECT device, stream, count(*) FROM events GROUP BY device, stream ORDER BY device, stream"
        ):
            counts.setdefault(device, {})[stream] = int(count)
        return counts

    def broken_chains(self) -> list[Place]:
        """Places into which an event was sent that does not carry the hash of the one before it."""
        rows = self._read("SELECT device, epoch, stream FROM heads WHERE broken > 0")
        return [(device, epoch, Stream(stream)) for device, epoch, stream in rows]

    def payloads(self, device: str, stream: Stream | None = None) -> list[bytes]:
        """Wire form of all events of a device, in the order in which they were taken."""
        rows = self._read(
            "SELECT payload FROM events WHERE device = ?1 AND (?2 = '' OR stream = ?2) ORDER BY rowid",
            (device, "" if stream is None else stream.value),
        )
        return [bytes(row[0]) for row in rows]

    def payload_at(self, device: str, epoch: str, stream: Stream, seq: int) -> bytes | None:
        """Wire form of one event; None when it has not come."""
        rows = self._read(
            "SELECT payload FROM events WHERE device = ? AND epoch = ? AND stream = ? AND seq = ?",
            (device, epoch, stream.value, seq),
        )
        return bytes(rows[0][0]) if rows else None

    def last_place(self) -> int:
        """Place of the last event that was taken; 0 while there is none."""
        return int(self._read("SELECT coalesce(max(rowid), 0) FROM events")[0][0])

    def of_type(self, kind: str, after: int, limit: int = 1000) -> list[tuple[int, str, bytes]]:
        """(place, device, wire form) of events of a type behind a place, in the order they were taken."""
        rows = self._read(
            "SELECT rowid, device, payload FROM events WHERE rowid > ? AND type = ? ORDER BY rowid LIMIT ?",
            (after, kind, limit),
        )
        return [(int(place), str(device), bytes(payload)) for place, device, payload in rows]

    def next_counter(self, kid: str) -> int:
        """A number for a command that this key has never used, in this or any other process."""
        with self._lock, self._database.transaction():
            self._database.execute(
                "INSERT INTO counters VALUES (?, 1) ON CONFLICT (kid) DO UPDATE SET ctr = ctr + 1", (kid,)
            )
            rows = self._database.execute("SELECT ctr FROM counters WHERE kid = ?", (kid,))
        return int(rows[0][0])

    def last_revision(self, device: str) -> tuple[int, float]:
        """Revision and moment of issue of what was last published to a device; (0, 0) when nothing was."""
        rows = self._read(
            "SELECT rev, issued FROM documents WHERE device = ? ORDER BY rowid DESC LIMIT 1", (device,)
        )
        return (int(rows[0][0]), float(rows[0][1])) if rows else (0, 0.0)

    def last_documents(self) -> dict[str, bytes]:
        """The signed document last published, per device."""
        rows = self._read("SELECT device, document FROM documents ORDER BY rowid")
        return {device: bytes(document) for device, document in rows}

    def keep_document(self, device: str, rev: int, issued_s: float, document: bytes) -> None:
        """Remember what is published."""
        with self._lock, self._database.transaction():
            self._database.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?)", (device, rev, issued_s, document)
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _read(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        with self._lock:
            return self._database.execute(sql, values)

    def _take_one(self, arrival: Arrival, tally: Tally, now_ns: int, utc_ns: int) -> None:
        try:
            envelope = from_wire(arrival.payload)
        except EnvelopeInvalid as error:
            tally.refused += 1
            self._reject_unreadable(arrival, tally, str(error))
            return
        event = envelope.event
        if f"{envelope.tenant}/{envelope.device}" != arrival.device or event.stream is not arrival.stream:
            tally.refused += 1  # one box must not write in the name of another
            return
        place = (arrival.device, event.epoch, event.stream)
        head, last_digest = self._head(place) or (0, FIRST_PREV)
        tally.heads[place] = head
        stand_in = stand_in_of(event)
        if event.seq <= head:
            tally.duplicates += 1
            # What a stand-in replaces may have come all the same, its acknowledgement being lost.
            if stand_in is None and not self._is_stored(place, event.seq, arrival.payload):
                tally.conflicts.add(place)
            return
        first = event.seq if stand_in is None else stand_in.first
        if stand_in is None and (why := self._refuses(event)):
            tally.refused += 1
            tally.rejected[place] = (event.seq, why)
            return
        if first > head + 1:
            self._park(place, first, arrival.payload, now_ns)
            tally.parked += 1
            return
        wire: bytes | None = arrival.payload
        while wire is not None:
            stored = self._store(place, wire, head, last_digest, utc_ns)
            if stored is None:
                tally.conflicts.add(place)
                break
            head, last_digest = stored
            tally.taken += 1
            wire = self._unpark(place, head + 1)
        tally.heads[place] = head

    def _reject_unreadable(self, arrival: Arrival, tally: Tally, why: str) -> None:
        """Name the place of something that is no event, where it can be made out, so that it is parked."""
        try:
            document = json.loads(arrival.payload)
            epoch, seq = document["ghepoch"], document["ghseq"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        place = (arrival.device, epoch, arrival.stream)
        if isinstance(epoch, str) and epoch.isascii() and isinstance(seq, int) and seq < 1 << 62:
            head = (self._head(place) or (0, ""))[0]
            if seq > head:
                tally.heads.setdefault(place, head)
                tally.rejected[place] = (seq, why)

    def _store(
        self, place: Place, wire: bytes, head: int, last_digest: str, utc_ns: int
    ) -> tuple[int, str] | None:
        """Keep an event; returns the new head and the hash that the next event must carry.

        None, and nothing is kept, when it does not carry that of the event before it.
        """
        device, epoch, stream = place
        event = from_wire(wire).event
        stand_in = stand_in_of(event)
        if stand_in is not None and stand_in.first <= head:
            last_digest = ""  # it stands for more than we lack, and cannot name the hash of the last we have
        # An empty digest stands for an event that this table has never had.
        if last_digest not in ("", event.prev):
            self._put_head(place, head, last_digest, broken=True)
            return None
        if not self._is_here_from_before(place, event):
            self._database.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (device, epoch, stream.value, event.seq, event.id, event.type, utc_ns, wire),
            )
        if stand_in is not None:
            gone = (device, epoch, stream.value, event.seq - 1)
            if event.seq - 1 > head:
                self._database.execute("INSERT INTO gaps VALUES (?, ?, ?, ?)", gone)
        new_digest = digest(wire) if stand_in is None else stand_in.digest
        self._put_head(place, event.seq, new_digest, broken=False)
        return event.seq, new_digest

    def _is_here_from_before(self, place: Place, event: Event) -> bool:
        """Whether this is an event of an earlier epoch with a new place, and its first has come."""
        before = event.data.get("salvaged")
        if not isinstance(before, dict):
            return False
        epoch, seq = before.get("epoch"), before.get("seq")
        if not isinstance(epoch, str) or not isinstance(seq, int) or not 0 < seq < 1 << 62:
            return False
        rows = self._database.execute(
            "SELECT id FROM events WHERE device = ? AND epoch = ? AND stream = ? AND seq = ?",
            (place[0], epoch, place[2].value, seq),
        )
        return bool(rows) and rows[0][0] == event.id

    def _is_stored(self, place: Place, seq: int, wire: bytes) -> bool:
        rows = self._database.execute(
            "SELECT payload FROM events WHERE device = ? AND epoch = ? AND stream = ? AND seq = ?",
            (*place, seq),
        )
        return not rows or rows[0][0] == wire  # before ``begin_at`` there is nothing to compare with

    def _head(self, place: Place) -> tuple[int, str] | None:
        rows = self._database.execute(
            "SELECT seq, digest FROM heads WHERE device = ? AND epoch = ? AND stream = ?", place
        )
        return (int(rows[0][0]), str(rows[0][1])) if rows else None

    def _put_head(self, place: Place, seq: int, last_digest: str, *, broken: bool) -> None:
        self._database.execute(
            "INSERT INTO heads VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (device, epoch, stream)"
            " DO UPDATE SET seq = ?4, digest = ?5, broken = broken + ?6",
            (*place, seq, last_digest, int(broken)),
        )

    def _park(self, place: Place, first: int, wire: bytes, now_ns: int) -> None:
        """Keep what came too early, unless there is too much of it already."""
        rows = self._database.execute(
            "SELECT count(*) FROM parked WHERE device = ? AND epoch = ? AND stream = ?", place
        )
        if rows[0][0] < PARKED_LIMIT:
            self._has_parked = True
            self._database.execute(
                "INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?, ?, ?)", (*place, first, now_ns, wire)
            )

    def _unpark(self, place: Place, first: int) -> bytes | None:
        """What was waiting for this turn, or None; it is parked no more."""
        if not self._has_parked:
            return None
        where = "WHERE device = ? AND epoch = ? AND stream = ? AND first = ?"
        rows = self._database.execute(f"SELECT payload FROM parked {where}", (*place, first))  # noqa: S608
        if not rows:
            return None
        self._database.execute(f"DELETE FROM parked {where}", (*place, first))  # noqa: S608
        return bytes(rows[0][0])

    def _forget_parked(self, now_ns: int) -> None:
        """Drop what has waited too long, or since before a restart of the machine; begins a transaction."""
        kept_ns = round(
            PARKED_S * NS_PER_S
        )  # the times of two processes differ by what they wait for the file
        span = (now_ns - kept_ns, now_ns + kept_ns)
        self._database.execute("DELETE FROM parked WHERE since_ns < ? OR since_ns > ?", span)
        self._has_parked = bool(self._database.execute("SELECT 1 FROM parked LIMIT 1"))

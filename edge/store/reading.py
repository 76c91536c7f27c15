"""Reading ``events.db``: beside the writer, from any thread, and from any other process."""

import json
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from edge.errors import JournalError
from edge.records import Stream
from edge.store.database import Database, Row
from edge.store.envelope import EnvelopeInvalid, chained_digest
from edge.store.schema import FIRST_KEPT, MIGRATIONS, OutboxRow

_COLUMNS = "SELECT id, stream, seq, payload FROM events"


class EventReader:
    """A read-only view of the journal.

    Thread: any; each call holds the lock of this reader's own connection, the writer is never held up.
    """

    def __init__(self, path: Path) -> None:
        """Open for reading.

        Raises:
            JournalError: There is no journal there, or it cannot be read.
        """
        if not path.exists():
            raise JournalError(f"{path}: no journal here yet; it is made when the daemon first runs")
        self._lock = threading.Lock()
        self._database = Database(path, MIGRATIONS, readonly=True)
        self.epoch = str(self._one("SELECT value FROM meta WHERE key = 'epoch'", default=""))

    def __enter__(self) -> "EventReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tail(
        self, after_rowid: int = 0, streams: Collection[Stream] = (), limit: int = 1000
    ) -> list[OutboxRow]:
        """Events behind a place, oldest first, acknowledged or not; of all streams when none is named."""
        places, values = _in_streams(streams)
        return self._events(
            f"{_COLUMNS} WHERE id > ?{places} ORDER BY id LIMIT ?", (after_rowid, *values, limit)
        )

    def newest(self, count: int, streams: Collection[Stream] = ()) -> list[OutboxRow]:
        """The last so many events, oldest of them first."""
        places, values = _in_streams(streams)
        rows = self._events(f"{_COLUMNS} WHERE id > 0{places} ORDER BY id DESC LIMIT ?", (*values, count))
        return rows[::-1]

    def pending(self, stream: Stream | None, after: int, limit: int) -> list[OutboxRow]:
        """Events that the platform has not acknowledged, behind a place, oldest first.

        Args:
            stream: One stream, or None for all of them in the order in which they were written.
            after: ``OutboxRow.id`` of the last one already taken; 0 for the beginning.
            limit: At most so many.
        """
        heads = self._query("SELECT stream, acked_id FROM heads WHERE seq > acked_seq")
        rows: list[OutboxRow] = []
        for name, acked_id in heads:
            if stream is None or name == stream.value:
                sql = f"{_COLUMNS} WHERE stream = ? AND id > ? ORDER BY id LIMIT ?"
                rows += self._events(sql, (name, max(after, acked_id), limit))
        return sorted(rows, key=lambda row: row.id)[:limit]

    def first_wanted(self) -> dict[Stream, int]:
        """Sequence per stream of the first event, written or still to come, that is not acknowledged."""
        rows = self._query("SELECT stream, acked_seq + 1 FROM heads")
        return {Stream(stream): int(seq) for stream, seq in rows}

    def first_kept(self) -> dict[Stream, int]:
        """Sequence per stream of the oldest event of the present epoch that is here, or of the next one."""
        rows = self._query(f"SELECT stream, {FIRST_KEPT} FROM heads")  # noqa: S608 - ours
        return {Stream(stream): int(seq) for stream, seq in rows}

    def last_written(self) -> Mapping[Stream, int]:
        """Sequence of the last event per stream that has ever had one."""
        rows = self._query("SELECT stream, seq FROM heads")
        return {Stream(name): int(seq) for name, seq in rows}

    def digest_at(self, stream: Stream, seq: int) -> str:
        """Hash of one event of the present epoch, as the next one carries it; "" when it is here no more."""
        rows = self._query("SELECT payload FROM events WHERE stream = ? AND seq = ?", (stream.value, seq))
        if rows:
            try:
                return chained_digest(rows[0][0], self.epoch)
            except EnvelopeInvalid:  # damaged on the disk: nothing is known
                return ""
        heads = self._query("SELECT digest FROM heads WHERE stream = ? AND seq = ?", (stream.value, seq))
        return str(heads[0][0]) if heads and seq else ""

    def backlog(self) -> Mapping[Stream, int]:
        """Unacknowledged events per stream that has ever had one."""
        rows = self._query("SELECT stream, seq - acked_seq FROM heads")
        return {Stream(name): int(count) for name, count in rows}

    def high_water(self, kid: str) -> int:
        """Highest command counter accepted from a key; -1 when none ever was."""
        return int(self._one("SELECT ctr FROM counters WHERE kid = ?", (kid,), default=-1))

    def command_result(self, jti: str) -> str | None:
        """Result of a finished command; None when unknown or not finished."""
        result = self._one("SELECT result FROM commands WHERE jti = ?", (jti,), default=None)
        return None if result is None else str(result)

    def state(self, key: str) -> Any | None:
        """A small durable value, as it was put; None when there is none."""
        text = self._one("SELECT value FROM state WHERE key = ?", (key,), default=None)
        return None if text is None else json.loads(text)

    def close(self) -> None:
        """Close; harmless when closed."""
        with self._lock:
            self._database.close()

    def _query(self, sql: str, values: Sequence[str | int] = ()) -> list[Row]:
        with self._lock:
            return self._database.execute(sql, values)

    def _events(self, sql: str, values: Sequence[str | int]) -> list[OutboxRow]:
        return [
            OutboxRow(row_id, Stream(stream), self.epoch, seq, payload)
            for row_id, stream, seq, payload in self._query(sql, values)
        ]

    def _one(self, sql: str, values: Sequence[str | int] = (), *, default: Any) -> Any:
        rows = self._query(sql, values)
        return rows[0][0] if rows else default


def read_events(
    path: Path, after_rowid: int = 0, streams: Collection[Stream] = (), limit: int = 1000
) -> list[OutboxRow]:
    """Events of a journal that another process may be writing right now; see ``EventReader.tail``.

    Raises:
        JournalError: There is no journal there, or it cannot be read.
    """
    with EventReader(path) as reader:
        return reader.tail(after_rowid, streams, limit)


def _in_streams(streams: Collection[Stream]) -> tuple[str, tuple[str, ...]]:
    if not streams:
        return "", ()
    names = tuple(stream.value for stream in streams)
    return f" AND stream IN ({', '.join('?' * len(names))})", names

"""Where events stand: sequence, hash and epoch of each, and how far the platform has acknowledged them."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from edge.records import Event, EventDraft, Stream
from edge.store.claims import Stamp
from edge.store.database import Database
from edge.store.envelope import FIRST_PREV, EnvelopeInvalid, digest, from_wire, to_wire
from edge.store.schema import FIRST_KEPT
from edge.store.standin import TYPE as STAND_IN

log = logging.getLogger(__name__)

FORKED = "journal.forked"


class PlaceWriter:
    """Gives events their places. All methods but ``transaction`` and ``close`` are called inside one.

    Attributes:
        written: Events of the present or the last transaction, in their order.
        epoch: Of all that is written now.

    Thread: the journal's (before it runs: the one that makes the journal).
    """

    def __init__(self, database: Database, tenant: str, device: str, boot_id: str) -> None:
        """Take the open file, with the schema of ``edge.store.schema``; a new file starts a new epoch.

        Raises:
            JournalError: See ``Database``.
        """
        self._tenant, self._device, self._boot_id = tenant, device, boot_id
        self._database = database
        with self._database.transaction():
            self._database.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (secrets.token_hex(16),))
        self.epoch = str(self._database.execute("SELECT value FROM meta WHERE key = 'epoch'")[0][0])
        self.written: list[Event] = []
        heads = self._database.execute("SELECT stream, seq, digest FROM heads")
        self._heads = {Stream(stream): (int(seq), str(last)) for stream, seq, last in heads}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on the disk when the block ends; sequences that were undone are given again."""
        before, epoch = dict(self._heads), self.epoch
        self.written = []
        try:
            with self._database.transaction():
                yield
        except BaseException:
            self._heads, self.epoch = before, epoch
            self.written = []
            raise

    def add_event(self, draft: EventDraft, stamp: Stamp) -> Event:
        """Give a draft its place and store it."""
        seq, prev = self._heads.get(draft.stream, (0, FIRST_PREV))
        event = Event(
            id=stamp.id,
            stream=draft.stream,
            type=draft.type,
            subject=draft.subject,
            data=draft.data,
            chain=draft.chain,
            epoch=self.epoch,
            seq=seq + 1,
            prev=prev,
            utc_ns=stamp.utc_ns,
            clock_state=stamp.clock_state,
            boot_id=self._boot_id,
            boot_ns=stamp.boot_ns,
        )
        wire = to_wire(event, self._tenant, self._device)
        head = (event.seq, digest(wire))
        self._database.execute(
            "INSERT INTO events (stream, seq, utc_ns, payload) VALUES (?, ?, ?, ?)",
            (event.stream.value, event.seq, event.utc_ns, wire),
        )
        self._database.execute(
            "INSERT INTO heads (stream, seq, digest) VALUES (?, ?, ?)"
            " ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq, digest = excluded.digest",
            (event.stream.value, *head),
        )
        self._heads[draft.stream] = head
        self.written.append(event)
        return event

    def acknowledge(self, stream: Stream, epoch: str, upto: int) -> int:
        """Note that the platform has everything of a stream up to a sequence; returns how many are new.

        An acknowledgement of another epoch, of nothing new, or of what was never written changes nothing.
        """
        last, _ = self._heads.get(stream, (0, ""))
        if epoch != self.epoch or not 0 < upto <= last:
            return 0
        acked = int(
            self._database.execute("SELECT acked_seq FROM heads WHERE stream = ?", (stream.value,))[0][0]
        )
        if upto <= acked:
            return 0
        self._database.execute(
            "UPDATE heads SET acked_seq = ?1, acked_id = coalesce("
            "(SELECT max(id) FROM events WHERE stream = ?2 AND seq <= ?1), acked_id) WHERE stream = ?2",
            (upto, stream.value),
        )
        return upto - acked

    def go_back(self, stream: Stream, epoch: str, upto: int) -> int:
        """Note that the platform has a stream only up to a sequence, though it had acknowledged more.

        Returns:
            Up to where it counts as acknowledged now: no farther back than to what is still here.
        """
        if epoch != self.epoch:
            return 0
        acked = f"min(acked_seq, max(?2, {FIRST_KEPT} - 1))"
        self._database.execute(
            f"UPDATE heads SET acked_seq = {acked} WHERE stream = ?1",  # noqa: S608 - ours
            (stream.value, upto),
        )
        rows = self._database.execute(
            "UPDATE heads SET acked_id = coalesce((SELECT max(id) FROM events WHERE stream = ?1"
            " AND seq <= acked_seq), 0) WHERE stream = ?1 RETURNING acked_seq",
            (stream.value,),
        )
        return int(rows[0][0]) if rows else 0

    def begin_epoch(self, subject: str, why: str, stamp: Stamp) -> int:
        """Begin another history, because the platform has another one than this under the present epoch.

        What it has not acknowledged is written again, under the old id and with a member ``salvaged``; every
        stream goes on counting behind what it has acknowledged. What it has acknowledged stays as it is.

        Returns:
            How many events have a new place.
        """
        rows = self._database.execute(
            "SELECT events.id, payload FROM events JOIN heads USING (stream)"
            " WHERE events.seq > heads.acked_seq ORDER BY events.id"
        )
        for row_id, _ in rows:
            self._database.execute("DELETE FROM events WHERE id = ?", (row_id,))
        left, self.epoch = self.epoch, secrets.token_hex(16)
        self._database.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (self.epoch,))
        self._database.execute("UPDATE heads SET seq = acked_seq, digest = ?", (FIRST_PREV,))
        self._database.execute("INSERT OR REPLACE INTO meta SELECT 'begun:' || stream, seq + 1 FROM heads")
        heads = self._database.execute("SELECT stream, seq FROM heads")
        self._heads = {Stream(stream): (int(seq), FIRST_PREV) for stream, seq in heads}
        data = {"left": left, "again": len(rows), "explanation": why}
        news = self.add_event(EventDraft(Stream.ALARM, FORKED, subject, data), stamp)
        for _, payload in rows:
            self.add_again(payload)
        self.written = [news]  # the others are news to nobody here
        return len(rows)

    def add_again(self, payload: bytes) -> None:
        """Give an event of an epoch that is over a place in this one: its id and its time stay.

        One that the disk has damaged is left out, and the log says so.
        """
        try:
            event = from_wire(payload).event
        except EnvelopeInvalid as error:
            log.error("an event is damaged and cannot be written again: %s", error)
            return
        if event.type == STAND_IN:  # it stood for events of a chain that is no more
            return
        place = {"epoch": event.epoch, "seq": event.seq, "boot": event.boot_id}
        draft = EventDraft(
            event.stream, event.type, event.subject, {**event.data, "salvaged": place}, event.chain
        )
        stamp = Stamp(event.id, event.utc_ns, event.clock_state, event.boot_ns)
        try:
            self.add_event(draft, stamp)
        except ValueError as error:
            log.error("event %s %d cannot be written again: %s", event.stream.value, event.seq, error)

    def close(self) -> None:
        """Close the file; harmless when closed."""
        self._database.close()

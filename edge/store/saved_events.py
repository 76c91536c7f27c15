"""Events of a damaged journal: which of them are sound, and their second life in the next epoch.

An event that the platform had not acknowledged is written again under its old id, with the time of its day
and a member ``salvaged`` that names its first place. One whose hash the next event contradicts was altered by
the damage; it is left out, as what cannot be read.
"""

import json
import logging
from collections.abc import Iterator, Sequence

from edge.errors import JournalError
from edge.records import EventDraft, Stream
from edge.store.claims import Stamp
from edge.store.database import Database, Row
from edge.store.envelope import EnvelopeInvalid, digest, from_wire
from edge.store.salvage import Salvage, read_from_both_ends
from edge.store.standin import TYPE as STAND_IN
from edge.store.writing import EventWriter

log = logging.getLogger(__name__)

LEFT_OUT = ("meta", "events", "heads", "salvaged")
"""Of the old epoch; its other tables (state, counters, commands, actuations, passes) are copied."""
NOTE = "journal.salvage"


def save_events(old: Database, new: Database) -> dict[str, int]:
    """Put what was not acknowledged, and is sound, into the table ``salvaged`` of the new file."""

    def read(order: str) -> Iterator[Row]:
        yield from old.rows(f"SELECT id, stream, seq, payload FROM events ORDER BY id {order}")  # noqa: S608

    rows, _ = read_from_both_ends(read)
    acked = _acknowledged(old)
    sound = [row for row in _sound(rows) if row[2] > acked.get(row[1], 0)]
    for row_id, stream, _, payload in sound:
        new.execute("INSERT OR IGNORE INTO salvaged VALUES (?, ?, ?)", (row_id, stream, payload))
    return {"events": len(sound)}


def write_note(new: Database, salvage: Salvage) -> None:
    """Keep what was done until an event of the new epoch says it."""
    text = json.dumps({"moved_to": salvage.aside.name, "explanation": salvage.words})
    new.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (NOTE, text))


def give_places(writer: EventWriter, database: Database, subject: str, now: Stamp) -> str:
    """Say what has happened, and write the saved events again; inside a transaction of the writer.

    Returns:
        One line about it; empty when nothing was salvaged.
    """
    notes = database.execute("SELECT value FROM state WHERE key = ?", (NOTE,))
    if not notes:
        return ""
    note = json.loads(notes[0][0])
    writer.add_event(EventDraft(Stream.ALARM, "journal.replaced", subject, note), now)
    for (payload,) in database.execute("SELECT payload FROM salvaged ORDER BY id"):
        writer.add_again(payload)
    database.execute("DELETE FROM salvaged")
    database.execute("DELETE FROM state WHERE key = ?", (NOTE,))
    return str(note["explanation"])


def _acknowledged(old: Database) -> dict[str, int]:
    try:
        return {str(stream): int(seq) for stream, seq in old.execute("SELECT stream, acked_seq FROM heads")}
    except (JournalError, ValueError, TypeError):
        return {}  # sent twice is better than lost


def _sound(rows: Sequence[Row]) -> list[Row]:
    """Those that can be read as events and are not contradicted by the one behind them."""
    readable = []
    for row in rows:
        try:
            readable.append((row, from_wire(row[3]).event))
        except (EnvelopeInvalid, TypeError):
            log.error("event %r %r is damaged and left out", row[1], row[2])
    prevs = {(event.stream, event.seq): event.prev for _, event in readable}
    sound = []
    for row, event in readable:
        wanted = prevs.get((event.stream, event.seq + 1))
        if event.type == STAND_IN or wanted is None or wanted == digest(row[3]):
            sound.append(row)
        else:
            log.error("event %s %d was altered and is left out", event.stream.value, event.seq)
    return sound

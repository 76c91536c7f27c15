"""What may be written to ``events.db``, each as one step of a transaction, by the journal's thread alone."""

import json

from edge.clock import EARLIEST_PLAUSIBLE_UTC_NS, NS_PER_S, Clock
from edge.records import Event, EventDraft, Stream
from edge.store.claims import CommandClaim, CounterTooLow, Stamp, Unfinished
from edge.store.database import Row
from edge.store.envelope import FIRST_PREV, EnvelopeInvalid, chained_digest, digest, from_wire, to_wire
from edge.store.places import PlaceWriter
from edge.store.schema import UNKNOWN
from edge.store.standin import StandIn, stand_in_of

DAY_NS = 86_400 * NS_PER_S
LEDGER_DAYS = 7

REFUSED = "refused"
SPACE = "space"
SACRIFICE = (Stream.SYS, Stream.PLATE, Stream.BARRIER, Stream.ALARM)
"""Whose unacknowledged events are given up first when there is no room; ``access`` and ``audit`` never."""


class EventWriter(PlaceWriter):
    """The only writer of the file. All methods but ``transaction`` and ``close`` are called inside one.

    Thread: the journal's (before it runs: the one that makes the journal).
    """

    def begin_actuation(self, actuation_id: str, draft: EventDraft, stamp: Stamp) -> bool:
        """Accept an actuation once, with its event; False when the id was ever accepted before."""
        self._database.execute(
            "INSERT OR IGNORE INTO actuations VALUES (?, ?, ?, ?, ?, NULL)",
            (actuation_id, draft.stream.value, draft.subject, json.dumps(draft.chain), stamp.utc_ns),
        )
        if self._database.changes() == 0:
            return False
        self.add_event(draft, stamp)
        return True

    def finish_actuation(self, actuation_id: str, result: str, draft: EventDraft, stamp: Stamp) -> Event:
        """Close an actuation, with its event; a result that stands already stays as it is."""
        self._database.execute(
            "UPDATE actuations SET result = ? WHERE id = ? AND result IS NULL", (result, actuation_id)
        )
        return self.add_event(draft, stamp)

    def begin_command(self, claim: CommandClaim, draft: EventDraft, stamp: Stamp) -> bool:
        """Accept a command once, with its event; False when its jti is known.

        Raises:
            CounterTooLow: The counter is not above the highest that this key has used.
        """
        if self._database.execute("SELECT 1 FROM commands WHERE jti = ?", (claim.jti,)):
            return False
        rows = self._database.execute("SELECT ctr FROM counters WHERE kid = ?", (claim.kid,))
        if rows and claim.ctr <= rows[0][0]:
            raise CounterTooLow(
                f"command {claim.jti}: counter {claim.ctr} of key {claim.kid} is not above {rows[0][0]}"
            )
        self._database.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (claim.kid, claim.ctr))
        self._database.execute(
            "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                *(claim.jti, claim.kid, claim.ctr, claim.exp_utc_s),
                *(draft.subject, json.dumps(draft.chain), stamp.utc_ns),
            ),
        )
        self.add_event(draft, stamp)
        return True

    def finish_command(self, jti: str, result: str, draft: EventDraft, stamp: Stamp) -> Event:
        """Close a command, with its event; a result that stands already stays as it is."""
        self._database.execute(
            "UPDATE commands SET result = ? WHERE jti = ? AND result IS NULL", (result, jti)
        )
        return self.add_event(draft, stamp)

    def close_unfinished(self, clock: Clock) -> Unfinished:
        """Close what the last run accepted and did not finish, each with an event that says ``unknown``."""
        actuations = self._database.execute(
            "SELECT id, stream, subject, chain, begun_utc_ns FROM actuations"
            " WHERE result IS NULL ORDER BY begun_utc_ns, id"
        )
        commands = self._database.execute(
            "SELECT jti, 'audit', subject, chain, begun_utc_ns FROM commands"
            " WHERE result IS NULL ORDER BY begun_utc_ns, jti"
        )
        self._database.execute("UPDATE actuations SET result = ? WHERE result IS NULL", (UNKNOWN,))
        self._database.execute("UPDATE commands SET result = ? WHERE result IS NULL", (UNKNOWN,))
        return Unfinished(
            self._say_unknown("actuation", actuations, clock), self._say_unknown("command", commands, clock)
        )

    def _say_unknown(self, noun: str, rows: list[Row], clock: Clock) -> tuple[str, ...]:
        for row_id, stream, subject, chain, begun_utc_ns in rows:
            data = {
                noun: row_id,
                "result": UNKNOWN,
                "begun_utc_ns": begun_utc_ns,
                "explanation": "the daemon ended before the result was known; it was not tried again",
            }
            ids = dict.fromkeys((*json.loads(chain), row_id))
            draft = EventDraft(Stream(stream), f"{noun}.unknown", subject, data, tuple(ids))
            self.add_event(draft, Stamp.now(clock))
        return tuple(str(row[0]) for row in rows)

    def spend_pass(self, jti: str, uses: int, exp_utc_s: int) -> bool:
        """Count one use of a QR pass; False, and nothing changes, when all its uses are spent."""
        self._database.execute("INSERT OR IGNORE INTO passes VALUES (?, 0, ?)", (jti, exp_utc_s))
        self._database.execute("UPDATE passes SET uses = uses + 1 WHERE jti = ? AND uses < ?", (jti, uses))
        return self._database.changes() == 1

    def put_state(self, key: str, text: str | None, draft: EventDraft | None, stamp: Stamp) -> None:
        """Keep a small value under a key (None removes it), with an event if one is given."""
        if text is None:
            self._database.execute("DELETE FROM state WHERE key = ?", (key,))
        else:
            self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, text))
        if draft is not None:
            self.add_event(draft, stamp)

    def replace(self, stream: Stream, first: int, last: int, why: str, explanation: str, stamp: Stamp) -> int:
        """Put one stand-in in the place of unacknowledged events; returns how many are gone.

        One that was refused is kept beside (table ``parked``); those that had to make room are not.
        """
        acked = self._database.execute("SELECT acked_seq FROM heads WHERE stream = ?", (stream.value,))
        first = max(first, int(acked[0][0]) + 1 if acked else first)
        rows = self._database.execute(
            "SELECT seq, payload FROM events WHERE stream = ? AND seq >= ? AND seq <= ? ORDER BY seq",
            (stream.value, first, last),
        )
        if not rows or rows[-1][0] != last:
            return 0
        opening, closing = (_readable(rows[place][1]) for place in (0, -1))
        earlier, later = (None if event is None else stand_in_of(event) for event in (opening, closing))
        chained = self._chained(stream, last) if closing is None else digest(rows[-1][1])
        stand_in = StandIn(
            first=int(rows[0][0]) if earlier is None else earlier.first,
            last=last,
            digest=chained if later is None else later.digest,
            why=why,
        )
        draft = stand_in.draft(stream, "journal" if closing is None else closing.subject, explanation)
        event = Event(
            id=stamp.id,
            stream=stream,
            type=draft.type,
            subject=draft.subject,
            data=draft.data,
            chain=draft.chain,
            epoch=self.epoch,
            seq=last,
            prev=self._chained(stream, int(rows[0][0]) - 1) if opening is None else opening.prev,
            utc_ns=stamp.utc_ns,
            clock_state=stamp.clock_state,
            boot_id=self._boot_id,
            boot_ns=stamp.boot_ns,
        )
        if why == REFUSED:
            for seq, payload in rows:
                self._database.execute(
                    "INSERT OR IGNORE INTO parked VALUES (?, ?, ?, ?, ?)",
                    (stream.value, seq, stamp.utc_ns, explanation, payload),
                )
        self._database.execute(
            "DELETE FROM events WHERE stream = ? AND seq >= ? AND seq < ?", (stream.value, first, last)
        )
        self._database.execute(
            "UPDATE events SET utc_ns = ?, payload = ? WHERE stream = ? AND seq = ?",
            (event.utc_ns, to_wire(event, self._tenant, self._device), stream.value, last),
        )
        return len(rows)

    def _chained(self, stream: Stream, seq: int) -> str:
        """Hash of an event that may be damaged: as its neighbours tell it."""
        rows = self._database.execute(
            "SELECT seq, payload FROM events WHERE stream = ? AND seq IN (?, ?) ORDER BY seq DESC",
            (stream.value, seq, seq + 1),
        )
        for at, payload in rows:
            event = _readable(payload)
            if event is not None and event.epoch == self.epoch:
                return event.prev if at > seq else chained_digest(payload, self.epoch)
        last, chained = self._heads.get(stream, (0, FIRST_PREV))
        return chained if last == seq else FIRST_PREV

    def make_room(self, limit_events: int, stamp: Stamp) -> dict[Stream, int]:
        """Bring the file below so many events; returns what unacknowledged ones were given up per stream.

        First go events that the platform has, oldest first; then the oldest of what it has not, of streams in
        the order of ``SACRIFICE``, never of ``access`` and ``audit``: of those that hold more than a quarter
        of the room, so that a flood of one kind costs its own kind, and only then of all.
        """
        surplus = int(self._database.execute("SELECT count(*) FROM events")[0][0]) - limit_events
        if surplus <= 0:
            return {}
        surplus += limit_events // 50  # some room at once, not one row at a time
        self._database.execute(
            "DELETE FROM events WHERE id IN (SELECT events.id FROM events JOIN heads USING (stream)"
            " WHERE events.id <= heads.acked_id ORDER BY events.id LIMIT ?)",
            (surplus,),
        )
        surplus -= self._database.changes()
        given_up: dict[Stream, int] = {}
        for keep in (limit_events // 4, 0):
            for stream in SACRIFICE:
                seqs = self._oldest_waiting(stream, keep, surplus)
                if len(seqs) > 1:
                    why = f"more than {limit_events} events wait; the oldest of {stream.value} made room"
                    gone = self.replace(stream, seqs[0], seqs[-1], SPACE, why, stamp) - 1
                    given_up[stream] = given_up.get(stream, 0) + gone
                    surplus -= gone
        return given_up

    def _oldest_waiting(self, stream: Stream, keep: int, surplus: int) -> list[int]:
        """Sequences of events that may be replaced by one: so many, and one more; at least ``keep`` stay."""
        waiting = "FROM events JOIN heads USING (stream) WHERE stream = ? AND events.seq > heads.acked_seq"
        count = int(self._database.execute(f"SELECT count(*) {waiting}", (stream.value,))[0][0])
        most = min(surplus, count - keep)
        if most <= 0:
            return []
        rows = self._database.execute(
            f"SELECT events.seq {waiting} ORDER BY events.seq LIMIT ?",
            (stream.value, most + 1),
        )
        return [int(row[0]) for row in rows]

    def delete_old(self, now_utc_ns: int, keep_days: float) -> int:
        """Delete acknowledged events and closed ledger rows older than so many days; returns the events.

        Nothing is deleted while the clock shows a time before 2026: then nobody knows how old a row is.
        """
        if now_utc_ns < EARLIEST_PLAUSIBLE_UTC_NS:
            return 0
        before_ns = now_utc_ns - round(keep_days * DAY_NS)
        deleted = 0
        for stream, acked_id in self._database.execute("SELECT stream, acked_id FROM heads"):
            # Only from the oldest on, so that what stays is one unbroken chain even if the clock has jumped.
            young = self._database.execute(
                "SELECT id FROM events WHERE stream = ? AND utc_ns >= ? ORDER BY id LIMIT 1",
                (stream, before_ns),
            )
            upto = min(acked_id, young[0][0] - 1) if young else acked_id
            self._database.execute("DELETE FROM events WHERE stream = ? AND id <= ?", (stream, upto))
            deleted += self._database.changes()
        # However soon events go: what was actuated must be known as long as anybody could ask for it again.
        before_ns = min(before_ns, now_utc_ns - LEDGER_DAYS * DAY_NS)
        self._database.execute(
            "DELETE FROM actuations WHERE result IS NOT NULL AND begun_utc_ns < ?", (before_ns,)
        )
        self._database.execute(
            "DELETE FROM commands WHERE result IS NOT NULL AND begun_utc_ns < ? AND exp_utc_s < ?",
            (before_ns, before_ns // NS_PER_S),
        )
        self._database.execute(
            "DELETE FROM passes WHERE exp_utc_s < ?", (before_ns // NS_PER_S - DAY_NS // NS_PER_S,)
        )
        return deleted


def _readable(payload: bytes) -> Event | None:
    """The event, or None when the disk has damaged it."""
    try:
        return from_wire(payload).event
    except EnvelopeInvalid:
        return None

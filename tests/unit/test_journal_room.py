"""Who makes room when too many events wait: who holds most of it, then in order, never access and audit."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.health import Alarms
from edge.records import EventDraft, Stream
from edge.store.envelope import verify_chain
from edge.store.journal import Journal


@contextmanager
def crowded(folder: Path, clock: ManualClock, counts: dict[Stream, int]) -> Iterator[Journal]:
    """A journal for a hundred events that was given more and has made room."""
    alarms = Alarms(clock)
    journal = Journal(
        folder / "events.db",
        clock,
        tenant="park",
        device="box",
        alarms=alarms,
        limit_events=100,
        reserve_mb=0,
    )
    journal.start()
    try:
        for stream, count in counts.items():
            for number in range(count):
                journal.append(EventDraft(stream, "thing.seen", "in", {"number": number}))
        journal.flush()
        clock.advance(31.0)
        deadline_s = time.monotonic() + 60
        while not any(alarm.name == "journal.crowded" for alarm in alarms.standing()):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        journal.flush()
        yield journal
    finally:
        journal.close()


@pytest.mark.parametrize("flood", [Stream.ALARM, Stream.BARRIER, Stream.PLATE, Stream.SYS])
def test_DEL_1_a_flood_of_one_kind_costs_its_own_kind(
    tmp_path: Path, clock: ManualClock, flood: Stream
) -> None:
    others = [s for s in (Stream.SYS, Stream.PLATE, Stream.BARRIER, Stream.ALARM) if s is not flood]
    counts = {Stream.ACCESS: 20, Stream.AUDIT: 10, **dict.fromkeys(others, 10), flood: 300}
    with crowded(tmp_path, clock, counts) as journal:
        rows = journal.tail(0, limit=1000)
        kept = Counter(row.stream for row in rows)
        assert len(rows) <= 100
        assert {stream: kept[stream] for stream in counts if stream is not flood} == {
            stream: count for stream, count in counts.items() if stream is not flood
        }
        assert kept[flood] >= 25
        assert verify_chain(row.payload for row in rows) is None


def test_DEL_1_access_and_audit_stay_even_where_they_alone_are_too_many(
    tmp_path: Path, clock: ManualClock
) -> None:
    counts = {Stream.ACCESS: 90, Stream.AUDIT: 60, Stream.SYS: 10, Stream.ALARM: 10}
    with crowded(tmp_path, clock, counts) as journal:
        kept = Counter(row.stream for row in journal.tail(0, limit=1000))
        assert (kept[Stream.ACCESS], kept[Stream.AUDIT]) == (90, 60)
        assert kept[Stream.SYS] == kept[Stream.ALARM] == 1, "a stand-in of each"

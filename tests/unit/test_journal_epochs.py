"""A new epoch in a running journal: what was acknowledged stays, the rest is written again, or nothing is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_hand import rewrite

from edge.clock import ManualClock
from edge.errors import JournalError
from edge.health import Alarms
from edge.records import EventDraft, Stream
from edge.store import Journal, from_wire, verify_chain
from edge.store.envelope import FIRST_PREV, digest
from edge.store.writing import EventWriter


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    clock = ManualClock()
    made = Journal(
        tmp_path / "events.db", clock, tenant="home", device="b", boot_id="b", alarms=Alarms(clock)
    )
    made.start()
    yield made
    made.close()


def write(journal: Journal, count: int, stream: Stream = Stream.ACCESS) -> None:
    for number in range(count):
        journal.append_now(EventDraft(stream, "access.decided", "in", {"number": number}))


def forked(journal: Journal) -> None:
    journal.begin_epoch_soon("the platform has another access 4 than was written here")
    journal.flush()


def test_what_is_not_acknowledged_is_written_again_and_the_rest_stays(journal: Journal) -> None:
    write(journal, 5)
    write(journal, 2, Stream.SYS)
    left = journal.epoch
    journal.acknowledge(Stream.ACCESS, left, 3)
    before = journal.tail(0)
    forked(journal)
    assert journal.epoch != left
    after = journal.tail(0)
    assert [row.payload for row in after[:3]] == [row.payload for row in before[:3]]
    events = [from_wire(row.payload).event for row in after[3:]]
    assert [(event.stream.value, event.seq, event.type) for event in events] == [
        ("alarm", 1, "journal.forked"), ("access", 4, "access.decided"), ("access", 5, "access.decided"),
        ("sys", 1, "access.decided"), ("sys", 2, "access.decided"),
    ]  # fmt: skip
    assert {event.epoch for event in events} == {journal.epoch}
    assert events[1].prev == FIRST_PREV
    was = from_wire(before[3].payload).event
    assert (events[1].id, events[1].utc_ns, events[1].boot_id) == (was.id, was.utc_ns, was.boot_id)
    assert events[1].data == {"number": 3, "salvaged": {"epoch": left, "seq": 4, "boot": "b"}}
    assert verify_chain(row.payload for row in after) is None
    assert {row.payload for row in journal.pending(None, 0, 100)} == {row.payload for row in after[3:]}
    assert journal.first_wanted()[Stream.ACCESS] == 4
    assert journal.acknowledge(Stream.ACCESS, left, 5) == 0, "the old epoch is over"
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, 5) == 2


def test_an_event_that_the_disk_has_damaged_is_left_out_and_the_others_go_on(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    write(journal, 3)
    rewrite(journal.path, "UPDATE events SET payload = CAST('no event' AS BLOB) WHERE seq = 2")
    forked(journal)
    assert "is damaged and cannot be written again" in caplog.text
    rows = journal.pending(Stream.ACCESS, 0, 10)
    assert [from_wire(row.payload).event.data["number"] for row in rows] == [0, 2]
    assert [row.seq for row in rows] == [1, 2]
    assert verify_chain(row.payload for row in rows) is None


def test_it_is_asked_for_once_however_often_it_is_said(journal: Journal) -> None:
    write(journal, 1)
    epochs = {journal.epoch}
    for _ in range(3):
        journal.begin_epoch_soon("the same again")
    journal.flush()
    epochs.add(journal.epoch)
    write(journal, 1)
    assert {row.epoch for row in journal.pending(None, 0, 100)} == {journal.epoch}
    assert len({from_wire(row.payload).event.epoch for row in journal.tail(0)}) == 1
    assert len(epochs) == 2


def test_the_new_epoch_stands_after_a_restart(tmp_path: Path, journal: Journal) -> None:
    write(journal, 3)
    forked(journal)
    journal.close()
    clock = ManualClock()
    again = Journal(tmp_path / "events.db", clock, tenant="home", device="b", boot_id="c")
    try:
        assert again.epoch == journal.epoch
        assert len(again.pending(Stream.ACCESS, 0, 10)) == 3
    finally:
        again.close()


def test_all_or_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    write(journal, 3)
    left, before = journal.epoch, journal.tail(0)
    say, calls = EventWriter.add_again, []

    def fails_once(writer: EventWriter, payload: bytes) -> None:
        calls.append(payload)
        if len(calls) == 2:
            raise JournalError("the disk takes no more")
        say(writer, payload)

    monkeypatch.setattr(EventWriter, "add_again", fails_once)
    with pytest.raises(JournalError, match="takes no more"):
        journal._wait_for(lambda: journal._writer.begin_epoch("events.db", "why", journal._stamp(None)))
    assert (journal.epoch, journal.tail(0)) == (left, before)
    write(journal, 1)
    assert verify_chain(row.payload for row in journal.tail(0)) is None
    assert journal.tail(0)[-1].seq == 4


def test_the_hash_of_an_event_is_known_as_long_as_it_is_here(journal: Journal) -> None:
    write(journal, 4)
    rows = journal.tail(0)
    assert [journal.reader.digest_at(Stream.ACCESS, row.seq) for row in rows] == [
        digest(r.payload) for r in rows
    ]
    assert journal.reader.digest_at(Stream.ACCESS, 5) == journal.reader.digest_at(Stream.ALARM, 1) == ""
    journal.park(rows[1], "never heard of it")
    assert journal.reader.digest_at(Stream.ACCESS, 2) == digest(rows[1].payload), (
        "of what the stand-in stands for"
    )
    journal.acknowledge(Stream.ACCESS, journal.epoch, 3)
    forked(journal)
    assert journal.reader.digest_at(Stream.ACCESS, 3) == "", "of another epoch"
    assert journal.reader.digest_at(Stream.ACCESS, 0) == ""


def test_a_platform_that_went_back_is_followed_as_far_as_events_are_kept(journal: Journal) -> None:
    write(journal, 6)
    journal.acknowledge(Stream.ACCESS, journal.epoch, 5)
    assert journal.go_back(Stream.ACCESS, "00" * 16, 2) == 0, "of another epoch nothing changes"
    assert journal.first_wanted()[Stream.ACCESS] == 6
    assert journal.go_back(Stream.ACCESS, journal.epoch, 2) == 2
    assert [row.seq for row in journal.pending(Stream.ACCESS, 0, 10)] == [3, 4, 5, 6]
    assert journal.go_back(Stream.ACCESS, journal.epoch, 4) == 2, "never forth"
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, 4) == 2
    assert journal.retention(journal.clock.utc_ns() + 9 * 86_400 * 10**9) == 4
    write(journal, 1)
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, 7) == 3
    assert journal.reader.first_kept() == {Stream.ACCESS: 5}
    assert journal.go_back(Stream.ACCESS, journal.epoch, 0) == 4, "what was deleted is nowhere"
    assert journal.go_back(Stream.ALARM, journal.epoch, 0) == 0


def test_nobody_goes_back_behind_the_beginning_of_the_epoch(journal: Journal) -> None:
    write(journal, 5)
    journal.acknowledge(Stream.ACCESS, journal.epoch, 3)
    forked(journal)
    assert journal.reader.first_kept() == {Stream.ACCESS: 4, Stream.ALARM: 1}
    journal.acknowledge(Stream.ACCESS, journal.epoch, 5)
    assert journal.go_back(Stream.ACCESS, journal.epoch, 0) == 3
    assert [row.seq for row in journal.pending(Stream.ACCESS, 0, 10)] == [4, 5]


@pytest.mark.parametrize("damaged", [1, 2, 3])
def test_a_damaged_event_can_be_parked_and_the_chain_goes_on(journal: Journal, damaged: int) -> None:
    write(journal, 3)
    rewrite(journal.path, "UPDATE events SET payload = CAST('no event' AS BLOB) WHERE seq = ?", (damaged,))
    assert journal.park(journal.pending(Stream.ACCESS, 0, 10)[damaged - 1], "nobody can read it") == 1
    write(journal, 1)
    rows = journal.pending(Stream.ACCESS, 0, 10)
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert verify_chain(row.payload for row in rows) is None
    assert journal.is_alive()

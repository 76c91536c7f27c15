"""The journal: on the disk first, once, in order, chained; and its ledgers of what may happen only once."""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.clock import NS_PER_S, ClockState, ManualClock
from edge.errors import JournalError
from edge.health import Alarms
from edge.platform.ledger import Arrival, Ledger
from edge.records import Event, EventDraft, Stream
from edge.store import (
    CounterTooLow,
    EventReader,
    Journal,
    from_wire,
    read_events,
    verify_chain,
)
from edge.store.database import Database
from edge.store.standin import stand_in_of

DAY_S = 86_400


def draft(number: int = 0, stream: Stream = Stream.ACCESS, **data: object) -> EventDraft:
    return EventDraft(stream, "access.decided", "gate-1", {"number": number, **data}, ("track-1",))


def opened(
    folder: Path, clock: ManualClock, alarms: Alarms | None = None, limit_events: int = 150_000
) -> Journal:
    return Journal(
        folder / "events.db",
        clock,
        tenant="home",
        device="box-1",
        alarms=alarms,
        boot_id="boot-1",
        limit_events=limit_events,
    )


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    journal = opened(tmp_path, clock)
    journal.start()
    yield journal
    journal.close()


def test_DEL_1_an_event_is_on_the_disk_before_the_call_returns(journal: Journal) -> None:
    event = journal.append_now(draft(7))
    # Another connection, as another process would have it, sees only what has been committed.
    rows = read_events(journal.path)
    assert [row.seq for row in rows] == [1]
    assert from_wire(rows[0].payload).event == event
    assert event.data == {"number": 7}
    assert (event.boot_id, event.clock_state, event.chain) == ("boot-1", "synced", ("track-1",))


def test_DEL_1_an_event_leaves_the_disk_only_after_the_platform_has_it(
    journal: Journal, clock: ManualClock
) -> None:
    for number in range(10):
        journal.append_now(draft(number))
    clock.advance(400 * DAY_S)
    assert journal.retention(clock.utc_ns()) == 0
    assert len(journal.tail(0)) == 10
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, 4) == 4
    journal.retention(clock.utc_ns())  # or the hourly one was faster
    assert [row.seq for row in journal.tail(0)] == [5, 6, 7, 8, 9, 10]


def test_acknowledged_events_are_kept_for_the_days_that_the_settings_say(
    journal: Journal, clock: ManualClock
) -> None:
    journal.append_now(draft(1))
    journal.acknowledge(Stream.ACCESS, journal.epoch, 1)
    clock.advance(6.9 * DAY_S)
    assert journal.retention(clock.utc_ns()) == 0
    assert len(journal.tail(0)) == 1
    clock.advance(0.2 * DAY_S)
    journal.retention(clock.utc_ns())  # or the hourly one was faster
    assert journal.tail(0) == []
    assert journal.append_now(draft(2)).seq == 2  # the sequence goes on, whatever was deleted


def test_nothing_is_deleted_while_the_clock_is_not_set(tmp_path: Path, clock: ManualClock) -> None:
    clock.now_utc_ns, clock.now_state = 5 * NS_PER_S, ClockState.UNSET
    journal = opened(tmp_path, clock)
    journal.start()
    try:
        journal.append_now(draft())
        journal.acknowledge(Stream.ACCESS, journal.epoch, 1)
        assert journal.retention(clock.utc_ns() + 300 * DAY_S * NS_PER_S) == 0
    finally:
        journal.close()


def test_retention_runs_by_itself_once_an_hour(journal: Journal, clock: ManualClock) -> None:
    journal.append_now(draft(1))
    journal.acknowledge(Stream.ACCESS, journal.epoch, 1)
    clock.advance(8 * DAY_S)
    for _ in range(100):
        journal.append_now(draft(2, Stream.SYS))
        if not journal.tail(0, [Stream.ACCESS]):
            return
    pytest.fail("the acknowledged event of last week is still there")


def test_retention_after_a_clock_jump_leaves_an_unbroken_chain(journal: Journal, clock: ManualClock) -> None:
    for days in (0, 300, -290, 5, 5):  # the clock was set forward by mistake, and back again
        clock.advance(days * DAY_S)
        journal.append_now(draft())
    journal.acknowledge(Stream.ACCESS, journal.epoch, 5)
    journal.retention(clock.utc_ns() + 6 * DAY_S * NS_PER_S)
    rows = journal.tail(0)
    assert [row.seq for row in rows] == [2, 3, 4, 5]
    assert verify_chain(row.payload for row in rows) is None


def test_each_stream_counts_for_itself_without_gaps_and_is_chained(journal: Journal) -> None:
    for number in range(60):
        journal.append(draft(number, list(Stream)[number % 6]))
    journal.append_now(draft(60))
    rows = journal.tail(0)
    for stream in Stream:
        count = 11 if stream is Stream.ACCESS else 10
        assert [row.seq for row in rows if row.stream is stream] == list(range(1, count + 1))
    assert verify_chain(row.payload for row in rows) is None
    assert from_wire(rows[0].payload).event.prev == "0" * 32


def test_sequence_epoch_and_chain_go_on_after_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    epochs = []
    for number in range(3):
        journal = opened(tmp_path, clock)
        journal.start()
        assert journal.append_now(draft(number)).seq == number + 1
        epochs.append(journal.epoch)
        journal.close()
    assert len(set(epochs)) == 1
    assert len(epochs[0]) == 32
    assert verify_chain(row.payload for row in read_events(tmp_path / "events.db")) is None


def test_a_journal_made_anew_has_another_epoch(tmp_path: Path, clock: ManualClock) -> None:
    first, second = opened(tmp_path, clock), None
    (tmp_path / "b").mkdir()
    try:
        second = opened(tmp_path / "b", clock)
        assert first.epoch != second.epoch
    finally:
        first.close()
        if second is not None:
            second.close()


def test_events_from_many_threads_are_all_there_each_thread_in_its_order(journal: Journal) -> None:
    def appending(name: int) -> None:
        for number in range(100):
            (journal.append_now if number % 10 == 0 else journal.append)(draft(number, thread=name))

    threads = [threading.Thread(target=appending, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.append_now(draft(0, thread=99))
    rows = [json.loads(row.payload)["data"] for row in journal.tail(0, limit=2000)]
    for name in range(8):
        assert [row["number"] for row in rows if row["thread"] == name] == list(range(100))
    assert journal.commit_times().commits < 801  # bursts were grouped


def test_a_burst_for_which_nobody_waits_costs_few_commits(journal: Journal) -> None:
    journal.append_now(draft())
    before = journal.commit_times().commits
    for number in range(400):
        journal.append(draft(number))
    journal.append_now(draft())
    assert journal.commit_times().commits - before <= 40
    assert len(journal.tail(0, limit=1000)) == 402


def test_what_was_appended_before_closing_is_written(tmp_path: Path, clock: ManualClock) -> None:
    journal = opened(tmp_path, clock)
    journal.start()
    for number in range(300):
        journal.append(draft(number))
    journal.close()
    assert len(read_events(tmp_path / "events.db")) == 300
    with pytest.raises(JournalError, match="nothing can be written"):
        journal.append(draft())
    journal.close()


def test_a_stamp_is_taken_where_it_happened_and_not_where_it_was_written(
    tmp_path: Path, clock: ManualClock
) -> None:
    journal = opened(tmp_path, clock)
    try:
        happened_ns = clock.boot_ns()
        journal.append(draft())
        clock.advance(5)
        journal.start()
        written = journal.append_now(draft())
        first = from_wire(journal.tail(0)[0].payload).event
        assert first.boot_ns == happened_ns
        assert written.boot_ns == happened_ns + 5 * NS_PER_S
    finally:
        journal.close()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (EventDraft(Stream.SYS, "Started", "box", {}), "noun.past_participle"),
        (EventDraft(Stream.SYS, "box.started", "", {}), "no subject"),
        (EventDraft(Stream.SYS, "box.started", "box", {"x": float("nan")}), "JSON"),
        (EventDraft(Stream.SYS, "box.started", "box", {"x": {1, 2}}), "not JSON"),
        (EventDraft(Stream.SYS, "box.started", "box", {"x": "y" * 130_000}), "more than"),
        (EventDraft(Stream.SYS, "box.started", "box", {}, ("a b",)), "spaces"),
    ],
)
def test_what_cannot_be_an_event_is_refused_to_the_caller_and_the_journal_goes_on(
    journal: Journal, bad: EventDraft, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        journal.append(bad)
    assert journal.append_now(draft()).seq == 1


def test_who_listens_hears_of_every_event_after_its_commit(journal: Journal) -> None:
    heard: list[Event] = []
    stored: list[int] = []

    def listen(events: tuple[Event, ...]) -> None:
        heard.extend(events)
        stored.append(len(read_events(journal.path)))

    journal.on_commit(listen)
    for number in range(20):
        journal.append(draft(number))
    journal.append_now(draft(20))
    journal.put_state("quiet", 1)
    assert [event.data["number"] for event in heard] == list(range(21))
    assert stored[-1] == 21


# Delivery


def test_pending_is_what_nobody_acknowledged_in_order_behind_a_place(journal: Journal) -> None:
    for number in range(12):
        journal.append_now(draft(number, (Stream.ACCESS, Stream.BARRIER)[number % 2]))
    journal.acknowledge(Stream.ACCESS, journal.epoch, 2)
    rows = journal.pending(None, 0, 100)
    assert [(row.stream, row.seq) for row in rows[:4]] == [
        (Stream.BARRIER, 1),
        (Stream.BARRIER, 2),
        (Stream.ACCESS, 3),
        (Stream.BARRIER, 3),
    ]
    assert len(rows) == 10
    assert [row.seq for row in journal.pending(Stream.ACCESS, 0, 2)] == [3, 4]
    last = journal.pending(Stream.ACCESS, 0, 2)[-1]
    assert [row.seq for row in journal.pending(Stream.ACCESS, last.id, 9)] == [5, 6]
    assert journal.pending(Stream.PLATE, 0, 9) == []
    assert journal.backlog() == {Stream.ACCESS: 4, Stream.BARRIER: 6}
    assert {row.epoch for row in rows} == {journal.epoch}


@pytest.mark.parametrize("upto", [0, -1, 6, 2**62])
def test_an_acknowledgement_of_nothing_or_of_what_was_never_written_is_ignored(
    journal: Journal, upto: int
) -> None:
    for number in range(5):
        journal.append_now(draft(number))
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, upto) == 0
    assert journal.acknowledge(Stream.ACCESS, "0" * 32, 3) == 0
    assert journal.acknowledge(Stream.PLATE, journal.epoch, 1) == 0
    assert journal.backlog() == {Stream.ACCESS: 5}


def test_acknowledgements_are_cumulative_idempotent_and_survive_a_restart(
    tmp_path: Path, clock: ManualClock
) -> None:
    journal = opened(tmp_path, clock)
    journal.start()
    for number in range(5):
        journal.append_now(draft(number))
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, 3) == 3
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, 3) == 0
    assert journal.acknowledge(Stream.ACCESS, journal.epoch, 2) == 0
    journal.close()
    again = opened(tmp_path, clock)
    try:
        assert again.backlog() == {Stream.ACCESS: 2}
        assert [row.seq for row in again.pending(None, 0, 10)] == [4, 5]
    finally:
        again.close()


def test_another_reader_tails_filters_and_finds_the_newest_while_it_is_written(journal: Journal) -> None:
    with EventReader(journal.path) as reader:
        assert reader.tail() == []
        for number in range(10):
            journal.append_now(draft(number, (Stream.ACCESS, Stream.ALARM)[number % 2]))
        assert [row.seq for row in reader.newest(3)] == [4, 5, 5]
        assert [row.seq for row in reader.newest(2, [Stream.ALARM])] == [4, 5]
        place = reader.tail(limit=4)[-1].id
        journal.append_now(draft(99))
        assert [json.loads(r.payload)["data"]["number"] for r in reader.tail(place, [Stream.ACCESS])] == [
            4,
            6,
            8,
            99,
        ]


def test_reading_a_journal_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here yet"):
        read_events(tmp_path / "events.db")


# Once only


def test_SAFE_3_an_actuation_is_accepted_once_and_its_event_with_it(journal: Journal) -> None:
    assert journal.begin_actuation("act-1", draft(1, Stream.BARRIER)) is True
    assert journal.begin_actuation("act-1", draft(2, Stream.BARRIER)) is False
    journal.finish_actuation("act-1", "done", draft(3, Stream.BARRIER))
    assert journal.begin_actuation("act-1", draft(4, Stream.BARRIER)) is False
    journal.append_now(draft(5, Stream.BARRIER))
    numbers = [json.loads(row.payload)["data"]["number"] for row in journal.tail(0)]
    assert numbers == [1, 3, 5]


def test_SAFE_3_only_one_of_many_threads_may_actuate(journal: Journal) -> None:
    answers: list[bool] = []

    def ask() -> None:
        answers.append(journal.begin_actuation("act-1", draft(1, Stream.BARRIER)))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 11 + [True]
    assert len(journal.tail(0)) == 1


def test_SAFE_3_what_a_crash_left_unfinished_becomes_unknown_and_is_never_open_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    journal = opened(tmp_path, clock)
    journal.start()
    journal.begin_actuation("act-1", draft(1, Stream.BARRIER))
    journal.begin_actuation("act-2", draft(2, Stream.BARRIER))
    journal.begin_command("jti-1", "kid-a", 5, 2_000_000_000, draft(3, Stream.AUDIT))
    journal.finish_actuation("act-2", "done", draft(4, Stream.BARRIER))
    journal.close()  # act-1 and jti-1 stay accepted, as after a power cut
    again = opened(tmp_path, clock)
    again.start()
    try:
        assert again.unfinished_actuations() == ("act-1",)
        assert again.unfinished_commands() == ("jti-1",)
        events = [from_wire(row.payload).event for row in again.tail(0)][-2:]
        assert [(e.type, e.stream, e.data["result"]) for e in events] == [
            ("actuation.unknown", Stream.BARRIER, "unknown"),
            ("command.unknown", Stream.AUDIT, "unknown"),
        ]
        assert events[0].data["actuation"] == "act-1"
        assert events[0].chain == ("track-1", "act-1")
        assert again.command_result("jti-1") == "unknown"
        assert again.begin_actuation("act-1", draft(5, Stream.BARRIER)) is False
        assert again.begin_command("jti-1", "kid-a", 9, 2_000_000_000, draft(6, Stream.AUDIT)) is False
    finally:
        again.close()
    third = opened(tmp_path, clock)
    try:
        assert third.unfinished_actuations() == ()
        assert [from_wire(row.payload).event.type for row in third.tail(0)].count("actuation.unknown") == 1
    finally:
        third.close()


def test_CMD_1_a_command_is_accepted_once_and_its_counter_only_rises(journal: Journal) -> None:
    assert journal.high_water("kid-a") == -1
    assert journal.begin_command("jti-1", "kid-a", 5, 10, draft(1, Stream.AUDIT)) is True
    assert journal.begin_command("jti-1", "kid-a", 6, 10, draft(2, Stream.AUDIT)) is False
    for counter in (5, 4, 0):
        with pytest.raises(CounterTooLow, match="is not above 5"):
            journal.begin_command("jti-2", "kid-a", counter, 10, draft(3, Stream.AUDIT))
    assert journal.high_water("kid-a") == 5
    assert journal.begin_command("jti-2", "kid-b", 1, 10, draft(4, Stream.AUDIT)) is True
    assert journal.command_result("jti-1") is None
    event = journal.finish_command("jti-1", "done", draft(5, Stream.AUDIT))
    assert journal.command_result("jti-1") == "done"
    assert [json.loads(row.payload)["data"]["number"] for row in journal.tail(0)] == [1, 4, 5]
    assert event.data["number"] == 5


def test_CMD_1_the_counter_outlives_the_commands_that_retention_deletes(
    journal: Journal, clock: ManualClock
) -> None:
    expiry_s = clock.utc_ns() // NS_PER_S + 10
    journal.begin_command("jti-1", "kid-a", 5, expiry_s, draft(1, Stream.AUDIT))
    journal.finish_command("jti-1", "done", draft(2, Stream.AUDIT))
    clock.advance(30 * DAY_S)
    journal.retention(clock.utc_ns())
    assert journal.command_result("jti-1") is None
    with pytest.raises(CounterTooLow):
        journal.begin_command("jti-1", "kid-a", 5, expiry_s, draft(3, Stream.AUDIT))


def test_a_refused_counter_does_not_disturb_what_is_written_with_it(journal: Journal) -> None:
    journal.begin_command("jti-1", "kid-a", 5, 10, draft(0, Stream.AUDIT))
    refused: list[CounterTooLow] = []

    def ask(number: int) -> None:
        try:
            journal.begin_command(f"late-{number}", "kid-a", 1, 10, draft(number, Stream.AUDIT))
        except CounterTooLow as refusal:
            refused.append(refusal)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for number in range(50):
        journal.append(draft(number))
    for thread in threads:
        thread.join()
    journal.append_now(draft(50))
    assert len(refused) == 10
    assert journal.backlog() == {Stream.ACCESS: 51, Stream.AUDIT: 1}


def test_small_state_is_kept_over_restarts_with_its_event(tmp_path: Path, clock: ManualClock) -> None:
    journal = opened(tmp_path, clock)
    journal.start()
    journal.put_state("config", {"rev": 3, "名": "东门"}, draft(1, Stream.SYS))
    journal.put_state("gone", [1])
    journal.put_state("gone", None)
    with pytest.raises(ValueError, match="JSON"):
        journal.put_state("bad", float("nan"))
    journal.close()
    again = opened(tmp_path, clock)
    try:
        assert again.get_state("config") == {"rev": 3, "名": "东门"}
        assert again.get_state("gone") is None
        assert len(again.tail(0)) == 1
    finally:
        again.close()


# What goes wrong


def test_a_second_daemon_on_the_same_folder_is_kept_out(journal: Journal, clock: ManualClock) -> None:
    with pytest.raises(JournalError, match="another Gatehouse daemon is running"):
        opened(journal.path.parent, clock)


def test_a_folder_that_cannot_be_written_is_one_clear_line(clock: ManualClock) -> None:
    with pytest.raises(JournalError, match="cannot be written") as caught:
        opened(Path("/proc"), clock)
    assert "\n" not in str(caught.value)


def test_OPS_1_a_full_disk_raises_an_alarm_and_nothing_accepted_is_lost_when_there_is_room_again(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    alarms = Alarms(clock)
    journal = opened(tmp_path, clock, alarms)
    edges: list[tuple[str, bool]] = []
    alarms.listen(lambda alarm, standing: edges.append((alarm.name, standing)))
    # As the daemon does: alarms are events too, and this one is raised by the journal's own thread.
    alarms.listen(
        lambda alarm, standing: journal.append(
            EventDraft(Stream.ALARM, alarm.name, alarm.subject, {"standing": standing})
        )
    )
    journal.start()
    try:
        journal.append_now(draft(0))
        journal._writer._database.execute("PRAGMA max_page_count = 10")

        def fill() -> None:
            for number in range(1, 400):
                journal.append_now(draft(number, filler="x" * 3000))

        with caplog.at_level(logging.CRITICAL), pytest.raises(JournalError, match="the disk is full"):
            fill()
        last = len(journal.tail(0, [Stream.ACCESS]))
        with pytest.raises(JournalError, match="the disk is full"):
            journal.begin_actuation("act-1", draft(0, Stream.BARRIER, filler="x" * 9000))
        journal.append(draft(1000, filler="y" * 3000))  # nobody waits for this one: it stays queued
        assert [alarm.name for alarm in alarms.standing()] == ["journal.failed"]
        journal._writer._database.execute("PRAGMA max_page_count = 1000000")
        assert journal.append_now(draft(1001)).seq == last + 2
        assert alarms.standing() == ()
        assert edges == [("journal.failed", True), ("journal.failed", False)]
        journal.append_now(draft(1002))
        rows = journal.tail(0)
        assert verify_chain(row.payload for row in rows) is None
        assert [row.seq for row in rows if row.stream is Stream.ACCESS] == list(range(1, last + 4))
        assert [row.seq for row in rows if row.stream is Stream.ALARM] == [1, 2]
        assert journal.begin_actuation("act-1", draft(0, Stream.BARRIER)) is True
    finally:
        journal.close()


def test_OPS_1_a_damaged_journal_is_moved_aside_and_a_new_epoch_says_so(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened(tmp_path, clock)
    first.close()
    (tmp_path / "events.db").write_bytes(b"\0" * 40_960)
    with caplog.at_level(logging.CRITICAL):
        second = opened(tmp_path, clock)
    try:
        assert second.epoch != first.epoch
        [event] = [from_wire(row.payload).event for row in second.tail(0)]
        assert (event.stream, event.type) == (Stream.ALARM, "journal.replaced")
        assert (tmp_path / event.data["moved_to"]).read_bytes() == b"\0" * 40_960
    finally:
        second.close()


def test_a_journal_that_never_started_closes_and_refuses(tmp_path: Path, clock: ManualClock) -> None:
    journal = opened(tmp_path, clock)
    journal.append(draft())
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append_now(draft())


def test_what_writing_costs_is_measured(journal: Journal) -> None:
    for number in range(20):
        journal.append_now(draft(number))
    times = journal.commit_times()
    assert times.commits >= 20
    assert 0 < times.median_ms <= times.p99_ms <= times.worst_ms


def test_DEL_1_what_must_make_room_is_never_access_or_audit_and_leaves_no_hole(
    tmp_path: Path, clock: ManualClock
) -> None:
    alarms = Alarms(clock)
    journal = opened(tmp_path, clock, alarms, limit_events=100)
    journal.start()
    streams = (Stream.ACCESS, Stream.SYS, Stream.PLATE, Stream.AUDIT)
    for number in range(40):
        for stream in streams:
            journal.append(draft(number, stream))
    journal.flush()
    for row in journal.pending(Stream.SYS, 0, 5):
        journal.acknowledge(Stream.SYS, journal.epoch, row.seq)
    clock.advance(31.0)
    deadline_s = time.monotonic() + 30
    while "journal.crowded" not in [alarm.name for alarm in alarms.standing()]:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    journal.flush()
    rows = journal.tail(0, limit=1000)
    assert len(rows) <= 100
    assert verify_chain(row.payload for row in rows) is None
    kept = Counter(row.stream for row in rows)
    assert kept[Stream.ACCESS] == kept[Stream.AUDIT] == 40
    assert kept[Stream.SYS] == 1, "the first to go; a stand-in is left"
    assert kept[Stream.PLATE] > 1
    stand_in = stand_in_of(from_wire(next(r.payload for r in rows if r.stream is Stream.SYS)).event)
    assert stand_in is not None
    assert (stand_in.first, stand_in.last, stand_in.why) == (6, 40, "space")
    clock.advance(31.0)
    for stream in streams:  # what comes behind a stand-in is chained to what it stands for
        journal.append_now(draft(40, stream))
    journal.close()

    ledger = Ledger(tmp_path / "ledger.db")
    arrivals = [
        Arrival("home/box-1", row.stream, row.payload) for row in read_events(journal.path, limit=1000)
    ]
    ledger.begin_at("home/box-1", journal.epoch, Stream.SYS, 6)
    ledger.take(arrivals, now_ns=0, utc_ns=0)
    assert ledger.heads("home/box-1", journal.epoch) | {Stream.BARRIER: 0, Stream.ALARM: 0} == dict.fromkeys(
        Stream, 41
    ) | {Stream.BARRIER: 0, Stream.ALARM: 0}
    assert ledger.broken_chains() == []
    ledger.close()


def test_a_stand_in_is_taken_for_what_a_platform_lacks_of_it(tmp_path: Path, clock: ManualClock) -> None:
    journal = opened(tmp_path, clock)
    journal.start()
    for number in range(10):
        journal.append_now(draft(number))
    before = journal.tail(0)
    for row in journal.pending(Stream.ACCESS, 0, 10)[3:6]:
        journal.park(row, "the platform: never heard of it")
    after = journal.tail(0)
    journal.close()
    assert [row.seq for row in after] == list(range(1, 11)), "one refused event, one stand-in"
    assert verify_chain(row.payload for row in after) is None
    with closing(Database(tmp_path / "events.db", readonly=True)) as database:
        assert database.execute("SELECT seq FROM parked ORDER BY seq") == [(4,), (5,), (6,)]
    ledger = Ledger(tmp_path / "ledger.db")
    for rows in (before[:4], after):  # it had the fourth, and its acknowledgement was lost
        ledger.take([Arrival("home/box-1", row.stream, row.payload) for row in rows], now_ns=0, utc_ns=0)
    assert ledger.heads("home/box-1", journal.epoch)[Stream.ACCESS] == 10
    assert ledger.broken_chains() == []
    assert ledger.payloads("home/box-1")[3] == before[3].payload
    ledger.close()

"""A card that spoils files: the box starts all the same, with all that can be read, and says what it lost."""

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.access import Person, Roster
from edge.clock import ManualClock
from edge.errors import JournalError
from edge.faults import ENV, SALVAGE_POINTS
from edge.health import Alarms
from edge.records import Event, EventDraft, Stream
from edge.store import Journal, SetStore, from_wire, open_vault, verify_chain
from edge.store.database import Database, DatabaseDamaged

CLOCK = ManualClock()
EXPIRY_S = 4_000_000_000
EVENTS = 400
PAGE = 4096


def opened(folder: Path, alarms: Alarms | None = None) -> Journal:
    return Journal(folder / "events.db", CLOCK, tenant="t", device="d", boot_id="b", alarms=alarms)


def fill(folder: Path) -> str:
    """A journal with everything in it; the platform has the first hundred of its access events."""
    journal = opened(folder)
    journal.start()
    for number in range(EVENTS):
        stream = Stream.ACCESS if number % 2 else Stream.AUDIT
        journal.append(EventDraft(stream, "thing.seen", "in", {"number": number, "filler": "x" * 200}))
    draft = EventDraft(Stream.AUDIT, "thing.seen", "in", {})
    journal.begin_command("jti-7", "key-1", 7, EXPIRY_S, draft)
    journal.finish_command("jti-7", "done", draft)
    journal.begin_actuation("act-1", draft)
    journal.finish_actuation("act-1", "done", draft)
    assert journal.spend_pass("pass-1", 1, EXPIRY_S)
    journal.put_state("config.rev", 12)
    journal.acknowledge(Stream.ACCESS, journal.epoch, 100)
    journal.close()
    return journal.epoch


def spoil(path: Path, how: str) -> None:
    """What cards do to a file."""
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // PAGE * PAGE
    match how:
        case "a page of noise":
            raw[middle : middle + PAGE] = random.Random(7).randbytes(PAGE)
        case "zeros in the middle":
            raw[middle : middle + 3 * PAGE] = bytes(3 * PAGE)
        case "zeros at the end":
            raw[-4 * PAGE :] = bytes(4 * PAGE)
        case "half of it":
            del raw[middle:]
        case "all zeros":
            raw[:] = bytes(len(raw))
    path.write_bytes(raw)


def is_damaged(path: Path) -> bool:
    try:
        Database(path).close()
    except DatabaseDamaged:
        return True
    return False


def numbers(journal: Journal) -> dict[int, Event]:
    events = [from_wire(row.payload).event for row in journal.tail(0, limit=10_000)]
    return {event.data["number"]: event for event in events if "number" in event.data}


@pytest.mark.parametrize("how", ["a page of noise", "zeros in the middle", "zeros at the end"])
def test_OPS_1_of_a_damaged_journal_everything_is_saved_that_can_be_read(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    epoch = fill(tmp_path)
    spoil(tmp_path / "events.db", how)
    assert is_damaged(tmp_path / "events.db")
    alarms = Alarms(CLOCK)
    with caplog.at_level("CRITICAL"):
        journal = opened(tmp_path, alarms)
    journal.start()
    try:
        assert journal.epoch != epoch
        [alarm] = alarms.standing()
        assert alarm.name == "journal.replaced"
        assert "saved:" in alarm.detail
        found = numbers(journal)
        assert len(found) > EVENTS // 10, "both ends of the table can be read"
        assert all(event.data["salvaged"]["epoch"] == epoch for event in found.values())
        assert all(event.seq > 0 and event.epoch == journal.epoch for event in found.values())
        assert all(number > 200 for number, e in found.items() if e.stream is Stream.ACCESS), (
            "those are settled"
        )
        assert list(found) == sorted(found), "in their order"
        assert verify_chain(row.payload for row in journal.tail(0, limit=10_000)) is None
        first = from_wire(journal.tail(0)[0].payload).event
        assert first.type == "journal.replaced"
        journal.append_now(EventDraft(Stream.ACCESS, "thing.seen", "in", {}))
        # At a second start there is nothing left to say or to write again.
        journal.close()
        again = opened(tmp_path)
        again.close()
        assert again.epoch == journal.epoch
    finally:
        journal.close()


@pytest.mark.parametrize("how", ["half of it", "all zeros"])
def test_OPS_1_a_journal_of_which_nothing_is_left_is_begun_anew(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    epoch = fill(tmp_path)
    spoil(tmp_path / "events.db", how)
    with caplog.at_level("CRITICAL"):
        journal = opened(tmp_path)
    journal.start()
    try:
        assert journal.epoch != epoch
        assert journal.append_now(EventDraft(Stream.ACCESS, "thing.seen", "in", {})).seq >= 1
        assert len(list(tmp_path.glob("events.db.damaged-*"))) >= 1
    finally:
        journal.close()


def test_CMD_1_SAFE_3_what_was_obeyed_before_the_damage_is_still_known_after_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    _spoil_only_the_events(tmp_path / "events.db")
    with caplog.at_level("CRITICAL"):
        journal = opened(tmp_path)
    journal.start()
    try:
        draft = EventDraft(Stream.AUDIT, "thing.seen", "in", {})
        assert journal.high_water("key-1") == 7
        assert journal.command_result("jti-7") == "done"
        assert not journal.begin_actuation("act-1", draft)
        assert not journal.spend_pass("pass-1", 1, EXPIRY_S)
        assert journal.get_state("config.rev") == 12
    finally:
        journal.close()


def test_an_event_that_was_altered_is_not_saved_as_if_it_were_true(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    path = tmp_path / "events.db"
    raw = path.read_bytes()
    assert raw.count(b'"number":301,') == 1
    path.write_bytes(raw.replace(b'"number":301,', b'"number":999,'))
    _spoil_only_the_events(path)
    with caplog.at_level("CRITICAL"):
        journal = opened(tmp_path)
    try:
        assert 999 not in numbers(journal)
        assert 303 in numbers(journal)
    finally:
        journal.close()


def _spoil_only_the_events(path: Path) -> None:
    """Noise into a page that holds events of the middle, and nothing else."""
    raw = bytearray(path.read_bytes())
    page = raw.index(b'"number":250,') // PAGE * PAGE
    raw[page : page + 8] = b"\xff" * 8
    path.write_bytes(raw)
    assert is_damaged(path)


@pytest.mark.parametrize("point", SALVAGE_POINTS)
def test_OPS_1_a_kill_while_a_journal_is_saved_loses_nothing_of_what_was_saved(
    tmp_path: Path, point: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    _spoil_only_the_events(tmp_path / "events.db")
    _die_at(point, lambda: opened(tmp_path))
    with caplog.at_level("CRITICAL"):
        journal = opened(tmp_path)
    try:
        assert journal.high_water("key-1") == 7
        assert len(numbers(journal)) > EVENTS // 10
        first = from_wire(journal.tail(0)[0].payload).event
        assert first.type == "journal.replaced"
        assert (
            len([p for p in tmp_path.glob("events.db.damaged-*") if not p.name.endswith(("-wal", "-shm"))])
            == 1
        )
    finally:
        journal.close()


def _die_at(point: str, do: Callable[[], object]) -> None:
    def child() -> None:
        os.environ[ENV] = point
        do()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("how", ["a page of noise", "zeros at the end", "all zeros"])
def test_OPS_1_ACC_1_a_damaged_roster_keeps_whom_it_can_and_lets_nobody_else_in(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    vault = open_vault(tmp_path / "device.key")
    store = SetStore(tmp_path / "sets.db", vault, CLOCK)
    store.replace_roster(
        Roster.of(5, [Person(f"person-{number:03d}", name="名" * 30) for number in range(300)])
    )
    store.remove_person("person-000")
    rev = store.rev()
    store.close()
    spoil(tmp_path / "sets.db", how)
    assert is_damaged(tmp_path / "sets.db")
    with caplog.at_level("CRITICAL"):
        store = SetStore(tmp_path / "sets.db", vault, CLOCK, may_salvage=True)
    try:
        persons = store.snapshot().roster.persons
        assert "person-000" not in persons
        assert set(persons) <= {f"person-{number:03d}" for number in range(300)}
        assert store.salvage is not None
        if how != "all zeros":
            assert len(persons) > 30
            assert store.rev() >= rev or "meta" in "".join(store.salvage.cut)
        store.put_person(Person("person-new", name=""))
    finally:
        store.close()
    again = SetStore(tmp_path / "sets.db", vault, CLOCK)
    assert again.salvage is None
    again.close()


def test_a_file_that_cannot_be_moved_aside_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    spoil(tmp_path / "events.db", "all zeros")

    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    with caplog.at_level("CRITICAL"), pytest.raises(JournalError, match="cannot be moved aside"):
        opened(tmp_path)

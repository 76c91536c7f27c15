"""A journal on a real file system that is full: an alarm, no lost event, and on again when there is room."""

import logging
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.clock import ManualClock, SystemClock
from edge.errors import JournalError
from edge.health import Alarms
from edge.records import EventDraft, Stream
from edge.store import Journal, read_events, verify_chain


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "gatehouse-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no right to mount a small file system here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def draft(number: int) -> EventDraft:
    return EventDraft(Stream.ACCESS, "access.decided", "gate", {"number": number, "filler": "x" * 2000})


def test_OPS_1_on_a_disk_without_room_every_acknowledged_event_stays_and_the_chain_goes_on_afterwards(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SystemClock()
    alarms = Alarms(clock)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 700_000)
    journal = Journal(small_disk / "events.db", clock, tenant="home", device="box", alarms=alarms)
    journal.start()
    acknowledged = []

    def fill() -> None:
        for number in range(5000):
            acknowledged.append(journal.append_now(draft(number)).seq)  # noqa: PERF401 (it ends by an error)

    try:
        with caplog.at_level(logging.CRITICAL):
            with pytest.raises(JournalError, match=r"the disk (is full|reports an error)"):
                fill()
            assert [alarm.name for alarm in alarms.standing()] == ["journal.failed"]
            with pytest.raises(JournalError):
                journal.begin_actuation("act-1", draft(0))
            journal.append(draft(9999))
        ballast.unlink()
        next_seq = journal.append_now(draft(10_000)).seq
        assert next_seq == len(acknowledged) + 2  # the one that waited was not lost
        assert alarms.standing() == ()
    finally:
        journal.close()
    rows = read_events(small_disk / "events.db", limit=10_000)
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    assert [row.seq for row in rows] == list(range(1, next_seq + 1))
    assert verify_chain(row.payload for row in rows) is None
    assert len(acknowledged) > 20


def test_OPS_1_a_full_disk_has_a_reserve_for_access_and_audit_and_nothing_else(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    alarms = Alarms(clock)
    folder = small_disk
    subprocess.run(["mount", "-o", "remount,size=16m", str(folder)], check=True)
    journal = Journal(folder / "events.db", clock, tenant="home", device="box", alarms=alarms, reserve_mb=6)
    journal.start()

    def raised() -> list[str]:
        clock.advance(6.0)
        return [alarm.name for alarm in alarms.standing()]

    try:
        journal.append_now(draft(0))
        reserve = folder / "reserve"
        until(lambda: reserve.exists() and reserve.stat().st_size == 6 << 20)
        ballast = folder / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        for number in range(1, 41):
            journal.append_now(draft(number))
        assert not (folder / "reserve").exists()
        until(lambda: raised() == ["disk.full"])
        with pytest.raises(JournalError, match="given up"):
            journal.append_now(EventDraft(Stream.SYS, "daemon.started", "box", {}))
        journal.append_now(EventDraft(Stream.AUDIT, "roster.changed", "box", {}))
        ballast.unlink()
        until(lambda: raised() == [])
        assert (folder / "reserve").exists()
        journal.append_now(EventDraft(Stream.SYS, "daemon.started", "box", {}))
    finally:
        journal.close()
    rows = read_events(folder / "events.db", limit=1000)
    assert [row.seq for row in rows if row.stream is Stream.ACCESS] == list(range(1, 42))
    assert verify_chain(row.payload for row in rows) is None


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)

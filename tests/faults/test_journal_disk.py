"""A journal on a real file system that is full: an alarm, no lost event, and on again when there is room."""

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clock import SystemClock
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

"""A power cut: whatever SQLite had not told the disk to flush is gone, and the journal must not care."""

import logging
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from edge.clock import SystemClock
from edge.records import EventDraft, Stream
from edge.store import Journal, verify_chain


class SyncedDisk(apsw.VFS):  # type: ignore[misc, unused-ignore]
    """Keeps beside the files of a folder what a power cut would leave: each as it was at its last flush."""

    def __init__(self, live: Path, durable: Path) -> None:
        self.live, self.durable = live, durable
        self.flushes = 0
        super().__init__("synced-disk", base="unix", makedefault=True)

    def xOpen(self, name: object, flags: list[int]) -> "SyncedFile":
        return SyncedFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        if not Path(filename).exists():
            return  # SQLite does not mind, but apsw would raise its answer afterwards
        super().xDelete(filename, syncdir)
        if syncdir and Path(filename).parent == self.live:  # the folder is flushed too: gone for good
            (self.durable / Path(filename).name).unlink(missing_ok=True)


class SyncedFile(apsw.VFSFile):  # type: ignore[misc, unused-ignore]
    """One file of it."""

    def __init__(self, disk: SyncedDisk, name: object, flags: list[int]) -> None:
        self.disk = disk
        self.path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        super().__init__("unix", name, flags)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        if self.path.parent == self.disk.live:
            self.disk.flushes += 1
            shutil.copyfile(self.path, self.disk.durable / self.path.name)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SyncedDisk]:
    before = apsw.vfs_names()[0]
    for name in ("live", "durable"):
        (tmp_path / name).mkdir()
    disk = SyncedDisk(tmp_path / "live", tmp_path / "durable")
    yield disk
    disk.unregister()
    assert apsw.vfs_names()[0] == before


def draft(number: int) -> EventDraft:
    return EventDraft(Stream.ACCESS, "access.decided", "gate", {"number": number, "filler": "x" * 700})


def after_the_cut(disk: SyncedDisk, folder: Path) -> Path:
    """What is found when the power is back."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(disk.durable, folder)
    return folder


def test_DEL_1_after_a_power_cut_every_event_is_there_that_a_call_has_returned(
    tmp_path: Path, disk: SyncedDisk
) -> None:
    rng = random.Random(7)
    journal = Journal(disk.live / "events.db", SystemClock(), tenant="home", device="box")
    journal.start()
    try:
        for number in range(1, 601):  # far enough for checkpoints of the log
            before = disk.flushes
            seq = journal.append_now(draft(number)).seq
            assert disk.flushes > before, "the call returned before anything was flushed"
            if number < 4 or rng.random() < 0.03:
                folder = after_the_cut(disk, tmp_path / "cut")
                again = Journal(folder / "events.db", SystemClock(), tenant="home", device="box")
                found = [row.seq for row in again.tail(0, limit=10_000)]
                again.close()
                assert found == list(range(1, seq + 1))
    finally:
        journal.close()


def test_SAFE_3_after_a_power_cut_an_accepted_actuation_is_known_and_never_accepted_again(
    tmp_path: Path, disk: SyncedDisk, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(disk.live / "events.db", SystemClock(), tenant="home", device="box")
    journal.start()
    try:
        for number in range(30):
            assert journal.begin_actuation(f"act-{number}", draft(number))
            folder = after_the_cut(disk, tmp_path / "cut")
            with caplog.at_level(logging.CRITICAL):
                again = Journal(folder / "events.db", SystemClock(), tenant="home", device="box")
            again.start()
            try:
                assert again.unfinished_actuations()[-1] == f"act-{number}"
                assert not again.begin_actuation(f"act-{number}", draft(number))
                assert verify_chain(row.payload for row in again.tail(0)) is None
            finally:
                again.close()
            journal.finish_actuation(f"act-{number}", "done", draft(number))
    finally:
        journal.close()

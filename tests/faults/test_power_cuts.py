"""Short form of ``power_cuts.py``, and proof that it finds a disk that does not flush."""

from pathlib import Path

import pytest
from power_cuts import run
from test_journal_power import SyncedFile


def test_DEL_1_SAFE_3_after_power_cuts_that_tear_the_files_nothing_promised_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("CRITICAL"):
        faults, figures = run(tmp_path, cuts=10, seed=20_261_123)
    assert faults == []
    assert figures["promised"] > 0
    assert 0 < figures["torn"] < 10


def test_a_disk_that_says_flushed_and_is_not_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flush, count = SyncedFile.xSync, [0]

    def lie(self: SyncedFile, flags: int) -> None:
        count[0] += 1
        if count[0] < 8:  # long enough for the file to be made
            flush(self, flags)

    monkeypatch.setattr(SyncedFile, "xSync", lie)
    with caplog.at_level("CRITICAL"):
        faults, _ = run(tmp_path, cuts=10, seed=20_261_123)
    assert any(fault.startswith(("lost", "act-", "integrity", "chain")) for fault in faults)

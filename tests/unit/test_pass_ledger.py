"""How often a pass has opened: counted on the disk before anything moves, forgotten when it has expired."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import NS_PER_S, ManualClock
from edge.errors import JournalError
from edge.store import Journal
from edge.store.database import Database
from edge.store.schema import MIGRATIONS
from edge.store.writing import LEDGER_DAYS


def opened(folder: Path, clock: ManualClock) -> Journal:
    journal = Journal(
        folder / "events.db", clock, tenant="t", device="d", boot_id="b", keep_acknowledged_days=0.0
    )
    journal.start()
    return journal


def test_a_pass_is_spent_once_also_after_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    exp_s = clock.utc_ns() // NS_PER_S + 3600
    journal = opened(tmp_path, clock)
    assert journal.spend_pass("pass-0001", 1, exp_s)
    assert not journal.spend_pass("pass-0001", 1, exp_s)
    assert journal.spend_pass("pass-0002", 1, exp_s)
    journal.close()
    again = opened(tmp_path, clock)
    assert not again.spend_pass("pass-0001", 1, exp_s)
    again.close()


def test_a_pass_is_on_the_disk_when_the_call_returns(tmp_path: Path, clock: ManualClock) -> None:
    journal = opened(tmp_path, clock)
    journal.spend_pass("pass-0001", 3, clock.utc_ns() // NS_PER_S + 3600)
    beside = Database(tmp_path / "events.db", MIGRATIONS)
    try:
        assert beside.execute("SELECT jti, uses FROM passes") == [("pass-0001", 1)]
    finally:
        beside.close()
        journal.close()


@settings(max_examples=15)
@given(st.lists(st.sampled_from(["a-pass-01", "a-pass-02"]), max_size=12), st.integers(1, 4))
def test_no_pass_opens_more_often_than_it_says(
    tmp_path_factory: pytest.TempPathFactory, shown: list[str], uses: int
) -> None:
    clock = ManualClock()
    journal = opened(tmp_path_factory.mktemp("ledger"), clock)
    try:
        opened_by = [jti for jti in shown if journal.spend_pass(jti, uses, clock.utc_ns() // NS_PER_S + 60)]
    finally:
        journal.close()
    for jti in set(shown):
        assert opened_by.count(jti) == min(uses, shown.count(jti))


def test_what_has_expired_long_ago_is_forgotten_and_nothing_else(tmp_path: Path, clock: ManualClock) -> None:
    now_s = clock.utc_ns() // NS_PER_S
    long_ago_s = now_s - (LEDGER_DAYS + 2) * 86_400
    not_so_long_s = now_s - (LEDGER_DAYS - 1) * 86_400
    with closing(opened(tmp_path, clock)) as journal:
        journal.spend_pass("old-pass-1", 1, long_ago_s)
        journal.spend_pass("young-pass", 1, now_s - 60)
        journal.spend_pass("week-pass1", 1, not_so_long_s)
        journal.retention(clock.utc_ns())
        assert not journal.spend_pass("young-pass", 1, now_s - 60)
        assert not journal.spend_pass("week-pass1", 1, not_so_long_s), "as long as the ledger of openings"
        assert journal.spend_pass("old-pass-1", 1, long_ago_s), "its date keeps it out now"


def test_ACC_1_a_journal_that_has_ended_spends_nothing(tmp_path: Path, clock: ManualClock) -> None:
    journal = opened(tmp_path, clock)
    journal.close()
    with pytest.raises(JournalError):
        journal.spend_pass("pass-0001", 1, 2_000_000_000)

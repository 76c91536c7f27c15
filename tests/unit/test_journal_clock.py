"""What the journal forgets by the clock, while the clock jumps."""

import time
from pathlib import Path

import pytest

from edge.clock import NS_PER_S, ManualClock
from edge.records import EventDraft, Stream
from edge.store import Journal

DAY_S = 86_400
DECADE_NS = 3652 * DAY_S * NS_PER_S


def an_hour_later(journal: Journal, clock: ManualClock) -> None:
    """The journal looks once more at what is old."""
    due_ns = journal._retention_due_ns
    clock.advance(3601)
    until_s = time.monotonic() + 60
    while journal._retention_due_ns == due_ns:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    journal.flush()


@pytest.mark.parametrize("way", [1, -1])
def test_CMD_1_a_pass_that_was_used_stays_used_though_the_clock_jumped_ten_years_for_a_moment(
    tmp_path: Path, clock: ManualClock, way: int
) -> None:
    journal = Journal(tmp_path / "events.db", clock, tenant="home", device="box")
    journal.start()
    try:
        exp_utc_s = clock.utc_ns() // NS_PER_S + DAY_S
        assert journal.spend_pass("pass-1", 1, exp_utc_s)
        journal.append_now(EventDraft(Stream.ACCESS, "access.decided", "gate", {}))
        clock.now_utc_ns += way * DECADE_NS
        an_hour_later(journal, clock)
        clock.now_utc_ns -= way * DECADE_NS
        assert not journal.spend_pass("pass-1", 1, exp_utc_s), "it is not forgotten"
        an_hour_later(journal, clock)
        clock.now_utc_ns += 30 * DAY_S * NS_PER_S
        an_hour_later(journal, clock)
        an_hour_later(journal, clock)
        assert journal.spend_pass("pass-1", 1, exp_utc_s), "a steady clock may forget what expired long ago"
    finally:
        journal.close()

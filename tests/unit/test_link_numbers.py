"""The numbers of journal and link that go to the platform's curves."""

from pathlib import Path

from edge.clock import ManualClock
from edge.overview import link_numbers
from edge.records import EventDraft, Stream
from edge.store.journal import Journal
from edge.sync import UplinkStatus


def test_backlog_commits_and_room_are_told_and_what_cannot_be_had_is_none(
    tmp_path: Path, clock: ManualClock
) -> None:
    journal = Journal(tmp_path / "events.db", clock, tenant="park", device="box", reserve_mb=0)
    journal.start()
    for number in range(5):
        journal.append_now(EventDraft(Stream.ACCESS, "thing.seen", "in", {"number": number}))
    journal.acknowledge(Stream.ACCESS, journal.epoch, 2)
    numbers = link_numbers(journal, UplinkStatus(online=True, conn=7, in_flight=3), tmp_path)
    assert (numbers["backlog"], numbers["conn"], numbers["in_flight"]) == (3, 7, 3)
    assert 0 < numbers["commit_p50_ms"] <= numbers["commit_p99_ms"]
    assert numbers["disk_free_mb"] > 0
    journal.close()
    gone = link_numbers(journal, UplinkStatus(), tmp_path / "nowhere")
    assert (gone["backlog"], gone["disk_free_mb"]) == (None, None)

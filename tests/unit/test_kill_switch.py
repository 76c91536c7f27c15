"""The kill switch by itself: thrown at once, durable, released only when the disk has it (SAFE-2)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.errors import JournalError
from edge.health import Alarms
from edge.kill_switch import ALARM, KillSwitch
from edge.records import EventDraft, Stream
from edge.store.journal import Journal


class TiredJournal(Journal):
    """The real journal on a disk that refuses when told to."""

    refuses = False

    def put_state(self, key: str, value: object, draft: EventDraft | None = None) -> None:
        if self.refuses:
            raise JournalError("the disk refuses")
        super().put_state(key, value, draft)


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[TiredJournal]:
    journal = TiredJournal(tmp_path / "events.db", clock, tenant="park", device="gate-7", boot_id="boot")
    journal.start()
    yield journal
    journal.close()


def standing(alarms: Alarms) -> list[str]:
    return [alarm.name for alarm in alarms.standing()]


def test_it_is_thrown_and_released_once_each_with_events_and_an_alarm(
    journal: TiredJournal, clock: ManualClock
) -> None:
    alarms, told = Alarms(clock), []
    switch = KillSwitch(journal, clock, alarms)
    switch.on_thrown(lambda: told.append(switch.is_thrown))
    assert (switch.is_thrown, switch.status) == (False, {"thrown": False})
    assert switch.throw("desk-1", "drill", "jti-1")
    assert not switch.throw("desk-2", "again")
    assert (told, standing(alarms)) == ([True], [ALARM])
    assert (switch.status["by"], switch.status["why"]) == ("desk-1", "drill")
    assert switch.release("desk-2", "over")
    assert not switch.release("desk-2", "over")
    assert standing(alarms) == []
    journal.flush()
    rows = [row.payload.decode() for row in journal.tail(0, [Stream.AUDIT])]
    assert [("kill_switch.thrown" in row, "kill_switch.released" in row) for row in rows] == [
        (True, False),
        (False, True),
    ]


def test_a_new_start_finds_it_as_it_was(journal: TiredJournal, clock: ManualClock) -> None:
    KillSwitch(journal, clock, Alarms(clock)).throw("desk-1", "drill")
    alarms = Alarms(clock)
    again = KillSwitch(journal, clock, alarms)
    assert again.is_thrown
    assert standing(alarms) == [ALARM]
    again.release("desk-1", "")
    assert not KillSwitch(journal, clock, Alarms(clock)).is_thrown


def test_SAFE_2_a_disk_that_refuses_never_lets_anybody_in(journal: TiredJournal, clock: ManualClock) -> None:
    switch = KillSwitch(journal, clock, Alarms(clock))
    journal.refuses = True
    with pytest.raises(JournalError):
        switch.throw("desk-1", "drill")
    assert switch.is_thrown, "it counts all the same"
    with pytest.raises(JournalError):
        switch.release("desk-1", "")
    assert switch.is_thrown, "a release that is not durable is none"
    journal.refuses = False
    assert switch.release("desk-1", "")
    assert not switch.is_thrown

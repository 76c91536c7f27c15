"""A clock that never believes less than it knew, and tells the platform how its two times go together."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.clock import NS_PER_S, ClockState, ManualClock
from edge.health import Alarms
from edge.records import EventDraft, Stream
from edge.store import Journal, verify_chain
from edge.timekeeping import FlooredClock, Timekeeper

DAY_S = 86_400
DECADE_NS = 10 * 365 * DAY_S * NS_PER_S


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    journal = Journal(tmp_path / "events.db", clock, tenant="home", device="box", boot_id="boot-1")
    journal.start()
    yield journal
    journal.close()


@pytest.fixture
def said(journal: Journal) -> Callable[[], list[tuple[str, str]]]:
    def events() -> list[tuple[str, str]]:
        journal.flush()
        bodies = [json.loads(row.payload) for row in journal.tail(0, (Stream.SYS,))]
        return [
            (body["type"].removeprefix("gh.clock.").removesuffix(".v1"), body["data"]["state"])
            for body in bodies
        ]

    return events


def test_a_time_before_one_that_was_certain_is_unset_until_the_network_says_otherwise(
    journal: Journal, clock: ManualClock
) -> None:
    alarms = Alarms(clock)
    keeper = Timekeeper(FlooredClock(clock), journal, alarms)
    keeper.tick()
    clock.advance(-30 * DAY_S)  # a new boot, from a clock that was saved a month ago
    clock.now_state = ClockState.HOLDOVER
    again = FlooredClock(clock)
    keeper = Timekeeper(again, journal, alarms)
    assert again.state() is ClockState.UNSET
    keeper.tick()
    assert [alarm.name for alarm in alarms.standing()] == ["clock.unset"]
    clock.now_state = ClockState.SYNCED
    keeper.tick()
    assert again.state() is ClockState.SYNCED
    assert alarms.standing() == ()


def test_only_a_certain_time_becomes_the_floor(journal: Journal, clock: ManualClock) -> None:
    floored = FlooredClock(clock)
    keeper = Timekeeper(floored, journal, Alarms(clock))
    keeper.tick()
    clock.now_state = ClockState.HOLDOVER
    clock.now_utc_ns += DECADE_NS  # somebody has set it by hand, wrongly
    keeper.tick()
    clock.now_utc_ns -= DECADE_NS
    assert floored.state() is ClockState.HOLDOVER


def test_pairs_states_and_steps_are_told(
    journal: Journal, clock: ManualClock, said: Callable[[], list[tuple[str, str]]]
) -> None:
    keeper = Timekeeper(FlooredClock(clock), journal, Alarms(clock))
    keeper.tick()
    clock.advance(1.0)
    keeper.tick()
    assert said() == [("changed", "synced")]
    clock.now_state = ClockState.HOLDOVER
    keeper.tick()
    clock.now_utc_ns += 3 * NS_PER_S
    keeper.tick()
    clock.advance(DAY_S)
    keeper.tick()
    assert said() == [
        ("changed", "synced"),
        ("changed", "holdover"),
        ("stepped", "holdover"),
        ("paired", "holdover"),
    ]


@pytest.mark.parametrize("jump_ns", [DECADE_NS, -DECADE_NS, -(10**18)])
def test_a_jump_of_ten_years_either_way_loses_no_event_and_deletes_none(
    journal: Journal, clock: ManualClock, jump_ns: int
) -> None:
    keeper = Timekeeper(FlooredClock(clock), journal, Alarms(clock))
    for number in range(5):
        journal.append_now(EventDraft(Stream.ACCESS, "access.decided", "gate", {"number": number}))
    clock.now_utc_ns += jump_ns
    clock.now_state = ClockState.HOLDOVER
    keeper.tick()
    journal.retention(clock.utc_ns())
    journal.append_now(EventDraft(Stream.ACCESS, "access.decided", "gate", {"number": 5}))
    clock.now_utc_ns -= jump_ns
    keeper.tick()
    journal.retention(clock.utc_ns())
    rows = journal.tail(0, (Stream.ACCESS,))
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]
    assert verify_chain(row.payload for row in journal.tail(0)) is None

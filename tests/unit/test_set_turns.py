"""Snapshots are fetched one box after the other; what is small, new or late waits for nobody."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from set_bench import person
from set_wire import SCOPE, Device, Platform

from edge.access import Roster
from edge.clock import NS_PER_S, ClockState, ManualClock
from edge.platform import roster as publishing
from edge.sync.set_documents import SnapshotFile
from edge.sync.set_turns import Turns, place_of

Said = tuple[str, bytes]
SNAPSHOT = SnapshotFile(1, 1000, "ab" * 32, spread_s=600)


def people(numbers: range, room: str = "1-1") -> Roster:
    return Roster.of(0, [person(n, room=room) for n in numbers])


def test_ten_thousand_boxes_fill_the_time_evenly_and_another_snapshot_is_another_order() -> None:
    places = [place_of(f"park/gate-{n}", SNAPSHOT.sha256) for n in range(10_000)]
    tenths = [sum(int(place * 10) == tenth for place in places) for tenth in range(10)]
    assert min(tenths) > 850
    assert max(tenths) < 1150
    other = [place_of(f"park/gate-{n}", "cd" * 32) for n in range(10_000)]
    assert sum(place < 0.1 and after < 0.1 for place, after in zip(places, other, strict=True)) < 200


def test_a_box_waits_for_its_turn_and_not_longer(clock: ManualClock) -> None:
    now_s = clock.utc_ns() / NS_PER_S
    snapshot = replace(SNAPSHOT, written_s=now_s)
    turns = Turns("park/gate-7", clock)
    wait_s = place_of("park/gate-7", snapshot.sha256) * 600
    assert wait_s > 2
    assert not turns.has_come("permits", snapshot)
    assert turns.is_waiting
    clock.advance(wait_s - 1)
    assert not turns.has_come("permits", snapshot)
    clock.advance(1.1)
    assert not turns.is_waiting
    assert turns.has_come("permits", snapshot)


def test_whoever_comes_later_waits_for_nobody(clock: ManualClock) -> None:
    now_s = clock.utc_ns() / NS_PER_S
    assert Turns("park/gate-7", clock).has_come("permits", replace(SNAPSHOT, written_s=now_s - 601))
    assert Turns("park/gate-7", clock).has_come("permits", replace(SNAPSHOT, spread_s=0))


def test_without_a_clock_the_time_is_counted_from_when_it_was_heard_of(clock: ManualClock) -> None:
    clock.now_state = ClockState.UNSET
    turns = Turns("park/gate-7", clock)
    assert not turns.has_come("permits", replace(SNAPSHOT, written_s=1.0))
    clock.advance(601)
    assert turns.has_come("permits", replace(SNAPSHOT, written_s=1.0))
    turns.forget()
    assert not turns.is_waiting


@pytest.fixture
def platform(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setattr(publishing, "SNAPSHOT_FROM", 10)
    made = Platform(tmp_path / "platform", clock)
    yield made
    made.close()


@pytest.fixture
def waiting(tmp_path: Path, platform: Platform, clock: ManualClock) -> Iterator[tuple[Device, list[Said]]]:
    """One of a thousand boxes, whose whole set has changed and which has missed how; and what it missed."""
    publisher, now_s = platform.publisher, clock.utc_ns() // NS_PER_S
    publisher._bytes_per_s = 1000.0
    device = Device(tmp_path / "box", platform, clock)
    device.hear(platform.put(people(range(300))))
    device.serve()
    assert device.rev == 1, "nobody had ever asked, so nobody waits"
    for number in range(1000):
        publisher.table.heard(SCOPE, f"park/gate-{number}", now_s)
    *deltas, manifest = platform.put(people(range(2, 300), "2-2"))
    device.hear([manifest])
    device.questions.clear()
    device.serve(lambda ask, payload: None if ask == "delta" else payload)
    for seconds in (20, 2):
        device.wait(seconds)
        device.serve()
    assert (device.rev, device.questions) == (1, ["delta"]), "it is not its turn yet"
    yield device, deltas
    device.close()


def test_the_platform_counts_its_boxes_and_each_waits_for_its_turn(
    waiting: tuple[Device, list[Said]], platform: Platform
) -> None:
    device, _ = waiting
    snapshot = platform.publisher._manifests[SCOPE, "permits"].snapshot
    assert snapshot is not None
    assert snapshot.spread_s == min(publishing.LONGEST_SPREAD_S, round(999 * snapshot.size / 1000))
    device.wait(float(snapshot.spread_s))
    device.serve()
    assert (device.rev, len(device.ids())) == (2, 298)
    assert "chunk" in device.questions


def test_ACC_2_whoever_waits_for_its_turn_still_revokes_at_once_and_takes_what_comes_meanwhile(
    waiting: tuple[Device, list[Said]],
) -> None:
    device, deltas = waiting
    device.hear(deltas)
    assert {person(0).id, person(1).id} <= set(device.revoked)
    assert (device.rev, len(device.ids())) == (2, 298)
    assert device.questions == ["delta"]


def test_a_box_is_counted_once_and_forgotten_after_a_month(platform: Platform, clock: ManualClock) -> None:
    table, now_s = platform.publisher.table, clock.utc_ns() // NS_PER_S
    for _ in range(3):
        table.heard("north", "park/gate-7", now_s)
    table.heard("north", "park/gate-8", now_s - 40 * 86_400)
    table.heard("south", "park/gate-9", now_s)
    assert (table.askers("north", now_s), table.askers("south", now_s)) == (1, 1)

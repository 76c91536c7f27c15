"""A set on its way: gaps, repairs, snapshots, lies. Keeper and publisher talk without a broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from set_bench import person
from set_wire import Device, Platform

from edge.access import Roster
from edge.clock import ManualClock
from edge.platform import roster as publishing
from edge.store.items import BUCKETS
from edge.sync import set_gathering


def people(numbers: range, **rooms: str) -> Roster:
    return Roster.of(0, [person(n, **({"room": r} if (r := rooms.get(f"p{n}")) else {})) for n in numbers])


@pytest.fixture
def platform(tmp_path: Path, clock: ManualClock) -> Iterator[Platform]:
    made = Platform(tmp_path / "platform", clock)
    yield made
    made.close()


@pytest.fixture
def device(tmp_path: Path, platform: Platform, clock: ManualClock) -> Iterator[Device]:
    made = Device(tmp_path / "box", platform, clock)
    yield made
    made.close()


def ids(numbers: range) -> set[str]:
    return {person(n).id for n in numbers}


def test_changes_count_with_their_manifest_and_without_a_question(platform: Platform, device: Device) -> None:
    device.hear(platform.put(people(range(20))))
    device.serve()
    device.questions.clear()
    device.hear(platform.put(people(range(2, 25), p7="9-9")))
    assert (device.ids(), device.rev) == (ids(range(2, 25)), 2)
    assert not device.asked
    assert not device.alarms


def test_ACC_2_an_addition_waits_for_its_manifest_a_revocation_does_not(
    platform: Platform, device: Device
) -> None:
    device.hear(platform.put(people(range(20))))
    device.serve()
    *deltas, manifest = platform.put(people(range(1, 21)))
    device.hear(deltas)
    assert set(device.revoked) == {person(0).id}
    assert device.ids() == ids(range(1, 20))  # p-20 is not in yet
    device.hear([manifest])
    assert device.ids() == ids(range(1, 21))
    assert len(device.left) == 1


def test_a_lost_delta_is_asked_for_when_the_manifest_tells(platform: Platform, device: Device) -> None:
    device.hear(platform.put(people(range(20))))
    device.serve()
    platform.put(people(range(3, 23)))
    device.hear([platform.put(people(range(3, 24)))[-1]])
    device.questions.clear()
    device.serve()
    assert device.questions == ["delta"]
    assert (device.ids(), device.rev) == (ids(range(3, 24)), 3)


def test_only_the_buckets_that_differ_are_repaired(platform: Platform, device: Device) -> None:
    device.hear(platform.put(people(range(300))))
    device.serve()
    device.hear([platform.put(people(range(300), p5="1-1", p6="1-2"))[-1]])
    device.questions.clear()
    device.serve(lambda ask, payload: None if ask == "delta" else payload)
    device.wait(20)  # the answer never came
    device.wait(2)
    device.serve()
    assert device.questions == ["delta", "bucket", "bucket"]
    assert device.rev == 2


def test_a_whole_set_comes_in_chunks_and_goes_on_after_a_restart(
    tmp_path: Path, platform: Platform, device: Device, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "SNAPSHOT_FROM", 10)
    monkeypatch.setattr(publishing, "CHUNK_BYTES", 4096)
    device.hear(platform.put(people(range(300)))[-1:])
    lost = iter(range(1000))
    with pytest.raises(AssertionError, match="cut"):
        device.serve(lambda ask, payload: payload if ask != "chunk" or next(lost) < 9 else _cut())
    assert device.ids() == set()
    device.close()

    again = Device(tmp_path / "box", platform, clock)
    again.hear([("/m", platform.manifest())])
    again.serve()
    asked = again.questions.count("chunk")
    size = len(next(iter(platform.publisher.snapshots.glob("*.set"))).read_bytes())
    assert (again.ids(), asked) == (ids(range(300)), -(-size // 4096) - 9)
    assert not list((tmp_path / "box" / "snapshots").iterdir())
    while again.store.sweep():
        pass
    again.close()


def _cut() -> bytes:
    raise AssertionError("cut")


def test_every_flipped_byte_on_the_way_leaves_the_old_set_and_says_so(
    platform: Platform, device: Device, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds of messages, a byte at the start, in the middle and at the end of each."""
    device.hear(platform.put(people(range(300))))
    device.serve()
    before = device.ids()
    said = platform.put(people(range(10, 330), p50="9-9"))
    for topic, raw in said:
        for place in (0, len(raw) // 3, len(raw) // 2, len(raw) - 3):
            device.hear([(topic, _flip(raw, place))])
            assert device.alarms.pop("sets.refused")
            assert (device.ids(), device.rev) == (before, 1)
    device.hear(said[-1:])
    for part in (0.3, 0.6, 0.99):
        device.serve(lambda ask, raw, p=part: _flip(raw, int(len(raw) * p)) if ask != "manifest" else raw)
        assert (device.ids(), device.rev) == (before, 1), part
        assert "the set before it stays" in device.alarms["sets.damaged"]
        device.wait(70)
    assert {"delta", "bucket"} <= set(device.questions)
    device.serve()
    assert (device.ids(), device.rev) == (ids(range(10, 330)), 2)
    assert not device.alarms


def test_a_snapshot_with_one_flipped_byte_never_counts_and_buckets_take_its_place(
    platform: Platform, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "SNAPSHOT_FROM", 10)
    device.hear(platform.put(people(range(300)))[-1:])

    def flip(ask: str, payload: bytes) -> bytes:
        return _flip(payload, len(payload) // 2) if ask == "chunk" else payload

    for _ in range(set_gathering.SNAPSHOT_TRIES):
        device.serve(flip)
        assert device.ids() == set()
        assert "altered" in device.alarms["sets.damaged"]
        device.wait(70)
    device.serve(flip)
    assert device.ids() == ids(range(300))
    assert "bucket" in device.questions
    assert not device.alarms


def test_a_revocation_during_a_snapshot_acts_at_once_and_survives_the_flip(
    platform: Platform, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot still has the person; their deletion is newer than it."""
    monkeypatch.setattr(publishing, "SNAPSHOT_FROM", 10)
    device.hear(platform.put(people(range(300)))[-1:])
    *deltas, newer = platform.put(people(range(1, 300)))
    device.serve(lambda ask, payload: None if ask == "chunk" else payload)
    device.hear(deltas)
    assert set(device.revoked) == {person(0).id}
    device.wait(20)
    device.wait(70)
    device.serve()
    assert (device.rev, device.ids()) == (1, ids(range(1, 300)))
    device.hear([newer])
    device.serve()
    assert (device.rev, device.ids()) == (2, ids(range(1, 300)))


def test_CMD_1_an_older_manifest_and_a_second_history_are_refused(
    platform: Platform, device: Device, tmp_path: Path, clock: ManualClock
) -> None:
    first = platform.put(people(range(20)))
    device.hear(first)
    device.serve()
    device.hear(platform.put(people(range(15))))
    device.hear(first)
    assert "replay" in device.alarms["sets.refused"]
    assert (device.rev, device.ids()) == (2, ids(range(15)))
    device.close()

    again = Device(tmp_path / "box", platform, clock)
    again.hear(first)
    assert "replay" in again.alarms["sets.refused"]
    twin = platform.publisher
    twin._manifests.clear()
    with twin.table._database.transaction():
        twin.table._database.execute("UPDATE items SET rev = rev WHERE op = 'put'")
        twin.table._database.execute("DELETE FROM items WHERE id = ?", (person(3).id,))
    again.hear([("/m", platform.manifest())])
    assert "two manifests" in again.alarms["sets.refused"]
    assert again.ids() == ids(range(15))
    again.close()


def test_the_same_revision_signed_later_is_kept_as_the_newer_date(
    platform: Platform, device: Device, clock: ManualClock
) -> None:
    device.hear(platform.put(people(range(5))))
    device.serve()
    assert device.keeper.active is not None
    before = device.keeper.active.issued_s
    clock.advance(3600)
    platform.publisher._refresh("north", "permits", platform.publisher._manifest("north", "permits"), set())
    device.hear([("/m", platform.manifest())])
    assert device.keeper.active.issued_s > before + 3599
    assert device.store.state("permits").manifest == platform.manifest()


def test_a_set_that_is_emptied_is_empty_here(platform: Platform, device: Device) -> None:
    device.hear(platform.put(people(range(20))))
    device.serve()
    device.hear(platform.put(people(range(0))))
    assert (device.ids(), device.rev, len(device.left)) == (set(), 2, 20)
    assert all(not device.store.bucket_rows(device.store.state("permits").gen, b) for b in range(BUCKETS))


def _flip(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 0x20]) + raw[place + 1 :]


def test_a_large_change_still_hurries_whom_it_revokes(
    platform: Platform, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.hear(platform.put(people(range(20))))
    device.serve()
    monkeypatch.setattr(publishing, "DELTA_LIMIT", 5)
    *deltas, manifest = platform.put(people(range(4, 60)))
    device.hear(deltas)
    assert (device.ids(), device.rev) == (ids(range(4, 20)), 1)
    device.hear([manifest])
    device.serve()
    assert (device.ids(), device.rev) == (ids(range(4, 60)), 2)

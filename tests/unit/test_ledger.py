"""The platform's table: each event once, in order, whatever comes (DEL-2)."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import NS_PER_S
from edge.platform.ledger import PARKED_S, Arrival, Ledger, Tally
from edge.records import Event, Stream
from edge.store.envelope import FIRST_PREV, digest, from_wire, to_wire

DEVICE = "park/gate-7"
EPOCH = "ab" * 16


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    book = Ledger(tmp_path / "ledger.db")
    yield book
    book.close()


def history(
    count: int, stream: Stream = Stream.ACCESS, device: str = "gate-7", word: str = ""
) -> list[Arrival]:
    arrivals, prev = [], FIRST_PREV
    for seq in range(1, count + 1):
        event = Event(
            id=f"0198-{stream}-{seq}{word}",
            stream=stream,
            type="access.decided",
            subject="in",
            data={"number": seq},
            chain=(),
            epoch=EPOCH,
            seq=seq,
            prev=prev,
            utc_ns=1_790_000_000 * NS_PER_S,
            clock_state="synced",
            boot_id="b",
            boot_ns=seq,
        )
        wire = to_wire(event, "park", device)
        prev = digest(wire)
        arrivals.append(Arrival(f"park/{device}", stream, wire))
    return arrivals


def take(ledger: Ledger, arrivals: list[Arrival], now_s: float = 0.0) -> Tally:
    return ledger.take(arrivals, now_ns=round(now_s * NS_PER_S), utc_ns=0)


def test_DEL_2_shuffled_doubled_deliveries_end_as_every_event_once_in_order(ledger: Ledger) -> None:
    chance = random.Random(20261123)
    streams = (Stream.ACCESS, Stream.ALARM)
    wanted = {stream: history(400, stream) for stream in streams}
    rounds = 0
    while any(len(ledger.payloads(DEVICE, stream)) < 400 for stream in streams):
        batch = [arrival for stream in streams for arrival in wanted[stream] if chance.random() < 0.5] * 2
        chance.shuffle(batch)
        for start in range(0, len(batch), 50):
            take(ledger, batch[start : start + 50], now_s=rounds)
        rounds += 1
        assert rounds < 40
    for stream in streams:
        assert ledger.payloads(DEVICE, stream) == [arrival.payload for arrival in wanted[stream]]
    assert ledger.broken_chains() == []
    assert ledger.heads(DEVICE, EPOCH)[Stream.ACCESS] == 400
    assert ledger.counts() == {DEVICE: {"access": 400, "alarm": 400}}


def test_what_is_parked_is_forgotten_after_its_time_and_asked_for_again(ledger: Ledger) -> None:
    one, two, three = history(3)
    assert take(ledger, [three]).parked == 1
    tally = take(ledger, [one], now_s=PARKED_S + 1)
    assert tally.heads == {(DEVICE, EPOCH, Stream.ACCESS): 1}
    assert take(ledger, [two], now_s=PARKED_S + 1).heads == {(DEVICE, EPOCH, Stream.ACCESS): 2}
    assert take(ledger, [three], now_s=PARKED_S + 2).taken == 1


def test_a_duplicate_is_acknowledged_again(ledger: Ledger) -> None:
    arrivals = history(3)
    take(ledger, arrivals)
    tally = take(ledger, arrivals[:1])
    assert (tally.taken, tally.duplicates) == (0, 1)
    assert tally.heads == {(DEVICE, EPOCH, Stream.ACCESS): 3}


def test_a_box_cannot_write_in_the_name_of_another_or_into_another_stream(ledger: Ledger) -> None:
    (arrival,) = history(1)
    assert take(ledger, [Arrival("park/gate-8", arrival.stream, arrival.payload)]).refused == 1
    assert take(ledger, [Arrival(DEVICE, Stream.AUDIT, arrival.payload)]).refused == 1
    assert take(ledger, [Arrival(DEVICE, Stream.ACCESS, b"rubbish")]).refused == 1
    assert ledger.counts() == {}


def test_two_boxes_with_one_identity_are_noticed(ledger: Ledger) -> None:
    take(ledger, history(3))
    tally = take(ledger, history(3, word="-clone"))
    assert tally.conflicts == {(DEVICE, EPOCH, Stream.ACCESS)}
    assert take(ledger, history(3)).conflicts == set()


def test_what_does_not_follow_is_not_stored_and_the_place_is_named(ledger: Ledger) -> None:
    place = (DEVICE, EPOCH, Stream.ACCESS)
    first, second, third = history(3)
    tally = take(ledger, [first, *history(3, word="-other")[1:]])
    assert (tally.taken, tally.parked, tally.conflicts, tally.heads) == (1, 1, {place}, {place: 1})
    assert ledger.broken_chains() == [place]
    assert ledger.payloads(DEVICE) == [first.payload]
    assert ledger.mark(place) == (1, digest(first.payload)), "by which the box will notice"
    tally = take(ledger, [second])  # the right one after all; the other third was waiting for its turn
    assert (tally.taken, tally.conflicts) == (1, {place})
    assert take(ledger, [third]).taken == 1
    assert ledger.payloads(DEVICE) == [first.payload, second.payload, third.payload]


def test_DEL_2_an_event_that_came_in_an_earlier_epoch_already_is_not_doubled(ledger: Ledger) -> None:
    arrivals = history(3)
    take(ledger, arrivals)
    prev = FIRST_PREV
    again = []
    for seq, arrival in enumerate((*arrivals[1:], history(4, word="-other")[3]), 2):
        event = from_wire(arrival.payload).event
        data = {**event.data, "salvaged": {"epoch": EPOCH, "seq": event.seq, "boot": "b"}}
        wire = to_wire(replace(event, epoch="cd" * 16, seq=seq, prev=prev, data=data), "park", "gate-7")
        prev = digest(wire)
        again.append(Arrival(DEVICE, arrival.stream, wire))
    ledger.begin_at(DEVICE, "cd" * 16, Stream.ACCESS, 2)
    assert take(ledger, again).heads == {(DEVICE, "cd" * 16, Stream.ACCESS): 4}
    assert [from_wire(wire).event.id for wire in ledger.payloads(DEVICE)] == [
        "0198-access-1", "0198-access-2", "0198-access-3", "0198-access-4-other"
    ]  # fmt: skip
    assert ledger.broken_chains() == []


def test_an_unknown_box_may_begin_behind_what_was_acknowledged_once_and_a_known_one_may_not(
    ledger: Ledger,
) -> None:
    arrivals = history(10)
    ledger.begin_at(DEVICE, EPOCH, Stream.ACCESS, 6)
    assert take(ledger, arrivals[4:]).taken == 5
    assert ledger.broken_chains() == []
    ledger.begin_at(DEVICE, EPOCH, Stream.ACCESS, 100)
    assert ledger.heads(DEVICE, EPOCH)[Stream.ACCESS] == 10
    ledger.begin_at(DEVICE, EPOCH, Stream.ALARM, 1)
    assert ledger.heads(DEVICE, EPOCH)[Stream.ALARM] == 0


def test_what_a_box_no_longer_has_is_left_out_once_and_named(ledger: Ledger) -> None:
    arrivals = history(10)
    assert ledger.leave_out(DEVICE, EPOCH, Stream.ACCESS, 6) == 0, "of an unknown box nothing is known"
    take(ledger, arrivals[:3])
    assert [ledger.leave_out(DEVICE, EPOCH, Stream.ACCESS, kept) for kept in (-1, 1, 4, 6, 6, 1 << 62)] == [
        0, 0, 0, 2, 0, 0
    ]  # fmt: skip
    assert take(ledger, arrivals).taken == 5
    assert len(ledger.payloads(DEVICE)) == 8
    assert ledger.broken_chains() == []


def test_counters_rise_also_in_another_process_and_after_a_restart(tmp_path: Path) -> None:
    one, two = Ledger(tmp_path / "l.db"), Ledger(tmp_path / "l.db")
    assert [one.next_counter("k"), two.next_counter("k"), one.next_counter("k")] == [1, 2, 3]
    assert one.next_counter("other") == 1
    one.close()
    two.close()
    again = Ledger(tmp_path / "l.db")
    assert again.next_counter("k") == 4
    again.close()


def test_the_last_document_of_each_device_is_remembered(ledger: Ledger) -> None:
    assert ledger.last_revision(DEVICE) == (0, 0.0)
    ledger.keep_document(DEVICE, 5, 10.0, b"five")
    ledger.keep_document(DEVICE, 4, 11.5, b"back to four")
    ledger.keep_document("park/other", 1, 1.0, b"one")
    assert ledger.last_revision(DEVICE) == (4, 11.5)
    assert ledger.last_documents() == {DEVICE: b"back to four", "park/other": b"one"}


def test_a_number_for_a_command_is_given_out_once_whoever_asks_at_the_same_time(ledger: Ledger) -> None:
    def many() -> list[int]:
        return [ledger.next_counter("operator-1") for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        given = [number for batch in [pool.submit(many) for _ in range(4)] for number in batch.result()]
    assert sorted(given) == list(range(1, 401))

"""What is sent next and what again: pure, against a simulated wire that drops, doubles and delays."""

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from edge.clock import NS_PER_S
from edge.records import Stream
from edge.store.schema import OutboxRow
from edge.sync.outbox import ACK_TIMEOUT_S, Outbox

S = NS_PER_S


def row(seq: int, stream: Stream = Stream.ACCESS) -> OutboxRow:
    return OutboxRow(seq, stream, "e" * 32, seq, b"{}")


def send(
    outbox: Outbox, now_ns: int, available: dict[Stream, int], acked: dict[Stream, int]
) -> list[OutboxRow]:
    """Serve the demands as the journal would; returns what went out."""
    out: list[OutboxRow] = []
    while demands := outbox.demands(now_ns):
        for demand in demands:
            first = max(demand.after, acked.get(demand.stream, 0)) + 1
            last = min(available.get(demand.stream, 0), first + demand.limit - 1)
            rows = [row(seq, demand.stream) for seq in range(first, last + 1)]
            outbox.fetched(demand, len(rows))
            for sent in rows:
                outbox.sent(sent, token=len(out) + now_ns, now_ns=now_ns)
                out.append(sent)
    return out


def test_no_more_than_the_window_is_in_flight() -> None:
    outbox = Outbox(20)
    assert [r.seq for r in send(outbox, 0, {Stream.ACCESS: 100}, {})] == list(range(1, 16))
    assert send(outbox, 0, {Stream.ACCESS: 100}, {}) == [], "a quarter is left for the others"
    outbox.wake([Stream.ALARM])
    assert len(send(outbox, 0, {Stream.ACCESS: 100, Stream.ALARM: 9}, {})) == 5
    outbox.acknowledged(Stream.ACCESS, 5, 0)
    assert [r.seq for r in send(outbox, 0, {Stream.ACCESS: 100}, {Stream.ACCESS: 5})] == list(range(16, 21))


def test_the_brokers_receive_maximum_narrows_the_window() -> None:
    outbox = Outbox(20)
    outbox.restart(3)
    assert len(send(outbox, 0, {Stream.ACCESS: 100}, {})) == 3
    outbox.restart(500)
    assert len(send(outbox, 0, {Stream.ACCESS: 100}, {})) == 15


def test_a_puback_settles_nothing_and_a_new_connection_sends_everything_again() -> None:
    outbox = Outbox(20)
    first = send(outbox, 0, {Stream.ACCESS: 5}, {})
    for place in range(5):
        assert outbox.delivered(place, "", 0) is None
    assert outbox.in_flight == 5
    outbox.restart(20)
    assert send(outbox, 1, {Stream.ACCESS: 5}, {}) == first


def test_a_refused_event_sends_its_stream_back_after_growing_pauses_and_no_other() -> None:
    outbox = Outbox(20)
    available = {Stream.ACCESS: 4, Stream.BARRIER: 4}
    out = send(outbox, 0, available, {})
    tokens = {r.stream: place for place, r in enumerate(out)}
    assert outbox.delivered(tokens[Stream.ACCESS], "not authorized (0x87)", 0) is Stream.ACCESS
    assert outbox.refused() == {Stream.ACCESS: "not authorized (0x87)"}
    assert send(outbox, S // 2, available, {}) == []
    again = send(outbox, 1 * S, available, {})
    assert [(r.stream, r.seq) for r in again] == [(Stream.ACCESS, n) for n in (1, 2, 3, 4)]
    outbox.delivered(1 * S, "not authorized (0x87)", 1 * S)
    assert send(outbox, 2 * S, available, {}) == []
    assert len(send(outbox, 3 * S, available, {})) == 4
    outbox.acknowledged(Stream.ACCESS, 4, 3 * S)
    assert outbox.refused() == {}


def test_silence_sends_again_ever_more_slowly_and_lets_others_first() -> None:
    outbox = Outbox(4)
    available = {Stream.ACCESS: 50, Stream.SYS: 2}
    out = send(outbox, 0, available, {})
    assert [(r.stream, r.seq) for r in out] == [
        (Stream.ACCESS, 1),
        (Stream.ACCESS, 2),
        (Stream.SYS, 1),
        (Stream.SYS, 2),
    ]
    outbox.acknowledged(Stream.SYS, 2, 0)
    times = []
    for second in range(400):
        if outbox.overdue(second * S):
            times.append(second)
        send(outbox, second * S, available, {Stream.SYS: 2})
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == ACK_TIMEOUT_S + 1
    assert gaps[:4] == [21, 41, 81, 121]
    assert set(gaps[3:]) == {121}


def test_an_acknowledgement_behind_what_was_sent_long_ago_sends_again_at_once() -> None:
    outbox = Outbox(20)
    send(outbox, 0, {Stream.ACCESS: 8}, {})
    outbox.acknowledged(Stream.ACCESS, 3, 1 * S)
    assert send(outbox, 1 * S, {Stream.ACCESS: 8}, {Stream.ACCESS: 3}) == [], "it may have crossed"
    outbox.acknowledged(Stream.ACCESS, 3, 3 * S)
    assert [r.seq for r in send(outbox, 3 * S, {Stream.ACCESS: 8}, {Stream.ACCESS: 3})] == [4, 5, 6, 7, 8]
    outbox.acknowledged(Stream.ACCESS, 3, 3 * S, resend=True)
    assert [r.seq for r in send(outbox, 3 * S, {Stream.ACCESS: 8}, {Stream.ACCESS: 3})] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("upto", "plausible"), [(-1, False), (0, True), (8, True), (9, False), (2**62, False)]
)
def test_nobody_has_what_was_never_sent(upto: int, plausible: bool) -> None:
    outbox = Outbox(20)
    send(outbox, 0, {Stream.ACCESS: 8}, {})
    assert outbox.is_plausible(Stream.ACCESS, upto) is plausible
    assert outbox.is_plausible(Stream.ALARM, 1) is False


def test_after_a_restart_the_platform_may_have_what_an_earlier_life_has_sent() -> None:
    """Its acknowledgement was lost with that life: without believing it now, the stream would stand still."""
    outbox = Outbox(20, {Stream.ACCESS: 21}, {Stream.ACCESS: 80})
    sent = send(outbox, 0, {Stream.ACCESS: 80}, {Stream.ACCESS: 20})
    assert sent[-1].seq < 40
    assert outbox.is_plausible(Stream.ACCESS, 40)
    assert not outbox.is_plausible(Stream.ACCESS, 81)
    assert outbox.acknowledged(Stream.ACCESS, 40, 1 * S) == 20
    assert send(outbox, 1 * S, {Stream.ACCESS: 80}, {Stream.ACCESS: 40})[0].seq == 41


def test_what_is_new_goes_before_a_backlog() -> None:
    written = {Stream.ACCESS: 500, Stream.AUDIT: 3}
    outbox = Outbox(20, {Stream.ACCESS: 1, Stream.AUDIT: 1}, written)
    outbox.restart(20, written)
    sent = [row.stream for row in send(outbox, 0, written, {})]
    assert sent[:4] == [Stream.AUDIT, Stream.AUDIT, Stream.AUDIT, Stream.ACCESS]
    outbox.acknowledged(Stream.ACCESS, 498, 1 * S)
    outbox.restart(20, written)
    again = [row.stream for row in send(outbox, 1 * S, written, {Stream.ACCESS: 498})]
    assert again[0] is Stream.ACCESS, "it has caught up"


@pytest.mark.parametrize("rate", [5.0, 40.0])
def test_a_backlog_keeps_to_its_drain_rate_and_what_is_new_does_not_wait_for_it(rate: float) -> None:
    written = {Stream.ACCESS: 100_000}
    outbox = Outbox(20, {Stream.ACCESS: 1}, written, rate)
    outbox.restart(20, written)
    acked = {Stream.ACCESS: 0, Stream.ALARM: 0}
    alarms = 0
    for tick in range(400):  # a hundred seconds
        now_ns = tick * S // 4
        if tick % 40 == 0:
            alarms += 1
            outbox.wake([Stream.ALARM])
        rows = send(outbox, now_ns, {Stream.ACCESS: 100_000, Stream.ALARM: alarms}, acked)
        assert acked[Stream.ALARM] + sum(row.stream is Stream.ALARM for row in rows) == alarms, "at once"
        for row in rows:
            acked[row.stream] = row.seq
            outbox.acknowledged(row.stream, row.seq, now_ns)
    assert rate * 95 <= acked[Stream.ACCESS] <= rate * 100 + 40


@dataclass
class World:
    """Journal, wire and platform, all simulated, driven by one dice."""

    chance: random.Random
    outbox: Outbox = field(default_factory=lambda: Outbox(20))
    journaled: dict[Stream, int] = field(default_factory=dict)
    acked: dict[Stream, int] = field(default_factory=dict)
    table: dict[Stream, list[int]] = field(default_factory=dict)
    wire: list[OutboxRow] = field(default_factory=list)
    acks: list[tuple[Stream, int]] = field(default_factory=list)

    def step(self, now_ns: int, *, calm: bool) -> None:
        stream = self.chance.choice((Stream.ACCESS, Stream.ALARM, Stream.SYS))
        if not calm:
            self.journaled[stream] = self.journaled.get(stream, 0) + self.chance.randrange(4)
            self.outbox.wake([stream])
        if not calm and self.chance.random() < 0.03:
            self.wire.clear()
            self.acks.clear()
            self.outbox.restart(self.chance.choice((1, 3, 20)))
        self.outbox.overdue(now_ns)
        sent = send(self.outbox, now_ns, self.journaled, self.acked)
        assert self.outbox.in_flight <= 20
        for message in sent:
            if calm or self.chance.random() > 0.1:
                self.wire += [message] * (1 if calm else self.chance.choice((1, 1, 2)))
        if not calm and self.chance.random() < 0.2:
            self.chance.shuffle(self.wire)
        for _ in range(self.chance.randrange(30)):
            if self.wire:
                self.arrive(self.wire.pop(0))
        while self.acks:
            acked_stream, upto = self.acks.pop()
            if not calm and self.chance.random() < 0.2:
                continue
            self.outbox.heard(acked_stream)
            if self.outbox.is_plausible(acked_stream, upto):
                self.acked[acked_stream] = max(upto, self.acked.get(acked_stream, 0))
                self.outbox.acknowledged(acked_stream, upto, now_ns)

    def arrive(self, message: OutboxRow) -> None:
        taken = self.table.setdefault(message.stream, [])
        if message.seq == len(taken) + 1:
            taken.append(message.seq)
        self.acks.append((message.stream, len(taken)))


@pytest.mark.parametrize("seed", range(12))
def test_DEL_2_over_any_wire_everything_arrives_once_and_in_order(seed: int) -> None:
    world = World(random.Random(seed))
    for turn in range(2000):
        world.step(turn * S // 4, calm=False)
    for turn in range(2000, 8000):
        world.step(turn * S // 4, calm=True)
    assert world.acked == world.journaled
    for stream, count in world.journaled.items():
        assert world.table[stream] == list(range(1, count + 1))
    assert world.outbox.in_flight == 0
    assert world.outbox.waiting_since_ns is None


def test_what_is_acknowledged_does_not_go_again_while_the_journal_is_still_writing_that_down() -> None:
    outbox = Outbox(20, {Stream.ACCESS: 3})
    available = {Stream.ACCESS: 10}
    assert [r.seq for r in send(outbox, 0, available, {Stream.ACCESS: 2})] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert outbox.acknowledged(Stream.ACCESS, 2, 0) == 0, "that was known before"
    assert outbox.acknowledged(Stream.ACCESS, 6, 0) == 4
    assert outbox.acknowledged(Stream.ACCESS, 6, 0) == 0
    outbox.restart(20)
    assert [r.seq for r in send(outbox, 0, available, {Stream.ACCESS: 2})] == [7, 8, 9, 10]

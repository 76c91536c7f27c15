"""SIGKILL at random moments: what was acknowledged is there, in order, chained, and nothing happens twice."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.records import EventDraft, Stream
from edge.store import CounterTooLow, Journal, OutboxRow, from_wire, read_events, verify_chain

KILLS = 60
SEED = 20_261_123
EXPIRY_S = 4_000_000_000


def opened(folder: Path) -> Journal:
    return Journal(folder / "events.db", SystemClock(), tenant="home", device="box-1", boot_id="boot")


def live(folder: Path, run: int, reports: int) -> None:
    """The life of one daemon, until it is killed. Whatever a call returned is reported afterwards."""
    journal = opened(folder)
    journal.start()
    # One write of less than PIPE_BUF bytes is never torn apart.
    tell = lambda *words: os.write(reports, (" ".join(map(str, words)) + "\n").encode())  # noqa: E731

    def appending(stream: Stream) -> None:
        for number in range(1_000_000):
            draft = EventDraft(stream, "thing.seen", "gate", {"run": run, "number": number})
            if number % 3:
                journal.append(draft)
            else:
                event = journal.append_now(draft)
                tell("event", event.stream.value, event.seq, event.id)

    def actuating() -> None:
        for number in range(1_000_000):
            # Every command is delivered again to later lives, as a broker would.
            for name in [f"act-{run}-{number}", f"act-{run - 1}-{number}"]:
                draft = EventDraft(Stream.BARRIER, "barrier.commanded", "gate", {"actuation": name})
                if journal.begin_actuation(name, draft):
                    tell("pulse", name)
                    done = EventDraft(Stream.BARRIER, "barrier.raised", "gate", {"actuation": name})
                    journal.finish_actuation(name, "done", done)

    def commanding() -> None:
        for number in range(1_000_000):
            for counter in (run * 1_000_000 + number, (run - 1) * 1_000_000 + number):
                draft = EventDraft(Stream.AUDIT, "command.accepted", "open", {"counter": counter})
                try:
                    if journal.begin_command(f"jti-{counter}", "kid", counter, EXPIRY_S, draft):
                        tell("obeyed", counter)
                        journal.finish_command(f"jti-{counter}", "done", draft)
                except CounterTooLow:
                    pass

    for work, arguments in (
        (appending, (Stream.ACCESS,)),
        (appending, (Stream.SYS,)),
        (actuating, ()),
        (commanding, ()),
    ):
        threading.Thread(target=work, args=arguments, daemon=True).start()
    tell("ready")
    time.sleep(60)


@dataclass
class Ledger:
    """What the lives have reported: the oracle, kept outside the journal."""

    events: dict[tuple[str, int], str] = field(default_factory=dict)
    pulses: Counter[str] = field(default_factory=Counter)
    obeyed: Counter[str] = field(default_factory=Counter)
    lives_ready: int = 0

    def take(self, report: bytes) -> None:
        for line in report.decode().splitlines():
            match line.split():
                case ["event", stream, seq, event_id]:
                    assert (stream, int(seq)) not in self.events, "one place was given to two events"
                    self.events[stream, int(seq)] = event_id
                case ["pulse", name]:
                    self.pulses[name] += 1
                case ["obeyed", counter]:
                    self.obeyed[counter] += 1
                case ["ready"]:
                    self.lives_ready += 1
                case _:
                    pytest.fail(f"torn report {line!r}")


def live_and_die(folder: Path, run: int, after_s: float, *, once_ready: bool) -> bytes:
    """Start a life, kill it so long after its start or its word "ready", and return all that it reported."""
    reading, writing = os.pipe()
    # Forked, not spawned: importing costs longer than most of these lives last.
    process = multiprocessing.get_context("fork").Process(target=live, args=(folder, run, writing))
    process.start()
    os.close(writing)
    report = bytearray()
    while once_ready and b"ready\n" not in report:
        chunk = os.read(reading, 1 << 16)
        assert chunk, "it ended before it was ready"
        report += chunk
    killer = threading.Timer(after_s, process.kill)
    killer.start()
    while chunk := os.read(reading, 1 << 16):
        report += chunk
    killer.join()
    process.join(10)
    assert process.exitcode == -signal.SIGKILL, "it ended by itself"
    process.close()
    os.close(reading)
    return bytes(report)


def everything(folder: Path) -> list[OutboxRow]:
    return read_events(folder / "events.db", limit=10_000_000)


@pytest.mark.slow
def test_DEL_1_and_SAFE_3_sixty_kills_lose_nothing_that_was_acknowledged_and_repeat_nothing(
    tmp_path: Path, record_property: Any
) -> None:
    rng, ledger = random.Random(SEED), Ledger()
    for run in range(1, KILLS + 1):
        # Short lives die while the file is made, migrated or recovered; long ones in the middle of commits.
        once_ready = run % 3 != 0
        after_s = rng.uniform(0.0, 0.4 if once_ready else 0.03)
        ledger.take(live_and_die(tmp_path, run, after_s, once_ready=once_ready))
        if not (tmp_path / "events.db-wal").exists():
            continue
        last = ledger.events and {place[0]: place[1] for place in sorted(ledger.events)}
        if last:
            stored = {(row.stream.value, row.seq) for row in everything(tmp_path)}
            assert set(last.items()) <= stored, f"lost in life {run}"
    opened(tmp_path).close()  # closes what the last life left open
    rows = everything(tmp_path)
    events = [from_wire(row.payload).event for row in rows]

    assert verify_chain([row.payload for row in rows], rows[0].epoch) is None
    for stream in Stream:
        seqs = [row.seq for row in rows if row.stream is stream]
        assert seqs == list(range(1, len(seqs) + 1)), f"gap in {stream}"
    stored_ids = {(event.stream.value, event.seq): event.id for event in events}
    assert {place: stored_ids.get(place) for place in ledger.events} == ledger.events

    begun, ended = Counter[str](), Counter[str]()
    for event in events:
        if event.type == "barrier.commanded":
            begun[event.data["actuation"]] += 1
        elif event.type in ("barrier.raised", "actuation.unknown"):
            ended[event.data["actuation"]] += 1
    unknown = sum(event.type == "actuation.unknown" for event in events)
    assert max(ledger.pulses.values()) == 1, "a pulse was repeated"
    assert max(ledger.obeyed.values()) == 1, "a command was obeyed twice"
    assert set(ledger.pulses) <= set(begun), "a pulse without its event on the disk"
    assert begun == ended, "an actuation without exactly one end"
    assert unknown > 0, "no life died between accept and result: the test shows nothing"
    assert ledger.lives_ready >= KILLS * 2 // 3
    assert len(ledger.events) > 1000
    figures = {
        "kills": KILLS,
        "events": len(events),
        "acknowledged": len(ledger.events),
        "pulses": len(ledger.pulses),
        "unknown": unknown,
        "obeyed": len(ledger.obeyed),
    }
    record_property("figures", figures)
    print(figures)


def test_DEL_1_a_kill_right_after_the_call_returned_keeps_the_event(tmp_path: Path) -> None:
    def one(folder: Path, reports: int) -> None:
        journal = opened(folder)
        journal.start()
        event = journal.append_now(EventDraft(Stream.ACCESS, "access.decided", "gate", {}))
        os.write(reports, f"{event.seq}".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    for expected in range(1, 6):
        reading, writing = os.pipe()
        process = multiprocessing.get_context("fork").Process(target=one, args=(tmp_path, writing))
        process.start()
        process.join(20)
        os.close(writing)
        assert os.read(reading, 10) == str(expected).encode()
        os.close(reading)
        assert [row.seq for row in read_events(tmp_path / "events.db")] == list(range(1, expected + 1))

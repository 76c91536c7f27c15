"""Several counterparts share the events of one broker in one ledger: each event once, streams in order."""

from pathlib import Path

import pytest
from sync_bench import AUDIENCE, PROTOCOLS, Bench, numbers, sequences, until

from edge.cli.app import main
from edge.clock import SystemClock
from edge.errors import Exit
from edge.platform import Counterpart
from edge.platform.ledger import Arrival, Ledger
from edge.records import Stream
from edge.sync.session import Broker, Login


def _worker(bench: Bench, number: int) -> Counterpart:
    login = Login(Broker.parse(bench.broker.url), client_id=f"ingest-{number}", clean=True)
    worker = Counterpart(
        login,
        bench.folder / "platform",
        SystemClock(),
        protocol=bench.broker.protocol,
        reconnect_max_s=0.5,
        share="ingest",
    )
    worker.start()
    until(lambda: worker.is_online, what="a worker is online")
    return worker


@pytest.mark.mosquitto
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_2_events_divided_among_workers_of_which_one_dies_end_once_and_in_order(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        workers = [_worker(bench, number) for number in range(2)]
        try:
            box = bench.box()
            for _ in range(10):
                box.happen(30)
                box.happen(10, Stream.ALARM)
            until(lambda: box.backlog() == 0, what="everything is acknowledged")
            assert all(worker.acknowledged().get(AUDIENCE) for worker in workers), "both had some"
            workers.pop().close()
            box.happen(50)
            until(lambda: box.backlog() == 0, what="the other goes on")
            assert len(numbers(workers[0])) == 350
            for stream in (Stream.ACCESS, Stream.ALARM):
                found = sequences(workers[0], stream)
                assert found == list(range(1, len(found) + 1))
            assert workers[0].ledger.broken_chains() == []
        finally:
            for worker in workers:
                worker.close()


def test_what_one_worker_parked_another_puts_in_its_place(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        box = bench.new_box()
        box.happen(3)
        wires = [row.payload for row in box.journal.pending(Stream.ACCESS, 0, 3)]
        place = (AUDIENCE, box.journal.epoch, Stream.ACCESS)
    one, other = Ledger(tmp_path / "l.db"), Ledger(tmp_path / "l.db")

    def take(ledger: Ledger, number: int, now_s: int) -> tuple[int, int]:
        arrival = Arrival(AUDIENCE, Stream.ACCESS, wires[number - 1])
        tally = ledger.take([arrival], now_ns=now_s * 1_000_000_000, utc_ns=0)
        return tally.taken, tally.parked

    assert take(one, 3, 100) == (0, 1)
    assert take(other, 2, 101) == (0, 1)
    assert take(one, 1, 102) == (3, 0)
    assert (one.mark(place)[0], other.mark(place)[0]) == (3, 3)
    one.close()
    other.close()


def test_a_name_that_cannot_stand_in_a_subscription_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["platform", "run", "--broker", "mqtt://127.0.0.1:1", "--folder", str(tmp_path)]
    assert main([*given, "--share", "a/b"]) == Exit.USAGE
    assert "--share" in capsys.readouterr().err

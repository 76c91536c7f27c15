"""What must not get lost or doubled, while brokers, boxes, platforms and wires die (DEL-1, DEL-2)."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sync_bench import AUDIENCE, PROTOCOLS, TOPICS, Bench, Stranger, numbers, sequences, until
from tcp_proxy import TcpProxy

from edge.platform.ledger import PARKED_S
from edge.records import Stream
from edge.sync import CommandOutcome, Result

pytestmark = pytest.mark.mosquitto

SEED = 20261123


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_1_DEL_2_a_broker_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, protocol: str
) -> None:
    chance = random.Random(SEED)
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        for _ in range(8):
            box.happen(60)
            time.sleep(chance.uniform(0.0, 0.3))
            bench.broker.kill()
            box.happen(10)
            bench.broker.start()
        until(lambda: box.backlog() == 0, within_s=60)
        assert numbers(platform) == list(range(560))
        assert sequences(platform, Stream.ACCESS) == list(range(1, 561))
        assert platform.ledger.broken_chains() == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_1_DEL_2_a_box_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, protocol: str
) -> None:
    chance = random.Random(SEED)
    promised: list[int] = []
    with Bench(tmp_path, protocol=protocol) as bench:
        platform = bench.platform()
        for turn in range(5):
            first = (
                promised[-1] + 2 if promised else 0
            )  # the one after the last may or may not be on the disk
            with _box_process(bench, protocol, first) as process:
                assert process.stdout is not None
                promised.append(int(process.stdout.readline()))
                if turn < 4:
                    time.sleep(chance.uniform(0.0, 0.5))
                    process.send_signal(signal.SIGKILL)
                else:
                    assert process.stdin is not None
                    process.stdin.write("enough\n")
                    process.stdin.flush()
                # Not communicate(): it would pass over what readline() has already buffered.
                promised += [int(line) for line in process.stdout.read().splitlines()]
                assert process.wait(60) == (-signal.SIGKILL if turn < 4 else 0)
        until(lambda: set(promised) <= set(numbers(platform)), what="nothing promised is lost")
        found = numbers(platform)
        assert len(found) == len(set(found)), "nothing is doubled"
        assert found == sorted(found), "nothing is out of order"
        assert len(set(found) - set(promised)) <= 6, (
            "at most one per kill was on the disk and not yet promised"
        )
        assert sequences(platform, Stream.ACCESS) == list(range(1, len(found) + 1))
        assert len(promised) > 50


def _box_process(bench: Bench, protocol: str, first: int) -> "subprocess.Popen[str]":
    script = Path(__file__).parent.parent / "box_process.py"
    arguments = [str(bench.folder / "box"), bench.broker.url, str(bench.keys_file), protocol, str(first)]
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=script.parent.parent,
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_box_that_dies_is_lost_by_its_will_and_a_late_will_changes_nothing(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench, Stranger(bench.broker, TOPICS.state) as reader:
        platform = bench.platform()
        with _box_process(bench, protocol, 0) as process:
            until(lambda: platform.devices().get(AUDIENCE) and platform.devices()[AUDIENCE].is_live)
            process.kill()
            process.communicate()
        until(lambda: platform.devices()[AUDIENCE].state == "lost")
        until(lambda: any(body["state"] == "lost" for body in reader.bodies(TOPICS.state)))
        late = next(m.payload for m in reader.messages if b'"lost"' in m.payload)
        box = bench.box()
        until(lambda: platform.devices()[AUDIENCE].conn == 2)
        reader.say(TOPICS.state, late)
        reader.say(TOPICS.info, {"marker": 1})
        until(lambda: platform.devices()[AUDIENCE].info == {"marker": 1})
        assert platform.devices()[AUDIENCE].is_live
        assert box.uplink.status.conn == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_2_a_platform_that_comes_and_goes_ends_with_every_event_once(
    tmp_path: Path, protocol: str
) -> None:
    chance = random.Random(SEED)
    with Bench(tmp_path, protocol=protocol) as bench:
        box = bench.box()
        for _ in range(5):
            platform = bench.platform()
            box.happen(80)
            time.sleep(chance.uniform(0.0, 0.15))
            platform.close()
        platform = bench.platform()
        until(lambda: box.backlog() == 0, within_s=40)
        assert numbers(platform) == list(range(400))


@pytest.mark.parametrize("deleted", [0, 50], ids=["all kept", "all deleted"])
@pytest.mark.parametrize("first", ["platform", "box"])
def test_DEL_2_a_platform_that_lost_its_table_begins_where_the_box_begins(
    tmp_path: Path, first: str, deleted: int
) -> None:
    """Whoever comes first: a platform that missed the birth certificate is told again where streams begin."""
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(50)
        until(lambda: box.backlog() == 0)
        if deleted:
            assert box.journal.retention(box.clock.utc_ns() + 9 * 86_400 * 10**9) == deleted
        platform.close()
        box.close()
        for file in (tmp_path / "platform").glob("ledger.db*"):
            file.unlink()
        if first == "platform":
            fresh, again = bench.platform(), bench.box()
            # Nothing waits in the box when it says where its streams begin.
            until(lambda: AUDIENCE in fresh.devices() and fresh.devices()[AUDIENCE].info)
        else:
            again = bench.box()
            again.happen(5)
            until(
                lambda: again.uplink.status.online, what="its birth certificate is sent, and nobody hears it"
            )
            time.sleep(0.5)
            fresh = bench.platform()
        again.happen(10)
        last = 60 if first == "platform" else 65
        until(lambda: fresh.ledger.heads(AUDIENCE, again.journal.epoch)[Stream.ACCESS] == last)
        until(lambda: again.backlog() == 0, what="no gap holds the stream up for ever")
        assert sequences(fresh, Stream.ACCESS) == list(range(deleted + 1, last + 1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_1_DEL_2_a_wire_that_is_cut_within_packets_loses_and_doubles_nothing(
    tmp_path: Path, protocol: str
) -> None:
    chance = random.Random(SEED)
    with Bench(tmp_path, protocol=protocol) as bench, TcpProxy(bench.broker.port) as proxy:
        platform, box = bench.platform(), bench.box(url=proxy.url, sync={"reconnect_max_s": 1.0})
        for _ in range(12):
            proxy.bite_after = chance.randint(200, 20_000)
            box.happen(40)
            time.sleep(chance.uniform(0.0, 0.3))
            proxy.cut()
        proxy.bite_after = None
        until(lambda: box.backlog() == 0, within_s=60)
        assert numbers(platform) == list(range(480))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_1_DEL_2_CMD_1_a_slow_wire_that_says_things_twice_and_breaks_loses_and_doubles_nothing(
    tmp_path: Path, protocol: str
) -> None:
    chance = random.Random(SEED)
    with (
        Bench(tmp_path, protocol=protocol) as bench,
        TcpProxy(bench.broker.port, SEED) as near,
        TcpProxy(bench.broker.port, SEED + 1) as far,
    ):
        for wire in (near, far):
            wire.delay_s, wire.jitter_s = 0.01, 0.03
            wire.double_up = wire.double_down = 0.4
        platform, box = bench.platform(url=far.url), bench.box(url=near.url)
        for turn in range(4):
            box.happen(50)
            time.sleep(chance.uniform(0.1, 0.4))
            (near if turn % 2 else far).cut()
        until(lambda: box.backlog() == 0, within_s=90)
        assert numbers(platform) == list(range(200))
        assert sequences(platform, Stream.ACCESS) == list(range(1, 201))
        assert platform.duplicates > 20, "much came twice"
        for _ in range(5):
            assert platform.send_command(AUDIENCE, "open", {"lane": "in"}, timeout_s=60).result == "done"
        assert len(box.opener.opened) == len(set(box.opener.opened)) == 5
        assert near.doubled > 20
        assert far.doubled > 20


def test_a_half_open_connection_is_noticed_and_replaced(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench, TcpProxy(bench.broker.port) as proxy:
        platform, box = bench.platform(), bench.box(url=proxy.url, sync={"keepalive_s": 5})
        box.happen(5)
        until(lambda: box.backlog() == 0)
        proxy.frozen = True
        box.happen(5)
        began_s = time.monotonic()
        until(lambda: not box.uplink.status.online, within_s=15)
        assert time.monotonic() - began_s < 12
        proxy.frozen = False
        until(lambda: box.backlog() == 0, within_s=20)
        assert numbers(platform) == list(range(10))


def test_the_journal_stays_as_fast_as_ever_while_nobody_can_be_reached(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.broker.kill()
        box = bench.box()
        until(lambda: box.alarm("platform.unreachable"))
        began_s = time.monotonic()
        box.happen(500)
        assert time.monotonic() - began_s < 5
        assert box.backlog() == 500


def test_CMD_1_a_command_under_way_when_the_broker_dies_is_obeyed_at_most_once(tmp_path: Path) -> None:
    opened: list[str] = []
    broker_is_dead = threading.Event()

    with Bench(tmp_path) as bench:

        def open_and_pull_the_plug(command: object) -> CommandOutcome:
            opened.append(command.jti)
            if len(opened) == 1:
                bench.broker.kill()
                broker_is_dead.set()
            return CommandOutcome(Result.DONE)

        platform, box = bench.platform(), bench.box(handlers={"open": open_and_pull_the_plug})
        waiting = platform.request(AUDIENCE, "open", {"lane": "in"}, timeout_s=15)
        assert broker_is_dead.wait(15)
        bench.broker.start()
        until(lambda: box.uplink.status.online and platform.is_online, within_s=60)
        time.sleep(1.0)
        assert len(opened) == 1
        assert waiting.done() is False or waiting.exception() or waiting.result().result == "done"
        waiting.cancel()


def test_events_out_of_order_wait_for_those_before_them(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        box = bench.new_box()
        box.happen(6)
        rows = [row.payload for row in box.journal.pending(Stream.ACCESS, 0, 10)]
        topic = TOPICS.event(Stream.ACCESS)
        platform = bench.platform()
        with Stranger(bench.broker, TOPICS.ack) as device:
            for place in (3, 1, 5, 0, 0, 4, 1):
                device.say(topic, rows[place])
            until(lambda: numbers(platform) == [0, 1])
            device.say(topic, rows[2])
            until(lambda: numbers(platform) == [0, 1, 2, 3, 4, 5])
            until(lambda: device.bodies(TOPICS.ack)[-1]["upto"] == 6)
            assert platform.duplicates >= 2
        assert PARKED_S == 30

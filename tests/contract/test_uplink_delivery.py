"""Events over a real mosquitto, with MQTT 5 and 3.1.1."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from foreign_hand import rewrite
from sync_bench import AUDIENCE, PROTOCOLS, TOPICS, Bench, Stranger, numbers, sequences, until

from edge.platform import BrokerProcess
from edge.records import Event, Stream
from edge.store.envelope import verify_chain

pytestmark = pytest.mark.mosquitto


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_2_events_arrive_once_and_in_order_and_are_settled(tmp_path: Path, protocol: str) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(300)
        box.happen(40, Stream.ALARM)
        until(lambda: box.backlog() == 0, what="all is acknowledged")
        assert numbers(platform) == list(range(300))
        assert numbers(platform, Stream.ALARM) == list(range(300, 340))
        assert sequences(platform, Stream.ACCESS) == list(range(1, 301))
        assert platform.ledger.broken_chains() == []
        until(lambda: box.uplink.status.in_flight == 0)
        assert box.uplink.status.protocol == protocol
        assert box.uplink.status.acknowledged >= 340


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_1_what_the_broker_took_stays_until_the_platform_acknowledges(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        with Stranger(bench.broker, TOPICS.event(Stream.ACCESS)) as reader:
            box = bench.box()
            box.happen(100)
            until(
                lambda: len(reader.bodies(TOPICS.event(Stream.ACCESS))) >= 15, what="the broker takes events"
            )
            assert len(box.journal.pending(Stream.ACCESS, 0, 1000)) == 100
            assert box.uplink.status.in_flight <= 20
        platform = bench.platform()
        until(lambda: box.backlog() == 0, what="the platform came and took all")
        assert numbers(platform) == list(range(100))


def test_DEL_1_without_any_subscriber_the_rows_stay_and_an_alarm_says_so(tmp_path: Path) -> None:
    with Bench(tmp_path, protocol="5") as bench:
        box = bench.box()
        box.happen(10)
        until(lambda: "no matching subscribers (0x10)" in box.alarm("platform.refused"))
        assert box.backlog() == 10
        bench.platform()
        until(lambda: box.backlog() == 0, within_s=20)
        until(lambda: not box.alarm("platform.refused"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_1_a_stream_that_the_broker_refuses_is_kept_and_holds_up_no_other(
    tmp_path: Path, protocol: str
) -> None:
    rules = tmp_path / "rules"
    forbidding = f"topic readwrite gh/#\ntopic deny {TOPICS.event(Stream.ACCESS)}\n"
    rules.write_text(forbidding)
    with Bench(tmp_path, protocol=protocol, options=("allow_anonymous true", f"acl_file {rules}")) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(30)
        box.happen(30, Stream.BARRIER)
        until(lambda: len(numbers(platform, Stream.BARRIER)) == 30, what="the other stream goes on")
        if protocol == "5":  # with 3.1.1 a refused message looks like a taken one
            until(lambda: "not authorized (0x87)" in box.alarm("platform.refused"))
            assert TOPICS.event(Stream.ACCESS) in box.alarm("platform.refused")
        assert len(box.journal.pending(Stream.ACCESS, 0, 100)) == 30
        assert numbers(platform) == []
        rules.write_text("topic readwrite gh/#\n")
        if protocol == "5":
            os.kill(bench.broker.pid, signal.SIGHUP)
        else:  # without a refusal to learn from, only time or a new connection brings the next try
            bench.broker.kill()
            bench.broker.start()
        until(lambda: box.backlog() == 0, within_s=40, what="the refused stream is delivered")
        assert numbers(platform) == list(range(30))
        until(lambda: not box.alarm("platform.refused"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_2_an_event_that_the_platform_never_takes_is_parked_and_the_stream_goes_on(
    tmp_path: Path, protocol: str
) -> None:
    def refuses(event: Event) -> str:
        return "no such kind here" if event.data.get("number") == 7 else ""

    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(refuses=refuses), bench.box()
        box.happen(20)
        until(lambda: box.backlog() == 0, what="one that nobody takes does not hold up the others")
        events = platform.events(AUDIENCE, Stream.ACCESS)
        assert [event["ghseq"] for event in events] == list(range(1, 21))
        (stand_in,) = (event for event in events if event["ghseq"] == 8)
        assert stand_in["type"] == "gh.events.replaced.v1"
        assert stand_in["data"]["why"] == "refused"
        assert "no such kind here" in stand_in["data"]["explanation"]
        assert platform.ledger.broken_chains() == []
        assert verify_chain(platform.ledger.payloads(AUDIENCE)) is None
        assert platform.refused == 5, "tried five times, no more"
        until(lambda: "no such kind here" in box.alarm("events.parked"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_others_say_at_their_end_goes_out_and_nobody_is_obeyed_meanwhile(
    tmp_path: Path, protocol: str
) -> None:
    with (
        Bench(tmp_path, protocol=protocol) as bench,
        Stranger(bench.broker, TOPICS.command("open")) as listener,
    ):
        platform, box = bench.platform(), bench.box()
        box.happen(3)
        until(lambda: box.backlog() == 0)
        box.uplink.hush()
        waiting = platform.request(AUDIENCE, "open", {"lane": "in"}, timeout_s=15)
        until(lambda: listener._turn() or listener.messages, what="the broker gives it to all")
        box.happen(5)
        box.uplink.close()
        assert numbers(platform) == list(range(8))
        assert box.backlog() == 0
        assert box.opener.opened == []
        waiting.cancel()


def test_an_independent_reader_finds_cloud_events_on_the_wire(tmp_path: Path) -> None:
    reader = shutil.which("mosquitto_sub")
    if reader is None:
        pytest.skip("mosquitto_sub is not installed")
    with Bench(tmp_path) as bench:
        with Stranger(bench.broker) as client:
            client.say(f"{TOPICS.base}/tm/x", b"here", retain=True)
        topics = ["-t", f"{TOPICS.base}/ev/+", "-t", TOPICS.state, "-t", f"{TOPICS.base}/tm/x"]
        command = [reader, "-p", str(bench.broker.port), "-q", "1", *topics, "-C", "4", "-W", "20"]
        with subprocess.Popen([*command, "-F", "%t %q %p"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(f"{TOPICS.base}/tm/x"), "it has subscribed"
            bench.platform()
            box = bench.box()
            box.happen(2)
            lines = process.stdout.read().splitlines()
        events = [json.loads(line.split(" ", 2)[2]) for line in lines if "/ev/access " in line]
        assert [event["data"]["number"] for event in events] == [0, 1]
        assert events[0]["specversion"] == "1.0"
        assert events[0]["source"] == f"gh:{AUDIENCE}"
        assert [line.split(" ")[1] for line in lines] == ["1", "1", "1"], "QoS 1 throughout"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_state_has_nonce_and_rising_connection_number_and_leaving_is_not_losing(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench, Stranger(bench.broker, f"{TOPICS.base}/+") as reader:
        for turn in (1, 2):
            box = bench.box()
            until(lambda turn=turn: len(reader.bodies(TOPICS.info)) == turn)
            box.close()
        states = reader.bodies(TOPICS.state)
        assert [state["state"] for state in states] == ["ready", "disconnected"] * 2
        assert [state["conn"] for state in states] == [1, 1, 2, 2]
        nonces = [state["nonce"] for state in states if "nonce" in state]
        assert len(set(nonces)) == 2
        assert all(len(nonce) == 32 for nonce in nonces)
        info = reader.bodies(TOPICS.info)[-1]
        assert info["commands"] == ["open"]
        assert info["epoch"] == states[0]["epoch"]


def test_an_alarm_of_the_box_shows_in_its_state(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box()
        until(lambda: platform.devices().get(AUDIENCE) is not None)
        box.alarms.set("camera.lost", "north", "no frame for 3 s")
        until(lambda: platform.devices()[AUDIENCE].state == "degraded")
        box.alarms.clear("camera.lost", "north")
        until(lambda: platform.devices()[AUDIENCE].state == "ready")


def test_which_networks_look_stands_in_the_retained_state_and_is_said_anew_when_they_change(
    tmp_path: Path,
) -> None:
    sees = {"door": {"face": "hog dlib-resnet"}}
    with Bench(tmp_path) as bench, Stranger(bench.broker, f"{TOPICS.base}/+") as reader:
        bench.box(sees=lambda: dict(sees))
        until(lambda: [state.get("sees") for state in reader.bodies(TOPICS.state)] == [sees])
        sees["door"] = {"face": "yunet dlib-resnet"}
        until(lambda: [state["sees"] for state in reader.bodies(TOPICS.state)][1:] == [sees])


def test_DEL_1_acknowledgements_of_what_was_never_sent_settle_nothing(tmp_path: Path) -> None:
    with (
        Bench(tmp_path, protocol="5") as bench,
        Stranger(bench.broker, TOPICS.event(Stream.ACCESS)) as rogue,
    ):
        box = bench.box()
        box.happen(30)
        until(lambda: len(rogue.bodies(TOPICS.event(Stream.ACCESS))) >= 15)
        epoch = box.journal.epoch
        rogue.say(TOPICS.ack, {"stream": "access", "epoch": epoch, "upto": 30})  # 15 were sent
        rogue.say(TOPICS.ack, {"stream": "access", "epoch": epoch, "upto": 2**62})
        rogue.say(TOPICS.ack, {"stream": "access", "epoch": "0" * 32, "upto": 5})
        rogue.say(TOPICS.ack, {"stream": "access", "epoch": epoch, "upto": True})
        rogue.say(TOPICS.ack, {"stream": "nothing", "epoch": epoch, "upto": 1})
        rogue.say(TOPICS.ack, b"\xff\x00")
        rogue.say(TOPICS.ack, b"[" * 4000)
        rogue.say(TOPICS.ack, b"")
        assert box.backlog() == 30
        rogue.say(TOPICS.ack, {"stream": "access", "epoch": epoch, "upto": 7})
        until(lambda: box.backlog() == 23, what="a plausible one settles what it names")


def test_DEL_1_an_acknowledgement_that_cannot_be_true_hides_none_that_is(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench, Stranger(bench.broker, TOPICS.event(Stream.ACCESS)) as rogue:
        box = bench.box()
        box.happen(15)
        until(lambda: len(rogue.bodies(TOPICS.event(Stream.ACCESS))) == 15)
        true, false = (
            {"stream": "access", "epoch": box.journal.epoch, "upto": upto} for upto in (0, 1 << 40)
        )
        for upto in range(1, 16):
            rogue.say_at_once(TOPICS.ack, false, {**true, "upto": upto}, false)
            until(lambda upto=upto: box.backlog() == 15 - upto, within_s=20, what=f"{upto} is settled")


def test_of_two_acknowledgements_of_the_same_the_newer_counts(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench, Stranger(bench.broker, TOPICS.event(Stream.ACCESS)) as rogue:
        box = bench.box()
        box.happen(15)
        until(lambda: len(rogue.bodies(TOPICS.event(Stream.ACCESS))) == 15)
        epoch = box.journal.epoch
        plain = {"stream": "access", "epoch": epoch, "upto": 9}
        rogue.say_at_once(TOPICS.ack, plain, {**plain, "digest": "0" * 32})  # another history
        until(lambda: box.journal.epoch != epoch, within_s=20)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_was_journaled_before_the_end_is_delivered_before_the_end(tmp_path: Path, protocol: str) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(1)
        until(lambda: box.backlog() == 0)
        box.happen(200)
        box.uplink.close()
        assert numbers(platform) == list(range(201))
        assert box.backlog() == 0


def test_an_end_waits_only_a_moment_for_a_platform_that_has_fallen_silent(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(1)
        until(lambda: box.backlog() == 0)
        platform.close()
        box.happen(5)
        begun_s = time.monotonic()
        box.uplink.close()
        assert 1 < time.monotonic() - begun_s < 9, "as long as a worker may take to end"
        assert box.backlog() == 5


def test_a_backlog_goes_out_through_the_small_window_of_a_broker(tmp_path: Path) -> None:
    with Bench(tmp_path, options=("allow_anonymous true", "max_inflight_messages 3")) as bench:
        box = bench.new_box()
        box.happen(600)
        platform = bench.platform()
        box.start()
        until(lambda: box.backlog() == 0, within_s=40)
        assert numbers(platform) == list(range(600))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_DEL_1_a_broker_behind_which_nobody_acknowledges_is_left_for_the_next(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sync.complaints.SILENT_S", 0.5)
    monkeypatch.setattr("edge.sync.uplink.WALK_ON_S", 1.0)
    (tmp_path / "lonely").mkdir()
    with Bench(tmp_path, protocol=protocol) as bench, BrokerProcess(tmp_path / "lonely") as lonely:
        platform = bench.platform()
        box = bench.box(sync={"brokers": (lonely.url, bench.broker.url)})
        box.happen(30)
        until(lambda: "has acknowledged none" in box.alarm("platform.unreachable"))
        until(lambda: box.backlog() == 0, what="the next broker leads to the platform")
        assert numbers(platform) == list(range(30))
        assert box.uplink.status.broker == bench.broker.url
        assert not box.alarm("platform.unreachable")


def test_a_broken_journal_stops_neither_the_link_nor_is_anything_obeyed_without_it(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box()
        until(lambda: platform.devices().get(AUDIENCE) is not None)
        box.journal.close()
        result = platform.send_command(AUDIENCE, "open", {"lane": "in"})
        assert (result.result, result.code) == ("rejected", "journal")
        assert box.opener.opened == []
        assert box.uplink.is_alive()
        assert box.uplink.failure is None


@pytest.mark.parametrize("rot", [("1.0", "9.0"), ("{", "#")], ids=["no event", "no JSON"])
def test_DEL_2_an_event_that_the_disk_has_damaged_is_parked_and_the_stream_goes_on(
    tmp_path: Path, rot: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sync.outbox.ACK_TIMEOUT_S", 1.0)
    monkeypatch.setattr("edge.sync.outbox.REFUSAL_PAUSE_S", 0.05)
    with Bench(tmp_path) as bench:
        box = bench.box()
        box.happen(6)
        rewrite(
            box.journal.path,
            "UPDATE events SET payload = CAST(replace(CAST(payload AS TEXT), ?, ?) AS BLOB)"
            " WHERE stream = 'access' AND seq = 4",
            rot,
        )
        platform = bench.platform()
        until(lambda: box.backlog() == 0, what="the stream goes on")
        assert sequences(platform, Stream.ACCESS) == [1, 2, 3, 4, 5, 6]
        assert platform.ledger.broken_chains() == []
        assert verify_chain(platform.ledger.payloads(AUDIENCE)) is None
        assert box.journal.is_alive()

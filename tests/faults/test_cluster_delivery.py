"""The box on a real cluster of three NATS servers: what the wire promises there, and while nodes die."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from broker_cluster import PASSWORD
from cluster_delivery import ClusterRun, run, schedule
from nats_cluster import NatsCluster, needs_nats
from sync_bench import AUDIENCE, DEVICE, TOPICS, Stranger, until

from edge.cli import main
from edge.clock import SystemClock
from edge.errors import UsageError
from edge.platform.acl_clusters import nats_users, rabbitmq_definitions
from edge.records import EventDraft, Stream
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import Broker, Connected, LinkEvent, Login, Protocol, Received, Subscribed, Will
from edge.sync.topics import Topics
from edge.sync.waker import Waker

SEED = 20_261_123
OTHER, ABROAD = Topics("park", "gate-8"), Topics("other", "gate-9")
GREEDY = ("gh/#", "gh/1/+/+/#", "gh/1/park/#", "+/+/+/+/cmd/+")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    needs_nats()
    with NatsCluster(tmp_path_factory.mktemp("nats"), [TOPICS, OTHER, ABROAD]) as running:
        yield running


def client(cluster: NatsCluster, node: int, user: str, *topics: str, **more: Any) -> Stranger:
    """Somebody on a node."""
    where: Any = SimpleNamespace(url=cluster.urls[node])
    login = {"username": user, "password": PASSWORD, "protocol": Protocol.V311}
    return Stranger(where, *topics, **(login | more))


def kept_state(cluster: NatsCluster, node: int) -> object:
    """What somebody new hears of the box; nodes tell each other of it a moment later."""
    with client(cluster, node, "platform", "gh/1/+/+/state") as somebody:
        until_s = time.monotonic() + 1.0
        while time.monotonic() < until_s and not somebody.messages:
            somebody._turn()
        return next((body["state"] for body in somebody.bodies(TOPICS.state)), None)


def test_state_is_kept_for_a_wildcard_on_every_node_and_so_is_a_will(cluster: NatsCluster) -> None:
    gone = Will(TOPICS.state, b'{"state": "lost"}')
    box = client(cluster, 0, DEVICE, will=gone, client_id="gh-park-gate-7")
    box.say(TOPICS.state, b'{"state": "ready"}', retain=True)
    for node in range(cluster.nodes):
        until(lambda node=node: kept_state(cluster, node) == "ready", what=f"node {node} has it")
    with client(cluster, 1, "platform", TOPICS.state) as platform:
        box._link.close()  # without a word
        until(lambda: {"state": "lost"} in platform.bodies(TOPICS.state), what="the will is spoken")
    for node in range(cluster.nodes):
        until(lambda node=node: kept_state(cluster, node) == "lost", what=f"node {node} has the will")
    box._waker.close()


def session(cluster: NatsCluster, node: int, *topics: str) -> tuple[bool, list[LinkEvent]]:
    """Connect as a box that keeps its session; whether there was one, and what came."""
    broker = Broker.parse(cluster.urls[node])
    login = Login(broker, OTHER.client_id, Protocol.V311, username=OTHER.device, password=PASSWORD)
    waker = Waker()
    link = MqttLink(login, SystemClock(), waker)
    heard: list[LinkEvent] = []

    def has(kind: type[Connected | Subscribed | Received]) -> list[LinkEvent]:
        heard.extend(link.poll(0.05))
        return [event for event in heard if isinstance(event, kind)]

    link.open()
    until(lambda: has(Connected), what="connected")
    if topics:
        link.subscribe(topics)
    until(lambda: has(Subscribed if topics else Received), what="subscribed, or what was kept for it")
    link.disconnect()
    link.poll(0.0)
    link.close()
    waker.close()
    return next(event.session_present for event in heard if isinstance(event, Connected)), heard


def test_a_session_is_found_again_on_another_node_with_what_came_meanwhile(cluster: NatsCluster) -> None:
    present, _ = session(cluster, 0, OTHER.ack)
    assert not present
    with client(cluster, 2, "platform") as platform:
        platform.say(OTHER.ack, b'{"upto": 1}')
    present, heard = session(cluster, 1)
    assert present
    assert [event.payload for event in heard if isinstance(event, Received)] == [b'{"upto": 1}']


def test_no_box_writes_or_hears_what_is_anothers(cluster: NatsCluster) -> None:
    with (
        client(cluster, 0, "platform", "gh/1/+/+/state", "gh/1/+/+/ev/+", "gh/1/+/+/cmd/+/res") as platform,
        client(cluster, 1, OTHER.device, OTHER.ack, f"{OTHER.base}/cmd/+") as other,
        client(cluster, 2, ABROAD.device, *GREEDY, OTHER.ack, OTHER.desired) as abroad,
    ):
        for topic in (OTHER.state, OTHER.event(Stream.ACCESS), OTHER.ack, OTHER.command("open")):
            abroad.say(topic, b'{"by": "abroad"}')
        for topic in (ABROAD.ack, ABROAD.command("open"), ABROAD.desired):
            abroad.say(topic, b'{"by": "itself"}')
        abroad.say(ABROAD.event(Stream.ACCESS), b'{"good": 1}')
        until(lambda: platform.bodies(ABROAD.event(Stream.ACCESS)), what="what is its own goes through")
        platform.say(OTHER.ack, b'{"for": "other"}')
        platform.say(OTHER.command("open"), b'{"for": "other"}')
        until(lambda: other.bodies(OTHER.ack) and other.bodies(OTHER.command("open")))
        heard = {message.topic for message in platform.messages if not message.retained}
        assert heard == {ABROAD.event(Stream.ACCESS)}
        assert [message.payload for message in other.messages] == [b'{"for": "other"}'] * 2
        settled_s = time.monotonic() + 0.5
        while time.monotonic() < settled_s:
            abroad._turn()
        assert abroad.messages == []


@pytest.mark.slow
def test_DEL_1_DEL_2_on_a_cluster_whose_nodes_die_and_freeze_nothing_is_lost_or_doubled(
    tmp_path: Path, record_property: Any
) -> None:
    needs_nats()
    folder = tmp_path / "run"
    folder.mkdir()
    faults, figures = run(folder, seed=SEED, blows=2, events=200)
    record_property("figures", figures)
    assert faults == [], f"seed {SEED}: {figures}"
    assert figures["mqtt"] == "3.1.1", "it asked for 5, was refused, and fell back"
    assert figures["promised"] == figures["in_table"] == 200
    assert figures["connections_of_the_box"] > 1


def test_a_big_event_and_one_line_of_it_go_through_a_cluster(cluster: NatsCluster, tmp_path: Path) -> None:
    run = ClusterRun(tmp_path, cluster, SEED, 0)
    try:
        run.wait_ready()
        run.box.journal.append_now(
            EventDraft(Stream.SYS, "thing.seen", "in", {"number": 0, "filler": "门" * 20_000})
        )
        until(lambda: run.box.backlog() == 0, what="60 kB are acknowledged")
        (event,) = (e for e in run.platform.events(AUDIENCE, Stream.SYS) if "number" in e["data"])
        assert len(event["data"]["filler"]) == 20_000
        assert run.box.uplink.status.broker in cluster.urls
        again = run.platform.send_command(AUDIENCE, "open", {"lane": "in", "wish": 1}, timeout_s=60)
        assert again.result == "done"
    finally:
        run.close()


def test_the_same_seed_gives_the_same_blows() -> None:
    one = schedule(SEED, 60, 3)
    assert one == schedule(SEED, 60, 3)
    assert one != schedule(SEED + 1, 60, 3)
    assert {blow.kind for blow in one} == {"kill", "freeze"}
    assert {len(blow.nodes) for blow in one} == {1, 2}
    assert {node for blow in one for node in blow.nodes} == {0, 1, 2}


def test_rules_for_clusters_name_for_each_user_only_what_is_its_own() -> None:
    users = nats_users([TOPICS, ABROAD], "platform", home_assistant="homeassistant")
    mine = users.split('user: "gate-7"')[1].split("{ user:")[0]
    assert '"gh.1.park.gate-7.cmd.*"' in mine
    assert "gate-9" not in mine
    assert "gh.1.*" not in mine
    assert '"homeassistant.status"' in mine
    assert '"$MQTT.sub.>"' in mine
    definitions = json.loads(rabbitmq_definitions([TOPICS, ABROAD], "platform"))
    (queues,) = (one for one in definitions["permissions"] if one["user"] == "gate-7")
    assert re.fullmatch(queues["configure"], "mqtt-subscription-gh-park-gate-7qos1")
    assert not re.fullmatch(queues["read"], "mqtt-subscription-gh-other-gate-9qos1")
    (topics,) = (one for one in definitions["topic_permissions"] if one["user"] == "gate-7")
    assert re.fullmatch(topics["write"], "gh.1.park.gate-7.cmd.open.res")
    assert re.fullmatch(topics["read"], "gh.1.park.gate-7.cmd.*")
    assert not re.fullmatch(topics["read"], "gh.1.park.gate-8.cmd.*")
    assert not re.fullmatch(topics["read"], "gh.1.park.*.cmd.*")
    assert not re.fullmatch(topics["write"], "gh.1.park.gate-7.cmd.open"), "it cannot command itself"


@pytest.mark.parametrize(("kind", "word"), [("nats", "accounts {"), ("rabbitmq", '"topic_permissions"')])
def test_the_command_writes_rules_for_clusters(
    kind: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["platform", "acl", "park/gate-7=box-7", "--for", kind]) == 0
    written = capsys.readouterr().out
    assert word in written
    assert '"box-7"' in written


def test_several_addresses_are_the_nodes_of_one_cluster() -> None:
    one, two = Broker.parse_all("mqtt://a:1883, mqtt://b")
    assert (one.host, two.host, two.port) == ("a", "b", 1883)
    with pytest.raises(UsageError, match="all mqtt:// or all mqtts://"):
        Broker.parse_all("mqtt://a,mqtts://b")

"""Manners of brokers that are clusters: they deny for a while, or take nothing and yet answer pings."""

import contextlib
import random
import select
import socket
import threading
from pathlib import Path
from types import TracebackType

import pytest
from mqtt_packets import Packets, is_qos_1, kind_of, packet_id
from sync_bench import Bench, numbers, until

from edge.clock import SystemClock
from edge.sync.dialer import Dialer
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import Broker, Ended, LinkEvent, Login, Protocol, Subscribed, Trouble
from edge.sync.waker import Waker

CONNECT, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 8, 12, 14
UNACCEPTABLE = b"\x20\x02\x00\x01"


class OddNode:
    """A node of a cluster as it is for some seconds after an election. Speaks 3.1.1; its own thread."""

    def __init__(self) -> None:
        self.denies = self.is_deaf = False
        self.versions: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="odd-node")

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "OddNode":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        clients: dict[socket.socket, Packets] = {}
        with contextlib.ExitStack() as stack:
            while not self._stopping.is_set():
                for ready in select.select([self._listener, *clients], [], [], 0.05)[0]:
                    if ready is self._listener:
                        clients[stack.enter_context(self._listener.accept()[0])] = Packets()
                    elif not self._serve(ready, clients[ready]):
                        del clients[ready]
                        ready.close()

    def _serve(self, client: socket.socket, packets: Packets) -> bool:
        with contextlib.suppress(OSError):
            data = client.recv(65536)
            for packet in packets.feed(data):
                answer = self._answer(packet)
                client.sendall(answer)
                if answer == UNACCEPTABLE:
                    return False
            return bool(data)
        return False

    def _answer(self, packet: bytes) -> bytes:
        kind = kind_of(packet)
        if kind == CONNECT:
            self.versions.append(packet[packet.index(b"MQTT") + 4])
            return b"\x20\x02\x00\x00" if self.versions[-1] == 4 else UNACCEPTABLE
        if kind == SUBSCRIBE:
            return _suback(packet, 0x80 if self.denies else 1)
        if kind == PINGREQ:
            return b"\xd0\x00"
        return b"\x40\x02" + packet_id(packet) if is_qos_1(packet) and not self.is_deaf else b""


def _suback(packet: bytes, code: int) -> bytes:
    name = packet_id(packet)
    place, count = packet.index(name, 1) + 2, 0
    while place < len(packet):
        place += 3 + int.from_bytes(packet[place : place + 2], "big")
        count += 1
    return bytes((0x90, 2 + count)) + name + bytes((code,)) * count


def test_a_subscription_that_is_denied_for_a_while_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.sync.mqtt_link.ASK_AGAIN_S", 0.05)
    with OddNode() as node:
        node.denies = True
        waker = Waker()
        link = MqttLink(Login(Broker.parse(node.url), "box", Protocol.V311), SystemClock(), waker)
        link.open()
        heard: list[LinkEvent] = []
        link.subscribe(("a/b", "c/+"))

        def answers() -> list[Subscribed]:
            heard.extend(link.poll(0.02))
            return [event for event in heard if isinstance(event, Subscribed)]

        until(lambda: len(answers()) >= 3, what="it is asked again and again")
        assert answers()[0] == Subscribed(("a/b", "c/+"), ())
        node.denies = False
        until(lambda: answers()[-1] == Subscribed((), ("a/b", "c/+")), what="and granted")
        link.disconnect()
        link.close()
        waker.close()


@pytest.mark.mosquitto
def test_DEL_1_a_node_that_acknowledges_nothing_and_answers_pings_is_left_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sync.mqtt_link.PUBACK_TIMEOUT_S", 0.5)
    monkeypatch.setattr("edge.sync.dialer.STABLE_S", 0.1)
    with Bench(tmp_path) as bench, OddNode() as node:
        node.is_deaf = True
        platform = bench.platform()
        box = bench.box(sync={"brokers": (node.url, bench.broker.url), "protocol": "auto"})
        box.happen(30)
        until(lambda: box.backlog() == 0, what="the next node hears")
        assert numbers(platform) == list(range(30))
        assert node.versions[:2] == [5, 4], "refused with 5, taken with 3.1.1"


def test_a_broker_that_is_silent_to_5_and_takes_3_1_1_twice_is_asked_in_3_1_1_from_then_on() -> None:
    one = Broker("one", 1883, tls=False)
    dialer = Dialer([one], "auto", 120.0, random.Random(1))
    for _ in range(2):
        assert dialer.target() == (one, Protocol.V5), "once may have been an accident"
        assert dialer.failed(Trouble.NO_ANSWER) == 0.0
        assert dialer.target() == (one, Protocol.V311)
        dialer.lost(Trouble.LOST, 100.0)
    assert dialer.target() == (one, Protocol.V311)


def test_a_deaf_broker_is_left_for_the_next_and_one_alone_is_dialed_again() -> None:
    one, two = Broker("one", 1883, tls=False), Broker("two", 1883, tls=False)
    dialer = Dialer([one, two], "3.1.1", 120.0, random.Random(1))
    dialer.lost(Trouble.DEAF, 100.0)
    assert dialer.target()[0] == two
    alone = Dialer([one], "3.1.1", 120.0, random.Random(1))
    assert alone.lost(Trouble.DEAF, 100.0) <= 1.0
    assert alone.target()[0] == one


def test_the_end_of_a_deaf_link_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.sync.mqtt_link.PUBACK_TIMEOUT_S", 0.2)
    with OddNode() as node:
        node.is_deaf = True
        waker = Waker()
        link = MqttLink(Login(Broker.parse(node.url), "box", Protocol.V311), SystemClock(), waker)
        link.open()
        link.publish("a/b", b"x")
        heard: list[LinkEvent] = []
        until(lambda: heard.extend(link.poll(0.02)) or any(isinstance(event, Ended) for event in heard))
        (ended,) = (event for event in heard if isinstance(event, Ended))
        assert ended.trouble is Trouble.DEAF
        assert "has acknowledged no message for" in ended.message
        waker.close()

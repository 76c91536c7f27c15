"""Names on the wire, acknowledgements, and what a state means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import UsageError
from edge.platform.known_device import KnownDevice, with_state
from edge.records import Stream
from edge.sync.presence import Ack, Presence, read_ack, state_body, will
from edge.sync.session import Broker
from edge.sync.topics import ROOT, Topics, parse

TOPICS = Topics("park", "gate-7")


def test_topics_are_those_of_the_design() -> None:
    assert TOPICS.state == "gh/1/park/gate-7/state"
    assert TOPICS.event(Stream.ACCESS) == "gh/1/park/gate-7/ev/access"
    assert TOPICS.desired == "gh/1/park/gate-7/cfg/desired"
    assert TOPICS.command("open") == "gh/1/park/gate-7/cmd/open"
    assert TOPICS.result("open") == "gh/1/park/gate-7/cmd/open/res"
    assert TOPICS.audience == "park/gate-7"
    assert max(topic.count("/") for topic in (TOPICS.result("open"), TOPICS.event(Stream.SYS))) <= 7


@pytest.mark.parametrize("name", ["", "Gate", "a/b", "a+b", "#", "x" * 41, "门", "a b", "a\n"])
def test_a_name_that_could_reach_into_another_topic_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        Topics("park", name)
    with pytest.raises(UsageError):
        Topics(name, "gate-7")
    assert parse(f"{ROOT}/park/{name}/state") is None or "/" in name


def test_a_topic_is_taken_apart() -> None:
    address = parse(TOPICS.result("open"))
    assert address is not None
    assert (address.topics, address.rest) == (TOPICS, ("cmd", "open", "res"))


@given(st.text(max_size=40))
def test_any_topic_is_ours_or_none(topic: str) -> None:
    address = parse(topic)
    assert address is None or topic.startswith(address.topics.base)


def test_an_acknowledgement_is_read() -> None:
    body = {"stream": "access", "epoch": "e", "upto": 7, "have": []}
    assert read_ack(json.dumps(body).encode()) == Ack(Stream.ACCESS, "e", 7)
    hashed = read_ack(json.dumps(body | {"digest": "0f" * 16}).encode())
    assert hashed == Ack(Stream.ACCESS, "e", 7, digest="0f" * 16)
    for odd in ("", "0F" * 16, "0f" * 17, 7, None, ["0f" * 16]):
        assert read_ack(json.dumps(body | {"digest": odd}).encode()) == Ack(Stream.ACCESS, "e", 7)
    assert read_ack(json.dumps(body | {"resend": True}).encode()) == Ack(Stream.ACCESS, "e", 7, resend=True)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"[" * 3000,
        b"{" * 5000,
        b'{"stream":"access","epoch":"e"}',
        b'{"stream":"access","epoch":"e","upto":true}',
        b'{"stream":"access","epoch":"e","upto":-1}',
        b'{"stream":"access","epoch":"e","upto":1.0}',
        b'{"stream":"access","epoch":"e","upto":4611686018427387904}',
        b'{"stream":"lies","epoch":"e","upto":1}',
        b'{"stream":["access"],"epoch":"e","upto":1}',
        b'{"stream":"access","epoch":1,"upto":1}',
    ],
)
def test_what_is_no_acknowledgement_is_none(payload: bytes) -> None:
    assert read_ack(payload) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_an_acknowledgement_fail(payload: bytes) -> None:
    read_ack(payload)


def _state(presence: Presence, conn: int, epoch: str = "e1") -> dict[str, object]:
    body = state_body(
        presence, conn=conn, epoch=epoch, nonce=f"n{conn}", clock_state="synced", alarms=(), at_ns=0
    )
    return dict(body)


def test_only_a_live_state_has_a_nonce() -> None:
    assert _state(Presence.READY, 1)["nonce"] == "n1"
    assert "nonce" not in _state(Presence.DISCONNECTED, 1)
    assert "nonce" not in json.loads(will(TOPICS, conn=1, epoch="e1").payload)


def test_a_death_older_than_the_last_birth_is_passed_over() -> None:
    device = with_state(KnownDevice("park/gate-7"), _state(Presence.READY, 5))
    late_will = json.loads(will(TOPICS, conn=4, epoch="e1").payload)
    assert with_state(device, late_will) is device
    own_will = json.loads(will(TOPICS, conn=5, epoch="e1").payload)
    assert with_state(device, own_will).state == "lost"
    assert not with_state(device, own_will).is_live
    new_journal = with_state(device, _state(Presence.READY, 1, "e2"))
    assert (new_journal.epoch, new_journal.nonce) == ("e2", "n1")


@pytest.mark.parametrize(
    "body", [{}, {"conn": "1"}, {"conn": 1, "state": 2}, {"conn": 9, "state": "x", "nonce": 1}]
)
def test_a_malformed_state_changes_nothing(body: dict[str, object]) -> None:
    device = KnownDevice("park/gate-7", conn=3, epoch="e1")
    assert with_state(device, body) is device


def test_a_broker_is_a_URL_without_secrets() -> None:
    assert str(Broker.parse("mqtt://host")) == "mqtt://host:1883"
    assert str(Broker.parse("mqtts://10.0.0.1/")) == "mqtts://10.0.0.1:8883"
    for wrong in (
        "http://host",
        "mqtt://",
        "mqtt://h:99999",
        "mqtt://h/path",
        "mqtt://u:p@h",
        "host",
        "mqtt://h?x",
    ):
        with pytest.raises(UsageError) as raised:
            Broker.parse(wrong)
        assert "u:p" not in str(raised.value)

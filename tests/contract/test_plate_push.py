"""Cameras that read plates by themselves: the exchange of the protocol's description, over real HTTP."""

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from drivers.errors import BadReply, PortBusy
from drivers.push import PushListener, parse_push, reply_to
from edge.access import Person, Roster
from edge.clock import ManualClock
from edge.deciding import Decider
from edge.errors import Unavailable
from edge.health import Alarms
from edge.known import Known
from edge.records import Decision, EventDraft, Kind, Sighting, Stream, Verdict
from edge.settings import Settings, VzenithCamera
from edge.settings_file import parse_settings
from edge.vision.pushed import REMEMBERED, PushedEye
from models.face import Gallery

LOCAL = "127.0.0.1"
JPEG = b"\xff\xd8 a picture \xff\xd9"


def result(license_: str = "粤B12345", plate_id: int = 7, **fields: Any) -> bytes:
    """A request's body, written from the protocol's description."""
    plate = {
        "license": license_,
        "colorType": 1,
        "type": 1,
        "confidence": 98,
        "direction": 4,
        "triggerType": 1,
        "plateid": plate_id,
        "isoffline": 0,
        "plate_true_width": 140,
        "is_fake_plate": 0,
        "timeStamp": {"Timeval": {"sec": 1_763_884_800 + plate_id, "usec": 250_000}},
        "imageFragmentFile": base64.b64encode(JPEG).decode(),
        **fields,
    }
    alarm = {"channel": 0, "deviceName": "IVS", "serialno": "5e3d-7a", "result": {"PlateResult": plate}}
    return json.dumps({"AlarmInfoPlate": alarm}, ensure_ascii=False).encode()


# What the camera sends, and what it must hear: the recorded exchange of one evening.
NOTHING_OPENS = {"info": "no", "content": "retransfer_stop"}
EXCHANGE: list[tuple[bytes, dict[str, Any]]] = [
    (b"device_name=ivs&ipaddr=192.168.1.64&port=80&serialno=5e3d-7a&channel_num=1", NOTHING_OPENS),
    (result(plate_id=7), NOTHING_OPENS),
    (result(plate_id=7), NOTHING_OPENS),  # sent again: the answer was lost
    (result("_无_", 8, type=31, confidence=0), NOTHING_OPENS),
    (
        result("苏A88888", 3, isoffline=1),
        {**NOTHING_OPENS, "ContinuePushOffline": {"plateid": 3, "continue": 1}},
    ),
    (
        result("苏A88888", 3, isoffline=1),
        {**NOTHING_OPENS, "ContinuePushOffline": {"plateid": 3, "continue": 1}},
    ),
    (result("粤B67890", 9, confidence=55), NOTHING_OPENS),
    (result("粤B67890", 10, is_fake_plate=1), NOTHING_OPENS),
]


class Gate:
    """A pushed eye whose sightings and records are kept."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.alarms = Alarms(self.clock)
        self.sightings: list[Sighting] = []
        self.notes: list[EventDraft] = []
        camera = VzenithCamera.model_validate({"senders": [LOCAL], "listen": LOCAL, **settings})
        self.eye = PushedEye(
            "gate", camera, self.clock, self.alarms, self.sightings.append, self.notes.append
        )

    def reads(self) -> list[Sighting]:
        return [sighting for sighting in self.sightings if not sighting.ended]


def test_the_recorded_exchange_is_answered_word_by_word_and_told_once() -> None:
    gate = Gate()
    for body, answer in EXCHANGE:
        assert json.loads(gate.eye.take(body)) == {"Response_AlarmInfoPlate": answer}

    reads = gate.reads()
    assert ["".join(p[0][0] for p in s.lattice) for s in reads] == ["粤B12345", "粤B12345", "", "", ""]
    assert [s.flaw for s in reads] == ["", "", "no plate", "doubted by the camera", "not a real plate"]
    assert reads[0].crop_jpeg == JPEG
    assert {s.kind for s in reads} == {Kind.PLATE}
    assert len({s.track_id for s in reads}) == 4, "each result is a track of its own"
    assert [s.seq for s in reads] == sorted({s.seq for s in reads}), "no read repeats another's number"
    assert [s.track_id for s in gate.sightings if s.ended] == [1, 2, 3, 4]
    (late,) = gate.notes
    assert (late.stream, late.type, late.data["text"]) == (Stream.PLATE, "plate.reported_late", "苏A88888")


def test_a_number_that_comes_again_after_the_camera_was_started_anew_is_another_result() -> None:
    gate = Gate()
    gate.eye.take(result(plate_id=7))
    gate.eye.take(result("粤C11111", plate_id=7, timeStamp={"Timeval": {"sec": 1, "usec": 0}}))
    assert len({s.track_id for s in gate.reads()}) == 2


def test_what_could_not_be_journaled_is_not_answered_and_is_taken_when_it_comes_again() -> None:
    gate = Gate()
    refuse = [True]

    def note(draft: EventDraft) -> None:
        if refuse.pop():
            raise OSError("disk")
        gate.notes.append(draft)

    gate.eye._note = note
    with pytest.raises(OSError, match="disk"):
        gate.eye.take(result(isoffline=1))
    refuse.append(False)
    gate.eye.take(result(isoffline=1))
    assert len(gate.notes) == 1


def test_memory_of_results_is_bounded() -> None:
    gate = Gate()
    for number in range(REMEMBERED + 5):
        gate.eye.take(result("_无_", number, type=31))
    assert len(gate.eye._known) == REMEMBERED


@pytest.mark.parametrize(
    "body",
    [
        b'{"AlarmInfoPlate": 3}',
        b'{"AlarmInfoPlate": {"result": {}}}',
        result(plate_id=7)[:-3],
        result(confidence="sure"),
        result("粤" * 40),
        result(timeStamp={"Timeval": {"sec": 1e400, "usec": "x"}}),
    ],
)
def test_a_result_that_cannot_be_understood_is_refused_and_never_guessed(body: bytes) -> None:
    with pytest.raises(BadReply, match="gate"):
        parse_push("gate", body)


def test_gbk_and_damaged_pictures_are_understood() -> None:
    text = result("粤B12345", imageFragmentFile="###").decode()
    push = parse_push("gate", text.encode("gb18030"))
    assert push is not None
    assert (push.text, push.picture, push.kind, push.colour) == ("粤B12345", b"", "blue", "blue")
    assert push.confidence == pytest.approx(0.98)


def test_no_answer_ever_tells_the_camera_to_open() -> None:
    for body, _ in EXCHANGE:
        answer = json.loads(reply_to(parse_push("gate", body)))["Response_AlarmInfoPlate"]
        assert answer["info"] == "no"
        assert set(answer) <= {"info", "content", "ContinuePushOffline"}


def settings(**decision: Any) -> Settings:
    return parse_settings(
        {
            "device": {"id": "box"},
            "decision": decision,
            "cameras": {"gate": {"type": "vzenith", "senders": [LOCAL]}},
            "boards": {"relay": {"type": "lcus", "port": "/dev/null"}},
            "lanes": {
                "entry": {
                    "type": "barrier",
                    "cameras": ["gate"],
                    "open": {"board": "relay", "channel": 1},
                    "accepts": ["plate"],
                }
            },
        }
    )


def decide_on(gate: Gate, bodies: list[bytes], **decision: Any) -> list[Decision]:
    told: list[Decision] = []

    def submit(_lane: str, one: Decision) -> bool:
        told.append(one)
        return True

    owner = Person("wang-li", "王丽", plates=("粤B12345",))
    decider = Decider(
        settings(**decision),
        Known(Roster.of(1, [owner]), Gallery.build("faces-dlib-resnet", [])),
        gate.clock,
        gate.alarms,
        submit=submit,
        settle=lambda _sighting: None,
    )
    for body in bodies:
        gate.clock.advance(3.0)
        gate.eye.take(body)
        for sighting in gate.sightings:
            decider.take(sighting)
        gate.sightings.clear()
    return told


def test_a_pushed_plate_of_a_resident_is_granted_by_the_same_policy_once() -> None:
    told = decide_on(Gate(), [result(), result()])
    assert [decision.verdict for decision in told] == [Verdict.GRANT]
    assert told[0].subject == "wang-li"


@pytest.mark.parametrize(
    "body",
    [
        result(confidence=60),
        result(is_fake_plate=1),
        result(isoffline=1),
        result("_无_", type=31),
        result("粤B99999"),
    ],
)
def test_ACC_1_a_doubted_fake_old_missing_or_unknown_pushed_plate_never_opens(body: bytes) -> None:
    told = decide_on(Gate(), [body])
    assert all(decision.verdict is not Verdict.GRANT for decision in told)


def test_one_vote_is_not_enough_where_two_reads_must_agree() -> None:
    assert not [d for d in decide_on(Gate(votes=1), [result()]) if d.verdict is Verdict.GRANT]


# Over real HTTP


@pytest.fixture
def running() -> Iterator[Gate]:
    with socket.create_server((LOCAL, 0)) as probe:
        port = probe.getsockname()[1]
    gate = Gate(port=port)
    gate.eye.start()
    try:
        yield gate
    finally:
        gate.eye.close()


def post(port: int, body: bytes, path: str = "/plate", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(LOCAL, port, timeout=30)
    try:
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def wait_for_port(gate: Gate) -> int:
    done = threading.Event()
    for _ in range(600):
        if gate.eye.port:
            return gate.eye.port
        done.wait(0.05)
    raise AssertionError("the listener did not open")


def test_the_exchange_goes_over_real_http_and_strangers_are_turned_away(running: Gate) -> None:
    port = wait_for_port(running)
    for body, answer in EXCHANGE[:5]:
        status, text = post(port, body)
        assert (status, json.loads(text)) == (200, {"Response_AlarmInfoPlate": answer})
    assert [s.flaw for s in running.reads()] == ["", "", "no plate"]
    assert running.eye.stats.is_seeing
    assert post(port, b"x", path="/other")[0] == 404
    assert post(port, b'{"AlarmInfoPlate": 1}')[0] == 400
    connection = http.client.HTTPConnection(LOCAL, port, timeout=30)
    connection.putrequest("POST", "/plate")
    connection.putheader("Content-Length", str(1 << 30))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_only_named_senders_are_heard_and_a_taken_port_says_so() -> None:
    heard: list[bytes] = []
    listener = PushListener(LOCAL, 0, "/plate", ["192.0.2.1"], lambda body: heard.append(body) or b"{}")
    status: list[int] = []
    client = threading.Thread(target=lambda: status.append(post(listener.address[1], b"x")[0]))
    client.start()
    try:
        while not status and client.is_alive():
            listener.turn(0.2)
        client.join(30)
        assert status == [403]
        assert not heard
        with pytest.raises(PortBusy, match="else listens"):
            PushListener(LOCAL, listener.address[1], "/plate", [LOCAL], lambda body: body)
    finally:
        listener.close()


def test_a_result_that_cannot_be_journaled_gets_no_answer_and_the_listener_goes_on(running: Gate) -> None:
    port = wait_for_port(running)
    broken = [True]

    def note(draft: EventDraft) -> None:
        if broken:
            broken.clear()
            raise Unavailable("the disk refuses")
        running.notes.append(draft)

    running.eye._note = note
    with pytest.raises((http.client.BadStatusLine, ConnectionError)):
        post(port, result(isoffline=1))
    assert post(port, result(isoffline=1))[0] == 200
    assert [draft.data["camera_result"] for draft in running.notes] == ["7"]


def test_a_silent_camera_is_an_alarm_that_a_heartbeat_clears() -> None:
    gate = Gate(silent_s=5)
    gate.eye._heard_ns = gate.clock.boot_ns()
    gate.clock.advance(4)
    gate.eye._notice_silence()
    assert not gate.alarms.standing()
    gate.clock.advance(2)
    gate.eye._notice_silence()
    (alarm,) = gate.alarms.standing()
    assert (alarm.name, alarm.subject) == ("camera.lost", "gate")
    gate.eye.take(b"serialno=5e3d-7a")
    assert not gate.alarms.standing()

"""Faces by signed command over a real mosquitto: enrolled, refused, withdrawn; nothing secret on the wire."""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from sync_bench import AUDIENCE, PROTOCOLS, TOPICS, Bench, Box, Stranger, until

from edge.clock import SystemClock
from edge.commanding import handlers
from edge.demo.portraits import ASTRONAUT, HOPPER, portrait_path
from edge.enrolment import EnrolmentDesk, likeness_rule
from edge.following import Follower
from edge.health import Alarms
from edge.platform import Counterpart, enrol, withdraw
from edge.records import Stream
from edge.settings import DecisionSettings, ModelSettings
from edge.store import SetStore, Vault
from edge.sync.commands import SIZE_LIMITS
from edge.worker import Worker

pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(find_spec("skimage") is None, reason="the demo extra is not installed"),
]

SET = "faces-dlib-resnet"
MODELS = ModelSettings(face_detector="hog")
CONSENT = {"who": "王丽", "when": 1_795_000_000, "text_version": "v3", "channel": "app", "under_14": False}
RESULTS = TOPICS.result("enrol")


def jpeg(which: tuple[str, str] = ASTRONAUT, *, quality: int = 85, flip: bool = False) -> bytes:
    image = cv2.imdecode(np.fromfile(portrait_path(which), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    image = image[:, ::-1] if flip else image
    return cv2.imencode(".jpg", image[:400], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def empty() -> bytes:
    return cv2.imencode(".jpg", np.full((300, 300, 3), 128, np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Main(Worker):
    """What the daemon's main thread does for faces: follow the sets, tell the journal."""

    def __init__(self, follower: Follower, sets: SetStore) -> None:
        super().__init__("main-of-the-test", SystemClock())
        self._follower, self._sets = follower, sets

    def work(self) -> None:
        while not self.stopping.wait(0.05):
            self.beat()
            if self._sets.has_changed():
                self._follower.load(DecisionSettings())
            self._follower.tell_journal()


class FaceBox:
    """A box with its sets, its enrolment desk and its uplink, beside a platform and a broker."""

    def __init__(self, folder: Path, cache: Path, protocol: str) -> None:
        self._stack = ExitStack()
        with ExitStack() as stack:
            self.bench = stack.enter_context(Bench(folder, protocol=protocol))
            self.folder, clock = folder / "box", SystemClock()
            self.sets = SetStore(self.folder / "sets.db", Vault(b"k" * 32), clock)
            stack.callback(self.sets.close)
            self.platform: Counterpart = self.bench.platform()
            self.alarms = Alarms(clock)
            obey: dict[str, object] = {}
            self.box: Box = self.bench.new_box(handlers=obey)  # its desk is made below, from this journal
            self.follower = Follower(self.sets, self.box.journal, SET)
            self.follower.load(DecisionSettings())
            self.desk = EnrolmentDesk(
                self.sets,
                MODELS,
                cache,
                clock,
                self.alarms,
                lambda: self.follower.known,
                lambda: likeness_rule(self.follower.asked(), DecisionSettings()),
                set_name=SET,
            )
            self.box.uplink._desk._handlers.update(handlers({}, self.sets, clock, self.desk))
            for worker in (self.desk, Main(self.follower, self.sets)):
                stack.callback(worker.close)
                worker.start()
            self.box.start()
            self._stack = stack.pop_all()

    def __enter__(self) -> "FaceBox":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def audit(self, kind: str) -> list[tuple[str, dict[str, object]]]:
        self.box.journal.flush()
        events = [json.loads(row.payload) for row in self.box.journal.tail(0, [Stream.AUDIT])]
        return [(event["subject"], event["data"]) for event in events if kind in event["type"]]


@pytest.fixture(params=PROTOCOLS)
def faces(tmp_path: Path, cache: Path, request: pytest.FixtureRequest) -> Iterator[FaceBox]:
    with FaceBox(tmp_path, cache, request.param) as box:
        yield box


def test_PRIV_1_a_person_is_enrolled_by_signed_command_and_withdrawn_without_a_trace(faces: FaceBox) -> None:
    platform = faces.platform
    with Stranger(faces.bench.broker, "gh/1/#") as eavesdropper:
        done = enrol(
            platform,
            AUDIENCE,
            "eileen",
            CONSENT,
            [jpeg(), empty(), jpeg(quality=50)],
            name="艾琳",
            lanes=["door"],
        )
        assert (done.result, done.trail) == ("done", ("accepted", "done")), done.detail
        assert done.data["stored"] == 1
        assert [p["finding"] for p in done.data["pictures"]] == ["good", "no_face", "same_picture"]
        assert done.data["pictures"][1]["reason_zh"] == "未检测到人脸"
        person = faces.sets.person("eileen")
        assert person is not None
        assert (person.name, person.lanes) == ("艾琳", ("door",))
        consent = faces.sets.consent_of("eileen")
        assert consent is not None
        assert (consent.who, consent.text_version) == ("王丽", "v3")
        assert faces.sets.pictures_of("eileen") == (), "dropped: the consent keeps none"
        until(lambda: "eileen" in faces.follower.known.gallery.persons, what="she is known live")
        probe = faces.follower.known.gallery.templates_of("eileen")[0].copy()
        until(lambda: faces.audit("face.enrolled"), what="the audit event")
        ((subject, data),) = faces.audit("face.enrolled")
        assert subject == "eileen"
        assert data["command"] == done.jti
        assert data["pictures"] == {"good": 1, "no_face": 1, "same_picture": 1}

        gone = withdraw(platform, AUDIENCE, "eileen")
        assert (gone.result, gone.trail) == ("done", ("accepted", "done")), gone.detail
        assert faces.follower.known.gallery.match(probe).subject is None, "done means gone, at once"
        (receipt,) = faces.sets.receipts()
        assert (gone.data["receipt"], gone.data["sha256"]) == (receipt.id, receipt.sha256)
        assert faces.sets.consent_of("eileen") is None
        until(lambda: faces.audit("face.withdrawn"), what="the audit event")
        eavesdropper.bodies(RESULTS)
        up = b"".join(
            m.payload for m in eavesdropper.messages if "/cmd/enrol" not in m.topic or m.topic == RESULTS
        )
    secrets = [probe.tobytes()[:64], jpeg()[600:664]]
    held = b"".join(path.read_bytes() for path in faces.folder.rglob("*") if path.is_file())
    for secret in secrets:
        assert secret not in held
        assert secret not in up
    assert "艾琳".encode() not in up, "no name in an event or answer"


def test_a_second_id_for_the_same_face_is_refused_with_the_name_of_the_first(
    tmp_path: Path, cache: Path
) -> None:
    with FaceBox(tmp_path, cache, "auto") as faces:
        check_duplicates(faces)


def check_duplicates(faces: FaceBox) -> None:
    assert enrol(faces.platform, AUDIENCE, "eileen", CONSENT, [jpeg()]).result == "done"
    refused = enrol(faces.platform, AUDIENCE, "somebody", CONSENT, [jpeg(flip=True)])
    assert (refused.result, refused.trail) == ("rejected", ("accepted", "rejected"))
    assert "'eileen'" in refused.detail
    assert refused.data["pictures"][0]["other"] == "eileen"
    assert faces.sets.person("somebody") is None, "nothing half done"
    twin = enrol(faces.platform, AUDIENCE, "twin", CONSENT, [jpeg(flip=True)], despite_likeness=True)
    assert twin.result == "done"
    assert twin.data["pictures"][0]["finding"] == "look_alike"
    other = enrol(faces.platform, AUDIENCE, "grace", CONSENT, [jpeg(HOPPER)])
    assert (other.result, other.data["pictures"][0]["finding"]) == ("done", "good")


def test_PRIV_1_without_a_complete_consent_no_picture_is_looked_at(tmp_path: Path, cache: Path) -> None:
    with FaceBox(tmp_path, cache, "auto") as faces:
        for consent in ({}, {**CONSENT, "under_14": True}, {**CONSENT, "who": ""}):
            refused = enrol(faces.platform, AUDIENCE, "eileen", consent, [jpeg()])
            assert (refused.result, refused.trail) == ("rejected", ("accepted", "rejected"))
            assert "\n" not in refused.detail
        assert (
            "the guardian"
            in enrol(faces.platform, AUDIENCE, "kid", {**CONSENT, "under_14": True}, [jpeg()]).detail
        )
        guardian = {"name": "王强", "relation": "father"}
        child = {**CONSENT, "under_14": True, "guardian": guardian}
        assert enrol(faces.platform, AUDIENCE, "kid", child, [jpeg()]).result == "done"
        unknown = withdraw(faces.platform, AUDIENCE, "nobody")
        assert (unknown.result, unknown.detail) == ("rejected", "no person 'nobody' in the roster")


def test_CMD_1_only_enrol_may_be_large_and_not_larger_than_its_own_limit(tmp_path: Path, cache: Path) -> None:
    with (
        FaceBox(tmp_path, cache, "auto") as faces,
        Stranger(faces.bench.broker, RESULTS, TOPICS.result("withdraw")) as rogue,
    ):
        until(lambda: faces.box.uplink.status.online)
        rogue.say(TOPICS.command("withdraw"), b"x" * (16 * 1024 + 1))
        until(lambda: rogue.bodies(TOPICS.result("withdraw")))
        assert rogue.bodies(TOPICS.result("withdraw"))[-1]["code"] == "size"
        rogue.say(TOPICS.command("enrol"), b"x" * (SIZE_LIMITS["enrol"] + 1))
        until(lambda: rogue.bodies(RESULTS))
        assert rogue.bodies(RESULTS)[-1]["code"] == "size"
        rogue.say(TOPICS.command("enrol"), b"x" * SIZE_LIMITS["enrol"])
        until(lambda: len(rogue.bodies(RESULTS)) > 1)
        assert rogue.bodies(RESULTS)[-1]["code"] == "signature", "the checks keep their order"
        large = [jpeg(quality=95), jpeg(HOPPER, quality=95)]
        assert sum(map(len, large)) > 100_000
        done = enrol(faces.platform, AUDIENCE, "eileen", CONSENT, large)
        assert [p["finding"] for p in done.data["pictures"]] == ["other_person", "other_person"]
        assert done.result == "rejected"


def test_PRIV_1_a_withdrawal_does_not_wait_for_an_enrolment_and_voids_that_of_the_same_person(
    tmp_path: Path, cache: Path
) -> None:
    with FaceBox(tmp_path, cache, "auto") as faces:
        enrol(faces.platform, AUDIENCE, "eileen", CONSENT, [jpeg()])
        waiting = [
            faces.platform.request(
                AUDIENCE,
                "enrol",
                {"person": person, "consent": CONSENT, "pictures": [_base64(jpeg(HOPPER))] * 3},
                timeout_s=120,
                life_s=60,
            )
            for person in ("grace", "eileen", "carl")
        ]
        until(lambda: faces.desk._current is not None, what="the first is being served")
        assert withdraw(faces.platform, AUDIENCE, "eileen").result == "done"
        assert withdraw(faces.platform, AUDIENCE, "grace").result in ("done", "rejected")
        results = {person: future.result(130) for person, future in zip("gec", waiting, strict=True)}
        assert results["e"].result == "rejected"
        assert "withdrawn meanwhile" in results["e"].detail
        assert faces.sets.consent_of("eileen") is None
        assert faces.sets.consent_of("grace") is None
        assert results["c"].result == "done", results["c"].detail


def test_commands_are_obeyed_while_pictures_are_looked_at(tmp_path: Path, cache: Path) -> None:
    with FaceBox(tmp_path, cache, "auto") as faces:
        args = {"person": "eileen", "consent": CONSENT, "pictures": [_base64(jpeg())]}
        enrolling = faces.platform.request(AUDIENCE, "enrol", args, timeout_s=120, life_s=60)
        obeyed = 0
        while not enrolling.done():
            assert faces.platform.send_command(AUDIENCE, "ping", {}).result == "done"
            obeyed += 1
        assert enrolling.result(0).trail == ("accepted", "done")
        assert obeyed >= 3


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()

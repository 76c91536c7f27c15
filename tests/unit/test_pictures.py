"""Pictures of passages, from the decision to the platform's folder, without a broker between them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_bench import (
    ALL,
    AUDIENCE,
    FACE,
    PLATE,
    TOPICS,
    PictureBench,
    decision,
    jpeg,
)

from drivers.camera import Frame
from edge.errors import SettingsError, UsageError
from edge.evidence import FaceEvidence
from edge.pictures.choosing import rests_on
from edge.pictures.orders import picture_handlers
from edge.platform.ledger import Arrival, Ledger
from edge.platform.pictures import PictureShelf
from edge.records import Box, Kind, Reason, Sighting, Stream, Verdict
from edge.settings import PictureSettings, Settings
from edge.settings_file import parse_settings
from edge.store.media_tables import SENT
from edge.store.scope_layer import face_content, read_face
from edge.sync.commands import Command
from edge.sync.picture_upload import PART_BYTES, Heard, ack_topic, up_topic
from edge.vision.passing import Course
from edge.vision.senses import Reading
from edge.vision.telling import Teller
from edge.vision.tracking import Track
from models.face import FaceMatch

DENY, GRANT, WAIT = Verdict.DENY, Verdict.GRANT, Verdict.WAIT
LARGE = 2 * PART_BYTES + 1000


# What is kept


@pytest.mark.parametrize(
    ("settings", "kind", "verdict", "subject", "kept"),
    [
        ({}, PLATE, DENY, None, None),
        ({}, FACE, GRANT, "anna", None),
        ({"plates": "always"}, PLATE, GRANT, "粤B12345", ""),
        ({"plates": "always"}, PLATE, WAIT, None, None),
        ({"plates": "refused"}, PLATE, GRANT, "粤B12345", None),
        ({"plates": "refused"}, PLATE, DENY, None, ""),
        ({"plates": "always"}, FACE, GRANT, "anna", None),
        ({"faces": "consented"}, PLATE, DENY, None, None),
        ({"faces": "consented"}, FACE, GRANT, "anna", "anna"),
        ({"faces": "consented"}, FACE, DENY, "anna", "anna"),
        ({"faces": "consented"}, FACE, GRANT, "bert", None),
        ({"faces": "consented"}, FACE, DENY, None, None),
        ({"faces": "consented", "lanes": ("out",)}, FACE, GRANT, "anna", None),
        ({"plates": "always", "lanes": ("in",)}, PLATE, DENY, None, ""),
    ],
    ids=str,
)
def test_PRIV_1_a_picture_is_kept_only_as_configured_and_a_face_only_by_its_own_consent(
    settings: dict[str, Any], kind: Kind, verdict: Verdict, subject: str | None, kept: str | None
) -> None:
    made = decision(jpeg(1), kind, verdict, subject)
    assert rests_on(PictureSettings(**settings), made, {"anna": "keep"}) == kept


def test_without_a_picture_or_an_identity_there_is_nothing_to_keep() -> None:
    assert rests_on(ALL, decision(b""), {}) is None
    assert rests_on(ALL, decision(b"x", identity=None, reason=Reason.STAFF_COMMAND), {}) is None


def test_PRIV_1_the_event_names_a_picture_by_its_hash_and_the_picture_is_sealed_after_it(
    tmp_path: Path,
) -> None:
    with PictureBench(tmp_path) as bench:
        event = bench.decide(jpeg(1))
        sha256 = hashlib.sha256(jpeg(1)).hexdigest()
        assert event.data["picture"] == {"sha256": sha256, "bytes": len(jpeg(1))}
        assert bench.files() == [], "nobody has waited for it"
        bench.desk.turn()
        (kept,) = bench.media.pictures()
        assert (kept.sha256, kept.event, kept.seq, kept.kind) == (sha256, event.id, event.seq, "plate")
        assert bench.media.read(sha256) == jpeg(1)
        assert jpeg(1)[2:34] not in bench.everything()
        assert "picture" not in bench.pass_by(b"").data


def test_a_decision_that_is_not_written_again_leaves_no_picture(tmp_path: Path) -> None:
    with PictureBench(tmp_path) as bench:
        for number in range(100):
            bench.desk.choose(decision(jpeg(number)))
        bench.desk.turn()
        assert bench.files() == []
        assert len(bench.desk._offers) <= 32


def test_PRIV_1_without_consent_no_file_and_when_it_is_withdrawn_the_pictures_are_gone_with_a_receipt(
    tmp_path: Path,
) -> None:
    with PictureBench(tmp_path) as bench:
        assert "picture" not in bench.pass_by(jpeg(1), FACE, subject="anna").data
        assert bench.files() == []
        bench.agree("anna")
        bench.agree("bert", "keep")
        for number, person in ((2, "anna"), (3, "bert"), (4, "anna"), (5, None)):
            bench.pass_by(jpeg(number), FACE, subject=person)
        assert [picture.person for picture in bench.media.pictures()] == ["anna", "bert", "anna"]

        late = bench.decide(jpeg(6), FACE, subject="anna")
        assert len(bench.desk._offers) == 1
        receipt = bench.sets.withdraw_consent("anna")
        assert receipt.pictures == 2
        bench.consents_changed()
        assert len(bench.desk._offers) == 0, "not in memory either"
        assert [picture.person for picture in bench.media.pictures()] == ["bert"]
        assert len(bench.files()) == 1
        assert late.data["picture"]["sha256"] not in {p.sha256 for p in bench.media.pictures()}
        (told,) = bench.told("pictures.deleted")
        assert (told["why"], told["person"], told["count"]) == ("consent withdrawn", "anna", 2)
        assert "picture" not in bench.pass_by(jpeg(7), FACE, subject="anna").data


def test_PRIV_1_a_consent_that_is_gone_by_another_way_takes_its_pictures_with_a_receipt(
    tmp_path: Path,
) -> None:
    with PictureBench(tmp_path) as bench:
        bench.agree("anna")
        bench.pass_by(jpeg(1), FACE, subject="anna")
        bench.agree("anna", "no")  # a later consent takes the place of the earlier
        assert bench.files() == []
        (receipt,) = bench.sets.receipts()
        assert (receipt.person, receipt.pictures, receipt.why) == ("anna", 1, "consent withdrawn")
        assert [note.type for note in bench.sets.notes()] == ["face.withdrawn"]


def test_the_platform_may_have_pictures_deleted_and_the_journal_is_told(tmp_path: Path) -> None:
    with PictureBench(tmp_path) as bench:
        first, second = (bench.pass_by(jpeg(n)).data["picture"]["sha256"] for n in (1, 2))
        delete = picture_handlers(bench.desk)["pictures-delete"]
        answer: Any = delete(order({"sha256": [first, "0" * 64]}))
        bench.desk.turn()
        assert answer.result(0).data == {"deleted": 1, "asked": 2}
        assert [picture.sha256 for picture in bench.media.pictures()] == [second]
        (told,) = bench.told("pictures.deleted")
        assert (told["why"], told["sha256"]) == ("asked by the platform", [first])
        with pytest.raises(UsageError, match="no list"):
            delete(order({"sha256": first}))


def order(args: dict[str, Any]) -> Command:
    return Command("pictures-delete", args, "1", "k", 1, 0.0, 0.0, 0)


def test_what_cannot_be_kept_raises_an_alarm_and_a_damaged_picture_is_removed_with_one(
    tmp_path: Path,
) -> None:
    with PictureBench(tmp_path, quota_mb=1) as bench:
        bench.pass_by(jpeg(1, 2 << 20))
        assert standing(bench) == {"pictures.not_kept"}
        bench.pass_by(jpeg(2))
        assert standing(bench) == set()
        (file,) = bench.files()
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        bench.journal.acknowledge(Stream.ACCESS, bench.journal.epoch, 2)
        bench.desk.connected()
        bench.desk.turn()
        assert standing(bench) == {"pictures.damaged"}
        assert bench.files() == []


def standing(bench: PictureBench) -> set[str]:
    return {alarm.name for alarm in bench.alarms.standing()}


# Its way to the platform


class Way:
    """The desk, and the platform's folder and ledger; every message passes by here."""

    def __init__(self, bench: PictureBench, folder: Path) -> None:
        folder.mkdir()
        self.bench, self.shelf, self.ledger = bench, PictureShelf(folder), Ledger(folder / "ledger.db")
        self.offsets: list[int | None] = []

    def deliver_events(self) -> None:
        """The platform takes and acknowledges every event."""
        rows = self.bench.journal.pending(None, 0, 1000)
        arrivals = [Arrival(AUDIENCE, row.stream, row.payload) for row in rows]
        tally = self.ledger.take(arrivals, now_ns=0, utc_ns=0)
        for (_, epoch, stream), head in tally.heads.items():
            self.bench.journal.acknowledge(stream, epoch, head)

    def carry(self, messages: int = 100, *, spoil: bool = False) -> None:
        """So many messages, and their answers."""
        for _ in range(messages):
            self.bench.desk._sender.look_soon()
            self.bench.desk.turn()
            for topic, payload in self.bench.desk.take_outgoing():
                assert topic == up_topic(TOPICS)
                line, _, part = payload.partition(b"\n")
                header = json.loads(line)
                self.offsets.append(header["offset"])
                part = bytes(len(part)) if spoil else part
                answer = self.shelf.take(AUDIENCE, header, part, self.ledger)
                self.bench.desk.offer(ack_topic(TOPICS), json.dumps(answer).encode())
        self.bench.desk.turn()

    def stored(self) -> list[bytes]:
        return [one.path.read_bytes() for one in self.shelf.stored()]

    def states(self) -> list[str]:
        return [picture.state for picture in self.bench.media.pictures()]


def test_a_picture_goes_after_its_event_part_by_part_and_arrives_whole(tmp_path: Path) -> None:
    with PictureBench(tmp_path) as bench:
        way = Way(bench, tmp_path / "p")
        bench.pass_by(jpeg(1, LARGE))
        bench.desk.connected()
        way.carry(5)
        assert way.offsets == [], "its event is not acknowledged"
        way.deliver_events()
        way.carry(5)
        assert way.offsets == [None, 0, PART_BYTES, 2 * PART_BYTES]
        assert way.stored() == [jpeg(1, LARGE)]
        assert way.states() == [SENT]
        (one,) = way.shelf.stored(AUDIENCE)
        assert (one.about["lane"], one.about["kind"]) == ("in", "plate")
        assert list(way.shelf.stored("park/other")) == []
        way.ledger.close()


def test_after_a_cut_it_goes_on_from_where_the_platform_is(tmp_path: Path) -> None:
    with PictureBench(tmp_path) as bench:
        way = Way(bench, tmp_path / "p")
        bench.pass_by(jpeg(1, LARGE))
        way.deliver_events()
        bench.desk.connected()
        way.carry(2)
        assert way.offsets == [None, 0]
        bench.desk.turn()
        assert bench.desk.take_outgoing(), "this one is lost with the connection"
        bench.desk.connected()
        way.shelf = PictureShelf(tmp_path / "p")
        way.carry(5)
        assert way.offsets == [None, 0, None, PART_BYTES, 2 * PART_BYTES]
        assert way.stored() == [jpeg(1, LARGE)]
        way.ledger.close()


def test_what_is_damaged_on_its_way_is_not_kept_and_is_given_up_after_three_times(tmp_path: Path) -> None:
    with PictureBench(tmp_path) as bench:
        way = Way(bench, tmp_path / "p")
        bench.pass_by(jpeg(1))
        way.deliver_events()
        bench.desk.connected()
        way.carry(10, spoil=True)
        assert way.stored() == []
        assert way.states() == ["refused"]
        assert way.offsets == [None, 0, 0, 0]
        way.ledger.close()


def test_PRIV_1_only_who_allows_it_is_sent_and_a_withdrawal_stops_a_picture_on_its_way(
    tmp_path: Path,
) -> None:
    with PictureBench(tmp_path) as bench:
        way = Way(bench, tmp_path / "p")
        bench.agree("anna", "send")
        bench.agree("bert", "keep")
        bench.pass_by(jpeg(1, LARGE), FACE, subject="bert")
        bench.pass_by(jpeg(2), FACE, subject="anna")
        bench.pass_by(jpeg(3, LARGE), FACE, subject="anna")
        way.deliver_events()
        bench.desk.connected()
        way.carry(4)
        assert way.stored() == [jpeg(2)]
        assert way.offsets == [None, 0, None, 0]
        bench.sets.withdraw_consent("anna")
        bench.consents_changed()
        way.carry(5)
        assert way.offsets == [None, 0, None, 0]
        assert way.states() == ["kept"], "bert's stays here"
        way.deliver_events()
        assert way.shelf.follow(way.ledger) == 2
        assert way.stored() == []
        assert list((tmp_path / "p" / "pictures").rglob("*.part")) == []
        assert way.shelf.follow(way.ledger) == 0
        way.ledger.close()


def test_PRIV_1_the_platform_takes_a_picture_only_of_an_event_that_names_it(tmp_path: Path) -> None:
    with PictureBench(tmp_path) as bench:
        way = Way(bench, tmp_path / "p")
        event = bench.pass_by(jpeg(1))
        (kept,) = bench.media.pictures()
        header = {**kept.to_json(), "offset": 0}
        later = {"sha256": kept.sha256, "refused": "no event that is here names it", "later": True}
        assert way.shelf.take(AUDIENCE, header, jpeg(1), way.ledger) == later
        way.deliver_events()
        foreign = {**header, "sha256": hashlib.sha256(jpeg(2)).hexdigest()}
        assert way.shelf.take(AUDIENCE, foreign, jpeg(2), way.ledger)["later"] is True
        assert way.shelf.take("park/gate-8", header, jpeg(1), way.ledger)["later"] is True
        for wrong in ({"sha256": "../x"}, {"sha256": 7}, {"bytes": 0}, {"bytes": 1 << 30}, {"bytes": True}):
            answer = way.shelf.take(AUDIENCE, {**header, **wrong}, b"", way.ledger)
            assert "refused" in answer
            assert "later" not in answer
        assert event.data["picture"]["sha256"] == kept.sha256
        assert way.shelf.take(AUDIENCE, header, jpeg(1), way.ledger) == {"sha256": kept.sha256, "done": True}
        way.ledger.close()


def test_answers_that_are_none_change_nothing(tmp_path: Path) -> None:
    with PictureBench(tmp_path) as bench:
        upload = bench.desk._sender._upload
        assert upload.heard(b'{"sha256": "x", "done": true}') is Heard.NOTHING
        bench.pass_by(jpeg(1))
        (kept,) = bench.media.pictures()
        upload.begin(kept, jpeg(1))
        assert upload.message(0) is not None
        for junk in (b"", b"[]", b"{}", b'{"sha256": "y", "done": true}', b"{" * 5000):
            assert upload.heard(junk) is Heard.NOTHING
        for have in ("-1", "5000", "true", '"7"', "1e3"):
            told = f'{{"sha256": "{kept.sha256}", "have": {have}}}'.encode()
            assert upload.heard(told) is Heard.NOTHING
        assert upload.message(1) is None, "it waits for an answer"
        assert upload.message(21 * 10**9) is not None, "and asks again"


# Where it comes from


def settings_of(**pictures: Any) -> Settings:
    accepts = pictures.pop("accepts", ["plate"])
    lane = {
        "type": "barrier",
        "cameras": ["north"],
        "accepts": accepts,
        "open": {"board": "relays", "channel": 1},
    }
    return parse_settings(
        {
            "device": {"id": "gate-7"},
            "boards": {"relays": {"type": "lcus", "port": "/dev/null"}},
            "cameras": {"north": {"type": "replay", "source": "lane.mp4", "looks_for": ["plate"]}},
            "lanes": {"in": lane},
            "sync": {"brokers": pictures.pop("brokers", ["mqtts://platform"])},
            "pictures": pictures,
        }
    )


def test_PRIV_1_a_camera_is_asked_for_pictures_only_where_they_are_kept() -> None:
    def crops(**pictures: Any) -> Any:
        settings = settings_of(**pictures)
        camera: Any = settings.cameras["north"]
        return settings.as_run(camera, "north").crops

    assert crops() == ()
    assert crops(plates="refused") == ("plate",)
    assert crops(plates="always", faces="consented") == ("plate",), "the lane takes no faces"
    assert crops(faces="consented") == ()
    assert crops(faces="consented", accepts=["plate", "face"]) == ("face",)


def test_PRIV_1_the_picture_is_cut_from_the_frame_that_was_read_and_only_when_it_is_wanted() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:120, 100:200] = (0, 0, 255)
    frame = Frame("north", 4, 1000, image)
    track = Track(1, Kind.PLATE, Box(100, 80, 200, 120), 0, 0)
    reading = Reading(quality=0.9)

    def told(*, with_crop: bool) -> Sighting:
        return Teller("north", "s").read(
            track, frame, reading, Course(), (0, 0), {}, 2000, with_crop=with_crop
        )

    assert told(with_crop=False).crop_jpeg == b""
    assert told(with_crop=True).crop_jpeg.startswith(b"\xff\xd8")


def test_PRIV_1_the_picture_of_who_was_recognised_is_never_that_of_another_in_the_same_track() -> None:
    anna, bert = (
        FaceMatch("anna", 0.35, "bert", 0.7, 0.8, 1, 2),
        FaceMatch("bert", 0.35, "anna", 0.7, 0.8, 1, 2),
    )
    evidence = FaceEvidence(visit="v")
    for seq, (match, quality) in enumerate([(bert, 1.0), (anna, 0.7), (anna, 0.6), (anna, 0.5)], start=1):
        identity = evidence.observe(
            Sighting(
                *("north", "s", 1, Kind.FACE, seq, seq * 10**9, seq * 10**9, Box(0, 0, 9, 9), quality),
                template=b"t",
                crop_jpeg=f"{match.subject} {seq}".encode(),
            ),
            match,
        )
    assert (identity.subject, identity.crop_jpeg) == ("anna", b"anna 2")


# Settings


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ({"plate": "always"}, "pictures.plate: unknown option; did you mean 'plates'?"),
        ({"lanes": ["inn"]}, "pictures.lanes: no lane 'inn' (there are: in)"),
        ({"upload": True}, "nothing is kept to be sent"),
        ({"upload": True, "plates": "always", "brokers": ["mqtt://platform"]}, "pictures go over TLS only"),
        ({"keep_days": 0}, "pictures.keep_days"),
        ({"plates": "sometimes"}, "pictures.plates"),
    ],
    ids=str,
)
def test_a_wrong_section_is_named_with_its_path(pictures: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(**pictures)
    assert words in "\n".join(caught.value.problems)


def test_PRIV_1_nothing_is_kept_or_sent_unless_it_is_asked_for_and_never_without_tls() -> None:
    quiet = settings_of().pictures
    assert (quiet.kinds, quiet.upload) == ((), False)
    for broker in ("mqtts://platform", "mqtt://127.0.0.1:1883", "mqtt://localhost", "mqtt://[::1]:1883"):
        assert settings_of(upload=True, plates="always", brokers=[broker]).pictures.upload


def test_PRIV_1_about_whom_the_platform_publishes_its_word_of_the_consent_counts() -> None:
    consent = {
        "who": "王丽",
        "when": 1_700_000_000,
        "text_version": "v3",
        "channel": "app",
        "under_14": False,
    }
    told: dict[str, str] = {}
    for person, word in (("anna", "send"), ("bert", "no")):
        content = face_content({**consent, "passage_pictures": word}, [np.ones(4, np.float32)])
        read_face(bytearray(content), person, 1_795_000_000, told)
    assert told == {"anna": "send"}

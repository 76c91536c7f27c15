"""Pictures of passages over a real broker: faces only by consent, and gone on both sides when withdrawn."""

from pathlib import Path

import pytest
from picture_bench import FACE, PictureBench, jpeg
from sync_bench import AUDIENCE, PROTOCOLS, Bench, make_settings, until
from tcp_proxy import TcpProxy

from edge.access import Consent, Person
from edge.clock import SystemClock
from edge.pictures import picture_handlers
from edge.platform.picture_collector import PictureCollector
from edge.records import Verdict
from edge.sync import Desired, Uplink, load_public_keys
from edge.sync.picture_upload import PART_BYTES
from edge.sync.session import Broker, Login
from edge.sync.side_desks import SideDesks

pytestmark = pytest.mark.mosquitto
LARGE = 2 * PART_BYTES + 500


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_PRIV_1_what_consent_allows_arrives_after_its_event_and_is_withdrawn_on_both_sides(
    tmp_path: Path, protocol: str
) -> None:
    with (
        Bench(tmp_path, protocol=protocol) as bench,
        TcpProxy(bench.broker.port) as proxy,
        PictureBench(tmp_path / "box") as box,
    ):
        platform = bench.platform()
        login = Login(Broker.parse(bench.broker.url), "gh-pictures", clean=True)
        collector = PictureCollector(login, tmp_path / "platform", SystemClock(), reconnect_max_s=0.5)
        settings = make_settings(tmp_path / "box", brokers=(proxy.url,), protocol=protocol)
        keys = load_public_keys(bench.keys_file)
        desired = Desired(
            box.journal, box.clock, keys, settings, apply=lambda _settings, _rev: None, health=lambda: ()
        )
        uplink = Uplink(
            settings,
            box.journal,
            box.clock,
            box.alarms,
            keys=keys,
            desired=desired,
            handlers=picture_handlers(box.desk),
            sets=SideDesks(None, box.desk),
        )
        for person, word in (("anna", "send"), ("bert", "keep"), ("carl", "no")):
            box.sets.put_person(Person(person, ""))
            box.sets.put_consent(person, Consent(person, 1_795_000_000, "v3", "paper", passage_pictures=word))
        try:
            box.consents_changed()
            box.desk.start()
            for number, person in enumerate(("anna", "bert", "carl", None)):
                box.decide(jpeg(number), FACE, subject=person)
            box.decide(jpeg(10, LARGE), verdict=Verdict.DENY)
            until(lambda: len(box.files()) == 3, what="anna, bert and the car are kept")
            collector.start()
            uplink.start()
            until(lambda: uplink.status.online, what="there is a connection")
            proxy.cut()
            until(lambda: len(list(collector.shelf.stored())) == 2, what="two have come")
            stored = {one.about["person"]: one.path.read_bytes() for one in collector.shelf.stored(AUDIENCE)}
            assert stored == {"anna": jpeg(0), None: jpeg(10, LARGE)}
            events = {event["data"].get("picture", {}).get("sha256") for event in platform.events(AUDIENCE)}
            assert {one.sha256 for one in collector.shelf.stored()} <= events

            receipt = box.sets.withdraw_consent("anna")
            box.grounds += 1
            assert receipt.pictures == 1
            assert len(box.files()) == 2
            until(lambda: len(list(collector.shelf.stored())) == 1, what="the platform's is gone too")

            kept = {picture.person: picture.sha256 for picture in box.media.pictures()}
            answer = platform.send_command(
                AUDIENCE, "pictures-delete", {"sha256": [kept["bert"]]}, timeout_s=60.0, life_s=60.0
            )
            assert (answer.result, answer.data["deleted"]) == ("done", 1)
            assert len(box.files()) == 1
            assert [alarm for alarm in box.alarms.standing() if alarm.name.startswith("pictures.")] == []
        finally:
            uplink.close()
            collector.close()

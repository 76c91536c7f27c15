"""The desired configuration over a real mosquitto: tried, kept, or taken back (CFG-1)."""

import time
from pathlib import Path

import pytest
from sync_bench import AUDIENCE, PROTOCOLS, TOPICS, Bench, Box, Stranger, until

from edge.platform import Counterpart
from edge.settings import Settings
from edge.store.journal import Journal
from edge.sync.config_document import effective_hash

pytestmark = pytest.mark.mosquitto

LANE = {"type": "barrier", "cameras": ["north"], "open": {"board": "relays", "channel": 1}}


def _reported(platform: Counterpart) -> dict[str, object]:
    device = platform.devices().get(AUDIENCE)
    return dict(device.reported) if device else {}


def _until_state(platform: Counterpart, rev: int, state: str) -> dict[str, object]:
    until(
        lambda: (_reported(platform).get("rev"), _reported(platform).get("state")) == (rev, state),
        what=f"revision {rev} is {state}",
    )
    return _reported(platform)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_CFG_1_a_valid_configuration_is_tried_and_applied_and_reported(tmp_path: Path, protocol: str) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        rev = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}, "lanes": {"in": LANE}})
        report = _until_state(platform, rev, "applied")
        assert report["errors"] == []
        assert report["running_rev"] == rev
        (settings, told_rev), *more = box.applied
        assert (settings.decision.deadline_ms, told_rev, more) == (1500, rev, [])
        assert report["effective_hash"] == effective_hash(settings)
        steps = [event["type"] for event in platform.events(AUDIENCE) if "config" in event["type"]]
        until(lambda: box.backlog() == 0)
        steps = [event["type"] for event in platform.events(AUDIENCE) if "config" in event["type"]]
        way = ("received", "verified", "staged", "trial", "healthy", "confirmed", "applied")
        assert steps == [f"gh.config.{step}.v1" for step in way]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_CFG_1_an_invalid_configuration_is_rejected_whole_with_every_path(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        broken_lane = LANE | {"cameras": ["nort"], "open": {"board": "relays", "channel": 99}}
        rev = platform.publish_desired(
            AUDIENCE, {"decision": {"deadline_ms": 5, "agreeing_readz": 3}, "lanes": {"in": broken_lane}}
        )
        report = _until_state(platform, rev, "rejected")
        paths = {error["path"] for error in report["errors"]}
        assert paths >= {"/decision/deadline_ms", "/decision/agreeing_readz", "/lanes/in/open/channel"}
        assert any("did you mean 'agreeing_reads'" in error["message"] for error in report["errors"])
        assert report["running_rev"] == 0
        assert box.applied == []
        wrong_camera = LANE | {"cameras": ["nort"]}
        rev = platform.publish_desired(AUDIENCE, {"lanes": {"in": wrong_camera}})
        report = _until_state(platform, rev, "rejected")
        assert report["errors"][0]["path"] == "/lanes/in/cameras"
        rev = platform.publish_desired(AUDIENCE, {"boards": {}})
        report = _until_state(platform, rev, "rejected")
        assert report["errors"][0]["path"] == "/boards"
        assert box.applied == []


def test_CFG_1_a_configuration_under_which_a_lane_dies_is_rolled_back_in_time(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        boxes: list[Box] = []

        def health() -> tuple[str, ...]:
            running = boxes[0].applied[-1][0] if boxes and boxes[0].applied else None
            return ("lane in: no board answers",) if running and running.decision.deadline_ms == 666 else ()

        platform, box = bench.platform(), bench.new_box(health=health)
        boxes.append(box)
        box.start()
        good = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}}, confirm_s=5)
        _until_state(platform, good, "applied")
        began_s = time.monotonic()
        bad = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 666}}, confirm_s=5)
        _until_state(platform, bad, "trial")
        report = _until_state(platform, bad, "rolled_back")
        assert 5 <= time.monotonic() - began_s < 5 + 30
        assert report["errors"] == [{"path": "", "code": "health", "message": "lane in: no board answers"}]
        assert report["running_rev"] == good
        assert [(s.decision.deadline_ms, rev) for s, rev in box.applied] == [
            (1500, good),
            (666, bad),
            (1500, good),
        ]


def test_CFG_1_what_was_wrong_before_the_trial_does_not_count_against_it(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform = bench.platform()
        bench.box(health=lambda: ("camera north: lost",))
        rev = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}}, confirm_s=5)
        _until_state(platform, rev, "applied")


def test_CFG_1_settings_that_cannot_be_applied_are_taken_back_at_once(tmp_path: Path) -> None:
    def refuse(settings: Settings) -> str:
        return "port /dev/ttyUSB9 is gone" if settings.decision.deadline_ms == 777 else ""

    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box(apply_error=refuse)
        rev = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 777}})
        report = _until_state(platform, rev, "rolled_back")
        assert report["errors"][0]["message"] == "port /dev/ttyUSB9 is gone"
        assert [s.decision.deadline_ms for s, _ in box.applied] == [2000]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_CFG_1_the_same_document_again_is_no_operation_at_any_number_of_connections(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        rev = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}})
        _until_state(platform, rev, "applied")
        for turn in range(3):
            bench.broker.kill()
            bench.broker.start()
            until(lambda: platform.is_online and box.uplink.status.online)
            until(lambda turn=turn: platform.devices()[AUDIENCE].conn >= turn + 2)
            _until_state(platform, rev, "applied")
        assert len(box.applied) == 1
        newer = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}})
        report = _until_state(platform, newer, "applied")
        assert report["running_rev"] == newer
        assert len(box.applied) == 1, "the same content with a higher revision is no news for the lanes"


def test_CFG_1_an_older_revision_is_refused_and_a_signed_rollback_is_taken(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench, Stranger(bench.broker) as rogue:
        platform, box = bench.platform(), bench.box()
        rev = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}}, rev=10)
        _until_state(platform, rev, "applied")
        old = platform.signer.document(AUDIENCE, {"decision": {"deadline_ms": 1400}}, rev=9)
        rogue.say(TOPICS.desired, old, retain=True)
        until(lambda: _reported(platform).get("state") == "rejected")
        assert _reported(platform)["errors"][0]["code"] == "rev"
        assert _reported(platform)["running_rev"] == 10
        platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1300}}, rev=8, rollback=True)
        _until_state(platform, 8, "applied")
        assert [s.decision.deadline_ms for s, _ in box.applied] == [1500, 1300]
        bad = platform.signer.document(AUDIENCE, {"decision": {"deadline_ms": 1500}}, rev=10, issued_s=1e9)
        rogue.say(TOPICS.desired, bad, retain=True)
        until(lambda: _reported(platform).get("state") == "rejected")
        assert _reported(platform)["errors"][0]["code"] == "issued", "what was rolled back cannot be replayed"
        assert _reported(platform)["running_rev"] == 8


def test_CFG_1_a_forged_or_misaddressed_configuration_changes_nothing(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench, Stranger(bench.broker) as rogue:
        platform, box = bench.platform(), bench.box()
        sections = {"decision": {"automatic_opening": False}}
        good = platform.signer.document(AUDIENCE, sections, rev=3)
        hostile = {
            "signature": good[:-4] + b"AAAA",
            "aud": platform.signer.document("park/gate-8", sections, rev=3),
            "size": b"x" * 200_000,
        }
        until(lambda: _reported(platform))
        for code, raw in hostile.items():
            rogue.say(TOPICS.desired, raw)
            until(lambda code=code: [e["code"] for e in _reported(platform).get("errors", [])] == [code])
            assert _reported(platform)["state"] == "rejected"
        command = platform.signer.command(AUDIENCE, "open", {}, nonce="0" * 32, counter=1).raw
        rogue.say(TOPICS.desired, command)
        until(lambda: "gh-config" in _reported(platform)["errors"][0]["message"])
        assert box.applied == []
        platform.publish_desired(AUDIENCE, sections, rev=3)
        _until_state(platform, 3, "applied")


def _state(box: Box) -> dict[str, object]:
    journal: Journal = box.journal
    return journal.get_state("config")


def test_CFG_1_two_starts_in_trial_go_back_to_what_ran_before(tmp_path: Path) -> None:
    def sick() -> tuple[str, ...]:
        return ("lane in: fault",) if boxes and boxes[-1].applied else ()

    boxes: list[Box] = []
    with Bench(tmp_path) as bench:
        platform = bench.platform()
        boxes.append(bench.box(health=sick))
        rev = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}}, confirm_s=60)
        _until_state(platform, rev, "trial")
        boxes[-1].close()
        second = bench.new_box(health=lambda: ("lane in: fault",))
        assert second.started_with.decision.deadline_ms == 1500, "tried once more"
        assert _state(second)["starts"] == 1
        second.close()
        third = bench.box()
        assert third.started_with.decision.deadline_ms == 2000, "given up"
        report = _until_state(platform, rev, "rolled_back")
        assert report["errors"][0]["code"] == "starts"
        time.sleep(0.5)
        assert third.applied == [], "the retained document is not tried again"
        third.close()
        fourth = bench.new_box()
        assert fourth.started_with.decision.deadline_ms == 2000


def test_CFG_1_a_start_in_trial_that_goes_well_ends_the_trial(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform = bench.platform()
        first = bench.box(settle_s=60.0)
        rev = platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}})
        _until_state(platform, rev, "trial")
        first.close()
        second = bench.box()
        assert second.started_with.decision.deadline_ms == 1500
        _until_state(platform, rev, "applied")
        assert second.applied == [], "it started with it; nothing to swap"
        second.close()
        assert bench.new_box().started_with.decision.deadline_ms == 1500


def test_CFG_1_a_document_that_no_longer_fits_the_file_is_left_out_and_reported(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box()
        lanes = {"in": LANE, "out": LANE | {"open": {"board": "relays", "channel": 2}}}
        rev = platform.publish_desired(AUDIENCE, {"lanes": lanes})
        _until_state(platform, rev, "applied")
        box.close()
        # Somebody renames the board in the file; the box must start all the same.
        changed = box.settings.model_dump(mode="json")
        changed["boards"] = {"other": changed["boards"]["relays"]}
        changed["lanes"]["in"]["open"]["board"] = "other"
        again = Box(bench.folder / "box", Settings.model_validate(changed), bench.keys_file)
        try:
            assert set(again.started_with.lanes) == {"in"}
            again.start()
            report = _until_state(platform, rev, "rejected")
            assert {error["path"] for error in report["errors"]} >= {"/lanes/in/open/board"}
            assert report["running_rev"] == 0
        finally:
            again.close()

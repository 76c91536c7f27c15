"""The configuration: what is wrong is said whole, with its path and a hint."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from edge import settings as settings_module
from edge.errors import SettingsError
from edge.settings import Settings
from edge.settings_file import effective, load_settings, parse_settings, section_schema, with_sections

ROOT = Path(__file__).resolve().parents[2]
REPLAY = {"type": "replay", "source": "film.avi", "looks_for": ["plate"]}
LCUS = {"type": "lcus", "port": "/dev/ttyUSB0"}
MODBUS = {"type": "modbus", "profile": "lc", "port": "/dev/ttyUSB1"}
CONFIGS = sorted((ROOT / "config").glob("*.toml"))


def minimal(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "device": {"id": "gate-1"},
        "cameras": {"lane": dict(REPLAY)},
        "boards": {"relay": {"type": "lcus", "port": "/dev/ttyUSB0"}},
        "lanes": {
            "entry": {
                "type": "barrier",
                "cameras": ["lane"],
                "accepts": ["plate"],
                "open": {"board": "relay", "channel": 1},
            }
        },
    }
    return document | changes


def problems_of(document: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(document)
    return caught.value.problems


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert load_settings(path).device.id


def test_the_annotated_configuration_names_every_option() -> None:
    text = (ROOT / "config" / "gatehouse.toml").read_text(encoding="utf-8")
    sections = [c for c in vars(settings_module).values() if isinstance(c, type) and issubclass(c, BaseModel)]
    options = {option for section in sections for option in section.model_fields}
    missing = {option for option in options if option not in text}
    assert not missing


def test_the_defaults_in_the_annotated_configuration_are_the_real_ones() -> None:
    text = (ROOT / "config" / "gatehouse.toml").read_text(encoding="utf-8")
    decision = text.partition("[decision]")[2].partition("\n[")[0]
    lines = [
        line.removeprefix("# ") for line in decision.splitlines()[1:] if " = " in line.partition(" #")[0]
    ]
    stated = tomllib.loads("\n".join(lines))
    assert stated == settings_module.DecisionSettings().model_dump(exclude_none=True)


def test_every_option_says_what_it_is_for() -> None:
    sections = [c for c in vars(settings_module).values() if isinstance(c, type) and issubclass(c, BaseModel)]
    for section in sections:
        for option, field in section.model_fields.items():
            plain = option == "type" or section is Settings
            assert plain or field.description, f"{section.__name__}.{option}"


def test_a_typing_mistake_is_an_error_with_the_word_that_was_meant() -> None:
    document = minimal(decision={"deadline_msec": 500})
    assert problems_of(document) == ("decision.deadline_msec: unknown option; did you mean 'deadline_ms'?",)


def test_all_faults_are_said_at_once_each_with_its_path() -> None:
    document = minimal(device={"id": "Gate 1"}, decision={"agreeing_reads": 1})
    document["lanes"]["entry"]["open"] = {"board": "relay", "chanel": 1}
    said = "\n".join(problems_of(document))
    for path in (
        "device.id:",
        "decision.agreeing_reads:",
        "lanes.entry.open.channel: is missing",
        "'channel'?",
    ):
        assert path in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cameras": {}}, "lanes.entry.cameras: no camera 'lane'"),
        ({"boards": {}}, "lanes.entry.open.board: no board 'relay'"),
        ({"cameras": {"lane": REPLAY | {"looks_for": ["face"]}}}, "looks for nothing that the lane accepts"),
        ({"sync": {"enabled": True}}, "brokers is empty"),
        ({"sync": {"brokers": ["http://x"]}}, "write mqtt://host:1883"),
        ({"sync": {"brokers": ["mqtt://h:99999"]}}, "write mqtt://host:1883"),
        ({"sync": {"brokers": ["mqtts://"]}}, "write mqtt://host:1883"),
        ({"sync": {"brokers": ["mqtt://me:secret@h"]}}, "write mqtt://host:1883"),
        (
            {"boards": {"relay": LCUS | {"channels": 2}, "io": LCUS}},
            "boards.io.port: /dev/ttyUSB0 is taken by",
        ),
        ({"boards": {"relay": MODBUS | {"outputs": 0}}}, "board 'relay' has no relay 1, it has none"),
        ({"sync": {"brokers": ["mqtt://x"], "cert_file": "a"}}, "belong together"),
        ({"sync": {"brokers": ["mqtt://x"], "password_file": "a", "password_credential": "b"}}, "not both"),
        ({"cameras": {"lane": {"source": "x", "looks_for": ["plate"]}}}, "cameras.lane.type: is missing"),
        ({"device": 3}, "device: must be a section with options (given: 3)"),
        ({"cameras": {"lane": REPLAY | {"region": [0.5, 0, 0.2, 1]}}}, "left < right"),
        ({"cameras": {"lane": REPLAY | {"type": "rtps"}}}, "known here: opencv, picamera, replay"),
    ],
)
def test_faults_between_sections_are_named(change: dict[str, Any], said: str) -> None:
    assert said in "\n".join(problems_of(minimal(**change)))


@pytest.mark.parametrize(
    ("lane", "sync", "good"),
    [
        ({"other_ways": []}, {}, False),
        ({"other_ways": ["exit_button"]}, {}, False),
        ({"other_ways": ["staff"]}, {}, False),
        ({"other_ways": ["staff"]}, {"brokers": ["mqtt://x"]}, False),
        ({"other_ways": ["staff"]}, {"brokers": ["mqtt://x"], "platform_keys": "keys.json"}, True),
        ({"other_ways": ["staff"], "hold_key": {"board": "io", "channel": 6}}, {}, True),
        ({"accepts": ["face", "plate"], "other_ways": []}, {}, False),
    ],
)
def test_ACC_4_a_lane_where_a_face_is_the_only_way_is_refused(
    lane: dict[str, Any], sync: dict[str, Any], good: bool
) -> None:
    """A way counts only if somebody can go it today: a button on the inside lets nobody in."""
    door = {
        "type": "door",
        "cameras": ["lane"],
        "lock": {"board": "relay", "channel": 4},
        "accepts": ["face"],
    }
    document = minimal(boards={"relay": LCUS, "io": MODBUS}, lanes={"door": door | lane})
    document["cameras"]["lane"]["looks_for"] = ["face"]
    if sync:
        document["sync"] = sync
    if good:
        assert parse_settings(document).lanes["door"].other_ways == ("staff",)
    else:
        assert "face is the only way in" in "\n".join(problems_of(document))


def test_inputs_exist_and_have_one_meaning_in_a_lane() -> None:
    document = minimal(boards={"relay": LCUS, "io": MODBUS})
    lane = document["lanes"]["entry"]
    lane |= {"presence": {"board": "relay", "channel": 1}, "fire": {"board": "io", "channel": 20}}
    lane |= {"open_limit": {"board": "io", "channel": 1}, "beam": {"board": "io", "channel": 1}}
    said = "\n".join(problems_of(document))
    for line in (
        "lanes.entry.presence.channel: board 'relay' has no input 1, it has none",
        "lanes.entry.fire.channel: board 'io' has no input 20, it has 8",
        "is taken by lanes.entry.open_limit",
    ):
        assert line in said


def test_a_pulse_is_never_longer_than_its_guard() -> None:
    document = minimal()
    document["lanes"]["entry"]["open"] |= {"pulse_ms": 600, "max_on_ms": 500}
    assert "is longer than max_on_ms 500" in "\n".join(problems_of(document))


def test_a_close_wire_without_a_loop_is_refused() -> None:
    document = minimal()
    document["lanes"]["entry"]["close"] = {"board": "relay", "channel": 2}
    assert "presence is not" in "\n".join(problems_of(document))


def test_one_relay_cannot_mean_two_things() -> None:
    document = minimal()
    document["lanes"]["entry"]["stop"] = {"board": "relay", "channel": 1}
    assert "is taken by lanes.entry.open" in "\n".join(problems_of(document))


def test_secrets_in_addresses_are_masked_when_the_configuration_is_shown() -> None:
    document = minimal(sync={"brokers": ["mqtts://x"], "password_file": "/etc/word", "username": "me"})
    document["cameras"]["lane"]["source"] = "rtsp://admin:SECRET@10.0.0.7/1?token=SECRET"
    shown = effective(parse_settings(document))
    assert "SECRET" not in shown
    assert "rtsp://***@10.0.0.7/1" in shown
    assert 'sync.username = "me"' in shown
    assert 'sync.password_file = "/etc/word"' in shown


def test_a_missing_file_and_broken_toml_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such configuration file"):
        load_settings(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[device\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(broken)


def test_sections_from_the_platform_replace_whole_sections_and_nothing_else() -> None:
    settings = parse_settings(minimal())
    changed = with_sections(settings, {"decision": {"agreeing_reads": 3}})
    assert changed.decision.agreeing_reads == 3
    assert changed.lanes == settings.lanes
    assert changed.device == settings.device


@pytest.mark.parametrize("section", ["device", "boards", "remote", "decisions"])
def test_sections_that_may_not_be_sent_are_refused(section: str) -> None:
    with pytest.raises(SettingsError, match="not a section that can be sent"):
        with_sections(parse_settings(minimal()), {section: {}})


def test_schemas_for_the_platform_describe_their_options() -> None:
    assert "agreeing_reads" in section_schema("decision")["properties"]
    assert "BarrierLane" in section_schema("lanes")["$defs"]
    assert "OpenCvCamera" in section_schema("cameras")["$defs"]
    assert "brokers" in section_schema("sync")["properties"]


@pytest.mark.parametrize("option", ["enabled", "platform_keys", "root_key"])
def test_who_is_believed_stands_only_in_the_file(option: str) -> None:
    link = {"brokers": ["mqtt://other"], option: False}
    with pytest.raises(SettingsError, match=f"sync.{option}: stands only in the file"):
        with_sections(parse_settings(minimal()), {"sync": link})
    assert option not in section_schema("sync")["properties"]

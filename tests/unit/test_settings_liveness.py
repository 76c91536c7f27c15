"""Liveness, passes and second factors in the configuration: what is asked for must be there to be had."""

from pathlib import Path
from typing import Any

import pytest

from edge.errors import SettingsError
from edge.settings import Settings
from edge.settings_file import parse_settings, with_sections

MODEL = {"path": "live.onnx", "sha256": "a" * 64, "input_px": 80, "live_class": 1}


def document(
    lane: dict[str, Any] | None = None, looks_for: tuple[str, ...] = ("face", "qr"), **sections: Any
) -> dict[str, Any]:
    door = {
        "type": "door",
        "cameras": ["cam"],
        "accepts": ["face"],
        "lock": {"board": "relay", "channel": 4},
    }
    return {
        "device": {"id": "box"},
        "cameras": {"cam": {"type": "replay", "source": "x", "looks_for": list(looks_for)}},
        "boards": {"relay": {"type": "lcus", "port": "/dev/null"}},
        "lanes": {"door": door | (lane or {})},
        "passes": {"keys": "pass_keys.json"},
        "sync": {"brokers": ["mqtt://platform"], "platform_keys": "keys.json"},
    } | sections


def problems(given: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_settings(given)
    return "\n".join(caught.value.problems)


def test_by_default_nothing_is_asked() -> None:
    lane = parse_settings(document()).lanes["door"]
    assert (lane.liveness, lane.hears_of) == ("none", {"face"})


def test_a_lane_that_asks_hears_of_second_factors_too() -> None:
    lane = parse_settings(document({"liveness": "passive"})).lanes["door"]
    assert lane.hears_of == {"face", "qr", "pin", "card"}
    plates = document({"liveness": "passive", "accepts": ["plate"]}, looks_for=("plate",))
    assert parse_settings(plates).lanes["door"].hears_of == {"plate"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (document({"liveness": "strict"}), "lanes.door.liveness"),
        (document({"liveness": "passive", "second_factors": []}), "nobody could present one"),
        (document({"liveness": "passive"}, looks_for=("face",)), "nobody could present one"),
        (document({"liveness": "passive"}, passes={}), "nobody could present one"),
        (document({"liveness": "passive", "second_factors": ["pin"]}), "nobody could present one"),
        (document({"liveness": "model"}), "model needs models.liveness"),
        (document({"accepts": ["face", "qr"]}, passes={}), "qr needs passes.keys"),
        (document({"liveness_score": 0.0}), "lanes.door.liveness_score"),
        (document({"second_factor_s": 1}), "lanes.door.second_factor_s"),
        (document({"second_factors": ["face"]}), "lanes.door.second_factors"),
        (document({"livenes": "passive"}), "did you mean 'liveness'"),
        (document(models={"liveness": MODEL | {"sha256": "abc"}}), "models.liveness.sha256"),
        (document(models={"liveness": MODEL | {"live": 1}}), "models.liveness.live"),
        (document(passes={"key": "x"}), "did you mean 'keys'"),
        (document(looks_for=("face", "card")), "cameras.cam.looks_for"),
    ],
)
def test_what_cannot_work_is_said(given: dict[str, Any], words: str) -> None:
    assert words in problems(given)


@pytest.mark.parametrize(
    ("lane", "sections"),
    [
        ({"liveness": "passive"}, {}),
        ({"liveness": "challenge", "second_factors": ["qr"]}, {}),
        ({"liveness": "model"}, {"models": {"liveness": MODEL}}),
        (
            {"liveness": "passive", "second_factors": ["pin"]},
            {
                "readers": {"pad": {"type": "bridge", "port": "/dev/null1", "lane": "door"}},
                "passes": {},
            },
        ),
    ],
)
def test_what_can_work_is_taken(lane: dict[str, Any], sections: dict[str, Any]) -> None:
    assert parse_settings(document(lane, **sections)).lanes["door"].liveness == lane["liveness"]


ALONE: dict[str, Any] = {"sync": {"enabled": False}}
NO_CODES = {"cameras": {"cam": {"type": "replay", "source": "x", "looks_for": ["face"]}}}


@pytest.mark.parametrize(
    ("lane", "sections", "is_good"),
    [
        ({}, {}, False),
        ({"accepts": ["face", "qr"]}, {}, True),
        ({"accepts": ["face", "qr"]}, NO_CODES, False),
        ({"accepts": ["face", "card"]}, {}, False),
        (
            {"accepts": ["face", "card"]},
            {"readers": {"pad": {"type": "bridge", "port": "/dev/null1", "lane": "door"}}},
            True,
        ),
        ({"liveness": "passive", "second_factors": ["qr"]}, {}, False),
    ],
)  # fmt: skip
def test_ACC_4_a_pass_or_a_card_is_another_way_in_only_where_it_can_be_shown_and_opens_by_itself(
    lane: dict[str, Any], sections: dict[str, Any], is_good: bool
) -> None:
    """A second factor is no other way: it needs the face as well. Nor does a PIN alone open anything."""
    given = document(lane, **ALONE, **sections)
    if is_good:
        assert isinstance(parse_settings(given), Settings)
    else:
        assert "face is the only way in" in problems(given)


def test_a_camera_measures_cues_where_a_lane_asks_and_where_it_is_told_to() -> None:
    for lane, told, expected in (
        ({}, None, False),
        ({"liveness": "passive"}, None, True),
        ({}, True, True),
        ({"liveness": "passive"}, False, False),
    ):
        given = document(lane)
        if told is not None:
            given["cameras"]["cam"]["liveness_cues"] = told
        settings = parse_settings(given)
        camera = settings.cameras["cam"]
        assert settings.as_run(camera, "cam").liveness_cues is expected  # type: ignore[arg-type]


def test_the_platform_may_ask_for_liveness_but_not_change_whose_passes_count(tmp_path: Path) -> None:
    settings = parse_settings(document())
    lanes = document({"liveness": "challenge"})["lanes"]
    assert with_sections(settings, {"lanes": lanes}).lanes["door"].liveness == "challenge"
    with pytest.raises(SettingsError, match="not a section that can be sent"):
        with_sections(settings, {"passes": {"keys": str(tmp_path)}})

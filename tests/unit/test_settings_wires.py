"""Wires by meaning: from contact, device and safe state follows the level of the coil."""

from typing import Any

import pytest
from pydantic import ValidationError

from edge.errors import SettingsError
from edge.settings import (
    AlarmOutput,
    BarrierLane,
    LightOutput,
    LockOutput,
    MantrapLane,
    Output,
    ReleaseOutput,
    Settings,
    StopOutput,
    TurnstileLane,
)
from edge.settings_file import parse_settings

WIRE: dict[str, Any] = {"board": "relays", "channel": 1}
IN: dict[str, Any] = {"board": "io", "channel": 1}


@pytest.mark.parametrize(
    ("kind", "options", "acts_energised", "safe_energised"),
    [
        (Output, {}, True, False),
        (Output, {"contact": "nc"}, False, True),
        (Output, {"safe_energised": True}, False, True),  # the short form of contact = "nc"
        (StopOutput, {}, True, False),
        (StopOutput, {"contact": "nc", "energise_to": "run"}, True, False),  # bridged while the relay rests
        (StopOutput, {"energise_to": "run"}, False, True),
        (LockOutput, {}, True, False),  # a strike
        (LockOutput, {"energise_to": "lock"}, False, True),  # a magnet on the no contact
        (LockOutput, {"energise_to": "lock", "contact": "nc"}, True, False),  # a magnet on the nc contact
        (LockOutput, {"contact": "nc"}, False, True),
        (LockOutput, {"safe_energised": True}, False, True),
        (LockOutput, {"energise_to": "lock", "safe": "unlocked", "pulse_ms": 0}, False, False),
        (LockOutput, {"safe": "unlocked", "pulse_ms": 0}, True, True),
        (ReleaseOutput, {}, True, False),
        (ReleaseOutput, {"energise_to": "hold"}, False, True),
        (ReleaseOutput, {"energise_to": "hold", "safe": "released"}, False, False),
        (LightOutput, {}, True, False),
        (AlarmOutput, {"energise_to": "quiet"}, False, True),
    ],
)
def test_the_level_of_the_coil_follows_from_the_wiring(
    kind: type[Output], options: dict[str, Any], acts_energised: bool, safe_energised: bool
) -> None:
    output = kind.model_validate(WIRE | options)
    assert output.acts_energised is acts_energised
    assert output.safe_energised is safe_energised
    again = kind.model_validate_json(output.model_dump_json())
    assert again == output, "what the platform sends back means the same"


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (Output, {"contact": "no", "safe_energised": True}, "contradicts"),
        (LockOutput, {"energise_to": "lock", "safe_energised": False}, "contradicts"),
        (LockOutput, {"safe": "unlocked"}, "set pulse_ms = 0"),
        (Output, {"pulse_ms": 9000, "max_on_ms": 8000}, "its guard"),
        (LightOutput, {"pulse_ms": 500}, "Input should be 0"),
    ],
)
def test_wiring_that_contradicts_itself_is_refused(
    kind: type[Output], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        kind.model_validate(WIRE | options)


def barrier(**changes: Any) -> dict[str, Any]:
    return {"type": "barrier", "open": WIRE} | changes


def turnstile(**changes: Any) -> dict[str, Any]:
    return {"type": "turnstile", "pass_in": WIRE, "passage": IN} | changes


def mantrap(**changes: Any) -> dict[str, Any]:
    lock = WIRE | {"pulse_ms": 0}
    locks = {"outer_lock": lock, "inner_lock": lock, "outer_contact": IN, "inner_contact": IN}
    return {"type": "mantrap"} | locks | changes


@pytest.mark.parametrize(
    ("kind", "section", "said"),
    [
        (BarrierLane, barrier(second_loop=IN), "a direction takes two loops"),
        (BarrierLane, barrier(power_return="close"), "needs close, presence and open_limit"),
        (BarrierLane, barrier(cameras=["a"], cameras_out=["b"], direction="both"), "not among"),
        (BarrierLane, barrier(cameras=["a"], cameras_out=["a"]), 'set direction = "both"'),
        (BarrierLane, barrier(hold_open=[{"start": "24:00", "end": "08:00"}]), "should match pattern"),
        (TurnstileLane, turnstile(pass_in=None), "nobody could ever be let through"),
        (TurnstileLane, turnstile(direction="both"), "pass_out is not wired"),
        (TurnstileLane, turnstile(direction="out"), "pass_out is not wired"),
        (TurnstileLane, turnstile(fire=IN), "need release"),
        (TurnstileLane, turnstile(exit_button=IN), "pass_out is not"),
        (MantrapLane, mantrap(inner_lock=WIRE | {"pulse_ms": 500}), "are levels"),
    ],
)
def test_lanes_whose_wires_do_not_fit_are_refused(kind: Any, section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        kind.model_validate(section)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (turnstile() | {"pas_in": WIRE}, "unknown option; did you mean 'pass_in'?"),
        (turnstile(type="turnstyle"), "no type 'turnstyle'; did you mean 'turnstile'?"),
        (turnstile(pass_in=WIRE | {"contakt": "nc"}), "unknown option; did you mean 'contact'?"),
        (turnstile(times={"pas_timeout_s": 3}), "unknown option; did you mean 'pass_timeout_s'?"),
        (mantrap(inner_lock=WIRE | {"energise_to": "lok"}), "input should be 'unlock' or 'lock'"),
    ],
)
def test_a_typing_mistake_in_a_lane_is_an_error_with_a_hint(section: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings({"device": {"id": "box"}, "lanes": {"tripod": section}})
    assert said in "\n".join(caught.value.problems)


def test_all_four_kinds_of_lanes_can_be_configured_and_their_openers_are_known() -> None:
    relays = {f"relay-{i}": {"board": "relays", "channel": i, "pulse_ms": 0} for i in range(1, 5)}
    inputs = [{"board": "io", "channel": i} for i in range(1, 9)]
    settings = Settings.model_validate(
        {
            "device": {"id": "box"},
            "boards": {
                "relays": {"type": "lcus", "port": "/dev/ttyUSB0", "channels": 8},
                "io": {"type": "modbus", "profile": "lc", "port": "/dev/ttyUSB1", "outputs": 0},
            },
            "lanes": {
                "gate": {"type": "barrier", "open": {"board": "relays", "channel": 5}},
                "door": {"type": "door", "lock": {"board": "relays", "channel": 6}},
                "tripod": {"type": "turnstile", "pass_in": relays["relay-1"], "passage": inputs[0]},
                "lock": {
                    "type": "mantrap",
                    "outer_lock": relays["relay-2"],
                    "inner_lock": relays["relay-3"],
                    "outer_contact": inputs[0],
                    "inner_contact": inputs[1],
                },
            },
        }
    )
    openers = {name: [output.channel for output in lane.openers] for name, lane in settings.lanes.items()}
    assert openers == {"gate": [5], "door": [6], "tripod": [1], "lock": [2, 3]}

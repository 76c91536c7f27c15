"""The section ``boards``: every family can be named, is checked as a whole, and leads to the right driver."""

from typing import Any, get_args

import pytest

from drivers.errors import DriverClosed, DriverError
from drivers.relay.catalog import BOARD_TYPES, USUAL_CHANNELS
from drivers.relay.modbus_profiles import PROFILES
from drivers.simulated.catalog import SIMULATED_FAMILIES, simulate
from edge.errors import SettingsError
from edge.health import Alarms
from edge.lanes.boards import Boards, makers_of
from edge.lanes.wiring import driver_of, wiring_of
from edge.settings import ModbusBoard, Settings
from edge.settings_boards import AnyBoard, SimulatedBoard
from edge.settings_file import parse_settings, section_schema

NOWHERE = "/dev/serial/by-path/no-such-port"
SECTIONS: dict[str, dict[str, Any]] = {
    "lcus": {"type": "lcus", "port": NOWHERE},
    "kmtronic": {"type": "kmtronic", "port": "usb:serial=AB0123", "channels": 4},
    "devantech": {"type": "devantech", "port": "usb:serial=42", "channels": 2},
    "numato": {"type": "numato", "port": NOWHERE, "channels": 16},
    "waveshare": {"type": "modbus", "profile": "waveshare", "port": NOWHERE, "inputs": 8},
    "lc": {"type": "modbus", "profile": "lc", "port": NOWHERE, "address": 255},
    "quirk0100": {"type": "modbus", "profile": "quirk0100", "port": NOWHERE},
    "r421a08": {"type": "modbus", "profile": "r421a08", "port": NOWHERE},
    "tcp": {"type": "modbus", "profile": "waveshare", "port": "tcp://127.0.0.1:502", "inputs": 8},
    "gpio": {"type": "gpio", "output_pins": [5, 6], "input_pins": [20]},
}


def settings(**boards: dict[str, Any]) -> Settings:
    return parse_settings({"device": {"id": "gate-1"}, "boards": boards})


def problems(**boards: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**boards)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_family_leads_to_a_driver_that_is_closed(name: str) -> None:
    section = settings(**{name: SECTIONS[name]}).boards[name]
    driver = driver_of(name, section)
    can = driver.capabilities
    assert can.inputs == section.inputs
    assert can.outputs == section.outputs
    with pytest.raises(DriverClosed):
        driver.write_output(1, True)


def test_every_board_type_of_the_drivers_can_be_configured() -> None:
    types = {
        kind for section in get_args(AnyBoard) for kind in get_args(section.model_fields["type"].annotation)
    }
    # Two have no driver of their own: the site inside the daemon, and the relays inside an OSDP reader.
    assert types == (set(BOARD_TYPES) - set(PROFILES)) | {"simulated", "reader"}
    assert (
        set(get_args(ModbusBoard.model_fields["profile"].annotation)) == set(PROFILES) == set(USUAL_CHANNELS)
    )


def test_every_simulated_family_can_be_configured_and_made() -> None:
    assert get_args(SimulatedBoard.model_fields["family"].annotation) == SIMULATED_FAMILIES
    for family in SIMULATED_FAMILIES:
        assert len(simulate(family).relays) >= 4
    with pytest.raises(DriverError, match="no simulated board of this family"):
        simulate("lkus")


@pytest.mark.parametrize("family", USUAL_CHANNELS)
def test_what_is_left_out_is_what_the_family_usually_has(family: str) -> None:
    section = settings(io={"type": "modbus", "profile": family, "port": NOWHERE}).boards["io"]
    assert (section.outputs, section.inputs) == USUAL_CHANNELS[family] == PROFILES[family].usual_channels


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"type": "lkus", "port": NOWHERE}, "boards.b.type: no type 'lkus'; did you mean 'lcus'?"),
        ({"type": "waveshare", "port": NOWHERE}, 'write type = "modbus", profile = "waveshare"'),
        (
            {"type": "lcus", "port": "ttyUSB0"},
            "boards.b.port: ttyUSB0: not a port; did you mean /dev/ttyUSB0?",
        ),
        (
            {"type": "lcus", "port": NOWHERE, "chanels": 4},
            "boards.b.chanels: unknown option; did you mean 'chan",
        ),
        ({"type": "kmtronic", "port": NOWHERE, "channels": 3}, "boards.b.channels: "),
        ({"type": "devantech", "port": NOWHERE, "baud": 9600}, "boards.b.baud: unknown option"),
        (
            {"type": "modbus", "profile": "r421a08", "port": NOWHERE, "inputs": 8},
            "boards of family r421a08 have none",
        ),
        (
            {"type": "modbus", "profile": "lc", "port": NOWHERE, "outputs": 0, "inputs": 0},
            "what is the board for",
        ),
        (
            {"type": "modbus", "profile": "lc", "port": NOWHERE, "framing": "tcp"},
            "needs a port tcp://host:502",
        ),
        ({"type": "modbus", "profile": "lc", "port": "tcp://relay:502"}, "no name server"),
        ({"type": "gpio"}, "name the pins"),
        ({"type": "gpio", "output_pins": [5], "input_pins": [5]}, "a pin is named twice"),
        ({"type": "gpio", "output_pins": [40]}, "boards.b.output_pins.0: "),
    ],
)
def test_what_cannot_be_meant_is_one_line_with_its_path(section: dict[str, Any], said: str) -> None:
    assert said in problems(b=section)


def test_a_board_may_be_called_like_a_type() -> None:
    assert problems(lcus=SECTIONS["lcus"] | {"bd": 1}).startswith("boards.lcus.bd: unknown option")


@pytest.mark.parametrize(
    ("other", "fits"),
    [
        ({"address": 2}, True),
        ({"address": 1}, False),
        ({"address": 2, "baud": 19_200}, False),
        ({"address": 2, "parity": "E"}, False),
    ],
)
def test_only_boards_that_agree_share_a_line(other: dict[str, Any], fits: bool) -> None:
    line = {"type": "modbus", "profile": "lc", "port": NOWHERE}
    if fits:
        assert settings(one=line, two=line | other)
    else:
        assert f"boards.two.port: {NOWHERE} is taken by 'one'" in problems(one=line, two=line | other)


def test_a_pin_belongs_to_one_board() -> None:
    said = problems(one=SECTIONS["gpio"], two={"type": "gpio", "input_pins": [6]})
    assert "boards.two.port: GPIO pin 6 is taken by 'one'" in said


def test_units_behind_one_gateway_share_its_connection() -> None:
    gateway = {"type": "modbus", "profile": "waveshare", "port": "tcp://127.0.0.1:502"}
    makers = makers_of(settings(one=gateway, two=gateway | {"address": 2}))
    assert makers["one"].line is makers["two"].line
    assert makers["one"].line.is_shared


@pytest.mark.parametrize(
    ("more", "gap_ms"),
    [
        ({}, 5),  # 3.5 characters of 10 bits are 3.6 ms
        ({"baud": 1200}, 31),
        ({"parity": "E"}, 6),
        ({"baud": 115_200}, 3),  # the standard's fixed 1.75 ms
        ({"gap_ms": 40}, 40),
        ({"port": "tcp://127.0.0.1:502"}, 0),
    ],
)
def test_the_pause_between_frames_follows_from_the_line(more: dict[str, Any], gap_ms: int) -> None:
    section = settings(io={"type": "modbus", "profile": "lc", "port": NOWHERE} | more).boards["io"]
    assert driver_of("io", section).capabilities.min_gap_ms == gap_ms
    shared = driver_of("io", section, is_shared=True).capabilities.min_gap_ms
    assert shared == (20 if not {"gap_ms", "port"} & set(more) else gap_ms)


def test_a_slow_board_is_given_time_before_its_owner_counts_as_hanging() -> None:
    quick = wiring_of("io", settings(io=SECTIONS["lc"]))
    slow = wiring_of("io", settings(io=SECTIONS["lc"] | {"reply_timeout_ms": 2000}))
    assert slow.patience_ns - quick.patience_ns == 4 * 1_700_000_000


def test_every_family_can_be_owned_without_being_opened(clock: Any) -> None:
    boards = Boards(
        settings(
            **{k: v for k, v in SECTIONS.items() if k != "tcp"}
            | {
                name: section | {"port": f"{NOWHERE}-{name}"}
                for name, section in SECTIONS.items()
                if section["type"] == "modbus" and name != "tcp"
            }
            | {"lcus": SECTIONS["lcus"] | {"port": f"{NOWHERE}-a"}}
        ),
        clock,
        Alarms(clock),
    )
    assert not any(board.is_up for board in boards.values())


def test_the_schema_of_lanes_still_describes_its_wires() -> None:
    assert "board" in str(section_schema("lanes"))

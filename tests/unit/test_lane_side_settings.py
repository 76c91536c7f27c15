"""Displays and readers in the configuration: what does not fit is said with path and the word meant."""

from typing import Any

import pytest

from edge.errors import SettingsError
from edge.settings import Settings
from edge.settings_file import parse_settings
from edge.settings_signs import PLACEHOLDERS, check_template

FK = {"type": "fk", "port": "/dev/ttyUSB5", "lanes": ["entry"]}
KF = {"type": "kf", "port": "/dev/ttyUSB6", "lanes": ["entry"]}
OSDP = {"type": "osdp", "port": "/dev/ttyUSB7", "lane": "entry"}
LCUS = {"type": "lcus", "port": "/dev/ttyUSB0"}
BRIDGE = {"type": "bridge", "port": "/dev/ttyACM0", "lane": "entry"}


def box(**sections: Any) -> Settings:
    return parse_settings(
        {
            "device": {"id": "gate-1"},
            "boards": {"relay": LCUS},
            "lanes": {
                "entry": {
                    "type": "barrier",
                    "accepts": ["plate", "card"],
                    "open": {"board": "relay", "channel": 1},
                }
            },
            **sections,
        }
    )


def problems_of(**sections: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        box(**sections)
    return "\n".join(caught.value.problems)


def test_displays_and_readers_are_read() -> None:
    settings = box(displays={"sign": FK, "exit": KF}, readers={"gate": OSDP, "side": BRIDGE})
    assert settings.displays["sign"].columns == 8
    assert settings.readers["gate"].port == "/dev/ttyUSB7"


def test_a_display_may_be_simulated() -> None:
    assert box(displays={"sign": FK | {"port": "simulated"}}).displays["sign"].port == "simulated"


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"displays": {"s": FK | {"lanes": ["entri"]}}}, "s.lanes: no lane 'entri' (there are: entry)"),
        ({"displays": {"s": FK | {"lanes": []}}}, "displays.s.lanes"),
        ({"displays": {"s": FK | {"volum": 60}}}, "displays.s.volum: unknown option; did you mean 'volume'?"),
        ({"displays": {"s": KF | {"volume": 60}}}, "displays.s.volume: unknown option"),
        ({"displays": {"s": FK | {"type": "fkk"}}}, "displays.s.type: no type 'fkk'; did you mean 'fk'?"),
        ({"displays": {"s": FK | {"port": "ttyUSB5"}}}, "did you mean /dev/ttyUSB5?"),
        ({"displays": {"s": FK | {"port": "/dev/ttyUSB0"}}}, "s.port: /dev/ttyUSB0 is taken by boards.relay"),
        ({"displays": {"a": FK, "b": FK}}, "displays.b.address: 0 is taken by 'a' on the same line"),
        ({"displays": {"a": FK, "b": FK | {"address": 1, "baud": 19200}}}, "displays.b.baud"),
        ({"displays": {"s": FK | {"quiet": "10pm-7am"}}}, "displays.s.quiet"),
        ({"displays": {"s": FK | {"templates": {"welcom": ["x"]}}}}, "displays.s.templates"),
        ({"displays": {"s": FK | {"lines": 2, "templates": {"idle": ["a"] * 3}}}}, "3 lines, the card has 2"),
        ({"readers": {"r": OSDP | {"lane": "door"}}}, "readers.r.lane: no lane 'door' (there are: entry)"),
        ({"readers": {"r": OSDP | {"baud": 4800}}}, "readers.r.baud"),
        ({"readers": {"a": OSDP, "b": OSDP}}, "readers.b.address: 0 is taken by 'a' on the same line"),
        ({"readers": {"a": BRIDGE, "b": BRIDGE}}, "readers.b.index: 1 is taken by 'a' on the same line"),
        (
            {"readers": {"a": OSDP, "b": BRIDGE | {"port": "/dev/ttyUSB7"}}},
            "readers.b.port: 'a' has it with another type or baud",
        ),
        (
            {"displays": {"s": FK}, "readers": {"r": OSDP | {"port": "/dev/ttyUSB5"}}},
            "readers.r.port: /dev/ttyUSB5 is taken by displays.s",
        ),
        ({"boards": {"relay": LCUS, "in": {"type": "reader", "reader": "r"}}}, "in.reader: no reader 'r'"),
        (
            {"boards": {"relay": LCUS, "in": {"type": "reader", "reader": "r"}}, "readers": {"r": BRIDGE}},
            "boards.in.reader: 'r' is no OSDP reader, so it has no relays",
        ),
        (
            {
                "boards": {"relay": {"type": "reader", "reader": "r"}},
                "readers": {"r": OSDP},
                "lanes": {"entry": {"type": "door", "lock": {"board": "relay", "channel": 1, "pulse_ms": 0}}},
            },
            "lanes.entry.lock: relays of a reader are pulsed and released; give pulse_ms",
        ),
        (
            {"readers": {f"r{i}": OSDP | {"address": i} for i in range(9)}},
            "9 OSDP readers; 8 share a line",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_path(sections: dict[str, Any], said: str) -> None:
    assert said in problems_of(**sections)


def test_cards_and_readers_share_a_line_at_different_addresses() -> None:
    assert box(
        displays={"a": KF, "b": KF | {"address": 101}}, readers={"r": OSDP, "q": OSDP | {"address": 1}}
    )


@pytest.mark.parametrize(
    ("event", "template", "said"),
    [
        ("welcome", "{plat}", "unknown placeholder {plat}; did you mean {plate}?"),
        ("idle", "{phone}", "unknown placeholder {phone}; known here: date"),
        ("refused", "{resaon}", "did you mean {reason}?"),
        ("welcome", "{plate", "write {{ for a brace"),
        ("welcome", "{plate!r}", "write {plate} without a format"),
        ("welcome", "{plate:>8}", "write {plate} without a format"),
        ("welcome", "a\nb", "no card can show"),
    ],
)
def test_a_template_is_checked_when_the_configuration_is_read(event: str, template: str, said: str) -> None:
    assert said in problems_of(displays={"s": FK | {"templates": {event: [template]}}})
    assert said in problems_of(displays={"s": FK | {"voices": {event: template}}})


@pytest.mark.parametrize("event", PLACEHOLDERS)
def test_every_placeholder_of_an_event_may_stand_in_its_template(event: str) -> None:
    template = " ".join(f"{{{name}}}" for name in PLACEHOLDERS[event])
    assert check_template(event, template) == template

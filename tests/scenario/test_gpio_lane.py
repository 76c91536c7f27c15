"""A barrier lane that hangs on a Raspberry Pi's own pins and on nothing else: relays and contacts."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lane_rig import CLOCK, grant
from mock_pins import INPUT_PINS, OUTPUT_PINS, MockPins

from edge.health import Alarms
from edge.lanes import Boards, Lane
from edge.settings_file import parse_settings
from edge.store.journal import Journal


def until(what: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 30.0
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_a_car_passes_a_lane_whose_relays_and_contacts_are_pins(tmp_path: Path) -> None:
    settings = parse_settings(
        {
            "device": {"id": "box"},
            "boards": {"pi": {"type": "gpio", "output_pins": OUTPUT_PINS, "input_pins": INPUT_PINS}},
            "lanes": {
                "gate": {
                    "type": "barrier",
                    "accepts": ["plate"],
                    "open": {"board": "pi", "channel": 1, "pulse_ms": 200},
                    "close": {"board": "pi", "channel": 2, "pulse_ms": 200},
                    "open_limit": {"board": "pi", "channel": 2},
                    "presence": {"board": "pi", "channel": 1},
                    "times": {"clear_s": 0.5},
                }
            },
        }
    )
    with ExitStack() as stack:
        pins = stack.enter_context(MockPins())
        alarms = Alarms(CLOCK)
        journal = Journal(tmp_path / "events.db", CLOCK, tenant="home", device="box", alarms=alarms)
        stack.callback(journal.close)
        journal.start()
        boards = Boards(settings, CLOCK, alarms, note=journal.append)
        stack.callback(boards["pi"].close)
        boards["pi"].start()
        lane = Lane("gate", settings, boards, journal, CLOCK, alarms)
        stack.callback(lane.close)
        lane.start()
        until(lambda: lane.status.contacts == {"open_limit": False, "presence": False})
        lane.submit(grant(lives_s=20.0))
        until(lambda: [(ch, on) for _, ch, on in pins.history] == [(1, True), (1, False)])
        pins.set_input(2, True)  # the boom is up
        until(lambda: lane.status.phase == "open_wait")
        pins.set_input(1, True)
        until(lambda: lane.status.phase == "passing")
        assert lane.status.contacts["presence"] is True
        pins.set_input(1, False)
        until(lambda: [(ch, on) for _, ch, on in pins.history][2:] == [(2, True), (2, False)])
        assert alarms.standing() == ()
    assert not any(pins.relays)

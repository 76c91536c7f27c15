"""A USB relay board that is pulled in use and comes back under another name, in another socket."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_tree import UsbTree

from drivers.simulated import SimulatedKmtronicBoard
from edge.clock import SystemClock
from edge.health import Alarms
from edge.lanes import Boards
from edge.lanes.orders import Order, Outcome, WireResult
from edge.records import EventDraft
from edge.settings_file import parse_settings

CLOCK = SystemClock()


def until(what: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 30.0
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_SAFE_4_a_board_known_by_its_serial_number_is_found_under_its_new_name_and_made_safe(
    tmp_path: Path,
) -> None:
    tree = UsbTree(tmp_path)
    with SimulatedKmtronicBoard(8, name="before") as before, SimulatedKmtronicBoard(8, name="after") as after:
        tree.plug("ttyUSB0", before.port, serial="AB0123", path="1-1.1")
        tree.plug("ttyUSB7", "/dev/null", serial="OTHER", path="1-1.7")
        settings = parse_settings(
            {
                "device": {"id": "box"},
                "boards": {"relays": {"type": "kmtronic", "port": "usb:serial=AB0123"}},
                "lanes": {
                    "door": {
                        "type": "door",
                        "accepts": ["plate"],
                        "lock": {"board": "relays", "channel": 1, "pulse_ms": 0},
                    }
                },
            }
        )
        alarms, notes, told = Alarms(CLOCK), list[EventDraft](), list[WireResult]()
        owner = Boards(settings, CLOCK, alarms, note=notes.append, finder=tree.finder)["relays"]
        owner.start()
        try:
            until(lambda: owner.is_up)
            owner.order(Order(1, ms=0, guard_ms=60_000, not_after_ns=1 << 62, done=told.append))
            until(lambda: before.relays[0])
            tree.pull("ttyUSB0")
            before.unplug()
            until(lambda: any(alarm.name == "board.lost" for alarm in alarms.standing()))
            assert owner.status.away == (1,)
            after.do(lambda: after.switch(1, True) and None)  # it kept its own supply
            tree.plug("ttyUSB1", after.port, serial="AB0123", path="1-1.4")
            until(lambda: owner.is_up)
            until(lambda: not any(after.relays))
            assert owner.status.away == ()
            assert owner.status.reconnects == 1
            assert alarms.standing() == ()
        finally:
            owner.close()
    assert [result.outcome for result in told] == [Outcome.DONE]
    assert notes[0].type == "board.faulted"
    assert notes[0].data["fault"] == "unplugged"
    assert notes[-1].type == "board.recovered"

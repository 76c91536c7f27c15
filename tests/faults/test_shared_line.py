"""Two boards with an owner each on one RS-485 line: one dies, the other goes on; it comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from drivers.simulated import SimulatedModbusBoard
from edge.clock import SystemClock
from edge.health import Alarms
from edge.lanes import Boards
from edge.lanes.orders import Order, Outcome, WireResult
from edge.records import EventDraft
from edge.settings_file import parse_settings

CLOCK = SystemClock()
LONG_NS = 1 << 62


def until(what: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 40.0
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


class Bus:
    """Two units behind one pseudo-terminal, and the owners of both."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.one = SimulatedModbusBoard("lc", 1, 8, 8, name="one", link=folder / "line")
        self.two = SimulatedModbusBoard("lc", 2, 8, 8, name="two")
        self.two_is_dead = False
        alone = self.one.received

        def both(data: bytes, now_ns: int) -> list[bytes]:
            return [*alone(data, now_ns), *([] if self.two_is_dead else self.two.received(data, now_ns))]

        self.one.received = both  # type: ignore[method-assign]
        stack.enter_context(self.one)
        line = {"type": "modbus", "profile": "lc", "port": self.one.port, "gap_ms": 5}
        settings = parse_settings(
            {
                "device": {"id": "box"},
                "boards": {"one": line, "two": line | {"address": 2}},
                "lanes": {
                    f"door-{name}": {
                        "type": "door",
                        "accepts": ["plate"],
                        "lock": {"board": name, "channel": 1, "pulse_ms": 0},
                        "contact": {"board": name, "channel": 1},
                    }
                    for name in ("one", "two")
                },
            }
        )
        self.alarms = Alarms(CLOCK)
        self.notes: list[EventDraft] = []
        self.boards = Boards(settings, CLOCK, self.alarms, note=self.notes.append)
        for board in self.boards.values():
            stack.callback(board.close)
            board.start()

    def open(self, name: str) -> WireResult:
        told: list[WireResult] = []
        self.boards[name].order(Order(1, 100, 1000, LONG_NS, first=True, done=told.append))
        until(lambda: told)
        return told[0]

    def lost(self) -> set[str]:
        return {alarm.subject for alarm in self.alarms.standing() if alarm.name == "board.lost"}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with ExitStack() as stack:
        made = Bus(tmp_path, stack)
        until(lambda: all(board.is_up and board.snapshot.values for board in made.boards.values()))
        yield made


def test_each_board_has_its_own_relays_and_inputs(bus: Bus) -> None:
    bus.two.set_input(1, True)
    until(lambda: bus.boards["two"].snapshot.values is not None and bus.boards["two"].snapshot.values[0])
    assert bus.boards["one"].snapshot.values == (False,) * 8
    assert bus.open("two").outcome is Outcome.DONE
    assert [channel for _, channel, on in bus.two.history if on] == [1]
    assert bus.one.history == ()


def test_a_dead_board_does_not_take_its_neighbour_along(bus: Bus) -> None:
    bus.two_is_dead = True
    until(lambda: bus.lost() == {"two"})
    for _ in range(3):
        assert bus.open("one").outcome is Outcome.DONE
    assert bus.boards["one"].is_up
    bus.two_is_dead = False
    until(lambda: bus.lost() == set())
    assert bus.open("two").outcome is Outcome.DONE
    assert "board.faulted" in {note.type for note in bus.notes if note.subject == "two"}


def test_nobody_looks_for_a_dead_board_while_its_line_must_be_free(bus: Bus) -> None:
    bus.two_is_dead = True
    until(lambda: bus.lost() == {"two"})
    bus.boards["one"].keep_line_free(CLOCK.boot_ns() + 600_000_000_000)

    def asked_ns() -> int:
        return max(at_ns for at_ns, data in bus.one.frames if data[:1] == b"\x02")

    # A try that has begun ends; the next would be due after four seconds at most, the first few sooner.
    until(lambda: CLOCK.boot_ns() - asked_ns() > 5_000_000_000)
    assert bus.boards["one"].is_up
    assert not bus.boards["two"].is_up


def test_a_pulled_adapter_takes_both_along_and_brings_both_back(bus: Bus) -> None:
    bus.one.unplug()
    until(lambda: bus.lost() == {"one", "two"})
    bus.one.replug()
    until(lambda: bus.lost() == set())
    assert {bus.open(name).outcome for name in ("one", "two")} == {Outcome.DONE}

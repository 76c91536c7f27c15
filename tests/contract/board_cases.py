"""Every board driver with the simulated board on the other side of its wire, for ``test_boards``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mock_pins import INPUT_PINS, OUTPUT_PINS, MockPins

from drivers.relay import Board, open_board
from drivers.simulated import (
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    SimulatedLcusBoard,
    SimulatedModbusBoard,
    SimulatedModbusTcpBoard,
    SimulatedNumatoBoard,
)
from drivers.simulated.jacks import TcpJack

REPLY_TIMEOUT_MS = 250


@dataclass(frozen=True)
class Case:
    """One driver against one simulated board.

    ``simulate`` takes ``link=``, a path to keep pointed at its port (of no use on a network). ``bus`` says
    that the board has an address, so that another unit can answer for it; ``redundant`` that its answers can
    be told from damaged ones; ``tcp`` that it is on a network.
    """

    name: str
    type: str
    simulate: Callable[..., Any]
    options: dict[str, object] = field(default_factory=dict)
    reads: bool = True
    bus: bool = False
    redundant: bool = True
    tcp: bool = False

    def driver(self, port: str, **more: object) -> Board:
        """The driver, not yet open, with a short time-out."""
        if self.type == "gpio":
            return open_board(self.name, self.type, port="", **self.options)
        options = {"reply_timeout_ms": REPLY_TIMEOUT_MS, **self.options, **more}
        if self.bus:
            options.setdefault("gap_ms", 10)  # the default of 20 is for real USB adapters
        return open_board(self.name, self.type, port=port, **options)


QUICK: dict[str, object] = {"pacing_ms": 20}


def quick_lcus(channels: int, dialect: str, *, stale_by_one: bool = True, **where: Any) -> SimulatedLcusBoard:
    """An LCUS board that takes frames faster than the real ones, to keep the tests short."""
    return SimulatedLcusBoard(channels, dialect, stale_by_one=stale_by_one, drop_faster_than_ms=5, **where)


def serial_server(**_: Any) -> SimulatedModbusBoard:
    """An RTU board behind a server that passes bytes between the network and its line."""
    return SimulatedModbusBoard("lc", 1, 8, 8, jack=TcpJack())


CASES = [
    Case("lcus-text", "lcus", lambda **w: SimulatedLcusBoard(4, "text", drop_faster_than_ms=40, **w)),
    Case("lcus-text-8-fresh", "lcus", lambda **w: quick_lcus(8, "text", stale_by_one=False, **w), QUICK),
    Case("lcus-binary", "lcus", lambda **w: quick_lcus(4, "binary", **w), QUICK),
    Case("lcus-none", "lcus", lambda **w: quick_lcus(4, "none", **w), {"channels": 4, **QUICK}, reads=False),
    Case("waveshare", "waveshare", lambda **w: SimulatedModbusBoard("waveshare", 1, **w), bus=True),
    Case(
        "waveshare-d",
        "waveshare",
        lambda **w: SimulatedModbusBoard("waveshare", 7, inputs=8, **w),
        {"address": 7, "inputs": 8},
        bus=True,
    ),
    Case("lc", "lc", lambda **w: SimulatedModbusBoard("lc", 255, 8, 8, **w), {"address": 255}, bus=True),
    Case(
        "lc-2-relays",
        "lc",
        lambda **w: SimulatedModbusBoard("lc", 1, 2, 2, **w),
        {"outputs": 2, "inputs": 2},
        bus=True,
    ),
    Case(
        "quirk0100",
        "quirk0100",
        lambda **w: SimulatedModbusBoard("quirk0100", 1, 4, **w),
        reads=False,
        bus=True,
    ),
    Case(
        "r421a08", "r421a08", lambda **w: SimulatedModbusBoard("r421a08", 63, **w), {"address": 63}, bus=True
    ),
    Case(
        "lc-9600-baud-wire",
        "lc",
        lambda **w: SimulatedModbusBoard("lc", 1, 8, 8, wire_baud=9600, **w),
        bus=True,
    ),
]
CASES += [
    Case("kmtronic-2", "kmtronic", lambda **w: SimulatedKmtronicBoard(2, **w), {"channels": 2}),
    Case("kmtronic-8", "kmtronic", lambda **w: SimulatedKmtronicBoard(8, **w)),
    Case("devantech", "devantech", SimulatedDevantechBoard, redundant=False),
    Case("numato", "numato", SimulatedNumatoBoard),
    Case(
        "waveshare-tcp",
        "waveshare",
        lambda **_: SimulatedModbusTcpBoard("waveshare", 3, inputs=8),
        {"address": 3, "inputs": 8, "framing": "tcp"},
        bus=True,
        tcp=True,
    ),
    Case(
        "r421a08-tcp",
        "r421a08",
        lambda **_: SimulatedModbusTcpBoard("r421a08", 1),
        {"framing": "tcp"},
        bus=True,
        tcp=True,
    ),
    Case("lc-serial-server", "lc", serial_server, bus=True, tcp=True),
]
PINS = {"output_pins": OUTPUT_PINS, "input_pins": INPUT_PINS}
GPIO = [
    Case("gpio", "gpio", MockPins, PINS),
    Case("gpio-active-low", "gpio", lambda: MockPins(active_low=True), PINS | {"active_low": True}),
]
ON_A_BUS = [case for case in CASES if case.bus and not case.tcp]
READERS = [case for case in CASES if case.reads]
REDUNDANT_READERS = [case for case in READERS if case.redundant]
BUS_READERS = [case for case in READERS if case.bus]

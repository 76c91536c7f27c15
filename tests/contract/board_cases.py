"""Every board driver with the simulated board on the other side of its wire, for ``test_boards``."""

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.relay import Board, open_board
from drivers.simulated import (
    SimulatedBoard,
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    SimulatedLcusBoard,
    SimulatedModbusBoard,
    SimulatedNumatoBoard,
)

REPLY_TIMEOUT_MS = 120


@dataclass(frozen=True)
class Case:
    """One driver against one simulated board.

    ``bus`` says that the board has an address, so that another unit can answer for it; ``redundant`` that its
    answers can be told from damaged ones.
    """

    name: str
    type: str
    simulate: Callable[[], SimulatedBoard]
    options: dict[str, object] = field(default_factory=dict)
    reads: bool = True
    bus: bool = False
    redundant: bool = True

    def driver(self, port: str, **more: object) -> Board:
        """The driver, not yet open, with a short time-out."""
        options = {"reply_timeout_ms": REPLY_TIMEOUT_MS, **self.options, **more}
        if self.bus:
            options.setdefault("gap_ms", 10)  # the default of 20 is for real USB adapters
        return open_board(self.name, self.type, port=port, **options)


QUICK: dict[str, object] = {"pacing_ms": 20}


def quick_lcus(channels: int, dialect: str, *, stale_by_one: bool = True) -> SimulatedLcusBoard:
    """An LCUS board that takes frames faster than the real ones, to keep the tests short."""
    return SimulatedLcusBoard(channels, dialect, stale_by_one=stale_by_one, drop_faster_than_ms=5)


CASES = [
    Case("lcus-text", "lcus", lambda: SimulatedLcusBoard(4, "text", drop_faster_than_ms=40)),
    Case("lcus-text-8-fresh", "lcus", lambda: quick_lcus(8, "text", stale_by_one=False), QUICK),
    Case("lcus-binary", "lcus", lambda: quick_lcus(4, "binary"), QUICK),
    Case("lcus-none", "lcus", lambda: quick_lcus(4, "none"), {"channels": 4, **QUICK}, reads=False),
    Case("waveshare", "waveshare", lambda: SimulatedModbusBoard("waveshare", 1), bus=True),
    Case(
        "waveshare-d",
        "waveshare",
        lambda: SimulatedModbusBoard("waveshare", 7, inputs=8),
        {"address": 7, "inputs": 8},
        bus=True,
    ),
    Case("lc", "lc", lambda: SimulatedModbusBoard("lc", 255, 8, 8), {"address": 255}, bus=True),
    Case(
        "lc-2-relays",
        "lc",
        lambda: SimulatedModbusBoard("lc", 1, 2, 2),
        {"outputs": 2, "inputs": 2},
        bus=True,
    ),
    Case(
        "quirk0100",
        "quirk0100",
        lambda: SimulatedModbusBoard("quirk0100", 1, 4),
        reads=False,
        bus=True,
    ),
    Case("r421a08", "r421a08", lambda: SimulatedModbusBoard("r421a08", 63), {"address": 63}, bus=True),
    Case(
        "lc-9600-baud-wire",
        "lc",
        lambda: SimulatedModbusBoard("lc", 1, 8, 8, wire_baud=9600),
        bus=True,
    ),
]
CASES += [
    Case("kmtronic-2", "kmtronic", lambda: SimulatedKmtronicBoard(2), {"channels": 2}),
    Case("kmtronic-8", "kmtronic", lambda: SimulatedKmtronicBoard(8)),
    Case("devantech", "devantech", SimulatedDevantechBoard, redundant=False),
    Case("numato", "numato", SimulatedNumatoBoard),
]
READERS = [case for case in CASES if case.reads]
REDUNDANT_READERS = [case for case in READERS if case.redundant]
BUS_READERS = [case for case in READERS if case.bus]

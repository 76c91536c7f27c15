"""Every simulated relay board by the name of its family, for those who let the configuration choose."""

from pathlib import Path

from drivers.errors import DriverError
from drivers.simulated.boards import SimulatedBoard
from drivers.simulated.lcus import SimulatedLcusBoard
from drivers.simulated.modbus import SimulatedModbusBoard, SimulatedModbusTcpBoard
from drivers.simulated.small_boards import (
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    SimulatedNumatoBoard,
)

SIMULATED_FAMILIES = (
    "lcus",
    "kmtronic",
    "devantech",
    "numato",
    "waveshare",
    "lc",
    "quirk0100",
    "r421a08",
    "modbus-tcp",
)
_SMALL = {
    "kmtronic": SimulatedKmtronicBoard,
    "devantech": SimulatedDevantechBoard,
    "numato": SimulatedNumatoBoard,
}


def simulate(
    family: str,
    *,
    name: str = "",
    link: Path | None = None,
    wire_baud: int | None = None,
    dialect: str = "text",
    drop_faster_than_ms: float = 40.0,
    channels: int = 0,
) -> SimulatedBoard:
    """A simulated board as it is usually sold, with at least four relays; not started.

    Args:
        family: One of ``SIMULATED_FAMILIES``; ``modbus-tcp`` is a Waveshare board with a network plug.
        name: Of the device and its thread; empty: the family's.
        link: Symbolic link to keep pointed at its port; without meaning on the network.
        wire_baud: Let bytes take their time on the wire.
        dialect: How an LCUS board answers.
        drop_faster_than_ms: What follows sooner is lost on an LCUS board.
        channels: Relays of an LCUS board; 0: four.

    Raises:
        DriverError: There is no such family.
    """
    name = name or family
    match family:
        case "lcus":
            return SimulatedLcusBoard(
                channels or 4,
                dialect,
                drop_faster_than_ms=drop_faster_than_ms,
                name=name,
                link=link,
                wire_baud=wire_baud,
            )
        case "kmtronic" | "devantech" | "numato":
            return _SMALL[family](8, name=name, link=link, wire_baud=wire_baud)
        case "waveshare" | "lc" | "quirk0100" | "r421a08":
            return SimulatedModbusBoard(
                family, outputs=4 if family == "quirk0100" else 8, name=name, link=link, wire_baud=wire_baud
            )
        case "modbus-tcp":
            return SimulatedModbusTcpBoard(name=name, wire_baud=wire_baud)
    raise DriverError(family, f"no simulated board of this family; known: {', '.join(SIMULATED_FAMILIES)}")

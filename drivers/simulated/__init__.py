"""The other side of the wires, for demonstrations and tests: real bytes on a pseudo-terminal, real times.

    line       a pseudo-terminal, its thread, faults to order        boards   relays, inputs, history
    lcus       SimulatedLcusBoard                                    modbus   SimulatedModbusBoard
    small_boards   SimulatedKmtronicBoard, SimulatedDevantechBoard, SimulatedNumatoBoard
    barrier    a boom with travel time, limits, loop and beam        door     a door with lock and contact
    script     cars, persons and levels at given times               site     the boards, wired to both
    cameras    an MJPEG camera that fails to order                   rtsp     the same over RTSP

Shipped as product code: the configuration can name these instead of hardware. ``drivers.simulated.site`` is
also a program (``python -m drivers.simulated.site``) and is therefore not imported here.
"""

from drivers.simulated.boards import SimulatedBoard
from drivers.simulated.lcus import SimulatedLcusBoard
from drivers.simulated.line import LineFaults, SimulatedLine
from drivers.simulated.modbus import SimulatedModbusBoard
from drivers.simulated.small_boards import (
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    SimulatedNumatoBoard,
)

__all__ = [
    "LineFaults",
    "SimulatedBoard",
    "SimulatedDevantechBoard",
    "SimulatedKmtronicBoard",
    "SimulatedLcusBoard",
    "SimulatedLine",
    "SimulatedModbusBoard",
    "SimulatedNumatoBoard",
]

"""The other side of the wires, for demonstrations and tests: real bytes on a real line, real times.

    line       a device, its thread, faults to order                 jacks    pseudo-terminal and TCP port
    boards     relays, inputs, history                               catalog  the boards by family
    lcus       SimulatedLcusBoard                                    modbus   SimulatedModbusBoard, and by TCP
    small_boards   SimulatedKmtronicBoard, SimulatedDevantechBoard, SimulatedNumatoBoard
    barrier    a boom with travel time, limits, loop and beam        door     a door with lock and contact
    script     cars, persons and levels at given times               site     the boards, wired to both
    turnstile  credits, people, feedback    mantrap  two doors       walkway  boards, wired to these two
    signboards FK and KF cards that show and speak                   readers  libosdp's other side; a bridge
    cameras    an MJPEG camera that fails to order     rtsp     the same over RTSP    h264     ... in H.264

Shipped as product code: the configuration can name these instead of hardware. ``drivers.simulated.site`` is
also a program (``python -m drivers.simulated.site``) and is therefore not imported here.
"""

from drivers.simulated.boards import SimulatedBoard
from drivers.simulated.lcus import SimulatedLcusBoard
from drivers.simulated.line import LineFaults, SimulatedLine
from drivers.simulated.modbus import SimulatedModbusBoard, SimulatedModbusTcpBoard
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
    "SimulatedModbusTcpBoard",
    "SimulatedNumatoBoard",
]

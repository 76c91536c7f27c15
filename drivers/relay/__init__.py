"""Relay and input boards, all behind one small contract.

    base           Capabilities and the Board protocol: what the lanes see
    catalog        names of the board types, and ``open_board``
    serial_board   what every board on a serial line shares
    lcus           LCUS-1/2/4/8 (frames in lcus_codec)
    modbus         Modbus RTU boards (frames in modbus_codec, the families in modbus_profiles)
    kmtronic, devantech, numato, gpio   further families

Nothing here imports ``edge`` or ``models``. A board is used by one thread, the owner of its line.
"""

from drivers.relay.base import Board, Capabilities
from drivers.relay.catalog import BOARD_TYPES, PulsingBoard, open_board

__all__ = ["BOARD_TYPES", "Board", "Capabilities", "PulsingBoard", "open_board"]

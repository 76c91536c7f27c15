"""Relay and input boards, all behind one small contract.

    base           Capabilities and the Board protocol: what the lanes see
    catalog        names of the board types, and ``open_board``
    serial_board   what every board on a line shares
    lcus           LCUS-1/2/4/8 (frames in lcus_codec)
    modbus         Modbus boards (requests in modbus_codec, RTU and TCP in modbus_framing, families in
                   modbus_profiles)
    relay_board    what boards share that have nothing but relays: kmtronic, devantech, numato
    gpio           the Pi's own pins

Nothing here imports ``edge`` or ``models``. A board is used by one thread, the owner of its line.
"""

from drivers.relay.base import Board, Capabilities, Oddities
from drivers.relay.catalog import BOARD_TYPES, PulsingBoard, open_board

__all__ = ["BOARD_TYPES", "Board", "Capabilities", "Oddities", "PulsingBoard", "open_board"]

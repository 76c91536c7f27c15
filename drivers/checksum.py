"""CRC-16/MODBUS as a number, for frames that are not Modbus: signs, voice cards, our own reader bridge."""

from pymodbus.framer.rtu import FramerRTU


def crc16(data: bytes) -> int:
    """CRC-16 (reflected polynomial A001, start FFFF) of all bytes, 0 to 65535.

    >>> hex(crc16(b"123456789"))
    '0x4b37'
    """
    # pymodbus gives the two bytes in the order in which Modbus sends them, low byte first.
    return int.from_bytes(FramerRTU.compute_CRC(data).to_bytes(2, "big"), "little")

"""Modbus RTU requests and replies as values: pymodbus's PDU classes and CRC, without its transaction layer.

A request knows its own frame and how long its answer must be, so an answer is found by length, address,
function and CRC, wherever it lies in what came: behind garbage, behind the echo of a two-wire adapter, or in
pieces. Timing gaps are not used, because USB adapters cannot keep them. No toggle is ever encoded.

Frame: address, function code, data, CRC-16 (reflected A001, start FFFF, low byte first). Source: Modbus over
serial line V1.02; the board families' own values are in ``modbus_profiles``.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
)
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, WriteSingleRegisterRequest

MIN_FRAME_BYTES = 4
_EXCEPTION_BYTES = 5
EXCEPTION_FLAG = 0x80
_OVERHEAD_BYTES = 3  # address and CRC
_framer = FramerRTU(DecodePDU(is_server=False))


class Function(IntEnum):
    """The function codes that are used."""

    READ_COILS = 1
    READ_INPUTS = 2
    READ_REGISTERS = 3
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    WRITE_COILS = 15


class Refusal(IntEnum):
    """Exception codes of a board that says no."""

    UNKNOWN_FUNCTION = 1
    UNKNOWN_ADDRESS = 2
    BAD_VALUE = 3
    DEVICE_FAILED = 4
    STILL_WORKING = 5
    BUSY = 6
    NO_WAY_TO_UNIT = 10  # from a gateway
    UNIT_SILENT = 11  # from a gateway


class _WriteCoilValue(ModbusPDU):
    """FC05 with any value, where pymodbus knows only FF00 and 0000."""

    function_code = Function.WRITE_COIL
    rtu_frame_size = 8

    def __init__(self, unit: int, address: int, value: int) -> None:
        super().__init__(dev_id=unit, address=address)
        self.value = value

    def encode(self) -> bytes:
        """Address and value, big endian."""
        return struct.pack(">HH", self.address, self.value)


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        frame: Whole frame, CRC included.
        reply_bytes: Length of the frame that answers it.
        is_echoed: The answer repeats the request's first six bytes (single writes).
    """

    frame: bytes
    reply_bytes: int
    is_echoed: bool = False

    @property
    def unit(self) -> int:
        """Address of the board that is asked."""
        return self.frame[0]

    @property
    def function(self) -> int:
        """Function code."""
        return self.frame[1]


@dataclass(frozen=True, slots=True)
class Reply:
    """A sound answer: the data behind the function code, or the board's refusal.

    Attributes:
        data: Bytes between function code and CRC.
        refusal: Exception code, or None when the board obeyed.
        start, end: Where the frame lay in the bytes that were searched.
    """

    data: bytes
    refusal: int | None
    start: int
    end: int

    def bits(self, count: int) -> tuple[bool, ...]:
        """The first ``count`` bits of a read of coils or inputs, lowest address first."""
        return tuple(bool(self.data[1 + i // 8] >> (i % 8) & 1) for i in range(count))

    def registers(self) -> tuple[int, ...]:
        """The 16-bit values of a read of registers."""
        return struct.unpack(f">{self.data[0] // 2}H", self.data[1 : 1 + self.data[0]])


def read_coils(unit: int, address: int, count: int) -> Request:
    """FC01: states of ``count`` relays."""
    pdu = ReadCoilsRequest(address=address, count=count, dev_id=unit)
    return Request(_framer.buildFrame(pdu), _OVERHEAD_BYTES + 2 + (count + 7) // 8)


def read_inputs(unit: int, address: int, count: int) -> Request:
    """FC02: states of ``count`` inputs."""
    pdu = ReadDiscreteInputsRequest(address=address, count=count, dev_id=unit)
    return Request(_framer.buildFrame(pdu), _OVERHEAD_BYTES + 2 + (count + 7) // 8)


def read_registers(unit: int, address: int, count: int) -> Request:
    """FC03: ``count`` holding registers."""
    pdu = ReadHoldingRegistersRequest(address=address, count=count, dev_id=unit)
    return Request(_framer.buildFrame(pdu), _OVERHEAD_BYTES + 2 + 2 * count)


def write_coil(unit: int, address: int, value: int) -> Request:
    """FC05 with a raw value: FF00 on, 0000 off, or what the family defines."""
    return Request(_framer.buildFrame(_WriteCoilValue(unit, address, value)), 8, is_echoed=True)


def write_coils(unit: int, address: int, states: tuple[bool, ...]) -> Request:
    """FC0F: several relays in one frame."""
    pdu = WriteMultipleCoilsRequest(address=address, bits=list(states), dev_id=unit)
    return Request(_framer.buildFrame(pdu), 8, is_echoed=True)


def write_register(unit: int, address: int, value: int) -> Request:
    """FC06: one holding register."""
    pdu = WriteSingleRegisterRequest(address=address, registers=[value], dev_id=unit)
    return Request(_framer.buildFrame(pdu), 8, is_echoed=True)


def has_sound_crc(frame: bytes) -> bool:
    """True when the last two bytes are the CRC of the others."""
    if len(frame) < MIN_FRAME_BYTES:
        return False
    return FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))


def append_crc(body: bytes) -> bytes:
    """Address, function and data with their CRC behind them."""
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def find_reply(data: bytes, request: Request, start: int = 0) -> Reply | None:
    """Find the answer to ``request`` in what has come so far, or None.

    Bytes before, between and after do not matter. A frame of another board, of another function, or the
    acknowledgement of another write is no answer.
    """
    for at in range(start, len(data) - MIN_FRAME_BYTES + 1):
        if data[at] != request.unit:
            continue
        if data[at + 1] == request.function:
            end = at + request.reply_bytes
            if end <= len(data) and has_sound_crc(data[at:end]) and answers(data[at : end - 2], request):
                return Reply(data[at + 2 : end - 2], None, at, end)
        elif data[at + 1] == request.function | EXCEPTION_FLAG:
            end = at + _EXCEPTION_BYTES
            if end <= len(data) and has_sound_crc(data[at:end]):
                return Reply(b"", data[at + 2], at, end)
    return None


def find_other_unit(data: bytes, request: Request) -> int | None:
    """Address of another board whose frame answers where ours should; None when there is no such frame."""
    for at in range(len(data) - MIN_FRAME_BYTES + 1):
        frame = data[at : at + request.reply_bytes]
        is_reply = len(frame) == request.reply_bytes and frame[1] == request.function and has_sound_crc(frame)
        if is_reply and frame[0] != request.unit:
            return frame[0]
    return None


def answers(body: bytes, request: Request) -> bool:
    """True when unit, function and data (no CRC) are what this request asked for, as far as form goes."""
    if request.is_echoed:
        return body[2:6] == request.frame[2:6]
    return body[2] == len(body) - _OVERHEAD_BYTES

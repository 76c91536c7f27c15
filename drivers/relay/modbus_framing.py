"""How a Modbus request travels: RTU with a CRC on a serial line, or with the TCP header on a network.

A request is made once (``modbus_codec``); a framing gives it the form that the line wants, and finds its
answer in whatever came. The TCP header numbers every exchange, so an answer that comes late is told from the
one that is waited for; RTU has no such number.

TCP header, seven bytes: transaction, protocol 0, length of what follows, unit. Source: Modbus Messaging on
TCP/IP V1.0b.
"""

import struct
from typing import Protocol

from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU

from drivers.relay.modbus_codec import (
    EXCEPTION_FLAG,
    Reply,
    Request,
    answers,
    find_other_unit,
    find_reply,
)

_CRC_BYTES = 2
_REMEMBERED = 64  # an answer to an older request than that is noise
_HEADER = struct.Struct(">HHHB")
_framer = FramerSocket(DecodePDU(is_server=False))


class Framing(Protocol):
    """One way for a request to travel."""

    numbers_answers: bool

    def wrap(self, request: Request) -> bytes:
        """The bytes for the line; a new exchange each time."""
        ...

    def find(self, data: bytes, request: Request, start: int = 0) -> Reply | None:
        """The answer to the request wrapped last, in what has come so far, or None."""
        ...

    def find_other_unit(self, data: bytes, request: Request) -> int | None:
        """Another board that answers where ours should, or None."""
        ...

    def is_late(self, data: bytes) -> bool:
        """True when this is nothing but answers to earlier requests."""
        ...


class RtuFraming:
    """Address, function, data, CRC."""

    numbers_answers = False

    def wrap(self, request: Request) -> bytes:
        """The frame as it is."""
        return request.frame

    def find(self, data: bytes, request: Request, start: int = 0) -> Reply | None:
        """By address, function, length and CRC."""
        return find_reply(data, request, start)

    def find_other_unit(self, data: bytes, request: Request) -> int | None:
        """By another address on a frame that is sound."""
        return find_other_unit(data, request)

    def is_late(self, data: bytes) -> bool:
        """Nothing tells a late answer."""
        del data
        return False


class TcpFraming:
    """The TCP header instead of address and CRC."""

    numbers_answers = True

    def __init__(self) -> None:
        self._transaction = 0

    def wrap(self, request: Request) -> bytes:
        """With the next transaction number."""
        self._transaction = self._transaction % 0xFFFF + 1
        return _framer.encode(request.frame[1:-_CRC_BYTES], request.unit, self._transaction)

    def find(self, data: bytes, request: Request, start: int = 0) -> Reply | None:
        """By transaction, unit, function and length."""
        for at in range(start, len(data) - _HEADER.size - 1):
            transaction, protocol, length, unit = _HEADER.unpack_from(data, at)
            if transaction != self._transaction or protocol or unit != request.unit:
                continue
            end = at + _HEADER.size - 1 + length
            body = data[at + _HEADER.size - 1 : end]  # unit, function, data
            if end > len(data) or length < 3:
                continue
            if body[1] == request.function | EXCEPTION_FLAG:
                return Reply(b"", body[2], at, end)
            is_whole = body[1] == request.function and len(body) == request.reply_bytes - _CRC_BYTES
            if is_whole and answers(body, request):
                return Reply(body[2:], None, at, end)
        return None

    def find_other_unit(self, data: bytes, request: Request) -> int | None:
        """By another unit under our transaction."""
        if len(data) <= _HEADER.size:
            return None
        transaction, protocol, _, unit = _HEADER.unpack_from(data)
        is_ours = transaction == self._transaction and not protocol
        return unit if is_ours and unit != request.unit else None

    def is_late(self, data: bytes) -> bool:
        """By another transaction on every frame."""
        while len(data) > _HEADER.size:
            transaction, protocol, length, _ = _HEADER.unpack_from(data)
            if protocol or not 0 < self._transaction - transaction <= _REMEMBERED:
                return False
            data = data[_HEADER.size - 1 + length :]
        return not data


FRAMINGS: dict[str, type[RtuFraming] | type[TcpFraming]] = {"rtu": RtuFraming, "tcp": TcpFraming}

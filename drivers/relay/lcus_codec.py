"""Frames of the LCUS-1/2/4/8 relay boards (Shenzhen LC, CH340), as values in and out.

Command, four bytes: ``A0 channel operation sum``, channel from 1, operation 00 off or 01 on, sum the low byte
of the first three added up. Nothing answers it. Status query: the single byte ``FF``. Three dialects of the
answer are in the field: one line of text per channel (``CH1: OFF`` or ``CH1: ON`` padded to the same ten
bytes, CR LF included), one raw byte per channel (00 or 01), and none at all.

Source: notes and drivers that independent users of the boards published; they disagree on the answer.
"""

import re
from enum import StrEnum

HEAD = 0xA0
STATUS_QUERY = b"\xff"
TEXT_BYTES_PER_CHANNEL = 10
BOARD_SIZES = (1, 2, 4, 8)  # relays on the boards that are sold

_LINE = re.compile(rb"CH([1-8]): (OFF|ON )\r\n")


class Dialect(StrEnum):
    """How a board answers the status query."""

    TEXT = "text"
    BINARY = "binary"
    NONE = "none"


def encode_switch(channel: int, on: bool) -> bytes:
    """The command that switches one relay.

    >>> encode_switch(1, True).hex(" ")
    'a0 01 01 a2'
    """
    if not 1 <= channel <= 0xFF:
        raise ValueError(f"channel {channel} is not 1..255")
    return bytes((HEAD, channel, int(on), (HEAD + channel + int(on)) & 0xFF))


def encode_text_status(states: tuple[bool, ...]) -> bytes:
    """The text answer of a board with these relays; what a simulated board sends."""
    lines = (f"CH{i}: {'ON ' if on else 'OFF'}\r\n" for i, on in enumerate(states, start=1))
    return "".join(lines).encode("ascii")


def decode_text_status(data: bytes) -> tuple[bool, ...] | None:
    """Relay states from a text answer, whatever surrounds it.

    Returns:
        States of CH1, CH2, ... without a hole, or None when a line is missing, damaged, or contradicted.
    """
    seen: dict[int, bool] = {}
    for match in _LINE.finditer(data):
        channel, on = int(match[1]), match[2] == b"ON "
        if seen.setdefault(channel, on) != on:
            return None
    if not seen or sorted(seen) != list(range(1, len(seen) + 1)):
        return None
    return tuple(seen[channel] for channel in sorted(seen))


def decode_binary_status(data: bytes) -> tuple[bool, ...] | None:
    """Relay states from a raw answer, or None: it has no checksum, so anything odd is refused."""
    if not data or any(byte not in (0, 1) for byte in data):
        return None
    return tuple(byte == 1 for byte in data)


def decode_switches(buffer: bytes) -> tuple[list[tuple[int, bool] | None], bytes]:
    """Cut commands and queries out of a stream, as the board's firmware must.

    Returns:
        In order, ``(channel, on)`` per command and None per status query; then the bytes that may be the
        start of the next command. Bytes that fit nothing are skipped.
    """
    found: list[tuple[int, bool] | None] = []
    at = 0
    while at < len(buffer):
        if buffer[at] == STATUS_QUERY[0]:
            found.append(None)
            at += 1
        elif buffer[at] != HEAD:
            at += 1
        elif len(buffer) - at < 4:
            break
        else:
            channel, operation, total = buffer[at + 1 : at + 4]
            if operation in (0, 1) and (HEAD + channel + operation) & 0xFF == total:
                found.append((channel, operation == 1))
                at += 4
            else:
                at += 1
    return found, buffer[at:]

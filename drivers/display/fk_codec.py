"""FK ("方控") card frames, also sold as OLM and under other names: built and found in a stream. Pure.

    DA VR PN(2) CMD DL DATA(DL) CRC(2)

``DA`` is the card's address (00), ``VR`` the protocol version (64 hex: one byte of length), ``PN`` the packet
number (FF FF: the only one), CRC is CRC-16/MODBUS over all before it, low byte first. A card may answer with
the head of the command, ``DL`` 1, and a result of 00. Commands used here:

    30  voice: mode (00 append, 01 append and play, 02 clear, append and play), GBK text
    62  temporary text: window, entry mode, entry speed, stay mode (0), stay s, exit mode, exit speed,
        font (3: 16 px), rounds (0: for ever), colour R G B 0, background R G B 0, length (2, low first), text
    0D  volume, one byte
    3F  plain text: four bytes (40 00 00 00), ASCII or GBK text; only decoded here

Source: public protocol text V2.6 (2023) for the frame; published frames of five code bases for the layouts,
their checksums recomputed. Which numbers a card accepts for volume and colour: verify on the device.
"""

import struct
from dataclasses import dataclass

from drivers.checksum import crc16
from drivers.display.base import Colour
from drivers.display.text import encode as gbk
from drivers.scanning import HOPELESS, MORE, scan

HEAD = struct.Struct(">BBHBB")
VERSION = 0x64
WHOLE = 0xFFFF
CRC_BYTES = 2
_FIXED = bytes((VERSION, 0xFF, 0xFF))

VOICE = 0x30
TEXT = 0x62
VOLUME = 0x0D
PLAIN = 0x3F

APPEND, APPEND_AND_PLAY, REPLACE_AND_PLAY = 0x00, 0x01, 0x02
AT_ONCE, SCROLL_LEFT = 0x00, 0x15
_FONT_16PX = 3
_TEXT_HEAD = struct.Struct("<9B4s4sH")
MAX_DATA_BYTES = 255
MAX_TEXT_BYTES = MAX_DATA_BYTES - _TEXT_HEAD.size

RGB0 = {
    Colour.RED: b"\xff\x00\x00\x00",
    Colour.GREEN: b"\x00\xff\x00\x00",
    Colour.YELLOW: b"\xff\xff\x00\x00",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One sound frame."""

    address: int
    command: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """Content of a text command.

    Attributes:
        window: Line of the card, from 0.
        entry: How the text comes in; ``SCROLL_LEFT`` keeps moving.
        stay_s: Seconds that one round stands. rounds: How often it is shown, 0 for ever.
    """

    window: int
    text: bytes
    entry: int = AT_ONCE
    stay_s: int = 5
    rounds: int = 0
    rgb0: bytes = RGB0[Colour.RED]


def encode(command: int, data: bytes, address: int = 0) -> bytes:
    """A frame of one packet.

    Raises:
        ValueError: The data are longer than a one-byte length can say.
    """
    if len(data) > MAX_DATA_BYTES:
        raise ValueError(f"{len(data)} bytes of data do not fit an FK frame; at most {MAX_DATA_BYTES}")
    body = HEAD.pack(address, VERSION, WHOLE, command, len(data)) + data
    return body + crc16(body).to_bytes(CRC_BYTES, "little")


def encode_voice(text: str, *, mode: int = REPLACE_AND_PLAY, address: int = 0) -> bytes:
    """Say a text; plates and numbers are read by the card's own rule."""
    return encode(VOICE, bytes((mode,)) + gbk(text)[: MAX_DATA_BYTES - 1], address)


def encode_text(content: Text, address: int = 0) -> bytes:
    """Put a text into a window."""
    text = content.text[:MAX_TEXT_BYTES]
    head = _TEXT_HEAD.pack(
        content.window,
        content.entry,
        1,
        0,
        content.stay_s,
        content.entry,
        1,
        _FONT_16PX,
        content.rounds,
        content.rgb0,
        bytes(4),
        len(text),
    )
    return encode(TEXT, head + text, address)


def encode_volume(level: int, address: int = 0) -> bytes:
    """Set the volume."""
    return encode(VOLUME, bytes((level,)), address)


def decode_text(data: bytes) -> Text | None:
    """Content of a text command, or None when it is too short for what it says."""
    if len(data) < _TEXT_HEAD.size:
        return None
    window, entry, _, _, stay_s, _, _, _, rounds, rgb0, _, length = _TEXT_HEAD.unpack_from(data)
    text = data[_TEXT_HEAD.size :]
    return Text(window, text[:length], entry, stay_s, rounds, rgb0) if length <= len(text) else None


def encode_answer(frame: Frame, result: int = 0) -> bytes:
    """What a card that acknowledges says to a frame."""
    return encode(frame.command, bytes((result,)), frame.address)


def decode(data: bytes) -> tuple[list[Frame], bytes]:
    """Find every sound frame in a stream, whatever lies between.

    Returns:
        The frames, and the tail that may be the beginning of one more.
    """
    found, tail = scan(data, _measure)
    return [Frame(frame[0], frame[4], frame[HEAD.size : -CRC_BYTES]) for frame in found], tail


def _measure(data: bytes, start: int) -> int:
    head = data[start : start + HEAD.size]
    if not _FIXED.startswith(head[1:4]):
        return HOPELESS
    if len(head) < HEAD.size:
        return MORE
    end = start + HEAD.size + head[5] + CRC_BYTES
    if end > len(data):
        return MORE
    is_sound = (
        crc16(data[start : end - CRC_BYTES]).to_bytes(CRC_BYTES, "little") == data[end - CRC_BYTES : end]
    )
    return end if is_sound else HOPELESS

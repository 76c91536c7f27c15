"""KF ("AA 55") card frames: built and found in a stream. Pure.

    AA 55 SEQ ADDR 00 CMD LEN(2, high first) DATA CRC(2) AF

CRC is CRC-16/MODBUS over SEQ .. DATA and two more bytes 00 00, high byte first. Commands used here:

    27  temporary text: line 1..4, seconds (0: no end), colour (1 red, 2 green, 3 yellow), 00, GBK text
    22  voice: characters of a plate in GBK, digits, and one-byte numbers of recorded phrases

The voice of these cards is a store of recorded phrases, not a reader of any text: ``phrases`` finds them in a
sentence. Some of them carry a speech chip (SYN6288 or XFS) behind the same line, which takes
``FD LEN(2) 01 01 "[s3]" GBK`` and says anything. Address 64 hex is the entry's card, 65 the exit's.

Source: published frames of two code bases, checksums recomputed; which phrase numbers a card holds depends on
its voice file: verify on the device.
"""

import struct
from dataclasses import dataclass

from drivers.checksum import crc16
from drivers.display.base import Colour
from drivers.display.text import encode as gbk
from drivers.scanning import HOPELESS, MORE, scan

START = b"\xaa\x55"
END = 0xAF
_HEAD = struct.Struct(">BBBBH")
_HEAD_BYTES = len(START) + _HEAD.size
_TAIL_BYTES = 3
MAX_DATA_BYTES = 512

TEXT = 0x27
VOICE = 0x22

COLOURS = {Colour.RED: 1, Colour.GREEN: 2, Colour.YELLOW: 3}
# Of what is published, the phrases that a gate without a till needs; 44 and 45 hex, which some lists give to
# words of payment, are the letters D and E of a plate.
PHRASES = {
    "欢迎光临": 0x01,
    "谢谢": 0x03,
    "请稍候": 0x0C,
    "此车": 0x13,
    "请入场停车": 0x14,
    "一路顺风": 0x5F,
    "一路平安": 0x5F,
    "再次光临": 0x62,
}
_BY_NUMBER = {number: phrase for phrase, number in reversed(PHRASES.items())}
_PROVINCES = frozenset("京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新使领警学港澳挂")


@dataclass(frozen=True, slots=True)
class Frame:
    """One sound frame."""

    seq: int
    address: int
    command: int
    data: bytes


def encode(seq: int, address: int, command: int, data: bytes) -> bytes:
    """A frame.

    Raises:
        ValueError: The data are longer than these cards take.
    """
    if len(data) > MAX_DATA_BYTES:
        raise ValueError(f"{len(data)} bytes of data do not fit a KF frame; at most {MAX_DATA_BYTES}")
    body = _HEAD.pack(seq & 0xFF, address, 0, command, len(data)) + data
    return START + body + _tail(body)


def encode_text(seq: int, address: int, row: int, seconds: int, colour: Colour, text: bytes) -> bytes:
    """Put a text on a line, from 1."""
    return encode(seq, address, TEXT, bytes((row, min(seconds, 255), COLOURS[colour], 0)) + text)


def phrases(text: str) -> bytes:
    """A sentence as the voice store has it: phrases as numbers, characters of a plate as they are.

    What the store does not hold is left out: saying half a sentence is better than noise.

    >>> phrases("渝A12345,欢迎光临").hex()
    'd3e541313233343501'
    """
    said = b""
    at = 0
    while at < len(text):
        phrase = next((p for p in _LONGEST_FIRST if text.startswith(p, at)), "")
        character = text[at]
        if phrase:
            said += bytes((PHRASES[phrase],))
        elif character in _PROVINCES:
            said += gbk(character)
        elif character.isascii() and character.isalnum():
            said += character.upper().encode()
        at += len(phrase) or 1
    return said


_LONGEST_FIRST = sorted(PHRASES, key=len, reverse=True)


def said(data: bytes) -> str:
    """What a card says to the data of a voice command: the other direction of ``phrases``."""
    text = ""
    at = 0
    while at < len(data):
        byte = data[at]
        if byte >= 0x81 and at + 1 < len(data):
            text += data[at : at + 2].decode("gbk", "replace")
            at += 2
            continue
        text += chr(byte) if chr(byte).isalnum() and byte < 0x5B else _BY_NUMBER.get(byte, f"<{byte:02X}>")
        at += 1
    return text


def encode_speech(text: str) -> bytes:
    """A sentence for the speech chip behind the card."""
    content = b"\x01\x01[s3]" + gbk(text)
    return b"\xfd" + len(content).to_bytes(2, "big") + content


def decode_speech(data: bytes) -> str:
    """The sentence in a speech chip's frame, empty when the bytes are none."""
    length = int.from_bytes(data[1:3], "big")
    is_speech = data[:1] == b"\xfd" and data[3:5] == b"\x01\x01" and len(data) == 3 + length
    return data[5:].removeprefix(b"[s3]").decode("gbk", "replace") if is_speech else ""


def decode(data: bytes) -> tuple[list[Frame], bytes]:
    """Find every sound frame in a stream, whatever lies between.

    Returns:
        The frames, and the tail that may be the beginning of one more.
    """
    found, tail = scan(data, _measure)
    return [Frame(frame[2], frame[3], frame[5], frame[_HEAD_BYTES:-_TAIL_BYTES]) for frame in found], tail


def _measure(data: bytes, start: int) -> int:
    head = data[start : start + _HEAD_BYTES]
    if not START.startswith(head[: len(START)]):
        return HOPELESS
    if len(head) < _HEAD_BYTES:
        return MORE
    length = int.from_bytes(head[-2:], "big")
    end = start + _HEAD_BYTES + length + _TAIL_BYTES
    if length > MAX_DATA_BYTES:
        return HOPELESS
    if end > len(data):
        return MORE
    body = data[start + len(START) : end - _TAIL_BYTES]
    return end if data[end - _TAIL_BYTES : end] == _tail(body) else HOPELESS


def _tail(body: bytes) -> bytes:
    return crc16(body + bytes(2)).to_bytes(2, "big") + bytes((END,))

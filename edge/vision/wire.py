"""How messages cross the pipe between a vision process and the daemon.

One message is ``GV`` and a version byte, a zero byte, the length of the JSON header, the length of the blob
(both 32-bit, big-endian), then the header (one JSON object in UTF-8) and the blob (raw bytes: a template, a
picture). Not pickle: the child decodes whatever a camera sends, and whoever takes it over must not be able to
run code here. Sizes are checked before anything is kept.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

MAGIC = b"GV\x01\x00"
_PREFIX = struct.Struct(">4sII")
MOST_HEADER = 32_768
MOST_BLOB = 131_072


class WireError(ValueError):
    """What came is no message: the other side is broken or has been taken over."""


def frame(header: Mapping[str, Any], blob: bytes = b"") -> bytes:
    """Put one message into bytes.

    Raises:
        WireError: It is larger than any receiver takes.
    """
    try:
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except ValueError as error:  # NaN, or half a surrogate pair
        raise WireError(f"cannot be sent: {error}") from error
    if len(text) > MOST_HEADER or len(blob) > MOST_BLOB:
        raise WireError(f"too large to be sent: header {len(text)} bytes, blob {len(blob)} bytes")
    return _PREFIX.pack(MAGIC, len(text), len(blob)) + text + blob


class Unframer:
    """Takes bytes in pieces of any size and gives whole messages. One thread."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield (header, blob) of every message that is complete now.

        Raises:
            WireError: The stream is no stream of messages; it cannot be used any further.
        """
        self._held += piece
        while len(self._held) >= _PREFIX.size:
            magic, header_length, blob_length = _PREFIX.unpack_from(self._held)
            if magic != MAGIC:
                raise WireError(f"a message begins with {bytes(magic)!r}")
            if header_length > MOST_HEADER or blob_length > MOST_BLOB:
                raise WireError(f"a message announces {header_length} + {blob_length} bytes")
            end = _PREFIX.size + header_length + blob_length
            if len(self._held) < end:
                return
            text = bytes(self._held[_PREFIX.size : _PREFIX.size + header_length])
            blob = bytes(self._held[_PREFIX.size + header_length : end])
            del self._held[:end]
            yield _parsed(text), blob


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a header is no JSON: {type(error).__name__}") from error
    if not isinstance(header, dict):
        raise WireError("a header is no JSON object")
    return header


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")

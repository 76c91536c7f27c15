"""How the control process and its examiner talk: a JSON header and a blob, each with its length before it.

Blobs are read into buffers that can be overwritten: a template must not linger in freed memory.
"""

import json
import os
import select
import struct
from collections.abc import Callable
from typing import Any

from edge.errors import Unavailable

_PREFIX = struct.Struct(">II")
MOST_HEADER = 64 * 1024
MOST_BLOB = 48 * 1024 * 1024
_TURN_MS = 200


class ExaminerGone(Unavailable):
    """The other side has ended, hangs, or speaks nonsense."""


class Pipe:
    """One end of a pair of pipes.

    Args:
        incoming, outgoing: File descriptors; closed by ``close``.
        turn: Called a few times a second while waiting; raises to give up.

    Thread: one.
    """

    def __init__(self, incoming: int, outgoing: int, turn: Callable[[], None] = lambda: None) -> None:
        self._in, self._out, self._turn = incoming, outgoing, turn
        os.set_blocking(incoming, False)
        os.set_blocking(outgoing, False)

    def send(self, header: dict[str, Any], blob: bytes | memoryview = b"") -> None:
        """Write one message whole.

        Raises:
            ExaminerGone: Nobody reads it.
        """
        text = json.dumps(header, ensure_ascii=False).encode()
        for part in (_PREFIX.pack(len(text), len(blob)) + text, blob):
            left = memoryview(part)
            while left:
                self._wait(self._out, select.POLLOUT)
                try:
                    left = left[os.write(self._out, left[: 1 << 16]) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError as error:
                    raise ExaminerGone("the examiner has ended") from error

    def receive(self) -> tuple[dict[str, Any], bytearray]:
        """Wait for one message.

        Raises:
            ExaminerGone: It has ended, or what came is no message.
        """
        header_length, blob_length = _PREFIX.unpack(self._exactly(_PREFIX.size))
        if header_length > MOST_HEADER or blob_length > MOST_BLOB:
            raise ExaminerGone(f"a message announces {header_length} + {blob_length} bytes")
        try:
            header = json.loads(self._exactly(header_length))
        except ValueError as error:
            raise ExaminerGone(f"a header is no JSON: {error}") from error
        if not isinstance(header, dict):
            raise ExaminerGone("a header is no JSON object")
        return header, self._exactly(blob_length)

    def close(self) -> None:
        """Close both ends; harmless when closed."""
        for end in (self._in, self._out):
            if end >= 0:
                os.close(end)
        self._in = self._out = -1

    def _exactly(self, length: int) -> bytearray:
        buffer = bytearray(length)
        left = memoryview(buffer)
        while left:
            self._wait(self._in, select.POLLIN)
            try:
                count = os.readv(self._in, [left])
            except BlockingIOError:
                continue
            if count == 0:
                raise ExaminerGone("the examiner has ended")
            left = left[count:]
        return buffer

    def _wait(self, end: int, event: int) -> None:
        poller = select.poll()
        poller.register(end, event)
        while not poller.poll(_TURN_MS):
            self._turn()

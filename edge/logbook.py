"""The last lines of the log, kept in memory for whoever may ask from afar, everything secret starred out.

What is starred: user and password in addresses, values of options whose names say password, token, key, PIN
or nonce, and every long word of base64 or hexadecimal digits (a key, a signature, a template). A line that
says too little is asked for again on the box itself; one that says too much cannot be taken back.
"""

import logging
import re
from collections import deque
from datetime import UTC, datetime

from drivers.camera.address import shown

KEPT = 1000
LINE_LIMIT = 400
_OPTION = re.compile(
    r"((?:pass(?:word|wd)?|pwd|token|secret|seed|nonce|pin|key|auth\w*|credential)\w*[\"']?\s*[:=]\s*[\"']?)[^\s,;\"'}]+",
    re.IGNORECASE,
)
_LONG_WORD = re.compile(r"(?<![\w/.-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[A-Za-z0-9_+=-]{28,}(?![\w/])")
_JWS = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")


def redacted(line: str) -> str:
    """The line as it may leave the box.

    >>> redacted("open rtsp://admin:secret@10.0.0.7/1 with token=abc")
    'open rtsp://***@10.0.0.7/1 with token=***'
    """
    line = _OPTION.sub(r"\1***", shown(line))
    return _LONG_WORD.sub("***", _JWS.sub("***", line))[:LINE_LIMIT]


class Logbook(logging.Handler):
    """Keeps the last lines, redacted when they are written. Thread: any."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line; traces are left out, for they quote the source."""
        at = datetime.fromtimestamp(record.created, UTC)
        stamp = f"{at:%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}Z"
        text = " ".join(record.getMessage().split())
        self._lines.append(
            redacted(f"{stamp} {record.levelname[0]} {record.threadName} {record.name}: {text}")
        )

    def last(self, count: int) -> list[str]:
        """The newest lines, oldest first."""
        lines = list(self._lines)
        return lines[-count:] if count else []

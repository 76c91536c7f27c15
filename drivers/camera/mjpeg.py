"""MJPEG over HTTP, decoded at a half, a quarter or an eighth of its size.

Each part of the answer is one JPEG (RFC 2046, multipart; ``multipart/x-mixed-replace`` is what cameras call
it). libjpeg leaves out the finest frequencies when it decodes at a fraction, so half of a picture of
2560 x 1440 costs less than a third of all of it; FFmpeg behind OpenCV cannot be told to. A picture that
waits behind a newer one is not decoded at all.
"""

import base64
import http.client
import re
import time
from collections.abc import Callable
from urllib.parse import SplitResult, unquote, urlsplit

import cv2
import numpy as np

from drivers.camera.address import shown, why_no_stream, why_unreachable
from drivers.camera.base import Frame
from drivers.camera.video import boot_ns
from drivers.errors import DriverClosed, LinkLost

REDUCTIONS = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_PIECE = 65_536
# A camera's picture is far smaller; what has no end by then is none.
_MOST_PICTURE = 16 * 1024 * 1024
_MOST_HEAD = 4096
_LENGTH = re.compile(rb"content-length:\s*(\d{1,9})", re.IGNORECASE)
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)


class Parts:
    """Takes the bytes of a multipart answer apart, however they are cut. Pure.

    Args:
        boundary: As the answer's header names it.

    Raises:
        ValueError: From ``feed``: a part is larger than any picture.
    """

    def __init__(self, boundary: bytes) -> None:
        # Some cameras write the two hyphens into the header, others do not.
        self._mark = b"--" + boundary.removeprefix(b"--")
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The bodies that are whole now, oldest first."""
        self._bytes += piece
        bodies = []
        while (body := self._next()) is not None:
            bodies.append(body)
        if len(self._bytes) > _MOST_PICTURE:
            raise ValueError("a part without end")
        return bodies

    def _next(self) -> bytes | None:
        start = self._bytes.find(self._mark)
        if start < 0:
            # The beginning of a boundary may be the last that came.
            del self._bytes[: max(0, len(self._bytes) - len(self._mark))]
            return None
        del self._bytes[:start]
        head = self._bytes.find(b"\r\n\r\n", 0, _MOST_HEAD)
        if head < 0:
            if len(self._bytes) >= _MOST_HEAD:
                del self._bytes[: len(self._mark)]  # no part begins here
            return None
        body = head + 4
        length = _LENGTH.search(self._bytes, 0, head)
        if length is not None:
            end = body + int(length.group(1))
            if len(self._bytes) < end:
                return None
        else:
            end = self._bytes.find(b"\r\n" + self._mark, body)
            if end < 0:
                return None
        picture = bytes(self._bytes[body:end])
        del self._bytes[:end]
        return picture


class MjpegCamera:
    """A network camera's MJPEG stream, reduced. Opened by its constructor.

    Args:
        name: Of the camera.
        url: ``http://`` or ``https://``, with user and password if it asks for them.
        reduce: 2, 4 or 8.
        open_timeout_s: How long the stream may take to begin.
        read_timeout_s: How long the next picture may take.
        clock: CLOCK_BOOTTIME in nanoseconds.

    Raises:
        LinkLost: It cannot be opened, or is no MJPEG; the message says what to check, and shows no password.
    """

    may_repeat = False

    def __init__(
        self,
        name: str,
        url: str,
        *,
        reduce: int,
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 3.0,
        clock: Callable[[], int] = boot_ns,
    ) -> None:
        self.name = name
        self._shown = shown(url)
        self._flag = REDUCTIONS[reduce]
        self._timeout_s = read_timeout_s
        self._clock = clock
        self._seq = 0
        if reason := why_unreachable(url):
            raise LinkLost(self._shown, reason)
        self._connection: http.client.HTTPConnection | None = None
        try:
            self._connection, self._answer = _ask(urlsplit(url), open_timeout_s, read_timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LinkLost(self._shown, why_no_stream(url)) from error
        boundary = _BOUNDARY.search(self._answer.headers.get("Content-Type", ""))
        if self._answer.status != 200 or boundary is None:
            status = self._answer.status
            self.close()
            raise LinkLost(
                self._shown,
                why_no_stream(url) if status != 200 else "is no MJPEG stream: leave reduce out",
            )
        self._parts = Parts(boundary.group(1).encode("latin-1", "replace"))

    def read(self) -> Frame:
        """Block until the next picture; see ``Camera.read``. ``taken_ns`` is the arrival of its last byte."""
        if self._connection is None:
            raise DriverClosed(self._shown, "the camera is closed")
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline:
            try:
                piece = self._answer.read1(_PIECE)
                bodies = self._parts.feed(piece) if piece else None
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise LinkLost(self._shown, "the stream stopped") from error
            if bodies is None:
                raise LinkLost(self._shown, "the stream stopped")
            if not bodies:
                continue
            taken_ns = self._clock()
            self._seq += len(bodies)
            image = _decoded(bodies[-1], self._flag)
            if image is not None:
                image.flags.writeable = False
                return Frame(self.name, self._seq, taken_ns, image)
        raise LinkLost(self._shown, "the stream stopped, or what comes is no picture: garbage")

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._answer.close()
            self._connection = None


def _ask(
    parts: SplitResult, open_timeout_s: float, read_timeout_s: float
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Ask for the stream; the answer's head has come."""
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=open_timeout_s)
    headers = {"User-Agent": "gatehouse", "Accept": "multipart/x-mixed-replace"}
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(user).decode()}"
    try:
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.connect()
        # The connection lets go of it as soon as the answer owns it.
        line = connection.sock
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        line.settimeout(read_timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection, answer


def _decoded(body: bytes, flag: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None":
    """(height, width, 3) uint8 BGR, reduced; None when it is no picture."""
    if not body.startswith(b"\xff\xd8"):
        return None
    try:
        image = cv2.imdecode(np.frombuffer(body, np.uint8), flag)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, np.uint8)

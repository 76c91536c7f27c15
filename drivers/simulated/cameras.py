"""Network cameras that fail to order: MJPEG over HTTP here, RTSP in ``drivers.simulated.rtsp``.

They send real bytes over real sockets, so the whole chain behind them (FFmpeg, OpenCV, the vision process) is
the one of a real camera. What they do not model: packet loss on the radio, several streams, authentication by
digest.
"""

import itertools
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self

_POLL_S = 0.05
_REQUEST_TIMEOUT_S = 2.0
_MOST_REQUEST = 16_384
_BOUNDARY = b"gatehouse"


class CameraFault(StrEnum):
    """How the stream misbehaves."""

    NONE = "none"
    FROZEN = "frozen"
    """The same picture for ever."""
    SILENT = "silent"
    """Connections are taken and stay open, but nothing comes."""
    GARBAGE = "garbage"
    """Noise instead of pictures."""


class SimulatedCamera:
    """A camera on the loopback interface. Use as a context manager, or ``close``.

    Args:
        pictures: JPEGs, sent one after the other, over and over.
        fps: Pictures per second.
        path: Of the stream; anything else is "not found".

    Attributes:
        fault: Set it to make running and new connections misbehave.
        pictures: Exchange them for others, also of another size, in mid-stream.
        connections: Accepted so far.

    Thread: its own, ``camera-port`` and one per connection; the attributes may be set from any.
    """

    scheme = "http"

    def __init__(self, pictures: Sequence[bytes], *, fps: float = 15.0, path: str = "/live") -> None:
        self.pictures = tuple(pictures)
        self.fps = fps
        self.path = path
        self.fault = CameraFault.NONE
        self.connections = 0
        self._port = 0
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.restore()

    @property
    def url(self) -> str:
        """Where it is to be found."""
        return f"{self.scheme}://127.0.0.1:{self._port}{self.path}"

    def cut(self) -> None:
        """Pull the plug: connections break, and the port refuses new ones. Returns when that is so."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def restore(self) -> None:
        """Come back at the same address, without fault."""
        self.cut()
        self._stopping = threading.Event()
        self.fault = CameraFault.NONE
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._launch("camera-port", self._accept, listener)

    def close(self) -> None:
        """End for good."""
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def serve(self, connection: socket.socket) -> None:
        """Answer one client until it goes or the camera stops."""
        request = self.receive(connection)
        if f" {self.path} ".encode() not in request.split(b"\r\n")[0]:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: multipart/x-mixed-replace; boundary="
            + _BOUNDARY
            + b"\r\n\r\n"
        )
        for picture in self.stream():
            part = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
            connection.sendall(b"--" + _BOUNDARY + b"\r\n" + part + picture + b"\r\n")

    def stream(self) -> Iterator[bytes]:
        """The pictures in their time, as the fault has it; ends when the camera stops."""
        for number in itertools.count():
            if self._stopping.wait(1 / self.fps):
                return
            if self.fault is CameraFault.GARBAGE:
                yield os.urandom(len(self.pictures[0]))
            elif self.fault is not CameraFault.SILENT:
                frozen = self.fault is CameraFault.FROZEN
                yield self.pictures[0 if frozen else number % len(self.pictures)]

    def receive(self, connection: socket.socket) -> bytes:
        """One request up to its empty line; what has come when the client ends before that."""
        request = b""
        while b"\r\n\r\n" not in request and len(request) < _MOST_REQUEST:
            piece = connection.recv(4096)
            if not piece:
                break
            request += piece
        return request

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._stopping.is_set():
                if select.select([listener], [], [], _POLL_S)[0]:
                    connection, _ = listener.accept()
                    self.connections += 1
                    self._launch("camera-client", self._attend, connection)

    def _attend(self, connection: socket.socket) -> None:
        connection.settimeout(_REQUEST_TIMEOUT_S)
        # A client that goes away in the middle is the normal end of a stream.
        with connection, suppress(OSError):
            self.serve(connection)

    def _launch(self, name: str, target: Callable[[socket.socket], None], end: socket.socket) -> None:
        thread = threading.Thread(target=target, name=name, args=(end,))
        self._threads.append(thread)
        thread.start()

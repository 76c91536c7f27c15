"""Network cameras that fail to order: MJPEG over HTTP here, RTSP in ``drivers.simulated.rtsp`` and ``h264``.

They send real bytes over real sockets, so the whole chain behind them (FFmpeg, OpenCV, the vision process) is
the one of a real camera. What they do not model: packet loss on the radio, several streams, authentication by
digest.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

_TURN_S = 0.02
_SEND_TIMEOUT_S = 2.0
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
    DEAF = "deaf"
    """Connections are taken and dropped at once."""


@dataclass(slots=True, eq=False)
class Client:
    """One connection: what it asked so far, whether it is sent pictures, and how many packets it got.

    ``repeats`` counts the pictures since the first of a frozen stream.
    """

    connection: socket.socket
    asked: bytes = b""
    plays: bool = False
    packets: int = 0
    repeats: int = 0


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

    Thread: one of its own, ``camera``; the attributes may be set from any.
    """

    scheme = "http"

    def __init__(self, pictures: Sequence[bytes], *, fps: float = 15.0, path: str = "/live") -> None:
        self.pictures = tuple(pictures)
        self.fps = fps
        self.path = path
        self.fault = CameraFault.NONE
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port: int = self._listener.getsockname()[1]
        self._clients: dict[int, Client] = {}
        self._is_cut = False
        self._obeyed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is to be found."""
        return f"{self.scheme}://127.0.0.1:{self._port}{self.path}"

    def cut(self) -> None:
        """Pull the plug: connections break, and the port refuses new ones. Returns when that is so."""
        self._switch(is_cut=True)

    def restore(self) -> None:
        """Come back at the same address, without fault. Returns when that is so."""
        self.fault = CameraFault.NONE
        self._switch(is_cut=False)

    def close(self) -> None:
        """End for good."""
        self._stopping.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, client: Client, request: bytes) -> bool:
        """Answer one request; False ends the connection."""
        if f" {self.path} ".encode() not in request.split(b"\r\n")[0]:
            client.connection.sendall(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return False
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: multipart/x-mixed-replace; boundary="
        client.connection.sendall(head + _BOUNDARY + b"\r\n\r\n")
        client.plays = True
        return True

    def send(self, client: Client, picture: bytes, number: int) -> None:
        """Send one picture; ``number`` counts the beats since the camera came up."""
        part = (
            f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n"
            f"X-Timestamp: {number / self.fps:.3f}\r\n\r\n"
        )
        client.connection.sendall(b"--" + _BOUNDARY + b"\r\n" + part.encode() + picture + b"\r\n")
        client.packets += 1

    def _switch(self, *, is_cut: bool) -> None:
        self._obeyed.clear()
        self._is_cut = is_cut
        self._obeyed.wait(5.0)

    def _run(self) -> None:
        began = time.monotonic()
        number = 0
        while not self._stopping.is_set():
            if self._is_cut:
                self._hang_up()
                self._obeyed.set()
                self._stopping.wait(_TURN_S)
                continue
            if self._listener.fileno() < 0:
                self._listener = socket.create_server(("127.0.0.1", self._port))
            self._obeyed.set()
            self._attend()
            if time.monotonic() >= began + number / self.fps:
                self._beat(number)
                number = int((time.monotonic() - began) * self.fps) + 1
        self._hang_up()

    def _hang_up(self) -> None:
        self._listener.close()
        for client in self._clients.values():
            client.connection.close()
        self._clients.clear()

    def _attend(self) -> None:
        """Take new connections and requests for a moment."""
        port = self._listener.fileno()
        for end in select.select([port, *self._clients], [], [], _TURN_S)[0]:
            if end == port:
                connection, _ = self._listener.accept()
                if self.fault is CameraFault.DEAF:
                    connection.close()
                    continue
                connection.settimeout(_SEND_TIMEOUT_S)
                self.connections += 1
                self._clients[connection.fileno()] = Client(connection)
            elif not self._hear(self._clients[end]):
                self._clients.pop(end).connection.close()

    def _hear(self, client: Client) -> bool:
        """Take what a client says; False when it is gone or must go."""
        try:
            piece = client.connection.recv(4096)
            client.asked += piece
            while b"\r\n\r\n" in client.asked:
                request, client.asked = client.asked.split(b"\r\n\r\n", 1)
                if not self.answer(client, request):
                    return False
        except OSError:
            return False
        return bool(piece) and len(client.asked) < _MOST_REQUEST

    def _beat(self, number: int) -> None:
        """Send everybody what the fault allows."""
        if self.fault is CameraFault.DEAF:
            while self._clients:
                self._clients.popitem()[1].connection.close()
        if self.fault is CameraFault.SILENT:
            return
        picture = self.pictures[0 if self.fault is CameraFault.FROZEN else number % len(self.pictures)]
        if self.fault is CameraFault.GARBAGE:
            picture = os.urandom(len(picture))
        for client in self._clients.values():
            # One that is gone shows as readable in the next turn.
            if client.plays:
                with suppress(OSError):
                    self.send(client, picture, number)

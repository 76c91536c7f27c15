"""A local socket for people on the box: how lanes and boards do, and what staff may ask of a lane.

``local.sock`` in the state folder, which only the service's user and root may enter. One line of JSON in, one
line of JSON out, then the connection is over:

    {"do": "status"}                                  -> the whole state
    {"do": "ask", "lane": "entry", "ask": "open"}     -> {"result": "done", "why": ""}
    {"do": "last-card", "reader": "front"}            -> {"number": "13900673"}, held there in the last minute
    {"do": "relearn", "camera": "lane"}               -> {"result": "done"}: it was moved on purpose

What is asked goes the way of every command: through the lane's clerk, journaled first, with the name of
whoever asked (the kernel says who it is), and through the lane's machine with all its rules.
"""

import json
import logging
import os
import pwd
import queue
import selectors
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, Unavailable, UsageError
from edge.lanes import Ask, Lane
from edge.records import JsonObject, new_id
from edge.worker import Worker

log = logging.getLogger(__name__)

Answer = Callable[[Mapping[str, Any], str], "JsonObject | Future[JsonObject]"]
"""Given the request and who asks; called in the hatch's thread."""

SOCKET_NAME = "local.sock"
ASK_LIVES_S = 5.0
_TURN_S = 0.5
_REQUEST_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 20.0
_MAX_REQUEST_BYTES = 4096
_LONGEST_ADDRESS = 100  # of a UNIX socket, 108 with its end
_CREDENTIALS = struct.Struct("3i")  # SO_PEERCRED: process, user, group


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Somebody who waits for the end of what they asked."""

    connection: socket.socket
    until_ns: int


class Hatch(Worker):
    """Thread ``hatch``: serves the socket, one request at a time.

    Args:
        folder: The state folder.
        lanes: What staff may ask things of.
        status: Gives the whole state, as JSON can hold it; called in this thread.
        clock: CLOCK_BOOTTIME.
        last_card: The number of the card that a reader has just read; KeyError: no such reader.
        relearn: Makes a camera forget what it usually shows; UsageError: no such camera.
        more: Other answers by their word ``do``; see ``edge.by_hand``.

    Raises:
        Unavailable: The socket cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        lanes: Mapping[str, Lane],
        status: Callable[[], JsonObject],
        clock: Clock,
        last_card: Callable[[str], str | None] = lambda _reader: None,
        relearn: Callable[[str], None] = lambda _camera: None,
        more: Mapping[str, Answer] = MappingProxyType({}),
    ) -> None:
        super().__init__("hatch", clock)
        self._path = folder / SOCKET_NAME
        self._lanes, self._status, self._last_card, self._relearn = lanes, status, last_card, relearn
        self._more = more
        self._ended: queue.SimpleQueue[tuple[str, JsonObject]] = queue.SimpleQueue()
        self._waiting: dict[str, _Waiting] = {}
        self._listener = self._listen(folder)
        self._wake_in, self._wake_out = socket.socketpair()

    def _listen(self, folder: Path) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._path.unlink(missing_ok=True)
            with _address_in(folder) as address:
                listener.bind(address)
            self._path.chmod(0o600)
            listener.listen(8)
        except OSError as error:
            listener.close()
            raise Unavailable(f"the local socket {self._path} cannot be made: {error.strerror}") from error
        return listener

    def stop(self) -> None:
        """Ask the hatch to close."""
        super().stop()
        self._wake()

    def work(self) -> None:
        """Serve until stopped."""
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(self._listener, selectors.EVENT_READ)
                ready.register(self._wake_out, selectors.EVENT_READ)
                while not self.stopping.is_set():
                    self.beat()
                    for key, _ in ready.select(_TURN_S):
                        if key.fileobj is self._listener:
                            self._take_one()
                        else:
                            self._wake_out.recv(4096)
                    self._answer_the_waiting()
        finally:
            self._close()

    def _take_one(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(_REQUEST_TIMEOUT_S)
            try:
                request = json.loads(_read_line(connection))
                answer = self._obey(request, connection)
            except (OSError, ValueError, KeyError, TypeError, RecursionError, EdgeError) as error:
                answer = {"error": str(error) or type(error).__name__}
            if answer is not None:
                _send(connection, answer)

    def _obey(self, request: Mapping[str, Any], connection: socket.socket) -> JsonObject | None:
        """The answer, or None when it comes later."""
        match request["do"]:
            case "status":
                return self._status()
            case "ask":
                lane = self._lanes.get(request["lane"])
                if lane is None:
                    raise UsageError(f"no lane {request['lane']!r}; there are: {', '.join(self._lanes)}")
                return self._ask(lane, Ask(request["ask"]), connection)
            case "relearn":
                self._relearn(request["camera"])
                return {"result": "done"}
            case "last-card":
                return {"number": self._last_card(request["reader"])}
            case word if word in self._more:
                answer = self._more[word](request, f"local:{_user_of(connection)}")
                if not isinstance(answer, Future):
                    return answer
                self._wait_for(answer, connection)
                return None
        raise UsageError(f"cannot do {request['do']!r}")

    def _wait_for(self, answer: "Future[JsonObject]", connection: socket.socket) -> None:
        """Somebody else's thread gives it; whoever asks waits here so long."""
        answer_id = new_id()
        self._waiting[answer_id] = _Waiting(
            connection, self.clock.boot_ns() + round(_ANSWER_TIMEOUT_S * NS_PER_S)
        )

        def done(future: "Future[JsonObject]") -> None:
            gone = future.cancelled() or future.exception() is not None
            self._ended.put((answer_id, {"error": "it was given up"} if gone else future.result()))
            self._wake()

        answer.add_done_callback(done)

    def _ask(self, lane: Lane, ask: Ask, connection: socket.socket) -> JsonObject | None:
        command_id, now_ns = new_id(), self.clock.boot_ns()

        def done(result: str, why: str) -> None:
            self._ended.put((command_id, {"result": result, "why": why}))
            self._wake()

        self._waiting[command_id] = _Waiting(connection, now_ns + round(_ANSWER_TIMEOUT_S * NS_PER_S))
        operator = f"local:{_user_of(connection)}"
        until_ns = now_ns + round(ASK_LIVES_S * NS_PER_S)
        if lane.command(ask, command_id, operator, until_ns, done, at_box=True):
            return None
        del self._waiting[command_id]
        return {"result": "failed", "why": "the lane takes no command now"}

    def _answer_the_waiting(self) -> None:
        while not self._ended.empty():
            command_id, answer = self._ended.get()
            if (waiting := self._waiting.pop(command_id, None)) is not None:
                _send(waiting.connection, answer)
        now_ns = self.clock.boot_ns()
        for command_id, waiting in list(self._waiting.items()):
            if now_ns > waiting.until_ns:
                del self._waiting[command_id]
                _send(waiting.connection, {"result": "unknown", "why": "no result in time"})

    def _wake(self) -> None:
        with suppress(OSError):  # closed already
            self._wake_in.send(b"x")

    def _close(self) -> None:
        for waiting in self._waiting.values():
            _send(waiting.connection, {"result": "unknown", "why": "the daemon is being stopped"})
        self._waiting.clear()
        self._listener.close()
        with suppress(OSError):  # the disk may be read-only by now; the next start takes the old one away
            self._path.unlink(missing_ok=True)
        self._wake_in.close()
        self._wake_out.close()


def request(folder: Path, what: JsonObject) -> dict[str, Any] | None:
    """Ask the daemon of a state folder something; None when none runs there.

    Raises:
        Unavailable: It runs and does not answer, or this user may not ask. UsageError: It makes no sense.
    """
    path = folder / SOCKET_NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, _address_in(folder) as address:
            connection.settimeout(_ANSWER_TIMEOUT_S + 2.0)
            connection.connect(address)
            connection.sendall(json.dumps(what).encode() + b"\n")
            answer: dict[str, Any] = json.loads(_read_line(connection, 1 << 20))
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except PermissionError as error:
        raise Unavailable(f"{path}: not for this user; try: sudo -u gatehouse ...") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{path}: the daemon does not answer: {error}") from error
    if "error" in answer:
        raise UsageError(answer["error"])
    return answer


@contextmanager
def _address_in(folder: Path) -> Iterator[str]:
    """Address of the socket. The kernel takes only short ones; a long one goes through a descriptor."""
    path = str(folder / SOCKET_NAME)
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield path
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def _read_line(connection: socket.socket, limit: int = _MAX_REQUEST_BYTES) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(65_536)
        data += piece
        if not piece or len(data) > limit:
            raise ValueError("not one line of JSON")
    return data


def _send(connection: socket.socket, answer: JsonObject) -> None:
    with suppress(OSError), connection:  # they may have gone
        connection.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")


def _user_of(connection: socket.socket) -> str:
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)

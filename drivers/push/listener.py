"""A small HTTP server for devices that push: one request at a time, in the thread of its owner.

No framework, no thread of its own: a camera sends a few kilobytes now and then. Only known addresses are
listened to, the body has a limit, and a client that stalls is cut off.
"""

import http.server
import logging
import socket
import sys
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Final

from drivers.errors import BadReply, DriverUnavailable, PortBusy, PortForbidden

log = logging.getLogger(__name__)

MOST_BODY_BYTES: Final = 4 << 20
_MOST_LENGTH_DIGITS = 12
CLIENT_TIMEOUT_S: Final = 3.0

Answer = Callable[[bytes], bytes]
"""Body of a request to body of the answer; raises ``BadReply`` for what cannot be understood."""


class _Server(http.server.HTTPServer):
    """Keeps what a request's handler raised, where the original prints it."""

    failure: BaseException | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Called while the exception is being handled."""
        del request, client_address
        self.failure = sys.exception()


class PushListener:
    """Listens and answers.

    Thread: one; ``address`` from any.
    """

    def __init__(self, host: str, port: int, path: str, senders: Collection[str], answer: Answer) -> None:
        """Open the port.

        Args:
            host: Address of ours to listen on; "" for all.
            port: TCP port; 0 takes a free one.
            path: The only path that is answered.
            senders: IP addresses that may send; others are turned away.
            answer: Called for every accepted request, in the thread of ``turn``.

        Raises:
            PortBusy: Something else listens there, or this user may not.
            DriverUnavailable: There is no such address on this machine.
        """
        self._device = f"{host or '*'}:{port}"
        handler = _handler(path, frozenset(senders), answer)
        try:
            self._server = _Server((host, port), handler)
        except PermissionError as error:
            raise PortForbidden(
                self._device, "ports below 1024 need a privilege; take a higher one"
            ) from error
        except OSError as error:
            if error.errno is not None and "in use" in str(error):
                raise PortBusy(self._device, "something else listens on this port") from error
            raise DriverUnavailable(
                self._device, f"cannot listen there: {error.strerror or error}"
            ) from error

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def turn(self, timeout_s: float) -> None:
        """Answer one request, or return after the time without one.

        What ``answer`` raises besides ``BadReply`` comes out here; the device was not answered then.
        """
        self._server.timeout = timeout_s
        self._server.handle_request()
        failure, self._server.failure = self._server.failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Give the port back. Safe to call twice."""
        self._server.server_close()


def _handler(path: str, senders: frozenset[str], answer: Answer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S
        server_version = "gatehouse"
        sys_version = ""

        def do_POST(self) -> None:
            sender = str(self.client_address[0])
            if sender not in senders:
                log.warning("a push from %s, which is not among the senders, was turned away", sender)
                self._say(HTTPStatus.FORBIDDEN)
            elif self.path.partition("?")[0] != path:
                self._say(HTTPStatus.NOT_FOUND)
            else:
                self._take()

        def _take(self) -> None:
            length = self.headers.get("Content-Length", "")
            # Headers are Latin-1: a superscript two is a digit there, and no number.
            if not (length.isascii() and length.isdigit() and len(length) <= _MOST_LENGTH_DIGITS):
                self._say(HTTPStatus.LENGTH_REQUIRED)
            elif int(length) > MOST_BODY_BYTES:
                self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            else:
                body = self.rfile.read(int(length))
                if len(body) < int(length):
                    return  # cut off in the middle: the device will send it again
                try:
                    self._say(HTTPStatus.OK, answer(body))
                except BadReply as error:
                    log.warning("%s", error)
                    self._say(HTTPStatus.BAD_REQUEST)

        def _say(self, status: HTTPStatus, body: bytes = b"") -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (ConnectionError, socket.timeout) as error:  # noqa: UP041 - named as sockets name it
                log.debug("a push went away before it was answered: %s", error)

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, TimeoutError) as error:
                log.debug("a push broke off: %s", error)

        def log_message(self, *_: object) -> None:
            """A heartbeat every five seconds is no news."""

    return Handler

"""A line to a host on the network: a Modbus TCP board, or a serial server with a board behind it.

The connection is ours alone as long as it stands (many boards take only one). Nagle's delay is off, because a
raise command must not wait for anybody's acknowledgement; keep-alive notices a host that lost power.
"""

import errno
import logging
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from drivers.errors import DriverClosed, DriverError, DriverUnavailable, LinkLost, PortBusy
from drivers.link import boot_ns
from drivers.ports import host_and_port

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 1.0
_WRITE_TIMEOUT_S = 1.0
_KEEP_ALIVE = (  # after 5 s of silence ask three times, 2 s apart
    (socket.TCP_KEEPIDLE, 5),
    (socket.TCP_KEEPINTVL, 2),
    (socket.TCP_KEEPCNT, 3),
)
_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


class TcpLink:
    """A TCP connection as a line.

    Args:
        port: ``tcp://host:number``.

    Thread: one owner.
    """

    def __init__(self, port: str) -> None:
        self._port = port
        self._address = host_and_port(port)
        self._socket: socket.socket | None = None
        self._lost = False
        self._last_byte_ns = 0

    @property
    def name(self) -> str:
        """The port as configured."""
        return self._port

    @property
    def is_open(self) -> bool:
        """True while the connection can be used."""
        return self._socket is not None

    @property
    def is_there(self) -> bool:
        """Nothing tells that a host has gone but its silence."""
        return True

    @property
    def last_byte_ns(self) -> int:
        """CLOCK_BOOTTIME of the last byte either way; 0 before the first."""
        return self._last_byte_ns

    def open(self) -> None:
        """Connect; waits one second at most.

        Raises:
            DriverUnavailable: No such host, or nobody answers there. PortBusy: It takes no more connections.
        """
        if self._socket is not None:
            return
        try:
            connection = socket.create_connection(self._address, timeout=_CONNECT_TIMEOUT_S)
        except OSError as failure:
            raise self._why_not_open(failure) from failure
        connection.settimeout(_WRITE_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        self._socket, self._lost = connection, False

    def write(self, data: bytes) -> int:
        """Hand all bytes to the network; returns CLOCK_BOOTTIME in nanoseconds just after."""
        connection = self._connection()
        with self._losing():
            connection.sendall(data)
            self._last_byte_ns = boot_ns()
        return self._last_byte_ns

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Wait for a first byte, then return what is there, at most ``limit``; empty when time is over."""
        connection = self._connection()
        with self._losing():
            if not _is_ready(connection, timeout_s):
                return b""
            data = connection.recv(limit)
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "closed by the other side")
            self._last_byte_ns = boot_ns()
            return data

    def discard(self) -> int:
        """Throw away what has arrived unread; returns how many bytes that were."""
        thrown_away = 0
        while _is_ready(self._connection(), 0.0):
            thrown_away += len(self.read(4096, 0.0))
        return thrown_away

    def close(self) -> None:
        """Hang up. Safe to call twice."""
        connection, self._socket, self._lost = self._socket, None, False
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _connection(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        if self._lost:
            raise LinkLost(self._port, "the connection broke; is the host on and its cable plugged in?")
        raise DriverClosed(self._port, "the connection is not open")

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            log.debug("%s: %s", self._port, failure)
            self.close()
            self._lost = True
            raise LinkLost(self._port, f"the connection broke ({failure}); is the host on?") from failure

    def _why_not_open(self, failure: OSError) -> DriverError:
        host, number = self._address
        if failure.errno == errno.ECONNREFUSED:
            reason = (
                f"host {host} takes no connection on port {number}; right number? taken by another master?"
            )
            return PortBusy(self._port, reason)
        if isinstance(failure, TimeoutError) or failure.errno in _NO_ROUTE:
            return DriverUnavailable(
                self._port, f"host {host} does not answer; right address? on? ping {host}"
            )
        return DriverUnavailable(self._port, f"cannot be connected: {failure}")


def _is_ready(connection: socket.socket, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s * 1000.0)))

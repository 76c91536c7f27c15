"""The line to a device: bytes out, bytes in, and one place where pyserial's failures get our names.

This is the only module that imports pyserial. It knows no protocol. Four links share one shape:

    SerialLink   a real port, or a pseudo-terminal of ``drivers.simulated``
    SharedLink   one line with several boards on it (RS-485), of which one speaks at a time
    TcpLink      a host on the network (in ``drivers.tcp_link``)
    LoopLink     two ends in one process with injectable faults, for codec tests (in ``drivers.loop``)
"""

import fcntl
import logging
import os
import select
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import serial

from drivers.errors import DriverClosed, LinkLost
from drivers.port_problems import holders_of, taken_by, why_not_open
from drivers.ports import PortFinder

log = logging.getLogger(__name__)

NS_PER_MS = 1_000_000
_WRITE_TIMEOUT_S = 1.0
# Unix 98 pseudo-terminals, Documentation/admin-guide/devices.txt
_FIRST_PTY_MAJOR, _LAST_PTY_MAJOR = 136, 143


def boot_ns() -> int:
    """CLOCK_BOOTTIME in nanoseconds, the clock of every time stamp in ``drivers``."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Link(Protocol):
    """A line that carries bytes both ways. Used by one thread: the owner of the line."""

    @property
    def name(self) -> str:
        """What error messages call this line: the port."""
        ...

    @property
    def is_open(self) -> bool:
        """True between ``open`` and ``close`` or the loss of the line."""
        ...

    @property
    def is_there(self) -> bool:
        """False when what was opened has visibly gone (its device node vanished); quick to ask."""
        ...

    @property
    def last_byte_ns(self) -> int:
        """CLOCK_BOOTTIME of the last byte either way; 0 before the first."""
        ...

    def open(self) -> None:
        """Take the line.

        Raises:
            DriverUnavailable: No such port. PortBusy: Taken by somebody else. PortForbidden: No permission.
        """
        ...

    def write(self, data: bytes) -> int:
        """Hand bytes over and wait until the last one has left.

        Returns:
            CLOCK_BOOTTIME in nanoseconds just after the last byte was handed over.

        Raises:
            LinkLost: The device went away. DriverClosed: Not open.
        """
        ...

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Wait for a first byte, then return what is there, at most ``limit``; empty when the time is over.

        Raises:
            LinkLost: The device went away. DriverClosed: Not open.
        """
        ...

    def discard(self) -> int:
        """Throw away what has arrived unread; returns how many bytes that were."""
        ...

    def close(self) -> None:
        """Give the line back. Safe to call twice."""
        ...


class SerialLink:
    """A serial port, 8 data bits, taken for ourselves alone.

    Args:
        port: Path of the device node, best one below /dev/serial/by-path, which survives a reboot; or a USB
            adapter by what it says of itself (``drivers.ports``), looked for at every ``open``.
        baud: Bits per second.
        timeout_s: Longest wait of ``read`` when the caller names none.
        exclusive: Keep every other process away while open.
        parity: ``N``, ``E`` or ``O``.
        stop_bits: 1 or 2.
        finder: Finds the device node.

    Thread: one owner.
    """

    def __init__(
        self,
        port: str,
        baud: int,
        *,
        timeout_s: float = 0.3,
        exclusive: bool = True,
        parity: str = "N",
        stop_bits: int = 1,
        finder: PortFinder | None = None,
    ) -> None:
        self._port = port
        self._finder = finder or PortFinder()
        self._node = Path()
        self._baud = baud
        self._timeout_s = timeout_s
        self._exclusive = exclusive
        self._parity = parity
        self._stop_bits = stop_bits
        self._serial: serial.Serial | None = None
        self._lost = False
        self._last_byte_ns = 0

    @property
    def name(self) -> str:
        """The port as configured."""
        return self._port

    @property
    def is_open(self) -> bool:
        """True while the port can be used."""
        return self._serial is not None

    @property
    def is_there(self) -> bool:
        """False when the device node that was opened last has gone."""
        return self._node.exists()

    @property
    def last_byte_ns(self) -> int:
        """CLOCK_BOOTTIME of the last byte either way; 0 before the first."""
        return self._last_byte_ns

    def open(self) -> None:
        """Open the port; bytes that waited there from before are thrown away."""
        if self._serial is not None:
            return
        node = self._node = self._finder.node_of(self._port)
        port: serial.Serial | None = None
        try:
            port = serial.Serial(
                str(node),
                self._baud,
                parity=self._parity,
                stopbits=self._stop_bits,
                timeout=0,
                write_timeout=_WRITE_TIMEOUT_S,
                exclusive=self._exclusive or None,
            )
            if self._exclusive and not _is_pty(port.fileno()):
                # flock only keeps out those who ask for it; TIOCEXCL keeps out the rest (screen, cat). A pty
                # would stay marked for as long as its other side lives, also after our death by SIGKILL.
                fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
        except (OSError, termios.error, ValueError) as failure:
            if port is not None:
                port.close()
            raise why_not_open(self._port, node, failure) from failure
        if self._exclusive and (others := holders_of(node)):
            # Whoever asked for no lock got none, and would now garble every exchange.
            port.close()
            raise taken_by(self._port, node, others)
        self._serial, self._lost = port, False

    def write(self, data: bytes) -> int:
        """Write all bytes and wait until the kernel has handed the last one to the device."""
        port = self._open_port()
        with self._losing():
            port.write(data)
            port.flush()
            self._last_byte_ns = boot_ns()
        return self._last_byte_ns

    def read(self, limit: int, timeout_s: float | None = None) -> bytes:
        """Wait for a first byte, then return what is there, at most ``limit``; empty when time is over."""
        port = self._open_port()
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        with self._losing():
            poll = select.poll()
            poll.register(port.fileno(), select.POLLIN)
            if not poll.poll(max(0.0, wait_s * 1000.0)):
                return b""
            data = bytes(port.read(limit))
            if data:
                self._last_byte_ns = boot_ns()
            return data

    def discard(self) -> int:
        """Throw away what has arrived unread; returns how many bytes that were."""
        port = self._open_port()
        with self._losing():
            waiting = int(port.in_waiting)
            if waiting:
                port.reset_input_buffer()
            return waiting

    def close(self) -> None:
        """Give the port back. Safe to call twice."""
        port, self._serial, self._lost = self._serial, None, False
        if port is not None:
            port.close()

    def _open_port(self) -> serial.Serial:
        if self._serial is not None:
            return self._serial
        if self._lost:
            raise LinkLost(self._port, "the device went away; plug it in again")
        raise DriverClosed(self._port, "the port is not open")

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """Map every failure of an open port to LinkLost and let go of it, so that ``open`` can retry."""
        try:
            yield
        except (OSError, termios.error) as failure:  # SerialException is an OSError
            log.debug("%s: %s", self._port, failure)
            self.close()
            self._lost = True
            raise LinkLost(
                self._port, "the device went away (unplugged, or its USB hub lost power)"
            ) from failure


class SharedLink:
    """One line with several boards on it: open from the first ``open`` to the last ``close``.

    After a loss any board's ``open`` takes the line again for all of them. RS-485 has one master and this is
    it: whoever uses several boards from several threads lets one speak at a time (``edge.lanes.line``).
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._users = 0

    @property
    def name(self) -> str:
        """The name of the line below."""
        return self._link.name

    @property
    def is_open(self) -> bool:
        """True while the line below is open."""
        return self._link.is_open

    @property
    def is_there(self) -> bool:
        """As the line below."""
        return self._link.is_there

    @property
    def last_byte_ns(self) -> int:
        """Last byte of any board, so that the pause between frames holds across boards."""
        return self._link.last_byte_ns

    def open(self) -> None:
        """Take the line unless another board has it open already."""
        self._link.open()
        self._users += 1

    def write(self, data: bytes) -> int:
        """As the line below."""
        return self._link.write(data)

    def read(self, limit: int, timeout_s: float) -> bytes:
        """As the line below."""
        return self._link.read(limit, timeout_s)

    def discard(self) -> int:
        """As the line below."""
        return self._link.discard()

    def close(self) -> None:
        """Give the line back when the last board does."""
        self._users = max(0, self._users - 1)
        if self._users == 0:
            self._link.close()


def _is_pty(fd: int) -> bool:
    major = os.major(os.fstat(fd).st_rdev)
    return _FIRST_PTY_MAJOR <= major <= _LAST_PTY_MAJOR

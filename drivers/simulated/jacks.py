"""Where a simulated device is plugged in: a pseudo-terminal, or a TCP port of this machine.

Unplugging a pseudo-terminal closes it, so that the other side sees exactly what a pulled USB plug gives: end
of file and EIO. A new one is made on the next plugging in; a link file, if given, is re-pointed, as udev
re-points /dev/serial/by-path. Unplugging a TCP port resets the connection and refuses new ones.

Used in the device's thread alone.
"""

import os
import select
import socket
import struct
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_READ_BYTES = 4096


class Jack(Protocol):
    """One way for the other side to reach a device."""

    @property
    def port(self) -> str:
        """What the other side opens."""
        ...

    def plug_in(self, poll: select.epoll) -> bool:
        """Be reachable; register what must wake the device. False when it is plugged in already."""
        ...

    def pull_out(self) -> bool:
        """Be gone at once. False when it is gone already."""
        ...

    def arrivals(self) -> Iterator[bytes]:
        """What has come in, piece by piece; never waits."""
        ...

    def send(self, data: bytes) -> None:
        """Give bytes to the other side; lost when nobody is there."""
        ...


class PtyJack:
    """A raw pseudo-terminal that does not echo.

    Args:
        link: Path of a symbolic link to keep pointed at it.
    """

    def __init__(self, link: Path | None) -> None:
        self._link = link
        self._master: int | None = None
        self._slave_path = ""

    @property
    def port(self) -> str:
        """The link if there is one, else the pseudo-terminal, new after each plugging in."""
        return str(self._link) if self._link is not None else self._slave_path

    def plug_in(self, poll: select.epoll) -> bool:
        """Make a pseudo-terminal."""
        if self._master is not None:
            return False
        master, slave = os.openpty()
        self._slave_path = os.ttyname(slave)
        os.close(slave)
        tty.setraw(master)
        os.set_blocking(master, False)
        self._master = master
        # Edge-triggered, because a port that nobody has open reports a hang-up for ever.
        poll.register(master, select.EPOLLIN | select.EPOLLET)
        if self._link is not None:
            fresh = self._link.with_name(f"{self._link.name}.new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self._slave_path)
            fresh.replace(self._link)
        return True

    def pull_out(self) -> bool:
        """Close it and remove the link."""
        master, self._master = self._master, None
        if master is None:
            return False
        os.close(master)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        return True

    def arrivals(self) -> Iterator[bytes]:
        """Read until there is no more."""
        while self._master is not None:
            try:
                data = os.read(self._master, _READ_BYTES)
            except OSError:  # EAGAIN: nothing there; EIO: nobody has the port open
                return
            yield data

    def send(self, data: bytes) -> None:
        """Write; a real line loses it too when nobody has it open, or nobody reads."""
        if self._master is not None:
            with suppress(OSError):
                os.write(self._master, data)


class TcpJack:
    """A TCP port of this machine, the same after every plugging in, for one connection at a time."""

    def __init__(self) -> None:
        self._number = 0
        self._listener: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._poll: select.epoll | None = None

    @property
    def port(self) -> str:
        """``tcp://127.0.0.1:number``."""
        return f"tcp://127.0.0.1:{self._number}"

    def plug_in(self, poll: select.epoll) -> bool:
        """Listen."""
        if self._listener is not None:
            return False
        listener = socket.create_server(("127.0.0.1", self._number), backlog=1)
        listener.setblocking(False)
        self._number = listener.getsockname()[1]
        self._listener, self._poll = listener, poll
        poll.register(listener, select.EPOLLIN)
        return True

    def pull_out(self) -> bool:
        """Reset the connection and listen no more."""
        self._hang_up()
        listener, self._listener = self._listener, None
        if listener is None:
            return False
        listener.close()
        return True

    def arrivals(self) -> Iterator[bytes]:
        """Take a new connection in place of the old one, and read until there is no more."""
        self._accept()
        while self._connection is not None:
            try:
                data = self._connection.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._hang_up()
                return
            yield data

    def send(self, data: bytes) -> None:
        """Send, if somebody is connected."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.sendall(data)

    def _accept(self) -> None:
        if self._listener is None or self._poll is None:
            return
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        self._hang_up()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._poll.register(connection, select.EPOLLIN)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Linger for no time: the other side sees a reset, as from a device that lost its power.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

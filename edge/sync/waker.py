"""Wake a thread that waits in ``poll`` from any other thread, without ever blocking the one that wakes."""

import contextlib
import select
import socket


class Waker:
    """A pair of sockets; one end sits in the poll set of the waiting thread.

    Thread: ``wake`` from any; everything else in the thread that waits.
    """

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)

    def fileno(self) -> int:
        """To be watched for input."""
        return self._inner.fileno()

    def wake(self) -> None:
        """Make the waiting thread return; harmless when it does not wait, or is gone."""
        # Full means it will wake anyway; closed means it no longer waits.
        with contextlib.suppress(OSError):
            self._outer.send(b"\0")

    def wait(self, timeout_s: float) -> None:
        """Wait to be woken, or for the timeout; for when there is nothing else to wait for."""
        poller = select.poll()
        poller.register(self.fileno(), select.POLLIN)
        poller.poll(max(0, round(timeout_s * 1000)))
        self.clear()

    def clear(self) -> None:
        """Forget the calls so far."""
        with contextlib.suppress(BlockingIOError):
            while len(self._inner.recv(4096)) == 4096:
                pass

    def close(self) -> None:
        """Close both ends; ``wake`` stays harmless."""
        self._inner.close()
        self._outer.close()

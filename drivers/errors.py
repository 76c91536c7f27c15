"""Errors of the drivers: what went wrong at the edge of the machine, and whether trying again makes sense.

DriverError(device, retryable)
├── DriverUnavailable  (ImportError)       a library or device node is missing; says how to get it
├── PortBusy           (PermissionError)   another process holds the port, or we may not open it
├── LinkLost           (ConnectionError)   the device went away; re-open it
├── ReplyTimeout       (TimeoutError)      no answer: what the device did is unknown
├── BadReply           (ValueError)        an answer with a wrong checksum or meaning
├── CommandRefused     (RuntimeError)      the device said no; do not repeat
└── DriverClosed       (RuntimeError)      used after close
"""


class DriverError(Exception):
    """Root. ``device`` names the port or address; ``retryable`` says whether trying again can help."""

    retryable = False

    def __init__(self, device: str, message: str) -> None:
        super().__init__(f"{device}: {message}")
        self.device = device


class DriverUnavailable(DriverError, ImportError):
    """A library or device node is missing."""


class PortBusy(DriverError, PermissionError):
    """Another process holds the port, or this user may not open it."""

    retryable = True


class LinkLost(DriverError, ConnectionError):
    """The device went away in use."""

    retryable = True


class ReplyTimeout(DriverError, TimeoutError):
    """No answer in time. The device may have acted all the same: its state is unknown."""

    retryable = True


class BadReply(DriverError, ValueError):
    """The answer is damaged or makes no sense."""

    retryable = True


class CommandRefused(DriverError, RuntimeError):
    """The device understood and refused."""


class DriverClosed(DriverError, RuntimeError):
    """The driver was used after ``close``."""

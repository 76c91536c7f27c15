"""Errors of the drivers: what went wrong at the edge of the machine, and whether trying again makes sense.

DriverError(device, retryable, fault)
├── DriverUnavailable  (ImportError)       a library or device node is missing; says how to get it
├── PortBusy           (PermissionError)   another process holds the port; says which
│   └── PortForbidden                      this user may not open it; says how to be allowed
├── LinkLost           (ConnectionError)   the device went away; re-open it
├── ReplyTimeout       (TimeoutError)      no answer: what the device did is unknown
│   └── AnswerPending                      nothing was sent, because an answer may still be under way
├── BadReply           (ValueError)        an answer with a wrong checksum or meaning
│   ├── WrongUnit                          a sound answer of another board
│   └── UnexpectedEcho                     our own bytes came back
├── CommandRefused     (RuntimeError)      the device said no; do not repeat
├── Abandoned          (InterruptedError)  a slow reading, given up for something more urgent
└── DriverClosed       (RuntimeError)      used after close
"""

from typing import ClassVar


class DriverError(Exception):
    """Root. ``device`` names the port or address; ``retryable`` says whether trying again can help.

    ``fault`` is one word for the journal, the same for every board.
    """

    retryable: ClassVar[bool] = False
    fault: ClassVar[str] = "failed"

    def __init__(self, device: str, message: str) -> None:
        super().__init__(f"{device}: {message}")
        self.device = device


class DriverUnavailable(DriverError, ImportError):
    """A library or device node is missing."""

    fault = "absent"


class PortBusy(DriverError, PermissionError):
    """Another process holds the port."""

    retryable = True
    fault = "taken"


class PortForbidden(PortBusy):
    """This user may not open the port."""

    fault = "forbidden"


class LinkLost(DriverError, ConnectionError):
    """The device went away in use."""

    retryable = True
    fault = "unplugged"


class ReplyTimeout(DriverError, TimeoutError):
    """No answer in time. The device may have acted all the same: its state is unknown."""

    retryable = True
    fault = "silent"


class AnswerPending(ReplyTimeout):
    """Nothing was asked: a late answer to an earlier question could be taken for the answer to this one."""


class BadReply(DriverError, ValueError):
    """The answer is damaged or makes no sense."""

    retryable = True
    fault = "garbled"


class WrongUnit(BadReply):
    """Another board of the line has answered."""

    fault = "wrong_address"


class UnexpectedEcho(BadReply):
    """The adapter returns what is sent, although it should not."""

    fault = "echo"


class CommandRefused(DriverError, RuntimeError):
    """The device understood and refused."""

    fault = "refused"


class Abandoned(DriverError, InterruptedError):
    """A reading of several exchanges was given up half-way, because something more urgent waits."""

    retryable = True
    fault = "abandoned"


class DriverClosed(DriverError, RuntimeError):
    """The driver was used after ``close``."""

    fault = "closed"

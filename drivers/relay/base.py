"""What a relay or input board is to the rest: channels that can be switched, inputs that can be read.

A driver declares what its board can do; callers choose by capability, never by type. Channels count from 1,
as printed on the boards. A driver does no pulses, no retries and no interlocks: those belong to the lane's
actuation, which must hold them in one place for every board.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Wanted = Callable[[], bool]
"""Asked between the exchanges of a slow reading: True gives it up (``Abandoned``)."""


def never() -> bool:
    """Nothing else is wanted."""
    return False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a board can do.

    Attributes:
        outputs, inputs: Number of channels.
        acknowledges: True when the board answers a write (else a write is assumed, never confirmed).
        reads_back: True when output states can be asked for.
        pulse_step_ms: Step of the board's own timed pulse, or None when the host must time it.
        min_gap_ms: Pause the board needs between two frames.
        forbidden: Operations the board knows and this driver never uses, with the reason.
    """

    outputs: int
    inputs: int
    acknowledges: bool
    reads_back: bool
    pulse_step_ms: int | None
    min_gap_ms: int
    forbidden: tuple[str, ...] = ()


@dataclass(slots=True)
class Oddities:
    """What a driver met that did no harm and still says that something is wrong with board or line.

    Attributes:
        slow_answers: Took more than half of the time allowed.
        stray_bytes: Nobody asked for: noise, late or doubled answers, another master.
    """

    slow_answers: int = 0
    stray_bytes: int = 0


class Board(Protocol):
    """A board on a line. Used by one thread: the owner of its line.

    Attributes:
        name: What the configuration calls it.
        oddities: Counts up for as long as the driver lives.
    """

    name: str
    oddities: Oddities

    @property
    def is_there(self) -> bool:
        """False when its port has visibly gone; quick to ask."""
        ...

    @property
    def free_ns(self) -> int:
        """CLOCK_BOOTTIME from which the board takes a frame; before that, sending waits."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this board can do; complete after ``open``."""
        ...

    def open(self) -> None:
        """Open the port and identify the board without switching anything.

        Raises:
            DriverUnavailable: No such port. PortBusy: Taken by somebody else. PortForbidden: No permission.
            ReplyTimeout, BadReply: Nothing, or something else, answers there.
        """
        ...

    def write_output(self, channel: int, on: bool) -> int:
        """Energise or release one relay.

        Returns:
            CLOCK_BOOTTIME in nanoseconds at which the last byte was handed to the line.

        Raises:
            LinkLost, ReplyTimeout (state unknown), BadReply, CommandRefused.
        """
        ...

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Energised channels as the board reports them.

        Args:
            wanted: Whether something more urgent needs the board; asked between exchanges.

        Raises:
            CommandRefused: The board cannot tell (``reads_back`` is False).
            Abandoned: Given up because of ``wanted``.
        """
        ...

    def read_inputs(self) -> tuple[bool, ...]:
        """Active inputs, channel 1 first; an empty tuple when the board has none."""
        ...

    def close(self) -> None:
        """Close the port; switches nothing. Safe to call twice."""
        ...

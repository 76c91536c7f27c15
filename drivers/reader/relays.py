"""The relays inside a reader, as a board: pulses that the reader itself times, and nothing that outlives us.

A reader's line has its own owner, so this board has none: it asks through an ``Outlet``. Such a relay sits on
the side of the street: whoever opens the housing has its contact. It suits turnstiles and inner doors.
"""

import time
from typing import Protocol

from drivers.errors import CommandRefused, LinkLost
from drivers.reader.osdp_library import TICK_MS
from drivers.relay.base import Capabilities, Oddities, Wanted, never

_PATIENCE_S = 1.5
_LOOK_S = 0.02


class Outlet(Protocol):
    """The way to the relays of one reader, for another thread than the one that owns its line."""

    @property
    def is_up(self) -> bool:
        """Whether the reader is online."""
        ...

    def pulse(self, channel: int, ms: int) -> int:
        """Energise for a time that the reader keeps; as ``PulsingBoard.pulse``."""
        ...

    def release(self, channel: int) -> int:
        """Release at once; as ``Board.write_output``."""
        ...


class ReaderRelays:
    """A board of relays that are inside a reader.

    Args:
        name: What the configuration calls the board.
        outlet: The way to the reader.
        channels: Relays it has.
    """

    def __init__(self, name: str, outlet: Outlet, channels: int) -> None:
        self.name = name
        self.oddities = Oddities()
        self._outlet = outlet
        self._channels = channels

    @property
    def is_there(self) -> bool:
        """False while the reader is offline."""
        return self._outlet.is_up

    @property
    def free_ns(self) -> int:
        """Any time: the line's owner keeps its pauses."""
        return 0

    @property
    def capabilities(self) -> Capabilities:
        """Timed pulses, answered, in steps of 100 ms."""
        return Capabilities(
            outputs=self._channels,
            inputs=0,
            acknowledges=True,
            reads_back=False,
            pulse_step_ms=TICK_MS,
            min_gap_ms=0,
            forbidden=("held outputs: they would outlive a daemon that has died",),
        )

    def open(self) -> None:
        """Wait a moment for the reader, which may just be coming online.

        Raises:
            LinkLost: It is offline.
        """
        deadline_s = time.monotonic() + _PATIENCE_S
        while not self._outlet.is_up:
            if time.monotonic() > deadline_s:
                raise LinkLost(self.name, "its reader is offline; see: gatehouse reader list")
            time.sleep(_LOOK_S)

    def pulse(self, channel: int, ms: int) -> int:
        """Energise one relay for a time that the reader itself keeps."""
        self._check(channel)
        return self._outlet.pulse(channel, ms)

    def write_output(self, channel: int, on: bool) -> int:
        """Release one relay; it is never held.

        Raises:
            CommandRefused: It was to be energised for good.
        """
        self._check(channel)
        if on:
            raise CommandRefused(self.name, "relays of a reader are pulsed, never held; give pulse_ms")
        return self._outlet.release(channel)

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """It does not tell."""
        del wanted
        raise CommandRefused(self.name, "a reader does not tell the state of its relays")

    def read_inputs(self) -> tuple[bool, ...]:
        """None that a lane may use."""
        return ()

    def close(self) -> None:
        """Nothing to give back: the line is another's."""

    def _check(self, channel: int) -> None:
        if not 1 <= channel <= self._channels:
            raise CommandRefused(self.name, f"no channel {channel}; this reader has {self._channels}")

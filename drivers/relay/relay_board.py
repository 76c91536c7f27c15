"""What boards share that have relays, tell their state, and can nothing else: no inputs, no timer."""

from typing import ClassVar

from drivers.errors import DriverError
from drivers.link import Link
from drivers.relay.base import Capabilities, Wanted, never
from drivers.relay.serial_board import SerialBoard


class RelayBoard(SerialBoard):
    """A board of relays; the protocols derive from it and say how one is switched and all are read.

    Args:
        name: What the configuration calls the board.
        link: Its line.
        channels: Relays, one of ``sizes``.
        pacing_ms: Pause between two frames.
        reply_timeout_ms: Longest wait for an answer.

    Attributes:
        make: Whose boards these are, as error messages name them.
        sizes: How many relays they have.
        acknowledges: A write is answered.
        forbidden: Operations that exist and are never used, with the reason.
    """

    make: ClassVar[str]
    sizes: ClassVar[tuple[int, ...]]
    acknowledges: ClassVar[bool] = False
    forbidden: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, name: str, link: Link, *, channels: int, pacing_ms: float, reply_timeout_ms: float
    ) -> None:
        super().__init__(name, link, gap_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms)
        if channels not in self.sizes:
            *some, last = (str(size) for size in self.sizes)
            known = f"{', '.join(some)} or {last}" if len(some) < 8 else f"{some[0]} to {last}"
            raise DriverError(name, f"channels = {channels}: {self.make} have {known} relays")
        self._channels = channels
        self._pacing_ms = round(pacing_ms)

    @property
    def capabilities(self) -> Capabilities:
        """What this board can do."""
        return Capabilities(
            outputs=self._channels,
            inputs=0,
            acknowledges=self.acknowledges,
            reads_back=True,
            pulse_step_ms=None,
            min_gap_ms=self._pacing_ms,
            forbidden=self.forbidden,
        )

    def open(self) -> None:
        """Open the port and have the board tell its state, which switches nothing."""
        self._take_line()
        try:
            self._greet()
            self.read_outputs()
        except DriverError:
            self.close()
            raise

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Energised relays as the board reports them."""
        raise NotImplementedError

    def read_inputs(self) -> tuple[bool, ...]:
        """There are no inputs, or they are not used."""
        return ()

    def _greet(self) -> None:
        """What goes before the first question."""

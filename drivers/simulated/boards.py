"""What simulated relay boards have in common: relays with a history, inputs, timed release."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from drivers.link import boot_ns
from drivers.simulated.jacks import Jack
from drivers.simulated.line import SimulatedLine

_HISTORY_LENGTH = 100_000

RelayListener = Callable[[int, bool, int], None]  # (channel, energised, CLOCK_BOOTTIME ns)


class SimulatedBoard(SimulatedLine):
    """A board with relays and inputs behind a simulated line.

    Listeners run in the device's thread, hold no lock, and must be quick.
    """

    def __init__(
        self,
        name: str,
        *,
        channels: int,
        inputs: int = 0,
        link: Path | None = None,
        jack: Jack | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, link=link, jack=jack, wire_baud=wire_baud)
        self._changes: deque[tuple[int, int, bool]] = deque(maxlen=_HISTORY_LENGTH)
        self._relays = [False] * channels
        self._inputs = [False] * inputs
        self._release_ns: dict[int, int] = {}
        self._listeners: list[RelayListener] = []

    @property
    def history(self) -> tuple[tuple[int, int, bool], ...]:
        """Every change of a contact as (CLOCK_BOOTTIME ns, channel, energised)."""
        with self._records:
            return tuple(self._changes)

    @property
    def relays(self) -> tuple[bool, ...]:
        """Energised contacts, channel 1 first."""
        return tuple(self._relays)

    @property
    def inputs(self) -> tuple[bool, ...]:
        """Inputs as the board sees them, channel 1 first."""
        return tuple(self._inputs)

    def on_change(self, listener: RelayListener) -> None:
        """Call ``listener(channel, energised, boot_ns)`` after every change of a contact."""
        self._listeners.append(listener)

    def set_input(self, channel: int, active: bool) -> None:
        """Put a level on an input; any thread."""
        self._inputs[channel - 1] = active

    def reboot(self) -> None:
        """Lose power for a moment: every relay falls off, half received frames are forgotten."""
        self.do(self._reboot)

    def tick(self, now_ns: int) -> int | None:
        """Release the relays whose time is over."""
        for channel, due_ns in list(self._release_ns.items()):
            if due_ns <= now_ns:
                self.switch(channel, False)
        return min(self._release_ns.values(), default=None)

    def switch(self, channel: int, on: bool, *, for_ns: int | None = None) -> bool:
        """Switch one relay as the firmware does; in the device's thread.

        Returns:
            False when the board has no such channel.
        """
        if not 1 <= channel <= len(self._relays):
            return False
        now_ns = boot_ns()
        self._release_ns.pop(channel, None)
        if on and for_ns is not None:
            self._release_ns[channel] = now_ns + for_ns
        on = self.faults.stuck.get(channel, on)
        if self._relays[channel - 1] != on:
            self._relays[channel - 1] = on
            with self._records:
                self._changes.append((now_ns, channel, on))
            for listener in self._listeners:
                listener(channel, on, now_ns)
        return True

    def _reboot(self) -> None:
        self._release_all()
        self.power_up()

    def _release_all(self) -> None:
        for channel in range(1, len(self._relays) + 1):
            self.switch(channel, False)

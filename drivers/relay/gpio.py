"""Relays and contacts on the Raspberry Pi's own pins, through gpiozero (optional).

A pin is taken together with its released level in one step, so that a relay does not twitch at the start; it
becomes an input, and the relay falls off, when closed. Inputs pull up: a dry contact to ground is active.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from drivers.errors import (
    CommandRefused,
    DriverClosed,
    DriverError,
    DriverUnavailable,
    LinkLost,
    PortBusy,
)
from drivers.link import boot_ns
from drivers.relay.base import Capabilities, Oddities, Wanted, never


class GpioBoard:
    """Pins as a board: channel 1 is the first pin named. Thread: one owner.

    Args:
        name: What the configuration calls the board.
        output_pins: BCM numbers of the relays' pins.
        input_pins: BCM numbers of the contacts' pins.
        active_low: The relays switch on with a low pin, as most opto-coupled relay hats do.
        pull_up: Contacts are wired to ground and the pins pulled up.
    """

    def __init__(
        self,
        name: str,
        *,
        output_pins: Sequence[int] = (),
        input_pins: Sequence[int] = (),
        active_low: bool = False,
        pull_up: bool = True,
    ) -> None:
        self.name = name
        self.oddities = Oddities()
        pins = [*output_pins, *input_pins]
        if not pins or len(set(pins)) != len(pins):
            raise DriverError(name, f"pins {pins}: name at least one, and each only once")
        self._output_pins, self._input_pins = tuple(output_pins), tuple(input_pins)
        self._active_low, self._pull_up = active_low, pull_up
        self._outputs: list[Any] = []
        self._inputs: list[Any] = []
        self._is_open = False
        self._failures: tuple[type[Exception], ...] = (OSError,)

    @property
    def capabilities(self) -> Capabilities:
        """What these pins can do; they read back their own level, not the relay's contact."""
        return Capabilities(
            outputs=len(self._output_pins),
            inputs=len(self._input_pins),
            acknowledges=False,
            reads_back=True,
            pulse_step_ms=None,
            min_gap_ms=0,
        )

    @property
    def is_there(self) -> bool:
        """Pins do not go away."""
        return True

    @property
    def free_ns(self) -> int:
        """Pins need no pause."""
        return 0

    def open(self) -> None:
        """Take the pins; every relay is released.

        Raises:
            DriverUnavailable: No gpiozero, or no pins on this machine. PortBusy: A pin is in use.
        """
        self.close()
        try:
            import gpiozero
        except ImportError as failure:
            raise DriverUnavailable(
                self.name, "needs gpiozero: pip install 'gatehouse[gpio]', or apt install python3-gpiozero"
            ) from failure
        self._failures = (gpiozero.GPIOZeroError, OSError)
        try:
            for pin in self._output_pins:
                device = gpiozero.DigitalOutputDevice(
                    pin, active_high=not self._active_low, initial_value=False
                )
                self._outputs.append(device)
            for pin in self._input_pins:
                self._inputs.append(gpiozero.DigitalInputDevice(pin, pull_up=self._pull_up))
        except gpiozero.GPIOPinInUse as failure:
            self.close()
            raise PortBusy(self.name, f"a pin is in use: {failure}") from failure
        except (gpiozero.GPIOZeroError, OSError) as failure:
            self.close()
            raise DriverUnavailable(self.name, f"the pins cannot be used here: {failure}") from failure
        self._is_open = True

    def write_output(self, channel: int, on: bool) -> int:
        """Set one pin; returns CLOCK_BOOTTIME in nanoseconds just after."""
        self._check()
        if not 1 <= channel <= len(self._outputs):
            raise CommandRefused(self.name, f"no channel {channel}; this board has {len(self._outputs)}")
        with self._losing():
            self._outputs[channel - 1].value = on
        return boot_ns()

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Levels of the relays' pins."""
        del wanted  # takes no time
        self._check()
        with self._losing():
            return tuple(bool(device.value) for device in self._outputs)

    def read_inputs(self) -> tuple[bool, ...]:
        """Active contacts."""
        self._check()
        with self._losing():
            return tuple(bool(device.value) for device in self._inputs)

    def close(self) -> None:
        """Give the pins back. Safe to call twice."""
        self._is_open = False
        for device in (*self._outputs, *self._inputs):
            device.close()
        self._outputs, self._inputs = [], []

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """Map what the pins' library may raise in use."""
        try:
            yield
        except self._failures as failure:
            raise LinkLost(self.name, f"the pins can no longer be used: {failure}") from failure

    def _check(self) -> None:
        if not self._is_open:
            raise DriverClosed(self.name, "the board is not open")

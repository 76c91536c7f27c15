"""gpiozero's mock pins with the face of a simulated board, so that pins keep the same contract."""

from types import TracebackType
from typing import Any, Self

import gpiozero
from gpiozero.pins.mock import MockFactory, MockPin

from drivers.link import boot_ns

OUTPUT_PINS, INPUT_PINS = (5, 6, 13, 19), (20, 21)


class MockPins:
    """Four relays and two contacts on mock pins. Contacts lead to ground."""

    port = ""
    frames: tuple[tuple[int, bytes], ...] = ()

    def __init__(self, *, active_low: bool = False, **_: Any) -> None:
        self._released = active_low
        self._before: Any = None
        self.broken = False
        self.history: tuple[tuple[int, int, bool], ...] = ()

    def __enter__(self) -> Self:
        pins = self

        class Recorder(MockPin):  # type: ignore[misc]
            """Tells what it is driven to."""

            def _set_state(self, value: bool) -> None:
                if pins.broken:
                    raise OSError("the chip of the pins does not answer")
                super()._set_state(value)

            def _change_state(self, value: bool) -> bool:
                changed = bool(super()._change_state(value))
                if changed and self.function == "output":
                    pins.switched(self.info.name, value)
                return changed

        self._before = gpiozero.Device.pin_factory
        self._factory = gpiozero.Device.pin_factory = MockFactory(pin_class=Recorder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._factory.reset()
        gpiozero.Device.pin_factory = self._before

    def switched(self, name: str, level: bool) -> None:
        """Remember a change of a relay."""
        channel = OUTPUT_PINS.index(int(name.removeprefix("GPIO"))) + 1
        energised = level is not self._released
        if energised is not self.relays_before(channel):
            self.history = (*self.history, (boot_ns(), channel, energised))

    def relays_before(self, channel: int) -> bool:
        """A relay as it was before the change that is being told."""
        return next((on for _, ch, on in reversed(self.history) if ch == channel), False)

    @property
    def relays(self) -> tuple[bool, ...]:
        """Energised relays, channel 1 first."""
        return tuple(self.relays_before(channel) for channel in range(1, len(OUTPUT_PINS) + 1))

    @property
    def inputs(self) -> tuple[bool, ...]:
        """As many as there are."""
        return (False,) * len(INPUT_PINS)

    def set_input(self, channel: int, active: bool) -> None:
        """Close a contact to ground, or open it."""
        pin = self._factory.pin(INPUT_PINS[channel - 1])
        pin.drive_low() if active else pin.drive_high()

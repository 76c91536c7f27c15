"""How the families of Modbus RTU boards differ: which request switches a relay, reads it, or times a pulse.

    waveshare   "Modbus RTU Relay" and its (B), (D), 16/32-channel sisters, protocol V2 (since September 2021)
    lc          Shenzhen LC and clones: inputs are always asked eight at a time
    quirk0100   older LC boards: relays from 1, value 0100 instead of FF00, no reading known
    r421a08     eletechsup R421A08: relays are holding registers, read one by one

The dangerous operations of a family are named in ``forbidden`` and have no function here: nothing sends them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.relay.catalog import USUAL_CHANNELS
from drivers.relay.modbus_codec import (
    Reply,
    Request,
    read_coils,
    read_inputs,
    read_registers,
    write_coil,
    write_coils,
    write_register,
)

ON, OFF = 0xFF00, 0x0000
_QUIRK_ON = 0x0100
_FLASH_ON_ADDRESS = 0x0200
_CONTROL_MODE_ADDRESS = 0x1000
_R421_ON, _R421_OFF, _R421_DELAY = 0x01, 0x02, 0x06


@dataclass(frozen=True, slots=True)
class Pulse:
    """The board's own timer: step and largest value in milliseconds, and the request that starts it."""

    step_ms: int
    longest_ms: int
    request: Callable[[int, int, int], Request]  # (unit, channel, steps)


@dataclass(frozen=True, slots=True)
class Profile:
    """One family.

    Attributes:
        name: As in the configuration.
        switch: ``(unit, channel, on)`` -> request.
        switch_all: ``(unit, states)`` -> one request for every relay, or None.
        read_outputs: ``(unit, channels)`` -> requests that together tell every relay; empty = cannot.
        decode_output_bits: True when one reply carries a bit per relay, False when one register per relay.
        inputs_per_read: Bits that a read of inputs must ask for, or 0 when the family has no inputs.
        pulse: The board's own timer, or None.
        control_modes: ``(unit, channels)`` -> request for the registers that must all be 0, or None.
        forbidden: Operations that exist and are never used, with the reason.
    """

    name: str
    switch: Callable[[int, int, bool], Request]
    switch_all: Callable[[int, tuple[bool, ...]], Request] | None
    read_outputs: Callable[[int, int], list[Request]]
    decode_output_bits: bool = True
    inputs_per_read: int = 8
    pulse: Pulse | None = None
    control_modes: Callable[[int, int], Request] | None = None
    forbidden: tuple[str, ...] = ()

    @property
    def usual_channels(self) -> tuple[int, int]:
        """Relays and inputs when the configuration names none."""
        return USUAL_CHANNELS[self.name]

    def decode_outputs(self, replies: list[Reply], channels: int) -> tuple[bool, ...]:
        """Relay states from the replies to ``read_outputs``."""
        if self.decode_output_bits:
            return replies[0].bits(channels)
        return tuple(reply.registers()[0] != 0 for reply in replies)

    def input_request(self, unit: int, channels: int) -> Request:
        """The request that tells every input; some boards serve only whole groups of eight."""
        groups = -(-channels // self.inputs_per_read)
        return read_inputs(unit, 0, groups * self.inputs_per_read)


def _switch_coil(unit: int, channel: int, on: bool) -> Request:
    return write_coil(unit, channel - 1, ON if on else OFF)


def _switch_coils(unit: int, states: tuple[bool, ...]) -> Request:
    return write_coils(unit, 0, states)


def _switch_quirk(unit: int, channel: int, on: bool) -> Request:
    return write_coil(unit, channel, _QUIRK_ON if on else OFF)


def _switch_register(unit: int, channel: int, on: bool) -> Request:
    return write_register(unit, channel, (_R421_ON if on else _R421_OFF) << 8)


def _read_all_coils(unit: int, channels: int) -> list[Request]:
    # Whole groups of eight: asking an LC board for fewer gave no service in one report, and costs nothing.
    return [read_coils(unit, 0, -(-channels // 8) * 8)]


def _read_each_register(unit: int, channels: int) -> list[Request]:
    return [read_registers(unit, channel, 1) for channel in range(1, channels + 1)]


PROFILES: dict[str, Profile] = {
    "waveshare": Profile(
        name="waveshare",
        switch=_switch_coil,
        switch_all=_switch_coils,
        read_outputs=_read_all_coils,
        pulse=Pulse(100, 0x7FFF * 100, lambda unit, ch, n: write_coil(unit, _FLASH_ON_ADDRESS + ch - 1, n)),
        control_modes=lambda unit, channels: read_registers(unit, _CONTROL_MODE_ADDRESS, channels),
        forbidden=(
            "toggle (a repeated frame would switch back)",
            "linkage, toggle and edge mode (an input would drive the relay without us)",
            "all relays at once by FF / 1FF (other outputs share the board)",
        ),
    ),
    "lc": Profile(
        name="lc",
        switch=_switch_coil,
        switch_all=_switch_coils,
        read_outputs=_read_all_coils,
        forbidden=("self-acting input modes (an input would drive the relay without us)",),
    ),
    "quirk0100": Profile(
        name="quirk0100",
        switch=_switch_quirk,
        switch_all=None,
        read_outputs=lambda _unit, _channels: [],
        inputs_per_read=0,
    ),
    "r421a08": Profile(
        name="r421a08",
        switch=_switch_register,
        switch_all=None,
        read_outputs=_read_each_register,
        decode_output_bits=False,
        inputs_per_read=0,
        pulse=Pulse(1000, 255_000, lambda unit, ch, n: write_register(unit, ch, _R421_DELAY << 8 | n)),
        forbidden=(
            "toggle (a repeated frame would switch back)",
            "latch (it releases every other relay of the board)",
        ),
    ),
}

"""The board types by name. A driver is imported on first use, so a library that is missing hurts nobody."""

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Protocol, cast

from drivers.errors import DriverError, DriverUnavailable
from drivers.lines import line_to
from drivers.link import Link
from drivers.relay.base import Board

# type -> (module:class, default baud, options that the type fixes)
BOARD_TYPES: dict[str, tuple[str, int, dict[str, object]]] = {
    "lcus": ("drivers.relay.lcus:LcusBoard", 9600, {}),
    "modbus": ("drivers.relay.modbus:ModbusBoard", 9600, {}),
    "waveshare": ("drivers.relay.modbus:ModbusBoard", 9600, {"profile": "waveshare"}),
    "lc": ("drivers.relay.modbus:ModbusBoard", 9600, {"profile": "lc"}),
    "quirk0100": ("drivers.relay.modbus:ModbusBoard", 9600, {"profile": "quirk0100"}),
    "r421a08": ("drivers.relay.modbus:ModbusBoard", 9600, {"profile": "r421a08"}),
    "kmtronic": ("drivers.relay.kmtronic:KmtronicBoard", 9600, {}),
    "devantech": ("drivers.relay.devantech:DevantechBoard", 9600, {}),
    "numato": ("drivers.relay.numato:NumatoBoard", 115_200, {}),
    "gpio": ("drivers.relay.gpio:GpioBoard", 0, {}),
}
# Relays and inputs that boards of a Modbus family usually have.
USUAL_CHANNELS: dict[str, tuple[int, int]] = {
    "waveshare": (8, 0),
    "lc": (8, 8),
    "quirk0100": (4, 0),
    "r421a08": (8, 0),
}
_LINE_OPTIONS = ("baud", "parity", "stop_bits")


class PulsingBoard(Board, Protocol):
    """A board whose own timer can release the relay (``capabilities.pulse_step_ms`` is not None)."""

    def pulse(self, channel: int, ms: int) -> int:
        """Energise one relay for ``ms``, rounded up to the board's step; the board releases it by itself.

        Returns:
            CLOCK_BOOTTIME in nanoseconds at which the last byte was handed to the line.

        Raises:
            CommandRefused: Too long for the board's timer. LinkLost, ReplyTimeout, BadReply: As a write.
        """
        ...


def open_board(name: str, type: str, *, port: str | Link, **options: object) -> Board:  # noqa: A002
    """Build the driver of a board. The port stays closed: ``Board.open`` opens it.

    Args:
        name: What the configuration calls the board.
        type: One of ``BOARD_TYPES``.
        port: Where it hangs (``drivers.ports``), or a line of one's own, as boards that share one need it.
        options: ``baud``, ``parity``, ``stop_bits`` of the port, and the options of the driver.

    Raises:
        DriverError: Unknown type or option, with a suggestion. DriverUnavailable: A library is missing.
    """
    if type not in BOARD_TYPES:
        raise DriverError(name, f"unknown board type {type!r}{_did_you_mean(type, BOARD_TYPES)}")
    target, baud, fixed = BOARD_TYPES[type]
    module_name, class_name = target.split(":")
    try:
        board_class = getattr(import_module(module_name), class_name)
    except ImportError as failure:
        raise DriverUnavailable(
            name, f"board type {type!r} needs {failure.name}: pip install {failure.name}"
        ) from failure
    known = [p for p in inspect.signature(board_class).parameters if p not in ("name", "link", *fixed)]
    on_serial_line = "link" in inspect.signature(board_class).parameters
    if on_serial_line and isinstance(port, str):
        known += _LINE_OPTIONS
    for option in options:
        if option not in known:
            raise DriverError(
                name, f"unknown option {option!r} of board type {type!r}{_did_you_mean(option, known)}"
            )
    line_options = {k: options.pop(k) for k in _LINE_OPTIONS if k in options}
    try:
        if not on_serial_line:
            return cast("Board", board_class(name, **fixed, **options))
        link = line_to(port, **{"baud": baud, **line_options}) if isinstance(port, str) else port  # type: ignore[arg-type]
        return cast("Board", board_class(name, link, **fixed, **options))
    except (TypeError, ValueError) as failure:
        if isinstance(failure, DriverError):
            raise
        raise DriverError(name, f"an option of board type {type!r} cannot be used: {failure}") from failure


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"

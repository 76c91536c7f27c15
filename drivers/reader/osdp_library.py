"""What of libosdp the driver and the simulated reader both need: loading it, its commands, its channel.

It is used through its thin module ``osdp_sys``, because the classes around that bring a thread of their own,
and a line has one owner here. Codes: IEC 60839-11-5 (LED, BUZ, OUT, LSTATR), names as in libosdp 3.2.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol

from drivers.errors import DriverError, DriverUnavailable
from drivers.reader.base import Feedback

log = logging.getLogger(__name__)

KEY_BYTES = 16
FACTORY_KEY = bytes(range(0x30, 0x40))  # SCBK-D: published, so it protects nothing
TICK_MS = 100  # light, sound and outputs are counted in it
MOST_TICKS = 255
OUTPUT_OFF, OUTPUT_ON, OUTPUT_ON_FOR = 1, 2, 5  # for good, for good, for a time
LIGHT_SET, SOUND_DEFAULT = 2, 2
# Keypads say ASCII; the enter and clear keys of some are carriage return, delete and escape.
KEY_OF: Mapping[int, str] = {
    **{ord(key): key for key in "0123456789*#"},
    0x0D: "#",
    0x7F: "*",
    0x1B: "*",
}
_READ_BYTES = 1024
_loading = threading.Lock()

Osdp = Any  # libosdp has no types


class Stream(Protocol):
    """A line, as far as a channel needs it."""

    def read(self, limit: int, timeout_s: float) -> bytes:
        """Wait for bytes; empty when the time is over."""
        ...

    def write(self, data: bytes) -> int:
        """Send."""
        ...


class Channel:
    """What libosdp reads from and writes to. It must never raise: an exception would be lost in C.

    Attributes:
        failure: Why the line is lost, for the owner to raise.
    """

    def __init__(self, stream: Stream) -> None:
        self.failure: DriverError | None = None
        self._stream = stream
        self._buffer = b""

    def wait(self, timeout_s: float) -> None:
        """Wait for bytes."""
        try:
            self._buffer += self._stream.read(_READ_BYTES, timeout_s)
        except DriverError as error:
            self.failure = error

    def read(self, limit: int) -> bytes:
        """For libosdp: what there is, at once."""
        self.wait(0.0)
        piece, self._buffer = self._buffer[:limit], self._buffer[limit:]
        return piece

    def write(self, data: bytes) -> int:
        """For libosdp: send; -1 when it cannot be."""
        try:
            self._stream.write(bytes(data))
        except DriverError as error:
            self.failure = error
            return -1
        return len(data)

    def flush(self) -> None:
        """For libosdp: forget what has come."""
        self.wait(0.0)
        self._buffer = b""


def load_libosdp(load: Callable[[], ModuleType] | None = None) -> Osdp:
    """The thin module of libosdp, told to be quiet: it would write to standard error.

    Raises:
        DriverUnavailable: It is not installed; says how to.
    """
    with _loading:
        try:
            module = (load or _import)()
        except ImportError as error:
            how = "is not installed; pip install 'gatehouse[osdp]'"
            raise DriverUnavailable("libosdp", how) from error
    module.set_loglevel(module.LOG_DEBUG if log.isEnabledFor(logging.DEBUG) else module.LOG_EMERG)
    return module


def _import() -> ModuleType:
    import osdp_sys

    module: ModuleType = osdp_sys
    return module


def identity(name: str, address: int, flags: int, key: bytes, channel: Channel) -> dict[str, Any]:
    """How libosdp wants a reader described, on either side of the line."""
    numbers = ("version", "model", "vendor_code", "serial_number", "firmware_version")
    known = {"name": name, "address": address, "flags": flags, "scbk": key or None, "channel": channel}
    return known | dict.fromkeys(numbers, 1)


def light(osdp: Osdp, feedback: Feedback) -> dict[str, Any]:
    """Light for a while, then what was lit before: green, blinking red, blinking amber."""
    colour, blinks, ticks = {
        Feedback.GRANTED: (osdp.LED_COLOR_GREEN, False, 20),
        Feedback.REFUSED: (osdp.LED_COLOR_RED, True, 20),
        Feedback.MORE_WANTED: (osdp.LED_COLOR_AMBER, True, 60),
    }[feedback]
    return {
        "command": osdp.CMD_LED,
        "reader": 0,
        "led_number": 0,
        "temporary": True,
        "control_code": LIGHT_SET,
        "on_count": 3,
        "off_count": 2 if blinks else 0,
        "on_color": colour,
        "off_color": osdp.LED_COLOR_NONE,
        "timer_count": ticks,
    }


def sound(osdp: Osdp, feedback: Feedback) -> dict[str, Any]:
    """Three beeps for a refusal, one for the others."""
    return {
        "command": osdp.CMD_BUZZER,
        "reader": 0,
        "control_code": SOUND_DEFAULT,
        "on_count": 1,
        "off_count": 1,
        "rep_count": 3 if feedback is Feedback.REFUSED else 1,
    }


def output(osdp: Osdp, channel: int, code: int, ticks: int) -> dict[str, Any]:
    """Switch an output, counted from 1."""
    return {"command": osdp.CMD_OUTPUT, "output_no": channel - 1, "control_code": code, "timer_count": ticks}


def local_status(osdp: Osdp) -> dict[str, Any]:
    """Ask for tamper and power."""
    report = {"type": osdp.STATUS_REPORT_LOCAL, "nr_entries": 0, "report": bytes(1)}
    return {"command": osdp.CMD_STATUS, **report}

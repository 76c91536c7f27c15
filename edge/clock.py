"""Time, injected: boot time for every duration, UTC plus a state for every record.

``boot_ns`` is CLOCK_BOOTTIME: it never jumps, goes on during suspend, and is the same in all processes
of one machine, so a capture time taken in a vision process can be compared in the control process.
``utc_ns`` may jump; never subtract two of them.
"""

import ctypes
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class ClockState(StrEnum):
    """How far UTC can be trusted now."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSET = "unset"


class Clock(Protocol):
    """What every part that needs time is given."""

    def boot_ns(self) -> int:
        """Nanoseconds since boot; never jumps."""
        ...

    def utc_ns(self) -> int:
        """Nanoseconds since 1970 UTC; may jump."""
        ...

    def state(self) -> ClockState:
        """How far ``utc_ns`` can be trusted."""
        ...


# Before this moment (2026-01-01 UTC) the clock of a board without a battery has not been set.
EARLIEST_PLAUSIBLE_UTC_NS = 1_767_225_600 * NS_PER_S
_STA_UNSYNC = 0x0040  # adjtimex(2)
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    # struct timex of adjtimex(2); only modes and status are read, the tail is padding.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


class SystemClock:
    """The real clock. Its state comes from the kernel (adjtimex), as timesyncd and chrony set it."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._was_synced = Path("/run/systemd/timesync/synchronized")

    def boot_ns(self) -> int:
        """Nanoseconds since boot."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def utc_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return time.time_ns()

    def state(self) -> ClockState:
        """``synced`` while the kernel says so, ``unset`` before 2026, else ``holdover``."""
        if self.utc_ns() < EARLIEST_PLAUSIBLE_UTC_NS:
            return ClockState.UNSET
        timex = _Timex()
        result = self._libc.adjtimex(ctypes.byref(timex))
        if result not in (-1, _TIME_ERROR) and not timex.status & _STA_UNSYNC:
            return ClockState.SYNCED
        return ClockState.HOLDOVER


@dataclass(slots=True)
class ManualClock:
    """A clock that only moves when told to; for tests and simulations."""

    now_boot_ns: int = 1_000 * NS_PER_S
    now_utc_ns: int = EARLIEST_PLAUSIBLE_UTC_NS + 30 * 86_400 * NS_PER_S
    now_state: ClockState = field(default=ClockState.SYNCED)

    def boot_ns(self) -> int:
        """Nanoseconds since the imagined boot."""
        return self.now_boot_ns

    def utc_ns(self) -> int:
        """Nanoseconds since 1970 UTC, as set."""
        return self.now_utc_ns

    def state(self) -> ClockState:
        """The state as set."""
        return self.now_state

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        step_ns = round(seconds * NS_PER_S)
        self.now_boot_ns += step_ns
        self.now_utc_ns += step_ns

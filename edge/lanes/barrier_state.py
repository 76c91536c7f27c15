"""What the barrier machine remembers and sees: phases, sensors, state."""

from dataclasses import dataclass
from enum import StrEnum

from edge.lanes.acts import Hold, Request

Sensor = bool | None


class Phase(StrEnum):
    """Where the boom is in its cycle."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    OPENING = "opening"
    OPEN_WAIT = "open_wait"
    PASSING = "passing"
    OPEN_CLEAR = "open_clear"
    CLOSING = "closing"
    HELD_OPEN = "held_open"
    FAULT = "fault"


class Position(StrEnum):
    """What the limits say."""

    UP = "up"
    DOWN = "down"
    BETWEEN = "between"


BOOM_UP = frozenset({Phase.OPENING, Phase.OPEN_WAIT, Phase.PASSING, Phase.OPEN_CLEAR, Phase.HELD_OPEN})


@dataclass(frozen=True, slots=True)
class BarrierInputs:
    """One look at the lane. A sensor that is not wired is ignored, whatever stands here."""

    open_limit: Sensor = None
    closed_limit: Sensor = None
    presence: Sensor = None
    beam: Sensor = None
    fire: Sensor = None
    hold_key: Sensor = None
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class BarrierState:
    """All that the machine remembers; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        since_ns: When the phase was entered, or its timer started anew.
        seen_ns: Time of the last step; a long gap means that nothing was observed in between.
        waiting: Authorised visits that have not passed, oldest first.
        lifted: Visits for which the boom went up in this cycle, passed or not.
        passed: Cars that passed in this cycle.
        ours: The boom is up because of us, so we may lower it when the lane is clear.
        commanded: The boom comes down because we sent CLOSE (else it does so by itself).
        urgent: It is going up for safety: the pulse is repeated until it is seen up.
        occupied: The passing sensor's last known word, and since when.
        clear_ns: Since when every safety sensor has been known to be clear; None when one is not.
        fire_gone_ns: Since when the fire input has been known to be gone, while its hold lasts.
        pulsed_ns: Time of the last OPEN.
        fault: Empty, ``open_failed`` or ``close_failed``.
    """

    phase: Phase = Phase.UNKNOWN
    since_ns: int = 0
    seen_ns: int | None = None
    waiting: tuple[str, ...] = ()
    lifted: tuple[str, ...] = ()
    passed: int = 0
    ours: bool = False
    commanded: bool = False
    urgent: bool = False
    occupied: bool = False
    occupied_ns: int = 0
    clear_ns: int | None = None
    holds: frozenset[Hold] = frozenset()
    fire_gone_ns: int | None = None
    pulsed_ns: int = 0
    fault: str = ""
    alarms: frozenset[str] = frozenset()

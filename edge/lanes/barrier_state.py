"""What the barrier machine remembers and sees: phases, sensors, state."""

from dataclasses import dataclass
from enum import StrEnum

from edge.lanes.crossing import NOBODY, Crossing
from edge.lanes.lane_state import LaneInputs, LaneState, Sensor


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
class BarrierInputs(LaneInputs):
    """One look at the lane."""

    open_limit: Sensor = None
    closed_limit: Sensor = None
    presence: Sensor = None
    beam: Sensor = None
    edge: Sensor = None
    second_loop: Sensor = None


@dataclass(frozen=True, slots=True)
class BarrierState(LaneState):
    """All that the machine remembers; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        lifted: Visits for which the boom went up in this cycle, passed or not.
        passed: Cars that passed in this cycle. last_passed: the visit of the newest, if it had one.
        heading: The way that the lane is used now, ``in`` or ``out``; empty while it is free or nobody knows.
        ours: The boom is up because of us, so we may lower it when the lane is clear.
        found: It was up when we started.
        by_hand: It was moved by somebody else, and not seen at an end since.
        commanded: The boom comes down because we sent CLOSE (else it does so by itself).
        urgent: It is going up for safety: the pulse is repeated until it is seen up.
        occupied: A car is under the boom, as last known, and since when. large: long enough for a large one.
        clear_ns: Since when every safety sensor has been known to be clear; None when one is not.
        crossing: The car on the two loops, where there are two.
        fleet_ns: When the newest permitted car came in fleet mode.
        fault: Empty, ``open_failed`` or ``close_failed``.
    """

    phase: Phase = Phase.UNKNOWN
    lifted: tuple[str, ...] = ()
    passed: int = 0
    last_passed: str | None = None
    heading: str = ""
    ours: bool = False
    found: bool = False
    by_hand: bool = False
    commanded: bool = False
    urgent: bool = False
    occupied: bool = False
    occupied_ns: int = 0
    large: bool = False
    clear_ns: int | None = None
    crossing: Crossing = NOBODY
    fleet_ns: int = 0


__all__ = ["BOOM_UP", "BarrierInputs", "BarrierState", "Phase", "Position", "Sensor"]

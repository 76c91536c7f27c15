"""What every lane machine sees and remembers, whatever kind of lane it is."""

from dataclasses import dataclass, field

from edge.lanes.acts import Hold, Request

Sensor = bool | None
Since = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class LaneInputs:
    """One look at a lane. A sensor that is not wired is ignored, whatever stands here.

    Attributes:
        scheduled: The lane shall be held open at this time of the week.
    """

    fire: Sensor = None
    hold_key: Sensor = None
    tamper: Sensor = None
    requests: tuple[Request, ...] = ()
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class LaneState:
    """What every machine remembers; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        since_ns: When the phase was entered, or its timer started anew.
        seen_ns: Time of the last step; a long gap means that nothing was observed in between.
        waiting: Authorised visits that have not passed, oldest first.
        hold_until_ns: When a remote hold ends by itself; None: when it is told to.
        fire_gone_ns: Since when the fire input has been known to be gone, while its hold lasts.
        pulsed_ns: Time of the last act that opens.
        fault: Empty, or why recognition may not open.
        alarms: Those that stand. brief: those about a moment, and when they end.
        siren_ns: When the newest of the alarms that sound began.
        active: Watched sensors that see something, since when; unknown: inputs nobody knows, since when.
        stuck: Sensors that have been active for so long that they are not believed any more.
        shows: Signal outputs that are on.
    """

    since_ns: int = 0
    seen_ns: int | None = None
    waiting: tuple[str, ...] = ()
    holds: frozenset[Hold] = frozenset()
    hold_until_ns: int | None = None
    fire_gone_ns: int | None = None
    pulsed_ns: int = 0
    fault: str = ""
    alarms: frozenset[str] = frozenset()
    brief: Since = ()
    siren_ns: int | None = None
    active: Since = ()
    unknown: Since = ()
    stuck: frozenset[str] = frozenset()
    shows: frozenset[str] = field(default_factory=frozenset)

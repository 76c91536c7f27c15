"""What goes into the lane machines besides sensors, and what comes out: requests and acts.

All machines (barrier, door, turnstile, mantrap) speak this vocabulary, so that one worker can drive any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Wire(StrEnum):
    """The outputs of a lane by meaning; the names are those of the options in the lane's settings."""

    OPEN = "open"
    CLOSE = "close"
    STOP = "stop"
    LOCK = "lock"
    PASS_IN = "pass_in"  # noqa: S105  people pass here, nothing is secret
    PASS_OUT = "pass_out"  # noqa: S105
    RELEASE = "release"
    OUTER_LOCK = "outer_lock"
    INNER_LOCK = "inner_lock"
    LIGHT_RED = "light_red"
    LIGHT_GREEN = "light_green"
    ALARM = "alarm"


SIGNALS = (Wire.LIGHT_RED, Wire.LIGHT_GREEN, Wire.ALARM)
"""Outputs that only show something. No act moves them: the machine's state says which are on (``shows``)."""


class Ask(StrEnum):
    """What somebody may ask of a lane."""

    OPEN = "open"
    CLOSE = "close"
    STOP = "stop"
    HOLD = "hold"
    FLEET = "fleet"
    RELEASE = "release"


OPENING_ASKS = frozenset({Ask.OPEN, Ask.HOLD, Ask.FLEET})
"""What the kill switch stops; what closes, stops and lets go is always taken."""


class Hold(StrEnum):
    """Who holds a lane open. Each class of source ends only its own hold (SAFE-2)."""

    FIRE = "fire"
    KEY = "key"
    REMOTE = "remote"
    SCHEDULE = "schedule"
    FLEET = "fleet"


ABOUT_PEOPLE = frozenset(
    {
        *("tailgated", "wrong_way", "passed_closed", "lingering", "forced", "held_soon", "held_open"),
        *("both_open", "waiting_inside", "tampered"),
    }
)
"""Alarms of lanes, without the noun, that say what people did and nothing about whether the lane works."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something that a decision or a person asks for.

    Attributes:
        visit: For OPEN: the arrival that is let in; the same arrival asks twice with the same id.
        not_after_ns: CLOCK_BOOTTIME after which it is recorded and not done (SAFE-3).
        id: The actuation it belongs to: decision id or command id.
        heading: For OPEN: ``in`` or ``out``; empty when nobody knows (staff).
        hold_ns: For HOLD: let go by itself after so long; 0: when told to.
        at_box: Whoever asks stands at the box: the kill switch does not stop them.
    """

    ask: Ask
    visit: str = ""
    not_after_ns: int = 1 << 62
    id: str = ""
    heading: str = ""
    hold_ns: int = 0
    at_box: bool = False


@dataclass(frozen=True, slots=True)
class Pulse:
    """Move a relay away from its safe state, for its pulse length, or (pulse_ms = 0) until ``Release``.

    Attributes:
        urgent: Raised for safety, not for a visitor: goes before everything but a release.
        request: The request that caused it, or None when a sensor did.
    """

    wire: Wire
    urgent: bool = False
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Put a relay back into its safe state now, ending a pulse that runs or waits."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class Defer:
    """A request waits its turn; it will be pulsed for or refused in a later step."""

    request: Request


@dataclass(frozen=True, slots=True)
class Journal:
    """Write an event; ``type`` is ``noun.past_participle``."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlarmEdge:
    """Raise (``on``) or clear an alarm of this lane."""

    name: str
    on: bool
    detail: str = ""


Act = Pulse | Release | Defer | Journal | AlarmEdge

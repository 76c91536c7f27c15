"""What the mantrap machine remembers and sees: phases, sensors, two leaves, state."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from edge.lanes.acts import Request, Wire
from edge.lanes.lane_state import LaneInputs, LaneState, Sensor

OTHER: Mapping[str, str] = {"outer": "inner", "inner": "outer"}
LOCKS: Mapping[str, Wire] = {"outer": Wire.OUTER_LOCK, "inner": Wire.INNER_LOCK}


class MantrapPhase(StrEnum):
    """How far the one person is who may be under way."""

    IDLE = "idle"
    UNLOCKED = "unlocked"
    ENTERING = "entering"
    BETWEEN = "between"
    EXIT_UNLOCKED = "exit_unlocked"
    LEAVING = "leaving"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class MantrapInputs(LaneInputs):
    """One look at both doors."""

    outer_contact: Sensor = None
    inner_contact: Sensor = None
    outer_locked: Sensor = None
    inner_locked: Sensor = None
    occupied: Sensor = None
    exit_button: Sensor = None
    cabin_button: Sensor = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is known of one door; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        is_open: The contact's last known word; None until the first.
        opened_ns: When it was seen to open; None while it is shut.
        is_forced: Its newest opening had no permission.
        unlocked: It was let go by us, and not locked since.
        unlocked_ns: When it was last let go.
        locked_ns: When it was last told to lock; None: never, so it has been locked since the start.
    """

    is_open: bool | None = None
    opened_ns: int | None = None
    is_forced: bool = False
    unlocked: bool = False
    unlocked_ns: int = 0
    locked_ns: int | None = None

    def with_(self, **changes: object) -> "Leaf":
        """The same with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class MantrapState(LaneState):
    """All that the machine remembers; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        heading: ``in`` or ``out`` while somebody is under way.
        exit_by: The door that is, or will be, let go for whoever is between the doors.
        went: The door that was opened with permission and has not been dealt with.
        tries: How often the doors were let go, by turns, for whoever is between them.
        pressed: Buttons whose last known word is "pressed".
        leave_until_ns: Until when somebody's wish to be let out of the building stands.
        asked: Who is to be let in as soon as the doors are ready; None: nobody.
        asked_until_ns: So long do they wait.
    """

    phase: MantrapPhase = MantrapPhase.IDLE
    outer: Leaf = Leaf()
    inner: Leaf = Leaf()
    heading: str = ""
    exit_by: str = ""
    went: str = ""
    tries: int = 0
    pressed: frozenset[str] = frozenset()
    leave_until_ns: int = 0
    asked: Request | None = None
    asked_until_ns: int = 0

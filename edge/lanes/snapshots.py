"""What a board's owner shows to others: immutable, swapped as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InputSnapshot:
    """All inputs of a board at one moment.

    Attributes:
        taken_ns: CLOCK_BOOTTIME before the board was asked.
        good_until_ns: After this they are unknown.
        values: Active inputs, channel 1 first; None when the board is down.
    """

    taken_ns: int
    good_until_ns: int
    values: tuple[bool, ...] | None

    def value(self, channel: int, now_ns: int) -> bool | None:
        """One input, or None when it is not known (stale, board down, no such channel)."""
        if self.values is None or now_ns > self.good_until_ns or channel > len(self.values):
            return None
        return self.values[channel - 1]


@dataclass(frozen=True, slots=True)
class BoardStatus:
    """For people: whether the board is there, and what is away from safe.

    Attributes:
        away: Channels; inputs: as last read, None when not known.
        reconnects: How often it was lost and found again.
        faults: What has gone wrong lately, and how often (``edge.lanes.troubles``).
    """

    name: str
    is_up: bool
    detail: str
    away: tuple[int, ...]
    inputs: tuple[bool, ...] | None
    reconnects: int
    faults: Mapping[str, int] = field(default_factory=dict)

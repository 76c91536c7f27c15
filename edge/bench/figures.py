"""What a pile of measured times says. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Pace(StrEnum):
    """How hard the loop works, told by what it did: nothing, searched, or read."""

    IDLE = "idle"
    WATCHING = "watching"
    DECIDING = "deciding"

    @classmethod
    def of(cls, searched: int, read: int) -> "Pace":
        """The pace of a time in which there were so many searches, and so many things read.

        >>> Pace.of(0, 0), Pace.of(3, 0), Pace.of(3, 1)
        (<Pace.IDLE: 'idle'>, <Pace.WATCHING: 'watching'>, <Pace.DECIDING: 'deciding'>)
        """
        return cls.DECIDING if read else cls.WATCHING if searched else cls.IDLE

    @property
    def budget(self) -> float:
        """Part of one core that looking may take at this pace, 0..1; decoding is apart."""
        return _BUDGETS[self]


# A camera that shows nothing must leave the processor idle; while something moves half a core is left for the
# lanes and another camera; for the second in which somebody is decided about it may be nearly all of one.
_BUDGETS = {Pace.IDLE: 0.04, Pace.WATCHING: 0.5, Pace.DECIDING: 0.9}


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of so many values, in the unit of the values; all 0 when there are none."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Nearest-rank percentiles: each is a value that was measured."""
        ordered = sorted(values)
        return cls(len(ordered), *(percentile(ordered, share) for share in (0.5, 0.95, 0.99, 1.0)))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed (nearest rank).

    Args:
        ordered: Ascending; empty gives 0.
        share: Above 0, at most 1.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.51)
    (2.0, 3.0)
    """
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def visits_per_minute(busy_s: float, idle_share: float) -> float:
    """How many visits one core has time for, one after the other, frames between them being looked at too.

    Args:
        busy_s: Processor time that one visit costs beyond what nothing costs, seconds.
        idle_share: Part of the core that is spent while nothing happens, 0..1.
    """
    if busy_s <= 0:
        return 0.0
    return 60.0 * max(0.0, 1.0 - idle_share) / busy_s


def slope_per_hour(times_s: Sequence[float], values: Sequence[float]) -> float:
    """Least-squares slope of values over times, per hour; 0 for fewer than two times.

    >>> round(slope_per_hour([0, 1800, 3600], [100.0, 101.0, 102.0]), 6)
    2.0
    """
    count = len(times_s)
    if count < 2:
        return 0.0
    middle_s, middle = sum(times_s) / count, sum(values) / count
    spread = sum((time_s - middle_s) ** 2 for time_s in times_s)
    if spread == 0:
        return 0.0
    together = sum((t - middle_s) * (v - middle) for t, v in zip(times_s, values, strict=True))
    return 3600.0 * together / spread

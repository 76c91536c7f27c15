"""How long the stages of the loop take, as medians of the last times."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Timer:
    """Median of the last times of each stage, in milliseconds."""

    keep: int = 30
    _times: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, stage: str, work: Callable[[], T]) -> tuple[T, float]:
        """Do some work; return its result and the milliseconds it took."""
        began = time.perf_counter_ns()
        result = work()
        took_ms = (time.perf_counter_ns() - began) / 1e6
        self.add(stage, took_ms)
        return result, took_ms

    def add(self, stage: str, took_ms: float) -> None:
        """Note a time measured elsewhere."""
        times = self._times.setdefault(stage, [])
        times.append(took_ms)
        del times[: -self.keep]

    def medians(self) -> Mapping[str, float]:
        """Per stage the median, to a hundredth of a millisecond."""
        return {stage: round(sorted(times)[len(times) // 2], 2) for stage, times in self._times.items()}

"""What happens at a simulated site and when: entries that JSON can hold, times in seconds after an epoch.

    {"kind": "car", "loop": [5, 11], "beam": [7, 9.5], "only_if_up": true, "patience_s": 20}
    {"kind": "person", "at": 4, "open_for_s": 3, "patience_s": 8, "force": false}
    {"kind": "level", "input": "fire", "during": [30, 40]}
    {"kind": "fault", "board": "lcus", "fault": "unplug", "during": [50, 55]}

Inputs of levels: fire, hold_key, exit_button, loop, beam, second_loop, edge, tamper.
Faults: unplug, silent, mute; boards: lcus, io.
A car with ``only_if_up`` waits in front of the loop at its time until the boom is up, then drives as written,
only later; when its patience is over it turns back. Without it, it drives whatever the boom does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.errors import DriverError

LEVELS = ("fire", "hold_key", "exit_button", "loop", "beam", "second_loop", "edge", "tamper")
FAULTS = ("unplug", "silent", "mute")
BOARDS = ("lcus", "io")
_KEYS = {
    "car": {"loop", "beam", "only_if_up", "patience_s"},
    "person": {"at", "open_for_s", "patience_s", "force"},
    "level": {"input", "during"},
    "fault": {"board", "fault", "during"},
}


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in seconds after the epoch; the end does not belong to it."""

    start_s: float
    end_s: float

    def covers(self, now_s: float) -> bool:
        """True while it lasts."""
        return self.start_s <= now_s < self.end_s


@dataclass(frozen=True, slots=True)
class Car:
    """A car that drives over the loop and below the boom."""

    loop: Interval
    beam: Interval
    only_if_up: bool = False
    patience_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Person:
    """A person at the door, who pushes until it gives way or patience ends."""

    at_s: float
    open_for_s: float = 3.0
    patience_s: float = 8.0
    force: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """An input that is active for a while."""

    input: str
    during: Interval


@dataclass(frozen=True, slots=True)
class Fault:
    """A board that fails for a while."""

    board: str
    fault: str
    during: Interval


Entry = Car | Person | Level | Fault


class CarOnTheWay:
    """A car of the script while it is played: decides when it drives."""

    def __init__(self, car: Car) -> None:
        self._car = car
        self._shift_s: float | None = None if car.only_if_up else 0.0
        self.gave_up = False

    def presence(self, now_s: float, boom_is_up: bool) -> tuple[bool, bool]:
        """Whether it occupies the loop and the beam now (seconds after the epoch)."""
        waited_s = now_s - self._car.loop.start_s
        if self._shift_s is None and waited_s >= 0 and not self.gave_up:
            if boom_is_up:
                self._shift_s = waited_s
            else:
                self.gave_up = waited_s > self._car.patience_s
        if self._shift_s is None:
            return False, False
        own_s = now_s - self._shift_s
        return self._car.loop.covers(own_s), self._car.beam.covers(own_s)


def read_script(entries: Sequence[Mapping[str, Any]]) -> tuple[Entry, ...]:
    """Turn the entries of a script into values.

    Raises:
        DriverError: An entry that cannot be meant, with its number.
    """
    return tuple(_read_entry(number, entry) for number, entry in enumerate(entries, start=1))


def _read_entry(number: int, entry: Mapping[str, Any]) -> Entry:
    where = f"script entry {number}"
    kind = entry.get("kind")
    if kind not in _KEYS:
        raise DriverError(where, f"kind = {kind!r}; known: {', '.join(_KEYS)}")
    if unknown := set(entry) - _KEYS[kind] - {"kind"}:
        raise DriverError(where, f"a {kind} has no {min(unknown)!r}; known: {', '.join(sorted(_KEYS[kind]))}")
    try:
        if kind == "car":
            options = {k: entry[k] for k in ("only_if_up", "patience_s") if k in entry}
            return Car(_interval(entry["loop"]), _interval(entry["beam"]), **options)
        if kind == "person":
            options = {k: entry[k] for k in ("open_for_s", "patience_s", "force") if k in entry}
            return Person(float(entry["at"]), **options)
        during = _interval(entry["during"])
        if kind == "level":
            return Level(_one_of(entry["input"], LEVELS), during)
        return Fault(_one_of(entry["board"], BOARDS), _one_of(entry["fault"], FAULTS), during)
    except (KeyError, TypeError, ValueError) as failure:
        raise DriverError(where, f"a {kind} cannot be made of it: {failure!r}") from failure


def _interval(pair: Any) -> Interval:
    start_s, end_s = (float(value) for value in pair)
    if end_s < start_s:
        raise ValueError(f"{pair} ends before it starts")
    return Interval(start_s, end_s)


def _one_of(word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise ValueError(f"{word!r} is none of {', '.join(known)}")
    return word

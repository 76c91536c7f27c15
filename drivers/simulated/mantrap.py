"""Two doors with a space between, and the people in it. Pure; time is injected.

Whoever walks pushes the door before them until it gives way, steps in, and pushes the other one; when that
does not give way they try the one they came by. The doors are ``SimulatedDoor``s with strikes or magnets.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.simulated.door import DoorTraits, SimulatedDoor

DOORS = ("outer", "inner")


@dataclass(slots=True)
class _Walker:
    """Somebody on the way: before the first door, or between the two."""

    way: str
    gives_up_ns: int
    inside: bool = False
    busy_until_ns: int = 0

    @property
    def first(self) -> str:
        return "outer" if self.way == "in" else "inner"

    @property
    def last(self) -> str:
        return "inner" if self.way == "in" else "outer"


class SimulatedMantrap:
    """Two doors. Not thread-safe: its owner calls it from one thread or under its own lock.

    Attributes:
        doors: The two, by name.
        through: (CLOCK_BOOTTIME ns, way) of everybody who came out at the other end.
        back: The same of those who left by the door they came by.
        both_open_ns: When both doors were seen open at once.
    """

    def __init__(self, now_ns: int, traits: DoorTraits | None = None) -> None:
        self._now_ns = now_ns
        self.doors: Mapping[str, SimulatedDoor] = {name: SimulatedDoor(now_ns, traits) for name in DOORS}
        self._walkers: list[_Walker] = []
        self.through: list[tuple[int, str]] = []
        self.back: list[tuple[int, str]] = []
        self.both_open_ns: list[int] = []

    @property
    def is_occupied(self) -> bool:
        """Somebody is between the doors."""
        return any(walker.inside for walker in self._walkers)

    def is_bolted(self, door: str) -> bool:
        """The bolt is thrown: shut, and the lock does not let go."""
        return not self.doors[door].unlocked and not self.doors[door].is_open

    def walk(self, way: str, now_ns: int, *, patience_s: float = 10.0) -> None:
        """A person comes to the first door of their way, and goes on as long as they can."""
        self.step(now_ns)
        self._walkers.append(_Walker(way, self._now_ns + round(patience_s * 1e9)))

    def step(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``: leaves move, people push."""
        self._now_ns = max(self._now_ns, now_ns)
        for door in self.doors.values():
            door.step(self._now_ns)
        self._walkers = [walker for walker in self._walkers if self._goes_on(walker)]
        if all(door.is_open for door in self.doors.values()):
            self.both_open_ns.append(self._now_ns)

    def set_lock(self, door: str, energised: bool, now_ns: int) -> None:
        """A lock's relay closes or opens."""
        self.step(now_ns)
        self.doors[door].set_lock(energised, self._now_ns)

    def _goes_on(self, walker: _Walker) -> bool:
        """One look of one walker; False when they have left."""
        if self._now_ns < walker.busy_until_ns:
            return True
        if not walker.inside:
            if self._push(walker, walker.first):
                walker.inside = True
            return walker.inside or self._now_ns < walker.gives_up_ns
        for door, record in ((walker.last, self.through), (walker.first, self.back)):
            if not self.doors[door].is_open and self._push(walker, door):
                record.append((self._now_ns, walker.way))
                return False
        return True

    def _push(self, walker: _Walker, door: str) -> bool:
        if not self.doors[door].push(self._now_ns, open_for_s=0.5):
            return False
        walker.busy_until_ns = self._now_ns + 800_000_000  # through the leaf, and let it fall shut
        return True

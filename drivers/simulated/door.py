"""A door with a lock and a contact: people go through when it is unlocked, or force it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DoorTraits:
    """How this door is built.

    Attributes:
        energised_unlocks: True for a strike (energise to unlock), False for a magnet (energise to lock).
        opening_s: From the first push until the contact opens.
    """

    energised_unlocks: bool = True
    opening_s: float = 0.2


class SimulatedDoor:
    """One door. Not thread-safe: its owner calls it from one thread or under its own lock.

    Attributes:
        passed: CLOCK_BOOTTIME ns at which a person went through.
        forced: CLOCK_BOOTTIME ns at which somebody forced it while locked.
    """

    def __init__(self, now_ns: int, traits: DoorTraits | None = None) -> None:
        self._traits = traits or DoorTraits()
        self._now_ns = now_ns
        self._energised = False
        self._opens_ns: int | None = None
        self._closes_ns: int | None = None
        self.is_open = False
        self.passed: list[int] = []
        self.forced: list[int] = []

    @property
    def unlocked(self) -> bool:
        """The lock lets go now."""
        return self._energised == self._traits.energised_unlocks

    def step(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        self._now_ns = max(self._now_ns, now_ns)
        if self._opens_ns is not None and self._opens_ns <= self._now_ns:
            self.is_open, self._opens_ns = True, None
        if self._closes_ns is not None and self._closes_ns <= self._now_ns:
            self.is_open, self._closes_ns = False, None

    def set_lock(self, energised: bool, now_ns: int) -> None:
        """The lock's relay closes or opens."""
        self.step(now_ns)
        self._energised = energised

    def push(self, now_ns: int, *, open_for_s: float, force: bool = False) -> bool:
        """A person pushes the leaf, and holds it open for a while if it gives way.

        Returns:
            True when the door gave way.
        """
        self.step(now_ns)
        if not self.unlocked and not self.is_open:
            if not force:
                return False
            self.forced.append(self._now_ns)
        opens_ns = self._now_ns + round(self._traits.opening_s * 1e9)
        if not self.is_open:
            self._opens_ns = opens_ns
        self._closes_ns = max(self._closes_ns or 0, opens_ns + round(open_for_s * 1e9))
        self.passed.append(self._now_ns)
        return True

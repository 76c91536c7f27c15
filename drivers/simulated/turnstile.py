"""A turnstile with physics: credits in, people through, feedback and zone sensors out. Pure.

Contacts have the manners of real controllers: a pulse on a way gives one credit, which is lost when nobody
uses it in time; a contact that is held gives credit after credit; the release frees both ways for as long as
it is held. The feedback closes for a moment when somebody has gone through. Free, the arm hangs down: the
moment it is raised again somebody may stand in its way.
"""

from dataclasses import dataclass

WAYS = ("in", "out")
_ZONE_A, _ZONE_B, _FEEDBACK = (0.0, 0.5), (0.3, 0.8), (0.6, 0.9)  # when a walker covers what, in walk times


@dataclass(frozen=True, slots=True)
class TurnstileTraits:
    """How this turnstile is built.

    Attributes:
        credit_s: A credit that nobody uses is lost after so long.
        walk_s: Time that a person takes from one side to the other.
        feedback_when_free: The feedback counts people also while it is free (not with a dropped arm).
    """

    credit_s: float = 10.0
    walk_s: float = 1.0
    feedback_when_free: bool = True


@dataclass(frozen=True, slots=True)
class _Walker:
    """Somebody in the turnstile."""

    way: str
    start_ns: int
    counts: bool

    def covers(self, part: tuple[float, float], now_ns: int, walk_ns: int) -> bool:
        begin, end = part
        return begin * walk_ns <= now_ns - self.start_ns < end * walk_ns


class SimulatedTurnstile:
    """One turnstile. Not thread-safe: its owner calls it from one thread or under its own lock.

    Attributes:
        passed: (CLOCK_BOOTTIME ns, way) of everybody who went through with a credit or while it was free.
        slipped: The same of those who followed another person or forced their way.
        refused: The same of those who found it held.
        hits: CLOCK_BOOTTIME ns at which the arm came back while somebody was in its way.
        credits_given: Credits by way, since the beginning.
    """

    def __init__(self, now_ns: int, traits: TurnstileTraits | None = None) -> None:
        self._traits = traits or TurnstileTraits()
        self._now_ns = now_ns
        self._held = dict.fromkeys(WAYS, False)
        self._credit_ns: dict[str, int] = {}
        self._walkers: list[_Walker] = []
        self.is_free = False
        self.passed: list[tuple[int, str]] = []
        self.slipped: list[tuple[int, str]] = []
        self.refused: list[tuple[int, str]] = []
        self.hits: list[int] = []
        self.credits_given = dict.fromkeys(WAYS, 0)

    @property
    def passage_in(self) -> bool:
        """Feedback contact of the way in."""
        return self._any("in", _FEEDBACK)

    @property
    def passage_out(self) -> bool:
        """Feedback contact of the way out."""
        return self._any("out", _FEEDBACK)

    @property
    def zone_in(self) -> bool:
        """Somebody is on the outer side of the arm."""
        return self._any("in", _ZONE_A, counted=False) or self._any("out", _ZONE_B, counted=False)

    @property
    def zone_out(self) -> bool:
        """Somebody is on the inner side of the arm."""
        return self._any("in", _ZONE_B, counted=False) or self._any("out", _ZONE_A, counted=False)

    def has_credit(self, way: str) -> bool:
        """Somebody may go this way now."""
        return self.is_free or self._held[way] or way in self._credit_ns

    def step(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        self._now_ns = max(self._now_ns, now_ns)
        walk_ns = self._walk_ns
        self._walkers = [w for w in self._walkers if self._now_ns - w.start_ns < walk_ns]
        credit_ns = round(self._traits.credit_s * 1e9)
        self._credit_ns = {w: ns for w, ns in self._credit_ns.items() if self._now_ns - ns < credit_ns}

    def set_way(self, way: str, closed: bool, now_ns: int) -> None:
        """The contact of a way closes (one credit) or opens."""
        self.step(now_ns)
        if closed and not self._held[way]:
            self._credit_ns[way] = self._now_ns
            self.credits_given[way] += 1
        self._held[way] = closed

    def set_release(self, freed: bool, now_ns: int) -> None:
        """The arm drops, or is raised again."""
        self.step(now_ns)
        if self.is_free and not freed and (self.zone_in or self.zone_out):
            self.hits.append(self._now_ns)
        self.is_free = freed

    def walk(self, way: str, now_ns: int, *, followed: bool = False, force: bool = False) -> bool:
        """A person walks against the arm; with ``followed``, another one close behind on the same credit.

        Returns:
            True when they are on their way through.
        """
        self.step(now_ns)
        if not self.has_credit(way) and not force:
            self.refused.append((self._now_ns, way))
            return False
        (self.passed if self.has_credit(way) else self.slipped).append((self._now_ns, way))
        self._credit_ns.pop(way, None)
        counts = not self.is_free or self._traits.feedback_when_free
        self._walkers.append(_Walker(way, self._now_ns, counts))
        if followed:
            behind_ns = round(0.6 * self._walk_ns)
            self.slipped.append((self._now_ns + behind_ns, way))
            self._walkers.append(_Walker(way, self._now_ns + behind_ns, counts))
        return True

    @property
    def _walk_ns(self) -> int:
        return round(self._traits.walk_s * 1e9)

    def _any(self, way: str, part: tuple[float, float], *, counted: bool = True) -> bool:
        walk_ns, now_ns = self._walk_ns, self._now_ns
        walkers = (w for w in self._walkers if w.way == way and (w.counts or not counted))
        return any(walker.covers(part, now_ns, walk_ns) for walker in walkers)

"""Is the picture fit to be looked at? Judges the numbers of a camera, with hysteresis. Pure.

Each condition fills up while it is bad and empties while it is good, one second per second, and an alarm
stands from full to empty. What cannot be said of a picture (no light to compare in, a lorry before the lens)
leaves it as it is: neither bad nor good.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edge.clock import NS_PER_S
from edge.vision.picture import SOFT_FOCUS

Numbers = Mapping[str, float]
Verdict = bool | None
"""True: bad. False: good. None: between, or not to be said."""

# Two measurements farther apart than this leave open what was between.
MOST_GAP_S = 6.0
DARK_BELOW, BRIGHT_ABOVE = 30.0, 225.0
"""Mean brightness at which nothing can be seen any more."""
MOST_SHIFT, MOST_TURN = 0.02, 1.5
"""Up to this part of the width, and these degrees, a camera stands where it stood."""
FOUND = 0.33
"""Likeness from which the scene of the reference counts as found."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition.

    Attributes:
        name: The word of the setting; the alarm is ``camera.<name>``.
        raise_s: Bad for this long raises the alarm. clear_s: good for this long clears it.
        verdict: Of one set of numbers. detail: One line for a person, from the numbers that raised it.
    """

    name: str
    raise_s: float
    clear_s: float
    verdict: Callable[[Numbers], Verdict]
    detail: Callable[[Numbers], str]


@dataclass(frozen=True, slots=True)
class Edge:
    """A condition began or ended."""

    name: str
    standing: bool
    detail: str


class Condition:
    """The conditions of one camera. One thread.

    Args:
        rules: What is judged.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._filled = {rule.name: 0.0 for rule in self._rules}
        self._was: dict[str, Verdict] = {}
        self._standing: set[str] = set()
        self._last_ns = 0

    @property
    def standing(self) -> frozenset[str]:
        """Names of the alarms that stand."""
        return frozenset(self._standing)

    def judge(self, numbers: Numbers, now_ns: int) -> list[Edge]:
        """Take the newest numbers; returns what began or ended with them.

        Args:
            numbers: As ``edge.vision.gauge`` measures them; what is missing cannot be said.
            now_ns: CLOCK_BOOTTIME.
        """
        passed_s = (now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        edges = []
        for rule in self._rules:
            verdict = rule.verdict(numbers)
            # Only what was so before and is so still has been so in between.
            if verdict is not None and verdict is self._was.get(rule.name) and passed_s <= MOST_GAP_S:
                edges += self._fill(rule, verdict, passed_s, numbers)
            if verdict is not None or passed_s > MOST_GAP_S:
                self._was[rule.name] = verdict
        return edges

    def forget(self) -> list[Edge]:
        """Begin anew, after the reference was reset; returns what thereby ends."""
        edges = [Edge(f"camera.{name}", False, "") for name in sorted(self._standing)]
        self._standing.clear()
        self._was.clear()
        self._filled = dict.fromkeys(self._filled, 0.0)
        return edges

    def _fill(self, rule: Rule, is_bad: bool, passed_s: float, numbers: Numbers) -> list[Edge]:
        step = passed_s / rule.raise_s if is_bad else -passed_s / rule.clear_s
        # A hair more: tenths of seconds do not add up to whole ones.
        filled = self._filled[rule.name] = min(1.0, max(0.0, self._filled[rule.name] + step))
        stands = rule.name in self._standing
        if filled > 1 - 1e-6 and not stands:
            self._standing.add(rule.name)
            return [Edge(f"camera.{rule.name}", True, rule.detail(numbers))]
        if filled < 1e-6 and stands:
            self._standing.discard(rule.name)
            return [Edge(f"camera.{rule.name}", False, "")]
        return []


def rules_for(names: Iterable[str]) -> tuple[Rule, ...]:
    """The rules with those names, in the order of the table."""
    wanted = set(names)
    return tuple(rule for rule in RULES if rule.name in wanted)


def _between(value: float | None, good: float, bad: float) -> Verdict:
    """Bad beyond ``bad``, good up to ``good``, nothing in between; ``bad`` may be the lower one."""
    if value is None:
        return None
    if bad < good:
        value, good, bad = -value, -good, -bad
    return True if value >= bad else False if value <= good else None


def _is_black(numbers: Numbers) -> Verdict:
    if "dark" not in numbers:
        return None
    is_flat = numbers["contrast"] < 6.0
    return _between(numbers["dark"] if is_flat else 0.0, good=0.90, bad=0.98)


def _is_dark(numbers: Numbers) -> Verdict:
    if _is_black(numbers):
        return None  # that has its own name
    return _between(numbers.get("brightness"), good=DARK_BELOW + 8, bad=DARK_BELOW)


def _is_bright(numbers: Numbers) -> Verdict:
    if "bright" not in numbers:
        return None
    if numbers["bright"] >= 0.6 or numbers["brightness"] >= BRIGHT_ABOVE:
        return True
    return False if numbers["bright"] <= 0.5 and numbers["brightness"] <= BRIGHT_ABOVE - 10 else None


def _shows_something(numbers: Numbers) -> bool:
    """Enough light and contrast to speak of focus and place."""
    return (
        DARK_BELOW <= numbers.get("brightness", 0.0) <= BRIGHT_ABOVE and numbers.get("contrast", 0.0) >= 10.0
    )


def _is_defocused(numbers: Numbers) -> Verdict:
    if not _shows_something(numbers):
        return None
    if "focus_share" in numbers:
        return _between(numbers["focus_share"], good=0.55, bad=0.35)
    if "learnt" in numbers:
        # There is no reference yet, or none is wanted.
        return _between(numbers.get("focus"), good=SOFT_FOCUS * 1.2, bad=SOFT_FOCUS * 0.75)
    return None  # in another light than the reference's focus means something else


def _is_moved(numbers: Numbers) -> Verdict:
    if not _shows_something(numbers) or numbers.get("likeness", 0.0) < FOUND or "shift" not in numbers:
        return None
    turn = numbers.get("turn", 0.0)
    if numbers["shift"] >= 0.03 or turn >= 2.0:
        return True
    is_in_place = numbers["shift"] <= MOST_SHIFT and "turn" in numbers and turn <= MOST_TURN
    return False if is_in_place else None


def _is_covered(numbers: Numbers) -> Verdict:
    if not _shows_something(numbers) or "likeness" not in numbers:
        return None
    return numbers["likeness"] < FOUND


def _is_dirty(numbers: Numbers) -> Verdict:
    return _between(numbers.get("dirt"), good=0.025, bad=0.04)


RULES = (
    Rule(
        "black",
        0.4,
        1.0,
        _is_black,
        lambda n: f"the picture is black ({n['dark']:.0%} of it): lens cap, light, or a dead sensor",
    ),
    Rule(
        "dark",
        60.0,
        30.0,
        _is_dark,
        lambda n: f"too dark to see (brightness {n['brightness']:.0f} of 255): light, exposure, infra-red",
    ),
    Rule(
        "bright",
        20.0,
        20.0,
        _is_bright,
        lambda n: (
            f"too bright to see (brightness {n['brightness']:.0f}, {n['bright']:.0%} white):"
            " turn it from the light, lower the exposure"
        ),
    ),
    Rule(
        "defocused",
        30.0,
        15.0,
        _is_defocused,
        lambda n: f"out of focus (focus {n['focus']:.2f}): turn the focus ring, clean the glass",
    ),
    Rule(
        "moved",
        15.0,
        15.0,
        _is_moved,
        lambda n: (
            f"the camera has moved (by {n['shift']:.0%} of the picture, {n.get('turn', 0):g} degrees):"
            " set it straight, or: gatehouse camera relearn"
        ),
    ),
    Rule(
        "covered",
        300.0,
        30.0,
        _is_covered,
        lambda _: (
            "nothing of the usual scene is to be seen: covered, or turned away; if that is meant:"
            " gatehouse camera relearn"
        ),
    ),
    Rule(
        "dirty",
        120.0,
        60.0,
        _is_dirty,
        lambda n: f"detail is missing in the same places ({n['dirt']:.0%} of the picture): clean the glass",
    ),
)

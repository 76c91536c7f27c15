"""Two-sided matching: hard to be let in by mistake, easy to be noticed.

The allow side accepts an exact plate, or differences that are all look-alikes at places where the reader
itself was in doubt, and only when no other known plate is nearly as near. The deny side matches loosely and
never opens or closes anything: it alerts. A fuzzy match is refused when the read is near a deny-listed plate
(ACC-3). Pure; sets of 100,000 plates are fine.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, product

from models.plate.confusion import UNLIKE, confusable_with, plate_distance
from models.plate.decode import Decoded, PositionVote, decode
from models.plate.grammar import PROVINCES, normalise, tidy
from models.plate.lattice import Lattice, unlisted_log

MAX_COST = 0.7  # two ordinary look-alikes, never three
MAX_PLACES = 2
UNIQUE_BY = 0.5  # the next known plate must cost at least this much more
# Nats that the sum of a track's reads may prefer its own character by. Above the margin at which a track is
# settled (3 by default), else no settled plate could match; below the 7 that one sharp, certain read adds.
LOW_MARGIN = 6.0
DENY_COST = 1.0  # one unlike character, one too many or too few, or several look-alikes


class MatchOutcome(StrEnum):
    """How the search on the allow side ended."""

    EXACT = "exact"
    FUZZY = "fuzzy"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    CERTAIN_DIFFERENCE = "certain_difference"
    NEAR_DENIED = "near_denied"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class PlateMatch:
    """What the allow side says.

    Attributes:
        plate: The known plate that is accepted, else None.
        cost: Distance between what was read and ``plate`` (or the candidate that was refused).
        runner_up: Nearest other known plate of the same length, "" when there is none.
        runner_up_cost: Its distance; None when there is none.
        explanation, explanation_zh: One line for people.
    """

    plate: str | None
    outcome: MatchOutcome
    read: str
    cost: float
    runner_up: str
    runner_up_cost: float | None
    explanation: str
    explanation_zh: str

    @property
    def fuzzy(self) -> bool:
        """True when the plate was accepted although the read differs from it."""
        return self.outcome is MatchOutcome.FUZZY


def _as_decoded(read: Decoded | Lattice | str) -> Decoded:
    if isinstance(read, Decoded):
        return read
    if isinstance(read, str):
        return Decoded(normalise(read), raw=tidy(read))
    return decode(read)


def _known_set(known: Collection[str]) -> Collection[str]:
    """Anything with fast ``in``; its plates are taken to be normalised already."""
    return known if isinstance(known, set | frozenset | dict) else frozenset(known)


def _near(text: str) -> Iterator[tuple[float, str]]:
    """Every text that differs from a plate at one or two places by look-alikes, with its cost."""
    swaps = [list(confusable_with(char).items()) for char in text]
    for count in range(1, MAX_PLACES + 1):
        for places in combinations(range(len(text)), count):
            for chosen in product(*(swaps[place] for place in places)):
                cost = sum(price for _, price in chosen)
                if cost <= MAX_COST:
                    chars = list(text)
                    for place, (char, _) in zip(places, chosen, strict=True):
                        chars[place] = char
                    yield cost, "".join(chars)


def _gap(vote: PositionVote, char: str) -> float:
    """How much likelier, in nats, the reader held its own character than the known one."""
    listed = dict(vote.candidates).get(char)
    return vote.log_probability - (listed if listed is not None else unlisted_log(vote.candidates))


def _runner_up(text: str, chosen: str, known: Collection[str]) -> tuple[str, float | None]:
    """Nearest other known plate of the same length, character by character; one pass over all of them."""
    prices = [{**confusable_with(char), char: 0.0} for char in text]
    best, best_cost = "", None
    for plate in known:
        if len(plate) != len(text) or plate == chosen:
            continue
        cost = sum([price.get(char, UNLIKE) for price, char in zip(prices, plate, strict=True)])
        if best_cost is None or cost < best_cost:
            best, best_cost = plate, cost
    return best, None if best_cost is None else round(best_cost, 3)


def match_plate(
    read: Decoded | Lattice | str, known: Collection[str], *, deny: Collection[str] = ()
) -> PlateMatch:
    """Find the known plate that a read means, or none.

    Args:
        read: A decoded plate or a lattice. A plain text has no margins and therefore only matches exactly
            (after normalisation: reading O for 0 in the sequence is not a difference).
        known: Normalised plates; a set, frozenset or dict is used as it is.
        deny: Deny-listed plates: never accepted here, and a read near one is accepted only exactly.
    """
    decoded = _as_decoded(read)
    text = decoded.text
    shown = decoded.raw or text
    if not text:
        return _refused(MatchOutcome.UNREADABLE, shown, 0.0)
    known, deny = _known_set(known), _known_set(deny)
    if text in deny:
        return _refused(MatchOutcome.NEAR_DENIED, shown, 0.0, candidate=text)
    if text in known:
        cost = plate_distance(shown, text) if len(shown) == len(text) else 0.0
        rival, rival_cost = _runner_up(text, text, known) if cost else ("", None)
        return _accepted(MatchOutcome.EXACT, shown, text, cost, rival, rival_cost)
    near = sorted({(cost, plate) for cost, plate in _near(text) if plate in known})
    if not near or not decoded.positions:
        return _refused(MatchOutcome.UNKNOWN, shown, UNLIKE)
    cost, plate = near[0]
    rival, rival_cost = _runner_up(text, plate, known)
    if deny_hits(decoded, deny):
        return _refused(MatchOutcome.NEAR_DENIED, shown, cost, rival, rival_cost, plate)
    if rival_cost is not None and rival_cost - cost < UNIQUE_BY:
        return _refused(MatchOutcome.AMBIGUOUS, shown, cost, rival, rival_cost, plate)
    for vote, char in zip(decoded.positions, plate, strict=True):
        if vote.char != char and _gap(vote, char) > LOW_MARGIN:
            return _refused(MatchOutcome.CERTAIN_DIFFERENCE, shown, cost, rival, rival_cost, plate)
    return _accepted(MatchOutcome.FUZZY, shown, plate, cost, rival, rival_cost)


def deny_hits(
    read: Decoded | Lattice | str, deny: Collection[str], *, max_cost: float = DENY_COST
) -> list[tuple[str, float]]:
    """Deny-listed plates that a read may mean, nearest first, with their costs. Loose on purpose: alert only.

    The second-best reading counts as well, and a province that was misread does not hide a car.
    """
    decoded = _as_decoded(read)
    raw = (
        decoded.raw
    )  # as it was read and as it would be written: a lost province moves the places of I and O
    readings = {text for text in (decoded.text, decoded.runner_up, normalise(raw), tidy(raw)) if text}
    hits = []
    for plate in deny:
        cost = min((_loose(text, plate) for text in readings), default=UNLIKE * len(plate))
        if cost <= max_cost + 1e-9:
            hits.append((plate, round(cost, 3)))
    return sorted(hits, key=lambda hit: (hit[1], hit[0]))


def _loose(text: str, plate: str) -> float:
    if abs(len(text) - len(plate)) > 1:
        return UNLIKE * max(len(text), len(plate))
    if text[:1] in PROVINCES and plate[:1] in PROVINCES and text[1:] == plate[1:]:
        return plate_distance(text[:1], plate[:1])
    return plate_distance(text, plate)


def _rival_text(rival_cost: float | None) -> tuple[str, str]:
    if rival_cost is None:
        return "no runner-up", "无次近车牌"
    return f"runner-up {rival_cost:.1f}", f"次近 {rival_cost:.1f}"


def _accepted(
    outcome: MatchOutcome, read: str, plate: str, cost: float, rival: str, rival_cost: float | None
) -> PlateMatch:
    if cost == 0.0:
        english, chinese = f"read {plate}, opened for {plate}", f"识别 {plate}, 按 {plate} 放行"
    else:
        tail, tail_zh = _rival_text(rival_cost)
        english = f"read {read}, opened for {plate}, cost {cost:.1f}, {tail}"
        chinese = f"识别为 {read}, 按 {plate} 放行, 差异 {cost:.1f}, {tail_zh}"
    return PlateMatch(plate, outcome, read, round(cost, 3), rival, rival_cost, english, chinese)


_REFUSALS = {
    MatchOutcome.UNKNOWN: ("no known plate is near", "没有相近的登记车牌"),
    MatchOutcome.UNREADABLE: ("not a legal plate", "不是有效车牌"),
    MatchOutcome.AMBIGUOUS: ("two known plates are about as near", "有两个相近的登记车牌"),
    MatchOutcome.CERTAIN_DIFFERENCE: ("the reader was sure of the difference", "识别结果确定与登记车牌不同"),
    MatchOutcome.NEAR_DENIED: ("it is, or is near, a deny-listed plate", "属于或接近禁止名单车牌"),
}


def _refused(
    outcome: MatchOutcome,
    read: str,
    cost: float,
    rival: str = "",
    rival_cost: float | None = None,
    candidate: str = "",
) -> PlateMatch:
    english, chinese = _REFUSALS[outcome]
    if candidate:
        tail, tail_zh = _rival_text(rival_cost)
        english = f"{english}: nearest {candidate}, cost {cost:.1f}, {tail}"
        chinese = f"{chinese}: 最近 {candidate}, 差异 {cost:.1f}, {tail_zh}"
    return PlateMatch(
        None,
        outcome,
        read,
        round(cost, 3),
        rival,
        rival_cost,
        f"read {read}, {english}",
        f"识别 {read}, {chinese}",
    )

"""How easily one character of a plate is taken for another, and how far two plates lie apart.

Costs are between 0 (the same) and 1 (nobody mixes these up). The pairs come from the shapes of the plate
font seen small or blurred; the list is ours to extend when measurements (``models.plate.evaluate``) show
another pair. Pure.
"""

from collections.abc import Mapping
from itertools import combinations

from models.plate.grammar import tidy

UNLIKE = 1.0
"""Cost of two characters that are not confusable, and of a character too many or too few."""

# (characters of one look, cost of taking one of them for another)
_LOOK_ALIKES: tuple[tuple[str, float], ...] = (
    ("0OQD", 0.2),
    ("8B", 0.2),
    ("2Z", 0.2),
    ("5S", 0.2),
    ("1I", 0.2),
    ("17T", 0.3),
    ("1L", 0.4),
    ("6G", 0.3),
    ("CG", 0.3),
    ("UV", 0.3),
    ("UJ", 0.4),
    ("MNH", 0.3),
    ("MW", 0.4),
    ("EF", 0.3),
    ("PF", 0.4),
    ("PR", 0.4),
    ("XK", 0.3),
    ("A4", 0.3),
    ("38", 0.4),
    ("68", 0.4),
    ("39", 0.4),
    ("VY", 0.4),
    ("京琼", 0.3),
    ("苏赣", 0.3),
    ("晋鲁", 0.3),
    ("豫粤", 0.3),
    ("津沪", 0.3),
    ("鲁鄂", 0.4),
    ("苏鄂", 0.4),
    ("桂赣", 0.4),
    ("闽湘", 0.4),
    ("甘青", 0.4),
    ("宁云", 0.4),
    ("港澳", 0.4),
)

_COST: dict[tuple[str, str], float] = {}
for _group, _cost in _LOOK_ALIKES:
    for _a, _b in combinations(_group, 2):
        _COST[_a, _b] = _COST[_b, _a] = min(_cost, _COST.get((_a, _b), _cost))


def confusion_cost(a: str, b: str) -> float:
    """0 for the same character, little for a confusable pair, 1 otherwise. Symmetric."""
    return 0.0 if a == b else _COST.get((a, b), UNLIKE)


_LIKE: dict[str, dict[str, float]] = {}
for (_a, _b), _cost in _COST.items():
    _LIKE.setdefault(_a, {})[_b] = _cost


def confusable_with(char: str) -> Mapping[str, float]:
    """The characters that this one is easily taken for, with their costs."""
    return _LIKE.get(char, {})


def plate_distance(read: str, known: str) -> float:
    """Cheapest way to turn one text into the other: look-alikes cost little, all else 1 per character.

    Both texts are tidied (width, case, separators), not normalised: reading O for 0 costs what it costs.
    Weighted edit distance by dynamic programming (Wagner-Fischer).
    """
    read, known = tidy(read), tidy(known)
    above = [UNLIKE * column for column in range(len(known) + 1)]
    for row, a in enumerate(read, start=1):
        line = [UNLIKE * row]
        for column, b in enumerate(known, start=1):
            line.append(
                min(above[column - 1] + confusion_cost(a, b), above[column] + UNLIKE, line[-1] + UNLIKE)
            )
        above = line
    return above[-1]

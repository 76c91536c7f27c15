"""Many reads of one plate into one lattice: align positions, then add up weighted log-probabilities.

Readers lose a character at a plate's edge or see a screw as one, so reads of one car differ in length. Each
new read is aligned with what is known so far (Needleman-Wunsch over distributions); a read that has nothing
at a place votes mildly for "nothing here". Pure, incremental, one add costs well under a millisecond.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.plate.confusion import UNLIKE, confusion_cost
from models.plate.grammar import ALPHABET
from models.plate.lattice import MAX_CANDIDATES, NOTHING, Lattice, Position

# Readers are surer than they are right: so much of every read is spread over the whole alphabet, which
# keeps one confident mistake from outvoting several modest truths.
DOUBT = 0.05
# A read that lacks a place says "nothing here" with even odds only: losing a character is common.
_GAP_NOTHING_LOG = math.log(0.5)
_GAP_OTHER_LOG = math.log(0.5 / len(ALPHABET))
_GAP_SCORE = -4.0  # twice this is worse than the worst match: a misread is not an insertion and a deletion
_WORST_MATCH = 1e-3
_LOOK_ALIKE_MATCH = 0.05
_UNSEEN_LOG = math.log(DOUBT / len(ALPHABET))


def _doubted(position: Position) -> tuple[dict[str, float], float]:
    """Log-probabilities of a position with doubt mixed in, and that of any character it does not list."""
    rest = max(1.0 - sum(math.exp(p) for _, p in position), 0.0)
    unlisted = (DOUBT + (1.0 - DOUBT) * rest) / len(ALPHABET)
    listed = {char: math.log((1.0 - DOUBT) * math.exp(p) + DOUBT / len(ALPHABET)) for char, p in position}
    return listed, math.log(unlisted)


@dataclass(slots=True)
class _Column:
    """One place of the fused plate: weighted sums per character, and for those never listed."""

    sums: dict[str, float] = field(default_factory=dict)
    unlisted: float = 0.0
    weight: float = 0.0

    def add(self, listed: dict[str, float], unlisted: float, weight: float) -> None:
        for char in self.sums.keys() | listed.keys():
            self.sums[char] = self.sums.get(char, self.unlisted) + weight * listed.get(char, unlisted)
        self.unlisted += weight * unlisted
        self.weight += weight

    def position(self) -> Position:
        """The column as a normalised position, best first."""
        top = max(*self.sums.values(), self.unlisted)
        others = max(len(ALPHABET) - len(self.sums), 0)
        total = sum(math.exp(v - top) for v in self.sums.values()) + others * math.exp(self.unlisted - top)
        scale = top + math.log(total)
        ranked = sorted(self.sums.items(), key=lambda item: (-item[1], item[0]))[:MAX_CANDIDATES]
        return tuple((char, value - scale) for char, value in ranked)


def _similarity(a: Position, b: Position) -> float:
    """Log of the probability that two positions mean the same character, with a floor for look-alikes."""
    others = dict(b)
    same = sum(math.exp(p + others[char]) for char, p in a if char in others)
    floor = _LOOK_ALIKE_MATCH if confusion_cost(a[0][0], b[0][0]) < UNLIKE else _WORST_MATCH
    return math.log(max(same, floor))


def align(first: Lattice, second: Lattice) -> list[tuple[int | None, int | None]]:
    """Pair the positions of two lattices in order; None where the other has a position of its own."""
    rows, columns = len(first), len(second)
    score = [[_GAP_SCORE * (i + j) for j in range(columns + 1)] for i in range(rows + 1)]
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            score[i][j] = max(
                score[i - 1][j - 1] + _similarity(first[i - 1], second[j - 1]),
                score[i - 1][j] + _GAP_SCORE,
                score[i][j - 1] + _GAP_SCORE,
            )
    pairs: list[tuple[int | None, int | None]] = []
    i, j = rows, columns
    while i or j:
        here = score[i][j]
        if i and j and here == score[i - 1][j - 1] + _similarity(first[i - 1], second[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and here == score[i - 1][j] + _GAP_SCORE:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


class LatticeFusion:
    """The growing sum of one track's reads. Not shared between threads."""

    def __init__(self) -> None:
        self._columns: list[_Column] = []
        self._weight = 0.0
        self.reads = 0

    def add(self, lattice: Lattice, weight: float = 1.0) -> None:
        """Align a read and add it. A weight of 0 or an empty lattice changes nothing."""
        lattice = tuple(position for position in lattice if position)
        if weight <= 0.0 or not lattice:
            return
        gap = {NOTHING: _GAP_NOTHING_LOG}
        columns: list[_Column] = []
        for known, new in align(self.lattice(), lattice) if self._columns else _fresh(lattice):
            if known is not None:
                column = self._columns[known]
            else:
                column = _Column()
                if self._weight:  # every read so far had nothing at this place
                    column.add(gap, _GAP_OTHER_LOG, self._weight)
            if new is not None:
                listed, unlisted = _doubted(lattice[new])
                listed.setdefault(NOTHING, _UNSEEN_LOG)
                column.add(listed, unlisted, weight)
            else:
                column.add(gap, _GAP_OTHER_LOG, weight)
            columns.append(column)
        self._columns = columns
        self._weight += weight
        self.reads += 1

    def lattice(self) -> Lattice:
        """What all reads together say."""
        return tuple(column.position() for column in self._columns)


def _fresh(lattice: Lattice) -> list[tuple[int | None, int | None]]:
    return [(None, index) for index in range(len(lattice))]


def fuse(lattices: Sequence[Lattice], weights: Sequence[float] | None = None) -> Lattice:
    """Fuse the reads of one track; the heaviest is laid first, the others are aligned to it.

    Raises:
        ValueError: Not as many weights as lattices.
    """
    weights = [1.0] * len(lattices) if weights is None else weights
    fusion = LatticeFusion()
    for lattice, weight in sorted(zip(lattices, weights, strict=True), key=lambda pair: -pair[1]):
        fusion.add(lattice, weight)
    return fusion.lattice()

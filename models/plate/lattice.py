"""What a reader says about a plate: per position the candidate characters, never just a string.

A lattice is a tuple of positions, left to right (and the upper row first); a position is a tuple of
``(candidate, natural-log probability)``, best first. The candidate ``""`` means "nothing stands here", so a
reader can say that a character may be a screw. Probability that is not listed belongs to all the other
characters together. Pure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from models.plate.grammar import ALPHABET

Position = tuple[tuple[str, float], ...]
Lattice = tuple[Position, ...]

NOTHING = ""
"""The candidate that stands for "no character here"."""

MIN_REST = 1e-4
"""However sure a reader is, so much probability stays with the characters that it did not list."""

MAX_CANDIDATES = 8


def make_position(probabilities: Mapping[str, float], keep: int = MAX_CANDIDATES) -> Position:
    """Build a position from probabilities 0..1; drops what is below ``MIN_REST`` unless it is the best."""
    ranked = sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))
    kept = [pair for rank, pair in enumerate(ranked[:keep]) if rank == 0 or pair[1] >= MIN_REST]
    return tuple((char, math.log(min(max(p, 1e-12), 1.0))) for char, p in kept)


def lattice_from_text(text: str, confidences: Sequence[float] | float = 0.98) -> Lattice:
    """The lattice of a reader that gives no more than characters and confidences (0..1)."""
    if isinstance(confidences, int | float):
        confidences = [float(confidences)] * len(text)
    return tuple(make_position({c: p}) for c, p in zip(text, confidences, strict=True))


def lattice_text(lattice: Iterable[Position]) -> str:
    """Best candidate of each position, without any grammar."""
    return "".join(position[0][0] for position in lattice if position)


def rest_log(position: Position) -> float:
    """Log of the probability that a position leaves to all unlisted characters together."""
    return math.log(max(1.0 - sum(math.exp(lp) for _, lp in position), MIN_REST))


def unlisted_log(position: Position) -> float:
    """Log probability of one single character that the position does not list."""
    return rest_log(position) - math.log(len(ALPHABET))


def confidence(lattice: Lattice) -> float:
    """Probability 0..1 of the least certain best candidate; 0 for an empty lattice (never NaN)."""
    return min((math.exp(position[0][1]) for position in lattice if position), default=0.0)

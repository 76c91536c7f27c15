"""Is the match good enough to call the face by that name? Pure numbers in, yes or no out.

A fixed distance is no rule: the more persons are enrolled, the nearer the nearest of them comes to a
stranger. The usual 0.6 accepts 14 of 100 strangers at 20 persons and 71 at 300. So the threshold follows
the number of persons until the gallery is large enough to be asked itself (``calibrate``).
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.face.matcher import ENTRY_SHARE, PROBE_SHARE, FaceMatch, Gallery

DEFAULT_RATE = 1e-3
"""Strangers accepted for each attempt, for a door that has a second way in."""
DEFAULT_MARGIN = 0.03
"""How much farther the nearest other person must be."""

# Distances of different persons (dlib-resnet, 805,620 pairs of lfw-dev): a share of 1e-2 lies below 0.61,
# and each further tenth 0.0735 lower (measured 0.61, 0.532, 0.459, 0.394 for 1e-2 ... 1e-5).
_PAIR_RATE, _PAIR_DISTANCE, _DISTANCE_PER_DECADE = 1e-2, 0.61, 0.0735
_LEAST_THRESHOLD, _MOST_THRESHOLD = 0.33, 0.52
# Two pictures of one person, same data, 1,465 pairs: mean and spread of their distance.
_SAME_MEAN, _SAME_SPREAD = 0.414, 0.073
_PERSONS_TO_CALIBRATE = 100
_MOST_ASKED = 3000
_TAIL_SHARE = 0.05  # the nearest strangers, from which rates are read that are too rare to be counted


class Measure(StrEnum):
    """Which number of a match a threshold is compared with."""

    DISTANCE = "distance"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class FaceRule:
    """When one picture speaks for a name.

    Attributes:
        measure: Which number of the match is compared.
        threshold: The greatest that counts as the same person.
        margin: How much farther, in distance, the nearest other person must be.
        rate: Strangers accepted for each attempt that this is made for.
        recall: Share of single pictures of residents expected to be recognised.
        persons: Size of the gallery it was made for.
        asked: How many templates played the stranger; 0 when the rule follows from the size alone.
    """

    measure: Measure
    threshold: float
    margin: float = DEFAULT_MARGIN
    rate: float = DEFAULT_RATE
    recall: float = math.nan
    persons: int = 0
    asked: int = 0

    def accepts(self, match: FaceMatch) -> bool:
        """Whether this one picture speaks for ``match.subject``."""
        value = match.score if self.measure is Measure.SCORE else match.distance
        # Written so that a NaN (no neighbourhood) accepts nobody.
        return match.subject is not None and value <= self.threshold and match.margin >= self.margin

    def sentence(self) -> tuple[str, str]:
        """What an operator is told, in English and Chinese."""
        strangers = round(1 / self.rate)
        tenths = max(0, min(10, round(10 * self.recall)))
        english = (
            f"At {self.persons} persons and 1 in {strangers:,} strangers accepted, expect to recognise "
            f"{tenths} of 10 single pictures."
        )
        chinese = (
            f"登记 {self.persons} 人、每 {strangers} 次陌生人尝试误识 1 次时，"
            f"预计 10 张单张照片中可认出 {tenths} 张。"
        )
        return english, chinese


def judge_face(match: FaceMatch, threshold: float | None = None, margin: float = DEFAULT_MARGIN) -> bool:
    """Whether this one picture speaks for ``match.subject``, by distance alone.

    Args:
        match: What the gallery said.
        threshold: Greatest distance that counts as the same person; by the size of the gallery when None.
        margin: How much farther the nearest other person must be: a face that resembles two names nobody.
    """
    limit = default_threshold(match.persons) if threshold is None else threshold
    return FaceRule(Measure.DISTANCE, limit, margin).accepts(match)


def default_threshold(persons: int, rate: float = DEFAULT_RATE) -> float:
    """The distance below which a stranger comes to one of so many persons with this probability.

    From the distribution of distances between different persons of a public set; people who resemble each
    other more than those do need ``calibrate``.
    """
    pair_rate = rate / max(1, persons)
    distance = _PAIR_DISTANCE + _DISTANCE_PER_DECADE * math.log10(pair_rate / _PAIR_RATE)
    return min(_MOST_THRESHOLD, max(_LEAST_THRESHOLD, distance))


def calibrate(gallery: Gallery, rate: float = DEFAULT_RATE, margin: float = DEFAULT_MARGIN) -> FaceRule:
    """Make the rule for a gallery by letting its own entries play strangers.

    Each of up to 3,000 templates is matched as if its person were not enrolled. The threshold is the score
    that the wanted share of them stays under; for a share too small to be counted, the lowest twentieth is
    continued as an exponential tail. Takes about a millisecond for each template asked.

    Args:
        gallery: Who is enrolled. Below 100 persons there is too little to ask, and the size alone decides.
        rate: Share of strangers accepted at each attempt.
        margin: How much farther the nearest other person must be.
    """
    names = gallery.names
    if len(names) < _PERSONS_TO_CALIBRATE:
        threshold = default_threshold(len(names), rate)
        recall = _normal_share((threshold - _SAME_MEAN) / _SAME_SPREAD)
        return FaceRule(Measure.DISTANCE, threshold, margin, rate, recall, len(names))
    stride = -(-gallery.size // _MOST_ASKED)
    asked = [
        gallery.match_stranger(name, template)
        for name in names[::stride]
        for template in gallery.templates_of(name)
    ]
    scores = np.sort([match.score for match in asked])
    threshold = _rare_quantile(scores, rate)
    # A resident has the neighbourhoods of such a stranger, and the distance of two pictures of one person.
    levels = [PROBE_SHARE * match.cohort_mean + ENTRY_SHARE * match.entry_mean for match in asked]
    shares = [_normal_share((threshold + level - _SAME_MEAN) / _SAME_SPREAD) for level in levels]
    recall = sum(shares) / len(shares)
    return FaceRule(Measure.SCORE, threshold, margin, rate, recall, len(names), len(asked))


def _rare_quantile(ascending: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", rate: float) -> float:
    """The value that a share ``rate`` stays under; counted where possible, else from an exponential tail."""
    count = len(ascending)
    if rate * count >= 10:
        return float(ascending[int(rate * count)])
    tail = max(10, int(_TAIL_SHARE * count))
    edge = float(ascending[tail])
    scale = float((edge - ascending[:tail]).mean())
    return edge - scale * math.log(tail / (count * rate))


def _normal_share(deviations: float) -> float:
    """Share of a normal distribution below so many standard deviations."""
    return 0.5 * (1.0 + math.erf(deviations / math.sqrt(2.0)))

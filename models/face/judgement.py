"""Is the match good enough to call the face by that name? Pure numbers in, yes or no out.

A fixed distance is no rule. The more persons are enrolled, the nearer the nearest of them comes to a
stranger: the usual 0.6 accepts 14 of 100 strangers at 20 persons and 71 at 300. And people of one community
are more alike than those of a public set: a limit that lets in 1 in 100 strangers to twenty persons of
lfw-dev lets in every second one where all of them are East Asians. So the gallery itself is asked what
strangers score (``ask``), for as many persons as the lane may admit, anew whenever somebody comes or goes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.face.distances import EXACT, LINE, PairDistances
from models.face.matcher import FaceMatch, Gallery, mean_template

DEFAULT_RATE = 1e-3
"""Strangers accepted for each attempt, for a door that has a second way in."""
DEFAULT_MARGIN = 0.03
"""How much farther the nearest other person must be."""
VISIT_PICTURES = 3
"""Pictures of a visit, when it is said what to expect of one."""

_LEAST_THRESHOLD, _MOST_THRESHOLD = 0.3, 0.52
_LEAST_MEASURED = 0.22
_PERSONS_FOR_SCORES = 100  # below, neighbourhoods say less than the distance (measured: from about 60 to 100)
_PERSONS_FOR_NEAREST = 8
_MOST_ASKED = 3000
# A read of which a share like this of strangers' reads is as good says nothing for anybody.
_HINT_RATE = 0.2
# A visit is judged again with each read, and the mean of its reads comes nearer to everybody: strangers get
# about twice the chances of a single picture (2,461 visits of lfw-dev).
_LOOKS = 2.0
_MEAN_IS_NEARER = 0.95  # distances of strangers to a mean of two or three pictures, as a share of one's
_LEVEL_OF_VISIT = 0.97  # neighbourhoods of a mean of three, as a share of those of one picture
# Where the persons of a gallery are too few to tell how alike people are here, three more are supposed, as
# alike as half-way between a public set and the most alike group in it (single distances spread 1.8 times as
# much as the means of such groups do).
_SUPPOSED = 3


class Measure(StrEnum):
    """Which number of a match a threshold is compared with."""

    DISTANCE = "distance"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class FaceRule:
    """When a face speaks for a name.

    Attributes:
        measure: Which number of the match is compared.
        threshold: The greatest that counts as the same person.
        margin: How much farther, in distance, the nearest other person must be.
        rate: Strangers accepted for each attempt that this is made for.
        recall: Share of single pictures of residents expected to be recognised.
        persons: Size of the gallery it was made for.
        asked: How many templates played the stranger; 0 when the rule follows from the size alone.
        hint: The greatest at which a single read supports a name that its visit has; NaN: ``threshold``.
        visit_recall: The same as ``recall`` for visits of three good pictures.
        among: Whom the lane may admit, for whom ``threshold`` is made; everybody when None.
        elsewhere: The greatest that counts for the others: to be told apart from strangers, not to be let in.
    """

    measure: Measure
    threshold: float
    margin: float = DEFAULT_MARGIN
    rate: float = DEFAULT_RATE
    recall: float = math.nan
    persons: int = 0
    asked: int = 0
    hint: float = math.nan
    visit_recall: float = math.nan
    among: frozenset[str] | None = None
    elsewhere: float = math.nan

    def accepts(self, match: FaceMatch) -> bool:
        """Whether this is ``match.subject``: one picture, or the mean of a visit's."""
        return self.is_near(match) and match.margin >= self.margin

    def is_near(self, match: FaceMatch) -> bool:
        """The same, whoever else is as near."""
        # Written so that a NaN (no neighbourhood, no threshold) accepts nobody.
        return match.subject is not None and self.value(match) <= self._limit(match.subject)

    def supports(self, match: FaceMatch) -> bool:
        """Whether one read of a visit is good enough to be called a read of ``match.subject``."""
        return match.subject is not None and (self.value(match) <= self.hint or self.is_near(match))

    def value(self, match: FaceMatch) -> float:
        """The number that is compared."""
        return match.score if self.measure is Measure.SCORE else match.distance

    def sentence(self) -> tuple[str, str]:
        """What an operator is told, in English and Chinese."""
        strangers = round(1 / self.rate)
        pictures, visits = (
            max(0, min(10, math.floor(10 * recall))) if math.isfinite(recall) else None
            for recall in (self.recall, self.visit_recall)
        )
        english = f"At {self.persons} persons and 1 in {strangers:,} strangers accepted, expect to recognise "
        chinese = f"登记 {self.persons} 人、每 {strangers} 次陌生人尝试误识 1 次时,预计"
        english += f"{pictures} of 10 single pictures"
        chinese += f" 10 张单张照片中可认出 {pictures} 张"
        if visits is not None:
            english += f", and {visits} of 10 visits"
            chinese += f",10 次到访中可认出 {visits} 次"
        return f"{english}.", f"{chinese}。"

    def _limit(self, subject: str) -> float:
        return self.threshold if self.among is None or subject in self.among else self.elsewhere


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a gallery says to strangers: its own entries, each matched as if its person were not enrolled.

    Attributes:
        gallery: The one that was asked.
        pairs: What is known of distances in its template space.
        matches: What it said to each template asked.
        templates: How many templates the person of each template asked has.
        mean_distance: Of two persons of a very small gallery; NaN when it was not asked for.
    """

    gallery: Gallery
    pairs: PairDistances
    matches: Sequence[FaceMatch]
    templates: NDArray[np.intp]
    mean_distance: float = math.nan

    def rule(
        self,
        rate: float = DEFAULT_RATE,
        margin: float = DEFAULT_MARGIN,
        among: frozenset[str] | None = None,
        *,
        of_visits: bool = False,
    ) -> FaceRule:
        """Make the rule that accepts this share of strangers.

        Args:
            rate: Share of strangers accepted at each attempt.
            margin: How much farther the nearest other person must be.
            among: Whom the lane may admit: fewer persons, so a more generous limit. Strangers who are taken
                for somebody else have no effect there and do not count.
            of_visits: Whether the reads of a visit are judged together and again with every read, instead
                of single pictures.
        """
        persons = len(self.gallery.names)
        admitted = persons if among is None else len(among & self.gallery.persons)
        wanted = rate / _LOOKS if of_visits else rate
        limit = self._limit_of_few if persons < _PERSONS_FOR_SCORES else self._limit_of_many
        # Everybody comes nearer to the mean of a visit; scores know that from the neighbourhoods.
        nearer = _MEAN_IS_NEARER if of_visits and persons < _PERSONS_FOR_SCORES else 1.0
        threshold = nearer * limit(wanted, admitted, among)
        return FaceRule(
            Measure.DISTANCE if persons < _PERSONS_FOR_SCORES else Measure.SCORE,
            threshold,
            margin,
            rate,
            self._recall(threshold, 1),
            admitted,
            len(self.matches),
            max(threshold, limit(_HINT_RATE, admitted, among)),
            self._recall(threshold, VISIT_PICTURES),
            among,
            nearer * limit(wanted, persons, None) if among is not None else math.nan,
        )

    def _limit_of_many(self, rate: float, admitted: int, among: frozenset[str] | None) -> float:
        scores = np.sort([match.score for match in self.matches])
        if among is not None:
            # The share of strangers who would be taken for one of these: by number, and as observed.
            hits = sum(match.subject in among for match in self.matches)
            share = (hits + 20 * admitted / len(self.gallery.names)) / (len(scores) + 20)
            rate = min(rate / max(share, 1e-9), 0.5)
        return _rare_quantile(scores, rate)

    def _limit_of_few(self, rate: float, admitted: int, among: frozenset[str] | None) -> float:
        """By the number of persons, and by how alike these persons are.

        Why: a community is more alike than a public set is. Half of all strangers come nearer to one of n
        persons than the distance that a share of ln(2)/n of pairs stays under; so the median of what persons
        come to each other tells that distance, and the known slope leads from there to the wanted rate.
        """
        del among
        persons, pairs = len(self.gallery.names), self.pairs
        # A read that only hints at somebody may lie as far away as the publisher of the network allows.
        most = LINE if rate >= _HINT_RATE else _MOST_THRESHOLD
        by_number = min(most, max(_LEAST_THRESHOLD, pairs.strangers_at(rate / max(1, admitted))))
        if persons >= _PERSONS_FOR_NEAREST:
            middle = float(np.median([match.distance for match in self.matches]))
            wanted = rate / max(1, admitted)
            own = middle + pairs.per_decade * math.log10(wanted * persons / math.log(2.0))
        else:
            supposed = (pairs.strangers_mean + pairs.alike_mean) / 2
            mean, others = self.mean_distance, persons - 1
            mean = (
                supposed
                if math.isnan(mean)
                else (mean * others + supposed * _SUPPOSED) / (others + _SUPPOSED)
            )
            own = pairs.strangers_at(rate / max(1, admitted)) + mean - pairs.strangers_mean
        return min(by_number, max(_LEAST_MEASURED, own))

    def _recall(self, threshold: float, pictures: int) -> float:
        """Share of residents recognised: neighbourhoods as strangers have them, distances as one person."""
        if not self.matches:
            return _normal_share((threshold - self.pairs.same_mean) / self.pairs.same_spread)
        if len(self.gallery.names) < _PERSONS_FOR_SCORES:
            reach = np.full(len(self.matches), threshold)
        else:
            level = 1.0 if pictures == 1 else _LEVEL_OF_VISIT
            reach = np.array([threshold * match.level * level for match in self.matches])
        # Averaging n pictures leaves 1/n of what differs from picture to picture; measured for 1 to 4 on both
        # sides, 2 in 100 off at most.
        share = np.sqrt((1 / self.templates + 1 / pictures) / 2)
        deviations = (reach / share - self.pairs.same_mean) / self.pairs.same_spread
        return float(np.mean([_normal_share(float(value)) for value in deviations]))


def ask(gallery: Gallery, pairs: PairDistances = EXACT) -> Asked:
    """Let the entries of a gallery play strangers; about a millisecond for each of up to 3,000 templates."""
    names = gallery.names
    stride = max(1, -(-gallery.size // _MOST_ASKED))
    matches, counts = [], []
    for name in names[::stride] if len(names) > 1 else ():
        templates = gallery.templates_of(name)
        matches += [gallery.match_stranger(name, template) for template in templates]
        counts += [len(templates)] * len(templates)
    mean_distance = math.nan
    if 1 < len(names) < _PERSONS_FOR_NEAREST:
        means = np.stack([mean_template(list(gallery.templates_of(name))) for name in names])
        means *= gallery.length / np.linalg.norm(means, axis=1, keepdims=True)
        apart = np.linalg.norm(means[:, None] - means[None], axis=2)
        mean_distance = float(apart[np.triu_indices(len(names), 1)].mean())
    return Asked(gallery, pairs, matches, np.array(counts, np.intp), mean_distance)


def calibrate(
    gallery: Gallery,
    rate: float = DEFAULT_RATE,
    margin: float = DEFAULT_MARGIN,
    pairs: PairDistances = EXACT,
) -> FaceRule:
    """Make the rule for single pictures and everybody in a gallery; see ``ask`` and ``Asked.rule``."""
    return ask(gallery, pairs).rule(rate, margin)


def judge_face(match: FaceMatch, threshold: float | None = None, margin: float = DEFAULT_MARGIN) -> bool:
    """Whether this one picture speaks for ``match.subject``, by distance alone.

    Args:
        match: What the gallery said.
        threshold: Greatest distance that counts as the same person; by the size of the gallery when None.
        margin: How much farther the nearest other person must be: a face that resembles two names nobody.
    """
    limit = default_threshold(match.persons) if threshold is None else threshold
    return FaceRule(Measure.DISTANCE, limit, margin).accepts(match)


def default_threshold(persons: int, rate: float = DEFAULT_RATE, pairs: PairDistances = EXACT) -> float:
    """The distance below which a stranger comes to one of so many persons with this probability.

    From the distribution of distances between different persons of a public set; people who resemble each
    other more than those do need ``calibrate``.
    """
    return min(_MOST_THRESHOLD, max(_LEAST_THRESHOLD, pairs.strangers_at(rate / max(1, persons))))


def _rare_quantile(ascending: NDArray[np.float64], rate: float) -> float:
    """The value that a share ``rate`` stays under; counted where possible, else from an exponential tail.

    The tail is that of the lowest few. Its scale is known only roughly from them, and a threshold that is too
    high by chance lets in more strangers than one that is too low keeps out: the predictive distribution (of
    Lomax's form) allows for that, so that the wanted rate is met on average over galleries.
    """
    count = len(ascending)
    if rate * count >= 10:
        return float(ascending[int(rate * count)])
    tail = min(max(15, int(0.07 * count)), 50, count - 1)
    edge = float(ascending[tail])
    scale = float((edge - ascending[:tail]).mean())
    reach = (tail / (count * rate)) ** (1 / tail) - 1.0
    return edge - scale * tail * float(reach)


def _normal_share(deviations: float) -> float:
    """Share of a normal distribution below so many standard deviations."""
    return 0.5 * (1.0 + math.erf(deviations / math.sqrt(2.0)))

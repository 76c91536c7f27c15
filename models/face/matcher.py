"""Who of the enrolled looks most like this? An immutable snapshot of everybody's templates.

A snapshot is built once, shared freely between threads, and replaced as a whole by one assignment; when the
last reader lets go of it, its templates are overwritten. Whether a match is good enough is not decided here:
see models.face.judgement.

Three things make distances tell persons apart better than they do as the network gives them; each is
measured in tests/bench/faces_openset.py:

- Templates are brought to one length first. The length says how clear a picture is, not whose face it is.
- A person is the mean of their templates: what differs from picture to picture cancels out.
- A distance says little by itself: some faces lie where many others lie, and strangers come near them. So a
  match also carries two neighbourhoods, how near the next persons are to the probe and how near other persons
  are to the entry, and ``FaceMatch.score`` is the distance measured by both.
"""

import math
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.face.distances import length_of_set
from models.face.search import NEIGHBOURS, Axes, Near, Numbers, Points, neighbourhoods, without_row

COHORT = 3
"""How many other persons make up a neighbourhood, of a probe as of an entry."""
LEVEL_POWER = 0.4
"""0: neighbourhoods do not count; 0.5: the score has no unit any more. 0.3 to 0.5 are much the same."""

Template = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FaceMatch:
    """The nearest person and every number that a judgement needs. Distances are Euclidean.

    Attributes:
        subject: The nearest person, None when nobody could be compared.
        distance: To that person; infinite without a subject.
        runner_up: The nearest other person, None when there is none.
        runner_up_distance: To that person; infinite when there is none.
        cohort_mean: Mean distance of the probe to the nearest other persons; NaN without any.
        cohort_size: How many persons that mean is of, up to 3.
        entry_mean: Mean distance of the subject to the 3 persons nearest to them; NaN without any.
        persons: How many persons the gallery held.
    """

    subject: str | None
    distance: float = math.inf
    runner_up: str | None = None
    runner_up_distance: float = math.inf
    cohort_mean: float = math.nan
    cohort_size: int = 0
    entry_mean: float = math.nan
    persons: int = 0

    @property
    def margin(self) -> float:
        """How much farther the runner-up is; infinite when there is none."""
        return self.runner_up_distance - self.distance if self.runner_up is not None else math.inf

    @property
    def level(self) -> float:
        """What the distance is measured by: both neighbourhoods, in equal parts; NaN when one is missing."""
        return float((self.cohort_mean * self.entry_mean) ** LEVEL_POWER)

    @property
    def score(self) -> float:
        """Distance in units of ``level``; lower is more alike, NaN when a neighbourhood is missing.

        The local scaling of Zelnik-Manor and Perona (2004), with the mean of three neighbours for their one,
        and not quite whole.
        """
        level = self.level
        return self.distance / level if level > 0 else math.nan


class Gallery:
    """Templates of the enrolled; never changes.

    Attributes:
        set_name: Which embedder made the templates.
        names: The enrolled, in a fixed order.
        length: What templates are brought to.
    """

    __slots__ = (
        "__weakref__",
        "_counts",
        "_entry_distances",
        "_entry_persons",
        "_first",
        "_number",
        "_pictures",
        "_points",
        "length",
        "names",
        "set_name",
    )

    def __init__(
        self,
        set_name: str,
        names: Sequence[str],
        points: Points,
        pictures: tuple[NDArray[np.float16], NDArray[np.intp]],
        length: float,
        neighbours: tuple[Template, Numbers] | None = None,
        numbers: dict[str, int] | None = None,
    ) -> None:
        """Take parts that fit each other; ``build`` makes them.

        Args:
            set_name: Which embedder made the templates.
            names: The enrolled.
            points: One for each person, in the order of ``names``.
            pictures: (n, d) templates of all who have several, those of one person together; and for each
                person how many they have (0: one, which is their point).
            length: What templates are brought to.
            neighbours: As ``neighbourhoods`` gives them, if they are known.
            numbers: Each name's place in ``names``, if that is known.
        """
        self.set_name = set_name
        self.names = tuple(names)
        self.length = length
        self._number = numbers or {name: number for number, name in enumerate(self.names)}
        self._points = points
        self._pictures, self._counts = pictures
        self._first = np.concatenate([[0], np.cumsum(self._counts)]).astype(np.intp)
        distances, persons = neighbours or neighbourhoods(points, np.arange(points.count))
        self._entry_distances = distances
        self._entry_persons = persons
        weakref.finalize(self, _wipe, points, self._pictures)

    @classmethod
    def build(
        cls, set_name: str, entries: Iterable[tuple[str, Template]], *, compact: bool = False
    ) -> "Gallery":
        """Build a snapshot from (person, template) pairs; a person may have several templates.

        Args:
            set_name: Which embedder made them.
            entries: Templates of any length (1-norms and the like are all the same); those of one person need
                not stand together.
            compact: Two fifths of the memory; distances are rounded to 3e-4.

        Raises:
            ValueError: Templates of different dimensions, or a number that is not finite.
        """
        of_person: dict[str, list[Template]] = {}
        for person, template in entries:
            of_person.setdefault(person, []).append(np.asarray(template, np.float32).reshape(-1))
        stacked = _stacked([template for group in of_person.values() for template in group])
        length = length_of_set(set_name, stacked)
        scaled = _scaled(stacked, length)
        counts = np.array([len(group) for group in of_person.values()], np.intp)
        means = _means(scaled, counts, length)
        pictures = scaled[np.repeat(counts > 1, counts)].astype(np.float16)
        axes = Axes.of(means)
        points = Points.of(axes, axes.turn(means), compact=compact)
        return cls(set_name, tuple(of_person), points, (pictures, np.where(counts > 1, counts, 0)), length)

    @property
    def size(self) -> int:
        """Number of templates."""
        return int(np.maximum(self._counts, 1).sum())

    @property
    def nbytes(self) -> int:
        """Memory that the templates take."""
        return self._points.nbytes + self._pictures.nbytes

    @property
    def persons(self) -> frozenset[str]:
        """The enrolled."""
        return frozenset(self.names)

    def match(self, template: Template, among: frozenset[str] | None = None) -> FaceMatch:
        """Find the nearest person and the next ones.

        Args:
            template: (dimensions,) float32, of any length.
            among: Only these may be the subject. The rest still count as others: who looks more like somebody
                outside this set than like the subject has a negative margin.

        Raises:
            ValueError: The template has other dimensions than the gallery's.
        """
        points = self._points
        if not points.count or (among is not None and among.isdisjoint(self._number)):
            return FaceMatch(None, persons=len(self.names))
        probe = self._turned(template)
        near = points.nearest(probe, COHORT + 1)
        subject = near[0]
        if among is not None and self.names[subject[1]] not in among:
            subject = self._nearest_among(probe, near, among)
        others = [entry for entry in near if entry[1] != subject[1]][:COHORT]
        return self._match(subject, others, len(self.names))

    def match_stranger(self, person: str, template: Template) -> FaceMatch:
        """Match as if this person were not enrolled: what would the gallery say to a stranger like them?"""
        number = self._number[person]
        near = self._points.nearest(self._turned(template), COHORT + 2)
        near = [entry for entry in near if entry[1] != number][: COHORT + 1]
        if not near:
            return FaceMatch(None, persons=0)
        return self._match(near[0], near[1:], len(self.names) - 1, absent=number)

    def templates_of(self, person: str) -> Template:
        """The templates of one person, (n, dimensions) float32 of the gallery's length; none if unknown."""
        number = self._number.get(person)
        if number is None:
            return np.empty((0, self._points.turned.shape[1]), np.float32)
        if self._counts[number]:
            return self._pictures[self._first[number] : self._first[number + 1]].astype(np.float32)
        return self._points.axes.back(self._points.whole(slice(number, number + 1)))

    def with_person(self, person: str, templates: Sequence[Template]) -> "Gallery":
        """A snapshot in which this person has exactly these templates; nobody else is measured anew.

        Raises:
            ValueError: A template of other dimensions, or a number that is not finite.
        """
        rest = self.without_person(person)
        fresh = _stacked([np.asarray(template, np.float32).reshape(-1) for template in templates])
        if not len(fresh):
            return rest
        if not rest.names:
            every = [(person, template) for template in fresh]
            return Gallery.build(self.set_name, every, compact=self._points.is_compact)
        return rest._joined(person, fresh)  # noqa: SLF001  (another object of the same class)

    def without_person(self, person: str) -> "Gallery":
        """A snapshot without this person; this one itself when they are not in it."""
        number, points = self._number.get(person), self._points
        if number is None:
            return self
        # The last takes the place of who leaves, so that nobody else's number changes: at a large gallery
        # that is a fifth of the time of moving up.
        last = len(self.names) - 1
        names, numbers = list(self.names), self._number.copy()
        names[number] = names[last]
        names.pop()
        del numbers[person]
        if number < last:
            numbers[names[number]] = number
        left = points.without(number)
        distances = without_row(self._entry_distances, number)
        persons = without_row(self._entry_persons, number)
        bereft = np.flatnonzero((persons == number).any(axis=1))
        persons[persons == last] = number
        if len(bereft):
            distances[bereft], persons[bereft] = neighbourhoods(left, bereft)
        return Gallery(
            self.set_name,
            names,
            left,
            (self._pictures_without(number), without_row(self._counts, number)),
            self.length,
            (distances, persons),
            numbers,
        )

    def _pictures_without(self, number: int) -> NDArray[np.float16]:
        """Everybody else's pictures, those of the last in the place of who leaves."""
        last = len(self.names) - 1
        before, after = int(self._first[number]), int(self._first[number + 1])
        if number == last:
            return self._pictures[:before].copy()
        end = int(self._first[last])
        parts = self._pictures[:before], self._pictures[end:], self._pictures[after:end]
        return np.concatenate(parts)

    def _joined(self, person: str, templates: Template) -> "Gallery":
        points, number = self._points, len(self.names)
        if templates.shape[1] != points.turned.shape[1]:
            raise ValueError(
                f"a template of {templates.shape[1]} numbers does not fit {points.turned.shape[1]}"
            )
        scaled = _scaled(templates, self.length)
        turned = points.axes.turn(_means(scaled, np.array([len(scaled)]), self.length))
        every = points.whole(slice(None))
        joined = Points.of(points.axes, np.concatenate([every, turned]), compact=points.is_compact)
        own = neighbourhoods(joined, np.array([number]))
        nearest = np.sqrt(np.einsum("ij,ij->i", every - turned, every - turned))
        distances, persons = self._entry_distances.copy(), self._entry_persons.copy()
        closer = np.flatnonzero(nearest < distances[:, -1])
        if len(closer):
            merged = np.column_stack([distances[closer], nearest[closer]])
            owners = np.column_stack([persons[closer], np.full(len(closer), number, np.int32)])
            order = np.argsort(merged, axis=1, kind="stable")[:, :NEIGHBOURS]
            distances[closer] = np.take_along_axis(merged, order, axis=1)
            persons[closer] = np.take_along_axis(owners, order, axis=1)
        several = len(scaled) > 1
        pictures = np.concatenate([self._pictures, scaled.astype(np.float16)]) if several else self._pictures
        counts = np.append(self._counts, len(scaled) if several else 0)
        return Gallery(
            self.set_name,
            (*self.names, person),
            joined,
            (pictures.copy(), counts),
            self.length,
            (np.concatenate([distances, own[0]]), np.concatenate([persons, own[1]])),
        )

    def _turned(self, template: Template) -> Template:
        probe = np.asarray(template, np.float32).reshape(1, -1)
        if probe.shape[1] != self._points.turned.shape[1]:
            raise ValueError(
                f"a template of {probe.shape[1]} numbers does not fit {self._points.turned.shape[1]}"
            )
        return self._points.axes.turn(_scaled(probe, self.length)[0])

    def _match(
        self, subject: tuple[float, int], others: Near, persons: int, absent: int | None = None
    ) -> FaceMatch:
        """Put the numbers together; ``absent`` is taken for somebody who is not enrolled."""
        near, whose = self._entry_distances[subject[1]], self._entry_persons[subject[1]]
        usual = near[np.isfinite(near) & (whose != absent)][:COHORT]
        return FaceMatch(
            subject=self.names[subject[1]],
            distance=subject[0],
            runner_up=self.names[others[0][1]] if others else None,
            runner_up_distance=others[0][0] if others else math.inf,
            cohort_mean=sum(entry[0] for entry in others) / len(others) if others else math.nan,
            cohort_size=len(others),
            entry_mean=float(usual.mean()) if len(usual) else math.nan,
            persons=persons,
        )

    def _nearest_among(self, probe: Template, near: Near, among: frozenset[str]) -> tuple[float, int]:
        for entry in near:
            if self.names[entry[1]] in among:
                return entry
        permitted = np.zeros(len(self.names), np.bool_)
        permitted[[self._number[name] for name in among if name in self._number]] = True
        return self._points.nearest(probe, 1, permitted)[0]


def template_distances(set_name: str, ones: Template, others: Template) -> NDArray[np.float64]:
    """Distances of templates as a gallery of that set would measure them, row by row: (n,)."""
    length = length_of_set(set_name, ones)
    apart = _scaled(ones, length).astype(np.float64) - _scaled(others, length)
    return np.asarray(np.linalg.norm(apart, axis=1), np.float64)


def mean_template(templates: Sequence[Template], weights: Sequence[float] | None = None) -> Template:
    """What several pictures of one face say together: the mean of their directions, (dimensions,) float32."""
    return np.asarray(np.average(_scaled(np.stack(templates), 1.0), axis=0, weights=weights), np.float32)


def _stacked(templates: Sequence[Template]) -> Template:
    if len({template.shape for template in templates}) > 1:
        raise ValueError("templates of different lengths cannot share a gallery")
    stacked = np.stack(templates) if templates else np.empty((0, 0), np.float32)
    if not np.isfinite(stacked).all():
        raise ValueError("a template holds a number that is not finite")
    return stacked


def _scaled(templates: Template, length: float) -> Template:
    """Bring rows to one length; a row of zeros stays."""
    norms = np.sqrt(np.einsum("ij,ij->i", templates, templates))[:, None]
    return np.asarray(templates * (np.float32(length) / np.maximum(norms, np.float32(1e-9))), np.float32)


def _means(scaled: Template, counts: NDArray[np.intp], length: float) -> Template:
    """The mean of each person's rows, which stand together, at the same length again."""
    if not len(counts) or int(counts.max()) == 1:
        return scaled
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return _scaled(np.add.reduceat(scaled, first, axis=0), length)


def _wipe(points: Points, pictures: NDArray[np.float16]) -> None:
    """Overwrite everything that came from a face."""
    points.wipe()
    pictures.fill(0)

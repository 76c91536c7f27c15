"""Who of the enrolled looks most like this? An immutable snapshot of everybody's templates.

A snapshot is built once, shared freely between threads, and replaced as a whole by one assignment; when the
last reader lets go of it, its templates are overwritten. Whether a match is good enough is not decided here:
see models.face.judgement.

A distance alone says little: some faces lie where many others lie, and strangers come near them. So a match
also carries two neighbourhoods: how near the next persons are to the probe, and how near other persons are to
the entry. ``FaceMatch.score`` is the distance with both taken into account.
"""

import math
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.face.search import NEIGHBOURS, Axes, Numbers, Rows, neighbourhoods

COHORT = 10
"""How many other persons make up the neighbourhood of a probe."""

# Shares of the two neighbourhoods in the score; tests/bench/faces_openset.py compares them with other forms.
PROBE_SHARE, ENTRY_SHARE = 0.3, 0.7

Template = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FaceMatch:
    """The nearest person and every number that a judgement needs. Distances are Euclidean.

    Attributes:
        subject: The nearest person, None when nobody could be compared.
        distance: To that person's nearest template; infinite without a subject.
        runner_up: The nearest other person, None when there is none.
        runner_up_distance: To that person's nearest template; infinite when there is none.
        cohort_mean: Mean distance of the probe to the nearest other persons; NaN without any.
        cohort_size: How many persons that mean is of, up to 10.
        entry_mean: Mean distance of the subject's nearest template to the templates of the 3 persons nearest
            to it; NaN without any.
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
    def score(self) -> float:
        """Distance less both neighbourhoods; lower is more alike, NaN when a neighbourhood is missing."""
        return self.distance - PROBE_SHARE * self.cohort_mean - ENTRY_SHARE * self.entry_mean


class Gallery:
    """Templates of the enrolled; never changes.

    Attributes:
        set_name: Which embedder made the templates.
        names: The enrolled, in a fixed order.
    """

    __slots__ = ("__weakref__", "_entry_distances", "_entry_persons", "_number", "_rows", "names", "set_name")

    def __init__(
        self,
        set_name: str,
        names: Sequence[str],
        rows: Rows,
        neighbours: tuple[Template, Numbers] | None = None,
    ) -> None:
        self.set_name = set_name
        self.names = tuple(names)
        self._number = {name: number for number, name in enumerate(self.names)}
        self._rows = rows
        distances, persons = neighbours or neighbourhoods(rows, np.arange(rows.count))
        self._entry_distances = distances
        self._entry_persons = persons
        weakref.finalize(self, rows.wipe)

    @classmethod
    def build(cls, set_name: str, entries: Iterable[tuple[str, Template]]) -> "Gallery":
        """Build a snapshot from (person, template) pairs; a person may have several templates.

        Raises:
            ValueError: Templates of different lengths, or a number that is not finite.
        """
        of_person: dict[str, list[Template]] = {}
        for person, template in entries:
            of_person.setdefault(person, []).append(np.asarray(template, np.float32).reshape(-1))
        templates = _stacked([template for group in of_person.values() for template in group])
        axes = Axes.of(templates)
        counts = np.array([len(group) for group in of_person.values()], np.intp)
        return cls(set_name, tuple(of_person), Rows.of(axes, axes.turn(templates), counts))

    @property
    def size(self) -> int:
        """Number of templates."""
        return self._rows.count

    @property
    def persons(self) -> frozenset[str]:
        """The enrolled."""
        return frozenset(self.names)

    def match(self, template: Template, among: frozenset[str] | None = None) -> FaceMatch:
        """Find the nearest person and the next ones.

        Args:
            template: (dimensions,) float32.
            among: Only these may be the subject. The rest still count as others: who looks more like somebody
                outside this set than like the subject has a negative margin.

        Raises:
            ValueError: The template has another length than the gallery's.
        """
        rows = self._rows
        if not rows.count or (among is not None and among.isdisjoint(self._number)):
            return FaceMatch(None, persons=len(self.names))
        probe = np.asarray(template, np.float32).reshape(-1)
        if probe.shape[0] != rows.turned.shape[1]:
            raise ValueError(f"a template of {probe.shape[0]} numbers does not fit {rows.turned.shape[1]}")
        probe = rows.axes.turn(probe)
        near = rows.nearest_persons(probe, COHORT + 1)
        subject = near[0]
        if among is not None and self.names[subject[1]] not in among:
            subject = self._nearest_among(probe, near, among)
        others = [entry for entry in near if entry[1] != subject[1]][:COHORT]
        return FaceMatch(
            subject=self.names[subject[1]],
            distance=subject[0],
            runner_up=self.names[others[0][1]] if others else None,
            runner_up_distance=others[0][0] if others else math.inf,
            cohort_mean=sum(entry[0] for entry in others) / len(others) if others else math.nan,
            cohort_size=len(others),
            entry_mean=_mean_of_finite(self._entry_distances[subject[2]]),
            persons=len(self.names),
        )

    def match_stranger(self, person: str, template: Template) -> FaceMatch:
        """Match as if this person were not enrolled: what would the gallery say to a stranger like them?"""
        rows, number = self._rows, self._number[person]
        near = rows.nearest_persons(rows.axes.turn(np.asarray(template, np.float32)), COHORT + 2)
        near = [entry for entry in near if entry[1] != number][: COHORT + 1]
        if not near:
            return FaceMatch(None, persons=0)
        subject, others = near[0], near[1:]
        distances = self._entry_distances[subject[2]][self._entry_persons[subject[2]] != number]
        return FaceMatch(
            subject=self.names[subject[1]],
            distance=subject[0],
            runner_up=self.names[others[0][1]] if others else None,
            runner_up_distance=others[0][0] if others else math.inf,
            cohort_mean=sum(entry[0] for entry in others) / len(others) if others else math.nan,
            cohort_size=len(others),
            entry_mean=_mean_of_finite(distances),
            persons=len(self.names) - 1,
        )

    def templates_of(self, person: str) -> Template:
        """The templates of one person, (n, dimensions) float32; none for somebody unknown."""
        rows = self._rows
        if person not in self._number:
            return np.empty((0, rows.turned.shape[1]), np.float32)
        number = self._number[person]
        turned = rows.turned[rows.first[number] : rows.first[number + 1]]
        straight = turned if rows.axes.basis is None else turned @ rows.axes.basis.T
        return np.asarray(straight + rows.axes.mean, np.float32)

    def with_person(self, person: str, templates: Sequence[Template]) -> "Gallery":
        """A snapshot in which this person has exactly these templates; nobody else is measured anew.

        Raises:
            ValueError: A template of another length, or a number that is not finite.
        """
        rest = self.without_person(person)
        fresh = _stacked([np.asarray(template, np.float32).reshape(-1) for template in templates])
        if not len(fresh):
            return rest
        if not rest.size:
            return Gallery.build(self.set_name, [(person, template) for template in fresh])
        return rest._joined(person, fresh)  # noqa: SLF001  (another object of the same class)

    def without_person(self, person: str) -> "Gallery":
        """A snapshot without this person; this one itself when they are not in it."""
        if person not in self._number:
            return self
        number, rows = self._number[person], self._rows
        kept = rows.person_of != number
        left = Rows.of(rows.axes, rows.turned[kept], np.delete(np.diff(rows.first), number))
        distances, persons = self._entry_distances[kept], self._entry_persons[kept]
        bereft = np.flatnonzero((persons == number).any(axis=1))
        persons = np.where(persons > number, persons - 1, persons)
        names = tuple(name for name in self.names if name != person)
        if len(bereft):
            distances[bereft], persons[bereft] = neighbourhoods(left, bereft)
        return Gallery(self.set_name, names, left, (distances, persons))

    def _joined(self, person: str, templates: Template) -> "Gallery":
        rows, number = self._rows, len(self.names)
        if templates.shape[1] != rows.turned.shape[1]:
            raise ValueError(
                f"a template of {templates.shape[1]} numbers does not fit {rows.turned.shape[1]}"
            )
        turned = rows.axes.turn(templates)
        joined = Rows.of(
            rows.axes, np.concatenate([rows.turned, turned]), np.append(np.diff(rows.first), len(turned))
        )
        own = neighbourhoods(joined, np.arange(rows.count, joined.count))
        distances, persons = self._entry_distances.copy(), self._entry_persons.copy()
        squares = np.einsum("ij,ij->i", rows.turned, rows.turned)[:, None] + np.einsum(
            "ij,ij->i", turned, turned
        )
        nearest = np.sqrt(np.maximum(squares - 2.0 * rows.turned @ turned.T, 0.0)).min(axis=1)
        closer = np.flatnonzero(nearest < distances[:, -1])
        if len(closer):
            merged = np.column_stack([distances[closer], nearest[closer]])
            owners = np.column_stack([persons[closer], np.full(len(closer), number, np.int32)])
            order = np.argsort(merged, axis=1, kind="stable")[:, :NEIGHBOURS]
            distances[closer] = np.take_along_axis(merged, order, axis=1)
            persons[closer] = np.take_along_axis(owners, order, axis=1)
        merged_neighbours = np.concatenate([distances, own[0]]), np.concatenate([persons, own[1]])
        return Gallery(self.set_name, (*self.names, person), joined, merged_neighbours)

    def _nearest_among(
        self, probe: Template, near: list[tuple[float, int, int]], among: frozenset[str]
    ) -> tuple[float, int, int]:
        for entry in near:
            if self.names[entry[1]] in among:
                return entry
        permitted = np.zeros(len(self.names), np.bool_)
        permitted[[self._number[name] for name in among if name in self._number]] = True
        return self._rows.nearest_persons(probe, 1, permitted[self._rows.person_of])[0]


def _stacked(templates: Sequence[Template]) -> Template:
    if len({template.shape for template in templates}) > 1:
        raise ValueError("templates of different lengths cannot share a gallery")
    stacked = np.stack(templates) if templates else np.empty((0, 0), np.float32)
    if not np.isfinite(stacked).all():
        raise ValueError("a template holds a number that is not finite")
    return stacked


def _mean_of_finite(distances: Template) -> float:
    finite = distances[np.isfinite(distances)]
    return float(finite.mean()) if len(finite) else math.nan

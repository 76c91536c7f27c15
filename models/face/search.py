"""Exact search for the nearest templates, at a fraction of a full scan.

Templates are turned into their own principal axes. A turn changes no distance, but it gathers most of every
distance in the first coordinates (dlib's 128 numbers vary in about 80 directions, and most in half of those).
The first ``HEAD`` coordinates and the length of the rest then give a lower bound of each distance (by the
triangle inequality), for a third of the memory traffic; only rows whose bound is not above the distance that
is needed are measured whole. Nothing is lost: the result is that of the full scan.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEAD = 40
NEIGHBOURS = 3
"""How many other persons make up the neighbourhood of an entry; the value that won, see tests/bench."""

_SCAN_ALL_BELOW = 4096  # rows: below this the bookkeeping costs more than it saves
_BLOCK_ROWS = 128
_FIRST_BLOCKS = 32
_PAIRS_AT_ONCE = 4_000_000  # distances held at once while neighbourhoods are made: 16 MB
# In a larger gallery neighbourhoods are taken from every second, third ... person. What matters is only where
# faces lie densely and where thinly, and that every entry is measured alike.
_NEIGHBOURS_FROM = 20_000
NOBODY = -1

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """The turn into principal axes, ``(template - mean) @ basis``; None leaves the axes as they are."""

    mean: Floats
    basis: Floats | None

    @classmethod
    def of(cls, templates: Floats) -> "Axes":
        """Principal axes of these templates; none when they are too few to have any."""
        count, dimensions = templates.shape
        mean = templates.mean(axis=0, dtype=np.float32) if count else np.zeros(dimensions, np.float32)
        if count < _SCAN_ALL_BELOW:
            return cls(mean, None)
        centred = (templates - mean).astype(np.float64)
        _, vectors = np.linalg.eigh(centred.T @ centred)
        return cls(mean, np.ascontiguousarray(vectors[:, ::-1], np.float32))

    def turn(self, templates: Floats) -> Floats:
        """Templates, (n, d) or (d,), in these axes."""
        centred = templates - self.mean
        return np.asarray(centred if self.basis is None else centred @ self.basis, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """All templates, turned, with the number of the person each belongs to.

    Attributes:
        axes: How they were turned.
        turned: (n, d) float32.
        heads: (HEAD, n) float32, the first coordinates once more, laid out for the scan.
        head_squares, tail_lengths: (n,) float32.
        first: (persons + 1,) where each person's rows begin: they stand together.
        person_of: (n,) int32, the person of each row.
    """

    axes: Axes
    turned: Floats
    heads: Floats
    head_squares: Floats
    tail_lengths: Floats
    first: NDArray[np.intp]
    person_of: Numbers

    @classmethod
    def of(cls, axes: Axes, turned: Floats, counts: NDArray[np.intp]) -> "Rows":
        """Lay the rows out."""
        heads = np.ascontiguousarray(turned[:, :HEAD].T)
        tails = turned[:, HEAD:]
        return cls(
            axes,
            turned,
            heads,
            np.einsum("ij,ij->j", heads, heads),
            np.sqrt(np.einsum("ij,ij->i", tails, tails)),
            np.concatenate([[0], np.cumsum(counts)]),
            np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        )

    @property
    def count(self) -> int:
        """Number of templates."""
        return len(self.turned)

    def wipe(self) -> None:
        """Overwrite everything that came from a face."""
        for array in (self.turned, self.heads, self.head_squares, self.tail_lengths):
            array.fill(0)

    def nearest_persons(
        self, probe: Floats, wanted: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[tuple[float, int, int]]:
        """The nearest persons, each with the distance of their nearest template.

        Args:
            probe: (d,) float32, turned.
            wanted: How many persons at most.
            allowed: (n,) rows that count; all when None.

        Returns:
            (distance, person, row), nearest first.
        """
        if not self.count:
            return []
        rows = self._candidates(probe, wanted, allowed)
        return _best_of_each(self._measure(probe, rows), self.person_of[rows], rows, wanted)

    def _candidates(self, probe: Floats, wanted: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.intp]:
        """Rows that can be among the nearest: never fewer than needed, mostly few."""
        if self.axes.basis is None or self.count < _SCAN_ALL_BELOW:
            return np.arange(self.count) if allowed is None else np.flatnonzero(allowed)
        head, tail_length = probe[:HEAD], np.float32(np.linalg.norm(probe[HEAD:]))
        bounds = (head * np.float32(-2)) @ self.heads
        bounds += self.head_squares
        apart = self.tail_lengths - tail_length
        apart *= apart
        bounds += apart  # squared lower bounds, less the constant |head|^2
        if allowed is not None:
            bounds[~allowed] = np.inf
        whole = self.count - self.count % _BLOCK_ROWS
        least = bounds[:whole].reshape(-1, _BLOCK_ROWS)
        blocks = min(_FIRST_BLOCKS + wanted, len(least))
        first = np.argpartition(least.min(axis=1), blocks - 1)[:blocks]
        tried = first * _BLOCK_ROWS + least[first].argmin(axis=1)
        tried = tried[np.isfinite(bounds[tried])]
        found = _best_of_each(self._measure(probe, tried), self.person_of[tried], tried, wanted)
        if len(found) < wanted:
            return np.arange(self.count) if allowed is None else np.flatnonzero(allowed)
        reach = found[-1][0] ** 2 - float(head @ head)
        # A hair more, because bounds and distances are rounded differently.
        return np.flatnonzero(bounds <= np.float32(reach + 1e-5))

    def _measure(self, probe: Floats, rows: NDArray[np.intp]) -> Floats:
        differences = self.turned[rows] - probe
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", differences, differences)), np.float32)


def neighbourhoods(rows: Rows, of: NDArray[np.intp]) -> tuple[Floats, Numbers]:
    """For some rows the nearest templates of other persons, at most one for each person.

    Returns:
        Distances (len(of), NEIGHBOURS), infinite where there are not so many persons; and whose they are,
        ``NOBODY`` there.
    """
    distances = np.full((len(of), NEIGHBOURS), np.inf, np.float32)
    persons = np.full((len(of), NEIGHBOURS), NOBODY, np.int32)
    persons_used, points, squares, first = _sampled(rows)
    step = max(1, _PAIRS_AT_ONCE // max(1, len(points)))
    place = np.full(len(rows.first) - 1, NOBODY)
    place[persons_used] = np.arange(len(persons_used))
    owner = np.repeat(np.arange(len(persons_used)), np.diff(first))
    for at in range(0, len(of), step):
        part = of[at : at + step]
        across = np.arange(len(part))
        pairs = (rows.turned[part] * np.float32(-2)) @ points.T
        pairs += squares
        own = np.einsum("ij,ij->i", rows.turned[part], rows.turned[part])
        taken = place[rows.person_of[part]]
        for column in range(NEIGHBOURS):
            for row, person in enumerate(taken):
                if person != NOBODY:
                    pairs[row, first[person] : first[person + 1]] = np.inf
            best = pairs.argmin(axis=1)
            value = pairs[across, best] + own
            real = np.isfinite(value)
            taken = np.where(real, owner[best], NOBODY)
            distances[at : at + step, column] = np.where(real, np.sqrt(np.maximum(value, 0.0)), np.inf)
            persons[at : at + step, column] = np.where(real, persons_used[taken], NOBODY)
    return distances, persons


def _sampled(rows: Rows) -> tuple[NDArray[np.intp], Floats, Floats, NDArray[np.intp]]:
    """Persons that neighbourhoods are made of, their rows, the squared lengths, where each one begins."""
    stride = -(-rows.count // _NEIGHBOURS_FROM)
    persons = np.arange(0, len(rows.first) - 1, max(1, stride))
    if stride <= 1:
        points, first = rows.turned, rows.first
    else:
        counts = np.diff(rows.first)[persons]
        points = rows.turned[np.isin(rows.person_of, persons)]
        first = np.concatenate([[0], np.cumsum(counts)])
    return persons, points, np.einsum("ij,ij->i", points, points), first


def _best_of_each(
    distances: Floats, persons: Numbers, rows: NDArray[np.intp], wanted: int
) -> list[tuple[float, int, int]]:
    """The nearest row of each of the nearest persons."""
    best: list[tuple[float, int, int]] = []
    seen: set[int] = set()
    # Most persons have few rows, so the nearest few dozen rows nearly always hold enough persons.
    for few in (8 * wanted, len(distances)):
        best.clear()
        seen.clear()
        few = min(few, len(distances))
        order = (
            np.argpartition(distances, few - 1)[:few] if few < len(distances) else np.arange(len(distances))
        )
        for index in order[np.argsort(distances[order], kind="stable")]:
            person = int(persons[index])
            if person not in seen:
                seen.add(person)
                best.append((float(distances[index]), person, int(rows[index])))
                if len(best) == wanted:
                    return best
    return best

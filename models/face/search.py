"""Exact search for the nearest persons, at a fraction of a full scan.

Points (one for each person) are turned into their own principal axes. A turn changes no distance, but it
gathers most of every distance in the first coordinates (dlib's 128 numbers vary in about 80 directions, and
most in half of those). The first ``HEAD`` coordinates and the length of the rest then give a lower bound of
each distance (by the triangle inequality), for a third of the memory traffic; only points whose bound is not
above the distance that is needed are measured whole. Nothing is lost: the result is that of the full scan.

In the compact form the scan reads one byte a coordinate, the bound allows for what that rounds away, and the
whole points are kept as float16: two fifths of the memory, distances exact to 3e-4.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEAD = 40
NEIGHBOURS = 4
"""How many other persons are remembered for each: one more than a neighbourhood has, for when one leaves."""

_SCAN_ALL_BELOW = 4096  # points: below this a plain product over all coordinates is quicker
_BLOCK_ROWS = 128
_FIRST_BLOCKS = 16
_COLUMNS_AT_ONCE = 16_384  # of the compact scan: so much float32 stays in the cache
_PAIRS_AT_ONCE = 4_000_000  # distances held at once while neighbourhoods are made: 16 MB
# In a larger gallery neighbourhoods are taken from every second, third ... person. What matters is only where
# faces lie densely and where thinly, and that every entry is measured alike.
_NEIGHBOURS_FROM = 10_000
_STRAND_LENGTH = 32
_MANY = 0.1  # of all points: where so many are left, the bounds have said little
_ROUNDING = 1e-5  # of squared distances, which products and differences round differently
NOBODY = -1

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]
Near = list[tuple[float, int]]
"""(distance, person), nearest first."""


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """The turn into principal axes, ``(point - mean) @ basis``; None leaves the axes as they are."""

    mean: Floats
    basis: Floats | None

    @classmethod
    def of(cls, points: Floats) -> "Axes":
        """Principal axes of these points; none when they are too few to have any."""
        count, dimensions = points.shape
        mean = points.mean(axis=0, dtype=np.float32) if count else np.zeros(dimensions, np.float32)
        if count < _SCAN_ALL_BELOW:
            return cls(mean, None)
        centred = (points - mean).astype(np.float64)
        _, vectors = np.linalg.eigh(centred.T @ centred)
        return cls(mean, np.ascontiguousarray(vectors[:, ::-1], np.float32))

    def turn(self, points: Floats) -> Floats:
        """Points, (n, d) or (d,), in these axes."""
        centred = points - self.mean
        return np.asarray(centred if self.basis is None else centred @ self.basis, np.float32)

    def back(self, turned: Floats) -> Floats:
        """The inverse of ``turn``."""
        straight = turned if self.basis is None else turned @ self.basis.T
        return np.asarray(straight + self.mean, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """One point for each person, turned, laid out for the scan.

    Attributes:
        axes: How they were turned.
        turned: (n, d) float32, or float16 in the compact form.
        heads: What is scanned, float32: (HEAD + 1, n), the first coordinates and the length of the rest; all
            coordinates (d, n) while there is no basis. In the compact form int8, without the last row.
        step: What one unit of an int8 head stands for; 1 for float32.
        squares: (n,) float32, squared length of what is scanned.
        tails, slack: (n,) float32, of the compact form, else empty: length of the rest, and how far the
            scanned head may be from the true one.
    """

    axes: Axes
    turned: NDArray[np.floating]
    heads: NDArray[np.float32] | NDArray[np.int8]
    step: float
    squares: Floats
    tails: Floats
    slack: Floats

    @classmethod
    def of(cls, axes: Axes, turned: Floats, *, compact: bool = False) -> "Points":
        """Lay the points out; ``turned`` is kept, not copied, unless the form is compact."""
        dimensions = turned.shape[1]
        wide = HEAD if axes.basis is not None else dimensions
        whole = turned.astype(np.float16) if compact else turned
        seen = np.asarray(whole, np.float32)
        head = np.ascontiguousarray(seen[:, :wide].T)
        tails = np.sqrt(np.einsum("ij,ij->i", seen[:, wide:], seen[:, wide:]))
        if not compact:
            if axes.basis is not None:
                head = np.concatenate([head, tails[None]])
            none = np.empty(0, np.float32)
            return cls(axes, whole, head, 1.0, np.einsum("ij,ij->j", head, head), none, none)
        step = float(np.abs(head).max(initial=0.0)) / 127 or 1.0
        bytes_ = np.rint(head / step).astype(np.int8)
        scanned = bytes_ * np.float32(step)
        slack = np.sqrt(np.einsum("ij,ij->j", head - scanned, head - scanned))
        return cls(axes, whole, bytes_, step, np.einsum("ij,ij->j", scanned, scanned), tails, slack)

    def without(self, row: int) -> "Points":
        """All but one, laid out as they are; the last one takes its place."""
        columns = self.turned, self.squares, self.tails, self.slack
        turned, squares, tails, slack = (without_row(each, row) if len(each) else each for each in columns)
        heads = self.heads[:, :-1].copy()
        if row < self.count - 1:
            heads[:, row] = self.heads[:, -1]
        return Points(self.axes, turned, heads, self.step, squares, tails, slack)

    @property
    def count(self) -> int:
        """Number of persons."""
        return len(self.turned)

    @property
    def is_compact(self) -> bool:
        """Whether this is the compact form."""
        return self.heads.dtype == np.int8

    @property
    def nbytes(self) -> int:
        """Memory that the points take."""
        return sum(array.nbytes for array in self._arrays())

    def whole(self, rows: NDArray[np.intp] | slice) -> Floats:
        """Some points with all their coordinates, as float32."""
        return np.asarray(self.turned[rows], np.float32)

    def wipe(self) -> None:
        """Overwrite everything that came from a face."""
        for array in self._arrays():
            array.fill(0)

    def nearest(self, probe: Floats, wanted: int, allowed: NDArray[np.bool_] | None = None) -> Near:
        """The nearest persons.

        Args:
            probe: (d,) float32, turned.
            wanted: How many persons at most.
            allowed: (n,) persons that count; all when None.
        """
        bounds = self._bounds(probe)
        first = _lowest(bounds, wanted, in_blocks=self.axes.basis is not None)
        if allowed is not None:
            bounds[~allowed] = np.inf
            first = _lowest(bounds, wanted, in_blocks=self.axes.basis is not None)
            first = first[np.isfinite(bounds[first])]
        if len(first) < wanted:
            rows = np.flatnonzero(np.isfinite(bounds))
        else:
            reach = float(np.partition(self._squared(probe, first), wanted - 1)[wanted - 1])
            rows = np.flatnonzero(bounds <= reach + _ROUNDING)
            if len(rows) > self.count * _MANY and len(rows) > wanted:
                rows = self._sieved(probe, rows, wanted)
        squared = self._squared(probe, rows)
        order = squared.argsort(kind="stable")[:wanted]
        return [(math.sqrt(squared[place]), int(rows[place])) for place in order]

    def _sieved(self, probe: Floats, rows: NDArray[np.intp], wanted: int) -> NDArray[np.intp]:
        """Those of many rows that may be among the nearest; a product is quicker than so many differences."""
        if self.is_compact or self.axes.basis is None:
            return rows
        rough = (self.turned @ (probe * np.float32(-2)) + self.squares)[rows]
        reach = float(np.partition(rough, wanted - 1)[wanted - 1])
        return rows[rough <= reach + 2 * _ROUNDING]

    def _bounds(self, probe: Floats) -> Floats:
        """Squared lower bounds of all distances; the squared distances themselves while there is no basis."""
        if self.is_compact:
            return self._rough_bounds(probe)
        if self.axes.basis is not None:
            # The length of the rest is one coordinate: nobody is nearer than by the difference of lengths.
            rest = probe[HEAD:]
            probe = np.append(probe[:HEAD], np.float32(math.sqrt(rest @ rest)))
        bounds = np.asarray((probe * np.float32(-2)) @ self.heads, np.float32)
        bounds += self.squares
        bounds += probe @ probe
        return bounds

    def _rough_bounds(self, probe: Floats) -> Floats:
        wide = len(self.heads)
        head, rest = probe[:wide], probe[wide:]
        bounds = self._products(head * np.float32(-2 * self.step))
        bounds += self.squares
        bounds += head @ head
        np.maximum(bounds, 0, out=bounds)
        np.sqrt(bounds, out=bounds)
        bounds -= self.slack
        np.maximum(bounds, 0, out=bounds)
        bounds *= bounds
        apart = self.tails - np.float32(math.sqrt(rest @ rest))
        apart *= apart
        bounds += apart
        return bounds

    def _products(self, head: Floats) -> Floats:
        """The scan of the compact form, a part at a time."""
        products = np.empty(self.count, np.float32)
        for at in range(0, self.count, _COLUMNS_AT_ONCE):
            part = self.heads[:, at : at + _COLUMNS_AT_ONCE].astype(np.float32)
            np.matmul(head, part, out=products[at : at + _COLUMNS_AT_ONCE])
        return products

    def _squared(self, probe: Floats, rows: NDArray[np.intp]) -> Floats:
        differences = self.whole(rows) - probe
        return np.asarray(np.einsum("ij,ij->i", differences, differences), np.float32)

    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return self.turned, self.heads, self.squares, self.tails, self.slack


def without_row(values: NDArray[Any], row: int) -> NDArray[Any]:
    """A copy without one row, whose place the last one takes: no other changes its number."""
    left = values[:-1].copy()
    if row < len(left):
        left[row] = values[-1]
    return left


def _lowest(bounds: Floats, wanted: int, *, in_blocks: bool) -> NDArray[np.intp]:
    """At least ``wanted`` places, if there are so many, where bounds are low; not always the lowest ones.

    Why blocks: the least of each of many blocks is found in one pass, and only those are put in order.
    """
    blocks = len(bounds) // _BLOCK_ROWS
    few = _FIRST_BLOCKS + wanted
    if not in_blocks or blocks <= few:
        few = min(max(wanted, 1), len(bounds))
        return np.argpartition(bounds, few - 1)[:few] if few else np.empty(0, np.intp)
    least = bounds[: blocks * _BLOCK_ROWS].reshape(blocks, _BLOCK_ROWS)
    first = np.argpartition(least.min(axis=1), few - 1)[:few]
    return np.asarray(first * _BLOCK_ROWS + least[first].argmin(axis=1), np.intp)


def _lowest_of_rows(values: NDArray[np.floating], few: int) -> NDArray[np.intp]:
    """Places (n, few) of the lowest values of each row, in no order.

    Why strands: the least of each is found in one pass over a row, and the ``few`` lowest of the row are all
    in the ``few`` strands whose least is lowest; to put in order what is left costs a tenth of the row.
    """
    rows, columns = values.shape
    strands = columns // _STRAND_LENGTH
    if strands <= 4 * few:
        return np.argpartition(values, few - 1, axis=1)[:, :few]
    inside = strands * _STRAND_LENGTH
    least = values[:, :inside].reshape(rows, _STRAND_LENGTH, strands).min(axis=1)
    lowest = np.argpartition(least, few - 1, axis=1)[:, :few]
    places = (np.arange(_STRAND_LENGTH)[:, None] * strands + lowest[:, None, :]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(inside, columns), (rows, columns - inside))
    places = np.concatenate([places, rest], axis=1)
    best = np.argpartition(np.take_along_axis(values, places, axis=1), few - 1, axis=1)[:, :few]
    return np.take_along_axis(places, best, axis=1)


def neighbourhoods(points: Points, of: NDArray[np.intp]) -> tuple[Floats, Numbers]:
    """For some persons the nearest other ones.

    Returns:
        Distances (len(of), NEIGHBOURS), ascending, infinite where there are not so many persons; and whose
        they are, ``NOBODY`` there.
    """
    distances = np.full((len(of), NEIGHBOURS), np.inf, np.float32)
    persons = np.full((len(of), NEIGHBOURS), NOBODY, np.int32)
    stride = max(1, -(-points.count // _NEIGHBOURS_FROM))
    others = points.whole(slice(None, None, stride))
    squares = np.einsum("ij,ij->i", others, others)
    few = min(NEIGHBOURS, len(others))
    step = max(1, _PAIRS_AT_ONCE // max(1, len(others)))
    for at in range(0, len(of) if few else 0, step):
        part = of[at : at + step]
        own = points.whole(part)
        pairs = (own * np.float32(-2)) @ others.T
        pairs += squares
        sampled = np.flatnonzero(part % stride == 0)
        pairs[sampled, part[sampled] // stride] = np.inf
        best = _lowest_of_rows(pairs, few)
        values = np.take_along_axis(pairs, best, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        values = np.take_along_axis(values, order, axis=1)
        values += np.einsum("ij,ij->i", own, own)[:, None]
        real = np.isfinite(values)
        distances[at : at + step, :few] = np.where(real, np.sqrt(np.maximum(values, 0.0)), np.inf)
        persons[at : at + step, :few] = np.where(real, best * stride, NOBODY)
    return distances, persons

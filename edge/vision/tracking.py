"""Which of these boxes is which of those: follows faces and plates from frame to frame. Pure.

A track moves with constant velocity between two frames. A box belongs to the track whose expected box it
overlaps best, or, for a small plate seen only twice a second, to the one it is near enough to. Plates also
carry their text: near-equal text joins what has moved far, contradictory text parts what overlaps.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge.records import Box, Kind

# A track that is looked for and not found ends after this time, and not before so many searches.
GAP_S = 1.0
GAP_SEARCHES = 3
LEAST_IOU = 0.15
# Centres may be this many box sizes away from where they are expected, and sizes may differ by this factor.
MOST_STRIDE = 1.2
MOST_GROWTH = 1.8
# Expectation is not stretched farther than this: nobody at a gate keeps a velocity for longer.
MOST_PREDICTION_S = 0.6
NEAR_TEXT = 1
FAR_TEXT = 4
LEAST_TEXT = 6
_NS = 1e9


@dataclass(frozen=True, slots=True)
class Seen:
    """One detection: where, and what it reads as if that is already known and sure."""

    box: Box
    text: str = ""


@dataclass(slots=True)
class Track:
    """One face or plate over time. Written by its tracker only.

    Attributes:
        id: From 1, never used twice by one tracker. first_ns, last_ns: Capture times of first and last frame.
        velocity: Pixels per second of the centre, and growth of width and height.
        hits: Frames it was found in; misses: searches in vain since then.
    """

    id: int
    kind: Kind
    box: Box
    first_ns: int
    last_ns: int
    text: str = ""
    velocity: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    hits: int = 1
    misses: int = 0

    def expected(self, now_ns: int) -> Box:
        """Where it should be at that time."""
        seconds = min(max(0.0, (now_ns - self.last_ns) / _NS), MOST_PREDICTION_S)
        x, y, width, height = _centre(self.box)
        vx, vy, vw, vh = self.velocity
        width, height = max(1.0, width + vw * seconds), max(1.0, height + vh * seconds)
        x, y = x + vx * seconds, y + vy * seconds
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


@dataclass(slots=True)
class Tracker:
    """Owns the tracks of one camera, of all kinds, and their ids. One thread."""

    gap_s: float = GAP_S
    _tracks: dict[int, Track] = field(default_factory=dict)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def tracks(self, kind: Kind | None = None) -> tuple[Track, ...]:
        """The tracks that live, oldest first."""
        return tuple(track for track in self._tracks.values() if kind is None or track.kind is kind)

    def update(
        self,
        kind: Kind,
        seen: Sequence[Seen],
        now_ns: int,
        was_searched: Callable[[Box], bool] = lambda _box: True,
    ) -> tuple[Track, ...]:
        """Take the result of one search.

        Args:
            kind: What was searched for.
            seen: Everything of that kind in the frame.
            now_ns: Capture time of the frame.
            was_searched: Whether a place was looked at; a track expected elsewhere is not missed.

        Returns:
            For each thing seen its track, in the same order.
        """
        alive = self.tracks(kind)
        costs = [
            (cost, s, track.id)
            for s, thing in enumerate(seen)
            for track in alive
            if (cost := _cost(track, thing, now_ns)) is not None
        ]
        # Best pair first. With the few things a lane shows this differs from the optimal assignment only
        # where two boxes nearly coincide, and there the detector has already kept one of them.
        found: dict[int, Track] = {}
        taken: set[int] = set()
        for _, s, track_id in sorted(costs):
            if s not in found and track_id not in taken:
                found[s] = self._tracks[track_id]
                taken.add(track_id)
                _move(self._tracks[track_id], seen[s], now_ns)
        for track in alive:
            if track.id not in taken and was_searched(track.expected(now_ns)):
                track.misses += 1
        return tuple(found.get(s) or self._begin(kind, thing, now_ns) for s, thing in enumerate(seen))

    def split(self, track: Track) -> Track:
        """Part a track from what it now shows, because that is somebody else.

        Returns:
            The new track, with the last box; the old one is gone and must be told as ended.
        """
        del self._tracks[track.id]
        return self._begin(track.kind, Seen(track.box, track.text), track.last_ns)

    def end_lost(self, now_ns: int) -> tuple[Track, ...]:
        """Take out and return the tracks that were looked for long enough and not found."""
        lost = [
            track
            for track in self._tracks.values()
            if track.misses >= GAP_SEARCHES and now_ns - track.last_ns > self.gap_s * _NS
        ]
        return self._end(lost)

    def end(self, track: Track) -> None:
        """Take one track out."""
        del self._tracks[track.id]

    def end_all(self) -> tuple[Track, ...]:
        """Take out and return all tracks: the camera is gone."""
        return self._end(list(self._tracks.values()))

    def _end(self, tracks: list[Track]) -> tuple[Track, ...]:
        for track in tracks:
            del self._tracks[track.id]
        return tuple(tracks)

    def _begin(self, kind: Kind, thing: Seen, now_ns: int) -> Track:
        track = Track(next(self._ids), kind, thing.box, now_ns, now_ns, thing.text)
        self._tracks[track.id] = track
        return track


def text_distance(one: str, other: str) -> int:
    """Levenshtein distance: insertions, deletions and replacements that turn one into the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def _cost(track: Track, thing: Seen, now_ns: int) -> float | None:
    """How badly a thing fits a track, 0..2; None when it cannot be the same."""
    near_text = False
    if min(len(track.text), len(thing.text)) >= LEAST_TEXT:
        distance = text_distance(track.text, thing.text)
        if distance >= FAR_TEXT:
            return None
        near_text = distance <= NEAR_TEXT
    expected = track.expected(now_ns)
    iou = expected.iou(thing.box)
    if iou >= LEAST_IOU:
        return 1.0 - iou - 0.5 * near_text
    if near_text:
        return 1.0
    stride = _stride(expected, thing.box)
    return 1.0 + stride / MOST_STRIDE if stride <= MOST_STRIDE else None


def _stride(one: Box, other: Box) -> float:
    """Distance of the centres in mean box sizes; infinite when the sizes do not fit."""
    x1, y1, w1, h1 = _centre(one)
    x2, y2, w2, h2 = _centre(other)
    size1, size2 = (w1 * h1) ** 0.5, (w2 * h2) ** 0.5
    if min(size1, size2) <= 0 or max(size1, size2) / min(size1, size2) > MOST_GROWTH:
        return float("inf")
    return float(((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5 / ((size1 + size2) / 2))


def _move(track: Track, thing: Seen, now_ns: int) -> None:
    seconds = (now_ns - track.last_ns) / _NS
    if seconds > 0:
        before, after = _centre(track.box), _centre(thing.box)
        # Half old, half new: a box trembles by some pixels, which at 15 frames/s would be a speed.
        trust = 1.0 if track.hits == 1 else 0.5
        vx, vy, vw, vh = (
            (1 - trust) * old + trust * (b - a) / seconds
            for old, a, b in zip(track.velocity, before, after, strict=True)
        )
        track.velocity = vx, vy, vw, vh
    track.box = thing.box
    track.text = thing.text or track.text
    track.last_ns = now_ns
    track.hits += 1
    track.misses = 0


def _centre(box: Box) -> tuple[float, float, float, float]:
    """Centre, width and height."""
    return (box.left + box.right) / 2, (box.top + box.bottom) / 2, box.width, box.height

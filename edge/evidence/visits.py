"""Several tracks of one arrival are one visit: one access event, not five.

A track breaks when somebody turns away or a car is hidden for a second. The next track on the same lane is
the same visit when it shows the same subject, or the same person by another credential, or, as nobody is
known, a face near the earlier one or a plate that reads nearly the same, and the pause was short. Pure: time
is given.

Thread: the worker that decides only.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_S
from edge.records import Identity, Kind, Verdict, new_id
from models.plate import plate_distance

SAME_FACE_DISTANCE = 0.5
"""Two descriptors of dlib's network nearer than this show the same person (its authors' limit is 0.6)."""

SAME_PLATE_DISTANCE = 1.0
"""Look-alikes only; one character that nobody mixes up is another car."""

_KEPT = 256  # tracks and visits that are remembered, those seen last; a busy lane has a few at a time
_KEPT_TEMPLATES = 8


@dataclass(slots=True)
class _Visit:
    id: str
    lane: str
    last_ns: int
    persons: set[str] = field(default_factory=set)
    plates: set[str] = field(default_factory=set)
    templates: list[NDArray[np.float32]] = field(default_factory=list)
    reported: Verdict | None = None
    is_over: bool = False


class Visits:
    """The visits of all lanes that may still go on."""

    def __init__(self, gap_s: float) -> None:
        """Start with nobody there.

        Args:
            gap_s: Seen again within this pause is the same visit.
        """
        self.gap_s = gap_s
        self._visits: OrderedDict[str, _Visit] = OrderedDict()  # seen last stands last
        self._tracks: OrderedDict[tuple[str, str, int], str] = OrderedDict()

    def place(
        self,
        lane: str,
        identity: Identity,
        now_ns: int,
        *,
        person: str | None = None,
        template: bytes = b"",
    ) -> str:
        """The id of the visit that this identity belongs to, from now on.

        Call it with every identity of a track; the answer for a track may change when the track turns out to
        be another one's continuation, or to show somebody else.

        Args:
            lane: A camera may serve several lanes; each has visits of its own.
            identity: What the evidence says; its own ``visit`` becomes the id when nothing earlier fits.
            now_ns: CLOCK_BOOTTIME.
            person: Whom the roster knows behind the subject; joins a face and a plate.
            template: Descriptor of the latest usable face read, little-endian float32.
        """
        track = (lane, identity.session, identity.track_id)
        seen = _traits(lane, identity, person, template)
        visit = self._visits.get(self._tracks.get(track, ""))
        if visit is None or _contradicts(visit, seen):
            visit = self._find(seen, now_ns) or self._new(
                seen, identity.visit if visit is None else "", now_ns
            )
        elif identity.settled and not (visit.persons or visit.plates or visit.reported):
            earlier = self._find(seen, now_ns, other_than=visit)
            if earlier is not None:
                self._drop_unless_shared(visit, track)
                visit = earlier
        self._tracks[track] = visit.id
        self._tracks.move_to_end(track)
        self._visits.move_to_end(visit.id)
        _learn(visit, seen, now_ns)
        for remembered in (self._tracks, self._visits):
            while len(remembered) > _KEPT:
                remembered.popitem(last=False)
        self.forget_faces(now_ns)
        return visit.id

    def forget_faces(self, now_ns: int) -> None:
        """Let go of the descriptors of those who have left: nobody is compared with them any more."""
        since_ns = now_ns - round(self.gap_s * NS_PER_S)
        for visit in reversed(self._visits.values()):
            if visit.last_ns >= since_ns:
                continue
            if visit.is_over:
                break  # and so are all before it
            visit.is_over = True
            visit.templates = []

    def report(self, visit_id: str, verdict: Verdict) -> bool:
        """Whether a verdict on a visit is news, to be journaled as its access event.

        The first GRANT or DENY is; a GRANT after a DENY is as well, since somebody does pass. WAIT never is.
        """
        visit = self._visits.get(visit_id)
        if verdict is Verdict.WAIT or visit is None:
            return False
        news = visit.reported is None or (visit.reported is Verdict.DENY and verdict is Verdict.GRANT)
        if news:
            visit.reported = verdict
        return news

    def present(self, lane: str, now_ns: int) -> tuple[str, ...]:
        """Ids of the visits of a lane that go on."""
        return tuple(visit.id for visit in self._going_on(now_ns) if visit.lane == lane)

    def _going_on(self, now_ns: int) -> Iterator[_Visit]:
        """The visits whose pause is not over yet, seen last first."""
        since_ns = now_ns - round(self.gap_s * NS_PER_S)
        return itertools.takewhile(lambda visit: visit.last_ns >= since_ns, reversed(self._visits.values()))

    def _find(self, seen: _Visit, now_ns: int, other_than: _Visit | None = None) -> _Visit | None:
        """The nearest visit that goes on and shows the same; None when there is none."""
        near = [
            (distance, visit)
            for visit in self._going_on(now_ns)
            if visit is not other_than
            and visit.lane == seen.lane
            and (distance := _distance(visit, seen)) < 1.0
        ]
        return min(near, key=lambda pair: (pair[0], -pair[1].last_ns))[1] if near else None

    def _new(self, seen: _Visit, visit_id: str, now_ns: int) -> _Visit:
        if not visit_id or visit_id in self._visits:
            visit_id = new_id()
        visit = self._visits[visit_id] = _Visit(visit_id, seen.lane, now_ns)
        return visit

    def _drop_unless_shared(self, visit: _Visit, track: tuple[str, str, int]) -> None:
        """A track that proves to go on with an earlier visit leaves no second one behind."""
        if all(visit_id != visit.id for other, visit_id in self._tracks.items() if other != track):
            del self._visits[visit.id]


def _traits(lane: str, identity: Identity, person: str | None, template: bytes) -> _Visit:
    """What one identity shows, in the shape of a visit."""
    seen = _Visit("", lane, 0)
    if person is not None:
        seen.persons.add(person)
    if identity.settled and identity.subject is not None:
        (seen.plates if identity.kind is Kind.PLATE else seen.persons).add(identity.subject)
    if template:
        seen.templates.append(np.frombuffer(template, "<f4"))
    return seen


def _distance(visit: _Visit, seen: _Visit) -> float:
    """0 for the same subject, up to 1 for the same by likeness, 1 and more for somebody else."""
    if visit.plates & seen.plates:
        return 0.0
    if visit.persons and seen.persons and not visit.persons & seen.persons:
        return 2.0  # two whom we know, and they are not the same
    plates = [plate_distance(a, b) / SAME_PLATE_DISTANCE for a in visit.plates for b in seen.plates]
    if plates:
        return min(plates)  # before the faces and the owner: two cars of one owner are two visits
    if visit.persons & seen.persons:
        return 0.0
    faces = [
        float(np.linalg.norm(a - b)) / SAME_FACE_DISTANCE
        for a in visit.templates
        for b in seen.templates
        if a.shape == b.shape
    ]
    return min(faces, default=2.0)


def _contradicts(visit: _Visit, seen: _Visit) -> bool:
    """Whether a followed track now clearly shows another subject than its visit does."""
    if visit.plates and seen.plates:
        return _distance(visit, seen) >= 1.0
    return bool(visit.persons and seen.persons) and not visit.persons & seen.persons


def _learn(visit: _Visit, seen: _Visit, now_ns: int) -> None:
    visit.last_ns = max(visit.last_ns, now_ns)
    visit.is_over = False
    visit.persons |= seen.persons
    visit.plates |= seen.plates
    visit.templates = [*visit.templates, *seen.templates][-_KEPT_TEMPLATES:]

"""Evidence for one face track: many sightings in, one identity out.

Every usable sighting votes with its quality as weight: for the person it is judged to show, for a stranger
when nobody enrolled is near enough, or for two people at once when the runner-up is too near. A person needs
enough reads and more weight than all other votes together: a stranger's read speaks against everybody, and
an even vote names nobody. Flawed sightings say nothing either way. Pure: time comes in with the sightings.

Thread: the worker that decides only.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.clock import NS_PER_MS
from edge.records import Identity, Kind, Sighting
from models.face import FaceMatch, FaceRule, Measure

STRANGER = "stranger"
AMBIGUOUS = "ambiguous"
KNOWN = "known"
OPEN = "open"

FIXED_RULE = FaceRule(Measure.DISTANCE, 0.5, 0.05)
"""Without a gallery to calibrate with."""

_MIN_WEIGHT = 0.05
_KEPT_READS = (
    64  # votes that are remembered: a face that stays for minutes must not remember its first second
)
_NO_RIVAL = 2.0  # margin when nobody else is enrolled; JSON has no infinity


@dataclass(frozen=True, slots=True)
class _Vote:
    subject: str | None  # None: a stranger, or two at once (``torn``)
    torn: bool
    weight: float
    taken_ns: int
    match: FaceMatch


class FaceEvidence:
    """What the reads of one track say together."""

    def __init__(
        self,
        *,
        visit: str,
        agreeing_reads: int = 2,
        rule: FaceRule = FIXED_RULE,
        stranger_after_ms: int = 1200,
    ) -> None:
        """Start with no evidence.

        Args:
            visit: Id of the visit this track belongs to (``edge.evidence.visits``).
            agreeing_reads: Usable reads that must agree, on a person as on a stranger; at least 1.
            rule: When one read speaks for the nearest person; made for the gallery that it was matched with.
            stranger_after_ms: Reads that show nobody must span this long before it is a stranger.
        """
        if agreeing_reads < 1:
            raise ValueError("agreeing_reads must be at least 1")
        self._visit = visit
        self._agreeing_reads = agreeing_reads
        self._rule = rule
        self._stranger_after_ns = stranger_after_ms * NS_PER_MS
        self._votes: deque[_Vote] = deque(maxlen=_KEPT_READS)
        self._flaws: Counter[str] = Counter()
        self._last: Sighting | None = None
        self._first_ns = 0
        self._best: Sighting | None = None

    def observe(self, sighting: Sighting, match: FaceMatch | None) -> Identity:
        """Take one sighting of the track and say what is known by now.

        Args:
            sighting: Of this track.
            match: What the gallery said to its template; None for a flawed sighting that nobody matched.

        Raises:
            ValueError: The sighting is not a face, belongs to another track, or is usable but not matched.
        """
        last = self._last
        if sighting.kind is not Kind.FACE:
            raise ValueError(f"track {sighting.track_id} is a {sighting.kind}, not a face")
        if last is not None and (last.session, last.track_id) != (sighting.session, sighting.track_id):
            raise ValueError(f"sighting of track {sighting.track_id} in the evidence of {last.track_id}")
        # The last record of a track and a frozen camera repeat a frame: the same read must not vote twice.
        repeats = sighting.ended or (last is not None and sighting.seq <= last.seq)
        if last is None:
            self._first_ns = sighting.taken_ns
        self._last = sighting
        if not repeats and sighting.flaw:
            self._flaws[sighting.flaw] += 1
        elif not repeats:
            if match is None:
                raise ValueError(f"a usable sighting of track {sighting.track_id} was not matched")
            self._votes.append(self._vote(sighting, match))
            if self._best is None or sighting.quality >= self._best.quality:
                self._best = sighting
        return self._identity(sighting)

    def _vote(self, sighting: Sighting, match: FaceMatch) -> _Vote:
        speaks = self._rule.accepts(match)
        near = replace(self._rule, margin=-math.inf).accepts(match)
        weight = min(max(sighting.quality, _MIN_WEIGHT), 1.0)
        return _Vote(match.subject if speaks else None, near and not speaks, weight, sighting.taken_ns, match)

    def _outcome(self) -> tuple[str, str | None, list[_Vote]]:
        """What the votes say: the outcome, the person if one is known, and the votes that carry it."""
        weights: dict[str, float] = {}
        for vote in self._votes:
            if vote.subject is not None:
                weights[vote.subject] = weights.get(vote.subject, 0.0) + vote.weight
        total = math.fsum(vote.weight for vote in self._votes)
        if weights:
            leader = max(weights, key=lambda subject: (weights[subject], subject))
            carrying = [vote for vote in self._votes if vote.subject == leader]
            if len(carrying) >= self._agreeing_reads and 2 * weights[leader] > total:
                return KNOWN, leader, carrying
        unknown = [vote for vote in self._votes if vote.subject is None and not vote.torn]
        if self._lasting(unknown) and 2 * math.fsum(vote.weight for vote in unknown) > total:
            return STRANGER, None, unknown
        torn = [vote for vote in self._votes if vote.torn]
        between = list(self._votes) if len(weights) > 1 else torn
        if self._lasting(between) and (len(weights) > 1 or 2 * math.fsum(v.weight for v in torn) >= total):
            return AMBIGUOUS, None, between
        return OPEN, None, []

    def _lasting(self, votes: list[_Vote]) -> bool:
        return (
            len(votes) >= self._agreeing_reads
            and votes[-1].taken_ns - votes[0].taken_ns >= self._stranger_after_ns
        )

    def _identity(self, sighting: Sighting) -> Identity:
        outcome, subject, carrying = self._outcome()
        total = math.fsum(vote.weight for vote in self._votes)
        picture = self._best if self._best is not None else sighting
        margins = [min(vote.match.margin, _NO_RIVAL) for vote in carrying]
        return Identity(
            camera=sighting.camera,
            session=sighting.session,
            track_id=sighting.track_id,
            visit=self._visit,
            kind=Kind.FACE,
            subject=subject,
            settled=outcome != OPEN,
            confidence=math.fsum(vote.weight for vote in carrying) / total if total else 0.0,
            margin=math.fsum(margins) / len(margins) if outcome == KNOWN else 0.0,
            samples=len(self._votes),
            first_ns=self._first_ns,
            last_ns=carrying[-1].taken_ns if carrying else sighting.taken_ns,
            explanation=self._explanation(outcome),
            stages_ms=sighting.stages_ms,
            crop_jpeg=picture.crop_jpeg,
        )

    def _explanation(self, outcome: str) -> Mapping[str, Any]:
        subjects = Counter(vote.subject for vote in self._votes if vote.subject is not None)
        unknown = [vote for vote in self._votes if vote.subject is None and not vote.torn]
        torn = [vote for vote in self._votes if vote.torn]
        nearest = min(self._votes, key=lambda vote: vote.match.distance, default=None)
        return {
            "outcome": outcome,
            "unit": "descriptor distance",
            "measure": self._rule.measure.value,
            "limit": round(self._rule.threshold, 4),
            "margin_needed": self._rule.margin,
            "agreeing_needed": self._agreeing_reads,
            "stranger_after_ms": self._stranger_after_ns // NS_PER_MS,
            "votes": {
                subject: _tally([vote for vote in self._votes if vote.subject == subject])
                for subject, _ in subjects.most_common(5)
            },
            "unknown": _tally(unknown),
            "ambiguous": _tally(torn),
            "nearest": None if nearest is None else _numbers(nearest.match),
            "last": _numbers(self._votes[-1].match) if self._votes else None,
            "flaws": dict(self._flaws),
        }


def _tally(votes: list[_Vote]) -> dict[str, Any]:
    tally: dict[str, Any] = {"reads": len(votes), "weight": round(math.fsum(v.weight for v in votes), 3)}
    if votes:
        tally["best_distance"] = _finite(min(vote.match.distance for vote in votes))
        tally["span_ms"] = (votes[-1].taken_ns - votes[0].taken_ns) // NS_PER_MS
    return tally


def _numbers(match: FaceMatch) -> dict[str, Any]:
    return {
        "subject": match.subject,
        "score": _finite(match.score),
        "distance": _finite(match.distance),
        "runner_up": match.runner_up,
        "runner_up_distance": _finite(match.runner_up_distance),
    }


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None

"""Evidence for one face track: many sightings in, one identity out.

Every usable sighting votes with its quality as weight: for the person it resembles, for a stranger when it
resembles nobody enough, or for two people at once when the runner-up is too near. A person needs enough reads
and more weight than all other votes together: a stranger's read speaks against everybody, and an even vote
names nobody. Then the mean of the reads that support the name must be good enough to open: what differs from
frame to frame cancels out in it, so it names residents in 9 of 10 visits where a single picture does in 7.
Flawed sightings say nothing either way. Pure: time comes in with the sightings.

Thread: the worker that decides only.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_MS
from edge.records import Identity, Kind, Sighting
from models.face import FaceMatch, FaceRule, Measure, mean_template

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


Ask = Callable[[NDArray[np.float32]], FaceMatch]


@dataclass(frozen=True, slots=True)
class _Vote:
    subject: str | None  # None: a stranger, or two at once (``torn``)
    torn: bool
    is_sure: bool  # would name that person by itself
    weight: float
    taken_ns: int
    match: FaceMatch
    template: bytes


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
        self._together: FaceMatch | None = None
        self._needs_mean = False
        self._flaws: Counter[str] = Counter()
        self._last: Sighting | None = None
        self._first_ns = 0
        self._best: Sighting | None = None
        self._shown: dict[
            str, Sighting
        ] = {}  # by whom a read spoke for, so that nobody's picture is another's

    def observe(self, sighting: Sighting, match: FaceMatch | None, ask: Ask | None = None) -> Identity:
        """Take one sighting of the track and say what is known by now.

        Args:
            sighting: Of this track.
            match: What the gallery said to its template; None for a flawed sighting that nobody matched.
            ask: Asks the same gallery again, about the mean of the reads that support a name; None where only
                single reads are judged, and then each must be good enough by itself.

        Raises:
            ValueError: The sighting is not a face, belongs to another track, or is usable but not matched.
        """
        last = self._last
        if sighting.kind is not Kind.FACE:
            raise ValueError(f"track {sighting.track_id} is a {sighting.kind}, not a face")
        if last is not None and (last.session, last.track_id) != (sighting.session, sighting.track_id):
            raise ValueError(f"sighting of track {sighting.track_id} in the evidence of {last.track_id}")
        repeats = self._repeats(sighting)
        if last is None:
            self._first_ns = sighting.taken_ns
        self._last = sighting
        if not repeats and sighting.flaw:
            self._flaws[sighting.flaw] += 1
        elif not repeats:
            if match is None:
                raise ValueError(f"a usable sighting of track {sighting.track_id} was not matched")
            self._votes.append(self._vote(sighting, match, is_single=ask is None))
            self._together = None if ask is None else self._ask_about_the_mean(ask)
            self._needs_mean = ask is not None
            if self._best is None or sighting.quality >= self._best.quality:
                self._best = sighting
            named = self._votes[-1].subject
            if named is not None and sighting.quality >= _quality(self._shown.get(named)):
                self._shown[named] = sighting
        return self._identity(sighting)

    def _repeats(self, sighting: Sighting) -> bool:
        """The last record of a track and a frozen camera repeat a frame: a read must not vote twice."""
        return sighting.ended or (self._last is not None and sighting.seq <= self._last.seq)

    def _ask_about_the_mean(self, ask: Ask) -> FaceMatch | None:
        """What the gallery says to all reads that support the leading name together."""
        carrying = self._carrying()
        if not carrying:
            return None
        templates = [np.frombuffer(vote.template, "<f4") for vote in carrying]
        return ask(mean_template(templates, [vote.weight for vote in carrying]))

    def _vote(self, sighting: Sighting, match: FaceMatch, *, is_single: bool) -> _Vote:
        rule = self._rule
        torn = rule.is_near(match) and match.margin < rule.margin
        speaks = rule.accepts(match) if is_single else rule.supports(match) and not torn
        subject = match.subject if speaks else None
        weight = _weight(sighting)
        return _Vote(subject, torn, rule.accepts(match), weight, sighting.taken_ns, match, sighting.template)

    def _outcome(self) -> tuple[str, str | None, list[_Vote]]:
        """What the votes say: the outcome, the person if one is known, and the votes that carry it."""
        total = math.fsum(vote.weight for vote in self._votes)
        carrying = self._carrying()
        if len(carrying) >= self._agreeing_reads and 2 * math.fsum(v.weight for v in carrying) > total:
            leader = carrying[0].subject
            if leader is not None and self._is_named_together(leader):
                return KNOWN, leader, carrying
        # From here on a read that only resembles somebody is one that shows nobody.
        unknown = [vote for vote in self._votes if not vote.is_sure and not vote.torn]
        if self._lasting(unknown) and 2 * math.fsum(vote.weight for vote in unknown) > total:
            return STRANGER, None, unknown
        torn = [vote for vote in self._votes if vote.torn]
        several = len({vote.subject for vote in self._votes if vote.is_sure}) > 1
        between = list(self._votes) if several else torn
        if self._lasting(between) and (several or 2 * math.fsum(v.weight for v in torn) >= total):
            return AMBIGUOUS, None, between
        return OPEN, None, []

    def _is_named_together(self, subject: str) -> bool:
        if not self._needs_mean:
            return True
        together = self._together
        return together is not None and together.subject == subject and self._rule.accepts(together)

    def _carrying(self) -> list[_Vote]:
        """The votes for the person with the greatest weight."""
        weights: dict[str, float] = {}
        for vote in self._votes:
            if vote.subject is not None:
                weights[vote.subject] = weights.get(vote.subject, 0.0) + vote.weight
        leader = max(weights, key=lambda subject: (weights[subject], subject), default=None)
        return [vote for vote in self._votes if leader is not None and vote.subject == leader]

    def _lasting(self, votes: list[_Vote]) -> bool:
        return (
            len(votes) >= self._agreeing_reads
            and votes[-1].taken_ns - votes[0].taken_ns >= self._stranger_after_ns
        )

    def _identity(self, sighting: Sighting) -> Identity:
        outcome, subject, carrying = self._outcome()
        total = math.fsum(vote.weight for vote in self._votes)
        picture = self._shown.get(subject or "", self._best or sighting)
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
        rule = self._rule
        judged = self._together or (None if nearest is None else nearest.match)
        return {
            "outcome": outcome,
            "score": None if judged is None else _finite(rule.value(judged)),
            "threshold": _finite(rule.threshold),
            "unit": "descriptor distance",
            "measure": rule.measure.value,
            "limit": round(rule.threshold, 4),
            "limit_elsewhere": _finite(rule.elsewhere),
            "limit_of_a_read": _finite(rule.hint),
            "margin_needed": rule.margin,
            "rate": rule.rate,
            "persons": rule.persons,
            "agreeing_needed": self._agreeing_reads,
            "stranger_after_ms": self._stranger_after_ns // NS_PER_MS,
            "votes": {
                subject: _tally([vote for vote in self._votes if vote.subject == subject])
                for subject, _ in subjects.most_common(5)
            },
            "unknown": _tally(unknown),
            "ambiguous": _tally(torn),
            "together": None if self._together is None else _numbers(self._together),
            "nearest": None if nearest is None else _numbers(nearest.match),
            "last": _numbers(self._votes[-1].match) if self._votes else None,
            "flaws": dict(self._flaws),
        }


def _quality(sighting: Sighting | None) -> float:
    return 0.0 if sighting is None else sighting.quality


def _weight(sighting: Sighting) -> float:
    return min(max(sighting.quality, _MIN_WEIGHT), 1.0)


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
        "cohort_mean": _finite(match.cohort_mean),
        "entry_mean": _finite(match.entry_mean),
    }


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None

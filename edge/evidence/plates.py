"""Evidence for one plate track: many sightings in, one identity out.

Every usable sighting is decoded alone and, when it is a legal plate, added to a fused lattice with its
quality as weight. The track is settled when enough single reads say what the fused lattice says and the fused
margin to the second-best plate suffices. Reads that are no legal plate are counted and have no vote. When
the track clearly shows another car (two reads in a row agree with each other and not with the sum), the sum
starts anew. Pure: time comes in with the sightings.

Thread: the camera's eye worker only.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from edge.clock import NS_PER_MS
from edge.records import Identity, Kind, Sighting
from models.plate import Decoded, LatticeFusion, PlateKind, decode, plate_distance

# The sum of several reads may go further against one read's best candidate than a single read may.
_FUSED_OVERRULE = 30.0
# Another car: the texts lie as far apart as three characters that nobody mixes up.
_OTHER_CAR_DISTANCE = 3.0
_OTHER_CAR_READS = 2
_MIN_WEIGHT = 0.05
_KEPT_READS = 24  # single reads that are remembered for agreement; a parked car is read for hours


class PlateEvidence:
    """What the reads of one track say together."""

    def __init__(
        self,
        *,
        visit: str,
        agreeing_reads: int = 2,
        margin: float = 3.0,
        kinds: Iterable[PlateKind] | None = None,
    ) -> None:
        """Start with no evidence.

        Args:
            visit: Id of the visit this track belongs to (``edge.evidence.visits``).
            agreeing_reads: Single reads that must say the same as the sum; at least 1.
            margin: Nats between the best and the second-best legal plate of the sum.
            kinds: Kinds of plate that the lane reads; None for all current ones.
        """
        if agreeing_reads < 1:
            raise ValueError("agreeing_reads must be at least 1")
        self._visit = visit
        self._agreeing_reads = agreeing_reads
        self._margin = margin
        self._kinds = None if kinds is None else frozenset(kinds)
        self._last: Sighting | None = None
        self._first_ns = 0
        self._seen = 0
        self._illegal = 0
        self._flaws: Counter[str] = Counter()
        self._replaced: list[str] = []
        self._start_anew()

    def _start_anew(self) -> None:
        self._fusion = LatticeFusion()
        self._reads: list[str] = []
        self._read_ns: list[int] = []
        self._strangers: list[tuple[Sighting, Decoded]] = []
        self._fused = Decoded("")
        self._best: Sighting | None = None
        self._decided_ns = 0

    @property
    def replaced(self) -> tuple[str, ...]:
        """Plates that the track showed before it clearly showed another one; each was another arrival."""
        return tuple(self._replaced)

    def observe(self, sighting: Sighting) -> Identity:
        """Take one sighting of the track and say what is known by now.

        Raises:
            ValueError: The sighting is not a plate, or belongs to another track.
        """
        last = self._last
        if sighting.kind is not Kind.PLATE:
            raise ValueError(f"track {sighting.track_id} is a {sighting.kind}, not a plate")
        if last is not None and (last.session, last.track_id) != (sighting.session, sighting.track_id):
            raise ValueError(f"sighting of track {sighting.track_id} in the evidence of {last.track_id}")
        # The last record of a track and a frozen camera repeat a frame: the same read must not vote twice.
        repeats = sighting.ended or (last is not None and sighting.seq <= last.seq)
        if last is None:
            self._first_ns = sighting.taken_ns
        self._last = sighting
        if not repeats:
            self._take(sighting)
        return self._identity(sighting)

    def finish(self, now_ns: int) -> Identity:
        """Say what is known now that the track has ended; undecided stays undecided.

        Raises:
            ValueError: Nothing was ever observed.
        """
        if self._last is None:
            raise ValueError("no sighting was observed")
        return self._identity(self._last, ended_ns=now_ns)

    def _take(self, sighting: Sighting) -> None:
        self._seen += 1
        if sighting.flaw:
            self._flaws[sighting.flaw] += 1
            return
        single = decode(sighting.lattice, self._kinds)
        if not single.text:
            self._illegal += 1
            return
        if self._is_stranger(single):
            self._strangers.append((sighting, single))
            if len(self._strangers) < _OTHER_CAR_READS or not self._strangers_agree():
                return
            strangers = self._strangers
            self._replaced.append(self._fused.text)
            self._start_anew()
            self._first_ns = strangers[0][0].taken_ns
            for seen, read in strangers:
                self._add(seen, read)
            return
        self._strangers.clear()
        self._add(sighting, single)

    def _is_stranger(self, single: Decoded) -> bool:
        known = self._fused.text
        return bool(known) and plate_distance(single.text, known) >= _OTHER_CAR_DISTANCE

    def _strangers_agree(self) -> bool:
        """Whether the last unlike reads are like each other; drops the older ones that are not."""
        (_, before), (_, latest) = self._strangers[-2:]
        if plate_distance(before.text, latest.text) < 1.0:
            return True
        self._strangers = self._strangers[-1:]
        return False

    def _add(self, sighting: Sighting, single: Decoded) -> None:
        self._fusion.add(sighting.lattice, min(max(sighting.quality, _MIN_WEIGHT), 1.0))
        self._reads = [*self._reads[-_KEPT_READS + 1 :], single.text]
        self._read_ns = [*self._read_ns[-_KEPT_READS + 1 :], sighting.taken_ns]
        self._fused = decode(self._fusion.lattice(), self._kinds, overrule=_FUSED_OVERRULE)
        if single.text == self._fused.text:
            self._decided_ns = sighting.taken_ns
            if self._best is None or sighting.quality >= self._best.quality:
                self._best = sighting

    @property
    def _agreeing(self) -> int:
        return self._reads.count(self._fused.text) if self._fused.text else 0

    @property
    def _span_ms(self) -> int:
        """From the first read that agrees to the one that decided."""
        agreeing = (
            at for text, at in zip(self._reads, self._read_ns, strict=True) if text == self._fused.text
        )
        return max(0, self._decided_ns - next(agreeing, self._decided_ns)) // NS_PER_MS

    @property
    def _settled(self) -> bool:
        # A stranger read that still waits for a second one leaves open whose car this is.
        return (
            self._agreeing >= self._agreeing_reads
            and self._fused.margin >= self._margin
            and not self._strangers
        )

    def _identity(self, sighting: Sighting, *, ended_ns: int | None = None) -> Identity:
        fused, settled = self._fused, self._settled
        picture = self._best if self._best is not None else sighting
        return Identity(
            camera=sighting.camera,
            session=sighting.session,
            track_id=sighting.track_id,
            visit=self._visit,
            kind=Kind.PLATE,
            subject=fused.text if settled else None,
            settled=settled,
            confidence=1.0 / (1.0 + math.exp(-fused.margin)) if fused.text else 0.0,
            margin=fused.margin,
            samples=len(self._reads),
            first_ns=self._first_ns,
            last_ns=self._decided_ns or sighting.taken_ns,
            explanation=self._explanation(ended_ns),
            stages_ms=sighting.stages_ms,
            crop_jpeg=picture.crop_jpeg,
        )

    def _explanation(self, ended_ns: int | None) -> Mapping[str, Any]:
        fused = self._fused
        return {
            "text": fused.text,
            "raw": fused.raw,
            "kind": str(fused.kind) if fused.kind is not None else "",
            "kinds": [str(kind) for kind in fused.kinds],
            "unit": "nats",
            "score": round(fused.margin, 3),
            "threshold": self._margin,
            "margin": round(fused.margin, 3),
            "margin_needed": self._margin,
            "runner_up": fused.runner_up,
            "log_probability": round(fused.log_probability, 3) if fused.text else None,
            "seen": self._seen,
            "samples": len(self._reads),
            "agreeing": self._agreeing,
            "agreeing_needed": self._agreeing_reads,
            "span_ms": self._span_ms,
            "reads": dict(Counter(self._reads).most_common(5)),
            "illegal": self._illegal,
            "flaws": dict(self._flaws),
            "waiting_strangers": [read.text for _, read in self._strangers],
            "replaced": list(self._replaced),
            "ended_ns": ended_ns,
            "positions": [
                {
                    "char": vote.char,
                    "log_probability": round(vote.log_probability, 3),
                    "runner_up": vote.runner_up,
                    "gap": round(vote.gap, 3),
                }
                for vote in fused.positions
            ],
        }

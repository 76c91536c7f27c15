"""The thread ``decide``: sightings in, decisions to the lanes.

It owns the evidence of every track, because several cameras of one lane may see one visit. The roster and the
gallery are immutable snapshots that others swap; the settings likewise.
"""

import hashlib
import logging
import queue
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.access import LaneStanding, Moment, Roster, decide
from edge.clock import NS_PER_MS, NS_PER_S, Clock
from edge.evidence import FaceEvidence, PlateEvidence, Visits
from edge.evidence.faces import FIXED_RULE
from edge.health import Alarms
from edge.records import Decision, Identity, Kind, Reason, Sighting, Verdict, new_id
from edge.settings import DecisionSettings, Settings
from edge.worker import Worker
from models.face import FaceRule, Gallery, Measure, calibrate
from models.plate.grammar import CURRENT_KINDS, PlateKind

log = logging.getLogger(__name__)

MAX_WAITING = 128
TURN_S = 0.25
# A track whose process died sends no last word; its evidence is dropped after this silence.
TRACK_FORGOTTEN_NS = 60 * NS_PER_S
# A grant that led to nothing (board lost, boom failed) is offered again by the same track this often.
REPEAT_NS = 1 * NS_PER_S

# Rare at a residential gate, and what a reader makes of a plate whose province it could not see.
OFFICIAL_KINDS = frozenset(
    {
        PlateKind.ARMED_POLICE,
        PlateKind.CIVIL_AVIATION,
        PlateKind.CONSULATE,
        PlateKind.EMBASSY,
        PlateKind.MILITARY,
    }
)

TrackKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Known:
    """Who may pass, as of one moment: swapped as a whole."""

    roster: Roster
    gallery: Gallery
    rule: FaceRule = FIXED_RULE


@dataclass(slots=True)
class _Track:
    evidence: FaceEvidence | PlateEvidence
    seen_ns: int
    template: bytes = b""
    offered: dict[str, tuple[Verdict, int]] = field(default_factory=dict)


class Decider(Worker):
    """Turns sightings into decisions.

    Thread: ``decide``. ``offer``, ``swap_known`` and ``swap_settings`` may be called from any.
    """

    def __init__(
        self,
        settings: Settings,
        known: Known,
        clock: Clock,
        alarms: Alarms,
        *,
        submit: Callable[[str, Decision], bool],
        settle: Callable[[Sighting], None],
        standing: Callable[[str], LaneStanding] = lambda _lane: LaneStanding(),
        config_rev: int = 0,
    ) -> None:
        """Take what is needed.

        Args:
            settings: The configuration that runs.
            known: Roster and gallery.
            clock: Boot time and UTC.
            alarms: ``decide.overloaded`` is raised here.
            submit: Hands a decision to a lane by name; must not block; False when it takes none.
            settle: Tells the camera that reading this track cannot change anything any more.
            standing: What a lane itself objects at this moment.
            config_rev: Revision of the platform's document that runs, 0 for the file.
        """
        super().__init__("decide", clock)
        self._settings, self._known, self._alarms = settings, known, alarms
        self._submit, self._settle, self._standing = submit, settle, standing
        self._config_rev = config_rev
        self._inbox: queue.Queue[Sighting | None] = queue.Queue(MAX_WAITING)
        self._tracks: dict[TrackKey, _Track] = {}
        self._visits = Visits(settings.decision.visit_gap_s)
        self.decisions = 0

    # Any thread

    def offer(self, sighting: Sighting) -> None:
        """Take a sighting; when far too many wait, this one is forgotten and an alarm stands."""
        try:
            self._inbox.put_nowait(sighting)
        except queue.Full:
            self._alarms.set(
                "decide.overloaded", "decide", f"{MAX_WAITING} sightings wait; new ones are lost"
            )

    def swap_known(self, known: Known) -> None:
        """Use another roster and gallery from the next sighting on; a revocation acts at once."""
        self._known = known

    def swap_settings(self, settings: Settings, config_rev: int) -> None:
        """Use another configuration from the next sighting on."""
        self._settings, self._config_rev = settings, config_rev
        self._visits.gap_s = settings.decision.visit_gap_s

    def stop(self) -> None:
        """Ask the thread to end."""
        super().stop()
        try:
            self._inbox.put_nowait(None)
        except queue.Full:
            log.debug("decide is awake anyway")

    # The thread

    def work(self) -> None:
        """Take sightings until stopped."""
        while not self.stopping.is_set():
            self.beat()
            try:
                sighting = self._inbox.get(timeout=TURN_S)
            except queue.Empty:
                self._alarms.clear("decide.overloaded", "decide")
                self._forget_silent_tracks()
                continue
            if sighting is not None:
                self.take(sighting)

    def take(self, sighting: Sighting) -> None:
        """Weigh one sighting and decide for each lane of its camera. Only in this thread, or a test."""
        known, settings = self._known, self._settings
        # A lane that does not take this credential has nothing to refuse: a driver's face at a plate lane.
        lanes = [
            lane
            for lane in settings.lanes_of_camera(sighting.camera)
            if sighting.kind.value in settings.lanes[lane].accepts
        ]
        if not lanes:
            return
        key = (sighting.camera, sighting.session, sighting.track_id)
        track = self._tracks.get(key)
        if track is None:
            if sighting.ended:
                return
            track = self._tracks[key] = self._new_track(sighting, known, settings)
        track.seen_ns = self.clock.boot_ns()
        identity = self._weigh(track, sighting, known)
        for lane in lanes:
            self._decide_for(lane, track, identity, sighting, known, settings)
        if sighting.ended:
            del self._tracks[key]

    def _new_track(self, sighting: Sighting, known: Known, settings: Settings) -> _Track:
        decision, now_ns = settings.decision, self.clock.boot_ns()
        if sighting.kind is Kind.PLATE:
            return _Track(
                PlateEvidence(
                    visit=new_id(),
                    agreeing_reads=decision.agreeing_reads,
                    margin=decision.plate_margin,
                    kinds=CURRENT_KINDS if decision.official_plates else CURRENT_KINDS - OFFICIAL_KINDS,
                ),
                now_ns,
            )
        faces = FaceEvidence(
            visit=new_id(),
            agreeing_reads=decision.agreeing_reads,
            rule=known.rule,
            stranger_after_ms=decision.stranger_after_ms,
        )
        return _Track(faces, now_ns)

    def _weigh(self, track: _Track, sighting: Sighting, known: Known) -> Identity:
        evidence = track.evidence
        if isinstance(evidence, PlateEvidence):
            return evidence.observe(sighting)
        match = None
        if sighting.template and not sighting.flaw:
            track.template = sighting.template
            match = known.gallery.match(np.frombuffer(sighting.template, "<f4"))
        return evidence.observe(sighting, match)

    def _decide_for(
        self,
        lane: str,
        track: _Track,
        identity: Identity,
        sighting: Sighting,
        known: Known,
        settings: Settings,
    ) -> None:
        """Decide; a lane hears of a visit once, and of a grant again while nothing came of it."""
        now_ns = self.clock.boot_ns()
        visit = self._visits.place(
            lane, identity, now_ns, person=_owner(identity, known.roster), template=track.template
        )
        decision = decide(
            replace(identity, visit=visit),
            known.roster,
            lane,
            settings.lanes[lane],
            settings.decision,
            Moment.now(self.clock),
            self._config_rev,
            self._standing(lane),
        )
        if decision.reason is Reason.TOO_LATE and not sighting.ended:
            # Nothing moves on a late read; while the track goes on, the next one may be in time.
            log.debug("%s: a read of track %d came too late", lane, identity.track_id)
            return
        is_news = self._visits.report(visit, decision.verdict)
        if not is_news and not self._is_due_again(track, lane, decision.verdict, now_ns):
            return
        track.offered[lane] = (decision.verdict, now_ns)
        self.decisions += 1
        if is_news:
            who, late_ms = decision.subject or decision.credential, (now_ns - identity.last_ns) / NS_PER_MS
            log.info("%s: %s %s (%s), %.0f ms", lane, decision.verdict, who, decision.reason, late_ms)
        self._submit(lane, decision)
        if decision.verdict is Verdict.GRANT or sighting.kind is Kind.PLATE:
            # A stranger's face is looked at again: the next picture may be the one that shows a resident.
            self._settle(sighting)

    def _is_due_again(self, track: _Track, lane: str, verdict: Verdict, now_ns: int) -> bool:
        if verdict is not Verdict.GRANT:
            return False
        before = track.offered.get(lane)
        return before is None or now_ns - before[1] >= REPEAT_NS

    def _forget_silent_tracks(self) -> None:
        limit_ns = self.clock.boot_ns() - TRACK_FORGOTTEN_NS
        for key in [key for key, track in self._tracks.items() if track.seen_ns < limit_ns]:
            del self._tracks[key]


def face_rule(gallery: Gallery, decision: DecisionSettings) -> FaceRule:
    """When one read speaks for a resident: calibrated on the gallery, or fixed by the configuration."""
    if decision.face_distance is not None:
        return FaceRule(Measure.DISTANCE, decision.face_distance, decision.face_margin)
    return calibrate(gallery, decision.face_false_accepts, decision.face_margin)


class FaceRules:
    """Makes the rule for a gallery, once for each gallery and setting: asking a large one takes seconds.

    Thread: one at a time.
    """

    def __init__(self) -> None:
        self._made: tuple[Gallery, tuple[float | None, ...], FaceRule] | None = None

    def rule_for(self, gallery: Gallery, decision: DecisionSettings) -> FaceRule:
        """See ``face_rule``."""
        wanted = (decision.face_false_accepts, decision.face_distance, decision.face_margin)
        if self._made is None or self._made[0] is not gallery or self._made[1] != wanted:
            self._made = (gallery, wanted, face_rule(gallery, decision))
        return self._made[2]


def templates_mark(pairs: Iterable[tuple[str, NDArray[np.float32]]]) -> bytes:
    """Changes whenever a template of anybody does."""
    mark = hashlib.sha256()
    for person, template in pairs:
        mark.update(person.encode() + b"\0" + template.tobytes())
    return mark.digest()


def _owner(identity: Identity, roster: Roster) -> str | None:
    """The one person behind a settled plate, so that their face and their car are one visit."""
    if identity.kind is Kind.FACE or not identity.settled or identity.subject is None:
        return None
    owners = roster.by_plate.get(identity.subject, ())
    return owners[0].id if len(owners) == 1 else None

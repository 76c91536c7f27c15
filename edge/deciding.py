"""The thread ``decide``: sightings, and what people present, in; decisions to the lanes.

It owns the evidence of every track, because several cameras of one lane may see one visit. The roster and the
gallery are immutable snapshots that others swap; the settings likewise.
"""

import logging
import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.access import LaneStanding, Moment, Roster, decide
from edge.asking import Asker
from edge.clock import NS_PER_MS, NS_PER_S, Clock
from edge.evidence import FaceEvidence, PlateEvidence, Visits
from edge.health import Alarms
from edge.known import Known
from edge.presenting import Desk, Grounds, Spend
from edge.records import (
    Decision,
    EventDraft,
    Identity,
    Kind,
    Presented,
    Prompt,
    Reason,
    Sighting,
    Verdict,
    new_id,
)
from edge.settings import Settings
from edge.worker import Worker
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
Answer = Callable[[Decision | None], None]
"""Told the decision about what was presented, in the thread ``decide``; None: the same showing as before."""


@dataclass(slots=True)
class _Track:
    visit: str
    seen_ns: int
    last: Sighting
    plate: PlateEvidence | None = None
    # By lane, because a lane with fewer persons has another rule; lanes of one rule share one evidence.
    faces: dict[str, FaceEvidence] = field(default_factory=dict)
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
        pass_keys: Mapping[str, Ed25519PublicKey] = MappingProxyType({}),
        spend: Spend = lambda _jti, _uses, _exp: False,
        note: Callable[[EventDraft], None] = lambda _draft: None,
        show: Callable[[Prompt], None] = lambda _prompt: None,
        attend: Callable[[Sighting, float], None] = lambda _sighting, _for_s: None,
        networks: Callable[[str], Mapping[str, str]] = lambda _camera: MappingProxyType({}),
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
            pass_keys: Public keys of the issuers of QR passes.
            spend: Counts the uses of a pass, durably.
            note: Journals an event besides decisions; must not block.
            show: Tells displays and status what to say at a lane.
            attend: Has the camera read a track as often as it can, for so many seconds.
            networks: Which networks look through a camera, by what they look for.
        """
        super().__init__("decide", clock)
        self._settings, self._known, self._alarms = settings, known, alarms
        self._submit, self._settle, self._standing = submit, settle, standing
        self._config_rev, self._networks = config_rev, networks
        self._inbox: queue.Queue[Sighting | tuple[Presented, Answer | None] | None] = queue.Queue(MAX_WAITING)
        self._tracks: dict[TrackKey, _Track] = {}
        self._visits = Visits(settings.decision.visit_gap_s)
        self._desk = Desk(clock, alarms, pass_keys, spend)
        self._asker = Asker(clock, self._desk, note=note, show=show, attend=attend)
        self.decisions = 0

    # Any thread

    def offer(self, sighting: Sighting) -> None:
        """Take a sighting; when far too many wait, this one is forgotten and an alarm stands."""
        self._put(sighting)

    def _put(self, item: Sighting | tuple[Presented, Answer | None]) -> bool:
        try:
            self._inbox.put_nowait(item)
        except queue.Full:
            self._alarms.set(
                "decide.overloaded", "decide", f"{MAX_WAITING} sightings wait; new ones are lost"
            )
            return False
        return True

    def present(self, presented: Presented, answer: Answer | None = None) -> bool:
        """Take a card, a PIN or a QR code from a reader; never blocks.

        Args:
            presented: What, where and when.
            answer: Told what was decided, in the thread ``decide``: be quick there, and do not wait. A GRANT
                has been handed to the lane by then; what the lane makes of it is in the journal.

        Returns:
            False when too many wait; then it is forgotten, ``answer`` is not told, and an alarm stands.
        """
        return self._put((presented, answer))

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
                item = self._inbox.get(timeout=TURN_S)
            except queue.Empty:
                self._alarms.clear("decide.overloaded", "decide")
                self._forget_silent_tracks()
                item = None
            if isinstance(item, Sighting):
                self.take(item)
            elif item is not None:
                presented, answer = item
                decision = self.judge(presented)
                if answer is not None:
                    answer(decision)
            self.turn()

    def take(self, sighting: Sighting) -> None:
        """Weigh one sighting and decide for each lane of its camera. Only in this thread, or a test."""
        known, settings = self._known, self._settings
        if sighting.kind is Kind.QR:
            self._take_code(sighting, settings)
            return
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
            track = self._tracks[key] = self._new_track(sighting, settings)
        track.seen_ns, track.last = self.clock.boot_ns(), sighting
        identities = self._weigh(track, sighting, known, lanes)
        for lane in lanes:
            self._decide_for(lane, track, identities[lane], sighting, known, settings)
        if sighting.ended:
            del self._tracks[key]
            self._asker.forget(key)

    def judge(self, presented: Presented) -> Decision | None:
        """Judge what was presented, and hand the lane what is decided. Only in this thread, or a test."""
        decision = self._desk.take(presented, self._grounds())
        if decision is not None:
            self._hand_over(decision)
        return decision

    def turn(self) -> None:
        """See to what is over by time. Only in this thread, or a test."""
        self._desk.turn()
        for decision in self._asker.turn(self._grounds()):
            self._hand_over(decision)

    def _take_code(self, sighting: Sighting, settings: Settings) -> None:
        """A QR code before a camera, at each of its lanes that can use one."""
        if sighting.ended or not sighting.text:
            return
        lanes = [
            lane
            for lane in settings.lanes_of_camera(sighting.camera)
            if "qr" in settings.lanes[lane].hears_of
        ]
        taken = [
            self._desk.take(
                Presented(lane, "qr", sighting.text, sighting.taken_ns, sighting.camera), self._grounds()
            )
            for lane in lanes
        ]
        decisions = [decision for decision in taken if decision is not None]
        is_welcome = any(decision.verdict is not Verdict.DENY for decision in decisions)
        for decision in decisions:
            # It was shown to the camera, not to each of its lanes: the lane it is for is enough.
            if not (is_welcome and decision.reason is Reason.WRONG_LANE):
                self._hand_over(decision)

    def _hand_over(self, decision: Decision) -> None:
        """Give the lane a decision about something presented, or about a face that was waited for."""
        identity = decision.identity
        log.info("%s: %s %s (%s)", decision.lane, decision.verdict, decision.credential, decision.reason)
        self._asker.closed(decision)
        if identity is None or decision.verdict is Verdict.WAIT:
            return
        self.decisions += 1
        self._visits.report(identity.visit, decision.verdict)
        self._submit(decision.lane, decision)
        track = self._tracks.get((identity.camera, identity.session, identity.track_id))
        if track is not None and decision.verdict is Verdict.GRANT:
            self._settle(track.last)

    def _grounds(self) -> Grounds:
        known = self._known
        return Grounds(known.roster, self._settings, self._standing, known.pins, self._config_rev)

    def _new_track(self, sighting: Sighting, settings: Settings) -> _Track:
        decision, visit = settings.decision, new_id()
        track = _Track(visit, self.clock.boot_ns(), sighting)
        if sighting.kind is Kind.PLATE:
            track.plate = PlateEvidence(
                visit=visit,
                agreeing_reads=decision.agreeing_reads,
                margin=decision.plate_margin,
                kinds=CURRENT_KINDS if decision.official_plates else CURRENT_KINDS - OFFICIAL_KINDS,
            )
        return track

    def _weigh(
        self, track: _Track, sighting: Sighting, known: Known, lanes: list[str]
    ) -> dict[str, Identity]:
        """What the track shows by now, for each lane."""
        if track.plate is not None:
            return dict.fromkeys(lanes, track.plate.observe(sighting))
        if sighting.template_set not in ("", known.gallery.set_name):
            # Numbers of two networks have nothing in common; a distance between them would still be one.
            detail = f"{sighting.camera} sees {sighting.template_set}, known are {known.gallery.set_name}"
            self._alarms.set("faces.other_set", sighting.camera, f"{detail}; no face is recognised there")
            sighting = replace(sighting, template=b"", flaw=sighting.flaw or "template of another network")
        match = None
        if sighting.template and not sighting.flaw:
            track.template = sighting.template
            match = known.gallery.match(np.frombuffer(sighting.template, "<f4"))
        supported = match is not None and any(known.rule_at(lane).supports(match) for lane in lanes)
        self._asker.see(sighting, match.subject if match is not None and supported else None)
        self._open_evidence(track, known, lanes)
        identities: dict[int, Identity] = {}
        for evidence in {id(track.faces[lane]): track.faces[lane] for lane in lanes}.values():
            identities[id(evidence)] = evidence.observe(sighting, match, known.gallery.match)
        return {lane: identities[id(track.faces[lane])] for lane in lanes}

    def _open_evidence(self, track: _Track, known: Known, lanes: list[str]) -> None:
        shared: dict[int, FaceEvidence] = {}
        decision = self._settings.decision
        for lane in lanes:
            rule = known.rule_at(lane)
            if lane not in track.faces:
                track.faces[lane] = shared.get(id(rule)) or FaceEvidence(
                    visit=track.visit,
                    agreeing_reads=decision.agreeing_reads,
                    rule=rule,
                    stranger_after_ms=decision.stranger_after_ms,
                )
            shared.setdefault(id(rule), track.faces[lane])

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
        if identity.kind is Kind.FACE:
            identity = self._asker.judged(identity, settings.lanes[lane])
        model = self._networks(sighting.camera).get(identity.kind.value, "")
        decision = decide(
            replace(identity, visit=visit, explanation={**identity.explanation, "model": model}),
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
        if decision.reason is Reason.LIVENESS_NOT_MET:
            decision = self._asker.consider(decision, sighting, self._grounds())
        if identity.kind is Kind.FACE:
            self._asker.closed(decision)
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
        self._visits.forget_faces(self.clock.boot_ns())
        limit_ns = self.clock.boot_ns() - TRACK_FORGOTTEN_NS
        for key in [key for key, track in self._tracks.items() if track.seen_ns < limit_ns]:
            del self._tracks[key]
            self._asker.forget(key)


def _owner(identity: Identity, roster: Roster) -> str | None:
    """The one person behind a settled plate, so that their face and their car are one visit."""
    if identity.kind is Kind.FACE or not identity.settled or identity.subject is None:
        return None
    owners = roster.by_plate.get(identity.subject, ())
    return owners[0].id if len(owners) == 1 else None

"""Cards, PINs and QR passes: what people present at a lane, judged by the same policy as a face or a plate.

A card or a pass may open by itself where the lane accepts it; each, and a PIN, is also a second factor for a
face below its lane's liveness. A code held before a camera is read many times a second: one showing is one
visit. What cannot count is refused with its own reason, and a PIN is refused without a word about whose.

Thread: ``decide`` only.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.access import LaneStanding, Moment, Person, Roster, Second, decide, decide_presented
from edge.access.factors import Factors, Question
from edge.access.passes import Marks, Pass, PassRefused, check_pass, holder_of, read_pass
from edge.access.pins import LOCKED_S, PinDigest, PinGuard
from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.health import Alarms
from edge.records import Decision, Identity, Kind, Presented, Reason, Verdict, new_id
from edge.settings import Settings

log = logging.getLogger(__name__)

PIN_ALARM = "pin.locked"
# Shown again within this pause, a card or a pass is the same showing.
REPEAT_NS = 3 * NS_PER_S
# A showing that was granted is offered to the lane again this often, and for so long, if it is held there on.
AGAIN_NS, AGAIN_FOR_NS = 1 * NS_PER_S, 10 * NS_PER_S
# A code that is no pass at all (an advertisement in view of the camera) is refused once in this time.
NO_PASS_NS = 3600 * NS_PER_S
_FORGOTTEN_NS = 60 * NS_PER_S
_MOST_SHOWINGS = 1000

Spend = Callable[[str, int, int], bool]
"""Count one use of a pass (its id, uses allowed, end in UTC seconds), durably; False when all are spent.

Raises ``JournalError`` when that cannot be written.
"""


@dataclass(frozen=True, slots=True)
class Grounds:
    """By what is judged, as of one moment.

    Attributes:
        pins: Digests by person id.
        standing: What a lane itself objects.
    """

    roster: Roster
    settings: Settings
    standing: Callable[[str], LaneStanding]
    pins: Mapping[str, PinDigest] = field(default_factory=dict)
    config_rev: int = 0


@dataclass(slots=True)
class _Showing:
    """One card or pass, held before one lane."""

    visit: str
    seen_ns: int
    verdict: Verdict = Verdict.WAIT
    offered_ns: int = 0
    granted_ns: int = 0
    opens_alone: bool = False
    is_no_pass: bool = False


class Desk:
    """Judges what is presented, and remembers whom the lanes wait for.

    Attributes:
        factors: Whom the lanes wait for.
    """

    def __init__(
        self, clock: Clock, alarms: Alarms, pass_keys: Mapping[str, Ed25519PublicKey], spend: Spend
    ) -> None:
        """Start with nobody waiting.

        Args:
            clock: Boot time and UTC.
            alarms: ``pin.locked`` stands here while a lane takes no PIN.
            pass_keys: Public keys of the issuers of passes, by kid.
            spend: Counts the uses of a pass.
        """
        self._clock, self._alarms = clock, alarms
        self._keys, self._spend = pass_keys, spend
        self._marks = Marks()
        self._guard = PinGuard()
        self._showings: dict[tuple[str, str, bytes], _Showing] = {}
        self.factors = Factors()

    def take(self, presented: Presented, grounds: Grounds) -> Decision | None:
        """Judge one thing; None when it is still the same showing and was judged before."""
        if presented.lane not in grounds.settings.lanes:
            log.error("%s presents something at lane %r, which is none", presented.source, presented.lane)
            return None
        if presented.kind == "pin":
            return self._take_pin(presented, grounds)
        showing = self._showing(presented, grounds)
        if showing is None:
            return None
        now_ns = self._clock.boot_ns()
        decision = self._judge(presented, showing, grounds)
        showing.verdict, showing.offered_ns = decision.verdict, now_ns
        showing.is_no_pass = decision.reason is Reason.QR_UNREADABLE
        if decision.verdict is Verdict.GRANT:
            showing.granted_ns = showing.granted_ns or now_ns
            showing.opens_alone = decision.credential == presented.kind
        return decision

    def turn(self) -> None:
        """Let go of what is over; at least once a second."""
        now_ns = self._clock.boot_ns()
        for lane in self._guard.unlocked(now_ns):
            self._alarms.clear(PIN_ALARM, lane)
        for key in [key for key, s in self._showings.items() if now_ns - s.seen_ns > _kept_ns(s)]:
            del self._showings[key]
        while len(self._showings) > _MOST_SHOWINGS:
            del self._showings[next(iter(self._showings))]

    # PINs

    def _take_pin(self, presented: Presented, grounds: Grounds) -> Decision:
        now_ns, lane = self._clock.boot_ns(), presented.lane
        if self._guard.is_locked(lane, now_ns):
            return self._refuse(Reason.PIN_LOCKED, presented, grounds)
        waiting = self.factors.waiting(lane, now_ns)
        if not waiting:
            return self._refuse(Reason.PIN_ALONE, presented, grounds)
        for question in waiting:
            digest = grounds.pins.get(question.person)
            if digest is not None and digest.fits(presented.value):
                return self._answer(question, Second("pin", presented.at_ns), grounds)
        if self._guard.wrong(lane, now_ns):
            text = (
                f"five wrong PINs; this lane takes none for {LOCKED_S // 60} minutes. 密码错误五次,暂停输入"
            )
            self._alarms.set(PIN_ALARM, lane, text)
        return self._refuse(Reason.PIN_WRONG, presented, grounds)

    # Cards and passes

    def _showing(self, presented: Presented, grounds: Grounds) -> _Showing | None:
        """The showing that this read belongs to; None when there is nothing to judge anew."""
        now_ns = self._clock.boot_ns()
        digest = hashlib.sha256(presented.value.encode(errors="replace")).digest()
        key = (presented.lane, presented.kind, digest)
        showing = self._showings.get(key)
        gap_ns = REPEAT_NS
        if showing is not None and showing.granted_ns and presented.kind == "qr":
            # A pass for one use must not be lost on a door that did not open: for longer, it is one visit.
            gap_ns = max(gap_ns, round(grounds.settings.decision.visit_gap_s * NS_PER_S))
        if showing is not None and showing.is_no_pass:
            gap_ns = NO_PASS_NS
        if showing is None or now_ns - showing.seen_ns > gap_ns:
            showing = self._showings[key] = _Showing(new_id(), now_ns)
            return showing
        showing.seen_ns = now_ns
        if showing.verdict is not Verdict.GRANT or not showing.opens_alone:
            return None
        is_due = now_ns - showing.offered_ns >= AGAIN_NS and now_ns - showing.granted_ns < AGAIN_FOR_NS
        return showing if is_due else None

    def _judge(self, presented: Presented, showing: _Showing, grounds: Grounds) -> Decision:
        if presented.kind == "card":
            owners = grounds.roster.by_card.get(presented.value, ())
            if not owners:
                return self._refuse(Reason.UNKNOWN_CARD, presented, grounds, showing.visit)
            return self._accept(presented, showing, owners, None, grounds)
        try:
            given = read_pass(presented.value, self._keys)
        except PassRefused as refusal:
            log.info("%s: %s", presented.lane, refusal)
            return self._refuse(refusal.reason, presented, grounds, showing.visit)
        settings = grounds.settings
        now, zones = Moment.now(self._clock), settings.lanes[presented.lane].zones
        reason = check_pass(given, settings.device.id, presented.lane, zones, now)
        holder = holder_of(given, grounds.roster, self._marks)
        if reason is None and given.jti in grounds.roster.denied_passes:
            reason = Reason.QR_REVOKED
        if reason is None and holder is None:
            reason = Reason.QR_HOLDER_UNKNOWN
        if reason is None and given.host:
            host = self._marks.find(grounds.roster, given.host)
            if host is not None and host.id in grounds.roster.denied_persons:
                reason = Reason.DENY_LISTED
        if reason is not None or holder is None:
            return self._refuse(reason or Reason.QR_HOLDER_UNKNOWN, presented, grounds, showing.visit, given)
        return self._accept(presented, showing, (holder,), given, grounds)

    def _accept(
        self,
        presented: Presented,
        showing: _Showing,
        holders: tuple[Person, ...],
        given: Pass | None,
        grounds: Grounds,
    ) -> Decision:
        """A genuine card or pass: the answer to a question, a credential of its own, or kept for a face."""
        now_ns, lane = self._clock.boot_ns(), grounds.settings.lanes[presented.lane]
        spends = (given.jti, given.uses, given.valid_to_utc_s) if given is not None and given.uses else None
        second = Second(presented.kind, presented.at_ns, None if showing.granted_ns else spends)
        ids = {person.id for person in holders}
        waiting = self.factors.waiting(presented.lane, now_ns)
        for question in waiting:
            if question.person in ids and presented.kind in lane.second_factors:
                return self._answer(question, second, grounds)
        identity = self._identity(presented, showing.visit, holders[0].id, given)
        if presented.kind in lane.accepts:
            decision = decide(
                identity,
                grounds.roster,
                presented.lane,
                lane,
                grounds.settings.decision,
                Moment.now(self._clock),
                grounds.config_rev,
                grounds.standing(presented.lane),
                holders=holders,
            )
            return self._paid(decision, second)
        if presented.kind not in lane.hears_of:
            return self._refused(Reason.CREDENTIAL_NOT_ACCEPTED, identity, presented.lane, grounds)
        if waiting:
            return self._refused(Reason.SECOND_FACTOR_OF_ANOTHER, identity, presented.lane, grounds)
        until_ns = now_ns + round(lane.second_factor_s * NS_PER_S)
        for person in ids:
            self.factors.keep(presented.lane, person, second, until_ns)
        return self._refused(Reason.FACE_WANTED, identity, presented.lane, grounds)

    # Together with a face

    def answer_with_kept(self, face: Decision, grounds: Grounds) -> Decision | None:
        """The decision about a face whose second factor came before it; None when none did."""
        if face.subject is None or face.identity is None:
            return None
        now_ns = self._clock.boot_ns()
        second = self.factors.kept(face.lane, face.subject, now_ns)
        if second is None:
            return None
        return self._answer(Question(face.lane, face.subject, face.identity, now_ns, now_ns), second, grounds)

    def _answer(self, question: Question, second: Second, grounds: Grounds) -> Decision:
        """Ask the policy again, with the second factor: whatever has changed meanwhile counts."""
        decision = decide(
            question.identity,
            grounds.roster,
            question.lane,
            grounds.settings.lanes[question.lane],
            grounds.settings.decision,
            Moment.now(self._clock),
            grounds.config_rev,
            grounds.standing(question.lane),
            second=second,
        )
        decision = self._paid(decision, second)
        if decision.verdict is not Verdict.WAIT:
            self.factors.answered(question.lane, question.person)
        return decision

    def _paid(self, decision: Decision, second: Second) -> Decision:
        """Spend one use of the pass, once it is clear that it opens; on the disk before anything moves."""
        if decision.verdict is not Verdict.GRANT or second.spends is None:
            return decision
        try:
            reason = None if self._spend(*second.spends) else Reason.QR_USED
        except JournalError as error:
            log.error("%s: a pass cannot be spent: %s", decision.lane, error)
            reason = Reason.CANNOT_RECORD
        if reason is None:
            return decision
        checked = (*decision.checked, "pass_uses")
        return replace(decision, verdict=Verdict.DENY, reason=reason, checked=checked)

    # Records

    def _identity(
        self, presented: Presented, visit: str, subject: str | None, given: Pass | None
    ) -> Identity:
        explanation: dict[str, object] = {"presented": presented.kind}
        if given is not None:
            explanation |= {"pass": given.jti, "issuer": given.kid, "uses": given.uses}
        return Identity(
            camera=presented.source,
            session="",
            track_id=0,
            visit=visit,
            kind=Kind(presented.kind),
            subject=subject,
            settled=True,
            confidence=1.0,
            margin=0.0,
            samples=1,
            first_ns=presented.at_ns,
            last_ns=presented.at_ns,
            explanation=explanation,
        )

    def _refuse(
        self,
        reason: Reason,
        presented: Presented,
        grounds: Grounds,
        visit: str = "",
        given: Pass | None = None,
    ) -> Decision:
        """Refuse what belongs to nobody, or to nobody in particular."""
        identity = self._identity(presented, visit or new_id(), None, given)
        return self._refused(reason, identity, presented.lane, grounds)

    def _refused(self, reason: Reason, identity: Identity, lane: str, grounds: Grounds) -> Decision:
        return decide_presented(
            reason,
            identity,
            lane,
            Moment.now(self._clock),
            roster=grounds.roster,
            config_rev=grounds.config_rev,
        )


def _kept_ns(showing: _Showing) -> int:
    return NO_PASS_NS if showing.is_no_pass else _FORGOTTEN_NS

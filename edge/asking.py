"""What is asked of a person at a lane: to turn their head, or for a second factor; and for how long.

A face that may pass but is below its lane's liveness comes here. Nothing opens: a question stands, a display
is told what to say, the journal gets every number, and when the time is over the answer is no.

Thread: ``decide`` only; ``show`` and ``note`` are called in it and must not block.
"""

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.access import Moment, decide_presented
from edge.access.factors import Question
from edge.clock import NS_PER_MS, NS_PER_S, Clock
from edge.evidence.challenge import Challenge, Phase, Turn, begin, expire, observe
from edge.evidence.liveness import LivenessEvidence
from edge.presenting import Desk, Grounds
from edge.records import (
    Decision,
    EventDraft,
    Identity,
    Kind,
    Liveness,
    Prompt,
    Reason,
    Sighting,
    Step,
    Stream,
    Verdict,
)
from edge.settings import LaneSettings

log = logging.getLogger(__name__)

TURNS = 2
MOST_TRIES = 2
"""Challenges in one visit; after that only a second factor helps."""
PATIENCE_NS = 1500 * NS_PER_MS
"""In this time a few more reads may show by themselves that a face lives; nobody is asked before."""
FACE_WANTED_NS = 10 * NS_PER_S
_REMEMBERED = 256

PROMPTS: Mapping[Step, tuple[str, str]] = {
    Step.TURN_LEFT: ("Turn your head slowly to the left", "请缓慢向左转头"),
    Step.TURN_RIGHT: ("Turn your head slowly to the right", "请缓慢向右转头"),
    Step.LOOK_AHEAD: ("Look straight into the camera", "请正视摄像头"),
    Step.NOTHING: ("", ""),
}
FACTOR_WORDS: Mapping[str, tuple[str, str]] = {
    "qr": ("show your QR pass", "出示二维码"),
    "pin": ("enter your PIN", "输入密码"),
    "card": ("hold up your card", "刷卡"),
}

TrackKey = tuple[str, str, int]


@dataclass(slots=True)
class _Watched:
    """A face track, as far as liveness goes."""

    evidence: LivenessEvidence = field(default_factory=LivenessEvidence)
    since_ns: int = 0
    challenge: Challenge | None = None
    lane: str = ""
    visit: str = ""
    factors: tuple[str, ...] = ()
    factors_until_ns: int = 0


class Asker:
    """Owns the liveness of every face track, and what stands to be asked."""

    def __init__(
        self,
        clock: Clock,
        desk: Desk,
        *,
        note: Callable[[EventDraft], None],
        show: Callable[[Prompt], None],
        attend: Callable[[Sighting, float], None],
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """Take what is needed.

        Args:
            clock: CLOCK_BOOTTIME.
            desk: Judges second factors, and holds the questions.
            note: Journals an event.
            show: Tells displays and status what to say at a lane.
            attend: Has the camera read one track as often as it can, for so many seconds.
            draw: A whole number below its argument, from a source that nobody can foresee.
        """
        self._clock, self._desk = clock, desk
        self._note, self._show, self._attend, self._draw = note, show, attend, draw
        self._watched: dict[TrackKey, _Watched] = {}
        # By visit: challenges tried; asked for a factor; let in.
        self._tried: OrderedDict[str, int] = OrderedDict()
        self._asked: OrderedDict[str, int] = OrderedDict()
        self._passed: OrderedDict[str, int] = OrderedDict()
        self._shown: dict[str, Prompt] = {}
        self._pointless: set[str] = set()

    def see(self, sighting: Sighting, subject: str | None) -> None:
        """Take a face sighting; ``subject``: whom this very read names."""
        key = (sighting.camera, sighting.session, sighting.track_id)
        if sighting.ended:
            return  # it repeats the last read; ``forget`` follows
        watched = self._watched.setdefault(key, _Watched(since_ns=sighting.taken_ns))
        watched.evidence.observe(sighting)
        if watched.challenge is None or watched.challenge.is_over:
            return
        challenge = observe(watched.challenge, sighting.points, sighting.taken_ns, subject)
        has_moved_on = (challenge.phase, challenge.at) != (watched.challenge.phase, watched.challenge.at)
        watched.challenge = challenge
        if has_moved_on:
            self._tell_challenge(watched)

    def forget(self, key: TrackKey) -> None:
        """The track is over."""
        self._watched.pop(key, None)

    def judged(self, identity: Identity, lane: LaneSettings) -> Identity:
        """The identity with the level its track has reached by this lane's limits."""
        watched = self._watched.get((identity.camera, identity.session, identity.track_id))
        if watched is None or lane.liveness == "none":
            return identity
        challenge = watched.challenge
        answered = challenge is not None and challenge.phase is Phase.PASSED
        findings = watched.evidence.findings(
            least_score=lane.liveness_score,
            least_model=lane.model_score,
            # Who answered for somebody else has not answered.
            challenge_passed=answered and challenge is not None and challenge.person == identity.subject,
        )
        numbers: dict[str, Any] = {**findings.numbers, "wanted": lane.liveness}
        if challenge is not None:
            numbers["challenge"] = challenge.numbers()
        explanation = {**identity.explanation, "liveness": numbers}
        return replace(identity, liveness=findings.level, explanation=explanation)

    def consider(self, decision: Decision, sighting: Sighting, grounds: Grounds) -> Decision:
        """A face below its lane's level: take the factor that came before it, or ask for one."""
        identity, person = decision.identity, decision.subject
        if identity is None or person is None or identity.visit in self._passed:
            return decision
        if (opened := self._desk.answer_with_kept(decision, grounds)) is not None:
            return opened
        if self._may_still_show(identity, sighting):
            return decision
        lane = grounds.settings.lanes[decision.lane]
        challenge = self._challenge(decision.lane, lane, person, identity, sighting)
        now_ns = self._clock.boot_ns()
        running = challenge is not None and not challenge.is_over
        for_s = lane.second_factor_s + (lane.challenge_s if running else 0.0)
        is_new = self._desk.factors.ask(decision.lane, person, identity, now_ns, round(for_s * NS_PER_S))
        if not running:
            until_ns = now_ns + round(for_s * NS_PER_S)
            self._say(decision.lane, Step.SECOND_FACTOR, identity.visit, until_ns, lane.second_factors)
        if is_new and identity.visit not in self._asked:
            _remember(self._asked, identity.visit, now_ns)
            self._note(_asked_draft(decision, identity, lane, for_s))
        return decision

    def closed(self, decision: Decision) -> None:
        """A visit was decided: nothing is asked of it any more, unless its face is still wanted."""
        identity = decision.identity
        if identity is not None and decision.reason is Reason.FACE_WANTED:
            until_ns = self._clock.boot_ns() + FACE_WANTED_NS
            self._say(decision.lane, Step.LOOK_AHEAD, identity.visit, until_ns)
        if identity is None or decision.verdict is Verdict.WAIT:
            return
        if decision.verdict is Verdict.GRANT and identity.kind is Kind.FACE:
            _remember(self._passed, identity.visit, self._clock.boot_ns())
            if decision.subject is not None:
                self._desk.factors.answered(decision.lane, decision.subject)
        shown = self._shown.get(decision.lane)
        if shown is not None and shown.visit == identity.visit:
            self._say(decision.lane, Step.NOTHING, identity.visit, self._clock.boot_ns())

    def turn(self, grounds: Grounds) -> list[Decision]:
        """What is over: challenges that failed by time, and questions that nobody answered."""
        now_ns = self._clock.boot_ns()
        for watched in self._watched.values():
            challenge = watched.challenge
            if challenge is not None and not challenge.is_over and now_ns > challenge.until_ns:
                watched.challenge = expire(challenge, now_ns)
                self._tell_challenge(watched)
        return [self._too_late(question, grounds) for question in self._desk.factors.overdue(now_ns)]

    # Inside

    def _may_still_show(self, identity: Identity, sighting: Sighting) -> bool:
        """Whether the next reads may still answer by themselves, so that nobody need be asked yet."""
        watched = self._watched.get((identity.camera, identity.session, identity.track_id))
        found = identity.explanation.get("liveness")
        undecided = isinstance(found, Mapping) and found.get("score") is None
        if watched is None or not undecided:
            return False
        return sighting.taken_ns - watched.since_ns < PATIENCE_NS

    def _challenge(
        self,
        lane_name: str,
        lane: LaneSettings,
        person: str,
        identity: Identity,
        sighting: Sighting,
    ) -> Challenge | None:
        """The challenge of this track, begun now if the lane wants one and the points allow it."""
        watched = self._watched.get((identity.camera, identity.session, identity.track_id))
        if watched is None or lane.liveness != "challenge":
            return None
        challenge = watched.challenge
        tried = self._tried.get(identity.visit, 0)
        is_open = challenge is not None and not (challenge.is_over or challenge.person != person)
        if is_open or tried >= MOST_TRIES or (challenge is not None and challenge.phase is Phase.PASSED):
            return challenge
        turns = tuple((Turn.LEFT, Turn.RIGHT)[self._draw(2)] for _ in range(TURNS))
        fresh = begin(person, turns, sighting.points, sighting.taken_ns, lane.challenge_s)
        if fresh is None:
            if not sighting.points and lane_name not in self._pointless:
                self._pointless.add(lane_name)
                text = (
                    "%s: no challenge, the face detector gives no five points: gatehouse models fetch yunet"
                )
                log.warning(text, lane_name)
            return challenge
        watched.challenge, watched.lane, watched.visit = fresh, lane_name, identity.visit
        watched.factors = lane.second_factors
        watched.factors_until_ns = fresh.until_ns + round(lane.second_factor_s * NS_PER_S)
        _remember(self._tried, identity.visit, tried + 1)
        self._attend(sighting, lane.challenge_s)
        self._tell_challenge(watched)
        return fresh

    def _tell_challenge(self, watched: _Watched) -> None:
        """Say the next step, and write down how it ended."""
        challenge = watched.challenge
        if challenge is None:
            return
        if not challenge.is_over:
            self._say(watched.lane, _step_of(challenge), watched.visit, challenge.until_ns)
            return
        log.info("%s: challenge: %s", watched.lane, challenge.numbers())
        about = {"lane": watched.lane, "subject": challenge.person, "visit": watched.visit}
        data: dict[str, object] = {**about, **challenge.numbers()}
        self._note(EventDraft(Stream.ACCESS, "access.challenge_ended", watched.lane, data, (watched.visit,)))
        if challenge.phase is Phase.FAILED:
            until_ns = watched.factors_until_ns
            self._say(watched.lane, Step.SECOND_FACTOR, watched.visit, until_ns, watched.factors)

    def _say(self, lane: str, step: Step, visit: str, until_ns: int, factors: tuple[str, ...] = ()) -> None:
        shown = self._shown.get(lane)
        if shown is not None and (shown.step, shown.visit) == (step, visit):
            return
        english, chinese = PROMPTS.get(step) or _factor_words(factors)
        prompt = Prompt(lane, step, english, chinese, until_ns, visit)
        self._shown[lane] = prompt
        if english:
            log.info("%s: %s %s", lane, english, chinese)
        self._show(prompt)

    def _too_late(self, question: Question, grounds: Grounds) -> Decision:
        return decide_presented(
            Reason.SECOND_FACTOR_MISSING,
            question.identity,
            question.lane,
            Moment.now(self._clock),
            roster=grounds.roster,
            config_rev=grounds.config_rev,
        )


def _remember(visits: OrderedDict[str, int], visit: str, value: int) -> None:
    visits[visit] = value
    visits.move_to_end(visit)
    while len(visits) > _REMEMBERED:
        visits.popitem(last=False)


def _step_of(challenge: Challenge) -> Step:
    if challenge.phase is not Phase.TURN:
        return Step.LOOK_AHEAD
    return Step.TURN_LEFT if challenge.turns[challenge.at] is Turn.LEFT else Step.TURN_RIGHT


def _factor_words(factors: tuple[str, ...]) -> tuple[str, str]:
    words = [FACTOR_WORDS[factor] for factor in factors]
    english = " or ".join(word for word, _ in words)
    return english[:1].upper() + english[1:], "请" + "或".join(word for _, word in words)


def _asked_draft(decision: Decision, identity: Identity, lane: LaneSettings, for_s: float) -> EventDraft:
    """The event that says who was asked, for what, and on what numbers."""
    data: dict[str, Any] = {
        "lane": decision.lane,
        "subject": decision.subject,
        "visit": identity.visit,
        "reason": decision.reason.value,
        "wanted": lane.liveness,
        "reached": (identity.liveness or Liveness.NONE).value,
        "factors": list(lane.second_factors),
        "for_s": for_s,
        "liveness": identity.explanation.get("liveness"),
    }
    chain = (identity.visit, f"{identity.session}:{identity.track_id}", decision.id)
    return EventDraft(Stream.ACCESS, "access.factor_asked", decision.lane, data, chain)

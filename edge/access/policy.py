"""May this one pass here, now? A list of named checks; the first that objects is the reason.

Default deny (ACC-1): a GRANT needs every check to be content, and whatever is not known objects. WAIT means
silence: more sightings, or a second factor, may still decide. The kill switch, the deny list and the deadline
ask nobody else. Schedules, passback and parking come as further checks in ``_CASE_CHECKS`` or
``_PERMIT_CHECKS``; what is presented (``edge.presenting``) comes through here as well.
Pure: the same question has the same answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from edge.access.plate_search import find_plate, near_denied
from edge.access.roster import Person, Roster
from edge.clock import NS_PER_MS, NS_PER_S, Clock, ClockState
from edge.records import Decision, Identity, Kind, Reason, Verdict, new_id
from edge.settings import DecisionSettings, Lane
from models.plate.grammar import parse_plate
from models.plate.matching import MatchOutcome


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on both clocks, and how far UTC can be trusted."""

    boot_ns: int
    utc_ns: int
    clock_state: ClockState

    @classmethod
    def now(cls, clock: Clock) -> "Moment":
        """This moment of a clock."""
        return cls(clock.boot_ns(), clock.utc_ns(), clock.state())


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """What the lane itself says against opening by recognition.

    Attributes:
        has_fault: Its machine is in its fault state.
        roster_is_stale: The roster is older than this lane allows.
        stale_admits: The group of persons who may pass all the same; "" for nobody.
        is_killed: The kill switch is thrown.
    """

    has_fault: bool = False
    roster_is_stale: bool = False
    stale_admits: str = ""
    is_killed: bool = False


@dataclass(frozen=True, slots=True)
class Second:
    """A second factor of the same person, already checked.

    Attributes:
        kind: "pin", "qr" or "card". at_ns: When it was presented.
        spends: For a pass of few uses: its id, how many, and its end in UTC seconds; due when it opens.
    """

    kind: str
    at_ns: int
    spends: tuple[str, int, int] | None = None


@dataclass(slots=True)
class _Case:
    """One question, and what the checks found out on the way."""

    identity: Identity
    roster: Roster
    lane_name: str
    lane: Lane
    settings: DecisionSettings
    now: Moment
    standing: LaneStanding
    not_after_ns: int
    credential: str
    candidates: tuple[Person, ...] = ()
    second: Second | None = None
    findings: dict[str, Any] = field(default_factory=dict)


def decide(
    identity: Identity,
    roster: Roster,
    lane_name: str,
    lane: Lane,
    decision: DecisionSettings,
    now: Moment,
    config_rev: int = 0,
    standing: LaneStanding = LaneStanding(),
    *,
    holders: tuple[Person, ...] = (),
    second: Second | None = None,
) -> Decision:
    """Decide about one identity at one lane.

    Args:
        identity: What the evidence says now.
        roster: The snapshot to judge by.
        lane_name: Key of the lane in the configuration.
        lane: Its section.
        decision: The ``decision`` section.
        now: The moment for which the answer holds.
        config_rev: Recorded in the decision.
        standing: What the lane objects.
        holders: For a card or a QR pass that was checked: whose it is.
        second: For a face: what was presented besides, by the same person.

    Returns:
        GRANT only when every check was content; ``checked`` names them in order, an objecting one last. The
        identity inside also explains what the policy found (``explanation["policy"]``).
    """
    deadline_ns = decision.deadline_ms * NS_PER_MS
    case = _Case(
        identity,
        roster,
        lane_name,
        lane,
        decision,
        now,
        standing,
        # The later of both acts; a time in the future must not buy more.
        not_after_ns=min(max(identity.last_ns, second.at_ns if second else 0), now.boot_ns) + deadline_ns,
        credential=_credential_word(identity, second),
        candidates=holders,
        second=second,
    )
    checked: list[str] = []
    reason = _first_objection(case, checked)
    subject = case.candidates[0].id if case.candidates else None
    if reason is None:
        person, reason = _first_permitted(case, checked)
        subject = person.id
    if case.findings:
        identity = replace(identity, explanation={**identity.explanation, "policy": case.findings})
    return Decision(
        id=new_id(),
        lane=lane_name,
        verdict=_VERDICTS.get(reason, Verdict.DENY),
        reason=reason,
        subject=subject,
        credential=case.credential,
        identity=identity,
        decided_ns=now.boot_ns,
        not_after_ns=case.not_after_ns,
        checked=tuple(checked),
        roster_rev=roster.rev,
        config_rev=config_rev,
        set_revs=roster.set_revs,
    )


_VERDICTS = {
    Reason.PERMIT: Verdict.GRANT,
    Reason.NOT_ENOUGH: Verdict.WAIT,
    Reason.LIVENESS_NOT_MET: Verdict.WAIT,
}


def _credential_word(identity: Identity, second: Second | None) -> str:
    if identity.kind is Kind.PLATE:
        return identity.subject or ""
    return identity.kind.value if second is None else f"{identity.kind.value}+{second.kind}"


def _first_objection(case: _Case, checked: list[str]) -> Reason | None:
    for name, check in _CASE_CHECKS:
        checked.append(name)
        reason = check(case)
        if reason is not None:
            return reason
    return None


def _first_permitted(case: _Case, checked: list[str]) -> tuple[Person, Reason]:
    """The first owner of the credential who may pass; else the first owner and what objects to them."""
    objections: list[tuple[Person, Reason, list[str]]] = []
    for person in case.candidates:
        names: list[str] = []
        for name, check in _PERMIT_CHECKS:
            names.append(name)
            objection = check(case, person)
            if objection is not None:
                objections.append((person, objection, names))
                break
        else:
            checked += names
            return person, Reason.PERMIT
    person, reason, names = objections[0]
    checked += names
    return person, reason


def _evidence(case: _Case) -> Reason | None:
    return None if case.identity.settled else Reason.NOT_ENOUGH


def _identity(case: _Case) -> Reason | None:
    identity = case.identity
    if identity.kind is Kind.PLATE:
        plate = parse_plate(identity.subject or "")
        return None if plate is not None and plate.text == identity.subject else Reason.INVALID_PLATE
    if identity.subject is not None:
        return None
    if identity.kind is not Kind.FACE:
        return Reason.UNKNOWN_CARD if identity.kind is Kind.CARD else Reason.QR_HOLDER_UNKNOWN
    return Reason.AMBIGUOUS if identity.explanation.get("outcome") == "ambiguous" else Reason.UNKNOWN_FACE


def _deny_list(case: _Case) -> Reason | None:
    """Exact for the refusal; plates that are merely near a deny-listed one are noted for an alert."""
    subject, roster = case.identity.subject or "", case.roster
    if case.identity.kind is Kind.FACE:
        return Reason.DENY_LISTED if subject in roster.denied_persons else None
    if case.identity.kind is not Kind.PLATE:
        denied = any(person.id in roster.denied_persons for person in case.candidates)
        return Reason.DENY_LISTED if denied else None
    hits = near_denied(case.identity, roster)
    if hits:
        case.findings["near_denied"] = [[plate, cost] for plate, cost in hits]
    if subject in roster.denied_plates:
        return Reason.DENY_LISTED
    owners = roster.by_plate.get(subject, ())
    return Reason.DENY_LISTED if any(owner.id in roster.denied_persons for owner in owners) else None


def _kill_switch(case: _Case) -> Reason | None:
    may_open = case.settings.automatic_opening and not case.standing.is_killed
    return None if may_open else Reason.KILL_SWITCH


def _credential(case: _Case) -> Reason | None:
    return None if case.identity.kind.value in case.lane.accepts else Reason.CREDENTIAL_NOT_ACCEPTED


def _lane(case: _Case) -> Reason | None:
    return Reason.LANE_FAULT if case.standing.has_fault else None


def _freshness(case: _Case) -> Reason | None:
    standing = case.standing
    return Reason.STALE_ROSTER if standing.roster_is_stale and not standing.stale_admits else None


def _permit_freshness(case: _Case, person: Person) -> Reason | None:
    standing = case.standing
    admitted = not standing.roster_is_stale or person.group == standing.stale_admits
    return None if admitted else Reason.STALE_ROSTER


def _roster(case: _Case) -> Reason | None:
    """Find who holds the credential."""
    subject, roster = case.identity.subject or "", case.roster
    if case.identity.kind is Kind.FACE:
        person = roster.persons.get(subject)
        case.candidates = (person,) if person is not None else ()
        return None if person is not None else Reason.UNKNOWN_FACE
    if case.identity.kind is not Kind.PLATE:
        unknown = Reason.UNKNOWN_CARD if case.identity.kind is Kind.CARD else Reason.QR_HOLDER_UNKNOWN
        return None if case.candidates else unknown
    match = find_plate(case.identity, roster)
    case.findings["plate"] = {
        "outcome": match.outcome.value,
        "cost": match.cost,
        "runner_up": match.runner_up,
        "runner_up_cost": match.runner_up_cost,
        "text": match.explanation,
        "text_zh": match.explanation_zh,
    }
    if match.plate is None:
        return _NO_PLATE.get(match.outcome, Reason.UNKNOWN_PLATE)
    case.credential = match.plate
    case.candidates = roster.by_plate[match.plate]
    # Whoever is reached only by a look-alike is asked about again.
    denied = any(person.id in roster.denied_persons for person in case.candidates)
    return Reason.DENY_LISTED if denied else None


_NO_PLATE = {
    MatchOutcome.AMBIGUOUS: Reason.AMBIGUOUS,
    MatchOutcome.NEAR_DENIED: Reason.AMBIGUOUS,
    MatchOutcome.UNREADABLE: Reason.INVALID_PLATE,
}


def _deadline(case: _Case) -> Reason | None:
    return Reason.TOO_LATE if case.now.boot_ns > case.not_after_ns else None


def _permit_lane(case: _Case, person: Person) -> Reason | None:
    return None if person.is_for(case.lane_name, case.lane.zones) else Reason.WRONG_LANE


def _permit_clock(case: _Case, person: Person) -> Reason | None:
    unset = case.now.clock_state is ClockState.UNSET
    return Reason.CLOCK_UNSET if person.has_dates and unset else None


def _permit_dates(case: _Case, person: Person) -> Reason | None:
    start, end = person.valid_from_utc_s, person.valid_to_utc_s
    if start is not None and case.now.utc_ns < start * NS_PER_S:
        return Reason.NOT_YET_VALID
    return Reason.EXPIRED if end is not None and case.now.utc_ns >= end * NS_PER_S else None


def _permit_liveness(case: _Case, _person: Person) -> Reason | None:
    """Last of all: only who may pass otherwise is asked for more, so that nobody learns whom we know."""
    lane, identity = case.lane, case.identity
    if identity.kind is not Kind.FACE or lane.liveness == "none":
        return None
    if identity.liveness.meets(lane.liveness):
        return None
    helped = case.second is not None and case.second.kind in lane.second_factors
    return None if helped else Reason.LIVENESS_NOT_MET


_CASE_CHECKS: tuple[tuple[str, Callable[[_Case], Reason | None]], ...] = (
    ("evidence", _evidence),
    ("identity", _identity),
    ("deny_list", _deny_list),
    ("kill_switch", _kill_switch),
    ("credential", _credential),
    ("lane", _lane),
    ("freshness", _freshness),
    ("roster", _roster),
    ("deadline", _deadline),
)
_PERMIT_CHECKS: tuple[tuple[str, Callable[[_Case, Person], Reason | None]], ...] = (
    ("permit_lane", _permit_lane),
    ("permit_freshness", _permit_freshness),
    ("permit_clock", _permit_clock),
    ("permit_dates", _permit_dates),
    ("permit_liveness", _permit_liveness),
)

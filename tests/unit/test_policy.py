"""The policy: one row per reason, and whatever is not known never opens."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.access import (
    DenyEntry,
    DenyKind,
    LaneStanding,
    Moment,
    Person,
    Roster,
    Second,
    decide,
    decide_presented,
    decide_request,
)
from edge.clock import NS_PER_MS, NS_PER_S, ClockState
from edge.records import Decision, Identity, Kind, Liveness, Reason, Verdict
from edge.settings import BarrierLane, DecisionSettings, Output

UTC_S = 1_795_000_000
BOOT_NS = 1_000 * NS_PER_S
NOW = Moment(BOOT_NS, UTC_S * NS_PER_S, ClockState.SYNCED)
UNSET = replace(NOW, clock_state=ClockState.UNSET)
SETTINGS = DecisionSettings()
LANE = BarrierLane(open=Output(board="main", channel=1), zones=("garage",))
PLATES_ONLY = BarrierLane(open=Output(board="main", channel=1), accepts=("plate",))
FINE = LaneStanding()

ANNA = Person("anna", "Anna", plates=("京A12345",))
BERT = Person("bert", "Bert", lanes=("south",), plates=("京B22222",))
CARL = Person("carl", "Carl", zones=("garage",))
DORA = Person("dora", "Dora", valid_from_utc_s=UTC_S + 1)
ELSA = Person("elsa", "Elsa", valid_to_utc_s=UTC_S)
FRED = Person("fred", "Fred", valid_from_utc_s=UTC_S, valid_to_utc_s=UTC_S + 1)
GINA = Person("gina", "Gina", plates=("粤B88888",))
HANS = Person("hans", "Hans", plates=("沪C33333",))
DENY = [
    DenyEntry(DenyKind.PERSON, "gina", "dispute"),
    DenyEntry(DenyKind.PLATE, "沪C33333", "unpaid"),
    DenyEntry(DenyKind.PLATE, "苏E44444"),
]
ROSTER = Roster.of(7, [ANNA, BERT, CARL, DORA, ELSA, FRED, GINA, HANS], DENY)


def face(
    subject: str | None,
    *,
    settled: bool = True,
    outcome: str = "known",
    age_ms: int = 300,
    liveness: Liveness = Liveness.NONE,
) -> Identity:
    taken_ns = BOOT_NS - age_ms * NS_PER_MS
    return Identity(
        *("cam", "s", 1, "visit-1", Kind.FACE, subject, settled, 0.9, 0.2, 3, taken_ns, taken_ns),
        {"outcome": outcome},
        liveness=liveness,
    )


def plate(
    text: str | None, runner_up: dict[int, tuple[str, float]] | None = None, **changes: Any
) -> Identity:
    """A settled plate; ``runner_up`` gives for some places the second candidate and the gap to it in nats."""
    positions = []
    for place, char in enumerate(text or ""):
        other, gap = (runner_up or {}).get(place, ("", 9.0))
        positions.append(
            {"char": char, "log_probability": -0.4 if other else -0.01, "runner_up": other, "gap": gap}
        )
    identity = replace(face(text), kind=Kind.PLATE, explanation={"text": text, "positions": positions})
    return replace(identity, **changes)


LIVE = LANE.model_copy(
    update={"accepts": ("face", "card", "qr"), "liveness": "challenge", "second_factors": ("qr", "pin")}
)


def shown(kind: Kind, subject: str | None = "somebody") -> Identity:
    """A card or a pass that the desk has checked."""
    return replace(face(subject), kind=kind, last_ns=BOOT_NS, explanation={"presented": kind.value})


def ask(identity: Identity, now: Moment = NOW, **changes: Any) -> Decision:
    question: dict[str, Any] = {
        "roster": ROSTER,
        "lane_name": "gate",
        "lane": LANE,
        "decision": SETTINGS,
        "now": now,
        "config_rev": 3,
    }
    return decide(identity, **(question | changes))


TABLE: list[tuple[Reason, Verdict, str | None, str, Decision]] = [
    (Reason.PERMIT, Verdict.GRANT, "anna", "permit_liveness", ask(face("anna"))),
    (Reason.PERMIT, Verdict.GRANT, "anna", "permit_liveness", ask(plate("京A12345"))),
    (Reason.PERMIT, Verdict.GRANT, "carl", "permit_liveness", ask(face("carl"))),
    (Reason.PERMIT, Verdict.GRANT, "bert", "permit_liveness", ask(face("bert"), lane_name="south")),
    (Reason.PERMIT, Verdict.GRANT, "fred", "permit_liveness", ask(face("fred"))),
    (Reason.PERMIT, Verdict.GRANT, "anna", "permit_liveness", ask(face("anna"), now=UNSET)),
    (Reason.NOT_ENOUGH, Verdict.WAIT, None, "evidence", ask(face(None, settled=False, outcome="open"))),
    (Reason.NOT_ENOUGH, Verdict.WAIT, None, "evidence", ask(face("anna", settled=False))),
    (Reason.UNKNOWN_FACE, Verdict.DENY, None, "identity", ask(face(None, outcome="stranger"))),
    (Reason.UNKNOWN_FACE, Verdict.DENY, None, "roster", ask(face("removed"))),
    (Reason.UNKNOWN_PLATE, Verdict.DENY, None, "roster", ask(plate("京A99999"))),
    (Reason.AMBIGUOUS, Verdict.DENY, None, "identity", ask(face(None, outcome="ambiguous"))),
    (Reason.INVALID_PLATE, Verdict.DENY, None, "identity", ask(plate("京A1234"))),
    (Reason.INVALID_PLATE, Verdict.DENY, None, "identity", ask(plate(None))),
    (Reason.INVALID_PLATE, Verdict.DENY, None, "identity", ask(plate("京a12345"))),
    (Reason.DENY_LISTED, Verdict.DENY, None, "deny_list", ask(face("gina"))),
    (Reason.DENY_LISTED, Verdict.DENY, None, "deny_list", ask(plate("粤B88888"))),
    (Reason.DENY_LISTED, Verdict.DENY, None, "deny_list", ask(plate("沪C33333"))),
    (Reason.DENY_LISTED, Verdict.DENY, None, "deny_list", ask(plate("苏E44444"))),
    (Reason.NOT_YET_VALID, Verdict.DENY, "dora", "permit_dates", ask(face("dora"))),
    (Reason.EXPIRED, Verdict.DENY, "elsa", "permit_dates", ask(face("elsa"))),
    (Reason.WRONG_LANE, Verdict.DENY, "bert", "permit_lane", ask(face("bert"))),
    (Reason.WRONG_LANE, Verdict.DENY, "carl", "permit_lane", ask(face("carl"), lane=LANE.model_copy(
        update={"zones": ()}))),
    (Reason.CREDENTIAL_NOT_ACCEPTED, Verdict.DENY, None, "credential", ask(face("anna"), lane=PLATES_ONLY)),
    (Reason.CLOCK_UNSET, Verdict.DENY, "fred", "permit_clock", ask(face("fred"), now=UNSET)),
    (Reason.STALE_ROSTER, Verdict.DENY, None, "freshness", ask(face("anna"), standing=LaneStanding(
        roster_is_stale=True))),
    (Reason.LANE_FAULT, Verdict.DENY, None, "lane", ask(face("anna"), standing=LaneStanding(has_fault=True))),
    (Reason.TOO_LATE, Verdict.DENY, "anna", "deadline", ask(face("anna", age_ms=2001))),
    (Reason.KILL_SWITCH, Verdict.DENY, None, "kill_switch", ask(face("anna"), decision=DecisionSettings(
        automatic_opening=False))),
    (Reason.KILL_SWITCH, Verdict.DENY, None, "kill_switch", ask(face("anna"), standing=LaneStanding(
        is_killed=True))),
    (Reason.STAFF_COMMAND, Verdict.GRANT, "porter", "deadline", decide_request(
        Reason.STAFF_COMMAND, "gate", "porter", NOW, BOOT_NS + 1)),
    (Reason.EXIT_BUTTON, Verdict.GRANT, None, "deadline", decide_request(
        Reason.EXIT_BUTTON, "gate", None, NOW, BOOT_NS)),
    (Reason.TOO_LATE, Verdict.DENY, "porter", "deadline", decide_request(
        Reason.STAFF_COMMAND, "gate", "porter", NOW, BOOT_NS - 1)),
    (Reason.LIVENESS_NOT_MET, Verdict.WAIT, "anna", "permit_liveness", ask(face("anna"), lane=LIVE)),
    (Reason.LIVENESS_NOT_MET, Verdict.WAIT, "anna", "permit_liveness", ask(
        face("anna", liveness=Liveness.PASSIVE), lane=LIVE)),
    (Reason.PERMIT, Verdict.GRANT, "anna", "permit_liveness", ask(
        face("anna", liveness=Liveness.CHALLENGE), lane=LIVE)),
    (Reason.PERMIT, Verdict.GRANT, "anna", "permit_liveness", ask(
        face("anna"), lane=LIVE, second=Second("qr", BOOT_NS))),
    (Reason.LIVENESS_NOT_MET, Verdict.WAIT, "anna", "permit_liveness", ask(
        face("anna"), lane=LIVE, second=Second("card", BOOT_NS))),
    (Reason.EXPIRED, Verdict.DENY, "elsa", "permit_dates", ask(
        face("elsa"), lane=LIVE, second=Second("qr", BOOT_NS))),
    (Reason.UNKNOWN_CARD, Verdict.DENY, None, "roster", ask(shown(Kind.CARD), lane=LIVE)),
    (Reason.QR_HOLDER_UNKNOWN, Verdict.DENY, None, "roster", ask(shown(Kind.QR), lane=LIVE)),
    (Reason.PERMIT, Verdict.GRANT, "anna", "permit_liveness", ask(
        shown(Kind.QR), lane=LIVE, holders=(ROSTER.persons["anna"],))),
    (Reason.EXPIRED, Verdict.DENY, "elsa", "permit_dates", ask(
        shown(Kind.CARD), lane=LIVE, holders=(ROSTER.persons["elsa"],))),
    (Reason.DENY_LISTED, Verdict.DENY, "gina", "deny_list", ask(
        shown(Kind.CARD), lane=LIVE, holders=(ROSTER.persons["gina"],))),
    *(
        (reason, Verdict.WAIT if reason is Reason.FACE_WANTED else Verdict.DENY, None, "presented",
         decide_presented(reason, shown(Kind.QR, subject=None), "gate", NOW))
        for reason in (
            Reason.FACE_WANTED, Reason.SECOND_FACTOR_MISSING, Reason.SECOND_FACTOR_OF_ANOTHER,
            Reason.PIN_ALONE, Reason.PIN_WRONG, Reason.PIN_LOCKED, Reason.QR_UNREADABLE,
            Reason.QR_UNKNOWN_ISSUER, Reason.QR_FORGED, Reason.QR_USED, Reason.QR_REVOKED,
            Reason.CANNOT_RECORD,
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "verdict", "subject", "last", "decision"), TABLE)
def test_each_case_has_its_reason(
    reason: Reason, verdict: Verdict, subject: str | None, last: str, decision: Decision
) -> None:
    assert (decision.reason, decision.verdict, decision.subject) == (reason, verdict, subject)
    assert decision.checked[-1] == last


def test_every_reason_can_be_reached() -> None:
    assert {row[0] for row in TABLE} == set(Reason)


def test_a_grant_names_every_check_in_order_and_the_revisions_it_used() -> None:
    decision = ask(plate("京A12345"))
    assert decision.checked == (
        *("evidence", "identity", "deny_list", "kill_switch", "credential", "lane", "freshness"),
        *("roster", "deadline", "permit_lane", "permit_freshness"),
        *("permit_clock", "permit_dates", "permit_liveness"),
    )
    assert (decision.roster_rev, decision.config_rev, decision.credential) == (7, 3, "京A12345")
    assert decision.not_after_ns == BOOT_NS - 300 * NS_PER_MS + 2000 * NS_PER_MS
    assert decision.identity is not None
    assert decision.identity.explanation["policy"]["plate"]["outcome"] == "exact"


def test_a_capture_time_in_the_future_buys_no_time() -> None:
    assert ask(face("anna", age_ms=-60_000)).not_after_ns == BOOT_NS + 2000 * NS_PER_MS


def test_the_same_question_has_the_same_answer_but_its_own_id() -> None:
    first, second = ask(face("anna")), ask(face("anna"))
    assert replace(first, id="") == replace(second, id="")
    assert first.id != second.id


def test_a_car_of_two_owners_passes_if_one_of_them_may() -> None:
    roster = Roster.of(1, [replace(ELSA, plates=("京A12345",)), ANNA])
    assert ask(plate("京A12345"), roster=roster).subject == "anna"
    only_late = Roster.of(1, [replace(ELSA, plates=("京A12345",)), replace(DORA, plates=("京A12345",))])
    assert ask(plate("京A12345"), roster=only_late).reason is Reason.EXPIRED


def test_staff_can_open_while_the_kill_switch_is_on_but_nobody_else_without_recognition() -> None:
    with pytest.raises(ValueError, match="no reason to open without recognition"):
        decide_request(Reason.PERMIT, "gate", "anna", NOW, BOOT_NS)


# ACC-3: what look-alikes may do


def test_ACC_3_a_look_alike_in_which_the_reader_was_in_doubt_lets_a_known_car_in() -> None:
    decision = ask(plate("京A1234S", {6: ("5", 0.5)}))
    assert (decision.verdict, decision.subject, decision.credential) == (Verdict.GRANT, "anna", "京A12345")
    assert decision.identity is not None
    found = decision.identity.explanation["policy"]["plate"]
    assert (found["outcome"], found["cost"]) == ("fuzzy", 0.2)
    assert found["text_zh"]


@pytest.mark.parametrize(
    "identity",
    [
        plate("京A1234S"),  # the reader had no doubt
        plate("京A1234S", {6: ("5", 8.0)}),  # or next to none
        plate("京A1234S", {6: ("6", 0.5)}),  # or doubted in favour of something else
        plate("京A1234S", {5: ("5", 0.5)}),  # or at another place
        replace(plate("京A1234S"), explanation={}),  # or nobody knows
        replace(plate("京A1234S"), explanation={"positions": [{"char": "x"}]}),
    ],
)
def test_ACC_3_without_doubt_at_that_very_place_only_the_exact_plate_counts(identity: Identity) -> None:
    assert ask(identity).verdict is Verdict.DENY


def test_ACC_3_two_known_plates_that_are_equally_near_open_for_nobody() -> None:
    roster = Roster.of(1, [Person("a", "", plates=("京A12345",)), Person("b", "", plates=("京A1Z345",))])
    doubtful = plate("京A1Z34S", {3: ("2", 0.3), 6: ("5", 0.3)})
    assert ask(doubtful, roster=roster).reason is Reason.AMBIGUOUS


def test_ACC_3_a_fuzzy_read_near_a_deny_listed_plate_opens_for_nobody_and_is_noted() -> None:
    # One step of look-alikes from Anna's plate, and one from a plate on the deny list.
    roster = Roster.of(1, [ANNA], [DenyEntry(DenyKind.PLATE, "京A1234Z")])
    decision = ask(plate("京A1234S", {6: ("5", 0.3)}), roster=roster)
    assert decision.verdict is Verdict.DENY
    assert decision.identity is not None
    assert decision.identity.explanation["policy"]["near_denied"][0][0] == "京A1234Z"


def test_ACC_3_a_look_alike_never_reaches_a_plate_whose_owner_is_denied() -> None:
    roster = Roster.of(1, [ANNA], [DenyEntry(DenyKind.PERSON, "anna")])
    assert ask(plate("京A1234S", {6: ("5", 0.3)}), roster=roster).reason is Reason.DENY_LISTED


def test_ACC_3_an_exactly_read_resident_near_a_deny_listed_plate_passes_with_a_note_for_the_guard() -> None:
    roster = Roster.of(1, [ANNA], [DenyEntry(DenyKind.PLATE, "京A1234S")])
    decision = ask(plate("京A12345"), roster=roster)
    assert decision.verdict is Verdict.GRANT
    assert decision.identity is not None
    assert decision.identity.explanation["policy"]["near_denied"] == [["京A1234S", 0.2]]


def test_ACC_2_a_deny_entry_beats_a_valid_permit_in_the_next_snapshot() -> None:
    denied = Roster.of(8, list(ROSTER.persons.values()), [*DENY, DenyEntry(DenyKind.PLATE, "京A12345")])
    assert ask(plate("京A12345")).verdict is Verdict.GRANT
    assert ask(plate("京A12345"), roster=denied).reason is Reason.DENY_LISTED
    assert ask(face("anna"), roster=denied).verdict is Verdict.GRANT  # the car is denied, not its owner


# ACC-1: default deny

SUBJECTS = st.sampled_from([None, "", "anna", "bert", "dora", "elsa", "fred", "gina", "nobody", "京A12345"])


@given(
    kind=st.sampled_from(Kind),
    subject=SUBJECTS
    | st.sampled_from(["京B22222", "粤B88888", "沪C33333", "苏E44444"])
    | st.text(max_size=8),
    settled=st.booleans(),
    outcome=st.sampled_from(["known", "open", "stranger", "ambiguous"]),
    age_ms=st.integers(-100, 5000),
    clock_state=st.sampled_from(ClockState),
    utc_s=st.integers(0, 2 * UTC_S),
    automatic=st.booleans(),
    fault=st.booleans(),
    stale=st.booleans(),
    lane_name=st.sampled_from(["gate", "south"]),
    lane=st.sampled_from([LANE, PLATES_ONLY]),
)
def test_ACC_1_nothing_opens_unless_everything_is_known_to_be_right(
    kind: Kind,
    subject: str | None,
    settled: bool,
    outcome: str,
    age_ms: int,
    clock_state: ClockState,
    utc_s: int,
    automatic: bool,
    fault: bool,
    stale: bool,
    lane_name: str,
    lane: BarrierLane,
) -> None:
    identity = face(subject, settled=settled, outcome=outcome, age_ms=age_ms)
    identity = replace(identity, kind=kind)
    decision = ask(
        identity,
        now=Moment(BOOT_NS, utc_s * NS_PER_S, clock_state),
        lane_name=lane_name,
        lane=lane,
        decision=DecisionSettings(automatic_opening=automatic),
        standing=LaneStanding(fault, stale),
    )
    # Said independently of the order and the shape of the checks:
    owner = {"京A12345": ANNA, "京B22222": BERT}.get(subject or "")
    person = owner if kind is Kind.PLATE else ROSTER.persons.get(subject or "")
    allowed = (
        settled
        and automatic
        and not fault
        and not stale
        and age_ms <= 2000
        and person is not None
        and person.id != "gina"
        and kind.value in lane.accepts
        and (not person.lanes or lane_name in person.lanes)
        and not (clock_state is ClockState.UNSET and person.has_dates)
        and (person.valid_from_utc_s or 0) <= utc_s
        and (person.valid_to_utc_s is None or utc_s < person.valid_to_utc_s)
    )
    assert (decision.verdict is Verdict.GRANT) == allowed
    assert (decision.verdict is Verdict.WAIT) == (not settled)


def test_ACC_1_an_empty_roster_lets_nobody_in() -> None:
    for identity in (face("anna"), plate("京A12345"), face(None, outcome="stranger")):
        assert ask(identity, roster=Roster()).verdict is Verdict.DENY


@given(
    reached=st.sampled_from(Liveness),
    wanted=st.sampled_from(("none", "passive", "challenge", "model")),
    second=st.none() | st.builds(Second, st.sampled_from(("qr", "pin", "card")), st.just(BOOT_NS)),
    helps=st.sets(st.sampled_from(("qr", "pin", "card"))),
)
def test_ACC_1_a_face_below_the_lanes_liveness_opens_only_with_a_second_factor_that_the_lane_takes(
    reached: Liveness, wanted: str, second: Second | None, helps: set[str]
) -> None:
    lane = LANE.model_copy(update={"liveness": wanted, "second_factors": tuple(helps)})
    decision = ask(face("anna", liveness=reached), lane=lane, second=second)
    order = ["none", "passive", "challenge", "model"]
    helped = second is not None and second.kind in helps
    assert (decision.verdict is Verdict.GRANT) == (order.index(reached) >= order.index(wanted) or helped)
    assert decision.verdict in (Verdict.GRANT, Verdict.WAIT)
    assert ask(face(None, outcome="stranger"), lane=lane, second=second).verdict is Verdict.DENY


def test_SAFE_3_the_deadline_counts_from_the_later_of_face_and_second_factor() -> None:
    late = face("anna", age_ms=10_000)
    assert ask(late, lane=LIVE, second=Second("pin", BOOT_NS - 100)).reason is Reason.PERMIT
    stale = ask(late, lane=LIVE, second=Second("pin", BOOT_NS - 2001 * NS_PER_MS))
    assert stale.reason is Reason.TOO_LATE
    future = ask(late, lane=LIVE, second=Second("pin", BOOT_NS + 10**12))
    assert future.not_after_ns == BOOT_NS + 2000 * NS_PER_MS, "a time in the future buys nothing"


def test_the_credential_says_what_opened() -> None:
    assert ask(face("anna"), lane=LIVE, second=Second("qr", BOOT_NS)).credential == "face+qr"
    assert ask(face("anna")).credential == "face"
    assert ask(shown(Kind.QR), lane=LIVE, holders=(ROSTER.persons["anna"],)).credential == "qr"


def test_what_refuses_can_never_be_made_to_open() -> None:
    for reason in (Reason.PERMIT, Reason.STAFF_COMMAND, Reason.EXIT_BUTTON):
        with pytest.raises(ValueError, match="no reason to refuse"):
            decide_presented(reason, shown(Kind.QR), "gate", NOW)

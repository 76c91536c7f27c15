"""Faces below their lane's liveness, passes, PINs and cards: through the thread ``decide`` as it runs."""

from dataclasses import replace
from typing import Any

import pytest
from decision_desk import EILEEN, LIVE_CUES, SPOOF_CUES, WANG, Desk

from edge.access import DenyEntry, DenyKind, Roster
from edge.access.passes import subject_mark
from edge.clock import NS_PER_S, ManualClock
from edge.records import Decision, Kind, Presented, Reason, Step, Verdict


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


# A face


def test_a_living_face_opens_by_itself(desk: Desk) -> None:
    desk.face(cues=LIVE_CUES)
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, "face")]
    evidence = desk.told[0].identity
    assert evidence is not None
    assert evidence.explanation["liveness"]["level"] == "passive"
    assert evidence.explanation["liveness"]["cues"]["colour"] == 0.9


def test_ACC_1_a_face_that_looks_like_a_screen_never_opens_and_is_asked_for_a_second_factor(
    desk: Desk,
) -> None:
    desk.face(reads=20)
    assert desk.told == []
    (asked,) = desk.notes
    assert (asked.type, asked.data["subject"], asked.data["wanted"]) == (
        "access.factor_asked",
        "eileen",
        "passive",
    )
    assert asked.data["liveness"]["cues"]["frame"] is None or asked.data["liveness"]["cues"]["frame"] == 0.0
    (prompt,) = desk.prompts
    assert prompt.step is Step.SECOND_FACTOR
    assert prompt.en == "Show your QR pass or enter your PIN or hold up your card"
    assert prompt.zh == "请出示二维码或输入密码或刷卡"


def test_ACC_1_without_any_cue_nothing_opens(desk: Desk) -> None:
    desk.face(cues={}, reads=20)
    assert desk.told == []


def test_nobody_answers_and_the_visit_is_refused_once_with_every_number(desk: Desk) -> None:
    desk.face()
    desk.wait(20.1)
    assert desk.of("door") == [(Verdict.DENY, Reason.SECOND_FACTOR_MISSING, "face")]
    refused = desk.told[0]
    assert refused.subject == "eileen"
    assert refused.identity is not None
    assert refused.identity.explanation["liveness"]["wanted"] == "passive"
    assert desk.prompts[-1].step is Step.NOTHING
    desk.wait(60)
    assert len(desk.told) == 1


def test_a_stranger_is_told_nothing_about_second_factors(desk: Desk) -> None:
    desk.face(who=5, reads=20)
    assert desk.of("door") == [(Verdict.DENY, Reason.UNKNOWN_FACE, "face")]
    assert desk.prompts == []


def test_more_reads_may_still_show_that_it_lives(desk: Desk) -> None:
    desk.face(cues=SPOOF_CUES, reads=3)
    desk.face(cues=LIVE_CUES, reads=6)
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, "face")]
    desk.wait(60)
    assert len(desk.told) == 1, "the question is closed"


# A PIN


def test_the_right_pin_of_the_same_person_opens(desk: Desk) -> None:
    desk.face()
    decision = desk.present("pin", "482915")
    assert decision is not None
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, "face+pin")]
    assert decision.identity is not None
    assert decision.identity.kind is Kind.FACE
    assert desk.prompts[-1].step is Step.NOTHING
    assert desk.settled == [1]
    desk.face(reads=10)
    desk.wait(60)
    assert len(desk.told) == 1, "who has passed is not asked again"


@pytest.mark.parametrize("pin", ["730164", "000000", "", "48291", "4829155"])
def test_another_persons_pin_or_a_wrong_one_does_not_open_and_may_be_tried_again(
    desk: Desk, pin: str
) -> None:
    desk.face()
    desk.present("pin", pin)
    desk.present("pin", "482915")
    assert desk.of("door") == [
        (Verdict.DENY, Reason.PIN_WRONG, "pin"),
        (Verdict.GRANT, Reason.PERMIT, "face+pin"),
    ]
    assert desk.told[0].subject is None, "nobody learns whose PIN was tried"


def test_a_pin_alone_opens_nothing(desk: Desk) -> None:
    desk.present("pin", "482915")
    desk.face()
    desk.wait(21)
    desk.present("pin", "482915")
    assert [reason for _, reason, _ in desk.of("door")] == [
        Reason.PIN_ALONE,
        Reason.SECOND_FACTOR_MISSING,
        Reason.PIN_ALONE,
    ]


def test_five_wrong_pins_lock_the_lane_with_an_alarm_and_the_right_one_does_not_help(desk: Desk) -> None:
    desk.face()
    for _ in range(5):
        desk.present("pin", "000000")
    assert [(alarm.name, alarm.subject) for alarm in desk.alarms.standing()] == [("pin.locked", "door")]
    desk.present("pin", "482915")
    assert desk.told[-1].reason is Reason.PIN_LOCKED
    desk.wait(600)
    assert desk.alarms.standing() == ()
    desk.face(track=2)
    desk.present("pin", "482915")
    assert desk.told[-1].reason is Reason.PERMIT


def test_a_pin_is_in_no_record(desk: Desk) -> None:
    desk.face()
    desk.present("pin", "482915")
    desk.present("pin", "314159")
    text = repr((desk.told, desk.notes, desk.prompts, Presented("door", "pin", "482915", 0)))
    assert "482915" not in text
    assert "314159" not in text


def test_ACC_2_who_is_revoked_between_face_and_factor_stays_out(desk: Desk) -> None:
    desk.face()
    deny = [DenyEntry(DenyKind.PERSON, "eileen")]
    desk.decider.swap_known(replace(desk.known, roster=Roster.of(2, [EILEEN, WANG], deny)))
    desk.present("pin", "482915")
    assert desk.of("door") == [(Verdict.DENY, Reason.DENY_LISTED, "face+pin")]


# A pass


def test_the_pass_of_the_same_person_opens_with_the_face(desk: Desk) -> None:
    desk.face()
    desk.code(desk.a_pass(lanes=("door",)))
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, "face+qr")]
    assert desk.spent == {"pass-0001": 1}


def test_the_pass_of_another_person_does_not(desk: Desk) -> None:
    desk.face()
    desk.code(desk.a_pass(subject=subject_mark("wang-li"), lanes=("door",)))
    assert desk.of("door") == [(Verdict.DENY, Reason.SECOND_FACTOR_OF_ANOTHER, "qr")]
    assert desk.spent == {}


def test_a_pass_shown_before_the_face_waits_for_it(desk: Desk) -> None:
    desk.code(desk.a_pass(lanes=("door",)))
    assert desk.told == [], "the other lane of the camera has nothing to refuse"
    assert desk.prompts[-1].zh == "请正视摄像头"
    desk.face()
    assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, "face+qr")]
    assert desk.spent == {"pass-0001": 1}


def test_a_pass_opens_by_itself_where_the_lane_accepts_it(desk: Desk) -> None:
    desk.code(desk.a_pass(lanes=("gate",)))
    assert desk.of("gate") == [(Verdict.GRANT, Reason.PERMIT, "qr")]
    assert desk.told[-1].subject == "eileen"
    assert desk.of("door") == [], "it was shown to the camera, not to each of its lanes"


def test_a_visitor_passes_with_a_pass_and_no_name(desk: Desk) -> None:
    text = desk.a_pass(subject="", host=subject_mark("wang-li"), lanes=("gate",))
    desk.code(text)
    assert desk.of("gate") == [(Verdict.GRANT, Reason.PERMIT, "qr")]
    assert desk.told[-1].subject == "visitor-pass-0001"


def test_a_pass_held_before_the_camera_is_one_visit_and_one_use(desk: Desk) -> None:
    text = desk.a_pass(lanes=("gate",))
    for _ in range(300):
        desk.code(text)
    visits = {d.identity.visit for d in desk.told if d.identity is not None and d.lane == "gate"}
    assert len(visits) == 1
    assert {verdict for verdict, _, _ in desk.of("gate")} == {Verdict.GRANT}
    assert len(desk.of("gate")) <= 11, "offered again for ten seconds only"
    assert desk.of("door") == []
    assert desk.spent == {"pass-0001": 1}


def test_a_pass_for_one_use_is_used_up_and_one_for_many_is_not(desk: Desk) -> None:
    once, often = desk.a_pass(lanes=("gate",)), desk.a_pass(lanes=("gate",), uses=0, jti="pass-0009")
    for text in (once, often):
        desk.code(text)
        desk.code(text, after_s=30)
    reasons = [reason for _, reason, _ in desk.of("gate")]
    assert reasons == [Reason.PERMIT, Reason.QR_USED, Reason.PERMIT, Reason.PERMIT]
    assert desk.spent == {"pass-0001": 2}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lanes": ("entry",)}, Reason.WRONG_LANE),
        ({"subject": subject_mark("gone"), "lanes": ("gate",)}, Reason.QR_HOLDER_UNKNOWN),
        ({"subject": "", "host": subject_mark("gone"), "lanes": ("gate",)}, Reason.QR_HOLDER_UNKNOWN),
        ({"kid": "elsewhere", "lanes": ("gate",)}, Reason.QR_UNKNOWN_ISSUER),
        ({"valid_from_utc_s": 1, "valid_to_utc_s": 100, "lanes": ("gate",)}, Reason.EXPIRED),
    ],
)
def test_every_pass_that_does_not_count_has_its_own_reason(
    desk: Desk, changes: dict[str, Any], reason: Reason
) -> None:
    desk.code(desk.a_pass(**changes))
    assert [r for _, r, _ in desk.of("gate")] == [reason]
    assert {verdict for verdict, _, _ in desk.of("gate")} == {Verdict.DENY}


def test_a_pass_that_is_not_valid_yet_forged_or_no_pass_at_all_is_refused(desk: Desk) -> None:
    now_s = desk.clock.utc_ns() // NS_PER_S
    later = desk.a_pass(valid_from_utc_s=now_s + 600, valid_to_utc_s=now_s + 900, lanes=("gate",))
    forged = later[:-4] + ("AAAA" if later[-4:] != "AAAA" else "BBBB")
    for text in (later, forged, "https://example.com"):
        desk.code(text)
    assert [reason for _, reason, _ in desk.of("gate")] == [
        Reason.NOT_YET_VALID,
        Reason.QR_FORGED,
        Reason.QR_UNREADABLE,
    ]


def test_an_advertisement_in_view_of_the_camera_is_refused_once_an_hour(desk: Desk) -> None:
    for _ in range(50):
        desk.code("https://example.com/pizza", after_s=60)
    assert len(desk.of("gate")) == 1
    desk.code("https://example.com/pizza", after_s=3700)
    assert len(desk.of("gate")) == 2


def test_a_pass_or_its_host_that_was_taken_back_opens_nothing(desk: Desk) -> None:
    deny = [DenyEntry(DenyKind.QR, "pass-0001"), DenyEntry(DenyKind.PERSON, "wang-li")]
    desk.decider.swap_known(replace(desk.known, roster=Roster.of(2, [EILEEN, WANG], deny)))
    desk.code(desk.a_pass(lanes=("gate",)))
    desk.code(desk.a_pass(jti="pass-0002", subject=subject_mark("wang-li"), lanes=("gate",)))
    desk.code(desk.a_pass(jti="pass-0003", subject="", host=subject_mark("wang-li"), lanes=("gate",)))
    assert [reason for _, reason, _ in desk.of("gate")] == [
        Reason.QR_REVOKED,
        Reason.DENY_LISTED,
        Reason.DENY_LISTED,
    ]


def test_ACC_1_a_use_that_cannot_be_recorded_opens_nothing(desk: Desk) -> None:
    desk.disk_refuses = True
    desk.code(desk.a_pass(lanes=("gate",)))
    desk.face()
    desk.code(desk.a_pass(lanes=("door",)))
    assert Verdict.GRANT not in {d.verdict for d in desk.told}
    assert desk.of("gate")[0][1] is Reason.CANNOT_RECORD


def test_a_pass_that_opens_nothing_is_not_used_up(desk: Desk) -> None:
    desk.decider.swap_known(replace(desk.known, roster=Roster.of(2, [replace(EILEEN, lanes=("other",))])))
    desk.code(desk.a_pass(lanes=("gate",)))
    assert desk.of("gate") == [(Verdict.DENY, Reason.WRONG_LANE, "qr")]
    assert desk.spent == {}


# A card


def test_a_card_opens_alone_where_accepted_and_helps_a_face_where_not(clock: ManualClock) -> None:
    roster = replace(Roster.of(2, [EILEEN, WANG]), by_card={"04a1b2": (EILEEN,)})
    for lane, credential in (({"accepts": ["face", "card"]}, "card"), ({}, "face+card")):
        desk = Desk(clock, **lane)
        desk.decider.swap_known(replace(desk.known, roster=roster))
        if credential != "card":
            desk.face()
        desk.present("card", "04a1b2")
        assert desk.of("door") == [(Verdict.GRANT, Reason.PERMIT, credential)]
        assert desk.present("card", "04a1b2") is None, "the same showing"
        desk.present("card", "999999")
        assert desk.told[-1].reason is Reason.UNKNOWN_CARD


def test_a_card_where_nobody_asks_for_one_is_not_accepted(clock: ManualClock) -> None:
    desk = Desk(clock, liveness="none")
    desk.decider.swap_known(
        replace(desk.known, roster=replace(Roster.of(2, [EILEEN]), by_card={"04a1b2": (EILEEN,)}))
    )
    desk.present("card", "04a1b2")
    assert desk.of("door") == [(Verdict.DENY, Reason.CREDENTIAL_NOT_ACCEPTED, "card")]


def test_something_presented_at_no_lane_is_nothing(desk: Desk) -> None:
    assert desk.present("card", "04a1b2", lane="nowhere") is None
    assert desk.told == []


# The thread itself


def test_a_reader_is_answered_in_the_thread(desk: Desk) -> None:
    answers: list[Decision | None] = []
    desk.decider.start()
    try:
        presented = Presented("door", "pin", "482915", desk.clock.boot_ns())
        assert desk.decider.present(presented, answers.append)
        for _ in range(200):
            if answers:
                break
            desk.decider.join(0.05)
    finally:
        desk.decider.close()
    (answer,) = answers
    assert answer is not None
    assert answer.reason is Reason.PIN_ALONE

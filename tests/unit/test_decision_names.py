"""What an access event says of that by which it was decided: revisions, network, score and limit."""

from dataclasses import replace

from decision_desk import LIVE_CUES, Desk

from edge.access import Roster, decide_presented
from edge.access.policy import Moment
from edge.clock import ClockState, ManualClock
from edge.lanes.drafts import access_draft
from edge.records import Kind, Reason, Verdict


def test_a_face_decision_names_the_revisions_the_network_and_the_limit_by_which_it_was_made(
    clock: ManualClock,
) -> None:
    desk = Desk(clock, liveness="none", accepts=["face", "qr"])
    revs = {"permits": 7, "faces-dlib-resnet": 3}
    desk.known = replace(desk.known, roster=replace(desk.known.roster, set_revs=revs))
    desk.decider.swap_known(desk.known)
    desk.decider.swap_settings(desk.decider._settings, 12)
    desk.decider._networks = lambda camera: {"face": f"yunet at {camera}", "plate": "own"}
    desk.face(0)
    granted = next(decision for decision in desk.told if decision.verdict is Verdict.GRANT)
    data = access_draft(granted, "accepted").data
    assert (data["sets"], data["config_rev"], data["roster_rev"]) == (revs, 12, 1)
    assert data["model"] == "yunet at cam"
    assert data["score"] <= data["threshold"] == data["evidence"]["explanation"]["limit"]
    assert data["stages_ms"]["decide"] >= 0


def test_whoever_is_refused_at_a_reader_is_refused_by_named_revisions_too(clock: ManualClock) -> None:
    desk = Desk(clock, accepts=["face", "card"], liveness="none")
    desk.decider.swap_known(replace(desk.known, roster=replace(desk.known.roster, set_revs={"permits": 9})))
    decision = desk.present("card", "4711")
    assert decision is not None
    assert (decision.reason, decision.set_revs, decision.roster_rev) == (
        Reason.UNKNOWN_CARD,
        {"permits": 9},
        1,
    )
    assert access_draft(decision, "refused").data["sets"] == {"permits": 9}


def test_without_a_scope_no_set_is_named(clock: ManualClock) -> None:
    desk = Desk(clock)
    desk.face(0, cues=LIVE_CUES)
    identity = next(decision.identity for decision in desk.told if decision.identity is not None)
    now = Moment(clock.boot_ns(), clock.utc_ns(), ClockState.SYNCED)
    decision = decide_presented(Reason.SECOND_FACTOR_MISSING, identity, "door", now, roster=Roster.of(5, ()))
    data = access_draft(decision, "refused").data
    assert (data["sets"], data["roster_rev"], data["kind"]) == ({}, 5, Kind.FACE.value)

"""The clerk: durable before anything moves, in time before and after, every end told and journaled."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from edge.clock import NS_PER_S, ManualClock
from edge.errors import JournalError
from edge.lanes.acts import Ask, Request
from edge.lanes.clerk import MAX_WAITING, LaneClerk, StaffCommand
from edge.lanes.orders import Outcome, WireResult
from edge.lanes.visits import Visits
from edge.records import Decision, Event, EventDraft, Reason, Stream, Verdict

NOW_NS = 1_000 * NS_PER_S


@dataclass
class RecordingJournal:
    """Keeps what it is given; can be slow, or refuse."""

    clock: ManualClock
    calls: list[tuple[str, str, EventDraft]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    fsync_s: float = 0.0
    refuses: bool = False
    entered: threading.Event = field(default_factory=threading.Event)

    def append(self, draft: EventDraft) -> None:
        if self.refuses:
            raise JournalError("the disk is full")
        self.calls.append(("append", "", draft))

    def append_now(self, draft: EventDraft) -> Event:
        raise AssertionError("a lane never waits for an event")

    def begin_actuation(self, actuation_id: str, draft: EventDraft) -> bool:
        self.entered.set()
        if self.refuses:
            raise JournalError("the disk is full")
        self.clock.advance(self.fsync_s)
        if actuation_id in self.seen:
            return False
        self.seen.add(actuation_id)
        self.calls.append(("begin", actuation_id, draft))
        return True

    def finish_actuation(self, actuation_id: str, result: str, draft: EventDraft) -> None:
        self.calls.append(("finish", result, draft))


@dataclass
class Desk:
    """A clerk at work, and what it handed over."""

    clerk: LaneClerk
    journal: RecordingJournal
    clock: ManualClock
    visits: Visits
    handed: list[Request]
    fault: list[str]

    def settle(self, calls: int) -> list[tuple[str, str, EventDraft]]:
        """Wait until that many things have been journaled; nothing more may follow."""
        deadline = time.monotonic() + 3.0
        while len(self.journal.calls) < calls and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.03)
        assert len(self.journal.calls) == calls
        return self.journal.calls


@pytest.fixture
def desk(clock: ManualClock) -> Iterator[Desk]:
    journal, visits, handed, fault = RecordingJournal(clock), Visits(), list[Request](), [""]
    clerk = LaneClerk("gate", "barrier", journal, clock, visits, handed.append, lambda _way: fault[0])
    clerk.start()
    yield Desk(clerk, journal, clock, visits, handed, fault)
    clerk.close()
    assert clerk.failure is None


def decision(name: str = "d-1", verdict: Verdict = Verdict.GRANT, lives_s: float = 2.0) -> Decision:
    return Decision(
        id=name,
        lane="gate",
        verdict=verdict,
        reason=Reason.PERMIT if verdict is Verdict.GRANT else Reason.UNKNOWN_PLATE,
        subject="person-1",
        credential="粤B12345",
        identity=None,
        decided_ns=NOW_NS,
        not_after_ns=NOW_NS + round(lives_s * NS_PER_S),
    )


def command(ask: Ask, told: list[tuple[str, str]], name: str = "c-1", lives_s: float = 5.0) -> StaffCommand:
    until_ns = NOW_NS + round(lives_s * NS_PER_S)
    return StaffCommand(ask, name, "wang", until_ns, NOW_NS, lambda result, why: told.append((result, why)))


def test_an_acceptance_is_durable_before_the_lane_hears_of_it(desk: Desk) -> None:
    desk.clerk.submit(decision())
    ((kind, name, draft),) = desk.settle(1)
    assert (kind, name, draft.stream, draft.type) == ("begin", "d-1", Stream.ACCESS, "access.decided")
    assert draft.data["result"] == "accepted"
    assert [request.id for request in desk.handed] == ["d-1"]
    desk.clerk.ended("d-1", WireResult(Outcome.DONE, NOW_NS + 7_000_000))
    kind, result, draft = desk.settle(2)[1]
    assert (kind, result, draft.stream, draft.type) == ("finish", "done", Stream.BARRIER, "barrier.actuated")
    assert draft.data["stages_ms"]["capture_to_relay"] == 7.0
    assert draft.chain == ("d-1",)


def test_SAFE_3_a_decision_that_expires_while_the_disk_is_slow_moves_nothing(desk: Desk) -> None:
    desk.journal.fsync_s = 2.5
    desk.clerk.submit(decision(lives_s=2.0))
    (_, _, accepted), (_, result, _) = desk.settle(2)
    assert accepted.data["result"] == "accepted"
    assert result == "too_late"
    assert desk.handed == []


def test_SAFE_3_a_decision_that_comes_too_late_is_only_recorded(desk: Desk) -> None:
    desk.clerk.submit(decision(lives_s=-0.001))
    ((kind, _, draft),) = desk.settle(1)
    assert (kind, draft.data["result"]) == ("append", "too_late")
    assert desk.handed == []


def test_SAFE_3_an_id_that_was_seen_before_moves_nothing(desk: Desk) -> None:
    desk.journal.seen.add("d-1")
    desk.clerk.submit(decision())
    desk.settle(0)
    assert desk.handed == []


def test_nothing_moves_that_cannot_be_journaled(desk: Desk) -> None:
    desk.journal.refuses = True
    told: list[tuple[str, str]] = []
    desk.clerk.submit(decision())
    desk.clerk.submit(command(Ask.OPEN, told))
    desk.clerk.submit(decision("d-2", Verdict.DENY))
    desk.settle(0)
    assert desk.handed == []
    assert told == [("failed", "it cannot be journaled")]
    desk.journal.refuses = False
    desk.clerk.submit(decision("d-1"))  # and it may be tried again
    desk.settle(1)


def test_DEL_1_only_where_the_site_wants_it_a_permit_opens_although_nothing_can_be_journaled(
    clock: ManualClock,
) -> None:
    journal, handed = RecordingJournal(clock, refuses=True), list[Request]()
    told: list[tuple[str, str]] = []
    clerk = LaneClerk(
        "gate", "barrier", journal, clock, Visits(), handed.append, lambda _way: "", opens_unwritten=True
    )
    clerk.start()
    try:
        clerk.submit(decision("d-1"))
        clerk.submit(decision("d-1"))
        clerk.submit(command(Ask.CLOSE, told))
        deadline = time.monotonic() + 60.0
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        assert told == [("failed", "it cannot be journaled")], "what people order is never done unwritten"
        assert [request.id for request in handed] == ["d-1"], "once"
    finally:
        clerk.close()


def test_a_lane_fault_is_told_and_recorded(desk: Desk) -> None:
    desk.fault[0] = "lane_fault"
    told: list[tuple[str, str]] = []
    desk.clerk.submit(command(Ask.OPEN, told))
    ((_, _, draft),) = desk.settle(1)
    assert draft.data["result"] == "lane_fault"
    assert draft.data["operator"] == "wang"
    assert told == [("lane_fault", "nothing was moved")]


def test_a_refusal_is_one_event_per_visit(desk: Desk) -> None:
    for _ in range(3):
        desk.clerk.submit(decision(verdict=Verdict.DENY))
    desk.clerk.submit(decision(verdict=Verdict.WAIT))
    ((_, _, draft),) = desk.settle(1)
    assert draft.data["result"] == "refused"
    assert desk.handed == []


def test_a_late_permit_after_a_refusal_is_recorded_too(desk: Desk) -> None:
    desk.clerk.submit(decision("same", Verdict.DENY))
    desk.clerk.submit(decision("same", lives_s=-1.0))
    (_, _, refused), (_, _, late) = desk.settle(2)
    assert refused.type == "access.decided"
    assert (late.type, late.data["why"]) == ("barrier.refused", "too_late")


def test_the_order_of_decisions_is_kept_and_the_queue_is_bounded(desk: Desk) -> None:
    names = [f"d-{i}" for i in range(MAX_WAITING)]
    taken = [desk.clerk.submit(decision(name)) for name in names]
    desk.settle(sum(taken))
    assert [request.id for request in desk.handed] == [
        name for name, is_taken in zip(names, taken, strict=True) if is_taken
    ]


def test_a_visit_that_ended_badly_may_be_let_in_anew_and_one_that_stands_may_not(desk: Desk) -> None:
    desk.clerk.submit(decision())
    desk.clerk.submit(decision())
    desk.settle(1)
    desk.clerk.ended("d-1", WireResult(Outcome.FAILED, why="the board is lost"))
    desk.settle(2)
    assert desk.visits.admit("d-1")


def test_a_command_other_than_open_is_audited(desk: Desk) -> None:
    told: list[tuple[str, str]] = []
    desk.clerk.submit(command(Ask.CLOSE, told))
    ((_, _, draft),) = desk.settle(1)
    assert (draft.stream, draft.type) == (Stream.AUDIT, "lane.commanded")
    assert desk.handed[0].ask is Ask.CLOSE
    desk.clerk.ended("c-1", WireResult(Outcome.CANCELLED, why="not_clear"))
    desk.settle(2)
    assert told == [("cancelled", "not_clear")]


def test_what_has_not_ended_when_the_clerk_does_is_unknown(desk: Desk) -> None:
    told: list[tuple[str, str]] = []
    desk.clerk.submit(command(Ask.OPEN, told))
    desk.settle(1)
    desk.clerk.close()
    assert desk.journal.calls[-1][1] == "unknown"
    assert told[0][0] == "unknown"
    assert not desk.clerk.submit(decision())


def test_an_event_that_cannot_be_one_does_not_end_the_clerk(desk: Desk) -> None:
    def refuse(actuation_id: str, draft: EventDraft) -> bool:
        raise ValueError("an id with a space in it")

    desk.journal.begin_actuation = refuse  # type: ignore[method-assign]
    desk.clerk.submit(replace(decision(), id="a b"))
    desk.settle(0)
    assert desk.clerk.is_alive()


def test_transitions_are_journaled_before_the_result_that_follows_from_them(desk: Desk) -> None:
    desk.clerk.submit(decision())
    desk.settle(1)
    desk.clerk.note(EventDraft(Stream.BARRIER, "barrier.changed", "gate", {}))
    desk.clerk.ended("d-1", WireResult(Outcome.DONE, NOW_NS))
    assert [draft.type for _, _, draft in desk.settle(3)][1:] == ["barrier.changed", "barrier.actuated"]


def test_staff_open_through_the_policy_with_the_real_revision_of_the_configuration(desk: Desk) -> None:
    told: list[tuple[str, str]] = []
    desk.clerk.config_rev = 41
    desk.clerk.submit(command(Ask.OPEN, told))
    ((kind, name, draft),) = desk.settle(1)
    assert (kind, name) == ("begin", "c-1")
    assert draft.data["config_rev"] == 41
    assert draft.data["reason"] == "staff_command"
    assert draft.data["checked"] == ["deadline"]
    assert draft.data["operator"] == "wang"


def test_SAFE_3_a_staff_command_that_comes_too_late_is_recorded_by_the_policy_and_opens_nothing(
    desk: Desk,
) -> None:
    told: list[tuple[str, str]] = []
    desk.clerk.submit(command(Ask.OPEN, told, lives_s=-1.0))
    ((_, _, draft),) = desk.settle(1)
    assert (draft.data["verdict"], draft.data["reason"]) == ("deny", "too_late")
    assert desk.handed == []
    assert told == [("too_late", "nothing was moved")]


def test_a_decision_that_is_turned_away_is_journaled_once_as_an_access_event_and_then_shortly(
    desk: Desk,
) -> None:
    desk.clerk.turn_away(decision("same"), "queue_full")
    desk.clerk.turn_away(decision("same"), "queue_full")
    desk.clerk.turn_away(decision("other", Verdict.DENY), "queue_full")
    (_, _, first), (_, _, second) = desk.settle(2)
    assert (first.type, first.data["result"]) == ("access.decided", "queue_full")
    assert (second.type, second.data["why"]) == ("barrier.refused", "queue_full")


def test_what_is_noted_after_the_clerk_has_ended_is_journaled_all_the_same(desk: Desk) -> None:
    desk.clerk.close()
    desk.clerk.turn_away(decision(), "stopping")
    assert [draft.data["result"] for _, _, draft in desk.settle(1)] == ["stopping"]


def test_a_lane_that_is_busy_the_other_way_says_so_once_for_each_visit(desk: Desk) -> None:
    desk.fault[0] = "other_way_busy"
    for _ in range(5):
        desk.clerk.submit(decision("same"))
    ((_, _, draft),) = desk.settle(1)
    assert draft.data["result"] == "other_way_busy"
    desk.fault[0] = ""
    desk.clerk.submit(decision("same"))
    assert desk.settle(2)[1][2].data["result"] == "accepted"


def test_the_exit_button_is_an_access_event_of_its_own(desk: Desk) -> None:
    desk.clerk.config_rev = 7
    desk.clerk.note_exit(NOW_NS)
    ((_, _, draft),) = desk.settle(1)
    assert (draft.type, draft.data["reason"]) == ("access.decided", "exit_button")
    assert draft.data["credential"] == "exit_button"
    assert draft.data["config_rev"] == 7


def test_a_hold_for_a_time_reaches_the_lane(desk: Desk) -> None:
    told: list[tuple[str, str]] = []
    desk.clerk.submit(replace(command(Ask.HOLD, told), hold_ns=90))
    desk.settle(1)
    assert desk.handed[0].hold_ns == 90


def test_the_way_of_a_decision_reaches_the_lane(clock: ManualClock) -> None:
    handed: list[Request] = []
    journal, visits = RecordingJournal(clock), Visits()
    asked: list[str] = []
    clerk = LaneClerk(
        "gate",
        "barrier",
        journal,
        clock,
        visits,
        handed.append,
        lambda way: asked.append(way) or "",  # type: ignore[func-returns-value]
        way_of=lambda _decision: "out",
    )
    clerk.start()
    clerk.submit(decision())
    Desk(clerk, journal, clock, visits, handed, [""]).settle(1)
    clerk.close()
    assert asked == ["out"]
    assert handed[0].heading == "out"

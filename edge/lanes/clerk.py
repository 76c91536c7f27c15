"""The lane's writer: whatever waits for a disk happens here, so that the lane's own loop never does.

A boom that is coming down must be watched every few milliseconds; an fsync on a tired SD card takes hundreds.
So decisions and commands come to this thread first. It judges whether they are still in time, makes the
acceptance durable, judges again, and only then hands a request to the lane (SAFE-3). What became of it
comes back here and is journaled.
"""

import logging
import queue
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.access import Moment, decide_request
from edge.clock import Clock
from edge.errors import JournalError
from edge.faults import fault_point
from edge.lanes.acts import OPENING_ASKS, Ask, Request
from edge.lanes.drafts import LaneJournal, Times, access_draft, actuated_draft, visit_of
from edge.lanes.orders import Outcome, WireResult
from edge.lanes.visits import Visits
from edge.records import Decision, EventDraft, Reason, Stream, Verdict
from edge.worker import Worker

log = logging.getLogger(__name__)

MAX_WAITING = 64
STALLS_AFTER_S = 30.0  # the journal itself may take ten seconds to say that the disk refuses
MAX_NOTES = 2000  # transitions that wait while the disk refuses; the oldest are forgotten first
BUSY = frozenset({"other_way_busy", "occupied"})  # reasons that end by themselves; said once for each visit

KILL_SWITCH = "kill_switch"
"""The reason that is said and journaled while the kill switch is thrown."""

Told = Callable[[str, str], None]
"""Called with the result of a command and one line of explanation."""


@dataclass(frozen=True, slots=True)
class StaffCommand:
    """What somebody asks of a lane by hand or over the network; already authenticated.

    Attributes:
        hold_ns: For HOLD: for so long; 0: until released.
        at_box: They stand at the box: the kill switch does not stop them.
    """

    ask: Ask
    id: str
    operator: str
    not_after_ns: int
    arrived_ns: int
    done: Told
    hold_ns: int = 0
    at_box: bool = False


@dataclass(frozen=True, slots=True)
class _Pending:
    """An accepted actuation whose end is not known yet."""

    visit: str
    times: Times
    chain: tuple[str, ...]
    done: Told | None


class LaneClerk(Worker):
    """Thread ``clerk-<lane>``.

    Args:
        lane: Its name. noun: ``barrier``, ``door``, ...: the first word of its events.
        journal: Where everything goes before it acts.
        clock: CLOCK_BOOTTIME.
        visits: Shared with the lane.
        hand_over: Gives the lane a request; must not block.
        why_not: Given a way (``in``, ``out``, empty): why the lane can let nobody in now, or empty.
        way_of: The way that a decision is about.
        config_rev: Revision of the platform's document that runs; may be set anew at any time.
        is_killed: Whether the kill switch is thrown.
        opens_unwritten: Let in whom a permit lets in although the journal takes nothing now. The event waits
            in memory, and is lost with it; commands of people and of the platform never go unwritten.
    """

    def __init__(
        self,
        lane: str,
        noun: str,
        journal: LaneJournal,
        clock: Clock,
        visits: Visits,
        hand_over: Callable[[Request], None],
        why_not: Callable[[str], str],
        *,
        way_of: Callable[[Decision], str] = lambda _decision: "",
        config_rev: int = 0,
        is_killed: Callable[[], bool] = lambda: False,
        opens_unwritten: bool = False,
    ) -> None:
        super().__init__(f"clerk-{lane}", clock, stalls_after_s=STALLS_AFTER_S)
        self._lane = lane
        self._noun = noun
        self._journal = journal
        self._visits = visits
        self._hand_over = hand_over
        self._why_not = why_not
        self._way_of = way_of
        self._is_killed = is_killed
        self._opens_unwritten = opens_unwritten
        self._unwritten: deque[str] = deque(maxlen=MAX_NOTES)
        self.config_rev = config_rev
        self._inbox: queue.Queue[Decision | StaffCommand | None] = queue.Queue(MAX_WAITING)
        self._ended: deque[tuple[str, WireResult]] = deque()
        self._notes: deque[EventDraft] = deque(maxlen=MAX_NOTES)
        self._pending: dict[str, _Pending] = {}

    # --- any thread -----------------------------------------------------------------------------------

    def submit(self, item: Decision | StaffCommand) -> bool:
        """Queue a decision or a command, order kept; False when too many wait."""
        if self.stopping.is_set():
            return False
        try:
            self._inbox.put_nowait(item)
        except queue.Full:
            return False
        return True

    def ended(self, actuation_id: str, result: WireResult) -> None:
        """Tell how a request ended; never blocks."""
        self._ended.append((actuation_id, result))
        self._nudge()

    def note(self, draft: EventDraft) -> None:
        """Have a transition journaled; never blocks."""
        self._notes.append(draft)
        if self.ident is not None and not self.is_alive():
            self._file_results()  # it has ended, and nobody else writes any more
        self._nudge()

    def turn_away(self, decision: Decision, why: str) -> None:
        """Have it journaled that a decision was not taken; never blocks."""
        if decision.verdict is Verdict.GRANT:
            self._note_not_taken(decision, why, self.note)

    def note_exit(self, now_ns: int) -> None:
        """Have it journaled that somebody was let out by the exit button; never blocks."""
        now = Moment(now_ns, self.clock.utc_ns(), self.clock.state())
        decision = decide_request(Reason.EXIT_BUTTON, self._lane, None, now, now_ns, self.config_rev)
        self.note(access_draft(decision, "accepted"))

    def stop(self) -> None:
        """Ask the clerk to write what it knows and end."""
        super().stop()
        self._nudge()

    def _nudge(self) -> None:
        try:
            self._inbox.put_nowait(None)
        except queue.Full:
            log.debug("clerk of %s is awake anyway", self._lane)

    # --- the thread -----------------------------------------------------------------------------------

    def work(self) -> None:
        """Take decisions, commands and results until stopped."""
        while not self.stopping.is_set():
            self.beat()
            try:
                item = self._inbox.get(timeout=0.5)
            except queue.Empty:
                item = None
            self._file_results()
            if isinstance(item, Decision):
                self._take_decision(item)
            elif isinstance(item, StaffCommand):
                self._take_command(item)
        self._refuse_the_rest()
        self._file_results()
        for actuation_id in list(self._pending):
            self._file(actuation_id, WireResult(Outcome.UNKNOWN, why="the lane ended before the result"))

    def _refuse_the_rest(self) -> None:
        """Whoever still waits is told that nothing will be done."""
        while not self._inbox.empty():
            item = self._inbox.get_nowait()
            if isinstance(item, StaffCommand):
                _tell(item.done, Outcome.FAILED.value, "the lane is being stopped")
            elif item is not None:
                log.warning("lane %s stops and does not take decision %s", self._lane, item.id)
                self.turn_away(item, "stopping")

    def _take_decision(self, decision: Decision) -> None:
        visit = visit_of(decision)
        if decision.verdict is Verdict.DENY:
            if self._visits.refuse(visit):
                self._append(access_draft(decision, "refused"))
        elif decision.verdict is Verdict.GRANT:
            captured_ns = decision.decided_ns if decision.identity is None else decision.identity.last_ns
            self._open(decision, Times(captured_ns, decision.decided_ns), None)

    def _take_command(self, command: StaffCommand) -> None:
        if command.ask is Ask.OPEN:
            now = Moment.now(self.clock)
            decision = decide_request(
                Reason.STAFF_COMMAND,
                self._lane,
                None,
                now,
                command.not_after_ns,
                self.config_rev,
                decision_id=command.id,
            )
            self._open(decision, Times(command.arrived_ns, now.boot_ns), command)
            return
        if self._is_killed() and command.ask in OPENING_ASKS and not command.at_box:
            _tell(command.done, KILL_SWITCH, "the kill switch is thrown; nothing was moved")
            return
        draft = EventDraft(
            Stream.AUDIT,
            "lane.commanded",
            self._lane,
            {"ask": command.ask.value, "operator": command.operator, "command": command.id},
            (command.id,),
        )
        times = Times(command.arrived_ns, command.arrived_ns)
        request = Request(
            command.ask,
            "",
            command.not_after_ns,
            command.id,
            hold_ns=command.hold_ns,
            at_box=command.at_box,
        )
        pending = _Pending("", times, draft.chain, command.done)
        self._accept(request, draft, pending)

    def _open(self, decision: Decision, times: Times, command: StaffCommand | None) -> None:
        """An opening: allowed, in time, possible, new; durable; in time still; then the lane's turn."""
        operator, done, at_box = "", None, False
        if command is not None:
            operator, done, at_box = command.operator, command.done, command.at_box
        visit = visit_of(decision)
        way = self._way_of(decision)
        why_not = self._why_not(way)
        if self.clock.boot_ns() > decision.not_after_ns:
            why_not = Outcome.TOO_LATE.value
        if self._is_killed() and not at_box:
            why_not = KILL_SWITCH
        if why_not:
            self._note_not_taken(decision, why_not, self._append, operator=operator)
            _tell(done, why_not, "nothing was moved")
            return
        if not self._visits.admit(visit):
            log.info("lane %s: visit %s is let in already", self._lane, visit)
            _tell(done, Outcome.DONE.value, "it is let in already")
            return
        draft = access_draft(decision, "accepted", operator=operator)
        request = Request(Ask.OPEN, visit, decision.not_after_ns, decision.id, heading=way, at_box=at_box)
        pending = _Pending(visit, times, draft.chain, done)
        if not self._accept(request, draft, pending, may_go_unwritten=command is None):
            self._visits.turn_back(visit)

    def _note_not_taken(
        self, decision: Decision, why: str, write: Callable[[EventDraft], None], *, operator: str = ""
    ) -> None:
        """The one access event of the visit; when that has been written, a short word besides."""
        visit = visit_of(decision)
        if self._visits.refuse(visit):
            write(access_draft(decision, why, operator=operator))
        elif why not in BUSY:
            data = {"decision": decision.id, "visit": visit, "why": why}
            refused = f"{self._noun}.refused"
            write(EventDraft(Stream.BARRIER, refused, self._lane, data, (visit, decision.id)))

    def _accept(
        self, request: Request, draft: EventDraft, pending: _Pending, *, may_go_unwritten: bool = False
    ) -> bool:
        """Make the acceptance durable and hand the request over; False when neither may be done."""
        try:
            is_new = self._journal.begin_actuation(request.id, draft)
        except (JournalError, ValueError) as error:
            if not (may_go_unwritten and self._opens_unwritten):
                log.error("lane %s: nothing moves, because it cannot be journaled: %s", self._lane, error)
                _tell(pending.done, Outcome.FAILED.value, "it cannot be journaled")
                return False
            log.error("lane %s: it opens, as configured, and cannot be journaled: %s", self._lane, error)
            is_new = request.id not in self._unwritten
            self._unwritten.append(request.id)
            self._append(draft)
        if not is_new:
            log.warning("lane %s: %s was accepted before and is not done again", self._lane, request.id)
            _tell(pending.done, "seen_before", "this id was accepted before")
            return False
        now_ns = self.clock.boot_ns()
        self._pending[request.id] = replace(pending, times=replace(pending.times, journaled_ns=now_ns))
        fault_point("actuation.journaled")
        if now_ns > request.not_after_ns:
            self._file(request.id, WireResult(Outcome.TOO_LATE, why="journaling took too long"))
            return True
        self._hand_over(request)
        return True

    def _file_results(self) -> None:
        """Transitions first: what a result stands for has happened before it."""
        while self._notes:
            self._append(self._notes.popleft())
        while self._ended:
            self._file(*self._ended.popleft())

    def _file(self, actuation_id: str, result: WireResult) -> None:
        pending = self._pending.pop(actuation_id, None)
        if pending is None:
            return
        if result.outcome in (Outcome.FAILED, Outcome.TOO_LATE, Outcome.CANCELLED):
            self._visits.turn_back(pending.visit)
        times = replace(pending.times, written_ns=result.written_ns)
        outcome = result.outcome.value
        draft = actuated_draft(
            self._lane, self._noun, actuation_id, outcome, result.why, times, pending.chain
        )
        try:
            self._journal.finish_actuation(actuation_id, outcome, draft)
        except (JournalError, ValueError) as error:
            log.error("lane %s: result of %s cannot be journaled: %s", self._lane, actuation_id, error)
        _tell(pending.done, outcome, result.why)

    def _append(self, draft: EventDraft) -> None:
        try:
            self._journal.append(draft)
        except (JournalError, ValueError) as error:
            log.error("lane %s: %s cannot be journaled: %s", self._lane, draft.type, error)


def _tell(done: Told | None, result: str, why: str) -> None:
    if done is not None:
        done(result, why)

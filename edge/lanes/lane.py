"""One lane: reads its contacts, turns its machine, does what the machine says.

The loop waits for nothing but its own pace: boards are owned by ``edge.lanes.actuation``, the disk belongs
to ``edge.lanes.clerk``. A contact that changes, a decision, a command wake it at once.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.clock import NS_PER_MS, NS_PER_S, Clock, ClockState
from edge.health import Alarms
from edge.lanes.acts import OPENING_ASKS, Act, AlarmEdge, Ask, Defer, Journal, Pulse, Release, Request
from edge.lanes.actuation import BoardWorker
from edge.lanes.clerk import LaneClerk, StaffCommand, Told
from edge.lanes.contacts import Contacts
from edge.lanes.drafts import LaneJournal
from edge.lanes.hours import is_within
from edge.lanes.machines import Machine, machine_of
from edge.lanes.orders import Outcome, WireResult
from edge.lanes.outputs import STALE_ORDER_NS, LaneOutputs
from edge.lanes.visits import Visits
from edge.records import Decision, EventDraft, Stream
from edge.settings import Lane as LaneSection
from edge.settings import Settings
from edge.worker import Worker

log = logging.getLogger(__name__)

COMING_NS = 1 * NS_PER_S  # while a decision is on its way through the disk, the line is kept free
SCHEDULE_EVERY_NS = 1 * NS_PER_S
WAKING = ("presence", "second_loop", "beam", "exit_button", "contact", "zone_in", "zone_out", "occupied")
WAKING_EVENTS = ("opened_by_hand", "moved_by_hand", "forced", "passed_closed")


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A lane at one moment, for console and command line.

    Attributes:
        phase: The machine's. since_ns: CLOCK_BOOTTIME when it was entered.
        contacts: Debounced inputs by meaning; None: not known.
        away: Outputs by meaning that are away from their safe state.
        heading: The way that is open or used now, ``in`` or ``out``; empty: none, or nobody knows.
        shows: Lamps and alarm output that should be on.
    """

    name: str
    kind: str
    phase: str
    since_ns: int
    contacts: Mapping[str, bool | None]
    away: tuple[str, ...]
    waiting: tuple[str, ...]
    holds: tuple[str, ...]
    alarms: tuple[str, ...]
    fault: str
    dry_run: bool
    heading: str = ""
    shows: tuple[str, ...] = ()


class Lane(Worker):
    """Thread ``lane-<name>``, with its clerk. Everything public may be called from any thread.

    Args:
        name: The lane's name in the configuration.
        settings: All of it; the lane takes its own section.
        boards: The owners of the boards, started by whoever made them, before the lane.
        journal: Every decision and every transition goes there.
        clock: CLOCK_BOOTTIME.
        alarms: The machine's alarms are raised here, with the lane as subject.
        on_wake: Told the lane's name when a sensor says that somebody comes, or a boom or leaf moves unasked.
        config_rev: Revision of the platform's document that runs, 0 for the file; recorded in decisions.
        is_killed: Whether the kill switch is thrown; asked until the moment in which something moves.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        boards: Mapping[str, BoardWorker],
        journal: LaneJournal,
        clock: Clock,
        alarms: Alarms,
        *,
        on_wake: Callable[[str], None] | None = None,
        config_rev: int = 0,
        is_killed: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(f"lane-{name}", clock)
        self.lane_name = name
        self._boards = boards
        self._alarms = alarms
        self._on_wake = on_wake
        self._is_killed = is_killed
        self._settings: LaneSection = settings.lanes[name]
        self._next_settings: LaneSection | None = None
        self._contacts = self._contacts_of(self._settings)
        self._outputs = LaneOutputs(self._settings, boards)
        self._machine: Machine = machine_of(self._settings)
        self._requests: deque[Request] = deque()
        self._turn = threading.Event()
        self._visits = Visits()
        self.clerk = LaneClerk(
            name,
            self._settings.type,
            journal,
            clock,
            self._visits,
            self._take_request,
            self._why_not,
            way_of=self._way_of,
            config_rev=config_rev,
            is_killed=is_killed,
            opens_unwritten=settings.store.when_unwritable == "open",
        )
        self._before: Mapping[str, bool | None] = {}
        self._unanswered: set[str] = set()
        self._deferred: set[str] = set()
        self._scheduled, self._schedule_ns = False, 0
        self._status = self._status_of({})
        self._listen()

    # --- for the others -------------------------------------------------------------------------------

    @property
    def status(self) -> LaneStatus:
        """The lane as of its last turn."""
        return self._status

    def expect(self) -> None:
        """Somebody is being looked at who may be let in soon: the line is kept free for that."""
        self._outputs.keep_line_free(self.clock.boot_ns() + 2 * COMING_NS)

    def submit(self, decision: Decision) -> bool:
        """Take a decision; False (and a record of it) when the lane cannot keep up or is stopping."""
        self._outputs.keep_line_free(self.clock.boot_ns() + COMING_NS)
        taken = self.clerk.submit(decision)
        if not taken:
            why = "stopping" if self.stopping.is_set() else "queue_full"
            log.error("lane %s takes no decision now (%s): %s is dropped", self.lane_name, why, decision.id)
            self.clerk.turn_away(decision, why)
        return taken

    def open_by_command(self, command_id: str, operator: str, not_after_ns: int, done: Told) -> bool:
        """Open for a person of the staff; ``done`` is told the result and why, in the clerk's thread."""
        return self.command(Ask.OPEN, command_id, operator, not_after_ns, done)

    def command(
        self,
        ask: Ask,
        command_id: str,
        operator: str,
        not_after_ns: int,
        done: Told,
        *,
        hold_s: float = 0,
        at_box: bool = False,
    ) -> bool:
        """Open, close, stop, hold (for a time), fleet mode or release; False when nothing is taken now."""
        arrived_ns, hold_ns = self.clock.boot_ns(), round(hold_s * NS_PER_S)
        command = StaffCommand(ask, command_id, operator, not_after_ns, arrived_ns, done, hold_ns, at_box)
        return self.clerk.submit(command)

    def update(self, settings: Settings, config_rev: int | None = None) -> None:
        """Take new settings from the next turn on. A lane does not change its type without a restart.

        Raises:
            ValueError: It would change its type.
        """
        lane = settings.lanes[self.lane_name]
        if lane.type != self._settings.type:
            raise ValueError(f"lane {self.lane_name} is a {self._settings.type}; restart to make it another")
        if config_rev is not None:
            self.clerk.config_rev = config_rev
        self._next_settings = lane
        self._turn.set()

    @property
    def is_stalled(self) -> bool:
        """True when the lane or its clerk makes no progress."""
        return super().is_stalled or self.clerk.is_stalled

    def stop(self) -> None:
        """Ask the lane to end; its outputs go to their safe states."""
        super().stop()
        self._turn.set()

    # --- the thread -----------------------------------------------------------------------------------

    def work(self) -> None:
        """Turn by turn until stopped; then let go of everything."""
        self.clerk.on_failure = self._fail_with
        self.clerk.start()
        try:
            while not self.stopping.is_set():
                self.beat()
                started_ns = self.clock.boot_ns()
                self._turn.clear()
                self._one_turn(started_ns)
                pause_ns = started_ns + self._settings.poll_ms * NS_PER_MS - self.clock.boot_ns()
                self._turn.wait(max(0, pause_ns) / NS_PER_S)
        finally:
            self._outputs.release_all()
            self.clerk.close()

    def _fail_with(self, clerk: Worker) -> None:
        """A lane whose clerk has died of a bug is dead: nothing could be journaled, so nothing may move."""
        self.failure = clerk.failure
        self.stop()
        if self.on_failure is not None:
            self.on_failure(self)

    def _one_turn(self, now_ns: int) -> None:
        if self._next_settings is not None:
            self._swap_settings(self._next_settings)
        contacts = self._contacts.read(now_ns)
        requests = tuple(self._requests.popleft() for _ in range(len(self._requests)))
        self._unanswered = {request.id for request in requests}
        machine, scheduled = self._machine, self._is_scheduled(now_ns)
        for act in machine.step(contacts, requests, now_ns, self._settings, scheduled=scheduled):
            self._do(act, now_ns)
        for request in requests:
            if request.id in self._unanswered:
                # Nothing had to move for it: the lane was as it should be.
                self.clerk.ended(request.id, WireResult(Outcome.DONE, why="nothing had to be switched"))
        self._outputs.keep(machine.state.shows, machine.acting(), now_ns)
        if machine.must_react:
            self._outputs.keep_line_free(now_ns + STALE_ORDER_NS)
        self._status = self._status_of(contacts)
        self._tell_who_watches(contacts)

    def _swap_settings(self, settings: LaneSection) -> None:
        self._next_settings = None
        if settings == self._settings:
            return
        was, self._settings = self._settings, settings
        self._outputs.update(settings)
        self._schedule_ns = 0
        if self._contacts_of(settings).wires != self._contacts_of(was).wires:
            self._contacts = self._contacts_of(settings)
            self._listen()

    def _listen(self) -> None:
        for board in {wire.board for wire in self._contacts.wires.values()}:
            self._boards[board].on_inputs(self._turn.set)

    def _is_scheduled(self, now_ns: int) -> bool:
        """Whether the lane shall be held open at this time of the week; never while nobody knows the time."""
        windows = getattr(self._settings, "hold_open", ())
        if not windows or self._is_killed():
            return False
        if now_ns >= self._schedule_ns:
            self._schedule_ns = now_ns + SCHEDULE_EVERY_NS
            local = datetime.fromtimestamp(self.clock.utc_ns() / NS_PER_S, UTC).astimezone()
            knows = self.clock.state() is not ClockState.UNSET
            self._scheduled = knows and is_within(windows, local)
        return self._scheduled

    # --- doing ----------------------------------------------------------------------------------------

    def _do(self, act: Act, now_ns: int) -> None:
        match act:
            case Pulse():
                must_be = self._machine.must_be(act)
                done = self._answer(act.request)
                self._outputs.pulse(act, now_ns, only_if=lambda: self._may_move(act, must_be), done=done)
            case Release():
                self._outputs.release(act.wire)
            case Defer(request):
                self._unanswered.discard(request.id)
                self._deferred.add(request.id)
            case AlarmEdge(name, on=True, detail=detail):
                self._alarms.set(name, self.lane_name, detail)
            case AlarmEdge(name):
                self._alarms.clear(name, self.lane_name)
            case Journal():
                self._follow(act)

    def _answer(self, request: Request | None) -> Callable[[WireResult], None]:
        if request is None:
            return _forget
        self._unanswered.discard(request.id)
        self._deferred.discard(request.id)
        return lambda result: self.clerk.ended(request.id, result)

    def _may_move(self, act: Pulse, must_be: Mapping[str, bool]) -> bool:
        """The kill switch may have been thrown since; what a sensor raises for safety does not ask it."""
        asked = act.request
        if asked is not None and asked.ask in OPENING_ASKS and not asked.at_box and self._is_killed():
            return False
        return self._is_so_now(must_be)

    def _is_so_now(self, must_be: Mapping[str, bool]) -> bool:
        """Asked by the board's owner directly before it writes: no debounce, no memory (SAFE-1)."""
        now_ns = self.clock.boot_ns()
        wired = self._contacts.wires
        return all(
            self._contacts.raw(name, now_ns) is word for name, word in must_be.items() if name in wired
        )

    def _follow(self, act: Journal) -> None:
        """Journal a transition; learn from it which visits have passed, and which request was refused."""
        visit, request_id = act.data.get("visit"), act.data.get("id")
        event = act.type.partition(".")[2]
        if event == "passed" and visit:
            self._visits.passed(visit)
        elif event in ("authorised_not_passed", "passage_unknown") and visit:
            self._visits.turn_back(visit)
        elif event == "turned_back" and visit:
            self._visits.turn_back(visit, though_passed=True)
        elif event == "refused" and request_id in self._unanswered | self._deferred:
            self._unanswered.discard(request_id)
            self._deferred.discard(request_id)
            late = act.data["why"] == Outcome.TOO_LATE
            outcome = Outcome.TOO_LATE if late else Outcome.CANCELLED
            self.clerk.ended(request_id, WireResult(outcome, why=act.data["why"]))
        elif event == "exit_requested":
            self.clerk.note_exit(self.clock.boot_ns())
        chain = (visit,) if visit else ()
        self.clerk.note(EventDraft(Stream.BARRIER, act.type, self.lane_name, dict(act.data), chain))
        if event in WAKING_EVENTS and self._on_wake is not None:
            self._on_wake(self.lane_name)

    # --- small things ---------------------------------------------------------------------------------

    def _take_request(self, request: Request) -> None:
        self._requests.append(request)
        self._turn.set()

    def _why_not(self, heading: str) -> str:
        """Empty, or why an opening cannot be tried now; asked in the clerk's thread."""
        settings = self._settings
        if settings.dry_run:
            return "dry_run"
        if not all(self._boards[output.board].is_up for output in settings.openers):
            return "lane_fault"
        return self._machine.why_not(heading, self.clock.boot_ns(), settings)

    def _way_of(self, decision: Decision) -> str:
        """``in`` or ``out``; empty when nobody knows which way they want to go (staff, at a two-way lane)."""
        settings = self._settings
        if settings.direction != "both":
            return settings.direction
        if decision.identity is None or not settings.cameras_out:
            return ""
        return "out" if decision.identity.camera in settings.cameras_out else "in"

    def _contacts_of(self, settings: LaneSection) -> Contacts:
        return Contacts(settings, lambda board: self._boards[board].snapshot)

    def _status_of(self, contacts: Mapping[str, bool | None]) -> LaneStatus:
        machine, state = self._machine, self._machine.state
        return LaneStatus(
            name=self.lane_name,
            kind=self._settings.type,
            phase=machine.phase,
            since_ns=state.since_ns,
            contacts=dict(contacts),
            away=self._outputs.away(),
            waiting=state.waiting,
            holds=tuple(sorted(hold.value for hold in state.holds)),
            alarms=tuple(sorted(state.alarms)),
            fault=state.fault,
            dry_run=self._settings.dry_run,
            heading=machine.heading,
            shows=tuple(sorted(state.shows)),
        )

    def _tell_who_watches(self, contacts: Mapping[str, bool | None]) -> None:
        before, self._before = self._before, contacts
        if not any(contacts.get(meaning) and before.get(meaning) is False for meaning in WAKING):
            return
        self._outputs.keep_line_free(self.clock.boot_ns() + 5 * COMING_NS)
        if self._on_wake is not None:
            self._on_wake(self.lane_name)


def _forget(_: WireResult) -> None:
    return

"""One lane: reads its contacts, turns its machine, does what the machine says.

The loop waits for nothing but its own pace: boards are owned by ``edge.lanes.actuation``, the disk belongs
to ``edge.lanes.clerk``. A contact that changes, a decision, a command wake it at once.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.clock import NS_PER_MS, NS_PER_S, Clock
from edge.health import Alarms
from edge.lanes.acts import Act, AlarmEdge, Ask, Journal, Pulse, Release, Request, Wire
from edge.lanes.actuation import BoardWorker
from edge.lanes.clerk import LaneClerk, StaffCommand, Told
from edge.lanes.contacts import Contacts
from edge.lanes.drafts import LaneJournal
from edge.lanes.machines import BarrierMachine, DoorMachine, machine_of
from edge.lanes.orders import Order, Outcome, WireResult
from edge.lanes.visits import Visits
from edge.records import Decision, EventDraft, Stream
from edge.settings import BarrierLane, DoorLane, Output, Settings
from edge.worker import Worker

log = logging.getLogger(__name__)

STALE_ORDER_NS = 500 * NS_PER_MS  # besides the dead time: an order by the machine itself is void after this
COMING_NS = 1 * NS_PER_S  # while a decision is on its way through the disk, the line is kept free
WAKING = ("presence", "beam", "exit_button", "contact")


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A lane at one moment, for console and command line.

    Attributes:
        phase: The machine's. since_ns: CLOCK_BOOTTIME when it was entered.
        contacts: Debounced inputs by meaning; None: not known.
        away: Outputs by meaning that are away from their safe state.
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


class Lane(Worker):
    """Thread ``lane-<name>``, with its clerk. Everything public may be called from any thread.

    Args:
        name: The lane's name in the configuration.
        settings: All of it; the lane takes its own section.
        boards: The owners of the boards, started by whoever made them, before the lane.
        journal: Every decision and every transition goes there.
        clock: CLOCK_BOOTTIME.
        alarms: The machine's alarms are raised here, with the lane as subject.
        on_wake: Told the lane's name when loop, beam, button or leaf say that somebody comes.
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
    ) -> None:
        super().__init__(f"lane-{name}", clock)
        self.lane_name = name
        self._boards = boards
        self._alarms = alarms
        self._on_wake = on_wake
        self._settings: BarrierLane | DoorLane = settings.lanes[name]
        self._next_settings: BarrierLane | DoorLane | None = None
        self._contacts = self._contacts_of(self._settings)
        self._machine: BarrierMachine | DoorMachine = machine_of(self._settings)
        self._requests: deque[Request] = deque()
        self._turn = threading.Event()
        self._visits = Visits()
        self.clerk = LaneClerk(
            name, self._settings.type, journal, clock, self._visits, self._take_request, self._why_not
        )
        self._before: Mapping[str, bool | None] = {}
        self._unanswered: set[str] = set()
        self._status = self._status_of({})
        for board in {wire.board for wire in self._contacts.wires.values()}:
            boards[board].on_inputs(self._turn.set)

    # --- for the others -------------------------------------------------------------------------------

    @property
    def status(self) -> LaneStatus:
        """The lane as of its last turn."""
        return self._status

    def submit(self, decision: Decision) -> bool:
        """Take a decision; False (and a log line) when the lane cannot keep up or is stopping."""
        output = self._opener()
        self._boards[output.board].keep_line_free(self.clock.boot_ns() + COMING_NS)
        taken = self.clerk.submit(decision)
        if not taken:
            log.error("lane %s takes no decision now: %s is dropped", self.lane_name, decision.id)
        return taken

    def open_by_command(self, command_id: str, operator: str, not_after_ns: int, done: Told) -> bool:
        """Open for a person of the staff; ``done`` is told the result and why, in the clerk's thread."""
        return self.command(Ask.OPEN, command_id, operator, not_after_ns, done)

    def command(self, ask: Ask, command_id: str, operator: str, not_after_ns: int, done: Told) -> bool:
        """Open, close, stop, hold open or release by hand; False when nothing is taken now."""
        arrived_ns = self.clock.boot_ns()
        return self.clerk.submit(StaffCommand(ask, command_id, operator, not_after_ns, arrived_ns, done))

    def update(self, settings: Settings) -> None:
        """Take new settings from the next turn on. A lane does not change its type without a restart.

        Raises:
            ValueError: It would change its type.
        """
        lane = settings.lanes[self.lane_name]
        if lane.type != self._settings.type:
            raise ValueError(f"lane {self.lane_name} is a {self._settings.type}; restart to make it another")
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
            for output in self._outputs().values():
                self._boards[output.board].release(output.channel)
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
        for act in self._machine.step(contacts, requests, now_ns, self._settings):
            self._do(act, now_ns)
        for request in requests:
            if request.id in self._unanswered:
                # Nothing had to move for it: the lane was as it should be.
                self.clerk.ended(request.id, WireResult(Outcome.DONE, why="nothing had to be switched"))
        if self._machine.must_react:
            for output in self._outputs().values():
                self._boards[output.board].keep_line_free(now_ns + STALE_ORDER_NS)
        self._status = self._status_of(contacts)
        self._tell_who_watches(contacts)

    def _swap_settings(self, settings: BarrierLane | DoorLane) -> None:
        self._next_settings = None
        if settings == self._settings:
            return
        was, self._settings = self._settings, settings
        if self._contacts_of(settings).wires != self._contacts_of(was).wires:
            self._contacts = self._contacts_of(settings)
            for board in {wire.board for wire in self._contacts.wires.values()}:
                self._boards[board].on_inputs(self._turn.set)

    # --- doing ----------------------------------------------------------------------------------------

    def _do(self, act: Act, now_ns: int) -> None:
        match act:
            case Pulse():
                self._pulse(act, now_ns)
            case Release():
                if (output := self._outputs().get(act.wire)) is not None:
                    self._boards[output.board].release(output.channel)
            case AlarmEdge(name, on=True, detail=detail):
                self._alarms.set(name, self.lane_name, detail)
            case AlarmEdge(name):
                self._alarms.clear(name, self.lane_name)
            case Journal():
                self._follow(act)

    def _pulse(self, act: Pulse, now_ns: int) -> None:
        output = self._outputs().get(act.wire)
        done = self._answer(act.request)
        if output is None or self._settings.dry_run:
            done(WireResult(Outcome.CANCELLED, why="dry run" if output else f"no {act.wire} wire"))
            return
        lowers = act.wire is Wire.CLOSE
        limit_ns = self._stale_ns(now_ns) if act.request is None else act.request.not_after_ns
        order = Order(
            channel=output.channel,
            ms=output.pulse_ms,
            guard_ms=self._guard_ms(act.wire, output),
            not_after_ns=limit_ns,
            first=not lowers,
            only_if=self._is_clear_now if lowers else _always,
            done=done,
        )
        self._boards[output.board].order(order)

    def _stale_ns(self, now_ns: int) -> int:
        dead_time_ms = self._settings.times.dead_time_ms if isinstance(self._settings, BarrierLane) else 0
        return now_ns + STALE_ORDER_NS + dead_time_ms * NS_PER_MS

    def _guard_ms(self, wire: Wire, output: Output) -> int:
        """A pulse has its guard; so has a held CLOSE. What holds open is not ended behind a fire's back."""
        may_last = output.pulse_ms == 0 and wire in (Wire.OPEN, Wire.LOCK)
        return 0 if may_last else output.max_on_ms

    def _answer(self, request: Request | None) -> Callable[[WireResult], None]:
        if request is None:
            return _forget
        self._unanswered.discard(request.id)
        return lambda result: self.clerk.ended(request.id, result)

    def _is_clear_now(self) -> bool:
        """Asked by the board's owner directly before CLOSE is written: nobody under the boom (SAFE-1)."""
        now_ns = self.clock.boot_ns()
        watched = set(self._contacts.wires) & {"presence", "beam", "fire", "hold_key"}
        return all(self._contacts.raw(meaning, now_ns) is False for meaning in watched)

    def _follow(self, act: Journal) -> None:
        """Journal a transition; learn from it which visits have passed, and which request was refused."""
        visit, request_id = act.data.get("visit"), act.data.get("id")
        if act.type.endswith(".passed") and visit:
            self._visits.passed(visit)
        elif act.type.endswith(".authorised_not_passed") and visit:
            self._visits.turn_back(visit)
        if act.type.endswith(".refused") and request_id in self._unanswered:
            self._unanswered.discard(request_id)
            late = act.data["why"] == Outcome.TOO_LATE
            outcome = Outcome.TOO_LATE if late else Outcome.CANCELLED
            self.clerk.ended(request_id, WireResult(outcome, why=act.data["why"]))
        chain = (visit,) if visit else ()
        self.clerk.note(EventDraft(Stream.BARRIER, act.type, self.lane_name, dict(act.data), chain))

    # --- small things ---------------------------------------------------------------------------------

    def _take_request(self, request: Request) -> None:
        self._requests.append(request)
        self._turn.set()

    def _why_not(self) -> str:
        """Empty, or why an opening cannot be tried now."""
        if self._settings.dry_run:
            return "dry_run"
        return "" if self._boards[self._opener().board].is_up else "lane_fault"

    def _opener(self) -> Output:
        """The output that lets somebody in."""
        settings = self._settings
        return settings.open if isinstance(settings, BarrierLane) else settings.lock

    def _outputs(self) -> Mapping[Wire, Output]:
        wires = {wire: getattr(self._settings, wire.value, None) for wire in Wire}
        return {wire: output for wire, output in wires.items() if output is not None}

    def _contacts_of(self, settings: BarrierLane | DoorLane) -> Contacts:
        return Contacts(settings, lambda board: self._boards[board].snapshot)

    def _status_of(self, contacts: Mapping[str, bool | None]) -> LaneStatus:
        machine = self._machine
        away = tuple(
            wire.value
            for wire, output in self._outputs().items()
            if output.channel in self._boards[output.board].status.away
        )
        return LaneStatus(
            name=self.lane_name,
            kind=self._settings.type,
            phase=machine.state.phase.value,
            since_ns=machine.state.since_ns,
            contacts=dict(contacts),
            away=away,
            waiting=machine.state.waiting,
            holds=tuple(sorted(hold.value for hold in machine.state.holds)),
            alarms=tuple(sorted(machine.state.alarms)),
            fault=machine.fault,
            dry_run=self._settings.dry_run,
        )

    def _tell_who_watches(self, contacts: Mapping[str, bool | None]) -> None:
        before, self._before = self._before, contacts
        if not any(contacts.get(meaning) and before.get(meaning) is False for meaning in WAKING):
            return
        self._boards[self._opener().board].keep_line_free(self.clock.boot_ns() + 5 * COMING_NS)
        if self._on_wake is not None:
            self._on_wake(self.lane_name)


def _forget(_: WireResult) -> None:
    return


def _always() -> bool:
    return True

"""The door as a pure machine: sensors, requests and time in; lock acts, events and alarms out.

LOCKED, UNLOCKED (let in, leaf still shut), OPEN (leaf open, locked again behind it), HELD (fire or key).
"Unlocked" is the lock's relay away from its safe state. The exit button always unlocks, and explains a leaf
that opens within the mask time after it; a leaf that opens without an explanation is ``door.forced``. An
unknown contact opens and closes nothing and is no alarm; an unknown fire input neither unlocks nor locks.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, AlarmEdge, Ask, Hold, Journal, Pulse, Release, Request, Wire
from edge.settings import DoorLane

REPEAT_HOLD_NS = 2 * NS_PER_S
PRE_ALARM = 0.8  # part of the held-open time after which the first, quiet alarm comes


class DoorPhase(StrEnum):
    """Where the door is."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"
    OPEN = "open"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class DoorInputs:
    """One look at the door. A sensor that is not wired is ignored, whatever stands here."""

    contact: bool | None = None
    exit_button: bool | None = None
    fire: bool | None = None
    hold_key: bool | None = None
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class DoorState:
    """All that the machine remembers; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        opened_ns: When the leaf was seen to open; None while it is shut.
        leaf: The contact's last known word; None until the first.
        unlock_until_ns: Until when the lock is let go.
        excused_until_ns: Until when an opening leaf is no alarm.
        waiting: Visits let in that have not opened the leaf.
    """

    phase: DoorPhase = DoorPhase.LOCKED
    since_ns: int = 0
    seen_ns: int | None = None
    leaf: bool | None = None
    opened_ns: int | None = None
    unlock_until_ns: int = 0
    unlocked: bool = False
    excused_until_ns: int = 0
    pressed: bool = False
    waiting: tuple[str, ...] = ()
    holds: frozenset[Hold] = frozenset()
    fire_gone_ns: int | None = None
    pulsed_ns: int = 0
    alarms: frozenset[str] = frozenset()


def step(
    state: DoorState, inputs: DoorInputs, now_ns: int, settings: DoorLane
) -> tuple[DoorState, tuple[Act, ...]]:
    """Advance the machine by one look at the door.

    Args:
        state: As the step before returned it; ``DoorState()`` for the first one.
        inputs: What is seen and asked for now.
        now_ns: CLOCK_BOOTTIME; never earlier than in the step before.
        settings: Wires and times; may change between two steps.

    Returns:
        The new state, and what to do, in order.
    """
    return DoorTurn(state, inputs, now_ns, settings).run()


class DoorTurn:
    """One step in the making. Lives for one call of ``step``."""

    def __init__(self, state: DoorState, inputs: DoorInputs, now_ns: int, settings: DoorLane) -> None:
        self.state = state
        self.inputs = inputs
        self.now_ns = now_ns
        self.settings = settings
        self.acts: list[Act] = []

    def run(self) -> tuple[DoorState, tuple[Act, ...]]:
        """Holds first, then the button and requests, then the leaf, then the clock."""
        if self.state.seen_ns is None:
            self.set(since_ns=self.now_ns)
        self.obey_holds()
        self.obey_button()
        for request in self.inputs.requests:
            self.obey(request)
        self.follow_leaf()
        self.follow_time()
        self.set(seen_ns=self.now_ns)
        return self.state, tuple(self.acts)

    def sensor(self, name: str) -> bool | None:
        """A wired sensor's word; False for one that is not wired."""
        value: bool | None = getattr(self.inputs, name)
        return value if getattr(self.settings, name) is not None else False

    # --- holds ----------------------------------------------------------------------------------------

    def obey_holds(self) -> None:
        """Fire and the local key unlock and hold; only they themselves let go (SAFE-2)."""
        fire, key, holds = self.sensor("fire"), self.sensor("hold_key"), self.state.holds
        if fire is not False:
            self.set(fire_gone_ns=None)
            holds |= {Hold.FIRE} if fire else set()
        elif Hold.FIRE in holds:
            gone_ns = self.state.fire_gone_ns
            if gone_ns is None or self.was_blind():
                gone_ns = self.now_ns
            self.set(fire_gone_ns=gone_ns)
            if self.now_ns - gone_ns >= _ns(self.settings.times.fire_reset_s):
                holds -= {Hold.FIRE}
        if key is not None:
            holds = holds | {Hold.KEY} if key else holds - {Hold.KEY}
        self.hold(holds)

    def was_blind(self) -> bool:
        """True when nothing was observed for a second or more before this step."""
        return self.state.seen_ns is None or self.now_ns - self.state.seen_ns > NS_PER_S

    def hold(self, holds: frozenset[Hold]) -> None:
        """Let the holds be these: unlock for the first one, lock after the last."""
        added, ended = holds - self.state.holds, self.state.holds - holds
        self.set(holds=holds)
        if added:
            self.journal("door.held", by=sorted(added))
            self.unlock(urgent=True)
            self.enter(DoorPhase.HELD)
        if ended:
            self.journal("door.hold_ended", by=sorted(ended))
            if not holds:
                self.lock()
                self.enter(DoorPhase.OPEN if self.state.leaf else DoorPhase.LOCKED)

    # --- the lock -------------------------------------------------------------------------------------

    def unlock(self, *, urgent: bool, request: Request | None = None) -> None:
        """Let go of the leaf."""
        self.acts.append(Pulse(Wire.LOCK, urgent=urgent, request=request))
        self.set(unlocked=True, pulsed_ns=self.now_ns)

    def lock(self) -> None:
        """Hold the leaf again (or let the lock's own timer do it, after a pulse)."""
        self.acts.append(Release(Wire.LOCK))
        self.set(unlocked=False, unlock_until_ns=0)

    def let_pass(self, request: Request | None) -> None:
        """Unlock for one passage."""
        until_ns = self.now_ns + _ns(self.settings.times.unlock_s)
        self.unlock(urgent=False, request=request)
        self.set(unlock_until_ns=until_ns, excused_until_ns=max(until_ns, self.state.excused_until_ns))
        if self.state.phase is DoorPhase.LOCKED:
            self.enter(DoorPhase.UNLOCKED)

    def obey_button(self) -> None:
        """The exit button unlocks, whoever stands outside."""
        pressed = self.sensor("exit_button")
        if pressed:
            mask_ns = self.now_ns + _ns(self.settings.times.exit_mask_s)
            self.set(excused_until_ns=max(mask_ns, self.state.excused_until_ns))
            if not self.state.pressed:
                self.journal("door.exit_requested")
                if not self.state.holds:
                    self.let_pass(None)
            elif self.state.unlocked and self.state.phase is DoorPhase.UNLOCKED:
                self.set(unlock_until_ns=self.now_ns + _ns(self.settings.times.unlock_s))
        if pressed is not None:
            self.set(pressed=pressed)

    def obey(self, request: Request) -> None:
        """Do what is asked, or record why not."""
        if self.now_ns > request.not_after_ns:
            self.refuse(request, "too_late")
        elif request.ask is Ask.OPEN:
            if request.visit in self.state.waiting and self.state.phase is not DoorPhase.LOCKED:
                return
            self.set(waiting=(*self.state.waiting, request.visit)[-16:])
            if not self.state.holds:
                self.let_pass(request)
        elif request.ask is Ask.HOLD:
            self.hold(self.state.holds | {Hold.REMOTE})
        elif request.ask is Ask.RELEASE and Hold.REMOTE in self.state.holds:
            self.hold(self.state.holds - {Hold.REMOTE})
        elif request.ask is Ask.RELEASE:
            self.refuse(request, "not_held_remotely")
        elif self.state.holds:
            self.refuse(request, "held_open")
        elif request.ask is Ask.CLOSE:
            self.give_up_waiting()
            self.lock()
            self.enter(DoorPhase.OPEN if self.state.leaf else DoorPhase.LOCKED)
        else:
            self.refuse(request, "a door cannot stop")

    # --- the leaf and the clock -----------------------------------------------------------------------

    def follow_leaf(self) -> None:
        """The contact: somebody goes through, nobody was let in, or the leaf is shut again."""
        leaf, before = self.sensor("contact"), self.state.leaf
        if self.settings.contact is None or leaf is None or leaf is before:
            return
        self.set(leaf=leaf, opened_ns=self.now_ns if leaf else None)
        if leaf:
            self.leaf_opened(first_look=before is None)
        else:
            self.journal("door.closed")
            for name in ("door.forced", "door.held_soon", "door.held_open"):
                self.alarm(name, on=False)
            if self.state.phase is DoorPhase.OPEN:
                still = self.now_ns < self.state.unlock_until_ns and self.state.unlocked
                self.enter(DoorPhase.UNLOCKED if still else DoorPhase.LOCKED)

    def leaf_opened(self, *, first_look: bool) -> None:
        """Who opened it? At the first look after a start it may have been anybody, which is no alarm."""
        for visit in self.state.waiting[:1]:
            self.journal("door.passed", visit=visit)
        explained = bool(self.state.waiting or self.state.holds or self.now_ns <= self.state.excused_until_ns)
        self.set(waiting=self.state.waiting[1:])
        if first_look:
            self.journal("door.found_open")
        elif explained:
            self.journal("door.opened")
        else:
            self.journal("door.forced")
            self.alarm("door.forced", on=True, detail="the door was opened without permission")
        if self.state.phase is not DoorPhase.HELD:
            if self.state.unlocked and not self.state.waiting:
                self.lock()
            self.enter(DoorPhase.OPEN)

    def follow_time(self) -> None:
        """Lock again in time; alarms for a leaf that stands open; renew a hold."""
        state, times = self.state, self.settings.times
        if state.phase is DoorPhase.HELD:
            if self.now_ns - state.pulsed_ns >= REPEAT_HOLD_NS:
                self.unlock(urgent=True)
            return
        if state.unlocked and self.now_ns >= state.unlock_until_ns:
            self.give_up_waiting()
            self.lock()
            if state.phase is DoorPhase.UNLOCKED:
                self.enter(DoorPhase.LOCKED)
        if state.opened_ns is not None:
            open_ns = self.now_ns - state.opened_ns
            if open_ns >= _ns(times.held_s):
                self.alarm("door.held_open", on=True, detail="the door stands open")
                self.alarm("door.held_soon", on=False)
            elif open_ns >= _ns(times.held_s * PRE_ALARM):
                self.alarm("door.held_soon", on=True, detail="the door stands open; the alarm follows")

    def give_up_waiting(self) -> None:
        """Nobody went through: the visits that were let in have not passed."""
        for visit in self.state.waiting:
            self.journal("door.authorised_not_passed", visit=visit)
        self.set(waiting=())

    # --- small things ---------------------------------------------------------------------------------

    def set(self, **changes: object) -> None:
        """Change the state."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def enter(self, phase: DoorPhase) -> None:
        """Enter a phase."""
        if phase is not self.state.phase:
            self.journal("door.changed", phase=phase.value, was=self.state.phase.value)
            self.set(phase=phase, since_ns=self.now_ns)

    def journal(self, kind: str, **data: object) -> None:
        """Have an event written."""
        self.acts.append(Journal(kind, data))

    def refuse(self, request: Request, why: str) -> None:
        """Record that a request is not done."""
        self.journal("door.refused", ask=request.ask.value, visit=request.visit, why=why, id=request.id)

    def alarm(self, name: str, *, on: bool, detail: str = "") -> None:
        """Raise or clear an alarm, once per edge."""
        if on is not (name in self.state.alarms):
            self.set(alarms=self.state.alarms ^ {name})
            self.acts.append(AlarmEdge(name, on, detail))


def _ns(seconds: float) -> int:
    return round(seconds * 1000) * NS_PER_MS

"""The door as a pure machine: sensors, requests and time in; lock acts, events and alarms out.

LOCKED, UNLOCKED (let in, leaf still shut), OPEN (leaf open, locked again behind it), HELD (fire, key,
schedule or a person). ``Pulse`` unlocks, ``Release`` locks; which level of the relay that is, strike or
magnet, is the business of ``edge.settings_wires``. The exit button always unlocks, and explains a leaf that
opens within the mask time after it; a leaf that opens without an explanation is ``door.forced``. An unknown
contact opens and closes nothing and is no alarm; an unknown fire input neither unlocks nor locks.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from edge.clock import NS_PER_S
from edge.lanes.acts import Act, Pulse, Release, Request, Wire
from edge.lanes.lane_state import LaneInputs, LaneState, Sensor
from edge.lanes.turn import Turn
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
class DoorInputs(LaneInputs):
    """One look at the door."""

    contact: Sensor = None
    exit_button: Sensor = None


@dataclass(frozen=True, slots=True)
class DoorState(LaneState):
    """All that the machine remembers; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        opened_ns: When the leaf was seen to open; None while it is shut.
        leaf: The contact's last known word; None until the first.
        unlock_until_ns: Until when the lock is let go.
        excused_until_ns: Until when an opening leaf is no alarm.
        pressed: The exit button's last known word.
    """

    phase: DoorPhase = DoorPhase.LOCKED
    leaf: bool | None = None
    opened_ns: int | None = None
    unlock_until_ns: int = 0
    unlocked: bool = False
    excused_until_ns: int = 0
    pressed: bool = False


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


class DoorTurn(Turn[DoorState, DoorInputs, DoorLane]):
    """One step in the making. Lives for one call of ``step``."""

    NOUN: ClassVar[str] = "door"
    INPUTS: ClassVar[tuple[str, ...]] = ("contact", "exit_button", "fire", "hold_key", "tamper")
    WATCHED: ClassVar[tuple[str, ...]] = ("exit_button",)
    SOUNDING: ClassVar[frozenset[str]] = frozenset({"forced", "held_open", "tampered"})

    def run(self) -> tuple[DoorState, tuple[Act, ...]]:
        """Holds first, then the button and requests, then the leaf, then the clock."""
        self.look()
        self.obey_holds()
        self.obey_button()
        for request in self.inputs.requests:
            self.obey(request)
        self.follow_leaf()
        self.follow_time()
        return self.end()

    def is_green(self) -> bool:
        """Green while the lock is let go."""
        return self.state.unlocked

    # --- holds ----------------------------------------------------------------------------------------

    def begin_hold(self) -> None:
        """Unlock, and stay unlocked."""
        self.unlock(urgent=True)
        self.enter(DoorPhase.HELD)

    def end_hold(self) -> None:
        """Lock after the last hold, unless somebody is at the exit button now."""
        if self.sensor("exit_button") is True:
            self.let_pass(None)
            self.enter(DoorPhase.OPEN if self.state.leaf else DoorPhase.UNLOCKED)
            return
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
        until_ns = self.now_ns + self.ns(self.settings.times.unlock_s)
        self.unlock(urgent=False, request=request)
        self.set(unlock_until_ns=until_ns, excused_until_ns=max(until_ns, self.state.excused_until_ns))
        if self.state.phase is DoorPhase.LOCKED:
            self.enter(DoorPhase.UNLOCKED)

    def obey_button(self) -> None:
        """The exit button unlocks, whoever stands outside."""
        pressed = self.sensor("exit_button")
        if pressed:
            mask_ns = self.now_ns + self.ns(self.settings.times.exit_mask_s)
            self.set(excused_until_ns=max(mask_ns, self.state.excused_until_ns))
            if not self.state.pressed:
                self.journal("exit_requested")
            if self.state.phase is not DoorPhase.HELD:
                if not self.state.unlocked or not self.state.pressed:
                    self.let_pass(None)
                self.set(unlock_until_ns=self.now_ns + self.ns(self.settings.times.unlock_s))
        if pressed is not None:
            self.set(pressed=pressed)

    # --- wishes ---------------------------------------------------------------------------------------

    def obey_open(self, request: Request) -> None:
        """Let one more person in. The same visit does not unlock twice at a time."""
        if request.visit in self.state.waiting and self.state.phase is not DoorPhase.LOCKED:
            return
        self.set(waiting=(*self.state.waiting, request.visit)[-16:])
        if not self.state.holds:
            self.let_pass(request)

    def obey_close(self, request: Request) -> None:
        """Lock at once, unless something holds it open or somebody is at the exit button."""
        if self.state.holds:
            self.refuse(request, "held_open")
        elif self.state.pressed:
            self.refuse(request, "exit_button")
        else:
            self.give_up_waiting()
            self.lock()
            self.enter(DoorPhase.OPEN if self.state.leaf else DoorPhase.LOCKED)

    # --- the leaf and the clock -----------------------------------------------------------------------

    def follow_leaf(self) -> None:
        """The contact: somebody goes through, nobody was let in, or the leaf is shut again."""
        leaf, before = self.sensor("contact"), self.state.leaf
        if not self.wired("contact") or leaf is None or leaf is before:
            return
        self.set(leaf=leaf, opened_ns=self.now_ns if leaf else None)
        if leaf:
            self.leaf_opened(first_look=before is None)
        else:
            self.journal("closed")
            for name in ("forced", "held_soon", "held_open"):
                self.alarm(name, on=False)
            if self.state.phase is DoorPhase.OPEN:
                still = self.now_ns < self.state.unlock_until_ns and self.state.unlocked
                self.enter(DoorPhase.UNLOCKED if still else DoorPhase.LOCKED)

    def leaf_opened(self, *, first_look: bool) -> None:
        """Who opened it? At the first look after a start it may have been anybody, which is no alarm."""
        for visit in self.state.waiting[:1]:
            self.journal("passed", visit=visit)
        explained = bool(self.state.waiting or self.state.holds or self.now_ns <= self.state.excused_until_ns)
        self.set(waiting=self.state.waiting[1:])
        if first_look:
            self.journal("found_open")
        elif explained:
            self.journal("opened")
        else:
            self.journal("forced")
            self.alarm("forced", on=True, detail="the door was opened without permission")
        if self.state.phase is not DoorPhase.HELD:
            if self.state.unlocked and not self.state.waiting and not self.state.pressed:
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
            self.alarm_if_held_open(self.now_ns - state.opened_ns, self.ns(times.held_s))

    def alarm_if_held_open(self, open_ns: int, limit_ns: int) -> None:
        """A quiet alarm first, then the loud one."""
        if open_ns >= limit_ns:
            self.alarm("held_open", on=True, detail="the door stands open")
            self.alarm("held_soon", on=False)
        elif open_ns >= limit_ns * PRE_ALARM:
            self.alarm("held_soon", on=True, detail="the door stands open; the alarm follows")

    def enter(self, phase: DoorPhase) -> None:
        """Enter a phase."""
        if phase is not self.state.phase:
            self.journal("changed", phase=phase.value, was=self.state.phase.value)
            self.set(phase=phase, since_ns=self.now_ns)

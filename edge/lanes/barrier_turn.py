"""One step of the barrier machine in the making: sensors, holds and wishes, in that order.

What each phase does as time goes on stands in ``edge.lanes.barrier``, with the rules.
"""

from dataclasses import replace

from edge.clock import NS_PER_MS
from edge.lanes.acts import Act, AlarmEdge, Ask, Hold, Journal, Pulse, Release, Request, Wire
from edge.lanes.barrier_state import BOOM_UP, BarrierInputs, BarrierState, Phase, Position, Sensor
from edge.settings import BarrierLane

MAX_WAITING = 16  # authorised cars before the boom; more is no queue but a mistake


class BarrierTurn:
    """One step in the making: the state so far and the acts collected. Lives for one call of ``step``."""

    def __init__(
        self, state: BarrierState, inputs: BarrierInputs, now_ns: int, settings: BarrierLane
    ) -> None:
        self.state = state
        self.inputs = inputs
        self.now_ns = now_ns
        self.settings = settings
        self.acts: list[Act] = []
        self.car_left = False

    def begin(self) -> None:
        """Sensors first, then holds, then safety, then wishes."""
        if self.state.seen_ns is None:
            self.set(since_ns=self.now_ns)
        self.observe()
        self.obey_holds()
        if self.state.phase in (Phase.CLOSING, Phase.FAULT):
            self.guard_closing()
        for request in self.inputs.requests:
            self.obey(request)

    def end(self) -> tuple[BarrierState, tuple[Act, ...]]:
        """The state after the step, and what to do."""
        self.set(seen_ns=self.now_ns)
        return self.state, tuple(self.acts)

    # --- what the sensors say -------------------------------------------------------------------------

    def wired(self, name: str) -> bool:
        """True when the lane has this contact or relay."""
        return getattr(self.settings, name) is not None

    def sensor(self, name: str) -> Sensor:
        """A wired sensor's word; False for one that is not wired."""
        value: Sensor = getattr(self.inputs, name)
        return value if self.wired(name) else False

    def is_clear(self) -> bool:
        """True when every wired safety sensor is known to see nothing."""
        return self.sensor("presence") is False and self.sensor("beam") is False

    def may_lower(self) -> bool:
        """True when nothing speaks against lowering the boom now (SAFE-1, SAFE-2)."""
        return (
            self.is_clear()
            and not self.state.holds
            and self.sensor("fire") is False
            and self.sensor("hold_key") is False
        )

    def can_lower(self) -> bool:
        """True when lowering is ours to command."""
        return self.settings.close is not None or self.settings.open.pulse_ms == 0

    def position(self) -> Position | None:
        """Where the limits say the boom is; None when they cannot tell or contradict each other."""
        has_up, has_down = self.wired("open_limit"), self.wired("closed_limit")
        up, down = self.inputs.open_limit, self.inputs.closed_limit
        if has_up and has_down:
            if up and down:
                return None
            if up is False and down is False:
                return Position.BETWEEN
        if has_up and up is not None and (up or not has_down):
            return Position.UP if up else Position.DOWN
        if has_down and down is not None and (down or not has_up):
            return Position.DOWN if down else Position.UP
        return None

    def observe(self) -> None:
        """Follow the sensors: how long it has been clear, and cars that come to and leave the loop."""
        state = self.state
        gap_ns = self.now_ns - (self.now_ns if state.seen_ns is None else state.seen_ns)
        blind = gap_ns > self.ns(self.settings.times.clear_s) // 2
        if not self.is_clear():
            self.set(clear_ns=None)
        elif state.clear_ns is None or blind:
            self.set(clear_ns=self.now_ns)
        if blind and state.fire_gone_ns is not None:
            self.set(fire_gone_ns=self.now_ns)
        car = self.sensor("presence" if self.wired("presence") else "beam")
        if car and not state.occupied:
            self.set(occupied=True, occupied_ns=self.now_ns)
        elif car is False and state.occupied:
            self.set(occupied=False)
            self.car_left = True
            self.alarm("barrier.lingering", on=False)
        if self.state.occupied and self.elapsed(self.state.occupied_ns, self.settings.times.linger_s):
            self.alarm("barrier.lingering", on=True, detail="a car stands under the boom")
        contradict = bool(self.sensor("open_limit") and self.sensor("closed_limit"))
        self.alarm("barrier.limits_contradict", on=contradict, detail="up and down at the same time")
        if self.car_left and state.phase in BOOM_UP and self.sensor("closed_limit") is not True:
            self.count_passage()

    def count_passage(self) -> None:
        """A car has left the loop under a raised boom: whose visit was it?"""
        state = self.state
        if state.waiting:
            self.journal("barrier.passed", visit=state.waiting[0])
        elif state.phase is Phase.HELD_OPEN or not state.ours:
            self.journal("barrier.passed", visit=None)
        else:
            self.journal("barrier.tailgated", after=list(state.lifted[-1:]))
        self.set(waiting=state.waiting[1:], passed=state.passed + 1)

    # --- holds: fire, key, remote ---------------------------------------------------------------------

    def obey_holds(self) -> None:
        """Fire and the local key hold the boom up; only they themselves let go of it (SAFE-2)."""
        fire, key = self.sensor("fire"), self.sensor("hold_key")
        holds = self.state.holds
        if fire:
            holds |= {Hold.FIRE}
            self.set(fire_gone_ns=None)
        elif Hold.FIRE in holds:
            holds = self.fade_fire(holds, fire)
        if key:
            holds |= {Hold.KEY}
        elif key is False:
            holds -= {Hold.KEY}
        self.hold(holds)

    def fade_fire(self, holds: frozenset[Hold], fire: Sensor) -> frozenset[Hold]:
        """The fire hold ends when the input has been known to be gone for the reset time."""
        if fire is None:
            self.set(fire_gone_ns=None)
            return holds
        if self.state.fire_gone_ns is None:
            self.set(fire_gone_ns=self.now_ns)
        gone_ns = self.state.fire_gone_ns
        if gone_ns is not None and self.elapsed(gone_ns, self.settings.times.fire_reset_s):
            self.set(fire_gone_ns=None)
            return holds - {Hold.FIRE}
        return holds

    def hold(self, holds: frozenset[Hold]) -> None:
        """Let the holds be these; raise the boom for a new one, begin to clear the lane after the last."""
        added, ended = holds - self.state.holds, self.state.holds - holds
        self.set(holds=holds)
        if added:
            self.journal("barrier.held", by=sorted(added))
            self.raise_boom(Phase.HELD_OPEN, urgent=True)
        if ended:
            self.journal("barrier.hold_ended", by=sorted(ended))
            if not holds:
                # The lane must be seen clear for its whole time from here on.
                self.set(clear_ns=self.now_ns if self.is_clear() else None, ours=True)
                waits = Phase.OPEN_WAIT if self.state.waiting else Phase.OPEN_CLEAR
                self.enter(Phase.PASSING if self.state.occupied else waits)

    # --- moving the boom ------------------------------------------------------------------------------

    def raise_boom(self, phase: Phase, *, urgent: bool, request: Request | None = None) -> None:
        """Send OPEN; whatever CLOSE and STOP were doing ends first."""
        self.release(Wire.CLOSE, Wire.STOP)
        self.acts.append(Pulse(Wire.OPEN, urgent=urgent, request=request))
        self.set(ours=True, urgent=urgent, commanded=False, pulsed_ns=self.now_ns)
        self.enter(phase)

    def lower_boom(self) -> None:
        """Send CLOSE (or let go of a held OPEN). Callers have asked ``may_lower`` in this very step."""
        self.release(Wire.OPEN, Wire.STOP)
        if self.settings.close is not None:
            self.acts.append(Pulse(Wire.CLOSE))
        self.set(commanded=True, urgent=False)
        self.enter(Phase.CLOSING)

    def guard_closing(self) -> None:
        """Raise a boom that is coming down onto something (SAFE-1).

        One that we lowered is raised as well when we can no longer see. One that missed its limit may still
        be on its way for as long again, and one that comes down by itself is the barrier's own affair: those
        are raised when a sensor says "car" while the limits say "not down".
        """
        seen = self.sensor("presence") is True or self.sensor("beam") is True
        if self.state.phase is Phase.FAULT:
            may_move = self.state.fault == "close_failed" and not self.in_phase(
                self.settings.times.close_timeout_s
            )
            in_danger = may_move and seen and self.sensor("closed_limit") is False
        elif self.state.commanded:
            in_danger = not self.may_lower() and self.sensor("closed_limit") is not True
        else:
            in_danger = seen and self.wired("closed_limit") and self.inputs.closed_limit is False
        if in_danger:
            self.reverse("not_clear")

    def reverse(self, cause: str, request: Request | None = None) -> None:
        """Raise a closing boom at once; without a request it is for safety, and repeated until seen up."""
        self.journal("barrier.reversed", cause=cause)
        self.raise_boom(Phase.OPENING, urgent=request is None, request=request)

    # --- wishes ---------------------------------------------------------------------------------------

    def obey(self, request: Request) -> None:
        """Do what is asked, or record why not."""
        if self.now_ns > request.not_after_ns:
            self.refuse(request, "too_late")
        elif request.ask is Ask.OPEN:
            self.obey_open(request)
        elif request.ask is Ask.CLOSE:
            self.obey_close(request)
        elif request.ask is Ask.STOP:
            self.obey_stop(request)
        elif request.ask is Ask.HOLD:
            self.hold(self.state.holds | {Hold.REMOTE})
        elif Hold.REMOTE in self.state.holds:
            self.hold(self.state.holds - {Hold.REMOTE})
        else:
            self.refuse(request, "not_held_remotely")

    def obey_open(self, request: Request) -> None:
        """Let one more visit in. The same visit does not pulse twice while its boom is up."""
        state = self.state
        if state.phase in BOOM_UP and request.visit in state.lifted:
            return
        if len(state.waiting) >= MAX_WAITING:
            self.refuse(request, "queue_full")
            return
        if state.phase not in BOOM_UP and state.phase is not Phase.CLOSING:
            self.set(waiting=(), lifted=(), passed=0)
        self.set(
            waiting=(*self.state.waiting, request.visit),
            lifted=(*self.state.lifted, request.visit)[-2 * MAX_WAITING :],
        )
        if state.phase is Phase.HELD_OPEN:
            return
        if state.phase is Phase.CLOSING:
            self.reverse("authorised", request)
        elif not state.ours and state.phase is Phase.OPEN_WAIT and self._seen_up() and self.can_lower():
            # Found open after a restart, or raised by hand: for this visit it stands as it should. From now
            # on it is ours to lower; nothing has to be switched, so a crash never ends in a second pulse.
            self.journal("barrier.taken_over", visit=request.visit)
            self.set(ours=True, since_ns=self.now_ns)
        elif state.phase in BOOM_UP and state.phase is not Phase.OPEN_CLEAR:
            # The boom is up or on its way. The pulse also restarts the barrier's own closing timer.
            self.raise_boom(state.phase, urgent=state.urgent, request=request)
            self.set(since_ns=state.since_ns if state.phase is Phase.OPENING else self.now_ns)
        else:
            up = state.phase is Phase.OPEN_CLEAR
            self.raise_boom(Phase.OPEN_WAIT if up else Phase.OPENING, urgent=False, request=request)

    def _seen_up(self) -> bool:
        return self.wired("open_limit") and self.inputs.open_limit is True

    def obey_close(self, request: Request) -> None:
        """Lower the boom for a person, under the same conditions as for ourselves."""
        state, clear_ns = self.state, self.state.clear_ns
        if state.phase in (Phase.CLOSED, Phase.CLOSING):
            return
        if state.holds:
            self.refuse(request, "held_open")
        elif not self.can_lower():
            self.refuse(request, "no_close_wire")
        elif state.phase is Phase.OPENING:
            self.refuse(request, "opening")
        elif not self.may_lower() or clear_ns is None:
            self.refuse(request, "not_clear")
        elif not self.elapsed(clear_ns, self.settings.times.clear_s):
            self.refuse(request, "not_clear_long_enough")
        else:
            self.give_up_waiting()
            self.lower_boom()

    def obey_stop(self, request: Request) -> None:
        """Stop the boom where it is; a raise for safety and a hold are stronger than a remote stop."""
        state = self.state
        if state.holds:
            self.refuse(request, "held_open")
        elif state.phase is Phase.OPENING and state.urgent:
            self.refuse(request, "raising_for_safety")
        elif self.settings.stop is None:
            if state.phase is Phase.CLOSING:
                self.reverse("stop", request)
            else:
                self.refuse(request, "no_stop_wire")
        else:
            self.release(Wire.CLOSE)
            if state.phase is Phase.OPENING:
                self.release(Wire.OPEN)
            self.acts.append(Pulse(Wire.STOP, urgent=True, request=request))
            if state.phase in (Phase.CLOSING, Phase.OPENING):
                self.give_up_waiting()
                self.set(ours=False, commanded=False)
                self.enter(Phase.UNKNOWN)

    def give_up_waiting(self) -> None:
        """Nobody came: the visits that were let in have not passed."""
        for visit in self.state.waiting:
            self.journal("barrier.authorised_not_passed", visit=visit)
        self.set(waiting=(), lifted=tuple(v for v in self.state.lifted if v not in self.state.waiting))

    # --- small things ---------------------------------------------------------------------------------

    def release(self, *wires: Wire) -> None:
        """Put relays back into their safe state, those that the lane has."""
        self.acts.extend(Release(wire) for wire in wires if self.wired(wire.value))

    def set(self, **changes: object) -> None:
        """Change the state."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def enter(self, phase: Phase) -> None:
        """Enter a phase, or start its timer anew."""
        if phase is not self.state.phase:
            self.journal("barrier.changed", phase=phase.value, was=self.state.phase.value)
        self.set(phase=phase, since_ns=self.now_ns)

    def journal(self, kind: str, **data: object) -> None:
        """Have an event written."""
        self.acts.append(Journal(kind, data))

    def refuse(self, request: Request, why: str) -> None:
        """Record that a request is not done."""
        self.journal("barrier.refused", ask=request.ask.value, visit=request.visit, why=why, id=request.id)

    def alarm(self, name: str, *, on: bool, detail: str = "") -> None:
        """Raise or clear an alarm, once per edge."""
        if on is (name in self.state.alarms):
            return
        self.set(alarms=self.state.alarms ^ {name})
        self.acts.append(AlarmEdge(name, on, detail))

    def elapsed(self, since_ns: int, seconds: float) -> bool:
        """True when that long has passed since then."""
        return self.now_ns - since_ns >= self.ns(seconds)

    def in_phase(self, seconds: float) -> bool:
        """True when the phase's timer has run that long."""
        return self.elapsed(self.state.since_ns, seconds)

    @staticmethod
    def ns(seconds: float) -> int:
        """Seconds as nanoseconds, at millisecond precision."""
        return round(seconds * 1000) * NS_PER_MS

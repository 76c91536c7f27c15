"""One step of the barrier machine in the making: sensors, holds and wishes, in that order.

What each phase does as time goes on stands in ``edge.lanes.barrier``, with the rules; cars and their ways in
``edge.lanes.barrier_traffic``; what is the same for every lane in ``edge.lanes.turn``.
"""

from typing import ClassVar

from edge.lanes.acts import Hold, Pulse, Request, Wire
from edge.lanes.barrier_state import BOOM_UP, BarrierInputs, BarrierState, Phase, Position
from edge.lanes.barrier_traffic import other_way_is_busy, watch_occupancy, watch_ways, way_of_lane
from edge.lanes.turn import Turn
from edge.settings import BarrierLane

MAX_WAITING = 16  # authorised cars before the boom; more is no queue but a mistake
SAFETY = ("presence", "beam", "edge")  # what speaks against lowering the boom, besides fire, key and holds


class BarrierTurn(Turn[BarrierState, BarrierInputs, BarrierLane]):
    """One step in the making: the state so far and the acts collected. Lives for one call of ``step``."""

    NOUN: ClassVar[str] = "barrier"
    INPUTS: ClassVar[tuple[str, ...]] = (
        *("open_limit", "closed_limit", "presence", "beam", "edge", "second_loop"),
        *("fire", "hold_key", "tamper"),
    )
    WATCHED: ClassVar[tuple[str, ...]] = ("presence", "beam", "edge", "second_loop")
    SOUNDING: ClassVar[frozenset[str]] = frozenset({"tailgated", "wrong_way", "passed_closed", "tampered"})

    def begin(self) -> None:
        """Sensors first, then holds, then safety, then wishes."""
        self.look()
        self.observe()
        self.obey_holds()
        if self.state.phase in (Phase.CLOSING, Phase.FAULT):
            self.guard_closing()
        for request in self.inputs.requests:
            self.obey(request)

    def is_green(self) -> bool:
        """Green while the next car may drive: let in and not yet under the boom, or the boom is held up."""
        state = self.state
        if self.settings.direction == "both" and state.heading == "out":
            return False  # the lamps of a two-way lane face those who come in
        if state.phase is Phase.PASSING:
            return len(state.waiting) > 1
        return state.phase is Phase.HELD_OPEN or (state.phase is Phase.OPEN_WAIT and bool(state.waiting))

    # --- what the sensors say -------------------------------------------------------------------------

    def is_clear(self) -> bool:
        """True when every wired safety sensor is known to see nothing."""
        return all(self.sensor(name) is False for name in SAFETY)

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

    def clear_for(self, seconds: float) -> bool:
        """True when the lane has been seen clear, without a break, for that long."""
        return self.state.clear_ns is not None and self.elapsed(self.state.clear_ns, seconds)

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
        """Follow the sensors: how long it has been clear, and cars that come, pass and go back."""
        if not self.is_clear():
            self.set(clear_ns=None)
        elif self.state.clear_ns is None or self.was_blind(self.blind_after_ns()):
            self.set(clear_ns=self.now_ns)
        contradict = bool(self.sensor("open_limit") and self.sensor("closed_limit"))
        self.alarm("limits_contradict", on=contradict, detail="up and down at the same time")
        watch_ways(self, watch_occupancy(self))

    def blind_after_ns(self) -> int:
        """Half the clear time: what was not looked at for longer is not known to have been clear."""
        return self.ns(self.settings.times.clear_s) // 2

    # --- holds ----------------------------------------------------------------------------------------

    def begin_hold(self) -> None:
        """Raise the boom and keep it up."""
        self.raise_boom(Phase.HELD_OPEN, urgent=True)

    def end_hold(self) -> None:
        """The lane must be seen clear for its whole time from here on."""
        self.set(clear_ns=self.now_ns if self.is_clear() else None, ours=True)
        waits = Phase.OPEN_WAIT if self.state.waiting else Phase.OPEN_CLEAR
        self.enter(Phase.PASSING if self.state.occupied else waits)

    def obey_fleet(self, request: Request) -> None:
        """Stay open for a train of permitted cars, until none has come for a while."""
        del request  # whoever asked
        self.set(fleet_ns=self.now_ns)
        self.hold(self.state.holds | {Hold.FLEET})

    def fade_fleet(self, holds: frozenset[Hold]) -> frozenset[Hold]:
        """Fleet mode ends when no permitted car has come for its time and none is under the boom."""
        over = self.elapsed(self.state.fleet_ns, self.settings.times.fleet_gap_s) and not self.state.occupied
        return holds - {Hold.FLEET} if over else holds

    # --- moving the boom ------------------------------------------------------------------------------

    def raise_boom(self, phase: Phase, *, urgent: bool, request: Request | None = None) -> None:
        """Send OPEN; whatever CLOSE and STOP were doing ends first."""
        self.release(Wire.CLOSE, Wire.STOP)
        self.acts.append(Pulse(Wire.OPEN, urgent=urgent, request=request))
        self.set(ours=True, urgent=urgent, commanded=False, by_hand=False, pulsed_ns=self.now_ns)
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
        are raised when a sensor that can be believed says "car" while the limits say "not down".
        """
        seen = any(self.trusted(name) is True for name in SAFETY)
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
        self.journal("reversed", cause=cause)
        self.raise_boom(Phase.OPENING, urgent=request is None, request=request)

    # --- wishes ---------------------------------------------------------------------------------------

    def obey_open(self, request: Request) -> None:
        """Let one more visit in. The same visit does not pulse twice while its boom is up."""
        state = self.state
        if state.phase in BOOM_UP and request.visit in state.lifted:
            return
        way = request.heading or way_of_lane(self.settings)
        if len(state.waiting) >= MAX_WAITING:
            self.refuse(request, "queue_full")
            return
        if other_way_is_busy(state, self.settings, way, self.now_ns):
            self.refuse(request, "other_way_busy")
            return
        if state.phase not in BOOM_UP and state.phase is not Phase.CLOSING:
            self.set(waiting=(), lifted=(), passed=0, last_passed=None)
        self.set(
            waiting=(*self.state.waiting, request.visit),
            lifted=(*self.state.lifted, request.visit)[-2 * MAX_WAITING :],
            heading=way or state.heading,
            fleet_ns=self.now_ns,
        )
        self.lift_for(request)

    def lift_for(self, request: Request) -> None:
        """Bring the boom up for a visit, from wherever it is now."""
        state = self.state
        if state.phase is Phase.HELD_OPEN:
            return
        if state.phase is Phase.CLOSING:
            self.reverse("authorised", request)
        elif not state.ours and state.phase is Phase.OPEN_WAIT and self._seen_up() and self.can_lower():
            # Found open after a restart, or raised by hand: for this visit it stands as it should. From now
            # on it is ours to lower; nothing has to be switched, so a crash never ends in a second pulse.
            self.journal("taken_over", visit=request.visit)
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
        state = self.state
        if state.phase in (Phase.CLOSED, Phase.CLOSING):
            return
        if state.holds:
            self.refuse(request, "held_open")
        elif not self.can_lower():
            self.refuse(request, "no_close_wire")
        elif state.phase is Phase.OPENING:
            self.refuse(request, "opening")
        elif not self.may_lower() or state.clear_ns is None:
            self.refuse(request, "not_clear")
        elif not self.clear_for(self.settings.times.clear_s):
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
        """Nobody came: the visits that were let in have not passed, or nobody can know."""
        waiting = self.state.waiting
        if waiting and ("presence" if self.wired("presence") else "beam") in self.state.stuck:
            for visit in waiting:
                self.journal("passage_unknown", visit=visit)
            self.set(waiting=())
        else:
            super().give_up_waiting()
        if waiting:
            self.set(lifted=tuple(visit for visit in self.state.lifted if visit not in waiting))

    def enter(self, phase: Phase) -> None:
        """Enter a phase, or start its timer anew."""
        if phase is not self.state.phase:
            self.journal("changed", phase=phase.value, was=self.state.phase.value)
        self.set(phase=phase, since_ns=self.now_ns)


__all__ = ["MAX_WAITING", "SAFETY", "BarrierTurn"]

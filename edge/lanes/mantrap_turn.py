"""One step of the mantrap machine in the making: leaves, holds, buttons and wishes, and the way through.

What each phase does as time goes on stands in ``edge.lanes.mantrap``, with the rules; what is the same for
every lane in ``edge.lanes.turn``.
"""

from typing import ClassVar

from edge.lanes.acts import Defer, Pulse, Request
from edge.lanes.mantrap_state import LOCKS, OTHER, Leaf, MantrapInputs, MantrapPhase, MantrapState
from edge.lanes.turn import Turn
from edge.settings import MantrapLane

PRE_ALARM = 0.8  # part of the held-open time after which the first, quiet alarm comes
WISH_S = 3.0  # a press of the exit button, or a grant, waits for so long while the doors are not ready

FIRST = {"in": "outer", "out": "inner", "": "inner"}
"""The door by which one comes in, by the way; nobody under way: as if out."""


class MantrapTurn(Turn[MantrapState, MantrapInputs, MantrapLane]):
    """One step in the making. Lives for one call of ``step``."""

    NOUN: ClassVar[str] = "mantrap"
    INPUTS: ClassVar[tuple[str, ...]] = (
        *("outer_contact", "inner_contact", "outer_locked", "inner_locked", "occupied"),
        *("exit_button", "cabin_button", "fire", "hold_key", "tamper"),
    )
    WATCHED: ClassVar[tuple[str, ...]] = ("occupied", "exit_button", "cabin_button")
    SOUNDING: ClassVar[frozenset[str]] = frozenset({"forced", "both_open", "held_open", "tampered"})

    def begin(self) -> None:
        """Leaves first, then holds, buttons and wishes."""
        if self.state.seen_ns is None:
            for door in OTHER:  # told to lock by the owner of its board, just now
                self.set_leaf(door, locked_ns=self.now_ns)
        self.look()
        self.follow_leaves()
        self.obey_holds()
        self.let_in_who_waits()
        self.obey_buttons()
        for request in self.inputs.requests:
            self.obey(request)

    def is_green(self) -> bool:
        """Green while the outer door is let go."""
        return self.state.outer.unlocked

    # --- doors ----------------------------------------------------------------------------------------

    def leaf(self, door: str) -> Leaf:
        """What is known of a door, ``outer`` or ``inner``."""
        leaf: Leaf = getattr(self.state, door)
        return leaf

    def set_leaf(self, door: str, **changes: object) -> None:
        """Change what is known of a door."""
        self.set(**{door: self.leaf(door).with_(**changes)})

    def is_shut_and_locked(self, door: str) -> bool:
        """True when nothing speaks against it; unknown is no."""
        leaf, bolt = self.leaf(door), f"{door}_locked"
        has_settled = leaf.locked_ns is None or self.elapsed(leaf.locked_ns, self.settings.times.settle_s)
        return (
            self.sensor(f"{door}_contact") is False
            and not leaf.unlocked
            and has_settled
            and (not self.wired(bolt) or self.sensor(bolt) is True)
        )

    def may_unlock(self, door: str) -> bool:
        """The interlock: only while the other door is closed and locked."""
        return self.is_shut_and_locked(OTHER[door])

    def may_begin(self, door: str) -> bool:
        """True when somebody may be let in by this door: both are shut, the other one is locked."""
        return self.may_unlock(door) and self.sensor(f"{door}_contact") is False

    def unlock(self, door: str, *, urgent: bool = False, request: Request | None = None) -> None:
        """Let go of a door."""
        self.acts.append(Pulse(LOCKS[door], urgent=urgent, request=request))
        self.set_leaf(door, unlocked=True, locked_ns=None, unlocked_ns=self.now_ns)
        self.set(pulsed_ns=self.now_ns)

    def lock(self, door: str) -> None:
        """Hold a door again."""
        if self.leaf(door).unlocked:
            self.release(LOCKS[door])
            self.set_leaf(door, unlocked=False, locked_ns=self.now_ns)

    def follow_leaves(self) -> None:
        """Both contacts: who opened which door, and was it let go?"""
        for door in OTHER:
            word, before = self.sensor(f"{door}_contact"), self.leaf(door)
            if word is None or word is before.is_open:
                continue
            self.set_leaf(door, is_open=word, opened_ns=self.now_ns if word else None)
            if word and before.is_open is None:
                self.journal("found_open", door=door)
            elif word:
                self.leaf_opened(door)
            else:
                self.journal("closed", door=door)
        both = all(self.sensor(f"{door}_contact") is True for door in OTHER)
        self.alarm("both_open", on=both and not self.state.holds, detail="both doors are open")
        if not any(self.leaf(door).is_forced and self.leaf(door).is_open for door in OTHER):
            self.alarm("forced", on=False)

    def leaf_opened(self, door: str) -> None:
        """Somebody opens a door."""
        leaf, state = self.leaf(door), self.state
        if leaf.unlocked or state.phase is MantrapPhase.FREE:
            self.set_leaf(door, is_forced=False)
            self.journal("opened", door=door)
            self.set(went=door)
        else:
            self.set_leaf(door, is_forced=True)
            self.journal("forced", door=door)
            self.alarm("forced", on=True, detail=f"the {door} door was opened without permission")

    def alarm_open_leaves(self) -> None:
        """A door that stands open: a quiet alarm first, then the loud one."""
        held_s = self.settings.times.held_s
        opened = [ns for door in OTHER if (ns := self.leaf(door).opened_ns) is not None]
        free = self.state.phase is MantrapPhase.FREE
        longest_ns = 0 if free or not opened else self.now_ns - min(opened)
        loud = longest_ns >= self.ns(held_s)
        soon = longest_ns >= self.ns(held_s * PRE_ALARM)
        self.alarm("held_open", on=loud, detail="a door stands open")
        self.alarm("held_soon", on=soon and not loud, detail="a door stands open; the alarm follows")

    # --- holds ----------------------------------------------------------------------------------------

    def begin_hold(self) -> None:
        """Both doors are let go."""
        for door in OTHER:
            self.unlock(door, urgent=True)
        self.enter(MantrapPhase.FREE)

    def end_hold(self) -> None:
        """Both are locked again. Whoever is inside has the button, or is seen."""
        for door in OTHER:
            self.lock(door)
        self.give_up()
        if self.trusted("occupied") is True:
            self.let_out_unknown()

    def obey_hold(self, request: Request) -> None:
        """A mantrap that stands open is none: only fire and the local key may do that."""
        self.refuse(request, "never_held_remotely")

    # --- wishes ---------------------------------------------------------------------------------------

    def obey_buttons(self) -> None:
        """The exit button asks for the whole way out, the one between the doors for the way back."""
        for name in ("exit_button", "cabin_button"):
            pressed = self.trusted(name)
            if pressed is None or pressed is (name in self.state.pressed):
                continue
            self.set(pressed=self.state.pressed ^ {name})
            if pressed and name == "cabin_button":
                self.journal("way_back_requested")
                self.ask_for_way_back()
            elif pressed:
                self.set(leave_until_ns=self.now_ns + self.ns(WISH_S))
        if self.now_ns < self.state.leave_until_ns:
            self.ask_to_leave()

    def ask_to_leave(self) -> None:
        """From inside the building: the inner door first, as soon as both are shut and locked."""
        if self.state.phase is MantrapPhase.IDLE and self.may_begin("inner"):
            self.set(leave_until_ns=0)
            self.journal("exit_requested")
            self.let_in("out", None)

    def ask_for_way_back(self) -> None:
        """From between the doors: the door one came by; who is not known gets out, not in."""
        if self.state.phase is MantrapPhase.IDLE:
            self.let_out_unknown()
        elif self.state.phase in (MantrapPhase.BETWEEN, MantrapPhase.EXIT_UNLOCKED):
            back = self.first if self.state.heading else "outer"
            if self.state.exit_by != back:
                self.lock(self.state.exit_by)
                self.set(exit_by=back)
                self.enter(MantrapPhase.BETWEEN)

    def let_out_unknown(self) -> None:
        """Somebody is between the doors, and nobody let them in: after a restart, a fire, a forced door."""
        self.set(heading="", exit_by="outer", went="", tries=0)
        self.enter(MantrapPhase.BETWEEN)

    def try_other_door(self) -> None:
        """The way on was not used, or may not open: the other one, unless it would let a stranger in."""
        exit_by = OTHER[self.state.exit_by] if self.state.heading else "outer"
        self.set(exit_by=exit_by)
        self.enter(MantrapPhase.BETWEEN)

    def obey_open(self, request: Request) -> None:
        """Let one person through both doors."""
        state = self.state
        if state.phase is MantrapPhase.FREE or request.visit in state.waiting:
            return
        way = self.way_of(request)
        if state.phase is not MantrapPhase.IDLE or (state.asked and state.asked.visit != request.visit):
            self.refuse(request, "occupied")
        elif self.may_begin(FIRST[way]):
            self.let_in(way, request)
        elif state.asked is None:
            self.set(asked=request, asked_until_ns=self.now_ns + self.ns(WISH_S))
            self.acts.append(Defer(request))

    def let_in_who_waits(self) -> None:
        """A bolt takes its time, a leaf swings shut: whoever came a moment too early is let in now."""
        request = self.state.asked
        if request is None:
            return
        way = self.way_of(request)
        if self.now_ns > request.not_after_ns:
            self.refuse_who_waits("too_late")
        elif self.state.phase is not MantrapPhase.IDLE:
            self.refuse_who_waits("held_open" if self.state.holds else "occupied")
        elif self.may_begin(FIRST[way]):
            self.set(asked=None)
            self.let_in(way, request)
        elif self.now_ns >= self.state.asked_until_ns:
            self.refuse_who_waits("doors_not_shut")

    def refuse_who_waits(self, why: str) -> None:
        """Nobody waits for the doors any more."""
        if self.state.asked is not None:
            self.refuse(self.state.asked, why)
            self.set(asked=None)

    def obey_close(self, request: Request) -> None:
        """Lock both doors at once; whoever is inside is let out again in turn."""
        if self.state.holds:
            self.refuse(request, "held_open")
            return
        self.refuse_who_waits("closed_by_staff")
        for door in OTHER:
            self.lock(door)
        if self.state.phase is MantrapPhase.UNLOCKED:
            self.give_up()
        elif self.state.phase is MantrapPhase.EXIT_UNLOCKED:
            self.enter(MantrapPhase.BETWEEN)

    # --- the way through ------------------------------------------------------------------------------

    @property
    def first(self) -> str:
        """The door by which the person under way came in."""
        return FIRST[self.state.heading]

    def let_in(self, way: str, request: Request | None) -> None:
        """Unlock the first door for one person."""
        waiting = (request.visit,) if request is not None else ()
        self.set(heading=way, exit_by="", went="", tries=0, waiting=waiting)
        self.unlock(self.first, request=request)
        self.enter(MantrapPhase.UNLOCKED)

    def give_up(self) -> None:
        """Nobody came, or nobody is inside any more."""
        self.give_up_waiting()
        self.alarm("waiting_inside", on=False)
        self.set(heading="", exit_by="", went="", tries=0)
        self.enter(MantrapPhase.IDLE)

    def enter(self, phase: MantrapPhase) -> None:
        """Enter a phase, or start its timer anew."""
        if phase is not self.state.phase:
            self.journal("changed", phase=phase.value, was=self.state.phase.value)
        self.set(phase=phase, since_ns=self.now_ns)

"""The turnstile as a pure machine: one relay pulse lets one person through, and feedback says that they went.

IDLE, ADMITTING (one person may go through), FREE (held open by fire, key, schedule or a person; also after
that, until nobody stands in it). Never more than one credit stands in the turnstile's own controller: whoever
is let in meanwhile waits here for their turn, no longer than their decision is good for.

- A passage without a credit is ``tailgated`` shortly after another one, else ``forced``; against the open way
  it is ``wrong_way``. Zone sensors on both sides, where there are any, see it before the feedback does.
- ``Pulse(RELEASE)`` drops the arm or frees its rotation; letting go of it moves an arm, and is therefore
  done only while every zone sensor is known to see nobody (SAFE-1).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from edge.clock import NS_PER_S
from edge.lanes.acts import Act, Defer, Pulse, Request, Wire
from edge.lanes.crossing import NOBODY, Course, Crossing, follow
from edge.lanes.lane_state import LaneInputs, LaneState, Sensor
from edge.lanes.turn import Turn
from edge.settings import TurnstileLane

MAX_QUEUE = 4  # people who were let in and wait for the one before them
REPEAT_HOLD_NS = 2 * NS_PER_S
WISH_NS = 3 * NS_PER_S  # a press of the exit button is remembered for so long
GAP_NS = NS_PER_S  # a person between two zone sensors may be seen by neither for so long
ZONES = ("zone_in", "zone_out")
PASS_WIRE = {"in": Wire.PASS_IN, "out": Wire.PASS_OUT}


class TurnstilePhase(StrEnum):
    """What the turnstile lets happen."""

    IDLE = "idle"
    ADMITTING = "admitting"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class TurnstileInputs(LaneInputs):
    """One look at the turnstile."""

    passage: Sensor = None
    passage_out: Sensor = None
    zone_in: Sensor = None
    zone_out: Sensor = None
    exit_button: Sensor = None


@dataclass(frozen=True, slots=True)
class TurnstileState(LaneState):
    """All that the machine remembers; times are CLOCK_BOOTTIME nanoseconds.

    Attributes:
        heading: The way that is open for one person; empty when none is.
        queue: Requests that wait for their turn, oldest first.
        through_ns: When the newest passage was seen.
        passage, passage_out, pressed: Last known words of the feedback contacts and the exit button.
        clear_ns: Since when the zones have been known to be empty; None when they are not.
        crossing: The person between the zone sensors.
        leave_until_ns: Until when somebody's wish at the exit button stands.
    """

    phase: TurnstilePhase = TurnstilePhase.IDLE
    heading: str = ""
    queue: tuple[Request, ...] = ()
    through_ns: int | None = None
    passage: bool | None = None
    passage_out: bool | None = None
    pressed: bool = False
    clear_ns: int | None = None
    crossing: Crossing = NOBODY
    leave_until_ns: int = 0


def step(
    state: TurnstileState, inputs: TurnstileInputs, now_ns: int, settings: TurnstileLane
) -> tuple[TurnstileState, tuple[Act, ...]]:
    """Advance the machine by one look at the turnstile.

    Args:
        state: As the step before returned it; ``TurnstileState()`` for the first one.
        inputs: What is seen and asked for now.
        now_ns: CLOCK_BOOTTIME; never earlier than in the step before.
        settings: Wires and times; may change between two steps.

    Returns:
        The new state, and what to do, in order.
    """
    return TurnstileTurn(state, inputs, now_ns, settings).run()


class TurnstileTurn(Turn[TurnstileState, TurnstileInputs, TurnstileLane]):
    """One step in the making. Lives for one call of ``step``."""

    NOUN: ClassVar[str] = "turnstile"
    INPUTS: ClassVar[tuple[str, ...]] = (
        *("passage", "passage_out", "zone_in", "zone_out", "exit_button"),
        *("fire", "hold_key", "tamper"),
    )
    WATCHED: ClassVar[tuple[str, ...]] = ("passage", "passage_out", "zone_in", "zone_out", "exit_button")
    SOUNDING: ClassVar[frozenset[str]] = frozenset({"forced", "tailgated", "wrong_way", "tampered"})

    def run(self) -> tuple[TurnstileState, tuple[Act, ...]]:
        """Sensors first, then holds, then wishes, then the clock."""
        self.look()
        self.observe()
        self.obey_holds()
        self.obey_button()
        for request in self.inputs.requests:
            self.obey(request)
        match self.state.phase:
            case TurnstilePhase.ADMITTING:
                self.wait_for_passage()
            case TurnstilePhase.FREE:
                self.stay_free()
        return self.end()

    def is_green(self) -> bool:
        """Green while somebody may go through, inwards if it leads both ways."""
        if self.state.phase is TurnstilePhase.ADMITTING:
            return self.settings.direction != "both" or self.state.heading == "in"
        return self.state.phase is TurnstilePhase.FREE

    # --- what the sensors say -------------------------------------------------------------------------

    def is_clear(self) -> bool:
        """True when every wired zone sensor is known to see nobody."""
        return all(self.sensor(name) is False for name in ZONES)

    def observe(self) -> None:
        """Follow the feedback and the zones."""
        if not self.is_clear():
            self._set_if_new(clear_ns=None)
        elif self.state.clear_ns is None or self.was_blind(self.blind_after_ns()):
            self.set(clear_ns=self.now_ns)
        for name, way in (("passage", "in"), ("passage_out", "out")):
            word, before = self.trusted(name), getattr(self.state, name)
            if not self.wired(name) or word is None or word is before:
                continue
            self.set(**{name: word})
            if word and before is False:  # the first word ever is no edge
                self.went_through(way if self.wired("passage_out") else self.state.heading)
        if self.wired("zone_in") and self.wired("zone_out"):
            self.watch_zones()

    def blind_after_ns(self) -> int:
        """Half the clear time: what was not looked at for longer is not known to have been clear."""
        return self.ns(self.settings.times.clear_s) // 2

    def went_through(self, way: str) -> None:
        """One person has gone through: who was it?"""
        state = self.state
        self.set(through_ns=self.now_ns)
        if state.phase is TurnstilePhase.FREE or (way and not self.wired(PASS_WIRE[way].value)):
            self.journal("passed", visit=None)  # nobody needs permission this way
        elif state.phase is TurnstilePhase.ADMITTING and way == state.heading:
            self.journal("passed", visit=state.waiting[0] if state.waiting else None)
            self.set(waiting=state.waiting[1:])
            self.finish()
        elif state.phase is TurnstilePhase.ADMITTING:
            self.sound("wrong_way", f"somebody went {way} while one was let {state.heading}", way=way)
        elif state.through_ns is not None and not self.elapsed(
            state.through_ns, self.settings.times.follow_s
        ):
            self.sound("tailgated", "somebody went through behind another person")
        else:
            self.sound("forced", "somebody went through without permission", way=way)

    def watch_zones(self) -> None:
        """Tell who follows closely, and who comes against the way that is open."""
        before = self.state.crossing
        a, b = self.trusted("zone_in"), self.trusted("zone_out")
        crossing, courses = follow(before, a, b, self.now_ns, GAP_NS)
        if crossing != before:
            self.set(crossing=crossing)
        if self.state.phase is TurnstilePhase.FREE:
            return
        if Course.FOLLOWED in courses and not self.state.queue:
            self.sound("tailgated", "two people are in the turnstile on one permit")
        against = {"in": "b", "out": "a"}.get(self.state.heading)
        if crossing.first == against and before.first != against:
            # The credit is taken back: whoever comes the other way must not use it.
            self.sound("wrong_way", f"somebody comes against the way {self.state.heading}")
            self.refuse_queue("wrong_way")
            self.cancel("wrong_way")

    # --- holds ----------------------------------------------------------------------------------------

    def begin_hold(self) -> None:
        """Free passage. A credit that stands is of no use any more."""
        for wire in PASS_WIRE.values():
            self.release(wire)
        self.refuse_queue("held_open")
        self.acts.append(Pulse(Wire.RELEASE, urgent=True))
        self.set(pulsed_ns=self.now_ns, heading="")
        self.enter(TurnstilePhase.FREE)

    def end_hold(self) -> None:
        """Free until nobody stands in it, seen for the whole time from here on."""
        self.set(clear_ns=self.now_ns if self.is_clear() else None, since_ns=self.now_ns)

    def obey_hold(self, request: Request) -> None:
        """Free passage until released, or for a time."""
        if self.wired("release"):
            super().obey_hold(request)
        else:
            self.refuse(request, "no_release_wire")

    # --- wishes ---------------------------------------------------------------------------------------

    def obey_button(self) -> None:
        """The exit button lets one person out, after those who have been let through already."""
        pressed = self.trusted("exit_button")
        if pressed and not self.state.pressed:
            self.set(leave_until_ns=self.now_ns + WISH_NS)
        if pressed is not None:
            self._set_if_new(pressed=pressed)
        if self.state.phase is TurnstilePhase.IDLE and self.now_ns < self.state.leave_until_ns:
            self.set(leave_until_ns=0)
            self.journal("exit_requested")
            self.admit("out", None)

    def obey_open(self, request: Request) -> None:
        """Let one person through, at once or after those before them."""
        state = self.state
        way = self.way_of(request)
        queued = {waiting.visit for waiting in state.queue}
        if state.phase is TurnstilePhase.FREE or request.visit in queued | set(state.waiting):
            return
        if not self.wired(PASS_WIRE[way].value):
            self.refuse(request, f"no_way_{way}")
        elif state.phase is TurnstilePhase.IDLE:
            self.admit(way, request)
        elif len(state.queue) >= MAX_QUEUE:
            self.refuse(request, "queue_full")
        else:
            self.set(queue=(*state.queue, request))
            self.acts.append(Defer(request))

    def obey_close(self, request: Request) -> None:
        """Take back the credit that stands, and those who wait."""
        if self.state.holds:
            self.refuse(request, "held_open")
        elif self.state.phase is TurnstilePhase.ADMITTING:
            self.refuse_queue("closed_by_staff")
            self.cancel("closed_by_staff")

    # --- credits --------------------------------------------------------------------------------------

    def admit(self, way: str, request: Request | None) -> None:
        """Give the turnstile one credit."""
        self.acts.append(Pulse(PASS_WIRE[way], request=request))
        waiting = (request.visit,) if request is not None else ()
        self.set(pulsed_ns=self.now_ns, heading=way, waiting=waiting)
        self.enter(TurnstilePhase.ADMITTING)

    def cancel(self, why: str) -> None:
        """Take a credit back that nobody used."""
        self.give_up_waiting()
        self.journal("cancelled", why=why)
        self.finish()

    def finish(self) -> None:
        """The credit is used or taken back: the next one's turn, if their decision is still good."""
        self.release(PASS_WIRE[self.state.heading])
        self.set(heading="")
        self.enter(TurnstilePhase.IDLE)
        while self.state.queue and self.state.phase is TurnstilePhase.IDLE:
            request, *others = self.state.queue
            self.set(queue=tuple(others))
            if self.now_ns > request.not_after_ns:
                self.refuse(request, "too_late")
            else:
                self.admit(self.way_of(request), request)

    def refuse_queue(self, why: str) -> None:
        """Nobody who waits gets a turn."""
        for request in self.state.queue:
            self.refuse(request, why)
        self._set_if_new(queue=())
        if why == "held_open":
            self.give_up_waiting()

    # --- as time goes on ------------------------------------------------------------------------------

    def wait_for_passage(self) -> None:
        """Nobody went in time: the credit ends. Those who wait are refused when their time is over."""
        late = [request for request in self.state.queue if self.now_ns > request.not_after_ns]
        for request in late:
            self.refuse(request, "too_late")
        if late:
            self.set(queue=tuple(request for request in self.state.queue if request not in late))
        if self.in_phase(self.settings.times.pass_timeout_s):
            self.cancel("nobody_came")

    def stay_free(self) -> None:
        """Renew a hold; after the last one hold the arm again once nobody stands in it."""
        if self.state.holds:
            if self.now_ns - self.state.pulsed_ns >= REPEAT_HOLD_NS:
                self.acts.append(Pulse(Wire.RELEASE, urgent=True))
                self.set(pulsed_ns=self.now_ns)
            return
        fire, key, clear_ns = self.sensor("fire"), self.sensor("hold_key"), self.state.clear_ns
        is_clear = clear_ns is not None and self.elapsed(clear_ns, self.settings.times.clear_s)
        if is_clear and fire is False and key is False:
            self.release(Wire.RELEASE)
            self.enter(TurnstilePhase.IDLE)

    def give_up_waiting(self) -> None:
        """Nobody went: or nobody can know, while the feedback is stuck."""
        if "passage" not in self.state.stuck:
            super().give_up_waiting()
            return
        for visit in self.state.waiting:
            self.journal("passage_unknown", visit=visit)
        self._set_if_new(waiting=())

    def enter(self, phase: TurnstilePhase) -> None:
        """Enter a phase, or start its timer anew."""
        if phase is not self.state.phase:
            self.journal("changed", phase=phase.value, was=self.state.phase.value)
        self.set(phase=phase, since_ns=self.now_ns)


__all__ = ["TurnstileInputs", "TurnstilePhase", "TurnstileState", "TurnstileTurn", "step"]

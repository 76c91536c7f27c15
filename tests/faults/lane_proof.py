"""Safety of the barrier machine against everything that hypothesis can think of.

A physical barrier with cars, sensors that fall silent or stick, acts that get lost, a clock that jumps,
people who ask for anything at any time; after every step the invariants SAFE-1 to SAFE-4 are checked by a
judge that keeps its own books and shares no code with the machine.

    python tests/faults/lane_proof.py --steps 1000000            the machine must survive
    python tests/faults/lane_proof.py --mutant ignores_deadline  a broken machine must be caught
"""

import argparse
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, AlarmEdge, Ask, Hold, Journal, Pulse, Release, Request, Wire
from edge.lanes.barrier import advance
from edge.lanes.barrier_state import BarrierInputs, BarrierState, Phase
from edge.lanes.barrier_turn import BarrierTurn
from edge.settings import BarrierLane

UP_PHASES = {Phase.OPENING, Phase.OPEN_WAIT, Phase.PASSING, Phase.OPEN_CLEAR, Phase.HELD_OPEN}
SENSORS = ("open_limit", "closed_limit", "presence", "beam", "fire", "hold_key")
TRAVEL_S = 3.0
MOTOR_S = 15.0  # a barrier's own controller switches its motor off after so long


def a_lane(*without: str, **changes: Any) -> BarrierLane:
    """A lane with every wire but those named."""
    section: dict[str, Any] = {"type": "barrier"}
    for channel, wire in enumerate(("open", "close", "stop"), start=1):
        section[wire] = {"board": "relays", "channel": channel}
    for channel, wire in enumerate(SENSORS, start=1):
        section[wire] = {"board": "inputs", "channel": channel}
    for wire in without:
        del section[wire]
    return BarrierLane.model_validate(section | changes)


LANES: Mapping[str, BarrierLane] = {
    "all wires": a_lane(),
    "no stop, no beam": a_lane("stop", "beam"),
    "no limits": a_lane("open_limit", "closed_limit"),
    "no closed limit": a_lane("closed_limit"),
    "no open limit": a_lane("open_limit"),
    "no fire, no key": a_lane("fire", "hold_key"),
    "closes by itself": a_lane("close", "stop"),
    "open wire alone": a_lane("close", "stop", *SENSORS),
    "held close": a_lane(close={"board": "relays", "channel": 2, "pulse_ms": 0}),
    "held open": a_lane("close", open={"board": "relays", "channel": 1, "pulse_ms": 0}),
}


@dataclass
class Boom:
    """Steel: OPEN raises, CLOSE lowers, STOP stops; it takes its time, whoever thinks what."""

    deg: float = 0.0
    motion: int = 0
    ours: bool = False  # it comes down because of our command
    jammed: bool = False
    running_s: float = 0.0

    def move(self, seconds: float) -> None:
        self.running_s = self.running_s + seconds if self.motion else 0.0
        if not self.jammed:
            self.deg = min(90.0, max(0.0, self.deg + self.motion * seconds / TRAVEL_S * 90.0))
        if self.deg in (0.0, 90.0) or self.running_s > MOTOR_S:
            self.motion = 0

    def obey(self, act: Act, lane: BarrierLane, was_held: bool) -> None:
        match act:
            case Pulse(Wire.OPEN):
                self.motion, self.ours, self.running_s = (1 if self.deg < 90.0 else 0), False, 0.0
            case Pulse(Wire.CLOSE):
                self.motion, self.ours, self.running_s = (-1 if self.deg > 0.0 else 0), True, 0.0
            case Pulse(Wire.STOP):
                self.motion = 0
            case Release(Wire.OPEN) if lane.open.pulse_ms == 0 and was_held and lane.close is None:
                self.motion, self.ours = (-1 if self.deg > 0.0 else 0), True


class Violation(AssertionError):
    """A promise was broken; the message begins with its id."""


@dataclass
class Judge:
    """Keeps its own books of what was seen and asked, and compares."""

    lane: BarrierLane
    before_ns: int | None = None
    clear_ns: int | None = None
    fire_held: bool = False
    fire_gone_ns: int | None = None
    key_held: bool = False
    a_cause: bool = False
    was_up: bool = False
    failed_ns: int = -(1 << 62)  # when closing failed last
    car: bool = False  # as last known, by loop or, without one, by beam
    away: set[Wire] = field(default_factory=set)
    pulsed: dict[str, int] = field(default_factory=dict)

    def wired(self, name: str) -> bool:
        return getattr(self.lane, name) is not None

    def word(self, inputs: BarrierInputs, name: str) -> bool | None:
        return getattr(inputs, name) if self.wired(name) else False

    def look(self, inputs: BarrierInputs, now_ns: int) -> None:
        """Note what the machine is shown, before it is asked."""
        gap_ns = 0 if self.before_ns is None else now_ns - self.before_ns
        times = self.lane.times
        if self.word(inputs, "presence") is not False or self.word(inputs, "beam") is not False:
            self.clear_ns = None
        elif self.clear_ns is None or gap_ns > times.clear_s * NS_PER_S / 2:
            self.clear_ns = now_ns
        fire, key = self.word(inputs, "fire"), self.word(inputs, "hold_key")
        if fire:
            self.fire_held, self.fire_gone_ns = True, None
        elif fire is None:
            self.fire_gone_ns = None
        elif self.fire_held:
            if self.fire_gone_ns is None or gap_ns > times.clear_s * NS_PER_S / 2:
                self.fire_gone_ns = now_ns
            if now_ns - self.fire_gone_ns >= times.fire_reset_s * NS_PER_S:
                self.fire_held = False
        if key is not None:
            self.key_held = key
        # A boom that leaves its upper limit over a car may be raised, whoever lowers it.
        car = self.word(inputs, "presence" if self.wired("presence") else "beam")
        self.car = self.car if car is None else car
        self.a_cause |= bool(self.was_up and self.car and self.word(inputs, "open_limit") is False)
        self.a_cause |= bool(self.was_up and self.word(inputs, "beam") and self.wired("closed_limit"))
        self.was_up |= self.word(inputs, "open_limit") is True
        self.before_ns = now_ns

    def check(
        self,
        before: BarrierState,
        inputs: BarrierInputs,
        acts: tuple[Act, ...],
        after: BarrierState,
        now_ns: int,
    ) -> None:
        """Every invariant, after one step."""
        self.check_lowering(before, inputs, acts, now_ns)
        self.check_raising(before, inputs, acts)
        self.check_holds(inputs, acts, after)
        self.check_requests(before, inputs, acts, now_ns)
        self.check_outputs(before, inputs, acts, after)

    def check_lowering(
        self, before: BarrierState, inputs: BarrierInputs, acts: tuple[Act, ...], now_ns: int
    ) -> None:
        lets_go = self.lane.open.pulse_ms == 0 and Wire.OPEN in self.away and before.phase is not Phase.CLOSED
        for i, act in enumerate(acts):
            is_level = lets_go and act == Release(Wire.OPEN)
            rests = any(isinstance(a, Journal) and a.data.get("phase") == "closed" for a in acts[i:])
            stops = any(isinstance(a, Pulse) and a.wire is Wire.STOP for a in acts[i:])
            if not (isinstance(act, Pulse) and act.wire is Wire.CLOSE) and not (
                is_level and not rests and not stops
            ):
                continue
            for sensor in ("presence", "beam", "fire", "hold_key"):
                if self.word(inputs, sensor) is not False:
                    raise Violation(f"SAFE-1: lowered while {sensor} is {self.word(inputs, sensor)}")
            if self.clear_ns is None or now_ns - self.clear_ns < self.lane.times.clear_s * NS_PER_S:
                raise Violation("SAFE-1: lowered before the lane had been seen clear for its time")
            if self.fire_held or self.key_held:
                raise Violation("SAFE-2: lowered during a hold")

    def check_raising(self, before: BarrierState, inputs: BarrierInputs, acts: tuple[Act, ...]) -> None:
        if before.phase is not Phase.CLOSING or not before.commanded:
            return
        signals = [
            name for name in ("presence", "beam", "fire", "hold_key") if self.word(inputs, name) is not False
        ]
        if self.word(inputs, "closed_limit") is True and not self.word(inputs, "fire"):
            return
        wires = [act.wire for act in acts if isinstance(act, Pulse)]
        if signals and (Wire.OPEN not in wires or wires[-1] is Wire.CLOSE):
            raise Violation(f"SAFE-1: {signals} while closing, and not raised at once but {wires}")
        if signals and self.wired("close"):
            first = next(i for i, a in enumerate(acts) if isinstance(a, Pulse) and a.wire is Wire.OPEN)
            if Release(Wire.CLOSE) not in acts[:first]:
                raise Violation("SAFE-1: raised without letting go of CLOSE first")

    def check_holds(self, inputs: BarrierInputs, acts: tuple[Act, ...], after: BarrierState) -> None:
        for held, hold in ((self.fire_held, Hold.FIRE), (self.key_held, Hold.KEY)):
            if held is not (hold in after.holds):
                raise Violation(f"SAFE-2: {hold} should be {held}, holds are {sorted(after.holds)}")
        if self.fire_held or self.key_held:
            if after.phase is not Phase.HELD_OPEN:
                raise Violation(f"SAFE-2: held, and yet {after.phase}")
            if any(isinstance(act, Pulse) and act.wire is not Wire.OPEN for act in acts):
                raise Violation("SAFE-2: something but OPEN was sent during a hold")

    def check_requests(
        self, before: BarrierState, inputs: BarrierInputs, acts: tuple[Act, ...], now_ns: int
    ) -> None:
        for act in acts:
            if not isinstance(act, Pulse) or act.request is None:
                continue
            request = act.request
            if request not in inputs.requests:
                raise Violation("SAFE-3: a pulse for a request of another time")
            if now_ns > request.not_after_ns:
                raise Violation(f"SAFE-3: {request.ask} done {now_ns - request.not_after_ns} ns too late")
            self.pulsed[request.id] = self.pulsed.get(request.id, 0) + 1
            if self.pulsed[request.id] > 1:
                raise Violation(f"SAFE-3: {request.id} done twice")
            stands = before.phase in UP_PHASES and len(inputs.requests) == 1
            if request.ask is Ask.OPEN and stands and request.visit in before.waiting:
                raise Violation("SAFE-3: the same visit pulsed again while its boom is up")

    def check_outputs(
        self, before: BarrierState, inputs: BarrierInputs, acts: tuple[Act, ...], after: BarrierState
    ) -> None:
        in_time = [r for r in inputs.requests if (self.before_ns or 0) <= r.not_after_ns]
        self.a_cause |= bool(in_time or self.fire_held or self.key_held)
        for act in acts:
            if isinstance(act, Pulse):
                if not self.a_cause:
                    raise Violation(f"SAFE-4: {act.wire} sent at start-up, without any cause")
                self.check_authority(before, inputs, act, in_time, after)
                self.away.add(act.wire)
            elif isinstance(act, Release):
                self.away.discard(act.wire)
        if before.phase is Phase.CLOSING and after.phase is Phase.FAULT:
            self.failed_ns = self.before_ns or 0
        held_close = self.lane.close is not None and self.lane.close.pulse_ms == 0
        if held_close and Wire.CLOSE in self.away and after.phase is not Phase.CLOSING:
            raise Violation(f"SAFE-4: CLOSE still energised in {after.phase}")

    def check_authority(
        self,
        before: BarrierState,
        inputs: BarrierInputs,
        act: Pulse,
        in_time: list[Request],
        after: BarrierState,
    ) -> None:
        """A boom that is down or stands still is raised for a permit or a hold, not for a car on the loop."""
        if act.wire is not Wire.OPEN or act.request is not None or after.holds:
            return
        if {request.ask for request in in_time} & {Ask.OPEN, Ask.HOLD, Ask.CLOSE}:
            return
        late_ns = (self.before_ns or 0) - self.failed_ns
        may_move = late_ns < self.lane.times.close_timeout_s * NS_PER_S
        if before.phase is Phase.FAULT and may_move and self.word(inputs, "closed_limit") is False:
            return
        if before.phase in (Phase.CLOSED, Phase.FAULT):
            raise Violation(f"ACC-1: opened from {before.phase} though nobody was let in")


# --- mutants: each breaks one promise, and must be caught -------------------------------------------------


class UnknownIsClear(BarrierTurn):
    def is_clear(self) -> bool:
        return not self.sensor("presence") and not self.sensor("beam")


class ForgetsTheBeam(BarrierTurn):
    def is_clear(self) -> bool:
        return self.sensor("presence") is False


class DoesNotWatchWhileClosing(BarrierTurn):
    def guard_closing(self) -> None:
        return


class TakesBlindnessForClear(BarrierTurn):
    def observe(self) -> None:
        self.set(seen_ns=self.now_ns)
        super().observe()


class RaisesOverClose(BarrierTurn):
    def release(self, *wires: Wire) -> None:
        return


class RemoteReleasesAll(BarrierTurn):
    def obey(self, request: Request) -> None:
        if request.ask is Ask.RELEASE:
            self.hold(frozenset())
        else:
            super().obey(request)


class ForgetsFireWhenUnknown(BarrierTurn):
    def fade_fire(self, holds: frozenset[Hold], fire: bool | None) -> frozenset[Hold]:
        return super().fade_fire(holds, bool(fire))


class StopsDuringFire(BarrierTurn):
    def obey_stop(self, request: Request) -> None:
        self.acts.append(Pulse(Wire.STOP, request=request))


class IgnoresDeadline(BarrierTurn):
    def obey(self, request: Request) -> None:
        super().obey(replace(request, not_after_ns=1 << 62))
        self.acts = [
            replace(a, request=request) if isinstance(a, Pulse) and a.request else a for a in self.acts
        ]


class PulsesTheSameVisitAgain(BarrierTurn):
    def obey_open(self, request: Request) -> None:
        self.set(lifted=())
        super().obey_open(request)


class PulsesAtStartUp(BarrierTurn):
    def begin(self) -> None:
        if self.state.seen_ns is None:
            self.acts.append(Pulse(Wire.OPEN, urgent=True))
        super().begin()


class OpensForWhoeverTouchesTheLoop(BarrierTurn):
    def observe(self) -> None:
        super().observe()
        if self.state.phase is Phase.CLOSED and self.sensor("presence") and self.state.pulsed_ns:
            self.raise_boom(Phase.OPENING, urgent=True)


class LeavesCloseEnergised(BarrierTurn):
    def enter(self, phase: Phase) -> None:
        if phase is Phase.FAULT:
            self.acts = [act for act in self.acts if act != Release(Wire.CLOSE)]
        super().enter(phase)


# Name -> (the machine, the promise that it breaks as a pattern, the lanes on which it does).
ALL = tuple(sorted(LANES))
MUTANTS: Mapping[str, tuple[type[BarrierTurn], str, tuple[str, ...]]] = {
    "unknown_is_clear": (UnknownIsClear, "SAFE-1", ALL),
    "forgets_the_beam": (ForgetsTheBeam, "SAFE-1", ALL),
    "does_not_watch_while_closing": (DoesNotWatchWhileClosing, "SAFE-1", ALL),
    "takes_blindness_for_clear": (TakesBlindnessForClear, "SAFE-[12]", ALL),
    "raises_over_close": (RaisesOverClose, "SAFE-[14]", ALL),
    "remote_releases_all": (RemoteReleasesAll, "SAFE-2", ALL),
    "forgets_fire_when_unknown": (ForgetsFireWhenUnknown, "SAFE-2", ALL),
    "stops_during_fire": (StopsDuringFire, "SAFE-2", ALL),
    "ignores_deadline": (IgnoresDeadline, "SAFE-3", ALL),
    "pulses_the_same_visit_again": (PulsesTheSameVisitAgain, "SAFE-3", ALL),
    "pulses_at_start_up": (PulsesAtStartUp, "SAFE-4", ALL),
    "leaves_close_energised": (LeavesCloseEnergised, "SAFE-4", ("held close",)),
    "opens_for_whoever_touches_the_loop": (OpensForWhoeverTouchesTheLoop, "ACC-1", ALL),
}


# --- the world --------------------------------------------------------------------------------------------

asks = st.builds(
    lambda ask, visit, late: (ask, visit, late),
    st.sampled_from([Ask.OPEN] * 4 + list(Ask)),
    st.sampled_from(["car-1", "car-2", "car-3"]),
    st.sampled_from([False] * 5 + [True]),
)
paces_ms = st.sampled_from([20, 30, 50, 50, 100, 200, 400, 700, 1100, 3000, 6000, 11_000, 30_000])


class World(RuleBasedStateMachine):
    """Rules are what may happen; every one ends with steps of the machine and the judge's word on them."""

    turn_type: type[BarrierTurn] = BarrierTurn
    lanes = ALL
    steps_done = 0
    phases_seen: set[tuple[str, str]] = set()

    @initialize(lane=st.integers(0, 1_000_000), deg=st.sampled_from([0.0, 0.0, 0.0, 45.0, 90.0]))
    def begin(self, lane: int, deg: float) -> None:
        self.lane = LANES[self.lanes[lane % len(self.lanes)]]
        self.boom = Boom(deg)
        self.state = BarrierState()
        self.now_ns = 1000 * NS_PER_S
        self.judge = Judge(self.lane)
        self.truth = {"presence": False, "beam": False, "fire": False, "hold_key": False}
        self.overlay: dict[str, bool | None] = {}
        self.pending: list[Request] = []
        self.losing = False
        self.spoilt = False  # acts were lost or sensors lied: steel and machine may disagree
        self.ids = 0

    def step(self, ms: int) -> None:
        self.now_ns += ms * NS_PER_MS
        self.boom.move(ms / 1000)
        seen: dict[str, bool | None] = dict(self.truth)
        seen |= {"open_limit": self.boom.deg >= 88.0, "closed_limit": self.boom.deg <= 2.0}
        seen |= self.overlay
        inputs = BarrierInputs(**seen, requests=tuple(self.pending))
        self.pending = []
        before = self.state
        self.judge.look(inputs, self.now_ns)
        held = Wire.OPEN in self.judge.away
        self.state, acts = advance(self.turn_type(before, inputs, self.now_ns, self.lane))
        type(self).steps_done += 1
        type(self).phases_seen.add((before.phase.value, self.state.phase.value))
        self.judge.check(before, inputs, acts, self.state, self.now_ns)
        self.check_steel(acts, held=held)
        assert all(isinstance(act, Pulse | Release | Journal | AlarmEdge) for act in acts)

    def check_steel(self, acts: tuple[Act, ...], *, held: bool) -> None:
        if self.losing:
            self.spoilt = self.spoilt or any(isinstance(act, Pulse | Release) for act in acts)
        else:
            for act in acts:
                self.boom.obey(act, self.lane, held)
        car = (self.truth["presence"] and self.lane.presence) or (self.truth["beam"] and self.lane.beam)
        honest = not {"presence", "beam", "open_limit", "closed_limit"} & set(self.overlay)
        if car and honest and not self.spoilt and self.boom.motion < 0 and self.boom.ours:
            raise Violation("SAFE-1: the boom goes on coming down onto a car")

    @rule(ms=paces_ms, times=st.integers(1, 6))
    def time_passes(self, ms: int, times: int) -> None:
        for _ in range(times):
            self.step(ms)

    @rule(seconds=st.sampled_from([1, 2, 6, 12, 30]))
    def time_passes_smoothly(self, seconds: int) -> None:
        for _ in range(seconds * 5):
            self.step(200)

    @rule(ask=asks)
    def somebody_asks(self, ask: tuple[Ask, str, bool]) -> None:
        kind, visit, late = ask
        self.ids += 1
        not_after_ns = self.now_ns + (-1 if late else 40 * NS_PER_MS)
        self.pending.append(Request(kind, visit, not_after_ns, f"id-{self.ids}"))
        self.step(30)

    @rule(first=asks, second=asks)
    def two_ask_at_once(self, first: tuple[Ask, str, bool], second: tuple[Ask, str, bool]) -> None:
        for kind, visit, late in (first, second):
            self.ids += 1
            not_after_ns = self.now_ns + (-1 if late else 40 * NS_PER_MS)
            self.pending.append(Request(kind, visit, not_after_ns, f"id-{self.ids}"))
        self.step(30)

    @rule(
        name=st.sampled_from(["presence", "presence", "beam", "fire", "hold_key"]),
        level=st.booleans(),
        ms=st.sampled_from([20, 50]),
    )
    def something_comes_or_goes(self, name: str, level: bool, ms: int) -> None:
        self.truth[name] = level
        self.step(ms)

    @rule()
    def a_car_drives_through(self) -> None:
        for presence, beam in ((True, False), (True, True), (False, True), (False, False)):
            self.truth |= {"presence": presence, "beam": beam}
            self.step(50)
            self.step(50)

    @rule(visit=st.sampled_from(["car-1", "car-2", "car-3"]))
    def a_whole_visit_up_to_the_closing_boom(self, visit: str) -> None:
        self.ids += 1
        self.pending.append(Request(Ask.OPEN, visit, self.now_ns + 40 * NS_PER_MS, f"id-{self.ids}"))
        self.step(30)
        for _ in range(35):
            self.step(100)
        self.a_car_drives_through()
        for _ in range(12):
            self.step(100)

    @rule(word=st.sampled_from([True, False, None]), seconds=st.sampled_from([1, 3, 8]))
    def fire_and_what_becomes_of_it(self, word: bool | None, seconds: int) -> None:
        self.truth["fire"] = True
        self.step(30)
        self.truth["fire"] = bool(word)
        if word is None:
            self.overlay["fire"] = None
        for _ in range(seconds * 5):
            self.step(200)

    @rule(jammed=st.booleans())
    def the_boom_jams_or_comes_free(self, jammed: bool) -> None:
        self.boom.jammed = jammed
        if jammed and self.lane.closed_limit is None:
            self.spoilt = True  # without that limit nobody can know that it takes longer than it should
        self.step(30)

    @rule(name=st.sampled_from(SENSORS), word=st.sampled_from([None, None, None, True, False]))
    def a_sensor_fails(self, name: str, word: bool | None) -> None:
        if word is not None and name in ("presence", "beam", "fire", "hold_key"):
            word = None  # a contact that lies about a car cannot be made good by anybody
        self.overlay[name] = word
        self.spoilt = True
        self.step(30)

    @rule()
    @precondition(lambda self: bool(self.overlay))
    def the_sensors_recover(self) -> None:
        self.overlay.clear()
        self.step(30)

    @rule(losing=st.booleans())
    def the_relay_board_goes_or_comes(self, losing: bool) -> None:
        self.losing = losing
        self.step(30)

    @rule(motion=st.sampled_from([1, -1, 0]))
    def somebody_moves_it_by_hand(self, motion: int) -> None:
        self.boom.motion, self.boom.ours = motion, False
        self.step(50)


def prove(
    turn_type: type[BarrierTurn],
    steps: int,
    lanes: tuple[str, ...] = ALL,
    *,
    rules_per_run: int = 60,
    quick: bool = False,
    derandomize: bool = False,
) -> int:
    """Run until that many steps of the machine have been judged.

    Args:
        turn_type: The machine, or a mutant.
        steps: At least so many.
        lanes: Names of the lanes to try.
        rules_per_run: Length of one story.
        quick: Stop at the first violation without looking for the shortest one.
        derandomize: Always the same stories.

    Returns:
        Steps done.

    Raises:
        Violation: A promise was broken.
    """
    world = type(
        "WorldOf" + turn_type.__name__, (World,), {"turn_type": turn_type, "steps_done": 0, "lanes": lanes}
    )
    stages = (Stage.generate,) if quick else (Stage.generate, Stage.shrink)
    while world.steps_done < steps:
        left = steps - world.steps_done
        run_state_machine_as_test(
            world,
            settings=settings(
                max_examples=max(10, min(2000, left // 400)),
                stateful_step_count=rules_per_run,
                deadline=None,
                database=None,
                derandomize=derandomize,
                phases=stages,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
        World.phases_seen |= world.phases_seen
    return int(world.steps_done)


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description="prove the barrier machine safe, or a mutant unsafe")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--mutant", choices=sorted(MUTANTS))
    options = parser.parse_args()
    turn_type, promise, lanes = MUTANTS[options.mutant] if options.mutant else (BarrierTurn, "", ALL)
    started = time.monotonic()
    try:
        steps = prove(turn_type, options.steps, lanes)
    except Violation as violation:
        print(violation, *getattr(violation, "__notes__", ()), sep="\n")
        return 0 if options.mutant and re.match(promise, str(violation)) else 1
    print(f"{steps} steps in {time.monotonic() - started:.0f} s: no promise was broken")
    print(f"{len(World.phases_seen)} different transitions seen")
    return 1 if options.mutant else 0


if __name__ == "__main__":
    sys.exit(main())

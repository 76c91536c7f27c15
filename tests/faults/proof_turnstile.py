"""The turnstile machine against everything that hypothesis can think of: an arm, credits, people in the way.

SAFE-1 for a turnstile: the arm comes back only while it is known that nobody stands in its way. A judge with
its own books checks it after every step, with SAFE-2 (fire and key), SAFE-3 (deadlines, at most once, never
two credits), SAFE-4 (nothing at start-up, credits taken back) and ACC-1. Run it with ``lane_proof.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from proof_kit import Books, LaneWorld, Mutant, Violation, by_name, late_ignored, without_deadline

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, Ask, Hold, Pulse, Release, Request, Wire
from edge.lanes.turnstile import ZONES, TurnstileInputs, TurnstilePhase, TurnstileState, TurnstileTurn
from edge.settings import TurnstileLane

SENSORS = ("passage", "passage_out", "zone_in", "zone_out", "exit_button", "fire", "hold_key")
WISH_NS = 3 * NS_PER_S
WAYS = {Wire.PASS_IN: "in", Wire.PASS_OUT: "out"}


def a_turnstile(*without: str, **changes: Any) -> TurnstileLane:
    """A turnstile with every wire but those named."""
    section: dict[str, Any] = {"type": "turnstile", "direction": "both"}
    for channel, wire in enumerate(("pass_in", "pass_out", "release"), start=1):
        section[wire] = {"board": "relays", "channel": channel}
    section["release"]["pulse_ms"] = 0
    for channel, wire in enumerate(SENSORS, start=1):
        section[wire] = {"board": "inputs", "channel": channel}
    for wire in without:
        del section[wire]
    return TurnstileLane.model_validate(section | changes)


LANES: Mapping[str, TurnstileLane] = {
    "all wires": a_turnstile(),
    "no zones": a_turnstile("zone_in", "zone_out"),
    "one feedback": a_turnstile("passage_out"),
    "in alone": a_turnstile("pass_out", "exit_button", direction="in"),
    "no release": a_turnstile("release", "fire", "hold_key"),
    "levels": a_turnstile(
        pass_in={"board": "relays", "channel": 1, "pulse_ms": 0},
        pass_out={"board": "relays", "channel": 2, "pulse_ms": 0},
    ),
    "sensors stick soon": a_turnstile(times={"stuck_h": 0.01}),
}


@dataclass
class Judge(Books):
    """Keeps its own books of what was seen and asked, and compares."""

    clear_ns: int | None = None
    free: bool = False
    a_cause: bool = False
    credit: set[Wire] = field(default_factory=set)
    exit_ns: int = -(1 << 62)  # when the exit button was seen pressed last

    def look(self, inputs: TurnstileInputs, now_ns: int) -> None:
        """Note what the machine is shown, before it is asked."""
        self.blind_ns = round(self.lane.times.clear_s * NS_PER_S / 2)
        self.note(inputs, now_ns)
        if any(self.word(inputs, zone) is not False for zone in ZONES):
            self.clear_ns = None
        elif self.clear_ns is None or self.gap_ns > self.blind_ns:
            self.clear_ns = now_ns
        pressed = bool(self.word(inputs, "exit_button"))
        self.exit_ns = now_ns if pressed else self.exit_ns
        in_time = any(now_ns <= request.not_after_ns for request in inputs.requests)
        self.a_cause |= bool(in_time or self.held or self.scheduled or pressed)

    def check(
        self,
        before: TurnstileState,
        inputs: TurnstileInputs,
        acts: tuple[Act, ...],
        after: TurnstileState,
        now_ns: int,
    ) -> None:
        """Every invariant, after one step."""
        self.check_requests(acts, now_ns)
        for act in acts:
            if isinstance(act, Pulse):
                self.check_pulse(act)
            elif isinstance(act, Release) and act.wire in WAYS:
                self.credit.discard(act.wire)
            elif act == Release(Wire.RELEASE) and self.free:
                self.check_arm(inputs, after, now_ns)
        if after.phase is not TurnstilePhase.ADMITTING and self.credit:
            raise Violation(f"SAFE-4: a credit stands in {after.phase}")
        if (after.phase is TurnstilePhase.FREE) is not self.free:
            raise Violation(f"SAFE-4: the arm is free: {self.free}, and yet {after.phase}")
        self.check_holds(after.holds, acts, frozenset({Wire.RELEASE}))
        if self.held and not self.free:
            raise Violation("SAFE-2: held, and yet the arm is not free")

    def check_pulse(self, act: Pulse) -> None:
        if not self.a_cause:
            raise Violation(f"SAFE-4: {act.wire} sent at start-up, without any cause")
        if act.wire is Wire.RELEASE:
            self.free = True
            return
        if self.credit:
            raise Violation("SAFE-3: a second credit while one stands")
        wished = (self.before_ns or 0) - self.exit_ns <= WISH_NS and act.wire is Wire.PASS_OUT
        if act.request is None and not wished:
            raise Violation("ACC-1: a credit though nobody was let through")
        self.credit.add(act.wire)

    def check_arm(self, inputs: TurnstileInputs, after: TurnstileState, now_ns: int) -> None:
        self.free = False
        for sensor in (*ZONES, "fire", "hold_key"):
            if self.word(inputs, sensor) is not False:
                raise Violation(f"SAFE-1: the arm comes back while {sensor} is {self.word(inputs, sensor)}")
        if self.clear_ns is None or now_ns - self.clear_ns < self.lane.times.clear_s * NS_PER_S:
            raise Violation("SAFE-1: the arm comes back before nobody was seen for its time")
        if after.holds:
            raise Violation("SAFE-2: the arm comes back during a hold")


# --- mutants ------------------------------------------------------------------------------------------------


class UnknownZoneIsClear(TurnstileTurn):
    def is_clear(self) -> bool:
        return not any(self.sensor(zone) for zone in ZONES)


class TakesAStuckZoneForClear(TurnstileTurn):
    def is_clear(self) -> bool:
        return all(self.trusted(zone) is False for zone in ZONES)


class BringsTheArmBackAtOnce(TurnstileTurn):
    def end_hold(self) -> None:
        self.release(Wire.RELEASE)
        self.enter(TurnstilePhase.IDLE)


class TakesBlindnessForClear(TurnstileTurn):
    def observe(self) -> None:
        self.set(seen_ns=self.now_ns)
        super().observe()


class RemoteReleasesAll(TurnstileTurn):
    def obey_release(self, request: Request) -> None:
        self.hold(frozenset())


class ForgetsFireWhenUnknown(TurnstileTurn):
    def fade_fire(self, holds: frozenset[Hold], fire: bool | None) -> frozenset[Hold]:
        return super().fade_fire(holds, bool(fire))


class GivesCreditsDuringFire(TurnstileTurn):
    def obey_open(self, request: Request) -> None:
        if self.state.phase is TurnstilePhase.FREE:
            self.acts.append(Pulse(Wire.PASS_IN, request=request))
            self.release(Wire.PASS_IN)
        else:
            super().obey_open(request)


class IgnoresDeadline(TurnstileTurn):
    def obey(self, request: Request) -> None:
        super().obey(without_deadline(request))
        self.acts = late_ignored(request, self.acts)


class ForgetsDeadlinesInTheQueue(TurnstileTurn):
    def finish(self) -> None:
        self.set(queue=tuple(without_deadline(request) for request in self.state.queue))
        super().finish()

    def wait_for_passage(self) -> None:
        if self.in_phase(self.settings.times.pass_timeout_s):
            self.cancel("nobody_came")


class GivesTwoCredits(TurnstileTurn):
    def obey_open(self, request: Request) -> None:
        if self.state.phase is TurnstilePhase.ADMITTING and self.wired("pass_in"):
            self.admit("in", request)
        else:
            super().obey_open(request)


class PulsesAtStartUp(TurnstileTurn):
    def look(self) -> None:
        if self.state.seen_ns is None and self.wired("release"):
            self.acts.append(Pulse(Wire.RELEASE, urgent=True))
        super().look()


class LeavesTheCreditStanding(TurnstileTurn):
    def finish(self) -> None:
        self.set(heading="")
        self.enter(TurnstilePhase.IDLE)


class LetsThroughWhoeverComesNear(TurnstileTurn):
    def watch_zones(self) -> None:
        super().watch_zones()
        if self.state.phase is TurnstilePhase.IDLE and self.sensor("zone_in") and self.state.pulsed_ns:
            self.admit("in", None)


MUTANTS: Mapping[str, Mutant] = by_name(
    Mutant(UnknownZoneIsClear, "SAFE-1", ("all wires", "levels")),
    Mutant(TakesAStuckZoneForClear, "SAFE-1", ("sensors stick soon",)),
    Mutant(BringsTheArmBackAtOnce, "SAFE-1", ("all wires", "no zones")),
    Mutant(TakesBlindnessForClear, "SAFE-[12]", ("all wires", "levels")),
    (RemoteReleasesAll, "SAFE-2"),
    (ForgetsFireWhenUnknown, "SAFE-2"),
    (GivesCreditsDuringFire, "SAFE-[12]|ACC-1"),
    (IgnoresDeadline, "SAFE-[34]"),  # a hold too late has no request of its own, and no cause
    (ForgetsDeadlinesInTheQueue, "SAFE-3"),
    (GivesTwoCredits, "SAFE-3"),
    (PulsesAtStartUp, "SAFE-4"),
    (LeavesTheCreditStanding, "SAFE-[34]"),
    Mutant(LetsThroughWhoeverComesNear, "ACC-1", ("all wires", "levels")),
)


# --- the world ----------------------------------------------------------------------------------------------


class TurnstileWorld(LaneWorld):
    """An arm and people who walk through it, against it and behind others."""

    turn_type = TurnstileTurn
    phases_seen: ClassVar[set[tuple[str, str]]] = set()
    lanes = tuple(sorted(LANES))
    SENSORS = SENSORS
    RESTING = SENSORS

    @initialize(lane=st.integers(0, 1_000_000))
    def begin(self, lane: int) -> None:
        self.start(LANES[self.lanes[lane % len(self.lanes)]], TurnstileState())
        self.judge = Judge(self.lane)
        self.truth = dict.fromkeys(SENSORS, False)
        self.free = False

    def step(self, ms: int) -> None:
        self.now_ns += ms * NS_PER_MS
        inputs = TurnstileInputs(
            **(self.truth | self.overlay), requests=tuple(self.pending), scheduled=self.is_scheduled()
        )
        self.pending = []
        before = self.state
        self.judge.look(inputs, self.now_ns)
        self.state, acts = self.turn_type(before, inputs, self.now_ns, self.lane).run()
        self.seen(before, self.state)
        self.judge.check(before, inputs, acts, self.state, self.now_ns)
        self.check_steel(acts)

    def is_scheduled(self) -> bool:
        return self.scheduled and self.lane.release is not None

    def check_steel(self, acts: tuple[Act, ...]) -> None:
        """The arm itself, with everybody in its way."""
        self.spoilt = self.spoilt or self.losing
        for act in acts if not self.losing else ():
            if act == Pulse(Wire.RELEASE, urgent=True):
                self.free = True
            elif act == Release(Wire.RELEASE):
                somebody = any(self.truth[zone] and getattr(self.lane, zone) for zone in ZONES)
                if self.free and somebody and not set(ZONES) & set(self.overlay):
                    raise Violation("SAFE-1: the arm of steel comes back onto somebody")
                self.free = False
        if self.truth["fire"] and self.lane.fire and not self.spoilt and not self.free:
            raise Violation("SAFE-2: the arm of steel is held during a fire")

    @rule(
        name=st.sampled_from(["zone_in", "zone_out", "passage", "passage_out", "exit_button"]),
        level=st.booleans(),
        ms=st.sampled_from([20, 50, 1000]),
    )
    def something_comes_or_goes(self, name: str, level: bool, ms: int) -> None:
        self.truth[name] = level
        self.step(ms)

    @rule(way=st.sampled_from(["in", "in", "out"]), followed=st.booleans())
    def somebody_walks(self, way: str, followed: bool) -> None:
        near, far = ZONES if way == "in" else ZONES[::-1]
        feedback = "passage" if way == "in" or self.lane.passage_out is None else "passage_out"
        for looks in ({near: True}, {near: True, far: True}, {near: followed, far: True, feedback: True}, {}):
            self.truth |= dict.fromkeys((*ZONES, "passage", "passage_out"), False) | looks
            self.step(100)

    @rule(visits=st.lists(st.sampled_from(["visit-1", "visit-2", "visit-3"]), min_size=1, max_size=3))
    def people_come_and_wait_for_each_other(self, visits: list[str]) -> None:
        for visit in visits:
            self.ids += 1
            heading = "in" if self.lane.direction == "in" else {"visit-2": "out"}.get(visit, "in")
            not_after_ns = self.now_ns + 2 * NS_PER_S
            self.pending.append(Request(Ask.OPEN, visit, not_after_ns, f"id-{self.ids}", heading))
            self.step(30)
        for _ in range(30):
            self.step(100)
        self.somebody_walks("in", False)

    @rule(zone=st.sampled_from(ZONES), word=st.sampled_from([True, None]))
    def a_hold_ends_over_somebody(self, zone: str, word: bool | None) -> None:
        self.truth |= dict.fromkeys(ZONES, False) | {"hold_key": True}
        self.step(50)
        self.truth |= {"hold_key": False, zone: bool(word)}
        lies = word is None and zone not in self.overlay
        if lies:
            self.overlay[zone] = None
        for _ in range(15):
            self.step(100)
        self.truth[zone] = False
        if lies:
            self.overlay.pop(zone, None)
        self.step(100)

    @rule(zone=st.sampled_from(ZONES))
    def a_zone_sensor_sticks(self, zone: str) -> None:
        self.truth[zone] = True
        for _ in range(40):
            self.step(1000)

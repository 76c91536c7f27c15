"""The barrier machine against everything that hypothesis can think of: a boom of steel, cars, silent sensors.

After every step SAFE-1 to SAFE-4 are checked by a judge that keeps its own books; so are ACC-1 (nobody is let
in without a cause) and WAY (one way at a time on a two-way lane). Run it with ``lane_proof.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from proof_kit import HEADINGS, Books, LaneWorld, Violation

from edge.clock import NS_PER_S
from edge.lanes.acts import Act, Ask, Journal, Pulse, Release, Request, Wire
from edge.lanes.barrier import advance
from edge.lanes.barrier_state import BOOM_UP, BarrierInputs, BarrierState, Phase
from edge.lanes.barrier_turn import BarrierTurn
from edge.settings import BarrierLane

SENSORS = ("open_limit", "closed_limit", "presence", "beam", "edge", "second_loop", "fire", "hold_key")
SAFETY = ("presence", "beam", "edge")
TRAVEL_S = 3.0
UP_DEG, DOWN_DEG = 88.0, 2.0  # where the limits close: there it is up, or down
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


VISITS = ("visit-1", "visit-2", "visit-3")
NO_EXTRAS = ("edge", "second_loop")
TWO_WAY = {"direction": "both", "cameras": ["a", "b"], "cameras_out": ["b"]}
LANES: Mapping[str, BarrierLane] = {
    "all wires": a_lane(),
    "all wires, two-way": a_lane(**TWO_WAY),
    "one loop": a_lane(*NO_EXTRAS),
    "no stop, no beam": a_lane("stop", "beam", *NO_EXTRAS),
    "no limits": a_lane("open_limit", "closed_limit", *NO_EXTRAS),
    "no closed limit": a_lane("closed_limit", *NO_EXTRAS),
    "no open limit": a_lane("open_limit"),
    "no fire, no key": a_lane("fire", "hold_key"),
    "closes by itself": a_lane("close", "stop"),
    "open wire alone": a_lane("close", "stop", *SENSORS),
    "held close": a_lane(*NO_EXTRAS, close={"board": "relays", "channel": 2, "pulse_ms": 0}),
    "held open": a_lane("close", *NO_EXTRAS, open={"board": "relays", "channel": 1, "pulse_ms": 0}),
    "closes after a power cut": a_lane(power_return="close", times={"power_return_s": 5}),
    "sensors stick soon": a_lane(times={"stuck_h": 0.01}),
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


@dataclass
class Judge(Books):
    """Keeps its own books of what was seen and asked, and compares."""

    clear_ns: int | None = None
    a_cause: bool = False
    was_up: bool = False
    failed_ns: int = -(1 << 62)  # when closing failed last
    car: bool = False  # as last known: by the loop, and gone only when the beam is free too
    away: set[Wire] = field(default_factory=set)

    def look(self, inputs: BarrierInputs, now_ns: int) -> None:
        """Note what the machine is shown, before it is asked."""
        self.blind_ns = round(self.lane.times.clear_s * NS_PER_S / 2)
        self.note(inputs, now_ns)
        words = [self.word(inputs, name) for name in SAFETY]
        if any(word is not False for word in words):
            self.clear_ns = None
        elif self.clear_ns is None or self.gap_ns > self.blind_ns:
            self.clear_ns = now_ns
        # A boom that leaves its upper limit over a car may be raised, whoever lowers it.
        car = self.word(inputs, "presence" if self.wired("presence") else "beam")
        if car or (car is False and self.word(inputs, "beam") is False):
            self.car = bool(car)
        seen = any(words)
        self.a_cause |= bool(self.was_up and self.car and self.word(inputs, "open_limit") is False)
        self.a_cause |= bool(self.was_up and seen and self.wired("closed_limit"))
        self.was_up |= self.word(inputs, "open_limit") is True

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
        self.check_holds(after.holds, acts, frozenset({Wire.OPEN}))
        if self.held and after.phase is not Phase.HELD_OPEN:
            raise Violation(f"SAFE-2: held, and yet {after.phase}")
        self.check_requests(acts, now_ns)
        self.check_same_visit(before, inputs, acts)
        self.check_outputs(before, inputs, acts, after)
        self.check_ways(after)

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
            for sensor in (*SAFETY, "fire", "hold_key"):
                if self.word(inputs, sensor) is not False:
                    raise Violation(f"SAFE-1: lowered while {sensor} is {self.word(inputs, sensor)}")
            if self.clear_ns is None or now_ns - self.clear_ns < self.lane.times.clear_s * NS_PER_S:
                raise Violation("SAFE-1: lowered before the lane had been seen clear for its time")
            if self.held:
                raise Violation("SAFE-2: lowered during a hold")

    def check_raising(self, before: BarrierState, inputs: BarrierInputs, acts: tuple[Act, ...]) -> None:
        if before.phase is not Phase.CLOSING or not before.commanded:
            return
        signals = [name for name in (*SAFETY, "fire", "hold_key") if self.word(inputs, name) is not False]
        if self.word(inputs, "closed_limit") is True and not self.word(inputs, "fire"):
            return
        wires = [act.wire for act in acts if isinstance(act, Pulse)]
        if signals and (Wire.OPEN not in wires or wires[-1] is Wire.CLOSE):
            raise Violation(f"SAFE-1: {signals} while closing, and not raised at once but {wires}")
        if signals and self.wired("close"):
            first = next(i for i, a in enumerate(acts) if isinstance(a, Pulse) and a.wire is Wire.OPEN)
            if Release(Wire.CLOSE) not in acts[:first]:
                raise Violation("SAFE-1: raised without letting go of CLOSE first")

    def check_same_visit(self, before: BarrierState, inputs: BarrierInputs, acts: tuple[Act, ...]) -> None:
        for act in acts:
            if not isinstance(act, Pulse) or act.request is None or act.request.ask is not Ask.OPEN:
                continue
            stands = before.phase in BOOM_UP and len(inputs.requests) == 1
            if stands and act.request.visit in before.waiting:
                raise Violation("SAFE-3: the same visit pulsed again while its boom is up")

    def check_outputs(
        self, before: BarrierState, inputs: BarrierInputs, acts: tuple[Act, ...], after: BarrierState
    ) -> None:
        in_time = [r for r in inputs.requests if (self.before_ns or 0) <= r.not_after_ns]
        self.a_cause |= bool(in_time or self.held or self.scheduled)
        for act in acts:
            if isinstance(act, Pulse):
                if not self.a_cause and not self.closes_after_power_cut(act):
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

    def closes_after_power_cut(self, act: Pulse) -> bool:
        """What may happen without a cause where it is configured, and only when proven clear."""
        if self.lane.power_return != "close" or act.wire is not Wire.CLOSE or not self.was_up:
            return False
        for_ns = (self.before_ns or 0) - (self.clear_ns or self.before_ns or 0)
        if for_ns < self.lane.times.power_return_s * NS_PER_S:
            raise Violation("SAFE-1: closed after a power cut before the lane was proven clear")
        self.a_cause = True
        return True

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
        if {request.ask for request in in_time} & {Ask.OPEN, Ask.HOLD, Ask.FLEET, Ask.CLOSE}:
            return
        late_ns = (self.before_ns or 0) - self.failed_ns
        may_move = late_ns < self.lane.times.close_timeout_s * NS_PER_S
        if before.phase is Phase.FAULT and may_move and self.word(inputs, "closed_limit") is False:
            return
        if before.phase in (Phase.CLOSED, Phase.FAULT):
            raise Violation(f"ACC-1: opened from {before.phase} though nobody was let in")

    def check_ways(self, after: BarrierState) -> None:
        ways = {HEADINGS[visit] for visit in after.waiting} - {""}
        if self.lane.direction == "both" and len(ways) > 1:
            raise Violation("WAY: cars of both ways are let in at once")


# --- the world ----------------------------------------------------------------------------------------------


class BarrierWorld(LaneWorld):
    """A boom, cars on two loops and in the beam, people who move it by hand."""

    turn_type = BarrierTurn
    phases_seen: ClassVar[set[tuple[str, str]]] = set()
    lanes = tuple(sorted(LANES))
    SENSORS = SENSORS
    RESTING = SENSORS[2:]

    @initialize(lane=st.integers(0, 1_000_000), deg=st.sampled_from([0.0, 0.0, 45.0, 90.0, 90.0]))
    def begin(self, lane: int, deg: float) -> None:
        self.start(LANES[self.lanes[lane % len(self.lanes)]], BarrierState())
        self.boom = Boom(deg)
        self.judge = Judge(self.lane)
        self.truth = dict.fromkeys(SENSORS, False)

    def step(self, ms: int) -> None:
        self.now_ns += ms * 1_000_000
        self.boom.move(ms / 1000)
        seen: dict[str, bool | None] = dict(self.truth)
        seen |= {"open_limit": self.boom.deg >= UP_DEG, "closed_limit": self.boom.deg <= DOWN_DEG}
        seen |= self.overlay
        inputs = BarrierInputs(**seen, requests=tuple(self.pending), scheduled=self.scheduled)
        self.pending = []
        before = self.state
        self.judge.look(inputs, self.now_ns)
        held = Wire.OPEN in self.judge.away
        self.state, acts = advance(self.turn_type(before, inputs, self.now_ns, self.lane))
        self.seen(before, self.state)
        self.judge.check(before, inputs, acts, self.state, self.now_ns)
        self.check_steel(acts, held=held)

    def check_steel(self, acts: tuple[Act, ...], *, held: bool) -> None:
        if self.losing:
            self.spoilt = self.spoilt or any(isinstance(act, Pulse | Release) for act in acts)
        else:
            for act in acts:
                self.boom.obey(act, self.lane, held)
        car = any(self.truth[name] and getattr(self.lane, name) for name in SAFETY)
        honest = not {*SAFETY, "open_limit", "closed_limit"} & set(self.overlay)
        falls = self.boom.motion < 0 and self.boom.ours and self.boom.deg > DOWN_DEG
        if car and honest and not self.spoilt and falls:
            raise Violation("SAFE-1: the boom goes on coming down onto a car")

    @rule(
        name=st.sampled_from(["presence", "presence", "beam", "edge", "second_loop"]),
        level=st.booleans(),
        ms=st.sampled_from([20, 50]),
    )
    def something_comes_or_goes(self, name: str, level: bool, ms: int) -> None:
        self.truth[name] = level
        self.step(ms)

    @rule(way=st.sampled_from(["axb", "axb", "bxa", "axa", "bxb"]))
    def a_car_drives(self, way: str) -> None:
        for look in way:
            self.truth |= {"presence": look in "ax", "beam": look == "x", "second_loop": look in "bx"}
            self.step(50)
            self.step(50)
        self.truth |= {"presence": False, "beam": False, "second_loop": False}
        self.step(50)

    @rule(visit=st.sampled_from(VISITS))
    def a_whole_visit_up_to_the_closing_boom(self, visit: str) -> None:
        self.want((Ask.OPEN, visit, False, 0))
        self.step(30)
        for _ in range(35):
            self.step(100)
        self.a_car_drives("bxa" if HEADINGS[visit] == "out" and self.lane.direction == "both" else "axb")
        for _ in range(12):
            self.step(100)

    @rule(
        visit=st.sampled_from(VISITS),
        name=st.sampled_from([*SAFETY, "fire", "hold_key"]),
        word=st.sampled_from([True, None]),
    )
    def something_happens_under_a_closing_boom(self, visit: str, name: str, word: bool | None) -> None:
        self.a_whole_visit_up_to_the_closing_boom(visit)
        was, lies = self.truth[name], word is None and name not in self.overlay
        self.truth[name] = bool(word)
        if lies:
            self.overlay[name] = None
        self.step(50)
        self.step(50)
        self.truth[name] = was
        if lies:
            self.overlay.pop(name, None)
        self.step(50)

    @rule(name=st.sampled_from(["presence", "beam", "second_loop"]))
    def a_sensor_sticks(self, name: str) -> None:
        self.truth[name] = True
        for _ in range(40):
            self.step(1000)

    @rule(jammed=st.booleans())
    def the_boom_jams_or_comes_free(self, jammed: bool) -> None:
        self.boom.jammed = jammed
        if jammed and self.lane.closed_limit is None:
            self.spoilt = True  # without that limit nobody can know that it takes longer than it should
        self.step(30)

    @rule(name=st.sampled_from(["open_limit", "closed_limit"]), word=st.booleans())
    def a_limit_lies(self, name: str, word: bool) -> None:
        self.overlay[name] = word
        self.spoilt = True
        self.step(30)

    @rule(motion=st.sampled_from([1, -1, 0]))
    def somebody_moves_it_by_hand(self, motion: int) -> None:
        self.boom.motion, self.boom.ours = motion, False
        self.step(50)

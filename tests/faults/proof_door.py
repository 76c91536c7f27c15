"""The door machine against everything that hypothesis can think of: a leaf, a lock, people on both sides.

SAFE-1 for a door: whoever is at the exit button is never locked in. A judge with its own books checks it
after every step, with SAFE-2 (fire and key), SAFE-3 (deadlines, at most once), SAFE-4 (nothing at start-up,
locked again in time) and ACC-1 (nobody is let in without a cause). Run it with ``lane_proof.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from proof_kit import Books, LaneWorld, Mutant, Violation, by_name, late_ignored, without_deadline

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, Ask, Hold, Pulse, Release, Request, Wire
from edge.lanes.door import DoorInputs, DoorPhase, DoorState, DoorTurn
from edge.settings import DoorLane

SENSORS = ("contact", "exit_button", "fire", "hold_key")


def a_door(*without: str, **changes: Any) -> DoorLane:
    """A door with every wire but those named."""
    section: dict[str, Any] = {"type": "door", "lock": {"board": "relays", "channel": 4, "pulse_ms": 0}}
    for channel, wire in enumerate(SENSORS, start=1):
        section[wire] = {"board": "inputs", "channel": channel}
    for wire in without:
        del section[wire]
    return DoorLane.model_validate(section | changes)


LANES: Mapping[str, DoorLane] = {
    "all wires": a_door(),
    "no contact": a_door("contact"),
    "no button": a_door("exit_button"),
    "no fire, no key": a_door("fire", "hold_key"),
    "lock alone": a_door(*SENSORS),
    "strike with its own timer": a_door(lock={"board": "relays", "channel": 4, "pulse_ms": 500}),
    "long unlocked": a_door(times={"unlock_s": 20, "exit_mask_s": 10}),
}


@dataclass
class Judge(Books):
    """Keeps its own books of what was seen and asked, and compares."""

    let_go: bool = False
    cause_ns: int = -(1 << 62)  # the newest reason to be unlocked
    opened: bool = False  # the leaf has been seen open since that reason
    leaf: bool | None = None

    def look(self, inputs: DoorInputs, now_ns: int) -> None:
        """Note what the machine is shown, before it is asked."""
        self.note(inputs, now_ns)
        in_time = [r for r in inputs.requests if now_ns <= r.not_after_ns]
        button = self.word(inputs, "exit_button")
        if button or self.held or self.scheduled or {r.ask for r in in_time} & {Ask.OPEN, Ask.HOLD}:
            self.cause_ns = now_ns

    def check(
        self,
        before: DoorState,
        inputs: DoorInputs,
        acts: tuple[Act, ...],
        after: DoorState,
        now_ns: int,
    ) -> None:
        """Every invariant, after one step."""
        self.check_requests(acts, now_ns)
        for act in acts:
            if isinstance(act, Pulse):
                self.let_go = True
                self.check_authority(before, inputs, act, after, now_ns)
            elif act == Release(Wire.LOCK):
                self.let_go = False
        if after.holds:
            self.cause_ns = now_ns
        button = self.word(inputs, "exit_button")
        if button and not self.let_go:
            raise Violation("SAFE-1: locked while somebody is at the exit button")
        self.check_holds(after.holds, acts, frozenset({Wire.LOCK}))
        if self.held and (after.phase is not DoorPhase.HELD or not self.let_go):
            raise Violation(f"SAFE-2: held, and yet {after.phase}, let go: {self.let_go}")
        if after.phase is DoorPhase.LOCKED and self.let_go:
            raise Violation("SAFE-4: still let go though it counts as locked")
        over_ns = now_ns - self.cause_ns - round(self.lane.times.unlock_s * NS_PER_S)
        if self.let_go and not after.holds and over_ns > 0:
            raise Violation(f"SAFE-4: let go for {over_ns // NS_PER_MS} ms longer than it should be")

    def check_authority(
        self, before: DoorState, inputs: DoorInputs, act: Pulse, after: DoorState, now_ns: int
    ) -> None:
        if self.cause_ns == -(1 << 62):
            raise Violation("SAFE-4: unlocked at start-up, without any cause")
        # Staff may hold it open and take that back in one breath.
        asked = any(r.ask in (Ask.OPEN, Ask.HOLD) and now_ns <= r.not_after_ns for r in inputs.requests)
        button = self.word(inputs, "exit_button") or before.pressed
        if not (asked or button or after.holds or before.holds):
            raise Violation("ACC-1: unlocked though nobody was let in")


# --- mutants ------------------------------------------------------------------------------------------------


class LocksInWhoeverIsAtTheButton(DoorTurn):
    def obey_close(self, request: Request) -> None:
        self.set(pressed=False)
        super().obey_close(request)


class HearsTheButtonOnce(DoorTurn):
    def obey_button(self) -> None:
        if not self.state.pressed:
            super().obey_button()


class RemoteReleasesAll(DoorTurn):
    def obey_release(self, request: Request) -> None:
        self.hold(frozenset())


class ForgetsFireWhenUnknown(DoorTurn):
    def fade_fire(self, holds: frozenset[Hold], fire: bool | None) -> frozenset[Hold]:
        return super().fade_fire(holds, bool(fire))


class LocksDuringFire(DoorTurn):
    def obey_close(self, request: Request) -> None:
        self.lock()


class IgnoresDeadline(DoorTurn):
    def obey(self, request: Request) -> None:
        super().obey(without_deadline(request))
        self.acts = late_ignored(request, self.acts)


class UnlocksTwiceForOneRequest(DoorTurn):
    def obey_open(self, request: Request) -> None:
        super().obey_open(request)
        super().let_pass(request)


class UnlocksAtStartUp(DoorTurn):
    def look(self) -> None:
        if self.state.seen_ns is None:
            self.unlock(urgent=True)
        super().look()


class NeverLocksAgain(DoorTurn):
    def follow_time(self) -> None:
        return


class LeavesTheLockToTheLeaf(DoorTurn):
    def enter(self, phase: DoorPhase) -> None:
        if phase is DoorPhase.LOCKED:
            self.acts = [act for act in self.acts if act != Release(Wire.LOCK)]
        super().enter(phase)


class OpensForWhoeverPullsTheLeaf(DoorTurn):
    def leaf_opened(self, *, first_look: bool) -> None:
        if self.state.pulsed_ns and self.state.phase is DoorPhase.LOCKED:
            self.let_pass(None)
        super().leaf_opened(first_look=first_look)


MUTANTS: Mapping[str, Mutant] = by_name(
    Mutant(LocksInWhoeverIsAtTheButton, "SAFE-1|ACC-1", ("all wires", "no contact")),
    Mutant(HearsTheButtonOnce, "SAFE-1", ("all wires", "no contact")),
    (RemoteReleasesAll, "SAFE-2"),
    (ForgetsFireWhenUnknown, "SAFE-2"),
    (LocksDuringFire, "SAFE-[12]"),
    (IgnoresDeadline, "SAFE-3|ACC-1"),  # a hold too late has no request of its own
    (UnlocksTwiceForOneRequest, "SAFE-3"),
    (UnlocksAtStartUp, "SAFE-4"),
    (NeverLocksAgain, "SAFE-4"),
    (LeavesTheLockToTheLeaf, "SAFE-4"),
    Mutant(OpensForWhoeverPullsTheLeaf, "ACC-1|SAFE-4", ("all wires", "long unlocked")),
)


# --- the world ----------------------------------------------------------------------------------------------


class DoorWorld(LaneWorld):
    """A leaf that gives way when the lock lets go, or when it is forced."""

    turn_type = DoorTurn
    phases_seen: ClassVar[set[tuple[str, str]]] = set()
    lanes = tuple(sorted(LANES))
    SENSORS = SENSORS
    RESTING = SENSORS

    @initialize(lane=st.integers(0, 1_000_000), is_open=st.sampled_from([False, False, True]))
    def begin(self, lane: int, is_open: bool) -> None:
        self.start(LANES[self.lanes[lane % len(self.lanes)]], DoorState())
        self.judge = Judge(self.lane)
        self.truth = dict.fromkeys(SENSORS, False) | {"contact": is_open}
        self.unlocked = False

    def step(self, ms: int) -> None:
        self.now_ns += ms * NS_PER_MS
        inputs = DoorInputs(
            **(self.truth | self.overlay), requests=tuple(self.pending), scheduled=self.scheduled
        )
        self.pending = []
        before = self.state
        self.judge.look(inputs, self.now_ns)
        self.state, acts = self.turn_type(before, inputs, self.now_ns, self.lane).run()
        self.seen(before, self.state)
        self.judge.check(before, inputs, acts, self.state, self.now_ns)
        for act in acts if not self.losing else ():
            if isinstance(act, Pulse | Release):
                self.unlocked = isinstance(act, Pulse)
        if self.losing:
            self.spoilt = True
        fire = self.truth["fire"] and self.lane.fire and not self.spoilt
        if fire and not self.unlocked:
            raise Violation("SAFE-2: the lock of steel is locked during a fire")

    @rule(force=st.sampled_from([False, False, True]))
    def somebody_pushes(self, force: bool) -> None:
        if self.unlocked or force:
            self.truth["contact"] = True
        self.step(50)

    @rule()
    def the_leaf_falls_shut(self) -> None:
        self.truth["contact"] = False
        self.step(50)

    @rule(level=st.booleans())
    def the_button_is_pressed_or_let_go(self, level: bool) -> None:
        self.truth["exit_button"] = level
        self.step(50)

    @rule(ask=st.sampled_from([Ask.CLOSE, Ask.RELEASE, Ask.STOP]))
    def somebody_asks_while_the_button_is_held(self, ask: Ask) -> None:
        self.truth["exit_button"] = True
        self.step(50)
        self.want((ask, "", False, 0))
        self.step(50)
        self.truth["exit_button"] = False
        self.step(50)

    @rule(visit=st.sampled_from(["visit-1", "visit-2"]))
    def a_whole_visit(self, visit: str) -> None:
        self.want((Ask.OPEN, visit, False, 0))
        self.step(30)
        self.somebody_pushes(False)
        self.step(1000)
        self.the_leaf_falls_shut()

"""The mantrap machine against everything that hypothesis can think of: two leaves of steel, people between.

SAFE-1 for a mantrap: a door is let go only while the other is known to be closed and locked. A judge with its
own books checks it after every step, with SAFE-2 (fire and key let go of both), SAFE-3 (deadlines, at most
once), SAFE-4 (nothing at start-up, locked when idle), ACC-1 (a stranger is let out, never in) and EXIT
(whoever presses the button between the doors gets out). Run it with ``lane_proof.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from proof_kit import Books, LaneWorld, Mutant, Violation, by_name, late_ignored, without_deadline

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, Ask, Hold, Journal, Pulse, Release, Request
from edge.lanes.mantrap import advance
from edge.lanes.mantrap_state import LOCKS, OTHER, MantrapInputs, MantrapPhase, MantrapState
from edge.lanes.mantrap_turn import MantrapTurn
from edge.settings import MantrapLane

SENSORS = (
    *("outer_contact", "inner_contact", "outer_locked", "inner_locked", "occupied"),
    *("exit_button", "cabin_button", "fire", "hold_key"),
)
WISH_NS = 3 * NS_PER_S
DOOR_OF = {wire: door for door, wire in LOCKS.items()}


def a_mantrap(*without: str, **changes: Any) -> MantrapLane:
    """A mantrap with every wire but those named."""
    section: dict[str, Any] = {"type": "mantrap", "direction": "both"}
    for channel, wire in enumerate(("outer_lock", "inner_lock"), start=1):
        section[wire] = {"board": "relays", "channel": channel, "pulse_ms": 0}
    for channel, wire in enumerate(SENSORS, start=1):
        section[wire] = {"board": "inputs", "channel": channel}
    for wire in without:
        del section[wire]
    return MantrapLane.model_validate(section | changes)


LANES: Mapping[str, MantrapLane] = {
    "all wires": a_mantrap(),
    "no bolts": a_mantrap("outer_locked", "inner_locked"),
    "nobody looks inside": a_mantrap("occupied"),
    "no buttons": a_mantrap("exit_button", "cabin_button"),
    "inwards only": a_mantrap("exit_button", direction="in"),
    "slow locks": a_mantrap("outer_locked", "inner_locked", times={"settle_s": 3, "unlock_s": 2}),
}


@dataclass
class Judge(Books):
    """Keeps its own books of what was seen and asked, and compares."""

    let_go: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(OTHER, False))
    locked_ns: dict[str, int] = field(default_factory=dict)
    a_cause: bool = False
    open_ns: int = -(1 << 62)  # until when somebody may wait who was granted the way
    exit_ns: int = -(1 << 62)  # when the exit button was seen pressed last
    may_go_in: bool = False  # somebody under way has been let in, or comes from inside

    def look(self, inputs: MantrapInputs, now_ns: int) -> None:
        """Note what the machine is shown, before it is asked."""
        self.note(inputs, now_ns)
        for door in OTHER:
            self.locked_ns.setdefault(door, now_ns)
        if self.word(inputs, "exit_button"):
            self.exit_ns = now_ns
        buttons = self.word(inputs, "exit_button") or self.word(inputs, "cabin_button")
        in_time = any(now_ns <= request.not_after_ns for request in inputs.requests)
        self.a_cause |= bool(in_time or self.held or buttons)

    def check(
        self,
        before: MantrapState,
        inputs: MantrapInputs,
        acts: tuple[Act, ...],
        after: MantrapState,
        now_ns: int,
    ) -> None:
        """Every invariant, after one step."""
        self.check_requests(acts, now_ns)
        if before.phase is MantrapPhase.IDLE:
            # The exit button is inside, so whoever presses it has been let in once.
            asked = [r for r in inputs.requests if r.ask is Ask.OPEN and now_ns <= r.not_after_ns]
            ends = [min(now_ns + WISH_NS, r.not_after_ns) for r in asked]
            self.open_ns = max([self.open_ns, *ends])
            self.may_go_in = now_ns <= self.open_ns or now_ns - self.exit_ns <= WISH_NS
            if any(isinstance(act, Journal) and act.type == "mantrap.refused" for act in acts):
                self.open_ns = -(1 << 62)
        for act in acts:
            if isinstance(act, Pulse):
                self.check_pulse(act, inputs, now_ns)
            elif isinstance(act, Release) and act.wire in DOOR_OF:
                self.let_go[DOOR_OF[act.wire]] = False
                self.locked_ns[DOOR_OF[act.wire]] = now_ns
        self.check_holds(after.holds, acts, frozenset(LOCKS.values()))
        if self.held and not (after.phase is MantrapPhase.FREE and all(self.let_go.values())):
            raise Violation(f"SAFE-2: held, and yet {after.phase}, {self.let_go}")
        if after.phase is MantrapPhase.IDLE and any(self.let_go.values()):
            raise Violation(f"SAFE-4: idle, and yet {self.let_go}")
        if after.phase is not MantrapPhase.FREE and all(self.let_go.values()):
            raise Violation("SAFE-1: both doors are let go")

    def check_pulse(self, act: Pulse, inputs: MantrapInputs, now_ns: int) -> None:
        if not self.a_cause:
            raise Violation(f"SAFE-4: {act.wire} sent at start-up, without any cause")
        door = DOOR_OF[act.wire]
        if not self.held:
            other = OTHER[door]
            if self.word(inputs, f"{other}_contact") is not False:
                raise Violation(f"SAFE-1: {door} let go while the {other} contact is not known to be closed")
            if self.wired(f"{other}_locked") and self.word(inputs, f"{other}_locked") is not True:
                raise Violation(f"SAFE-1: {door} let go while the {other} bolt is not known to be thrown")
            if self.let_go[other] or now_ns - self.locked_ns[other] < self.settle_ns:
                raise Violation(f"SAFE-1: {door} let go while the {other} door is not locked yet")
            if door == "inner" and not self.may_go_in:
                raise Violation("ACC-1: the inner door is let go for a stranger")
        self.let_go[door] = True

    @property
    def settle_ns(self) -> int:
        return round(self.lane.times.settle_s * NS_PER_S)


# --- mutants ------------------------------------------------------------------------------------------------


class UnknownContactIsShut(MantrapTurn):
    def is_shut_and_locked(self, door: str) -> bool:
        return self.sensor(f"{door}_contact") is not True and not self.leaf(door).unlocked


class ForgetsTheBolts(MantrapTurn):
    def wired(self, name: str) -> bool:
        return super().wired(name) and not name.endswith("_locked")


class DoesNotWaitForTheLock(MantrapTurn):
    def lock(self, door: str) -> None:
        super().lock(door)
        self.set_leaf(door, locked_ns=None)


class UnlocksBoth(MantrapTurn):
    def let_in(self, way: str, request: Request | None) -> None:
        super().let_in(way, request)
        self.unlock("inner" if self.first == "outer" else "outer")


class RemoteReleasesAll(MantrapTurn):
    def obey_release(self, request: Request) -> None:
        self.hold(frozenset())


class ForgetsFireWhenUnknown(MantrapTurn):
    def fade_fire(self, holds: frozenset[Hold], fire: bool | None) -> frozenset[Hold]:
        return super().fade_fire(holds, bool(fire))


class LetsGoOfOneDoorInAFire(MantrapTurn):
    def begin_hold(self) -> None:
        self.unlock("outer", urgent=True)
        self.enter(MantrapPhase.FREE)


class IgnoresDeadline(MantrapTurn):
    def obey(self, request: Request) -> None:
        super().obey(without_deadline(request))
        self.acts = late_ignored(request, self.acts)


class LetsInWhoWaitsHoweverLate(MantrapTurn):
    def let_in_who_waits(self) -> None:
        asked = self.state.asked
        if asked is not None:
            self.set(asked=without_deadline(asked))
        super().let_in_who_waits()
        if asked is not None:
            self.acts = late_ignored(asked, self.acts)
            self.set(asked=asked if self.state.asked else None)


class UnlocksTwiceForOneRequest(MantrapTurn):
    def let_in(self, way: str, request: Request | None) -> None:
        super().let_in(way, request)
        self.unlock(self.first, request=request)


class UnlocksAtStartUp(MantrapTurn):
    def look(self) -> None:
        if self.state.seen_ns is None:
            self.unlock("outer", urgent=True)
        super().look()


class LeavesTheFirstDoorUnlocked(MantrapTurn):
    def give_up(self) -> None:
        self.acts = [act for act in self.acts if not isinstance(act, Release)]
        super().give_up()


class LetsStrangersInByTurns(MantrapTurn):
    def let_out_unknown(self) -> None:
        super().let_out_unknown()
        self.set(heading="in")


class HearsNoButtonBetweenTheDoors(MantrapTurn):
    def trusted(self, name: str) -> bool | None:
        return False if name == "cabin_button" else super().trusted(name)


MUTANTS: Mapping[str, Mutant] = by_name(
    (UnknownContactIsShut, "SAFE-1"),
    Mutant(ForgetsTheBolts, "SAFE-1", ("all wires", "nobody looks inside")),
    Mutant(DoesNotWaitForTheLock, "SAFE-1", ("slow locks",)),
    (UnlocksBoth, "SAFE-1"),
    (RemoteReleasesAll, "SAFE-2"),
    (ForgetsFireWhenUnknown, "SAFE-2"),
    (LetsGoOfOneDoorInAFire, "SAFE-2"),
    (IgnoresDeadline, "SAFE-3"),
    Mutant(LetsInWhoWaitsHoweverLate, "SAFE-3", ("slow locks",)),
    (UnlocksTwiceForOneRequest, "SAFE-3"),
    (UnlocksAtStartUp, "SAFE-4"),
    (LeavesTheFirstDoorUnlocked, "SAFE-4"),
    Mutant(LetsStrangersInByTurns, "ACC-1", ("all wires", "nobody looks inside")),
    Mutant(HearsNoButtonBetweenTheDoors, "EXIT", ("all wires", "nobody looks inside")),
)


# --- the world ----------------------------------------------------------------------------------------------


class MantrapWorld(LaneWorld):
    """Two leaves that give way when their lock lets go or when forced, and one person between them."""

    turn_type = MantrapTurn
    phases_seen: ClassVar[set[tuple[str, str]]] = set()
    lanes = tuple(sorted(LANES))
    SENSORS = SENSORS
    RESTING = ("outer_contact", "inner_contact", "exit_button", "cabin_button", "fire", "hold_key")

    @initialize(lane=st.integers(0, 1_000_000), inside=st.sampled_from([False, False, True]))
    def begin(self, lane: int, inside: bool) -> None:
        self.start(LANES[self.lanes[lane % len(self.lanes)]], MantrapState())
        self.judge = Judge(self.lane)
        self.truth = dict.fromkeys(SENSORS, False)
        self.unlocked = dict.fromkeys(OTHER, False)
        self.forced = False
        self.inside = inside

    def step(self, ms: int) -> None:
        self.now_ns += ms * NS_PER_MS
        for door in OTHER:
            self.truth[f"{door}_locked"] = not self.unlocked[door] and not self.truth[f"{door}_contact"]
        self.truth["occupied"] = self.inside
        inputs = MantrapInputs(**(self.truth | self.overlay), requests=tuple(self.pending))
        self.pending = []
        before = self.state
        self.judge.look(inputs, self.now_ns)
        self.state, acts = advance(self.turn_type(before, inputs, self.now_ns, self.lane))
        self.seen(before, self.state)
        self.judge.check(before, inputs, acts, self.state, self.now_ns)
        self.spoilt = self.spoilt or self.losing
        for act in acts if not self.losing else ():
            if isinstance(act, Pulse | Release) and act.wire in DOOR_OF:
                self.unlocked[DOOR_OF[act.wire]] = isinstance(act, Pulse)
        self.check_steel()

    def check_steel(self) -> None:
        is_open = [self.truth[f"{door}_contact"] for door in OTHER]
        if not any(is_open) and not any(self.unlocked.values()):
            self.forced = False  # what was forced is shut again
        free = self.state.phase is MantrapPhase.FREE or self.judge.held
        self.forced = self.forced or free
        if all(is_open) and not self.forced and not self.spoilt:
            raise Violation("SAFE-1: both leaves of steel are open")
        if self.truth["fire"] and self.lane.fire and not self.spoilt and not all(self.unlocked.values()):
            raise Violation("SAFE-2: a lock of steel is locked during a fire")

    @rule(door=st.sampled_from(sorted(OTHER)), force=st.sampled_from([False, False, False, True]))
    def somebody_pushes(self, door: str, force: bool) -> None:
        if self.unlocked[door] or force:
            self.forced = self.forced or (force and not self.unlocked[door])
            self.truth[f"{door}_contact"] = True
        self.step(50)

    @rule(door=st.sampled_from(sorted(OTHER)), inside=st.booleans())
    def a_leaf_falls_shut(self, door: str, inside: bool) -> None:
        if self.truth[f"{door}_contact"]:
            self.inside = inside
        self.truth[f"{door}_contact"] = False
        self.step(50)

    @rule(name=st.sampled_from(["exit_button", "cabin_button"]), level=st.booleans())
    def a_button_is_pressed_or_let_go(self, name: str, level: bool) -> None:
        self.truth[name] = level
        self.step(50)

    @rule(visit=st.sampled_from(["visit-1", "visit-2"]), goes_on=st.booleans())
    def a_whole_visit(self, visit: str, goes_on: bool) -> None:
        self.want((Ask.OPEN, visit, False, 0))
        self.step(30)
        first = "inner" if visit == "visit-2" and self.lane.direction == "both" else "outer"
        was_locked = not self.unlocked[first]
        self.somebody_pushes(first, False)
        self.step(500)
        self.a_leaf_falls_shut(first, self.inside or not was_locked)
        for _ in range(40):
            self.step(100)
            if goes_on and self.unlocked[OTHER[first]]:
                self.somebody_pushes(OTHER[first], False)
                self.a_leaf_falls_shut(OTHER[first], False)
                return

    @rule()
    def somebody_inside_presses_the_button_and_waits(self) -> None:
        """EXIT: with shut doors, honest sensors and a working board they are out within a minute."""
        self.truth |= {"cabin_button": False, "outer_contact": False, "inner_contact": False}
        self.inside = True
        self.step(1000)
        self.truth["cabin_button"] = True
        well = self.lane.cabin_button is not None and not self.overlay and not self.losing and not self.spoilt
        for _ in range(600):
            self.step(100)
            if any(self.unlocked.values()):
                break
        else:
            if well:
                raise Violation("EXIT: somebody pressed the button between the doors and was kept there")
        self.truth["cabin_button"] = False
        self.step(100)

"""What the safety proofs of all lane machines share: a world of rules, a judge's books, running a count."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, Ask, Hold, Pulse, Release, Request, Wire
from edge.lanes.turn import Turn

FOREVER_NS = 1 << 62


class Violation(AssertionError):
    """A promise was broken; the message begins with its id."""


@dataclass(frozen=True)
class Mutant:
    """A broken machine: the promise that it breaks as a pattern, and the lanes on which it does (or all)."""

    machine: type[Turn[Any, Any, Any]]
    promise: str
    lanes: tuple[str, ...] = ()


asks = st.builds(
    lambda ask, visit, late, hold_s: (ask, visit, late, hold_s),
    st.sampled_from([Ask.OPEN] * 6 + [Ask.CLOSE, Ask.CLOSE, Ask.RELEASE] + list(Ask)),
    st.sampled_from(["visit-1", "visit-2", "visit-3"]),
    st.sampled_from([False] * 5 + [True]),
    st.sampled_from([0, 0, 2, 20]),
)
HEADINGS = {"": "", "visit-1": "in", "visit-2": "out", "visit-3": ""}
paces_ms = st.sampled_from([20, 30, 50, 50, 100, 200, 400, 700, 1100, 3000, 6000, 11_000, 30_000])


@dataclass
class Books:
    """What a judge of any lane notes: holds, deadlines, causes. Shares no code with the machines."""

    lane: Any
    before_ns: int | None = None
    gap_ns: int = 0
    fire_held: bool = False
    fire_gone_ns: int | None = None
    key_held: bool = False
    scheduled: bool = False
    pulsed: dict[str, int] = field(default_factory=dict)
    pending: dict[str, Request] = field(default_factory=dict)  # asked, in time then, and not pulsed for
    blind_ns: int = NS_PER_S

    def wired(self, name: str) -> bool:
        return getattr(self.lane, name) is not None

    def word(self, inputs: Any, name: str) -> bool | None:
        word: bool | None = getattr(inputs, name)
        return word if self.wired(name) else False

    def note(self, inputs: Any, now_ns: int) -> None:
        """Note what the machine is shown, before it is asked."""
        self.gap_ns = 0 if self.before_ns is None else now_ns - self.before_ns
        fire, key = self.word(inputs, "fire"), self.word(inputs, "hold_key")
        if fire:
            self.fire_held, self.fire_gone_ns = True, None
        elif fire is None:
            self.fire_gone_ns = None
        elif self.fire_held:
            if self.fire_gone_ns is None or self.gap_ns > self.blind_ns:
                self.fire_gone_ns = now_ns
            if now_ns - self.fire_gone_ns >= self.lane.times.fire_reset_s * NS_PER_S:
                self.fire_held = False
        if key is not None:
            self.key_held = key
        self.scheduled = inputs.scheduled
        for request in inputs.requests:
            if now_ns <= request.not_after_ns:
                self.pending[request.id] = request
        self.before_ns = now_ns

    @property
    def held(self) -> bool:
        """Fire or key, which nothing remote may end."""
        return self.fire_held or self.key_held

    def check_holds(self, holds: frozenset[Hold], acts: tuple[Act, ...], allowed: frozenset[Wire]) -> None:
        """SAFE-2: the holds are those of the books, and nothing but opening is done during one."""
        for held, hold in ((self.fire_held, Hold.FIRE), (self.key_held, Hold.KEY)):
            if held is not (hold in holds):
                raise Violation(f"SAFE-2: {hold} should be {held}, holds are {sorted(holds)}")
        if self.held:
            wrong = [act for act in acts if isinstance(act, Pulse) and act.wire not in allowed]
            if wrong:
                raise Violation(f"SAFE-2: {wrong} during a hold")

    def check_requests(self, acts: tuple[Act, ...], now_ns: int) -> None:
        """SAFE-3: in time, known, and at most once."""
        for act in acts:
            if not isinstance(act, Pulse) or act.request is None:
                continue
            request = act.request
            if now_ns > request.not_after_ns:
                raise Violation(f"SAFE-3: {request.ask} done {now_ns - request.not_after_ns} ns too late")
            self.pulsed[request.id] = self.pulsed.get(request.id, 0) + 1
            if self.pulsed[request.id] > 1:
                raise Violation(f"SAFE-3: {request.id} done twice")
            if self.pending.get(request.id) != request:
                raise Violation("SAFE-3: a pulse for a request that nobody made in time")


def late_ignored(request: Request, acts: list[Act]) -> list[Act]:
    """For mutants that forget deadlines: the pulses they made, with the deadline that was asked for."""
    return [replace(act, request=request) if isinstance(act, Pulse) and act.request else act for act in acts]


def without_deadline(request: Request) -> Request:
    """The same request, good for ever."""
    return replace(request, not_after_ns=FOREVER_NS)


class LaneWorld(RuleBasedStateMachine):
    """Rules that every lane has: time, people who ask, sensors that fail, acts that get lost.

    Subclasses set ``lane``, ``state``, ``truth`` (what the sensors see) in an ``initialize`` rule and say in
    ``step`` what one step is.
    """

    turn_type: ClassVar[type[Turn[Any, Any, Any]]]
    lanes: ClassVar[tuple[str, ...]] = ()
    SENSORS: ClassVar[tuple[str, ...]] = ()
    RESTING: ClassVar[tuple[str, ...]] = ()  # those that see nothing when nobody is there
    steps_done = 0
    phases_seen: ClassVar[set[tuple[str, str]]] = set()

    def start(self, lane: Any, state: Any) -> None:
        self.lane, self.state = lane, state
        self.now_ns = 1000 * NS_PER_S
        self.truth: dict[str, bool | None] = {}
        self.overlay: dict[str, bool | None] = {}
        self.pending: list[Request] = []
        self.scheduled = False
        self.losing = False
        self.spoilt = False  # acts were lost or sensors lied: steel and machine may disagree
        self.ids = 0

    def step(self, ms: int) -> None:
        raise AssertionError("a world says what a step is")

    def want(self, asked: tuple[Ask, str, bool, int]) -> None:
        """Put a request before the machine."""
        kind, visit, late, hold_s = asked
        self.ids += 1
        not_after_ns = self.now_ns + (-1 if late else 40 * NS_PER_MS)
        heading = HEADINGS[visit] if self.lane.direction == "both" else self.lane.direction
        request = Request(kind, visit, not_after_ns, f"id-{self.ids}", heading, hold_s * NS_PER_S)
        self.pending.append(request)

    def seen(self, before: Any, after: Any) -> None:
        type(self).steps_done += 1
        type(self).phases_seen.add((before.phase.value, after.phase.value))

    @rule(ms=paces_ms, times=st.integers(1, 6))
    def time_passes(self, ms: int, times: int) -> None:
        for _ in range(times):
            self.step(ms)

    @rule(seconds=st.sampled_from([1, 2, 6, 12, 30]))
    def time_passes_smoothly(self, seconds: int) -> None:
        for _ in range(seconds * 5):
            self.step(200)

    @rule(asked=asks)
    def somebody_asks(self, asked: tuple[Ask, str, bool, int]) -> None:
        self.want(asked)
        self.step(30)

    @rule(first=asks, second=asks)
    def two_ask_at_once(self, first: tuple[Ask, str, bool, int], second: tuple[Ask, str, bool, int]) -> None:
        self.want(first)
        self.want(second)
        self.step(30)

    @rule(scheduled=st.sampled_from([True, False, False, False]))
    def the_schedule_begins_or_ends(self, scheduled: bool) -> None:
        self.scheduled = scheduled
        self.step(30)

    @rule(word=st.sampled_from([True, False, None]), seconds=st.sampled_from([1, 3, 8]))
    def fire_and_what_becomes_of_it(self, word: bool | None, seconds: int) -> None:
        self.truth["fire"] = True
        self.step(30)
        self.truth["fire"] = bool(word)
        if word is None:
            self.overlay["fire"] = None
        for _ in range(seconds * 5):
            self.step(200)

    @rule(level=st.sampled_from([True, False, False, False]))
    def the_key_is_turned(self, level: bool) -> None:
        self.truth["hold_key"] = level
        self.step(50)

    @rule(data=st.data())
    def a_sensor_fails(self, data: st.DataObject) -> None:
        # One that lies about a car or a person cannot be made good by anybody: it falls silent.
        self.overlay[data.draw(st.sampled_from(self.SENSORS))] = None
        self.spoilt = True
        self.step(30)

    @rule()
    @precondition(lambda self: bool(self.overlay))
    def the_sensors_recover(self) -> None:
        self.overlay.clear()
        self.step(30)

    @rule(seconds=st.sampled_from([3, 8]))
    def all_is_well_and_quiet(self, seconds: int) -> None:
        self.overlay.clear()
        self.losing = self.scheduled = False
        self.truth |= dict.fromkeys(self.RESTING, False)
        for _ in range(seconds * 5):
            self.step(200)

    @rule(losing=st.sampled_from([True, False, False]))
    def the_relay_board_goes_or_comes(self, losing: bool) -> None:
        self.losing = losing
        self.step(30)


def prove(
    world_type: type[LaneWorld],
    steps: int,
    turn_type: type[Turn[Any, Any, Any]] | None = None,
    lanes: tuple[str, ...] = (),
    *,
    rules_per_run: int = 60,
    quick: bool = False,
    seed: int | None = None,
) -> int:
    """Run until that many steps of the machine have been judged.

    Args:
        world_type: The machine's world.
        steps: At least so many.
        turn_type: A mutant; None: the machine itself.
        lanes: Names of the lanes to try; empty: all.
        rules_per_run: Length of one story.
        quick: Stop at the first violation without looking for the shortest one.
        seed: Always the same stories for the same number; None: new ones every time.

    Returns:
        Steps done.

    Raises:
        Violation: A promise was broken.
    """
    changes = {
        "turn_type": turn_type or world_type.turn_type,
        "steps_done": 0,
        "lanes": lanes or world_type.lanes,
    }
    world = type("WorldOf" + changes["turn_type"].__name__, (world_type,), changes)  # type: ignore[union-attr]
    stages = (Stage.generate,) if quick else (Stage.generate, Stage.shrink)
    while world.steps_done < steps:
        left = steps - world.steps_done
        if seed is not None:
            hypothesis.seed(seed)(world)
            seed += 1
        run_state_machine_as_test(
            world,
            settings=settings(
                max_examples=max(10, min(2000, left // 400)),
                stateful_step_count=rules_per_run,
                deadline=None,
                database=None,
                phases=stages,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
    return int(world.steps_done)


def release_of(acts: tuple[Act, ...], wire: Wire) -> bool:
    """True when the acts let a wire go."""
    return Release(wire) in acts


def by_name(*mutants: tuple[type[Turn[Any, Any, Any]], str] | Mutant) -> Mapping[str, Mutant]:
    """Mutants by their class name in snake case."""
    made = [mutant if isinstance(mutant, Mutant) else Mutant(*mutant) for mutant in mutants]
    return {_snake(mutant.machine.__name__): mutant for mutant in made}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


Run = Callable[..., tuple[Any, tuple[Act, ...]]]

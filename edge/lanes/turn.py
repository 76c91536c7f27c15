"""What one step is made of in every lane machine: holds, wishes, alarms, signals, the small things.

The rules that are the same for all lanes stand here once. A hold belongs to its source: fire ends after its
reset time, the key and the schedule when they let go, what was ordered remotely when it is released so or its
time is over; nothing remote ends fire or key (SAFE-2). What is past its deadline moves nothing (SAFE-3).
"""

from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, AlarmEdge, Ask, Hold, Journal, Release, Request, Wire
from edge.lanes.lane_state import LaneInputs, LaneState, Sensor
from edge.settings import LaneBase, LaneTimes

BLIND_S = 10.0  # an input unknown for this long is an alarm of its own
BRIEF_S = 10.0  # an alarm about a moment (tailgating, ...) stands this long
REMOTE_HOLDS = frozenset({Hold.REMOTE, Hold.FLEET})


S = TypeVar("S", bound=LaneState)
V = TypeVar("V", bound=LaneInputs)
L = TypeVar("L", bound=LaneBase)


class Turn(Generic[S, V, L]):
    """One step in the making: the state so far and the acts collected. Lives for one call of ``step``.

    Class attributes:
        NOUN: First word of the machine's events and alarms.
        INPUTS: Names of its inputs.
        WATCHED: Those that cannot be active for hours unless they are stuck.
        SOUNDING: Alarms, without the noun, that sound the alarm output.
    """

    NOUN: ClassVar[str] = "lane"
    INPUTS: ClassVar[tuple[str, ...]] = ("fire", "hold_key", "tamper")
    WATCHED: ClassVar[tuple[str, ...]] = ()
    SOUNDING: ClassVar[frozenset[str]] = frozenset({"tampered"})

    def __init__(self, state: S, inputs: V, now_ns: int, settings: L) -> None:
        self.state = state
        self.inputs = inputs
        self.now_ns = now_ns
        self.settings = settings
        self.acts: list[Act] = []
        self._stood = state.alarms

    @property
    def times(self) -> LaneTimes:
        """The times that every lane has."""
        times: LaneTimes = self.settings.times  # type: ignore[attr-defined]
        return times

    def look(self) -> None:
        """What every step begins with: alarms that end, tampering, sensors one cannot trust."""
        if self.state.seen_ns is None:
            self.set(since_ns=self.now_ns)
        if self.state.brief:
            self._end_brief_alarms()
        tampered = self.sensor("tamper")
        if tampered is not None:
            self.alarm("tampered", on=tampered, detail="the cabinet or a cover was opened")
        self._watch_for_stuck()
        self._watch_for_blind()

    def end(self) -> tuple[S, tuple[Act, ...]]:
        """The state after the step, and what to do."""
        sounding = self._sounding(self.state.alarms)
        if not sounding:
            siren_ns = None
        elif sounding - self._sounding(self._stood):
            siren_ns = self.now_ns
        else:
            siren_ns = self.state.siren_ns
        shows = {Wire.LIGHT_GREEN.value if self.is_green() else Wire.LIGHT_RED.value}
        if siren_ns is not None and not self.elapsed(siren_ns, self.times.siren_s):
            shows.add(Wire.ALARM.value)
        self.set(seen_ns=self.now_ns, siren_ns=siren_ns, shows=frozenset(shows))
        return self.state, tuple(self.acts)

    def is_green(self) -> bool:
        """True when somebody may go now."""
        return bool(self.state.holds)

    def _sounding(self, alarms: frozenset[str]) -> frozenset[str]:
        return frozenset(name for name in alarms if name.partition(".")[2] in self.SOUNDING)

    # --- what the sensors say -------------------------------------------------------------------------

    def wired(self, name: str) -> bool:
        """True when the lane has this contact or relay."""
        return getattr(self.settings, name) is not None

    def sensor(self, name: str) -> Sensor:
        """A wired sensor's word; False for one that is not wired."""
        value: Sensor = getattr(self.inputs, name)
        return value if self.wired(name) else False

    def trusted(self, name: str) -> Sensor:
        """A sensor's word, or False while it is stuck. Never asked before something is lowered or locked."""
        return False if name in self.state.stuck else self.sensor(name)

    def was_blind(self, longest_ns: int) -> bool:
        """True when nothing was observed for longer than that before this step."""
        return self.state.seen_ns is not None and self.now_ns - self.state.seen_ns > longest_ns

    def _watch_for_stuck(self) -> None:
        """A watched sensor that is active for hours is stuck until it is seen to be at rest again."""
        active = dict(self.state.active)
        for name in self.WATCHED:
            word = self.sensor(name)
            if word:
                active.setdefault(name, self.now_ns)
            elif word is False:
                active.pop(name, None)
        stuck = frozenset(name for name, ns in active.items() if self.elapsed(ns, self.times.stuck_h * 3600))
        if stuck != self.state.stuck:
            for name in sorted(stuck - self.state.stuck):
                self.journal("sensor_stuck", sensor=name)
            for name in sorted(self.state.stuck - stuck):
                self.journal("sensor_recovered", sensor=name)
        self._set_if_new(active=tuple(active.items()), stuck=stuck)
        names = ", ".join(sorted(stuck))
        self.alarm("sensor_stuck", on=bool(stuck), detail=f"active for hours, no longer believed: {names}")

    def _watch_for_blind(self) -> None:
        unknown = dict(self.state.unknown)
        for name in self.INPUTS:
            if self.sensor(name) is None:
                unknown.setdefault(name, self.now_ns)
            else:
                unknown.pop(name, None)
        self._set_if_new(unknown=tuple(unknown.items()))
        blind = [name for name, ns in unknown.items() if self.elapsed(ns, BLIND_S)]
        self.alarm("blind", on=bool(blind), detail=f"not readable: {', '.join(blind)}")

    # --- holds ----------------------------------------------------------------------------------------

    def obey_holds(self) -> None:
        """Fire, key, schedule, orders: each source begins and ends only its own hold (SAFE-2)."""
        fire, key = self.sensor("fire"), self.sensor("hold_key")
        holds = self.state.holds
        if fire:
            holds |= {Hold.FIRE}
            self._set_if_new(fire_gone_ns=None)
        elif Hold.FIRE in holds:
            holds = self.fade_fire(holds, fire)
        if key is not None:
            holds = holds | {Hold.KEY} if key else holds - {Hold.KEY}
        holds = holds | {Hold.SCHEDULE} if self.inputs.scheduled else holds - {Hold.SCHEDULE}
        until_ns = self.state.hold_until_ns
        if until_ns is not None and self.now_ns >= until_ns:
            holds -= {Hold.REMOTE}
        self.hold(self.fade_fleet(holds))

    def blind_after_ns(self) -> int:
        """Nothing observed for longer than this: timers that need an unbroken look begin anew."""
        return NS_PER_S

    def fade_fire(self, holds: frozenset[Hold], fire: Sensor) -> frozenset[Hold]:
        """The fire hold ends when the input has been known to be gone for the reset time, without a break."""
        if fire is None:
            self.set(fire_gone_ns=None)
            return holds
        if self.state.fire_gone_ns is None or self.was_blind(self.blind_after_ns()):
            self.set(fire_gone_ns=self.now_ns)
        gone_ns = self.state.fire_gone_ns
        if gone_ns is not None and self.elapsed(gone_ns, self.times.fire_reset_s):
            self.set(fire_gone_ns=None)
            return holds - {Hold.FIRE}
        return holds

    def fade_fleet(self, holds: frozenset[Hold]) -> frozenset[Hold]:
        """Fleet mode ends by itself, in lanes that have one."""
        return holds

    def hold(self, holds: frozenset[Hold]) -> None:
        """Let the holds be these; open for a new one, close in order after the last."""
        added, ended = holds - self.state.holds, self.state.holds - holds
        if not added and not ended:
            return
        self.set(holds=holds)
        if Hold.REMOTE in ended:
            self.set(hold_until_ns=None)
        if added:
            self.journal("held", by=sorted(added))
            self.begin_hold()
        if ended:
            self.journal("hold_ended", by=sorted(ended))
            if not holds:
                self.end_hold()

    def begin_hold(self) -> None:
        """Open, and stay open."""
        raise AssertionError(f"{type(self).__name__} cannot be held")

    def end_hold(self) -> None:
        """The last hold has ended."""
        raise AssertionError(f"{type(self).__name__} cannot be held")

    # --- wishes ---------------------------------------------------------------------------------------

    def obey(self, request: Request) -> None:
        """Do what is asked, or record why not."""
        if self.now_ns > request.not_after_ns:
            self.refuse(request, "too_late")
            return
        match request.ask:
            case Ask.OPEN:
                self.obey_open(request)
            case Ask.CLOSE:
                self.obey_close(request)
            case Ask.STOP:
                self.obey_stop(request)
            case Ask.HOLD:
                self.obey_hold(request)
            case Ask.FLEET:
                self.obey_fleet(request)
            case Ask.RELEASE:
                self.obey_release(request)

    def way_of(self, request: Request) -> str:
        """The way somebody goes: as they were seen, or as the lane leads."""
        return request.heading or ("in" if self.settings.direction == "both" else self.settings.direction)

    def obey_open(self, request: Request) -> None:
        """Let one more visit in."""
        raise AssertionError(f"{type(self).__name__} cannot open for {request.visit}")

    def obey_close(self, request: Request) -> None:
        """Close for a person."""
        self.refuse(request, "cannot_close")

    def obey_stop(self, request: Request) -> None:
        """Stop what moves."""
        self.refuse(request, "held_open" if self.state.holds else "cannot_stop")

    def obey_hold(self, request: Request) -> None:
        """Hold open until released, or for a time."""
        self.set(hold_until_ns=self.now_ns + request.hold_ns if request.hold_ns else None)
        self.hold(self.state.holds | {Hold.REMOTE})

    def obey_fleet(self, request: Request) -> None:
        """Hold open for a train of permitted cars."""
        self.refuse(request, "no_fleet_mode")

    def obey_release(self, request: Request) -> None:
        """End what was ordered remotely, and nothing else."""
        if self.state.holds & REMOTE_HOLDS:
            self.hold(self.state.holds - REMOTE_HOLDS)
        else:
            self.refuse(request, "not_held_remotely")

    # --- small things ---------------------------------------------------------------------------------

    def release(self, *wires: Wire) -> None:
        """Put relays back into rest, those that the lane has."""
        self.acts.extend(Release(wire) for wire in wires if self.wired(wire.value))

    def set(self, **changes: object) -> None:
        """Change the state."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def _set_if_new(self, **changes: object) -> None:
        if any(getattr(self.state, name) != value for name, value in changes.items()):
            self.set(**changes)

    def journal(self, kind: str, **data: Any) -> None:
        """Have an event written; ``kind`` without the noun."""
        self.acts.append(Journal(f"{self.NOUN}.{kind}", data))

    def refuse(self, request: Request, why: str) -> None:
        """Record that a request is not done."""
        self.journal("refused", ask=request.ask.value, visit=request.visit, why=why, id=request.id)

    def give_up_waiting(self) -> None:
        """Nobody came: the visits that were let in have not passed."""
        for visit in self.state.waiting:
            self.journal("authorised_not_passed", visit=visit)
        self._set_if_new(waiting=())

    def alarm(self, kind: str, *, on: bool, detail: str = "") -> None:
        """Raise or clear an alarm, once per edge; ``kind`` without the noun."""
        name = f"{self.NOUN}.{kind}"
        if on is (name in self.state.alarms):
            return
        self.set(alarms=self.state.alarms ^ {name})
        self.acts.append(AlarmEdge(name, on, detail))

    def sound(self, kind: str, detail: str, **data: Any) -> None:
        """Journal something that should not happen, with an alarm that stands for a moment."""
        self.journal(kind, **data)
        self.alarm(kind, on=True, detail=detail)
        until_ns = self.now_ns + self.ns(BRIEF_S)
        others = tuple(pair for pair in self.state.brief if pair[0] != kind)
        self.set(brief=(*others, (kind, until_ns)))

    def _end_brief_alarms(self) -> None:
        for kind, until_ns in self.state.brief:
            if self.now_ns >= until_ns:
                self.alarm(kind, on=False)
        self._set_if_new(brief=tuple(pair for pair in self.state.brief if pair[1] > self.now_ns))

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

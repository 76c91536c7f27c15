"""The lane machines behind one face, so that one worker drives any of them."""

from collections.abc import Callable, Mapping
from typing import Protocol

from edge.lanes import barrier, door, mantrap, turnstile
from edge.lanes.acts import Act, Pulse, Request, Wire
from edge.lanes.barrier_state import BarrierInputs, BarrierState, Phase
from edge.lanes.barrier_traffic import other_way_is_busy
from edge.lanes.door import DoorInputs, DoorState
from edge.lanes.lane_state import LaneState
from edge.lanes.mantrap_state import LOCKS, OTHER, MantrapInputs, MantrapPhase, MantrapState
from edge.lanes.turnstile import TurnstileInputs, TurnstilePhase, TurnstileState
from edge.settings import BarrierLane, DoorLane, Lane, MantrapLane, TurnstileLane

Contacts = Mapping[str, bool | None]


class Machine(Protocol):
    """A machine's state and its step. Thread: the lane's own; ``why_not`` any."""

    @property
    def state(self) -> LaneState:
        """As of the last step; immutable."""
        ...

    @property
    def phase(self) -> str:
        """Where it is in its cycle."""
        ...

    @property
    def heading(self) -> str:
        """The way that is open or used now; empty when none is, or nobody knows."""
        ...

    @property
    def must_react(self) -> bool:
        """True while a boom may come down: nothing slow may stand between a car and a raise."""
        ...

    def step(
        self,
        contacts: Contacts,
        requests: tuple[Request, ...],
        now_ns: int,
        settings: Lane,
        *,
        scheduled: bool,
    ) -> tuple[Act, ...]:
        """Advance by one look at the lane."""
        ...

    def acting(self) -> Mapping[Wire, bool]:
        """Outputs that the machine keeps at a level, and whether they act now."""
        ...

    def must_be(self, act: Pulse) -> Mapping[str, bool]:
        """What contacts must say at the very moment before the bytes are written."""
        ...

    def why_not(self, heading: str, now_ns: int, settings: Lane) -> str:
        """Empty, or why nobody can be let in this way now."""
        ...


class BarrierMachine:
    """A boom."""

    def __init__(self) -> None:
        self.state = BarrierState()

    @property
    def phase(self) -> str:
        """See ``Phase``."""
        return self.state.phase.value

    @property
    def heading(self) -> str:
        """Of a two-way lane."""
        return self.state.heading

    @property
    def must_react(self) -> bool:
        """True while the boom comes down, or is about to."""
        return self.state.phase in (Phase.OPEN_CLEAR, Phase.CLOSING)

    def step(
        self,
        contacts: Contacts,
        requests: tuple[Request, ...],
        now_ns: int,
        settings: Lane,
        *,
        scheduled: bool,
    ) -> tuple[Act, ...]:
        """Advance by one look at the lane."""
        assert isinstance(settings, BarrierLane)  # noqa: S101  a lane does not change its type
        inputs = BarrierInputs(requests=requests, scheduled=scheduled, **contacts)
        self.state, acts = barrier.step(self.state, inputs, now_ns, settings)
        return acts

    def acting(self) -> Mapping[Wire, bool]:
        """None: a boom is moved by acts alone."""
        return {}

    def must_be(self, act: Pulse) -> Mapping[str, bool]:
        """Nobody under the boom, nothing that holds it open (SAFE-1, SAFE-2)."""
        lowers = act.wire is Wire.CLOSE
        return dict.fromkeys(("presence", "beam", "edge", "fire", "hold_key"), False) if lowers else {}

    def why_not(self, heading: str, now_ns: int, settings: Lane) -> str:
        """One way at a time."""
        assert isinstance(settings, BarrierLane)  # noqa: S101
        return "other_way_busy" if other_way_is_busy(self.state, settings, heading, now_ns) else ""


class DoorMachine:
    """A door."""

    must_react = False
    heading = ""

    def __init__(self) -> None:
        self.state = DoorState()

    @property
    def phase(self) -> str:
        """See ``DoorPhase``."""
        return self.state.phase.value

    def step(
        self,
        contacts: Contacts,
        requests: tuple[Request, ...],
        now_ns: int,
        settings: Lane,
        *,
        scheduled: bool,
    ) -> tuple[Act, ...]:
        """Advance by one look at the door."""
        assert isinstance(settings, DoorLane)  # noqa: S101  a lane does not change its type
        inputs = DoorInputs(requests=requests, scheduled=scheduled, **contacts)
        self.state, acts = door.step(self.state, inputs, now_ns, settings)
        return acts

    def acting(self) -> Mapping[Wire, bool]:
        """The lock lets go while it acts."""
        return {Wire.LOCK: self.state.unlocked}

    def must_be(self, act: Pulse) -> Mapping[str, bool]:
        """Nothing: unlocking harms nobody."""
        del act
        return {}

    def why_not(self, heading: str, now_ns: int, settings: Lane) -> str:
        """Nothing."""
        del heading, now_ns, settings
        return ""


class TurnstileMachine:
    """A turnstile."""

    must_react = False

    def __init__(self) -> None:
        self.state = TurnstileState()

    @property
    def phase(self) -> str:
        """See ``TurnstilePhase``."""
        return self.state.phase.value

    @property
    def heading(self) -> str:
        """The way that is open for one person."""
        return self.state.heading

    def step(
        self,
        contacts: Contacts,
        requests: tuple[Request, ...],
        now_ns: int,
        settings: Lane,
        *,
        scheduled: bool,
    ) -> tuple[Act, ...]:
        """Advance by one look at the turnstile."""
        assert isinstance(settings, TurnstileLane)  # noqa: S101  a lane does not change its type
        inputs = TurnstileInputs(requests=requests, scheduled=scheduled, **contacts)
        self.state, acts = turnstile.step(self.state, inputs, now_ns, settings)
        return acts

    def acting(self) -> Mapping[Wire, bool]:
        """The arm is free while the release acts."""
        return {Wire.RELEASE: self.state.phase is TurnstilePhase.FREE}

    def must_be(self, act: Pulse) -> Mapping[str, bool]:
        """Nothing: a credit moves nothing by itself."""
        del act
        return {}

    def why_not(self, heading: str, now_ns: int, settings: Lane) -> str:
        """Nothing: people wait their turn in the machine."""
        del heading, now_ns, settings
        return ""


class MantrapMachine:
    """Two doors with a space between."""

    must_react = False

    def __init__(self) -> None:
        self.state = MantrapState()

    @property
    def phase(self) -> str:
        """See ``MantrapPhase``."""
        return self.state.phase.value

    @property
    def heading(self) -> str:
        """The way of whoever is under way."""
        return self.state.heading

    def step(
        self,
        contacts: Contacts,
        requests: tuple[Request, ...],
        now_ns: int,
        settings: Lane,
        *,
        scheduled: bool,
    ) -> tuple[Act, ...]:
        """Advance by one look at both doors."""
        assert isinstance(settings, MantrapLane)  # noqa: S101  a lane does not change its type
        inputs = MantrapInputs(requests=requests, scheduled=scheduled, **contacts)
        self.state, acts = mantrap.step(self.state, inputs, now_ns, settings)
        return acts

    def acting(self) -> Mapping[Wire, bool]:
        """The locks let go while they act."""
        return {LOCKS[door]: getattr(self.state, door).unlocked for door in OTHER}

    def must_be(self, act: Pulse) -> Mapping[str, bool]:
        """The other door is shut and its bolt thrown, unless fire or the key lets go of both."""
        door = next((door for door, wire in LOCKS.items() if wire is act.wire), None)
        if door is None or act.urgent:
            return {}
        return {f"{OTHER[door]}_contact": False, f"{OTHER[door]}_locked": True}

    def why_not(self, heading: str, now_ns: int, settings: Lane) -> str:
        """One person at a time."""
        del heading, now_ns, settings
        return "" if self.state.phase in (MantrapPhase.IDLE, MantrapPhase.FREE) else "occupied"


_MACHINES: Mapping[str, Callable[[], Machine]] = {
    "barrier": BarrierMachine,
    "door": DoorMachine,
    "turnstile": TurnstileMachine,
    "mantrap": MantrapMachine,
}


def machine_of(settings: Lane) -> Machine:
    """The machine that a lane of this type runs on."""
    return _MACHINES[settings.type]()

"""The two machines behind one face, so that one worker drives either."""

from collections.abc import Mapping

from edge.lanes import barrier, door
from edge.lanes.acts import Act, Request
from edge.lanes.barrier_state import BarrierInputs, BarrierState, Phase
from edge.lanes.door import DoorInputs, DoorState
from edge.settings import BarrierLane, DoorLane

Contacts = Mapping[str, bool | None]


class BarrierMachine:
    """A barrier's state and its step. Thread: the lane's own."""

    def __init__(self) -> None:
        self.state = BarrierState()

    def step(
        self, contacts: Contacts, requests: tuple[Request, ...], now_ns: int, settings: BarrierLane | DoorLane
    ) -> tuple[Act, ...]:
        """Advance by one look at the lane."""
        assert isinstance(settings, BarrierLane)  # noqa: S101  a lane does not change its type
        inputs = BarrierInputs(**contacts, requests=requests)
        self.state, acts = barrier.step(self.state, inputs, now_ns, settings)
        return acts

    @property
    def must_react(self) -> bool:
        """True while a boom may come down: nothing slow may stand between a car and a raise."""
        return self.state.phase in (Phase.OPEN_CLEAR, Phase.CLOSING)

    @property
    def fault(self) -> str:
        """Empty, or what failed."""
        return self.state.fault


class DoorMachine:
    """A door's state and its step. Thread: the lane's own."""

    def __init__(self) -> None:
        self.state = DoorState()
        self.must_react = False
        self.fault = ""

    def step(
        self, contacts: Contacts, requests: tuple[Request, ...], now_ns: int, settings: BarrierLane | DoorLane
    ) -> tuple[Act, ...]:
        """Advance by one look at the door."""
        assert isinstance(settings, DoorLane)  # noqa: S101  a lane does not change its type
        inputs = DoorInputs(**contacts, requests=requests)
        self.state, acts = door.step(self.state, inputs, now_ns, settings)
        return acts


def machine_of(settings: BarrierLane | DoorLane) -> BarrierMachine | DoorMachine:
    """The machine that a lane of this type runs on."""
    return BarrierMachine() if isinstance(settings, BarrierLane) else DoorMachine()

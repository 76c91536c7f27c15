"""Drives a pure lane machine in steps, and keeps what it did; for tables of transitions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from edge.clock import NS_PER_S
from edge.lanes.acts import Act, AlarmEdge, Ask, Journal, Pulse, Release, Request

S = TypeVar("S")


@dataclass
class Drive(Generic[S]):
    """Time in seconds; sensors stay as they are until told otherwise."""

    machine: Callable[..., tuple[S, tuple[Act, ...]]]
    make_inputs: Callable[..., Any]
    settings: Any
    state: S
    tick_s: float = 0.05
    now_s: float = 100.0
    scheduled: bool = False
    sensors: dict[str, bool | None] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)
    ids: int = 0

    def step(self, *requests: Request, **sensors: bool | None) -> list[Act]:
        """One step a tick later."""
        self.now_s += self.tick_s
        self.sensors |= sensors
        inputs = self.make_inputs(**self.sensors, requests=requests, scheduled=self.scheduled)
        self.state, acts = self.machine(self.state, inputs, round(self.now_s * NS_PER_S), self.settings)
        self.acts += acts
        return list(acts)

    def wait(self, seconds: float, **sensors: bool | None) -> list[Act]:
        """Let time pass tick by tick; returns everything that was done."""
        acts = self.step(**sensors)
        for _ in range(round(seconds / self.tick_s) - 1):
            acts += self.step()
        return acts

    def request(self, ask: Ask, visit: str = "", *, lives_s: float = 1.0, **more: Any) -> Request:
        """A request with an id of its own."""
        self.ids += 1
        not_after_ns = round((self.now_s + lives_s) * NS_PER_S)
        return Request(ask, visit, not_after_ns, f"id-{self.ids}", **more)

    def ask(self, ask: Ask, visit: str = "", **more: Any) -> list[Act]:
        """Ask for something in the next step."""
        return self.step(self.request(ask, visit, **more))

    @property
    def phase(self) -> str:
        return str(self.state.phase.value)  # type: ignore[attr-defined]

    @property
    def shows(self) -> frozenset[str]:
        shows: frozenset[str] = self.state.shows  # type: ignore[attr-defined]
        return shows


def pulses(acts: list[Act]) -> list[str]:
    """Wires that were pulsed, in order."""
    return [act.wire.value for act in acts if isinstance(act, Pulse)]


def moves(acts: list[Act]) -> list[str]:
    """Wires that were pulsed (+) and released (-), in order."""
    return [
        ("+" if isinstance(act, Pulse) else "-") + act.wire.value
        for act in acts
        if isinstance(act, Pulse | Release)
    ]


def events(acts: list[Act]) -> list[str]:
    """Types of events without the noun."""
    return [act.type.partition(".")[2] for act in acts if isinstance(act, Journal)]


def event(acts: list[Act], kind: str) -> dict[str, Any]:
    """The data of the one event of this kind."""
    (found,) = [act for act in acts if isinstance(act, Journal) and act.type.endswith(f".{kind}")]
    return dict(found.data)


def alarms(acts: list[Act]) -> list[tuple[str, bool]]:
    """Alarm edges, without the noun."""
    return [(act.name.partition(".")[2], act.on) for act in acts if isinstance(act, AlarmEdge)]


def refusals(acts: list[Act]) -> list[str]:
    """Why requests were refused."""
    return [act.data["why"] for act in acts if isinstance(act, Journal) and act.type.endswith(".refused")]

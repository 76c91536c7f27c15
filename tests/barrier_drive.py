"""A barrier with every wire, driven in steps: for tables of what it does about cars, sensors and holds."""

from typing import Any

from lane_drive import Drive

from edge.lanes.acts import Ask
from edge.lanes.barrier import step
from edge.lanes.barrier_state import BarrierInputs, BarrierState
from edge.settings import BarrierLane

DOWN = {"open_limit": False, "closed_limit": True}
BETWEEN = {"open_limit": False, "closed_limit": False}
UP = {"open_limit": True, "closed_limit": False}
SENSORS = (
    "open_limit",
    "closed_limit",
    "presence",
    "beam",
    "edge",
    "second_loop",
    "fire",
    "hold_key",
    "tamper",
)
BOTH = {"direction": "both", "cameras": ["a", "b"], "cameras_out": ["b"]}
QUIET = dict.fromkeys(SENSORS[2:], False)


def lane(*without: str, **changes: Any) -> Drive[BarrierState]:
    """A barrier with every wire but those named, that has just started with the boom down."""
    section: dict[str, Any] = {"type": "barrier"}
    outputs = ("open", "close", "stop", "light_red", "light_green", "alarm")
    section |= {wire: {"board": "relays", "channel": i} for i, wire in enumerate(outputs, start=1)}
    section |= {wire: {"board": "inputs", "channel": i} for i, wire in enumerate(SENSORS, start=1)}
    settings = BarrierLane.model_validate({k: v for k, v in (section | changes).items() if k not in without})
    made = Drive(step, BarrierInputs, settings, BarrierState())
    made.step(**DOWN, **QUIET)
    return made


def opened(*without: str, visit: str = "car-1", heading: str = "", **changes: Any) -> Drive[BarrierState]:
    made = lane(*without, **changes)
    made.ask(Ask.OPEN, visit, heading=heading)
    made.step(**BETWEEN)
    made.step(**UP)
    assert made.phase == "open_wait"
    return made


def drive(made: Drive[BarrierState], story: str, pause_s: float = 0.3) -> list[Any]:
    """A: loop under the boom, B: second loop; a, b, x (both), - (nobody)."""
    acts = []
    for look in story:
        acts += made.wait(pause_s, presence=look in "ax", second_loop=look in "bx")
    return acts

"""A turnstile or a mantrap with everything real around it: simulated boards, board owners, a journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lane_rig import CLOCK, Rig, running

from drivers.simulated.door import DoorTraits
from drivers.simulated.turnstile import TurnstileTraits
from drivers.simulated.walkway import INPUT_NAMES, RELAY_NAMES, SimulatedWalkway
from edge.settings import Settings

MAGNET = DoorTraits(energised_unlocks=False)
NOT_RELAYS = ("red", "green")
WIRE_OF = {"red": "light_red", "green": "light_green"}
TRIPOD_INPUTS = {"passage_in": "passage"}
MANTRAP_INPUTS = {"outer_bolt": "outer_locked", "inner_bolt": "inner_locked"}


@dataclass
class WalkwayRig(Rig):
    """What a test holds in its hands."""

    site: SimulatedWalkway  # type: ignore[assignment]

    def relay(self, name: str) -> bool:
        """Whether a relay is energised."""
        return self.site.lcus.relays[RELAY_NAMES.index(name)]

    def times(self, name: str) -> list[int]:
        """Times at which a relay was energised."""
        return self.pulses(RELAY_NAMES.index(name) + 1)


def tripod_section(*without: str, **changes: Any) -> dict[str, Any]:
    """A turnstile with every wire of the walkway but those named."""
    section: dict[str, Any] = {
        "type": "turnstile",
        "direction": "both",
        "times": {"clear_s": 0.5, "pass_timeout_s": 3.0},
    }
    for channel, name in enumerate(RELAY_NAMES, start=1):
        if not name.endswith("_lock"):
            level = {} if name.startswith("pass") else {"pulse_ms": 0}
            section[WIRE_OF.get(name, name)] = {"board": "relays", "channel": channel, **level}
    section |= _inputs(
        TRIPOD_INPUTS, "passage_in passage_out zone_in zone_out fire hold_key exit_button tamper"
    )
    return {name: value for name, value in (section | changes).items() if name not in without}


def mantrap_section(*without: str, **changes: Any) -> dict[str, Any]:
    """A mantrap with every wire of the walkway but those named."""
    section: dict[str, Any] = {
        "type": "mantrap",
        "direction": "both",
        "times": {"unlock_s": 2.0, "settle_s": 0.3},
    }
    for channel, name in enumerate(RELAY_NAMES, start=1):
        if name not in ("pass_in", "pass_out", "release"):
            wire = {"board": "relays", "channel": channel, "pulse_ms": 0}
            section[WIRE_OF.get(name, name)] = wire
    contacts = "outer_contact inner_contact outer_bolt inner_bolt occupied"
    section |= _inputs(MANTRAP_INPUTS, f"{contacts} cabin_button exit_button fire hold_key tamper")
    return {name: value for name, value in (section | changes).items() if name not in without}


def _inputs(meanings: dict[str, str], names: str) -> dict[str, Any]:
    return {
        meanings.get(name, name): {"board": "inputs", "channel": INPUT_NAMES.index(name) + 1}
        for name in names.split()
    }


def walkway_settings(relays: str, inputs: str, folder: Path, **lanes: dict[str, Any]) -> Settings:
    """The configuration of lanes at a walkway."""
    return Settings.model_validate(
        {
            "device": {"id": "test-box", "state_dir": folder},
            "boards": {
                "relays": {"type": "lcus", "port": relays, "channels": 8},
                "inputs": {
                    "type": "modbus",
                    "profile": "waveshare",
                    "port": inputs,
                    "outputs": 0,
                    "inputs": len(INPUT_NAMES),
                },
            },
            "lanes": lanes,
        }
    )


@contextmanager
def walkway_rig(
    folder: Path,
    name: str,
    section: dict[str, Any],
    *,
    doors: DoorTraits | None = None,
    turnstile: TurnstileTraits | None = None,
) -> Iterator[WalkwayRig]:
    """A running lane at a running walkway; stopped in reverse order."""
    site = SimulatedWalkway(
        lcus_link=folder / "relays", io_link=folder / "inputs", doors=doors, turnstile=turnstile
    )
    with site:
        settings = walkway_settings(site.lcus.port, site.io.port, folder, **{name: section})
        with running(folder, site, settings, name, WalkwayRig) as made:
            yield made


__all__ = ["CLOCK", "MAGNET", "WalkwayRig", "mantrap_section", "tripod_section", "walkway_rig"]

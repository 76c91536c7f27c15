"""The lanes that are killed in the middle of an opening, one of each kind, and the sites they stand at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lane_rig import LOCK, OPEN, settings_for
from walkway_rig import mantrap_section, tripod_section, walkway_settings

from drivers.simulated.site import SimulatedSite
from drivers.simulated.walkway import RELAY_NAMES, SimulatedWalkway
from edge.lanes import LaneStatus
from edge.settings import Settings

SHOWS = ("light_red", "light_green", "alarm")  # left out: their relays pass the same fault points


@dataclass(frozen=True)
class Site:
    """One kind of lane.

    Attributes:
        lane: Its name. opener: channel of the relay that opens for a permit.
        rests: Phase in which it waits for one.
        settles_s: It needs so long after that before it can open.
    """

    lane: str
    opener: int
    rests: str
    make: Callable[[Path], Any]
    settings: Callable[[Path], Settings]
    settles_s: float = 0.0

    def is_ready(self, status: LaneStatus) -> bool:
        """A permit would be done now."""
        known = status.contacts and None not in status.contacts.values()
        bolts = (status.contacts.get(name, True) for name in ("outer_locked", "inner_locked"))
        return bool(known and status.phase == self.rests and all(bolts))


def _parking(folder: Path) -> SimulatedSite:
    return SimulatedSite(lcus_link=folder / "relays", io_link=folder / "inputs", drop_faster_than_ms=10.0)


def _walkway(folder: Path) -> SimulatedWalkway:
    return SimulatedWalkway(lcus_link=folder / "relays", io_link=folder / "inputs")


def _at_parking(folder: Path) -> Settings:
    return settings_for(str(folder / "relays"), str(folder / "inputs"), folder)


def _at_walkway(section: dict[str, Any]) -> Callable[[Path], Settings]:
    def settings(folder: Path) -> Settings:
        ports = (str(folder / "relays"), str(folder / "inputs"))
        return walkway_settings(*ports, folder, **{section["type"]: section})

    return settings


SITES: Mapping[str, Site] = {
    "barrier": Site("gate", OPEN, "closed", _parking, _at_parking),
    "door": Site("door", LOCK, "locked", _parking, _at_parking),
    "turnstile": Site(
        "turnstile",
        RELAY_NAMES.index("pass_in") + 1,
        "idle",
        _walkway,
        _at_walkway(tripod_section(*SHOWS, times={"pass_timeout_s": 2.0})),
    ),
    "mantrap": Site(
        "mantrap",
        RELAY_NAMES.index("outer_lock") + 1,
        "idle",
        _walkway,
        _at_walkway(mantrap_section(*SHOWS, times={"unlock_s": 1.0, "settle_s": 0.2})),
        settles_s=0.3,
    ),
}

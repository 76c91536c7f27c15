"""Simulated boards and displays: a whole site inside the daemon, for trying a configuration out.

The rest of the daemon does not know: it gets the same settings with real types of boards at the ports of the
simulated ones, and speaks the real bytes over pseudo-terminals or the network.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from drivers.errors import DriverError
from drivers.simulated.signboards import SimulatedFkCard, SimulatedKfCard
from drivers.simulated.site import SimulatedSite, load_script
from drivers.simulated.walkway import SimulatedWalkway
from edge.errors import SettingsError
from edge.settings import (
    AnyBoard,
    DevantechBoard,
    KmtronicBoard,
    LcusBoard,
    ModbusBoard,
    NumatoBoard,
    Settings,
    SimulatedBoard,
)
from edge.settings_passages import boards_of
from edge.settings_signs import SIMULATED, AnyDisplay, FkDisplay

log = logging.getLogger(__name__)


def with_simulated_boards(settings: Settings, folder: Path, stops: ExitStack) -> Settings:
    """Start the simulated site if the configuration asks for one, and return settings that lead to it.

    Args:
        settings: As configured.
        folder: Gets links to the ports: ``simulated-relays``, ``simulated-inputs``, and those of the walkway.
        stops: The site's end is registered here.

    Raises:
        SettingsError: Two boards for one part, or a script that cannot be read.
    """
    simulated = {name: b for name, b in settings.boards.items() if isinstance(b, SimulatedBoard)}
    if not simulated:
        return settings
    parts = Counter((board.site, board.part) for board in simulated.values())
    for (site_name, part), count in parts.items():
        if count > 1:
            problem = f"two simulated boards are the {part} of the {site_name}; there is one of each part"
            raise SettingsError(f"boards: {problem}")
    real: dict[str, AnyBoard] = {}
    for site_name in dict.fromkeys(board.site for board in simulated.values()):
        boards = {name: board for name, board in simulated.items() if board.site == site_name}
        start = _start_parking if site_name == "parking" else _start_walkway
        real |= start(boards, folder, stops)
    log.warning("boards %s are simulated: nothing real moves", ", ".join(simulated))
    return settings.model_copy(update={"boards": {**settings.boards, **real}})


def _start_parking(
    boards: Mapping[str, SimulatedBoard], folder: Path, stops: ExitStack
) -> dict[str, AnyBoard]:
    """A barrier and a door."""
    relay_board = next((b for b in boards.values() if b.part == "relays"), SimulatedBoard(part="relays"))
    relays, inputs = folder / "simulated-relays", folder / "simulated-inputs"
    site = SimulatedSite(
        lcus_link=relays, io_link=inputs, dialect=relay_board.dialect, family=relay_board.family
    )
    _play_scripts(site, boards)
    stops.enter_context(site)
    return {
        name: _real_type_of(board.family, site.lcus.port)
        if board.part == "relays"
        else ModbusBoard(profile="lc", port=str(inputs), outputs=0, inputs=8)
        for name, board in boards.items()
    }


def _start_walkway(
    boards: Mapping[str, SimulatedBoard], folder: Path, stops: ExitStack
) -> dict[str, AnyBoard]:
    """A turnstile and a mantrap; always on an LCUS-8 board and a Waveshare input board."""
    dialects = [board.dialect for board in boards.values() if board.part == "relays"]
    relays, inputs = folder / "simulated-walkway-relays", folder / "simulated-walkway-inputs"
    site = SimulatedWalkway(lcus_link=relays, io_link=inputs, dialect=dialects[0] if dialects else "text")
    _play_scripts(site, boards)
    stops.enter_context(site)
    return {
        name: LcusBoard(port=str(relays), channels=8)
        if board.part == "relays"
        else ModbusBoard(profile="waveshare", port=str(inputs), outputs=0, inputs=16)
        for name, board in boards.items()
    }


def _play_scripts(site: SimulatedSite | SimulatedWalkway, boards: Mapping[str, SimulatedBoard]) -> None:
    for board in boards.values():
        if board.script is not None:
            try:
                site.play(load_script(board.script))
            except (OSError, json.JSONDecodeError, DriverError) as error:
                raise SettingsError(f"boards: script {board.script} cannot be used: {error}") from error


def _real_type_of(family: str, port: str) -> AnyBoard:
    """What stands in a configuration that has the real board of this family."""
    match family:
        case "lcus":
            return LcusBoard(port=port)
        case "kmtronic":
            return KmtronicBoard(port=port)
        case "devantech":
            return DevantechBoard(port=port)
        case "numato":
            return NumatoBoard(port=port)
        case "modbus-tcp":
            family = "waveshare"
    return ModbusBoard.model_validate({"profile": family, "port": port})


def with_simulated_displays(settings: Settings, folder: Path, stops: ExitStack) -> Settings:
    """Start a simulated card for every display whose port says so, and return settings that lead to them.

    Args:
        settings: As configured.
        folder: Gets the links ``simulated-display-NAME`` to their ports.
        stops: Their end is registered here.
    """
    simulated = {name: display for name, display in settings.displays.items() if display.port == SIMULATED}
    led: dict[str, AnyDisplay] = {}
    for name, display in simulated.items():
        link = folder / f"simulated-display-{name}"
        card = SimulatedFkCard if isinstance(display, FkDisplay) else SimulatedKfCard
        made = card(
            f"display-{name}",
            address=display.address,
            rows=display.lines,
            columns=display.columns,
            link=link,
        )
        stops.enter_context(made)
        led[name] = display.model_copy(update={"port": str(link)})
    if simulated:
        log.warning("displays %s are simulated: nothing real lights up", ", ".join(simulated))
    return settings.model_copy(update={"displays": {**settings.displays, **led}})


def without_simulated_boards(settings: Settings) -> Settings:
    """What is left to make safe when the daemon, and with it its simulated boards, has ended."""
    real = {name: b for name, b in settings.boards.items() if not isinstance(b, SimulatedBoard)}
    lanes = {name: lane for name, lane in settings.lanes.items() if boards_of(lane) <= set(real)}
    return settings.model_copy(update={"boards": real, "lanes": lanes})

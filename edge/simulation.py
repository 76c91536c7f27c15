"""Boards of type ``simulated``: a whole simulated site inside the daemon, for trying a configuration out.

The rest of the daemon does not know: it gets the same settings with an LCUS and a Modbus board at the ports
of the simulated ones, and speaks the real bytes over pseudo-terminals.
"""

import json
import logging
from contextlib import ExitStack
from pathlib import Path

from drivers.errors import DriverError
from drivers.simulated.site import SimulatedSite, load_script
from edge.errors import SettingsError
from edge.settings import LcusBoard, ModbusBoard, Settings, SimulatedBoard
from edge.settings_lanes import boards_of

log = logging.getLogger(__name__)


def with_simulated_boards(settings: Settings, folder: Path, stops: ExitStack) -> Settings:
    """Start the simulated site if the configuration asks for one, and return settings that lead to it.

    Args:
        settings: As configured.
        folder: Gets the links ``simulated-relays`` and ``simulated-inputs`` to the two ports.
        stops: The site's end is registered here.

    Raises:
        SettingsError: Two boards for one part, or a script that cannot be read.
    """
    simulated = {name: b for name, b in settings.boards.items() if isinstance(b, SimulatedBoard)}
    if not simulated:
        return settings
    parts = [board.part for board in simulated.values()]
    if len(set(parts)) < len(parts):
        raise SettingsError(f"boards: two simulated boards are the {parts[0]}; there is one of each part")
    dialects = [board.dialect for board in simulated.values() if board.part == "relays"]
    relays, inputs = folder / "simulated-relays", folder / "simulated-inputs"
    site = SimulatedSite(lcus_link=relays, io_link=inputs, dialect=dialects[0] if dialects else "text")
    for board in simulated.values():
        if board.script is not None:
            try:
                site.play(load_script(board.script))
            except (OSError, json.JSONDecodeError, DriverError) as error:
                raise SettingsError(f"boards: script {board.script} cannot be used: {error}") from error
    stops.enter_context(site)
    log.warning("boards %s are simulated: nothing real moves", ", ".join(simulated))
    real = {
        name: LcusBoard(port=str(relays))
        if board.part == "relays"
        else ModbusBoard(profile="lc", port=str(inputs), outputs=0, inputs=8)
        for name, board in simulated.items()
    }
    return settings.model_copy(update={"boards": {**settings.boards, **real}})


def without_simulated_boards(settings: Settings) -> Settings:
    """What is left to make safe when the daemon, and with it its simulated boards, has ended."""
    real = {name: b for name, b in settings.boards.items() if not isinstance(b, SimulatedBoard)}
    lanes = {name: lane for name, lane in settings.lanes.items() if boards_of(lane) <= set(real)}
    return settings.model_copy(update={"boards": real, "lanes": lanes})

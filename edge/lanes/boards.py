"""All boards of a configuration: built for the daemon, or made safe once by somebody who is not it."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from drivers.errors import BadReply, CommandRefused, DriverError, ReplyTimeout
from drivers.link import SerialLink, SharedLink
from drivers.relay import Board
from edge.clock import Clock
from edge.health import Alarms
from edge.lanes.actuation import BoardWorker
from edge.lanes.interlock import Interlock
from edge.lanes.wiring import Line, driver_of, wiring_of
from edge.settings import Settings

log = logging.getLogger(__name__)

MAKE_SAFE_TRIES = 3


class Boards(Mapping[str, BoardWorker]):
    """The owners of all configured boards by name, with the interlock that they share. Not started."""

    def __init__(self, settings: Settings, clock: Clock, alarms: Alarms) -> None:
        self._workers: dict[str, BoardWorker] = {}
        self._interlock = Interlock(settings)
        makers, lines = _makers(settings)
        for name, board in settings.boards.items():
            self._workers[name] = BoardWorker(
                name,
                makers[name],
                wiring_of(name, settings),
                clock,
                alarms,
                self._interlock,
                lines.get(board.port),
                Path(board.port).exists,
            )

    def __getitem__(self, name: str) -> BoardWorker:
        return self._workers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._workers)

    def __len__(self) -> int:
        return len(self._workers)

    def rewire(self, settings: Settings) -> None:
        """Take new wiring. Boards themselves (ports, types) do not change without a restart."""
        self._interlock.update(settings)
        for name, worker in self.items():
            worker.update(wiring_of(name, settings))


def make_safe(settings: Settings) -> tuple[str, ...]:
    """Open every board, write the safe state of every output, close: ``gatehouse safe``, and after a crash.

    Returns:
        One line per board that could not be made safe; empty when all are.

    Thread: none of a running daemon; the ports must be free.
    """
    makers, _ = _makers(settings)
    problems = (_make_board_safe(name, makers[name], settings) for name in settings.boards)
    return tuple(problem for problem in problems if problem)


def _make_board_safe(name: str, make_driver: Callable[[], Board], settings: Settings) -> str:
    problem = ""
    for _ in range(MAKE_SAFE_TRIES):
        board: Board | None = None
        try:
            board = make_driver()
            board.open()
            problem = _write_safe_states(board, settings) or _not_safe(board, settings)
        except DriverError as error:
            problem = str(error)
        finally:
            if board is not None:
                board.close()
        if not problem:
            log.info("board %s: every output is in its safe state", name)
            break
    return problem


def _write_safe_states(board: Board, settings: Settings) -> str:
    """Write them all; one relay that does not answer does not keep the others from being written."""
    problem = ""
    for channel, output in sorted(wiring_of(board.name, settings).outputs.items()):
        try:
            board.write_output(channel, output.safe_energised)
        except (ReplyTimeout, BadReply, CommandRefused) as error:
            problem = str(error)
    return problem


def _not_safe(board: Board, settings: Settings) -> str:
    if not board.capabilities.reads_back:
        return ""
    states = board.read_outputs()
    for channel, output in wiring_of(board.name, settings).outputs.items():
        if channel <= len(states) and states[channel - 1] is not output.safe_energised:
            return (
                f"board {board.name}: relay {channel} does not go to its safe state; is its contact welded?"
            )
    return ""


def _makers(settings: Settings) -> tuple[dict[str, Callable[[], Board]], dict[str, Line]]:
    """How to build each driver, and a lock for each line that several boards share."""
    users = Counter(board.port for board in settings.boards.values())
    shared = {
        board.port: SharedLink(SerialLink(board.port, board.baud))
        for board in settings.boards.values()
        if users[board.port] > 1
    }
    makers: dict[str, Callable[[], Board]] = {}
    for name, board in settings.boards.items():
        makers[name] = lambda name=name, board=board: driver_of(name, board, shared.get(board.port))  # type: ignore[misc]
    return makers, {port: threading.Lock() for port in shared}

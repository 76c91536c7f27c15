"""All boards of a configuration: built for the daemon, or made safe once by somebody who is not it."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from drivers.errors import BadReply, CommandRefused, DriverError, ReplyTimeout
from drivers.link import SharedLink
from drivers.ports import PortFinder
from drivers.reader.relays import Outlet, ReaderRelays
from drivers.relay import Board
from edge.clock import Clock
from edge.health import Alarms
from edge.lanes.actuation import BoardWorker
from edge.lanes.interlock import Interlock
from edge.lanes.line import Line
from edge.lanes.troubles import QUIET_NS, Note, no_note
from edge.lanes.wiring import driver_of, line_of, wiring_of
from edge.settings import ReaderBoard, Settings

log = logging.getLogger(__name__)

MAKE_SAFE_TRIES = 3


class Boards(Mapping[str, BoardWorker]):
    """The owners of all configured boards by name, with the interlock that they share. Not started.

    Args:
        settings: All of it.
        clock: CLOCK_BOOTTIME.
        alarms: Theirs are raised there.
        note: Takes the events about boards; must not wait.
        finder: Finds the ports.
        quiet_ns: See ``Troubles``.
        outlets: The ways to the relays inside readers, by reader.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        alarms: Alarms,
        *,
        note: Note = no_note,
        finder: PortFinder | None = None,
        quiet_ns: int = QUIET_NS,
        outlets: Mapping[str, Outlet] = MappingProxyType({}),
    ) -> None:
        self._interlock = Interlock(settings)
        self._workers = {
            name: BoardWorker(
                name,
                maker.make,
                wiring_of(name, settings),
                clock,
                alarms,
                self._interlock,
                maker.line,
                note=note,
                quiet_ns=quiet_ns,
            )
            for name, maker in makers_of(settings, finder, outlets).items()
        }

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
    makers = {
        name: maker
        for name, maker in makers_of(settings).items()
        if not isinstance(settings.boards[name], ReaderBoard)  # a reader ends its pulses by itself
    }
    problems = (_make_board_safe(name, maker.make, settings) for name, maker in makers.items())
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


@dataclass(frozen=True, slots=True)
class BoardMaker:
    """How to build the driver of one board, and the line that it hangs on."""

    make: Callable[[], Board]
    line: Line


def makers_of(
    settings: Settings,
    finder: PortFinder | None = None,
    outlets: Mapping[str, Outlet] = MappingProxyType({}),
) -> dict[str, BoardMaker]:
    """One maker for each configured board; boards on one port share their line."""
    users = Counter(board.port for board in settings.boards.values())
    lines: dict[str, tuple[SharedLink, Line]] = {}
    makers: dict[str, BoardMaker] = {}
    for name, board in settings.boards.items():
        if isinstance(board, ReaderBoard) and board.reader in outlets:
            relays = partial(ReaderRelays, name, outlets[board.reader], board.channels)
            makers[name] = BoardMaker(relays, Line())
            continue
        link = line_of(board, finder)
        line = Line()
        is_shared = link is not None and users[board.port] > 1
        if link is not None and is_shared:
            link, line = lines.setdefault(board.port, (SharedLink(link), Line(is_shared=True)))
        makers[name] = BoardMaker(
            lambda name=name, board=board, link=link, is_shared=is_shared: driver_of(  # type: ignore[misc]
                name, board, link, is_shared=is_shared
            ),
            line,
        )
    return makers

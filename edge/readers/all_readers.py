"""All readers of a configuration: one owner for each line, and the drivers behind them."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from drivers.lines import line_to
from drivers.reader import ReaderLine
from drivers.reader.bridge import BridgeLine
from drivers.reader.osdp import OsdpLine, OsdpReader
from edge.clock import Clock
from edge.errors import EdgeError
from edge.health import Alarms
from edge.readers.keys import key_path, read_key
from edge.readers.outlets import Outlet
from edge.readers.worker import Present, ReaderStatus, ReaderWorker
from edge.settings import BridgeReaderSettings, OsdpReaderSettings, ReaderBoard, Settings
from edge.settings_readers import AnyReader, lines_of

log = logging.getLogger(__name__)


class Readers:
    """The owners of all reader lines. Not started: ``workers`` are workers."""

    def __init__(
        self,
        settings: Settings,
        present: Present,
        clock: Clock,
        alarms: Alarms,
        outlets: Mapping[str, Outlet] = MappingProxyType({}),
    ) -> None:
        self._workers = [
            ReaderWorker(
                part,
                partial(line_with, part, settings),
                present,
                clock,
                alarms,
                {name: outlets[name] for name in part if name in outlets},
            )
            for part in self._parts(settings)
        ]

    @property
    def workers(self) -> tuple[ReaderWorker, ...]:
        """One for each line."""
        return tuple(self._workers)

    @property
    def statuses(self) -> tuple[ReaderStatus, ...]:
        """Every reader as of now."""
        return tuple(status for worker in self._workers for status in worker.statuses)

    def last_card(self, name: str) -> str | None:
        """The card that was held before a reader in the last minute.

        Raises:
            KeyError: There is no such reader.
        """
        for worker in self._workers:
            if name in {status.name for status in worker.statuses}:
                return worker.last_card(name)
        raise KeyError(name)

    def _parts(self, settings: Settings) -> Iterator[Mapping[str, AnyReader]]:
        for names in lines_of(settings.readers).values():
            yield {name: settings.readers[name] for name in names}


def outlets_of(settings: Settings) -> dict[str, Outlet]:
    """The ways to the relays that boards of type ``reader`` use, by reader."""
    boards = (board for board in settings.boards.values() if isinstance(board, ReaderBoard))
    return {board.reader: Outlet(board.reader) for board in boards}


def line_with(
    readers: Mapping[str, AnyReader],
    settings: Settings,
    why_not: Callable[[str, str], object] = lambda _name, _why: None,
) -> ReaderLine:
    """The driver of a line with these readers, not yet open.

    Args:
        readers: All of one type, on one port.
        settings: Where the keys are.
        why_not: Told of each reader that is left out, and why.

    Raises:
        EdgeError: No reader can be used.
    """
    name, first = next(iter(readers.items()))
    link = line_to(first.port, first.baud)
    ports = {r.index: n for n, r in readers.items() if isinstance(r, BridgeReaderSettings)}
    if ports:
        return BridgeLine(name, link, ports)
    return OsdpLine(name, link, _with_keys(readers, settings.device.state_dir, why_not))


def _with_keys(
    readers: Mapping[str, AnyReader], state_dir: Path, why_not: Callable[[str, str], object]
) -> list[OsdpReader]:
    """The readers that have a key; one that has none keeps no other from working.

    Raises:
        EdgeError: None has one.
    """
    ready: list[OsdpReader] = []
    last: EdgeError | None = None
    for name, reader in readers.items():
        if not isinstance(reader, OsdpReaderSettings):
            continue
        try:
            key = read_key(key_path(name, reader, state_dir))
        except EdgeError as error:
            last = error
            why_not(name, str(error))
        else:
            ready.append(OsdpReader(name, reader.address, key))
    if last is not None and not ready:
        raise last
    return ready

"""Looking at boards without a daemon: opened, read, never switched."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from drivers.errors import DriverError
from drivers.relay import Board
from edge.lanes.boards import makers_of
from edge.lanes.contacts import inputs_of
from edge.settings import GpioBoard, Settings


class DirectLook:
    """The boards of a configuration, opened for reading; a context manager.

    A board that cannot be opened or read says why, and is tried again at the next look. Pins are left alone:
    taking one as an output already drives it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._makers = makers_of(settings)
        self._open: dict[str, Board] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for board in self._open.values():
            board.close()
        self._open.clear()

    def look(self) -> dict[str, Any]:
        """What ``edge.overview`` tells, as far as it can be told without a daemon."""
        settings = self._settings
        boards = {name: self._read(name) for name in settings.boards}
        return {
            "device": f"{settings.device.tenant}/{settings.device.id}",
            "lanes": [self._lane(name, boards) for name in settings.lanes],
            "boards": list(boards.values()),
            "alarms": [],
        }

    def _lane(self, name: str, boards: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        lane = self._settings.lanes[name]
        contacts: dict[str, bool | None] = {}
        for meaning, wire in inputs_of(lane).items():
            values = boards[wire.board]["inputs"]
            known = values is not None and wire.channel <= len(values)
            contacts[meaning] = values[wire.channel - 1] is not wire.inverted if known else None
        return {"name": name, "kind": lane.type, "phase": "", "contacts": contacts, "away": []}

    def _read(self, name: str) -> dict[str, Any]:
        section = self._settings.boards[name]
        told: dict[str, Any] = {
            "name": name,
            "type": section.type,
            "port": section.port,
            "is_up": False,
            "detail": "",
            "inputs": None,
            "outputs": None,
        }
        if isinstance(section, GpioBoard):
            return told | {"detail": "pins are left alone; a running daemon tells more"}
        try:
            board = self._board(name)
            told["inputs"] = board.read_inputs()
            if board.capabilities.reads_back:
                told["outputs"] = board.read_outputs()
        except DriverError as error:
            if (lost := self._open.pop(name, None)) is not None:
                lost.close()
            return told | {"detail": str(error)}
        return told | {"is_up": True, "detail": "answers"}

    def _board(self, name: str) -> Board:
        if name not in self._open:
            board = self._makers[name].make()
            board.open()
            self._open[name] = board
        return self._open[name]

"""Displays and readers stand at lanes and hang on lines: what must fit between those sections."""

from collections.abc import Mapping
from typing import Any

from edge.settings_boards import ReaderBoard
from edge.settings_readers import AnyReader, OsdpReaderSettings, reader_faults
from edge.settings_signs import SIMULATED, AnyDisplay, display_faults
from edge.settings_wires import Output


def lane_side_faults(
    lanes: Mapping[str, Any],
    boards: Mapping[str, Any],
    displays: Mapping[str, AnyDisplay],
    readers: Mapping[str, AnyReader],
) -> list[str]:
    """One line per fault: a lane that is not there, or a line that belongs to somebody else."""
    problems = [*display_faults(displays), *reader_faults(readers)]
    wanted = [(f"displays.{name}.lanes", lane) for name, d in displays.items() for lane in d.lanes]
    wanted += [(f"readers.{name}.lane", reader.lane) for name, reader in readers.items()]
    for path, lane in wanted:
        if lane not in lanes:
            problems.append(f"{path}: no lane {lane!r} (there are: {', '.join(lanes) or 'none'})")
    problems += _reader_board_faults(boards, readers)
    problems += _held_relay_faults(lanes, boards)
    owners: dict[str, tuple[str, str]] = {}
    for kind, section in (("boards", boards), ("displays", displays), ("readers", readers)):
        for name, part in section.items():
            port = getattr(part, "port", SIMULATED)  # a board of pins has none
            owner_kind, owner = owners.setdefault(port, (kind, name))
            if owner_kind != kind and not port.startswith(SIMULATED):
                problems.append(f"{kind}.{name}.port: {port} is taken by {owner_kind}.{owner}")
    return problems


def _reader_board_faults(boards: Mapping[str, Any], readers: Mapping[str, AnyReader]) -> list[str]:
    problems = []
    for name, board in boards.items():
        if not isinstance(board, ReaderBoard):
            continue
        reader = readers.get(board.reader)
        if reader is None:
            known = ", ".join(readers) or "none"
            problems.append(f"boards.{name}.reader: no reader {board.reader!r} (there are: {known})")
        elif not isinstance(reader, OsdpReaderSettings):
            problems.append(f"boards.{name}.reader: {board.reader!r} is no OSDP reader, so it has no relays")
    return problems


def _held_relay_faults(lanes: Mapping[str, Any], boards: Mapping[str, Any]) -> list[str]:
    """Relays of a reader only pulse: what is held would outlive a daemon that has died."""
    problems = []
    for name, lane in lanes.items():
        for option in type(lane).model_fields:
            wire = getattr(lane, option)
            if not isinstance(wire, Output) or not isinstance(boards.get(wire.board), ReaderBoard):
                continue
            if not wire.pulse_ms or wire.safe_energised:
                problems.append(
                    f"lanes.{name}.{option}: relays of a reader are pulsed and released; give pulse_ms, and"
                    " no safe_energised"
                )
    return problems

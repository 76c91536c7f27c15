"""What the configuration says about one board: its outputs with their safe states, its pace, its driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from drivers.errors import DriverError
from drivers.lines import line_to
from drivers.link import Link
from drivers.ports import PortFinder
from drivers.relay import Board, open_board
from edge.clock import NS_PER_MS, NS_PER_S
from edge.settings import (
    AnyBoard,
    DevantechBoard,
    GpioBoard,
    Input,
    KmtronicBoard,
    LcusBoard,
    ModbusBoard,
    NumatoBoard,
    Output,
    ReaderBoard,
    Settings,
    SimulatedBoard,
)
from edge.settings_boards import SHARED_GAP_MS

# One question and its answer on the line: 8 + 8 bytes of 11 bits, the pauses before them, the USB adapter.
_TRANSACTION_BITS = 16 * 11
_TRANSACTION_EXTRA_NS = 50 * NS_PER_MS
# The standard's 3.5 characters, and its fixed time for fast lines; a millisecond more for clocks that differ.
_GAP_CHARACTERS, _FAST_BAUD, _FAST_GAP_MS = 3.5, 19_200, 1.75
_PATIENCE_NS = 2 * NS_PER_S
_ANSWERS_OF_AN_OPENING = 4


@dataclass(frozen=True, slots=True)
class BoardWiring:
    """What hangs on one board.

    Attributes:
        outputs: The relays with a meaning, by channel.
        poll_ns: Pace at which the inputs are read; 0 when no lane uses any.
        stale_ns: An input older than this is unknown: two polls missed, each with room for one write.
        patience_ns: Its owner may be busy for so long without hanging: opening waits for several answers.
    """

    outputs: Mapping[int, Output]
    poll_ns: int
    stale_ns: int
    patience_ns: int = _PATIENCE_NS


def wiring_of(board: str, settings: Settings) -> BoardWiring:
    """Collect from all lanes what hangs on one board."""
    outputs: dict[int, Output] = {}
    poll_ms: list[int] = []
    for lane in settings.lanes.values():
        for option in type(lane).model_fields:
            wire = getattr(lane, option)
            if isinstance(wire, Output) and wire.board == board:
                outputs[wire.channel] = wire
            elif isinstance(wire, Input) and wire.board == board:
                poll_ms.append(lane.poll_ms)
    poll_ns = min(poll_ms, default=0) * NS_PER_MS
    section = settings.boards[board]
    baud = section.baud
    transaction_ns = _TRANSACTION_BITS * NS_PER_S // baud + _TRANSACTION_EXTRA_NS
    answer_ns: int = getattr(section, "reply_timeout_ms", 0) * NS_PER_MS
    patience_ns = _PATIENCE_NS + _ANSWERS_OF_AN_OPENING * answer_ns
    return BoardWiring(outputs, poll_ns, 2 * (poll_ns + transaction_ns), patience_ns)


def line_of(board: AnyBoard, finder: PortFinder | None = None) -> Link | None:
    """The line that a board hangs on, not open yet; None for pins."""
    match board:
        case GpioBoard() | ReaderBoard() | SimulatedBoard():
            return None
        case ModbusBoard():
            return line_to(
                board.port, board.baud, parity=board.parity, stop_bits=board.stop_bits, finder=finder
            )
        case _:
            return line_to(board.port, board.baud, finder=finder)


def driver_of(name: str, board: AnyBoard, line: Link | None = None, *, is_shared: bool = False) -> Board:
    """Build the driver of a configured board; the port stays closed.

    Args:
        name: The board's name in the configuration.
        board: Its section.
        line: Its line, as ``line_of`` made it; None makes one.
        is_shared: Other boards hang on that line.

    Raises:
        DriverError: The driver cannot be had.
    """
    link = line if line is not None else line_of(board)
    match board:
        case LcusBoard():
            options: dict[str, object] = {
                "channels": board.channels,
                "dialect": board.dialect,
                "pacing_ms": board.pacing_ms,
                "reply_timeout_ms": board.reply_timeout_ms,
            }
        case KmtronicBoard() | DevantechBoard() | NumatoBoard():
            options = {
                "channels": board.channels,
                "pacing_ms": board.pacing_ms,
                "reply_timeout_ms": board.reply_timeout_ms,
            }
        case ModbusBoard():
            options = {
                "profile": board.profile,
                "framing": "tcp" if board.speaks_tcp else "rtu",
                "address": board.address,
                "outputs": board.outputs,
                "inputs": board.inputs,
                "reply_timeout_ms": board.reply_timeout_ms,
                "gap_ms": _gap_ms(board, is_shared=is_shared),
                "local_echo": board.local_echo,
            }
        case GpioBoard():
            options = {
                "output_pins": board.output_pins,
                "input_pins": board.input_pins,
                "active_low": board.active_low,
                "pull_up": board.pull_up,
            }
        case ReaderBoard():
            raise DriverError(name, "relays of a reader are reached only through a running daemon")
        case SimulatedBoard():
            raise DriverError(name, "a simulated board exists only inside a running daemon")
    return open_board(name, board.type, port=link or "", **options)


def _gap_ms(board: ModbusBoard, *, is_shared: bool) -> int:
    """The pause before a request; on a shared line one by which every board can tell where a frame ends."""
    if board.gap_ms is not None:
        return board.gap_ms
    if board.speaks_tcp:
        return 0
    if is_shared:
        return SHARED_GAP_MS
    bits = 10 + (board.parity != "N") + (board.stop_bits - 1)
    gap_ms = _FAST_GAP_MS if board.baud > _FAST_BAUD else _GAP_CHARACTERS * bits * 1000 / board.baud
    return ceil(gap_ms) + 1

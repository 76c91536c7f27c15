"""What the configuration says about one board: its outputs with their safe states, its pace, its driver."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from drivers.errors import DriverError
from drivers.link import Link
from drivers.relay import Board, open_board
from edge.clock import NS_PER_MS, NS_PER_S
from edge.settings import BoardSettings, Input, LcusBoard, ModbusBoard, Output, Settings, SimulatedBoard

Line = AbstractContextManager[bool]
"""The lock of a serial line: held while a board on it is spoken to."""

# One question and its answer on the line: 8 + 8 bytes of 11 bits, the pauses before them, the USB adapter.
_TRANSACTION_BITS = 16 * 11
_TRANSACTION_EXTRA_NS = 50 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class BoardWiring:
    """What hangs on one board.

    Attributes:
        outputs: The relays with a meaning, by channel.
        poll_ns: Pace at which the inputs are read; 0 when no lane uses any.
        stale_ns: An input older than this is unknown: two polls missed, each with room for one write.
    """

    outputs: Mapping[int, Output]
    poll_ns: int
    stale_ns: int


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
    baud = settings.boards[board].baud
    transaction_ns = _TRANSACTION_BITS * NS_PER_S // baud + _TRANSACTION_EXTRA_NS
    return BoardWiring(outputs, poll_ns, 2 * (poll_ns + transaction_ns))


def driver_of(name: str, board: BoardSettings, line: Link | None = None) -> Board:
    """Build the driver of a configured board; the port stays closed.

    Args:
        name: The board's name in the configuration.
        board: Its section.
        line: The shared line when several boards are on one port.

    Raises:
        DriverError: The driver cannot be had.
    """
    where: dict[str, object] = {"port": line if line is not None else board.port}
    if line is None:
        where["baud"] = board.baud
    match board:
        case LcusBoard():
            options: dict[str, object] = {"channels": board.channels, "pacing_ms": board.pacing_ms}
        case SimulatedBoard():
            raise DriverError(name, "a simulated board exists only inside a running daemon")
        case ModbusBoard():
            options = {
                "profile": board.profile,
                "address": board.address,
                "outputs": board.outputs,
                "inputs": board.inputs,
                "reply_timeout_ms": board.reply_timeout_ms,
                "gap_ms": board.gap_ms,
                "local_echo": board.local_echo,
            }
    return open_board(name, board.type, **where, **options)  # type: ignore[arg-type]

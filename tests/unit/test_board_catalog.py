"""Boards by name: what is wrong is said in one line, with a suggestion, before any port is touched."""

import pytest

from drivers.errors import DriverClosed, DriverError
from drivers.loop import loop_pair
from drivers.relay import BOARD_TYPES, open_board
from drivers.relay.lcus import LcusBoard
from drivers.relay.modbus import ModbusBoard

NOWHERE = "/dev/serial/by-path/no-such-port"


def test_a_board_is_built_without_touching_its_port() -> None:
    board = open_board("relays", "lcus", port=NOWHERE, baud=115_200, pacing_ms=100)
    assert isinstance(board, LcusBoard)
    assert board.capabilities.min_gap_ms == 100
    assert not board.capabilities.acknowledges


@pytest.mark.parametrize("name", sorted(set(BOARD_TYPES) - {"modbus", "gpio"}))
def test_every_board_type_can_be_built_and_is_closed(name: str) -> None:
    board = open_board("board", name, port=NOWHERE)
    with pytest.raises(DriverClosed):
        board.write_output(1, True) if board.capabilities.outputs else board.read_outputs()
    board.close()


def test_the_modbus_type_takes_its_family_as_an_option() -> None:
    board = open_board("io", "modbus", port=NOWHERE, profile="lc", outputs=0, inputs=8)
    assert isinstance(board, ModbusBoard)
    assert (board.capabilities.outputs, board.capabilities.inputs) == (0, 8)
    assert not board.capabilities.reads_back


@pytest.mark.parametrize(
    ("type_", "options", "words"),
    [
        ("lkus", {}, "did you mean 'lcus'"),
        ("zzz", {}, "known: "),
        ("lcus", {"pacingms": 5}, "did you mean 'pacing_ms'"),
        ("lcus", {"dialect": "chinese"}, "choose probe, text, binary or none"),
        ("lcus", {"dialect": "none"}, "needs channels"),
        ("lcus", {"channels": 12}, "1, 2, 4 or 8"),
        ("waveshare", {"profile": "lc"}, "unknown option 'profile'"),
        ("waveshare", {"address": 0}, "1..255"),
        ("modbus", {"profile": "siemens"}, "unknown Modbus profile"),
        ("modbus", {}, "profile"),
        ("r421a08", {"inputs": 8}, "have none"),
        ("lc", {"outputs": 0, "inputs": 0}, "1 to 32 channels"),
    ],
)
def test_what_cannot_be_built_says_why(type_: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(DriverError) as caught:
        open_board("north", type_, port=NOWHERE, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_of_ones_own_can_be_given_instead_of_a_port() -> None:
    ours, _ = loop_pair()
    assert isinstance(open_board("relays", "lcus", port=ours), LcusBoard)
    with pytest.raises(DriverError, match="unknown option 'baud'"):
        open_board("relays", "lcus", port=ours, baud=9600)

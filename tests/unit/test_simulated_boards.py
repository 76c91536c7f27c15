"""Simulated boards obey what the real ones obey, also what our drivers never send, and survive any bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.relay.modbus_codec import append_crc, has_sound_crc
from drivers.simulated import (
    SimulatedBoard,
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    SimulatedLcusBoard,
    SimulatedModbusBoard,
    SimulatedNumatoBoard,
)

BOARDS: list[Callable[[], SimulatedBoard]] = [
    SimulatedLcusBoard,
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    lambda: SimulatedKmtronicBoard(2),
    SimulatedNumatoBoard,
    *(
        lambda family=family, inputs=inputs: SimulatedModbusBoard(family, 1, 8, inputs)
        for family, inputs in (
            ("waveshare", 8),
            ("waveshare", 0),
            ("lc", 8),
            ("quirk0100", 0),
            ("r421a08", 0),
        )
    ),
]
ALL_OFF, ALL_ON = (False,) * 8, (True,) * 8
FIRST = (True, *ALL_OFF[1:])


def say(board: SimulatedBoard, frame: str, now_ns: int = 10**12) -> bytes:
    return b"".join(board.received(bytes.fromhex(frame), now_ns))


@pytest.mark.parametrize(
    ("family", "frames", "relays"),
    [
        ("waveshare", ["01 05 00 00 FF 00 8C 3A"], FIRST),
        ("waveshare", ["01 05 00 00 55 00 F2 9A"], FIRST),
        ("waveshare", ["01 05 00 00 55 00 F2 9A"] * 2, ALL_OFF),
        ("waveshare", ["01 05 00 FF FF 00 BC 0A"], ALL_ON),
        ("waveshare", ["01 05 02 00 00 07 8D B0"], FIRST),
        ("waveshare", ["01 0F 00 00 00 08 01 FF BE D5"], ALL_ON),
        ("r421a08", ["01 06 00 01 01 00 D9 9A"], FIRST),
        ("r421a08", ["01 06 00 01 05 00 DB 5A"], FIRST),
        ("r421a08", ["01 06 00 01 06 0A 5B AD"], FIRST),
        ("r421a08", ["01 06 00 01 01 00 D9 9A", "01 06 00 01 02 00 D9 6A"], ALL_OFF),
        ("quirk0100", ["01 05 00 01 01 00 9D 9A"], FIRST),
    ],
)
def test_published_frames_do_what_their_boards_do(
    family: str, frames: list[str], relays: tuple[bool, ...]
) -> None:
    board = SimulatedModbusBoard(family, 1, 8)
    for frame in frames:
        echo = say(board, frame)
        assert echo[:6] == bytes.fromhex(frame)[:6]
        assert has_sound_crc(echo)
    assert board.relays == relays


def test_latch_drops_every_other_relay_which_is_why_no_driver_sends_it() -> None:
    board = SimulatedModbusBoard("r421a08", 1, 8)
    say(board, "01 06 00 01 01 00 D9 9A")
    say(board, append_crc(bytes.fromhex("01 06 00 05 04 00")).hex())
    assert board.relays == tuple(n == 5 for n in range(1, 9))


def test_an_input_in_linkage_mode_drives_its_relay_without_us() -> None:
    with SimulatedModbusBoard("waveshare", 1, 8, 8) as board:
        board.control_modes[2] = 1
        board.set_input(3, True)
        assert board.relays[2]
        board.set_input(4, True)
        assert not board.relays[3]


def test_an_lc_board_serves_its_inputs_only_eight_at_a_time() -> None:
    board = SimulatedModbusBoard("lc", 255, 8, 8)
    assert say(board, "FF 02 00 00 00 08 6C 12") == append_crc(bytes.fromhex("FF 02 01 00"))
    assert say(board, append_crc(bytes.fromhex("FF 02 00 00 00 04")).hex())[1] == 0x82


def test_a_broadcast_is_obeyed_and_not_answered() -> None:
    board = SimulatedModbusBoard("waveshare", 9, 8)
    assert say(board, append_crc(bytes.fromhex("00 05 00 00 FF 00")).hex()) == b""
    assert board.relays == FIRST


@pytest.mark.parametrize("build", BOARDS)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_upset_a_simulated_board(build: Callable[[], SimulatedBoard], pieces: list[bytes]) -> None:
    board = build()
    for number, piece in enumerate(pieces):
        for reply in board.received(piece, 10**12 + number * 10**9):
            assert reply


@given(
    st.integers(1, 6),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.sampled_from(["waveshare", "r421a08"]),
)
def test_every_sound_request_gets_a_sound_answer(
    function: int, address: int, value: int, family: str
) -> None:
    board = SimulatedModbusBoard(family, 1, 8, 8 if family == "waveshare" else 0)
    body = bytes((1, function)) + address.to_bytes(2, "big") + value.to_bytes(2, "big")
    answer = say(board, append_crc(body).hex())
    assert has_sound_crc(answer)
    assert answer[0] == 1
    assert answer[1] in (function, function | 0x80)


def test_a_stuck_contact_does_not_move() -> None:
    board = SimulatedLcusBoard(4)
    board.faults.stuck[2] = False
    say(board, "A0 02 01 A3")
    assert board.relays == (False,) * 4
    assert board.history == ()

"""Every driver against a stream that was split, soiled or damaged: a right state or an error, no wrong state.

The other side of the wire is the simulated board's own firmware, called in this thread; what it answers goes
through whatever hypothesis thinks of. Time passes only when somebody waits for a byte.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.relay import Board, lcus, modbus, open_board, serial_board
from drivers.simulated import (
    SimulatedBoard,
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    SimulatedLcusBoard,
    SimulatedModbusBoard,
    SimulatedModbusTcpBoard,
    SimulatedNumatoBoard,
)

Damage = Callable[[bytes], bytes]


class FalseTime:
    """A clock that moves when somebody waits."""

    now_ns = 10**12

    def boot_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9) + 1


TIME = FalseTime()


@pytest.fixture(autouse=True, scope="module")
def false_time() -> Iterator[None]:
    """The drivers' clock."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (serial_board, lcus, modbus):
            patch.setattr(module, "boot_ns", TIME.boot_ns)
        for module in (serial_board, lcus):
            patch.setattr(module, "time", SimpleNamespace(sleep=TIME.sleep))
        yield


class ScriptedLink:
    """A line whose other end answers at once, in this thread, through whatever the test puts in between."""

    name, is_open, is_there, last_byte_ns = "scripted", True, True, 0

    def __init__(self, board: SimulatedBoard) -> None:
        self._board = board
        self._pieces: deque[bytes] = deque()
        self.damage: Damage = bytes
        self.sizes: list[int] = []

    def open(self) -> None:
        return

    def close(self) -> None:
        return

    def write(self, data: bytes) -> int:
        TIME.sleep(1.0)  # far enough from the last frame for every board
        stream = self.damage(b"".join(self._board.received(data, TIME.now_ns)))
        for size in [*self.sizes, len(stream)]:
            piece, stream = stream[:size], stream[size:]
            if piece:
                self._pieces.append(piece)
        return TIME.now_ns

    def read(self, limit: int, timeout_s: float) -> bytes:
        if not self._pieces:
            TIME.sleep(timeout_s)
            return b""
        piece = self._pieces.popleft()
        if len(piece) > limit:
            self._pieces.appendleft(piece[limit:])
        return piece[:limit]

    def discard(self) -> int:
        thrown_away = sum(len(piece) for piece in self._pieces)
        self._pieces.clear()
        return thrown_away


@dataclass(frozen=True)
class Family:
    """A driver and its firmware; ``checked``: a damaged byte can be told, ``counted``: a missing one."""

    name: str
    simulate: Callable[[], SimulatedBoard]
    type: str
    options: dict[str, Any]
    checked: bool = True
    counted: bool = True

    def open(self) -> tuple[Board, SimulatedBoard, ScriptedLink]:
        simulated = self.simulate()
        link = ScriptedLink(simulated)
        board = open_board(self.name, self.type, port=link, reply_timeout_ms=300, **self.options)
        board.open()
        return board, simulated, link


NO_GAP: dict[str, Any] = {"pacing_ms": 0}
RTU: dict[str, Any] = {"gap_ms": 0, "local_echo": False}
FAMILIES = [
    Family("lcus-text", lambda: SimulatedLcusBoard(4, "text", stale_by_one=False), "lcus", NO_GAP),
    Family(
        "lcus-binary",
        lambda: SimulatedLcusBoard(4, "binary", stale_by_one=False),
        "lcus",
        NO_GAP,
        checked=False,
    ),
    Family(
        "kmtronic", lambda: SimulatedKmtronicBoard(4), "kmtronic", NO_GAP | {"channels": 4}, checked=False
    ),
    Family(
        "kmtronic-2", lambda: SimulatedKmtronicBoard(2), "kmtronic", NO_GAP | {"channels": 2}, checked=False
    ),
    Family("devantech", lambda: SimulatedDevantechBoard(8), "devantech", NO_GAP, checked=False),
    Family("numato", lambda: SimulatedNumatoBoard(2), "numato", NO_GAP | {"channels": 2}, counted=False),
    Family("waveshare", lambda: SimulatedModbusBoard("waveshare", 1), "waveshare", RTU, counted=False),
    Family("lc", lambda: SimulatedModbusBoard("lc", 9, 8, 8), "lc", RTU | {"address": 9}, counted=False),
    Family("r421a08", lambda: SimulatedModbusBoard("r421a08", 1), "r421a08", RTU, counted=False),
    Family(
        "modbus-tcp",
        lambda: SimulatedModbusTcpBoard("waveshare", 1),
        "waveshare",
        {"gap_ms": 0, "framing": "tcp"},
        checked=False,
        counted=False,
    ),
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
switched = st.sets(st.integers(1, 8))
few = settings(max_examples=40)  # for each of ten families


def switch(simulated: SimulatedBoard, channels: set[int]) -> None:
    for channel in channels:
        simulated.switch(channel, True)


def state_or_error(board: Board) -> tuple[bool, ...] | None:
    try:
        return board.read_outputs()
    except DriverError:
        return None


@each_family
@few
@given(switched, st.lists(st.integers(1, 4), max_size=60))
def test_a_state_is_read_however_its_bytes_are_split(
    family: Family, channels: set[int], sizes: list[int]
) -> None:
    board, simulated, link = family.open()
    switch(simulated, channels)
    link.sizes = sizes
    assert board.read_outputs() == simulated.relays


@each_family
@few
@given(switched, st.binary(min_size=1, max_size=12), st.booleans())
def test_garbage_around_an_answer_never_makes_a_wrong_state(
    family: Family, channels: set[int], garbage: bytes, before: bool
) -> None:
    assume(not garbage.isascii() or not garbage.strip().isalpha())
    board, simulated, link = family.open()
    switch(simulated, channels)
    link.damage = (lambda data: garbage + data) if before else (lambda data: data + garbage)
    state = state_or_error(board)
    assert state is None or state == simulated.relays
    if family.counted and family.name != "lcus-text":
        assert state is None  # nothing but its length tells such an answer from noise


@each_family
@few
@given(switched, st.data())
def test_an_answer_that_breaks_off_is_an_error(
    family: Family, channels: set[int], data: st.DataObject
) -> None:
    board, simulated, link = family.open()
    switch(simulated, channels)
    left = data.draw(st.integers(0, 3))
    link.damage = lambda whole: whole[: min(left, len(whole) - 1)]
    assert state_or_error(board) is None


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.checked], ids=lambda family: family.name)
@few
@given(switched, st.integers(0, 400), st.integers(1, 255))
def test_a_damaged_byte_never_makes_a_wrong_state(
    family: Family, channels: set[int], at: int, flip: int
) -> None:
    board, simulated, link = family.open()
    switch(simulated, channels)

    def damage(data: bytes) -> bytes:
        if not data:
            return data
        place = at % len(data)
        return data[:place] + bytes((data[place] ^ flip,)) + data[place + 1 :]

    link.damage = damage
    state = state_or_error(board)
    assert state is None or state == simulated.relays


@each_family
@few
@given(switched)
def test_an_answer_that_comes_twice_never_makes_a_wrong_state(family: Family, channels: set[int]) -> None:
    board, simulated, link = family.open()
    switch(simulated, channels)
    link.damage = lambda data: data + data
    state = state_or_error(board)
    assert state is None or state == simulated.relays


@each_family
@few
@given(switched)
def test_noise_behind_an_answer_is_reported_or_counted(family: Family, channels: set[int]) -> None:
    board, simulated, link = family.open()
    switch(simulated, channels)
    link.damage = lambda data: data + b"\xa5\x5a"
    state = state_or_error(board)
    link.damage = bytes
    board.write_output(1, False)
    assert (state is None) != bool(board.oddities.stray_bytes)


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("kmtronic", ["ff 01 01", "ff 04 00", "ff 09 00"]),
        ("kmtronic-2", ["ff 01 01", "ff 02 00", "ff 01 03", "ff 02 03"]),
        ("devantech", ["65", "76", "5b"]),
        ("numato", [b"relay on 0\r".hex(" "), b"relay off 1\r".hex(" "), b"relay read 0\r".hex(" ")]),
        ("lcus-binary", ["a0 01 01 a2", "a0 04 00 a4", "ff", "ff"]),
        ("waveshare", ["01 05 00 00 ff 00 8c 3a", "01 05 00 07 00 00 7c 0b", "01 01 00 00 00 08 3d cc"]),
        ("r421a08", ["01 06 00 01 01 00 d9 9a", "01 06 00 08 02 00 09 68", "01 03 00 01 00 01 d5 ca"]),
    ],
)
def test_drivers_send_the_published_bytes(name: str, frames: list[str]) -> None:
    (family,) = (family for family in FAMILIES if family.name == name)
    board, _, link = family.open()
    sent: list[str] = []
    write = link.write
    link.write = lambda data: sent.append(data.hex(" ")) or write(data)  # type: ignore[func-returns-value,method-assign]
    board.write_output(1, True)
    board.write_output(board.capabilities.outputs, False)
    board.read_outputs()
    assert sent[: len(frames)] == frames


def test_a_request_by_tcp_is_the_same_request_under_a_number_of_its_own() -> None:
    (family,) = (family for family in FAMILIES if family.name == "modbus-tcp")
    board, _, link = family.open()
    sent: list[bytes] = []
    write = link.write
    link.write = lambda data: sent.append(data) or write(data)  # type: ignore[func-returns-value,method-assign]
    board.write_output(1, True)
    board.write_output(1, True)
    assert [frame[2:].hex(" ") for frame in sent] == ["00 00 00 06 01 05 00 00 ff 00"] * 2
    first, second = (int.from_bytes(frame[:2]) for frame in sent)
    assert second == first + 1

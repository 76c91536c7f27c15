"""One contract for every board driver, each against its simulated board on a real pseudo-terminal."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from board_cases import (
    BUS_READERS,
    CASES,
    GPIO,
    ON_A_BUS,
    READERS,
    REDUNDANT_READERS,
    REPLY_TIMEOUT_MS,
    Case,
)
from steady import on_a_steady_machine

from drivers.errors import (
    Abandoned,
    BadReply,
    CommandRefused,
    DriverClosed,
    DriverUnavailable,
    LinkLost,
    PortBusy,
    ReplyTimeout,
)
from drivers.link import SerialLink, SharedLink, boot_ns
from drivers.relay import Board, PulsingBoard, open_board
from drivers.simulated import (
    SimulatedBoard,
    SimulatedLcusBoard,
    SimulatedLine,
    SimulatedModbusBoard,
    SimulatedModbusTcpBoard,
)

ONE_EXCHANGE_S = 3 * REPLY_TIMEOUT_MS / 1000
GARBAGE = (  # every mixture is tried on the codecs, with hypothesis, in tests/unit
    ("garbage_before", b"\x00\xff\x00"),
    ("garbage_inside", b"CH9: ON\r\n"),
    ("garbage_after", b"\x01\x01\x01"),
    ("garbage_before", b"\x01\x01\x01"),
)
each_board = pytest.mark.parametrize("case", CASES + GPIO, ids=lambda case: case.name)
each_on_a_line = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_reader = pytest.mark.parametrize("case", READERS, ids=lambda case: case.name)
each_on_a_bus = pytest.mark.parametrize("case", BUS_READERS, ids=lambda case: case.name)
each_on_a_line_that_may_echo = pytest.mark.parametrize(
    "case", [case for case in ON_A_BUS if case.reads], ids=lambda case: case.name
)
Wired = tuple[Board, SimulatedBoard]


@pytest.fixture
def wire() -> Iterator[Callable[..., Wired]]:
    """Starts a simulated board and opens its driver; both are closed afterwards."""
    with ExitStack() as opened:

        def make(case: Case, **options: object) -> Wired:
            simulated = opened.enter_context(case.simulate())
            board = case.driver(simulated.port, **options)
            opened.callback(board.close)
            board.open()
            return board, simulated

        yield make


def eventually(condition: Callable[[], bool], within_s: float = 1.0) -> bool:
    """True as soon as it holds; a write that nobody acknowledges takes a moment to arrive."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.002)
    return True


def read_again(board: Board) -> tuple[bool, ...]:
    """Read until the board answers again, as a lane that polls does."""
    deadline_s = time.monotonic() + 2.0
    while True:
        try:
            return board.read_outputs()
        except ReplyTimeout:
            assert time.monotonic() < deadline_s, "the board was never read again"
            time.sleep(0.01)


@each_board
def test_opening_and_closing_switches_nothing(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    board.close()
    board.close()
    assert simulated.history == ()


@each_board
def test_capabilities_tell_the_truth(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    can = board.capabilities
    assert can.outputs == len(simulated.relays)
    assert can.inputs == len(simulated.inputs)
    assert can.reads_back == case.reads
    if not can.reads_back:
        with pytest.raises(CommandRefused):
            board.read_outputs()
    assert len(board.read_inputs()) == can.inputs


@each_board
def test_every_relay_is_switched_alone_and_read_back(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    channels = board.capabilities.outputs
    for channel in (1, channels):
        only = tuple(n == channel for n in range(1, channels + 1))
        board.write_output(channel, True)
        assert eventually(lambda only=only: simulated.relays == only)
        if case.reads:
            assert board.read_outputs() == only
        board.write_output(channel, False)
        assert eventually(lambda: not any(simulated.relays))
    assert [(channel, on) for _, channel, on in simulated.history] == [
        (1, True),
        (1, False),
        (channels, True),
        (channels, False),
    ]


@each_board
def test_a_write_returns_the_boot_time_at_which_its_last_byte_left(
    case: Case, wire: Callable[..., Wired]
) -> None:
    board, simulated = wire(case)
    before_ns = boot_ns()
    left_ns = board.write_output(1, True)
    assert before_ns < left_ns <= boot_ns()
    assert eventually(lambda: bool(simulated.history))
    assert abs(simulated.history[0][0] - left_ns) < 100_000_000


@each_board
def test_frames_keep_the_pause_that_the_board_needs(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    left_ns = [board.write_output(1, on) for on in (True, False, True, False, True)]
    gaps_ms = [(later - earlier) / 1e6 for earlier, later in pairwise(left_ns)]
    assert min(gaps_ms) >= board.capabilities.min_gap_ms
    # None was lost: the simulated LCUS boards lose what comes too fast.
    assert eventually(lambda: len(simulated.history) == 5)


@each_board
def test_a_channel_that_the_board_does_not_have_is_refused_here(
    case: Case, wire: Callable[..., Wired]
) -> None:
    board, simulated = wire(case)
    sent = len(simulated.frames)
    for channel in (0, -1, board.capabilities.outputs + 1):
        with pytest.raises(CommandRefused, match="no channel"):
            board.write_output(channel, True)
    assert len(simulated.frames) == sent


@each_reader
def test_silence_is_a_reply_timeout_in_bounded_time(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    simulated.faults.silent = True
    started_s = time.monotonic()
    with pytest.raises(ReplyTimeout):
        board.read_outputs()
    assert time.monotonic() - started_s < ONE_EXCHANGE_S
    if board.capabilities.acknowledges:
        with pytest.raises(ReplyTimeout):
            board.write_output(1, True)
    simulated.faults.silent = False
    assert not any(read_again(board))


@each_reader
def test_a_silent_board_does_not_open_and_leaves_the_port_free(case: Case) -> None:
    with case.simulate() as simulated:
        simulated.faults.silent = True
        board = case.driver(simulated.port)
        with pytest.raises(ReplyTimeout):
            board.open()
        simulated.faults.silent = False
        board.open()
        board.close()
        assert simulated.history == ()


@each_reader
def test_a_lost_reply_is_a_timeout_although_the_relay_moved(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    if not board.capabilities.acknowledges:
        board.write_output(1, True)
    else:
        simulated.faults.drop_replies = 1
        with pytest.raises(ReplyTimeout):
            board.write_output(1, True)
    assert eventually(lambda: simulated.relays[0])
    assert board.read_outputs()[0]


@each_reader
def test_garbage_is_recovered_or_reported_but_never_a_wrong_state(
    case: Case, wire: Callable[..., Wired]
) -> None:
    board, simulated = wire(case)
    board.write_output(2, True)
    assert eventually(lambda: simulated.relays[1])
    for where, garbage in GARBAGE:
        setattr(simulated.faults, where, garbage)
        try:
            states = board.read_outputs()
        except (BadReply, ReplyTimeout):
            pass
        else:
            assert states == simulated.relays
        setattr(simulated.faults, where, b"")
        assert read_again(board) == simulated.relays


@pytest.mark.parametrize("case", REDUNDANT_READERS, ids=lambda case: case.name)
def test_a_flipped_bit_is_reported(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    simulated.faults.corrupt = 1
    with pytest.raises(BadReply):
        board.read_outputs()
    assert not any(read_again(board))


@each_reader
def test_a_reply_in_pieces_is_put_together(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    board.write_output(1, True)
    simulated.faults.split_bytes = 3
    assert board.read_outputs()[0]


@each_reader
def test_a_late_reply_never_answers_a_later_question(case: Case, wire: Callable[..., Wired]) -> None:
    def scene() -> None:
        board, simulated = wire(case)
        simulated.faults.late_ms = REPLY_TIMEOUT_MS * 1.4
        with pytest.raises(ReplyTimeout):
            board.read_outputs()
        simulated.faults.late_ms = 0
        simulated.do(lambda: simulated.switch(1, True) and None)
        simulated.faults.drop_requests = 1  # so that the late answer, "all off", is the only one to come
        assert read_again(board)[0]

    on_a_steady_machine(scene)


@each_on_a_bus
def test_an_answer_of_another_unit_is_named(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    simulated.faults.answer_as = 99
    with pytest.raises(BadReply, match="unit 99"):
        board.write_output(1, True)


@each_on_a_bus
def test_a_wrong_address_opens_nothing(case: Case) -> None:
    with case.simulate() as simulated:
        board = case.driver(simulated.port, address=200)
        with pytest.raises(ReplyTimeout):
            board.open()


@each_on_a_line_that_may_echo
def test_the_echo_of_a_two_wire_adapter_is_no_acknowledgement(case: Case, wire: Callable[..., Wired]) -> None:
    with case.simulate() as simulated:
        simulated.faults.echo = True
        board = case.driver(simulated.port)
        board.open()
        board.write_output(1, True)
        assert board.read_outputs()[0]
        simulated.faults.silent = True  # the board is gone, the adapter still returns what is sent
        with pytest.raises(ReplyTimeout, match="echo"):
            board.write_output(1, False)
        assert simulated.relays[0]
        board.close()


@each_on_a_line_that_may_echo
def test_an_echo_that_was_ruled_out_is_reported(case: Case) -> None:
    with case.simulate() as simulated:
        simulated.faults.echo = True
        board = case.driver(simulated.port, local_echo=False)
        with pytest.raises(BadReply, match="local_echo"):
            board.open()


@each_reader
def test_a_stuck_relay_is_seen_by_reading_back(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    board.write_output(1, True)
    assert eventually(lambda: simulated.relays[0])
    simulated.faults.stuck[1] = True
    board.write_output(1, False)
    assert board.read_outputs()[0]
    simulated.faults.stuck.clear()
    board.write_output(1, False)
    assert not board.read_outputs()[0]


@each_reader
def test_a_board_that_restarted_reads_as_off(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    board.write_output(1, True)
    assert board.read_outputs()[0]
    simulated.reboot()
    assert not any(board.read_outputs())


@each_on_a_line
def test_unplugging_is_a_lost_link_and_replugging_can_be_opened_again(case: Case, tmp_path: Path) -> None:
    link = tmp_path / "port"
    with case.simulate(link=link) as simulated:
        board = case.driver(simulated.port)
        board.open()
        board.write_output(1, True)
        simulated.unplug()
        for _ in range(2):
            with pytest.raises(LinkLost):
                board.write_output(1, False)
        assert board.is_there is case.tcp
        with pytest.raises((DriverUnavailable, PortBusy), match=r"plugged in|takes no connection"):
            board.open()
        simulated.replug()
        board.open()
        board.write_output(2, True)
        assert eventually(lambda: simulated.relays[1])
        board.close()
    assert not link.is_symlink()


@each_board
def test_use_after_close_is_its_own_error(case: Case, wire: Callable[..., Wired]) -> None:
    board, _ = wire(case)
    board.close()
    with pytest.raises(DriverClosed):
        board.write_output(1, True)
    if case.reads:
        with pytest.raises(DriverClosed):
            board.read_outputs()


@each_on_a_line
def test_a_port_that_is_not_there_says_where_to_look(case: Case, tmp_path: Path) -> None:
    board = case.driver(str(tmp_path / "ttyUSB7"))
    with pytest.raises(DriverUnavailable, match=r"no such port; plugged in\? ls /dev/serial/by-path"):
        board.open()


@pytest.mark.parametrize("case", [c for c in CASES if not c.tcp][::5], ids=lambda case: case.name)
def test_a_port_that_another_process_holds_is_busy(case: Case) -> None:
    holder = (
        "import sys, time; from drivers.link import SerialLink;"
        "link = SerialLink(sys.argv[1], 9600); link.open(); print('held', flush=True); time.sleep(60)"
    )
    with (
        case.simulate() as simulated,
        subprocess.Popen([sys.executable, "-c", holder, simulated.port], stdout=subprocess.PIPE) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            with pytest.raises(PortBusy, match="taken by another process"):
                case.driver(simulated.port).open()
        finally:
            process.kill()
        process.wait()
        board = case.driver(simulated.port)
        board.open()
        board.close()


@pytest.mark.parametrize("case", [c for c in CASES if c.type in ("waveshare", "lc")], ids=lambda c: c.name)
def test_all_relays_are_switched_by_one_request(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    states = tuple(n % 2 == 0 for n in range(board.capabilities.outputs))
    board.write_outputs(states)  # type: ignore[attr-defined]
    assert simulated.relays == states


@pytest.mark.parametrize(
    "case",
    [c for c in CASES + GPIO if c.name in ("lc", "waveshare-d", "lc-2-relays", "waveshare-tcp", "gpio")],
    ids=lambda c: c.name,
)
def test_inputs_are_read_one_by_one(case: Case, wire: Callable[..., Wired]) -> None:
    board, simulated = wire(case)
    count = board.capabilities.inputs
    assert board.read_inputs() == (False,) * count
    for channel in range(1, count + 1):
        simulated.set_input(channel, True)
        assert board.read_inputs() == tuple(n == channel for n in range(1, count + 1))
        simulated.set_input(channel, False)


def test_the_boards_own_timer_ends_a_pulse_after_its_length_even_when_we_are_gone() -> None:
    with SimulatedModbusBoard("waveshare", 1) as simulated:
        board: PulsingBoard = open_board("w", "waveshare", port=simulated.port)  # type: ignore[assignment]
        board.open()
        board.pulse(3, 450)  # in steps of 100 ms: 500
        board.close()
        assert eventually(lambda: len(simulated.history) == 2)
        (on_ns, _, _), (off_ns, channel, on) = simulated.history
        assert (channel, on) == (3, False)
        assert (off_ns - on_ns) / 1e6 == pytest.approx(500, abs=40)


def test_pulses_that_the_boards_timer_cannot_do_are_refused() -> None:
    with SimulatedModbusBoard("r421a08", 1) as slow, SimulatedModbusBoard("lc", 1, inputs=8) as none:
        board: PulsingBoard = open_board("r", "r421a08", port=slow.port)  # type: ignore[assignment]
        assert board.capabilities.pulse_step_ms == 1000
        board.open()
        with pytest.raises(CommandRefused, match="255000 ms"):
            board.pulse(1, 256_000)
        with pytest.raises(CommandRefused):
            board.pulse(1, 0)
        board.close()
        other: PulsingBoard = open_board("l", "lc", port=none.port)  # type: ignore[assignment]
        other.open()
        with pytest.raises(CommandRefused, match="cannot time"):
            other.pulse(1, 500)
        other.close()
        assert slow.history == none.history == ()


@pytest.mark.parametrize("inputs", [8, 0], ids=["inputs-used", "inputs-not-used"])
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_a_board_whose_inputs_drive_its_relays_is_refused(mode: int, inputs: int) -> None:
    with SimulatedModbusBoard("waveshare", 1, inputs=8) as simulated:
        simulated.control_modes[4] = mode
        board = open_board("w", "waveshare", port=simulated.port, inputs=inputs)
        with pytest.raises(CommandRefused, match=f"relay 5 is in control mode {mode}"):
            board.open()
        simulated.control_modes[4] = 0
        board.open()
        board.close()


@pytest.mark.parametrize("inputs", [8, 0], ids=["inputs-used", "inputs-not-used"])
@pytest.mark.parametrize("simulate", [SimulatedModbusBoard, SimulatedModbusTcpBoard])
def test_one_lost_answer_does_not_hide_what_mode_a_board_is_in(
    simulate: Callable[..., Any], inputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    framing = "tcp" if simulate is SimulatedModbusTcpBoard else "rtu"
    with simulate("waveshare", 1, inputs=8) as simulated:
        board = open_board("w", "waveshare", port=simulated.port, inputs=inputs, framing=framing)
        asked: list[int] = []
        monkeypatch.setattr(simulated, "is_lost", lambda: asked.append(0))
        board.open()
        board.close()
        last = len(asked)  # the question for the modes
        simulated.control_modes[4] = 1
        monkeypatch.setattr(simulated, "is_lost", lambda: asked.append(0) or len(asked) == 2 * last)
        with pytest.raises(CommandRefused, match="relay 5 is in control mode 1"):
            board.open()
        assert len(asked) == 2 * last + 1


@pytest.mark.parametrize(
    "case",
    [c for c in READERS if c.name in ("lcus-text", "kmtronic-2", "numato", "r421a08", "waveshare-tcp")],
    ids=lambda c: c.name,
)
def test_a_slow_reading_lets_go_when_something_more_urgent_wants_the_board(
    case: Case, wire: Callable[..., Wired]
) -> None:
    board, simulated = wire(case)
    with pytest.raises(Abandoned):
        board.read_outputs(lambda: True)
    board.write_output(1, True)
    assert eventually(lambda: simulated.relays[0])
    assert read_again(board)[0]


def test_late_answers_to_numbered_requests_are_told_from_the_one_that_is_waited_for() -> None:
    with SimulatedModbusTcpBoard("waveshare", 1) as simulated:
        board = open_board(
            "w", "waveshare", port=simulated.port, framing="tcp", reply_timeout_ms=150, gap_ms=0
        )
        board.open()
        simulated.faults.late_ms = 250
        with pytest.raises(ReplyTimeout):
            board.read_outputs()
        simulated.faults.late_ms = 0
        simulated.do(lambda: simulated.switch(2, True) and None)
        time.sleep(0.15)  # the late answer, "all off", is there now
        assert board.read_outputs()[1]  # and no wait was needed
        assert board.oddities.stray_bytes > 0
        board.close()


def test_a_gateway_without_its_unit_is_a_silent_board() -> None:
    with SimulatedModbusTcpBoard("waveshare", 1) as simulated:
        whole = simulated.exchange
        simulated.exchange = lambda body: (
            bytes((body[0], body[1] | 0x80, 11)) if body[0] != 1 else whole(body)
        )  # type: ignore[method-assign]
        board = open_board("w", "waveshare", port=simulated.port, framing="tcp", address=9)
        with pytest.raises(ReplyTimeout, match="unit 9 does not answer"):
            board.open()


def test_several_boards_share_one_line_of_one_owner() -> None:
    # Two units behind one pseudo-terminal: the second board listens to what the first one hears.
    with SimulatedModbusBoard("lc", 1, 8, 8, name="one") as one:
        two = SimulatedModbusBoard("lc", 2, 8, 8, name="two")
        first_alone = one.received
        one.received = lambda data, now_ns: [  # type: ignore[method-assign]
            *first_alone(data, now_ns),
            *two.received(data, now_ns),
        ]
        line = SharedLink(SerialLink(one.port, 9600))
        boards = [open_board(f"b{n}", "lc", port=line, address=n) for n in (1, 2)]
        for board in boards:
            board.open()
        boards[1].write_output(3, True)
        assert boards[0].read_outputs() == (False,) * 8
        assert boards[1].read_outputs()[2]
        boards[0].close()
        assert boards[1].read_outputs()[2]
        with pytest.raises(DriverClosed):
            boards[0].read_outputs()
        boards[1].close()
        assert not line.is_open


def test_a_dialect_once_heard_is_never_given_up_for_silence() -> None:
    with SimulatedLcusBoard(4, "text") as simulated:
        board = open_board("r", "lcus", port=simulated.port, channels=4, reply_timeout_ms=100)
        board.open()
        board.close()
        simulated.faults.silent = True
        with pytest.raises(ReplyTimeout):
            board.open()


def test_the_board_itself_tells_its_number_of_relays() -> None:
    with SimulatedLcusBoard(8, "text") as simulated:
        board = open_board("r", "lcus", port=simulated.port, channels=4)
        board.open()
        assert board.capabilities.outputs == 8
        board.close()


def test_a_silent_lcus_board_of_unknown_size_does_not_open() -> None:
    with SimulatedLcusBoard(4, "none") as simulated:
        board = open_board("r", "lcus", port=simulated.port, reply_timeout_ms=100)
        with pytest.raises(ReplyTimeout, match="set channels"):
            board.open()


def test_the_simulated_board_loses_frames_that_come_too_fast() -> None:
    with SimulatedLcusBoard(4, "text") as simulated:
        board = open_board("r", "lcus", port=simulated.port, pacing_ms=0)
        board.open()
        for on in (True, False, True):
            board.write_output(1, on)
        assert eventually(lambda: simulated.lost_frames >= 1)
        board.close()


@each_on_a_line
def test_five_opens_and_losses_leave_no_descriptor_behind(case: Case) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(5):
        with case.simulate() as simulated:
            board = case.driver(simulated.port)
            board.open()
            simulated.unplug()
            with pytest.raises(LinkLost):
                board.write_output(1, True)
            board.close()
    assert descriptors() == before


class Stranger(SimulatedLine):
    """Something else on the port: it answers everything with its own words."""

    words = b"ERROR 42\r\n"

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        return [self.words]


@each_reader
def test_something_else_on_the_port_is_not_taken_for_the_board(case: Case) -> None:
    with Stranger("stranger") as stranger:
        board = case.driver(stranger.port)
        with pytest.raises(BadReply):
            board.open()


def test_a_status_of_which_the_end_was_lost_is_no_smaller_board() -> None:
    with Stranger("half") as half:
        half.words = b"CH1: OFF\r\nCH2: ON \r\nCH3: O"
        with pytest.raises(BadReply):
            open_board("r", "lcus", port=half.port).open()


def test_a_board_that_changes_its_number_of_relays_is_reported() -> None:
    with Stranger("changing") as changing:
        changing.words = b"CH1: OFF\r\nCH2: ON \r\n"
        board = open_board("r", "lcus", port=changing.port)
        board.open()
        assert board.read_outputs() == (False, True)
        changing.words = b"CH1: OFF\r\n"
        with pytest.raises(BadReply, match="1 relays answered, 2 did before"):
            board.read_outputs()
        board.close()

"""The Modbus driver against a peer that somebody else wrote: pymodbus's own server, RTU on a pty and TCP."""

import asyncio
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.errors import CommandRefused
from drivers.lines import line_to
from drivers.link import SharedLink
from drivers.relay import Board, open_board

UNIT = 17


@contextmanager
def null_modem() -> Iterator[tuple[str, str]]:
    """Two pseudo-terminals whose far sides are joined: what goes into one port comes out of the other."""
    (first, first_slave), (second, second_slave) = os.openpty(), os.openpty()
    ends = [first, second]
    for master in ends:
        tty.setraw(master)
    stop = os.eventfd(0)

    def pump() -> None:
        while stop not in (ready := select.select([*ends, stop], [], [])[0]):
            for master in ready:
                os.write(second if master == first else first, os.read(master, 1024))

    thread = threading.Thread(target=pump, name="null-modem")
    thread.start()
    try:
        yield os.ttyname(first_slave), os.ttyname(second_slave)
    finally:
        os.eventfd_write(stop, 1)
        thread.join()
        for fd in (*ends, first_slave, second_slave, stop):
            os.close(fd)


def eight_and_eight(unit: int) -> SimDevice:
    """Eight relays, eight inputs of which 2 and 7 are active, and control mode registers at 0x1000."""
    inputs = [n in (2, 7) for n in range(1, 9)]
    return SimDevice(
        id=unit,
        simdata=(
            [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
            [SimData(0, values=inputs + [False] * 8, datatype=DataType.BITS)],
            [SimData(0x1000, count=8, values=0, datatype=DataType.REGISTERS)],
            [SimData(0, count=1, values=0, datatype=DataType.REGISTERS)],
        ),
    )


def free_tcp_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def server(port: str) -> Iterator[None]:
    """pymodbus's server in a thread of its own: RTU on a serial port, TCP on a number."""
    loop = asyncio.new_event_loop()
    running = threading.Event()
    servers: list[ModbusSerialServer | ModbusTcpServer] = []
    units = [eight_and_eight(unit) for unit in (UNIT, UNIT + 1)]

    async def serve() -> None:
        if port.isdigit():
            peer = ModbusTcpServer(units, address=("127.0.0.1", int(port)))
        else:
            peer = ModbusSerialServer(units, port=port, baudrate=9600, timeout=1)
        servers.append(peer)
        await peer.serve_forever(background=True)
        running.set()
        with suppress(asyncio.CancelledError):
            await peer.serving

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="pymodbus-server")
    thread.start()
    try:
        assert running.wait(5.0), "pymodbus's server did not start"
        yield
    finally:
        asyncio.run_coroutine_threadsafe(servers[0].shutdown(), loop).result(5.0)
        thread.join(5.0)
        loop.close()


@pytest.fixture(params=["rtu", "tcp"])
def framing(request: pytest.FixtureRequest) -> str:
    """How requests travel."""
    return str(request.param)


@pytest.fixture
def port(framing: str) -> Iterator[str]:
    """A port with pymodbus's server behind it."""
    if framing == "tcp":
        number = free_tcp_port()
        with server(str(number)):
            yield f"tcp://127.0.0.1:{number}"
        return
    with null_modem() as (ours, theirs), server(theirs):
        yield ours


@pytest.mark.parametrize("family", ["waveshare", "lc"])
def test_relays_and_inputs_of_an_independent_peer(family: str, framing: str, port: str) -> None:
    board: Board = open_board("peer", family, port=port, framing=framing, address=UNIT, outputs=8, inputs=8)
    board.open()
    assert board.read_inputs() == (False, True, False, False, False, False, True, False)
    assert board.read_outputs() == (False,) * 8
    for channel in (1, 8, 3):
        board.write_output(channel, True)
    assert board.read_outputs() == (True, False, True, False, False, False, False, True)
    board.write_output(8, False)
    assert board.read_outputs() == (True, False, True, False, False, False, False, False)
    board.write_outputs((False, True) * 4)  # type: ignore[attr-defined]
    assert board.read_outputs() == (False, True) * 4
    board.close()


def test_a_refusal_of_an_independent_peer_is_understood(framing: str, port: str) -> None:
    board = open_board("peer", "waveshare", port=port, framing=framing, address=UNIT, outputs=8)
    board.open()
    with pytest.raises(CommandRefused, match="unknown address"):
        board.pulse(1, 500)  # type: ignore[attr-defined]  # this peer has no coil at 0x0200
    board.close()


def test_two_units_of_an_independent_peer_are_told_apart_on_one_line(framing: str, port: str) -> None:
    line = SharedLink(line_to(port, 9600))
    first, second = (
        open_board(f"unit-{unit}", "lc", port=line, framing=framing, address=unit, outputs=8, inputs=8)
        for unit in (UNIT, UNIT + 1)
    )
    first.open()
    second.open()
    second.write_output(5, True)
    assert first.read_outputs() == (False,) * 8
    assert second.read_outputs() == tuple(n == 5 for n in range(1, 9))
    first.close()
    second.close()

"""Lines: a pseudo-terminal, a TCP connection and the loop inside one process keep the same promises."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from usb_tree import UsbTree

from drivers.errors import DriverClosed, DriverUnavailable, LinkLost, PortBusy
from drivers.link import Link, SerialLink, boot_ns
from drivers.loop import LoopLink, loop_pair
from drivers.simulated import SimulatedLine
from drivers.simulated.jacks import TcpJack
from drivers.tcp_link import TcpLink


class Parrot(SimulatedLine):
    """A device that says what it hears."""

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        return [data]


@pytest.fixture(params=["pty", "tcp", "loop"])
def parrot_line(request: pytest.FixtureRequest) -> Iterator[Link]:
    """An open line with a parrot at the other end."""
    if request.param != "loop":
        jack = TcpJack() if request.param == "tcp" else None
        with Parrot("parrot", jack=jack) as parrot:
            link: Link = TcpLink(parrot.port) if jack else SerialLink(parrot.port, 9600)
            link.open()
            yield link
            link.close()
        return
    ours, theirs = loop_pair()
    stop = threading.Event()
    theirs.open()

    def repeat() -> None:
        while not stop.is_set():
            if data := theirs.read(1024, 0.05):
                theirs.write(data)

    thread = threading.Thread(target=repeat, name="parrot")
    thread.start()
    ours.open()
    yield ours
    stop.set()
    thread.join()
    ours.close()
    theirs.close()


def read_all(link: Link, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := link.read(count - len(data), 1.0)):
        data += piece
    return data


def test_every_byte_value_travels_unchanged(parrot_line: Link) -> None:
    everything = bytes(range(256))
    parrot_line.write(everything)
    assert read_all(parrot_line, 256) == everything


def test_a_read_returns_as_soon_as_something_is_there(parrot_line: Link) -> None:
    parrot_line.write(b"x")
    started_s = time.monotonic()
    assert parrot_line.read(100, 5.0) == b"x"
    assert time.monotonic() - started_s < 5.0, "not only at the timeout"


def test_a_read_with_nothing_to_read_waits_its_time_and_returns_empty(parrot_line: Link) -> None:
    started_s = time.monotonic()
    assert parrot_line.read(100, 0.1) == b""
    assert 0.09 < time.monotonic() - started_s < 5.0


def test_last_byte_moves_with_every_byte_either_way(parrot_line: Link) -> None:
    before_ns = boot_ns()
    written_ns = parrot_line.write(b"abc")
    assert before_ns < written_ns <= boot_ns()
    assert parrot_line.last_byte_ns == written_ns
    assert read_all(parrot_line, 3) == b"abc"
    assert parrot_line.last_byte_ns > written_ns


def test_discarding_throws_away_what_has_arrived(parrot_line: Link) -> None:
    parrot_line.write(b"an old")
    assert read_all(parrot_line, 3) == b"an "
    assert parrot_line.discard() == 3, "it repeats all that it hears at once"
    assert parrot_line.read(10, 0.05) == b""


def test_a_closed_line_says_so(parrot_line: Link) -> None:
    parrot_line.close()
    parrot_line.close()
    assert not parrot_line.is_open
    for use in (lambda: parrot_line.write(b"x"), lambda: parrot_line.read(1, 0.0), parrot_line.discard):
        with pytest.raises(DriverClosed):
            use()


def test_opening_throws_away_what_waited_there() -> None:
    with Parrot("parrot") as parrot:
        link = SerialLink(parrot.port, 9600)
        link.open()
        link.write(b"from before")
        assert read_all(link, 5) == b"from ", "the rest waits"
        link.close()
        link.open()
        assert link.read(100, 0.05) == b""
        link.close()


@pytest.mark.parametrize("use", ["write", "read", "discard"])
def test_a_pulled_plug_is_a_lost_link_at_the_next_use(use: str) -> None:
    with Parrot("parrot") as parrot:
        link = SerialLink(parrot.port, 9600)
        link.open()
        parrot.unplug()
        with pytest.raises(LinkLost):
            {"write": lambda: link.write(b"x"), "read": lambda: link.read(1, 1.0), "discard": link.discard}[
                use
            ]()
        assert not link.is_open
        with pytest.raises(LinkLost):
            link.write(b"x")


def test_a_plug_that_is_pulled_while_we_wait_ends_the_wait() -> None:
    with Parrot("parrot") as parrot:
        link = SerialLink(parrot.port, 9600)
        link.open()
        timer = threading.Timer(0.1, parrot.unplug)
        timer.start()
        started_s = time.monotonic()
        with pytest.raises(LinkLost):
            link.read(1, 10.0)
        assert time.monotonic() - started_s < 10.0
        timer.join()


def test_the_link_file_follows_the_port_through_a_replug(tmp_path: Path) -> None:
    path = tmp_path / "by-path"
    with Parrot("parrot", link=path) as parrot:
        before = path.readlink()
        keeper = SerialLink(str(path), 9600)  # a user that holds the old port keeps its number taken
        keeper.open()
        parrot.unplug()
        assert not path.exists()
        parrot.replug()
        assert path.readlink() != before
        keeper.close()
        keeper.open()
        keeper.write(b"again")
        assert read_all(keeper, 5) == b"again"
        keeper.close()
    assert not path.is_symlink()


def test_two_openers_of_one_port_are_told_apart_even_in_one_process() -> None:
    with Parrot("parrot") as parrot:
        first, second = SerialLink(parrot.port, 9600), SerialLink(parrot.port, 9600)
        first.open()
        with pytest.raises(PortBusy, match="taken by another process"):
            second.open()
        first.close()
        second.open()
        second.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without permission")
def test_a_port_that_we_may_not_open_names_the_group() -> None:
    with Parrot("parrot") as parrot:
        Path(parrot.port).chmod(0o600)
        code = (
            "import os, sys; from drivers.link import SerialLink; os.setgroups([]); os.setgid(65534);"
            "os.setuid(65534); SerialLink(sys.argv[1], 9600).open()"
        )
        told = subprocess.run(
            [sys.executable, "-c", code, parrot.port], capture_output=True, text=True, check=False
        )
    assert told.returncode == 1
    assert "PortForbidden" in told.stderr
    assert "add user nobody to group dialout: sudo usermod -aG dialout nobody" in told.stderr


def test_a_port_that_another_process_holds_names_it_even_when_that_asked_for_no_lock() -> None:
    holder = (
        "import os, sys, time; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY);"
        "print('held', flush=True); time.sleep(60)"
    )
    with (
        Parrot("parrot") as parrot,
        subprocess.Popen([sys.executable, "-c", holder, parrot.port], stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        link = SerialLink(parrot.port, 9600)
        try:
            with pytest.raises(
                PortBusy, match=rf"taken by another process, .* \(process {process.pid}\); stop it"
            ):
                link.open()
            assert not link.is_open
        finally:
            process.kill()
        process.wait()
        link.open()
        link.close()


def test_a_usb_adapter_is_opened_again_under_another_name(tmp_path: Path) -> None:
    tree = UsbTree(tmp_path)
    with Parrot("one") as one, Parrot("two") as two:
        tree.plug("ttyUSB0", one.port, serial="AB0123")
        link = SerialLink("usb:serial=AB0123", 9600, finder=tree.finder)
        link.open()
        assert link.is_there
        tree.pull("ttyUSB0")
        one.unplug()
        assert not link.is_there
        with pytest.raises(LinkLost):
            link.write(b"x")
        with pytest.raises(DriverUnavailable, match="plugged in"):
            link.open()
        tree.plug("ttyUSB1", two.port, path="1-1.3", serial="AB0123")
        link.open()
        link.write(b"again")
        assert read_all(link, 5) == b"again"
        link.close()


@pytest.mark.parametrize("use", ["write", "read", "discard"])
def test_a_host_that_goes_away_is_a_lost_link_and_can_be_connected_again(use: str) -> None:
    with Parrot("parrot", jack=TcpJack()) as parrot:
        link = TcpLink(parrot.port)
        link.open()
        link.open()
        parrot.unplug()

        def use_it() -> None:
            for _ in range(100):  # the first write may still fit into the kernel's buffer
                {
                    "write": lambda: link.write(b"x"),
                    "read": lambda: link.read(1, 1.0),
                    "discard": link.discard,
                }[use]()
                time.sleep(0.01)

        with pytest.raises(LinkLost, match="is the host on"):
            use_it()
        with pytest.raises(LinkLost):
            link.write(b"x")
        with pytest.raises(PortBusy, match="takes no connection on port"):
            link.open()
        parrot.replug()
        link.open()
        link.write(b"again")
        assert read_all(link, 5) == b"again"
        link.close()
        link.close()


def test_a_host_that_is_not_there_is_told_in_bounded_time() -> None:
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # nobody accepts them, and then the kernel answers nobody any more
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        link = TcpLink(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        started_s = time.monotonic()
        with pytest.raises(DriverUnavailable, match=r"host 127.0.0.1 does not answer; right address"):
            link.open()
        assert time.monotonic() - started_s < 30.0


@pytest.mark.parametrize("path", ["/dev/null", "/dev", "/proc/self/status"])
def test_what_is_no_serial_port_is_called_so(path: str) -> None:
    with pytest.raises(DriverUnavailable, match="not a serial port"):
        SerialLink(path, 9600).open()


def test_a_missing_port_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(DriverUnavailable, match="plugged in") as caught:
        SerialLink(str(tmp_path / "ttyUSB0"), 9600).open()
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def opened_pair() -> tuple[LoopLink, LoopLink]:
    ours, theirs = loop_pair()
    ours.open()
    theirs.open()
    return ours, theirs


def test_loop_faults_drop_split_soil_and_delay() -> None:
    ours, theirs = opened_pair()
    ours.faults.drop = 1
    ours.write(b"lost")
    ours.faults.garbage_before, ours.faults.garbage_after, ours.faults.split_bytes = b"<<", b">>", 3
    ours.write(b"kept")
    assert theirs.read(100, 0.1) == b"<<k"
    assert theirs.read(1, 0.1) == b"e"
    assert theirs.read(100, 0.1) + theirs.read(100, 0.1) == b"pt>>"
    ours.faults.delay_ms = 80.0
    ours.write(b"late")
    assert theirs.read(100, 0.02) == b""
    assert theirs.read(100, 1.0) == b"<<l"
    ours.close()
    theirs.close()


def test_a_cut_loop_is_a_lost_link_at_both_ends_until_it_is_opened_again() -> None:
    ours, theirs = opened_pair()
    ours.cut()
    for end in (ours, theirs):
        with pytest.raises(LinkLost):
            end.write(b"x")
        end.open()
    ours.write(b"x")
    assert theirs.read(1, 0.1) == b"x"
    ours.close()
    theirs.close()

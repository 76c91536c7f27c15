"""Ports by path, by what a USB adapter says of itself, and on the network; and who holds one."""

import os
from pathlib import Path

import pytest
from usb_tree import UsbTree

from drivers.errors import DriverError, DriverUnavailable
from drivers.port_problems import Holder, holders_of, taken_by
from drivers.ports import PortFinder, check_port, host_and_port


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path)


def test_a_path_is_itself_whether_it_exists_or_not() -> None:
    assert PortFinder().node_of("/dev/serial/by-path/x") == Path("/dev/serial/by-path/x")


def test_an_adapter_is_found_by_serial_number_socket_or_make(tree: UsbTree) -> None:
    first = tree.plug("ttyUSB0", path="1-1.1", serial="AB0123", id="0403:6001")
    second = tree.plug("ttyACM0", path="1-1.2", serial="00042", id="04d8:ffee")
    assert tree.finder.node_of("usb:serial=AB0123") == first
    assert tree.finder.node_of("usb:path=1-1.2") == second
    assert tree.finder.node_of("usb:id=04D8:FFEE") == second
    assert tree.finder.node_of("usb:id=0403:6001,serial=AB0123") == first
    assert [port.node.name for port in tree.finder.usb_ports()] == ["ttyACM0", "ttyUSB0"]


def test_an_adapter_is_found_again_under_its_new_name(tree: UsbTree) -> None:
    tree.plug("ttyUSB0", serial="AB0123")
    tree.pull("ttyUSB0")
    with pytest.raises(DriverUnavailable, match="there is none at all"):
        tree.finder.node_of("usb:serial=AB0123")
    node = tree.plug("ttyUSB1", path="1-1.4", serial="AB0123")
    assert tree.finder.node_of("usb:serial=AB0123") == node


def test_what_is_there_instead_is_told(tree: UsbTree) -> None:
    tree.plug("ttyUSB0", serial="XY9", id="1a86:7523")
    with pytest.raises(DriverUnavailable) as caught:
        tree.finder.node_of("usb:serial=AB0123")
    assert "plugged in?" in str(caught.value)
    assert "ttyUSB0 (path=1-1.2,id=1a86:7523,serial=XY9)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_adapters_that_fit_are_not_guessed_between(tree: UsbTree) -> None:
    tree.plug("ttyUSB0", path="1-1.1")
    tree.plug("ttyUSB1", path="1-1.2")
    with pytest.raises(DriverUnavailable, match="add path="):
        tree.finder.node_of("usb:id=1a86:7523")


def test_one_adapter_with_two_ports_needs_the_interface(tree: UsbTree) -> None:
    tree.plug("ttyUSB0", serial="FT4", interface=0)
    second = tree.plug("ttyUSB1", serial="FT4", interface=1)
    assert tree.finder.node_of("usb:serial=FT4,interface=1") == second


def test_this_machines_own_sysfs_is_read_without_a_fault() -> None:
    for port in PortFinder().usb_ports():
        assert port.node.name.startswith("tty")


@pytest.mark.parametrize(
    "port",
    ["/dev/ttyUSB0", "usb:serial=AB0123", "usb:path=1-1.2", "usb:id=1a86:7523", "tcp://192.0.2.20:502"],
)
def test_ports_that_can_be_meant_pass(port: str) -> None:
    check_port(port)


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("ttyUSB0", "did you mean /dev/ttyUSB0?"),
        ("COM3", "write /dev/serial/by-path/"),
        ("usb:seral=AB0123", "did you mean serial=...?"),
        ("usb:AB0123", "write serial, path, id, interface"),
        ("usb:serial=", "is no condition"),
        ("usb:id=1a86", "vendor:product"),
        ("usb:interface=1", "fits every adapter"),
        ("tcp://192.0.2.20", "write tcp://host:number"),
        ("tcp://192.0.2.20:99999", "write tcp://host:number"),
        ("tcp://192.0.2.20:502/x", "write tcp://host:number"),
        ("tcp://relay.local:502", "no name server"),
    ],
)
def test_what_is_no_port_says_what_to_write(port: str, said: str) -> None:
    with pytest.raises(DriverError) as caught:
        check_port(port)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_host_and_its_port_are_told_apart() -> None:
    assert host_and_port("tcp://[::1]:502") == ("::1", 502)


def false_process(proc: Path, pid: int, name: str, opened: str, *words: str) -> None:
    (proc / str(pid) / "fd").mkdir(parents=True)
    (proc / str(pid) / "fd" / "3").symlink_to(opened)
    (proc / str(pid) / "comm").write_text(f"{name}\n")
    (proc / str(pid) / "cmdline").write_bytes(b"\0".join(word.encode() for word in words))


def test_whoever_has_a_device_open_is_named(tmp_path: Path) -> None:
    false_process(tmp_path, 71, "ModemManager", "/dev/null", "/usr/sbin/ModemManager")
    false_process(tmp_path, 72, "python3", "/dev/null", "/usr/bin/python3", "-u", "/opt/other/poll.py")
    false_process(tmp_path, 73, "screen", "/dev/zero", "screen")
    false_process(tmp_path, os.getpid(), "ourselves", "/dev/null", "x")
    (tmp_path / "74").mkdir()  # another user's: no fd to be seen
    (tmp_path / "self").mkdir()
    found = holders_of(Path("/dev/null"), tmp_path)
    assert sorted(found, key=lambda holder: holder.pid) == [Holder(71, "ModemManager"), Holder(72, "poll.py")]
    assert holders_of(Path("/dev/no-such-device"), tmp_path) == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ModemManager", "systemctl disable --now ModemManager"),
        ("agetty", "serial-getty@ttyAMA0"),
        ("gatehouse", "systemctl stop gatehouse"),
        ("screen", "stop it, or choose another port"),
    ],
)
def test_the_remedy_fits_who_holds_the_port(name: str, said: str) -> None:
    error = taken_by("/dev/ttyAMA0", Path("/dev/ttyAMA0"), (Holder(71, name),))
    assert said in str(error)
    assert f"{name} (process 71)" in str(error)


def test_a_holder_that_cannot_be_seen_leaves_the_command_that_can() -> None:
    error = taken_by("usb:serial=1", Path("/dev/ttyUSB0"), ())
    assert "sudo fuser -v /dev/ttyUSB0" in str(error)

"""Where a serial port is: a path, or a USB adapter found by what it says of itself.

    /dev/serial/by-path/...   a path; for adapters without a serial number (CH340), bound to their socket
    usb:serial=AB0123         the adapter with that serial number, whatever socket it is in
    usb:path=1-1.2            whatever is plugged into that socket (names as in /sys/bus/usb/devices)
    usb:id=1a86:7523          vendor and product, where only one such adapter is plugged in
    tcp://192.0.2.20:502      a host on the network (``drivers.tcp_link``)

Several conditions are joined by commas; ``interface=1`` picks one of several ports of one adapter. Names like
ttyUSB0 depend on the order of plugging in, so a port is looked for anew at every opening.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from drivers.errors import DriverError, DriverUnavailable

_USB_KEYS = ("serial", "path", "id", "interface")
_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_EXAMPLES = "/dev/serial/by-path/..., usb:serial=AB0123 or tcp://192.0.2.20:502"


@dataclass(frozen=True, slots=True)
class UsbPort:
    """A serial port of a USB adapter.

    Attributes:
        node: Device node, for now.
        serial: Serial number of the adapter, often empty or the same for all of its make.
        path: Its socket, as the kernel names it.
        id: Vendor and product, ``1a86:7523``.
        interface: Which of the adapter's ports.
        product: What it calls itself.
    """

    node: Path
    serial: str
    path: str
    id: str
    interface: str
    product: str

    def __str__(self) -> str:
        said = [f"path={self.path}", f"id={self.id}"] + ([f"serial={self.serial}"] if self.serial else [])
        return f"{self.node} ({','.join(said)})"


class PortFinder:
    """Looks ports up in sysfs.

    Args:
        sysfs: Where sysfs is mounted.
        dev: Where device nodes are.
    """

    def __init__(self, sysfs: Path = Path("/sys"), dev: Path = Path("/dev")) -> None:
        self._sysfs, self._dev = sysfs, dev

    def node_of(self, port: str) -> Path:
        """The device node of a port as configured.

        Raises:
            DriverUnavailable: Nothing there fits, or more than one thing does.
        """
        if not port.startswith("usb:"):
            return Path(port)
        wanted = _conditions(port)
        there = self.usb_ports()
        fits = [p for p in there if all(getattr(p, key) == value for key, value in wanted.items())]
        if len(fits) == 1:
            return fits[0].node
        if fits:
            raise DriverUnavailable(
                port, f"fits {_listed(fits)}; add path=... or interface=... to choose one"
            )
        has = f"there is {_listed(there)}" if there else "there is none at all"
        raise DriverUnavailable(port, f"no such USB serial adapter; plugged in? {has}")

    def usb_ports(self) -> tuple[UsbPort, ...]:
        """Every serial port of every USB adapter that is plugged in, by name."""
        ports = (self._usb_port(entry) for entry in sorted((self._sysfs / "class" / "tty").glob("tty*")))
        return tuple(port for port in ports if port is not None)

    def _usb_port(self, entry: Path) -> UsbPort | None:
        device = entry / "device"
        if not device.exists():  # a console, or a port that is just going away
            return None
        here = device.resolve()
        above = (here, *here.parents)
        usb = next((folder for folder in above if (folder / "idVendor").exists()), None)
        if usb is None:
            return None
        interface = next((folder for folder in above if (folder / "bInterfaceNumber").exists()), here)
        return UsbPort(
            node=self._dev / entry.name,
            serial=_read(usb / "serial"),
            path=usb.name,
            id=f"{_read(usb / 'idVendor')}:{_read(usb / 'idProduct')}",
            interface=_read(interface / "bInterfaceNumber").lstrip("0") or "0",
            product=_read(usb / "product"),
        )


def check_port(port: str) -> None:
    """See that a port is written in one of the ways above; nothing is opened or looked for.

    Raises:
        DriverError: It is not; says what was probably meant.
    """
    if port.startswith("tcp://"):
        host_and_port(port)
    elif port.startswith("usb:"):
        _conditions(port)
    elif not port.startswith("/"):
        meant = f"; did you mean /dev/{port}?" if re.fullmatch(r"tty\w+", port) else ""
        raise DriverError(port, f"not a port{meant or '; write ' + _EXAMPLES}")


def host_and_port(port: str) -> tuple[str, int]:
    """Host and number of ``tcp://host:number``; the host is a number too, because name servers fail.

    Raises:
        DriverError: It is written in another way.
    """
    try:
        parts = urlsplit(port)
        host, number = parts.hostname, parts.port
    except ValueError:
        host = number = None
    is_plain = port.startswith("tcp://") and not (parts.path or parts.query or parts.username)
    if not host or not number or not is_plain:
        raise DriverError(port, "not a port; write tcp://host:number, as in tcp://192.0.2.20:502")
    try:
        ip_address(host)
    except ValueError:
        reason = f"write the number of host {host!r}: a gate must also open while no name server answers"
        raise DriverError(port, reason) from None
    return host, number


def _conditions(port: str) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for word in port.removeprefix("usb:").split(","):
        key, equals, value = word.partition("=")
        if key not in _USB_KEYS or not equals or not value:
            close = get_close_matches(key, _USB_KEYS, n=1)
            meant = f"; did you mean {close[0]}=...?" if close else f"; write {', '.join(_USB_KEYS)} =..."
            raise DriverError(port, f"{word!r} is no condition on a USB adapter{meant}")
        wanted[key] = value.lower() if key == "id" else value
    if "id" in wanted and not _ID.fullmatch(wanted["id"]):
        raise DriverError(port, "id is vendor:product in hexadecimal, as in usb:id=1a86:7523 (see lsusb)")
    if set(wanted) == {"interface"}:
        raise DriverError(port, "interface alone fits every adapter; say serial, path or id as well")
    return wanted


def _listed(ports: tuple[UsbPort, ...] | list[UsbPort]) -> str:
    return ", ".join(str(port) for port in ports)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # no such attribute, or the adapter has just been pulled
        return ""

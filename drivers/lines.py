"""From a port as configured to the line behind it: serial or network."""

from drivers.link import Link, SerialLink
from drivers.ports import PortFinder
from drivers.tcp_link import TcpLink


def line_to(
    port: str, baud: int, *, parity: str = "N", stop_bits: int = 1, finder: PortFinder | None = None
) -> Link:
    """A line that is not open yet.

    Args:
        port: A path, ``usb:...`` or ``tcp://host:number`` (see ``drivers.ports``).
        baud: Bits per second; like parity and stop bits without meaning on the network.
        parity: ``N``, ``E`` or ``O``.
        stop_bits: 1 or 2.
        finder: Finds the device node of a serial port.

    Raises:
        DriverError: The port is written in no known way.
    """
    if port.startswith("tcp://"):
        return TcpLink(port)
    return SerialLink(port, baud, parity=parity, stop_bits=stop_bits, finder=finder)

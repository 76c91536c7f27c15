"""A relay board: does its port open, does it answer, is it what the configuration says. Moves nothing."""

import re
from pathlib import Path

from drivers.errors import BadReply, DriverError, PortBusy, ReplyTimeout
from drivers.ports import PortFinder, UsbPort
from edge.doctor.finding import Finding, Grade
from edge.lanes.wiring import driver_of
from edge.settings import Settings


def examine_board(name: str, settings: Settings) -> Finding:
    """Open a board and ask it once. Blocks for about a second.

    Args:
        name: In the configuration.
        settings: All of it.
    """
    part = f"board {name}"
    board = settings.boards[name]
    if board.type == "simulated":
        return Finding(part, Grade.UNASKED, "simulated; it exists inside the daemon only")
    if board.type == "reader":
        return Finding(part, Grade.UNASKED, f"relays inside reader {board.reader}; the daemon reaches them")
    try:
        driver = driver_of(name, board)
        driver.open()
    except PortBusy as error:
        advice = "stop the daemon first if it is the one: systemctl stop gatehouse"
        return Finding(part, Grade.UNASKED, str(error), advice, "端口被占用;如为本服务请先停止再检测")
    except (ReplyTimeout, BadReply) as error:
        advice = "the port is there, the board is not: power, A and B of the line, address, baud"
        return Finding(part, Grade.BAD, str(error), advice, "端口可用但设备无应答,请检查供电、接线和地址")
    except DriverError as error:
        advice = "check cable and power, then port, address and baud in the configuration"
        return Finding(part, Grade.BAD, str(error), advice, "请检查线缆、供电、端口、地址和波特率")
    try:
        can = driver.capabilities
        figures: dict[str, object] = {
            "outputs": can.outputs,
            "inputs": can.inputs,
            "reads_back": can.reads_back,
        }
        says = "answers" if can.acknowledges or can.reads_back or can.inputs else "is open (it never answers)"
        words = f"{board.type} at {board.port} {says}: {can.outputs} outputs, {can.inputs} inputs"
        adapter = adapter_at(board.port, PortFinder())
        if adapter is None:
            return Finding(part, Grade.GOOD, words, figures=figures)
        figures |= {"node": str(adapter.node), "usb_id": adapter.id, "usb_path": adapter.path}
        figures |= {"usb_serial": adapter.serial, "usb_product": adapter.product}
        return Finding(part, Grade.GOOD, f"{words}; through {said_of(adapter, board.port)}", figures=figures)
    finally:
        driver.close()


def adapter_at(port: str, finder: PortFinder) -> UsbPort | None:
    """The USB adapter behind a port as configured; None where there is none, or it has gone."""
    try:
        node = finder.node_of(port)
    except DriverError:
        return None
    return next((there for there in finder.usb_ports() if there.node.resolve() == node.resolve()), None)


def said_of(adapter: UsbPort, port: str) -> str:
    """What an adapter says of itself, and a better name for its port where the one given will not last."""
    words = f"{adapter.product or 'a USB adapter'} {adapter}"
    if re.fullmatch(r"/dev/tty(USB|ACM)\d+", str(Path(port))):
        better = f"serial={adapter.serial}" if adapter.serial else f"path={adapter.path}"
        words += f"; its number changes with the order of plugging in: better port = 'usb:{better}'"
    return words

"""Why a serial port does not open, in one line that says what to do about it."""

import errno
import getpass
import grp
import os
import stat
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import DriverError, DriverUnavailable, PortBusy, PortForbidden

PROC = Path("/proc")
_TAKEN = frozenset({errno.EAGAIN, errno.EBUSY})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.EIO})
_NO_TERMINAL = frozenset({errno.ENOTTY, errno.EINVAL, errno.EISDIR})
_USUAL_GROUP = "dialout"
_REMEDIES = {
    "ModemManager": "it takes relay boards for modems: sudo systemctl disable --now ModemManager",
    "agetty": "a login console runs there: sudo systemctl disable --now serial-getty@{name}",
    "gatehouse": "the daemon drives it: sudo systemctl stop gatehouse",
    "brltty": "it takes CH340 boards for Braille displays: sudo apt remove brltty",
}


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port open."""

    pid: int
    name: str


def holders_of(node: Path, proc: Path = PROC) -> tuple[Holder, ...]:
    """Other processes that have a device open, as far as this user may see.

    Args:
        node: Device node, or a link to it.
        proc: Where the process file system is mounted.
    """
    try:
        device = node.stat()
    except OSError:
        return ()
    found = (
        Holder(pid, _name_of(proc / str(pid)))
        for pid in _pids(proc)
        if pid != os.getpid() and _has_open(proc / str(pid) / "fd", device)
    )
    return tuple(found)


def taken_by(port: str, node: Path, holders: tuple[Holder, ...]) -> PortBusy:
    """The error that names whoever holds a port."""
    if not holders:
        return PortBusy(
            port,
            f"taken by another process; see which: sudo fuser -v {node}; stop it, or choose another port",
        )
    named = ", ".join(f"{holder.name} (process {holder.pid})" for holder in holders)
    remedy = _REMEDIES.get(holders[0].name, "stop it, or choose another port").format(name=node.name)
    return PortBusy(port, f"taken by another process, {named}; {remedy}")


def why_not_open(port: str, node: Path, failure: Exception) -> DriverError:
    """Name the reason why a port did not open, and what to do about it.

    Args:
        port: As configured.
        node: The device node that was tried.
        failure: What came of it.
    """
    code = _errno_of(failure)
    if code in _TAKEN:
        return taken_by(port, node, holders_of(node))
    if code in _FORBIDDEN:
        if code == errno.EPERM:
            return PortForbidden(
                port, "the system forbids it; under systemd: add DeviceAllow= for it to the unit"
            )
        return PortForbidden(port, f"no permission; {_how_to_be_allowed(node)}")
    if code in _NO_TERMINAL:
        return DriverUnavailable(port, "is not a serial port")
    if code in _ABSENT or not node.exists():
        return DriverUnavailable(port, "no such port; plugged in? ls /dev/serial/by-path")
    return DriverUnavailable(port, f"cannot be opened: {failure}")


def _how_to_be_allowed(node: Path) -> str:
    user, group = _user(), _group_of(node)
    if group in {_group_name(number) for number in os.getgroups()}:
        return f"its mode keeps even group {group} out: sudo chmod g+rw {node}"
    if user in _members(group):
        return f"user {user} is in group {group} since the last login: log out and in, or restart the service"
    return f"add user {user} to group {group}: sudo usermod -aG {group} {user}, then restart the service"


def _group_of(node: Path) -> str:
    """The group that may use the node; the usual one when the node lets no group in."""
    try:
        status = node.stat()
    except OSError:
        return _USUAL_GROUP
    lets_in = status.st_mode & (stat.S_IRGRP | stat.S_IWGRP) == stat.S_IRGRP | stat.S_IWGRP
    name = _group_name(status.st_gid)
    return name if lets_in and name not in ("", "root") else _USUAL_GROUP


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""


def _members(group: str) -> list[str]:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in some containers
        return str(os.geteuid())


def _pids(proc: Path) -> Iterator[int]:
    for entry in proc.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _has_open(folder: Path, device: os.stat_result) -> bool:
    try:
        for entry in folder.iterdir():
            try:
                opened = entry.stat()
            except OSError:  # closed meanwhile
                continue
            if stat.S_ISCHR(opened.st_mode) and opened.st_rdev == device.st_rdev:
                return True
    except OSError:  # ended meanwhile, or another user's
        return False
    return False


def _name_of(folder: Path) -> str:
    """What people call the process: of an interpreter its script, not the interpreter."""
    try:
        name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    if name.startswith("python"):
        scripts = [word for word in words[1:] if word and not word.startswith(b"-")]
        return Path(os.fsdecode(scripts[0])).name if scripts else name
    return name


def _errno_of(failure: BaseException | None) -> int | None:
    """Error number of a failure; pyserial hides some in the exception that it replaces."""
    while failure is not None:
        if isinstance(failure, OSError) and failure.errno is not None:
            return failure.errno
        if isinstance(failure, termios.error) and failure.args:
            return int(failure.args[0])
        failure = failure.__context__
    return None

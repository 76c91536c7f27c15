"""Giving an OSDP reader its key: the only time that the public factory key is let in, on a person's command.

The new key travels under the factory key, which everybody knows; so this is done where nobody taps the line.
The key is on the disk before the reader hears it: whatever happens in between, it is known here.
"""

import time
from collections.abc import Callable
from pathlib import Path

from drivers.lines import line_to
from drivers.reader.osdp import OsdpLine, OsdpReader
from edge.errors import KeyRefused, Unavailable, UsageError
from edge.readers.keys import forget_key, key_path, new_key, read_key, write_key
from edge.settings import OsdpReaderSettings, Settings

WAIT_S = 30.0
_RETRY_S = 2.0
_POLL_S = 0.05

Say = Callable[[str], None]


def install_reader(name: str, settings: Settings, say: Say, *, again: bool = False) -> Path:
    """Give a reader a key of its own, see that it has it, and keep it.

    Args:
        name: Of an OSDP reader of the configuration; the daemon must not hold its port.
        settings: The configuration.
        say: Told each step.
        again: Although there is a key: for another reader in its place, or one that was reset.

    Returns:
        Where the key is.

    Raises:
        UsageError: It is no OSDP reader. KeyRefused: It has a key that we do not know. Unavailable: It does
            not answer. DriverError: Its port cannot be had.
    """
    reader = settings.readers.get(name)
    if reader is None:
        known = ", ".join(settings.readers) or "none"
        raise UsageError(f"there is no reader {name!r}; there are: {known}")
    if not isinstance(reader, OsdpReaderSettings):
        raise UsageError(f"reader {name!r} is a {reader.type} reader; only OSDP readers have keys")
    path = key_path(name, reader, settings.device.state_dir)
    pending = path.with_name(f"{path.name}.pending")
    if path.exists() and not again:
        if _proves(name, reader, read_key(path)):
            say(f"{name} holds its key already. 密钥已存在且有效")
            return path
        raise KeyRefused(
            f"{name} does not prove that it holds {path}; reset it to its factory key, then: install --again"
        )
    if not pending.exists():
        write_key(pending, new_key())
    key = read_key(pending)
    say(f"{name}: waiting for the reader at {reader.port}, address {reader.address}. 等待读卡器")
    if not _online(name, reader, key, installing=True, for_s=WAIT_S):
        raise Unavailable(
            f"{name} does not answer or takes no key; is it powered, at this address and baud, and reset to"
            " its factory key? 读卡器无应答或未恢复出厂密钥"
        )
    if not _proves(name, reader, key):
        raise KeyRefused(f"{name} answers, but does not prove that it took the key; run this again")
    write_key(path, key)
    forget_key(pending)
    say(f"{name} has a key of its own, kept at {path}. 密钥已写入")
    return path


def _proves(name: str, reader: OsdpReaderSettings, key: bytes) -> bool:
    return _online(name, reader, key, installing=False, for_s=WAIT_S / 2)


def _online(name: str, reader: OsdpReaderSettings, key: bytes, *, installing: bool, for_s: float) -> bool:
    """Whether the reader comes online with the secure channel under this key."""
    line = OsdpLine(
        name,
        line_to(reader.port, reader.baud),
        [OsdpReader(name, reader.address, key)],
        retry_s=_RETRY_S,
        install=installing,
    )
    line.open()
    try:
        deadline_s = time.monotonic() + for_s
        while time.monotonic() < deadline_s:
            line.poll(_POLL_S)
            if line.is_secure(name):
                return True
        return False
    finally:
        line.close()

"""Keys of OSDP readers: one of its own for each, in a file that only the service may read."""

import secrets
from pathlib import Path

from drivers.reader.osdp_library import FACTORY_KEY, KEY_BYTES
from edge.errors import SettingsError, Unavailable
from edge.settings_readers import OsdpReaderSettings
from edge.store import twofold

FOLDER = "readers"


def key_path(name: str, reader: OsdpReaderSettings, state_dir: Path) -> Path:
    """Where the key of a reader is kept."""
    return reader.key_file or state_dir / FOLDER / f"{name}.key"


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises:
        Unavailable: It is not there, or may not be read. SettingsError: It is no key.
    """
    try:
        key = _key_in(twofold.read(path, lambda data: bool(_key_in(data))).data)
    except FileNotFoundError:
        raise Unavailable(f"no key at {path}; gatehouse reader install gives the reader one") from None
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error
    if not key:
        raise SettingsError(f"{path}: not a key: {2 * KEY_BYTES} hexadecimal digits, and not the factory's")
    return key


def _key_in(content: bytes) -> bytes:
    """The key that a file of this content holds; empty when it holds none."""
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        return b""
    return key if len(key) == KEY_BYTES and key != FACTORY_KEY else b""


def new_key() -> bytes:
    """A fresh key."""
    return secrets.token_bytes(KEY_BYTES)


def forget_key(path: Path) -> None:
    """Delete a key and its copy."""
    path.unlink(missing_ok=True)
    twofold.copy_of(path).unlink(missing_ok=True)


def write_key(path: Path, key: bytes) -> None:
    """Keep a key, on the disk when this returns.

    Raises:
        Unavailable: It cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        twofold.write(path, f"{key.hex()}\n".encode("ascii"))
    except OSError as error:
        raise Unavailable(f"{path}: the key cannot be written: {error.strerror}") from error

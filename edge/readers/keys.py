"""Keys of OSDP readers: one of its own for each, in a file that only the service may read."""

import os
import secrets
from pathlib import Path

from drivers.reader.osdp_library import FACTORY_KEY, KEY_BYTES
from edge.errors import SettingsError, Unavailable
from edge.settings_readers import OsdpReaderSettings

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
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise Unavailable(f"no key at {path}; gatehouse reader install gives the reader one") from None
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or key == FACTORY_KEY:
        raise SettingsError(f"{path}: not a key: {2 * KEY_BYTES} hexadecimal digits, and not the factory's")
    return key


def new_key() -> bytes:
    """A fresh key."""
    return secrets.token_bytes(KEY_BYTES)


def write_key(path: Path, key: bytes) -> None:
    """Keep a key, on the disk when this returns.

    Raises:
        Unavailable: It cannot be written.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{key.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise Unavailable(f"{path}: the key cannot be written: {error.strerror}") from error

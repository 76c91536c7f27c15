"""Small files that must not be lost to a bad card: each in two generations, the second with a checksum.

``device.key`` is written as it is; beside it lies ``device.key.copy``: one line with the SHA-256 of what
follows, then the same content. Both are written whole or not at all (draft, flush, rename, flush of the
folder), the copy first: after a power cut between the two the copy is the newer one, and the file follows it.
A file that is gone, cut, zeroed or differs from a copy whose checksum is right is put back from it; what was
there is kept as ``<name>.odd``. Whoever replaces such a file by hand removes the copy too.
"""

import hashlib
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.store.salvage import flush_folder

log = logging.getLogger(__name__)

_MARK = b"gatehouse 1 sha256 "


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds. ``notice``: one line when it had to be put back, else empty."""

    data: bytes
    notice: str = ""


def copy_of(path: Path) -> Path:
    """Where the second generation lies."""
    return path.with_name(f"{path.name}.copy")


def write(path: Path, data: bytes) -> None:
    """Write both; on the disk when this returns. Mode 0600.

    Raises:
        OSError: The disk refuses; the old content stands, whole.
    """
    _replace(copy_of(path), _MARK + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
    _replace(path, data)


def read(path: Path, is_sound: Callable[[bytes], bool]) -> Content:
    """Read a file, and mend it or its copy where one of them is damaged.

    Args:
        path: The file.
        is_sound: Whether this could be its content; nothing else is ever copied.

    Raises:
        FileNotFoundError: There is neither.
        OSError: It cannot be read.
    """
    copy = _checked(copy_of(path))
    try:
        data: bytes | None = path.read_bytes()
    except FileNotFoundError:
        data = None
    if copy is None:
        if data is None:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        if is_sound(data):
            _try_to(copy_of(path), _MARK + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
        return Content(data)
    if data == copy:
        return Content(data)
    if data:
        _try_to(path.with_name(f"{path.name}.odd"), data)
    _try_to(path, copy)
    notice = f"{path.name} was {'gone' if data is None else 'damaged'} and is put back from its copy"
    log.error("%s: %s; check the card", path.parent, notice)
    return Content(copy, notice)


def _checked(path: Path) -> bytes | None:
    """The content of a copy whose checksum is right; None for every other."""
    try:
        head, newline, data = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if newline and head == _MARK + hashlib.sha256(data).hexdigest().encode():
        return data
    log.error("%s: this copy is damaged and written anew; check the card", path)
    return None


def _try_to(path: Path, data: bytes) -> None:
    """Write if the disk lets us: what was read is good either way."""
    try:
        _replace(path, data)
    except OSError as error:
        log.error("%s: cannot be written: %s", path, error.strerror)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)

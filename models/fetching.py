"""Fetches the weights that are published elsewhere: resumable, through the proxy of the environment, checked.

A file is used only when its size and its SHA-256 are the ones written here: weights decide who comes in. What
has arrived stands beside the wanted place with ``.part`` behind its name, and takes the place in one step.
"""

import http.client
import logging
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from models.errors import ModelMismatch, ModelNotFound
from models.manifest import ModelEntry

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are there."""

_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = 30.0
# Given up after so many tries in a row that brought not one byte; a bad link that crawls on is not given up.
_FRUITLESS_TRIES = 4
_LONGEST_PAUSE_S = 30.0
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})  # worth another try (RFC 9110, 6585, 8470)


class _Cut(Exception):
    """The connection failed or ended early; another try may help."""


def fetch_model(
    entry: ModelEntry, folder: Path, progress: Progress | None = None, *, pause_s: float = 1.0
) -> Path:
    """Fetch a file from its official address, unless the right one is there already.

    A cut connection is taken up where it ended, also by a later call. The proxy is the one that the
    environment names (``https_proxy``, ``no_proxy``).

    Args:
        entry: What to fetch; its ``url`` must be given.
        folder: Where to; made if absent.
        progress: Told what has arrived.
        pause_s: Before the second try in a row without success; doubled before each further one.

    Returns:
        Path of the file, checked.

    Raises:
        ModelNotFound: The address cannot be reached or has no such file; what has arrived is kept.
        ModelMismatch: Another size or another SHA-256 than expected; what has arrived is removed.
        OSError: The folder cannot be written.
    """
    path = folder / entry.file
    if _is_right(entry, path):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{entry.file}.part"
    if _size(part) >= entry.bytes and not _is_right(entry, part):
        part.unlink()
    fruitless, most = 0, _size(part)
    while _size(part) != entry.bytes:
        try:
            with part.open("ab") as stream:
                _receive(entry, stream, progress or _unheard)
        except _Cut as cut:
            # Counted against the most there ever was: a server without ranges may cut every answer.
            fruitless, most = (0, _size(part)) if _size(part) > most else (fruitless + 1, most)
            if fruitless >= _FRUITLESS_TRIES:
                kept = f"; {_size(part):,} bytes are kept for the next try" if _size(part) else ""
                raise ModelNotFound(entry.name, f"{entry.url}: {cut}{kept}") from cut.__cause__
            log.info("%s: %s, trying again", entry.url, cut)
            time.sleep(min(_LONGEST_PAUSE_S, pause_s * 2**fruitless) if fruitless else 0.0)
        except ModelMismatch:
            part.unlink(missing_ok=True)
            raise
    return _settle(entry, part, path, f"what {entry.url} gave")


def place_model(entry: ModelEntry, source: Path, folder: Path) -> Path:
    """Copy a file that was brought by hand, under the same checks; ``source`` itself stays as it is.

    Raises:
        ModelNotFound: ``source`` is not there or cannot be read.
        ModelMismatch: It has another size or another SHA-256 than expected.
        OSError: The folder cannot be written.
    """
    try:
        size = source.stat().st_size
        stream = source.open("rb")
    except OSError as error:
        raise ModelNotFound(entry.name, f"{source}: cannot be read: {error.strerror}") from error
    with stream:
        if size != entry.bytes:
            raise ModelMismatch(entry.name, f"{source} has {size:,} bytes, {entry.bytes:,} were expected")
        folder.mkdir(parents=True, exist_ok=True)
        placed = folder / f"{entry.file}.placed"
        with placed.open("wb") as copy:
            shutil.copyfileobj(stream, copy, _CHUNK_BYTES)
    return _settle(entry, placed, folder / entry.file, str(source))


def _receive(entry: ModelEntry, stream: IO[bytes], progress: Progress) -> None:
    """Append what is still missing; returns when everything is there."""
    here = stream.tell()
    request = urllib.request.Request(entry.url, headers={"User-Agent": "gatehouse"})  # noqa: S310  (pinned)
    if here:
        request.add_header("Range", f"bytes={here}-")
    with _foreign_mapped(entry, stream):
        # Made anew for each call: it reads the proxies of the environment when it is made.
        answer = urllib.request.build_opener().open(request, timeout=_TIMEOUT_S)
    with answer:
        if here and not _continues_at(answer, here):
            stream.truncate(0)  # the server does not know ranges and begins anew
            here = 0
        length = answer.headers.get("Content-Length", "")
        promised = here + int(length) if length.isascii() and length.isdigit() else None
        if promised is not None and promised != entry.bytes:
            raise ModelMismatch(
                entry.name, f"{entry.url} has {promised:,} bytes, {entry.bytes:,} were expected: another file"
            )
        progress(here, entry.bytes)
        while here <= entry.bytes:
            with _foreign_mapped(entry, stream):
                chunk = answer.read(_CHUNK_BYTES)
            if not chunk:
                break
            stream.write(chunk)
            here += len(chunk)
            progress(min(here, entry.bytes), entry.bytes)
    if here > entry.bytes:
        raise ModelMismatch(entry.name, f"{entry.url} has more than {entry.bytes:,} bytes: another file")
    if here < entry.bytes:
        raise _Cut("the connection ended early")


def _continues_at(answer: Any, start: int) -> bool:
    """Whether the answer is the range that was asked for (RFC 9110, 14.4), not the whole file."""
    content_range = str(answer.headers.get("Content-Range", ""))
    return answer.status == http.client.PARTIAL_CONTENT and content_range.startswith(f"bytes {start}-")


@contextmanager
def _foreign_mapped(entry: ModelEntry, stream: IO[bytes]) -> Iterator[None]:
    """What urllib raises, as "try again" or as "not to be had"."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            stream.truncate(0)
            raise _Cut("the server could not continue") from error
        if error.code in _PASSING_STATUS:
            raise _Cut(f"the server says {error.code} {error.reason}") from error
        raise ModelNotFound(
            entry.name, f"{entry.url}: the server says {error.code} {error.reason}"
        ) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            text = f"the certificate is not trusted: {error.reason.verify_message}"
            raise ModelNotFound(entry.name, f"{entry.url}: {text}") from error
        raise _Cut(f"cannot be reached: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f"the connection failed: {error}") from error


def _settle(entry: ModelEntry, part: Path, path: Path, what: str) -> Path:
    """Check what has arrived and put it in its place in one step; remove it when it is wrong."""
    try:
        entry.check(part)
    except ModelMismatch as error:
        part.unlink()
        raise ModelMismatch(
            entry.name, f"{what} is not {entry.file}: its size or its SHA-256 is another one; not kept"
        ) from error
    with part.open("rb") as stream:
        os.fsync(stream.fileno())  # after a power cut there is the old file or the new one, never half of one
    return part.replace(path)


def _is_right(entry: ModelEntry, path: Path) -> bool:
    try:
        entry.check(path)
    except (FileNotFoundError, ModelMismatch):
        return False
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _unheard(_done: int, _total: int) -> None:
    """Progress that nobody asked for."""

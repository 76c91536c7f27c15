"""A snapshot over HTTP(S): resumed by Range, never longer than its manifest says, never slower than a limit.

Only what a signed manifest names is fetched, redirects are not followed, and nothing that comes is believed:
the hash of the whole file decides, elsewhere.
"""

import contextlib
import http.client
import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, Unavailable
from edge.worker import Slot, Worker

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 8.0
"""Below the ten seconds within which a worker must end when told."""
LEAST_BYTES_PER_S = 1000
PATIENCE_S = 60.0
_BLOCK_BYTES = 64 * 1024
_PARTIAL, _WHOLE, _BEYOND = 206, 200, 416


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be fetched.

    Attributes:
        url: ``http://`` or ``https://``. path: Where it is gathered; what is there already is not asked for.
        size: Bytes of the whole file. tag: For whoever asked.
    """

    url: str
    path: Path
    size: int
    tag: str = ""


class SnapshotFetcher(Worker):
    """Fetches one file at a time; a newer wish takes the place of an older one that waits.

    Thread: its own; ``want`` from any. ``told`` is called in it with the wish and why it failed, or "".
    """

    def __init__(
        self, clock: Clock, told: Callable[[Wanted, str], None], tls: Callable[[], ssl.SSLContext]
    ) -> None:
        super().__init__("set-fetch", clock, stalls_after_s=60.0)
        self._told, self._tls = told, tls
        self._slot: Slot[Wanted] = Slot()

    def want(self, wanted: Wanted) -> None:
        """Fetch this; never blocks."""
        self._slot.put(wanted)

    def work(self) -> None:
        """Fetch until stopped."""
        while not self.stopping.is_set():
            wanted = self._slot.take(0.5)
            self.beat()
            if wanted is not None:
                try:
                    self.fetch(wanted)
                except EdgeError as error:
                    self._told(wanted, str(error))
                else:
                    self._told(wanted, "")

    def fetch(self, wanted: Wanted) -> None:
        """Fetch what is missing of a file. Only in this thread, or a test.

        Raises:
            Unavailable: It cannot be had now; what has come stays for the next try.
        """
        have = _have(wanted)
        if have >= wanted.size:
            return
        connection, target = self._connect(wanted.url)
        try:
            connection.request(
                "GET", target, headers={"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
            )
            with contextlib.closing(connection.getresponse()) as response:
                self._judge(response, wanted, have)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, EdgeError):
                raise
            raise Unavailable(f"{wanted.url}: {str(error) or type(error).__name__}") from error
        finally:
            connection.close()

    def _judge(self, response: http.client.HTTPResponse, wanted: Wanted, have: int) -> None:
        if response.status == _PARTIAL and _starts_at(response, have, wanted.size):
            self._take(response, wanted, have)
        elif response.status == _WHOLE:
            self._take(response, wanted, 0)
        elif response.status in (_PARTIAL, _BEYOND):
            wanted.path.unlink(missing_ok=True)
            raise Unavailable(f"{wanted.url}: the file there is another one; beginning again")
        else:
            raise Unavailable(f"{wanted.url}: the server says {response.status} {response.reason}")

    def _connect(self, url: str) -> tuple[http.client.HTTPConnection, str]:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Unavailable(f"no address of a snapshot: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            # Not shown: a password in it would stand in the alarm.
            raise Unavailable("no address of a snapshot: write http:// or https:// and no password")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, port, timeout=READ_TIMEOUT_S), target
        try:
            context = self._tls()
        except OSError as error:
            raise Unavailable(f"{url}: sync.ca_file or the certificate cannot be used: {error}") from error
        secured = http.client.HTTPSConnection(parts.hostname, port, timeout=READ_TIMEOUT_S, context=context)
        return secured, target

    def _take(self, response: http.client.HTTPResponse, wanted: Wanted, start: int) -> None:
        wanted.path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(wanted.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        began_ns, got = self.clock.boot_ns(), 0
        with os.fdopen(handle, "r+b") as file:
            file.truncate(start)
            file.seek(start)
            while start + got < wanted.size:
                block = response.read1(min(_BLOCK_BYTES, wanted.size - start - got))
                if not block:
                    raise Unavailable(f"{wanted.url}: ended after {start + got} of {wanted.size} bytes")
                file.write(block)
                got += len(block)
                self.beat()
                if self.stopping.is_set():
                    raise Unavailable(f"{wanted.url}: stopped; it goes on with the next start")
                taken_s = (self.clock.boot_ns() - began_ns) / NS_PER_S
                if taken_s > PATIENCE_S and got < taken_s * LEAST_BYTES_PER_S:
                    raise Unavailable(f"{wanted.url}: {got} bytes in {taken_s:.0f} s is too slow")
            if response.read1(1):
                raise Unavailable(f"{wanted.url}: is longer than the {wanted.size} bytes of the manifest")


def _have(wanted: Wanted) -> int:
    try:
        size = wanted.path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise Unavailable(f"{wanted.path}: {error.strerror}") from error
    if size > wanted.size:
        wanted.path.unlink(missing_ok=True)
        return 0
    return size


def _starts_at(response: http.client.HTTPResponse, have: int, size: int) -> bool:
    """Whether the answer is the range that was asked for, of a file of the right length."""
    return response.getheader("Content-Range", "") == f"bytes {have}-{size - 1}/{size}"

"""Snapshot files, and a small HTTP server for them: GET with Range, nothing else, nothing but these files."""

import hashlib
import http.server
import logging
import os
import re
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from edge.errors import Unavailable
from edge.store.items import Item

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9-]{1,40}\.[a-z0-9-]{1,40}\.[0-9]{1,16}\.set")
_RANGE = re.compile(r"bytes=([0-9]{1,16})-")
_BLOCK_BYTES = 256 * 1024
KEEP_FILES = 2
"""Of each set: whoever fetches the one before can finish."""


def write_snapshot(
    folder: Path, scope: str, name: str, rev: int, items: Iterable[Item]
) -> tuple[Path, int, str]:
    """Write all items as lines, whole or not at all.

    Returns:
        The file, its size in bytes, its SHA-256 in hex.

    Raises:
        Unavailable: It cannot be written.
    """
    path = folder / f"{scope}.{name}.{rev}.set"
    draft = path.with_suffix(".new")
    digest, size = hashlib.sha256(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            for item in items:
                line = item.line() + b"\n"
                digest.update(line)
                size += len(line)
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise Unavailable(f"{path}: the snapshot cannot be written: {error.strerror}") from error
    older = sorted(folder.glob(f"{scope}.{name}.*.set"), key=lambda p: int(p.name.split(".")[2]))
    for old in older[:-KEEP_FILES]:
        old.unlink(missing_ok=True)
    return path, size, digest.hexdigest()


def find_snapshot(folder: Path, scope: str, name: str, rev: int) -> Path:
    """Where a snapshot lies."""
    return folder / f"{scope}.{name}.{rev}.set"


class SnapshotServer:
    """Serves a folder of snapshots. Thread: its own; ``close`` from any."""

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen.

        Args:
            folder: Of snapshots.
            host: Address to listen on.
            port: 0: a free one.
            tls: Context with the server's certificate, for HTTPS.

        Raises:
            Unavailable: The port is taken.
        """
        handler = type("Handler", (_Handler,), {"folder": folder, "tls": tls})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise Unavailable(f"http://{host}:{port}: cannot listen: {error.strerror}") from error
        self._scheme = "http" if tls is None else "https"
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="snapshots")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where files are found, without a slash at the end."""
        return f"{self._scheme}://{self.host}:{self.port}"

    def close(self) -> None:
        """Stop and wait."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Whoever does not speak HTTP, or leaves, is no news."""
        log.debug("%s: %s", client_address, sys.exception())


class _Handler(http.server.BaseHTTPRequestHandler):
    folder = Path()
    tls: ssl.SSLContext | None = None
    timeout = 20.0
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Shake hands here, in this connection's thread, so that a silent client holds up nobody."""
        if self.tls is not None:
            self.request.settimeout(self.timeout)
            self.request = self.tls.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
            try:
                self.request.do_handshake()
            except OSError:
                self.request.close()
                raise
        super().setup()

    def finish(self) -> None:
        """The server closes the socket that it gave, which is no longer the one that is open."""
        super().finish()
        if self.tls is not None:
            self.request.close()

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        path = self.folder / name
        if not _NAME.fullmatch(name) or not path.is_file():
            self.send_error(404)
            return
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            asked = _RANGE.fullmatch(self.headers.get("Range", ""))
            start = int(asked[1]) if asked else 0
            if asked and start >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size - start))
            self.end_headers()
            file.seek(start)
            try:
                while block := file.read(_BLOCK_BYTES):
                    self.wfile.write(block)
            except OSError as error:
                log.debug("%s went away: %s", self.client_address[0], error)
                self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        log.debug(format, *args)

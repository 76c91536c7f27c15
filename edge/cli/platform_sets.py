"""``gatehouse platform publish-set``, ``serve-sets``, ``forget-box``: one roster for all boxes of a scope."""

import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge.access import roster_from_json
from edge.cli.broker_login import (
    BrokerOption,
    CaOption,
    CertOption,
    PasswordOption,
    UserOption,
    login_of,
)
from edge.cli.platforming import FolderOption, platform
from edge.clock import SystemClock
from edge.errors import Exit, Unavailable, UsageError
from edge.platform.counterpart import topics_of
from edge.platform.roster import PERMITS, SETS_FILE, SNAPSHOTS_FOLDER, SetPublisher
from edge.platform.set_files import SnapshotServer
from edge.platform.set_table import SetTable
from edge.sync.session import Login

ONLINE_S = 15.0
_out = Console(highlight=False, soft_wrap=True)

TenantOption = Annotated[str, typer.Option("--tenant", help="Whose boxes. 社区")]
UrlOption = Annotated[
    str, typer.Option("--url", help="Where boxes fetch the folder 'snapshots' (https://...). 快照下载地址")
]
StaleOption = Annotated[
    float, typer.Option("--max-stale-h", min=0, help="0: as each box is configured. 名单过期小时数")
]

RateOption = Annotated[
    float,
    typer.Option(
        "--mb-per-s",
        min=0.1,
        help="What may be spent on snapshots; boxes take turns. 快照总带宽,设备分批下载",
    ),
]


def register(_application: typer.Typer) -> None:
    """Add these commands to ``gatehouse platform``."""
    platform.command("publish-set")(publish_set)
    platform.command("serve-sets")(serve_sets)
    platform.command("forget-box")(forget_box)


def publish_set(
    roster: Annotated[
        Path, typer.Argument(help='JSON: {"persons": [...]}, as for: gatehouse roster import. 名单文件')
    ],
    broker: BrokerOption,
    folder: FolderOption,
    tenant: TenantOption,
    scope: Annotated[str, typer.Option("--scope", help="Court or site; sets.scope of its boxes. 范围")],
    url: UrlOption = "",
    max_stale_h: StaleOption = 0.0,
    mb_per_s: RateOption = 20.0,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    cert_file: CertOption = None,
) -> int:
    """Make the permits of a scope what a roster says, whole; who is not in it is revoked. 发布整份名单

    Boxes that hear it take it at once. Those that must ask (new ones, and who was away) are answered by
    serve-sets, which should always run.
    """
    try:
        persons = roster_from_json(roster.read_bytes())
    except OSError as error:
        raise Unavailable(f"{roster}: cannot be read: {error.strerror}") from error
    if persons.deny:
        raise UsageError(f"{roster}: holds a deny list; a set has only permits. Send it with: deny-put")
    login = login_of(broker, f"gh-publish-{time.monotonic_ns()}", username, password_file, ca_file, cert_file)
    with open_publisher(login, folder, tenant, url, max_stale_h, mb_per_s) as publisher:
        rev = publisher.replace_permits(scope, persons)
        if not publisher.flush():
            raise Unavailable(f"revision {rev} is kept in {folder}, but the broker has not taken all of it")
    _out.print(
        f"{tenant}/{scope}/{PERMITS}: revision {rev}, {len(persons.persons)} persons 已发布", markup=False
    )
    return Exit.OK


def serve_sets(
    broker: BrokerOption,
    folder: FolderOption,
    tenant: TenantOption,
    listen: Annotated[
        str, typer.Option("--listen", help="host:port for snapshots over HTTP(S); else only MQTT. 监听地址")
    ] = "",
    server_cert: Annotated[
        Path | None,
        typer.Option("--server-cert", help="Certificate and key in one PEM file: HTTPS. 下载服务证书"),
    ] = None,
    url: UrlOption = "",
    max_stale_h: StaleOption = 0.0,
    mb_per_s: RateOption = 20.0,
    seconds: Annotated[float, typer.Option(min=0, help="End by itself; 0: with Ctrl-C. 持续秒数")] = 0.0,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    cert_file: CertOption = None,
) -> int:
    """Answer boxes that ask about sets, and sign the manifests anew every hour. 应答设备并定时续签"""
    login = login_of(broker, "gh-sets", username, password_file, ca_file, cert_file)
    stopping = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: stopping.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        server = _server(folder, listen, server_cert) if listen else None
        try:
            address = url or (server.url if server is not None else "")
            with open_publisher(login, folder, tenant, address, max_stale_h, mb_per_s) as publisher:
                _out.print(f"serving the sets of {tenant} 正在服务 {address}", markup=False)
                until_s = time.monotonic() + seconds if seconds else float("inf")
                while not stopping.wait(0.5) and time.monotonic() < until_s and publisher.is_alive():
                    continue
                return Exit.BUG if publisher.failure is not None else Exit.OK
        finally:
            if server is not None:
                server.close()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def forget_box(
    device: Annotated[list[str], typer.Argument(help="tenant/device. 设备")], folder: FolderOption
) -> int:
    """A box was replaced, or its card: let it show a new key for the faces. 设备更换后重置其密钥

    The platform gives the key of the faces only to the key that a box has shown first. Do this when you know
    that the box is a new one, never because a box asks for it.
    """
    if not (folder / SETS_FILE).is_file():
        raise Unavailable(f"{folder / SETS_FILE}: there are no sets here")
    table = SetTable(folder / SETS_FILE)
    try:
        for name in device:
            known = table.forget(topics_of(name).audience)
            words = "forgotten; its next key counts 已重置" if known else "has shown no key yet 尚无密钥"
            _out.print(f"{name}: {words}", markup=False)
    finally:
        table.close()
    return Exit.OK


def _server(folder: Path, listen: str, certificate: Path | None) -> SnapshotServer:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen {listen!r}: write host:port, as in 0.0.0.0:8088")
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            tls.load_cert_chain(certificate)
        except OSError as error:
            words = f"--server-cert {certificate}: no certificate with its key in it: {error}"
            raise Unavailable(words) from error
    return SnapshotServer(folder / SNAPSHOTS_FOLDER, host, int(port), tls)


@contextmanager
def open_publisher(
    login: Login, folder: Path, tenant: str, url: str, max_stale_h: float, mb_per_s: float
) -> Iterator[SetPublisher]:
    """A publisher that is connected.

    Raises:
        Unavailable: The broker cannot be reached. EdgeError: The folder holds no key, or cannot be used.
    """
    publisher = SetPublisher(
        login,
        folder,
        SystemClock(),
        tenant=tenant,
        url=url,
        max_stale_s=round(max_stale_h * 3600),
        bytes_per_s=mb_per_s * 1e6,
    )
    try:
        publisher.start()
        until_s = time.monotonic() + ONLINE_S
        while not publisher.is_online:
            if time.monotonic() > until_s:
                raise Unavailable(f"{login.broker} cannot be reached, or does not let us in")
            time.sleep(0.05)
        yield publisher
    finally:
        publisher.close()

"""``gatehouse platform publish-set`` and ``serve-sets``: one roster for all boxes of a scope."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge.access import roster_from_json
from edge.cli.platforming import (
    BrokerOption,
    CaOption,
    FolderOption,
    PasswordOption,
    UserOption,
    login_of,
    platform,
)
from edge.clock import SystemClock
from edge.errors import Exit, Unavailable, UsageError
from edge.platform.roster import PERMITS, SNAPSHOTS_FOLDER, SetPublisher
from edge.platform.set_files import SnapshotServer
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


def register(_application: typer.Typer) -> None:
    """Add these commands to ``gatehouse platform``."""
    platform.command("publish-set")(publish_set)
    platform.command("serve-sets")(serve_sets)


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
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
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
    login = login_of(broker, f"gh-publish-{time.monotonic_ns()}", username, password_file, ca_file)
    with _publisher(login, folder, tenant, url, max_stale_h) as publisher:
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
        str, typer.Option("--listen", help="host:port for snapshots over HTTP; else only MQTT. 监听地址")
    ] = "",
    url: UrlOption = "",
    max_stale_h: StaleOption = 0.0,
    seconds: Annotated[float, typer.Option(min=0, help="End by itself; 0: with Ctrl-C. 持续秒数")] = 0.0,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
) -> int:
    """Answer boxes that ask about sets, and sign the manifests anew every hour. 应答设备并定时续签"""
    login = login_of(broker, "gh-sets", username, password_file, ca_file)
    stopping = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: stopping.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        server = _server(folder, listen) if listen else None
        try:
            address = url or (server.url if server is not None else "")
            with _publisher(login, folder, tenant, address, max_stale_h) as publisher:
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


def _server(folder: Path, listen: str) -> SnapshotServer:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen {listen!r}: write host:port, as in 0.0.0.0:8088")
    return SnapshotServer(folder / SNAPSHOTS_FOLDER, host, int(port))


@contextmanager
def _publisher(
    login: Login, folder: Path, tenant: str, url: str, max_stale_h: float
) -> Iterator[SetPublisher]:
    publisher = SetPublisher(
        login, folder, SystemClock(), tenant=tenant, url=url, max_stale_s=round(max_stale_h * 3600)
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

"""``gatehouse platform``: the other end of the wire, for integrators and small communities."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from edge.cli.broker_login import (
    BrokerOption,
    CaOption,
    CertOption,
    PasswordOption,
    UserOption,
    login_of,
)
from edge.clock import SystemClock
from edge.errors import Exit, SettingsError, Unavailable, UsageError
from edge.jws import unverified_claims
from edge.platform import (
    PRIVATE_KEY_FILE,
    PUBLIC_KEYS_FILE,
    ROOT_KEY_FILE,
    ROOT_KEYS_FILE,
    Counterpart,
    make_keys,
    make_root,
    sign_key_set,
)
from edge.platform.acl import acl_file
from edge.platform.acl_clusters import nats_users, rabbitmq_definitions
from edge.platform.counterpart import topics_of
from edge.platform.picture_collector import PictureCollector
from edge.platform.rollout import Rollout, Standing, stages_of
from edge.settings_file import TUNABLE_SECTIONS, read_toml
from edge.sync.keys import load_public_keys
from edge.sync.session import Login
from edge.sync.topics import ID_PATTERN

platform = typer.Typer(help="The platform's side: ledger, keys, roll-out, rules. 平台端工具")
keys = typer.Typer(help="Root and operational keys. 根密钥与运行密钥")
platform.add_typer(keys, name="keys")

FolderOption = Annotated[Path, typer.Option("--folder", "-d", help="Ledger and keys. 台账与密钥目录")]


class BrokerKind(StrEnum):
    """Brokers that rules can be written for."""

    MOSQUITTO = "mosquitto"
    NATS = "nats"
    RABBITMQ = "rabbitmq"


_RULES = {
    BrokerKind.MOSQUITTO: acl_file,
    BrokerKind.NATS: nats_users,
    BrokerKind.RABBITMQ: rabbitmq_definitions,
}
_out = Console(highlight=False, soft_wrap=True)
_STYLES = {Standing.APPLIED: "green", Standing.FAILED: "bold red", Standing.SILENT: "red"}


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(platform, name="platform")


@platform.command("run")
def run(
    broker: BrokerOption,
    folder: FolderOption,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    cert_file: CertOption = None,
    share: Annotated[
        str, typer.Option("--share", help="Name; several share the events of one folder. 共享订阅名")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing. 不显示")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="End by itself; 0: with Ctrl-C. 持续秒数")] = 0.0,
) -> int:
    """Take events into the ledger and acknowledge them, until Ctrl-C. 接收并确认事件

    Exactly one of these acknowledges on a broker; or several of one folder on one machine, all with the same
    --share, which divide the events (MQTT 5, or a broker that knows shared subscriptions in 3.1.1). Key and
    ledger are made where there are none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / PRIVATE_KEY_FILE).exists():
        _out.print(
            f"made a signing key, fingerprint {make_keys(folder)}; give {PUBLIC_KEYS_FILE} to the boxes"
        )
    if share and not ID_PATTERN.fullmatch(share):
        raise UsageError(f"--share {share!r}: use 1 to 40 of a-z, 0-9 and -")
    client_id = f"gh-platform-{share}-{time.monotonic_ns()}" if share else "gh-platform"
    login = login_of(broker, client_id, username, password_file, ca_file, cert_file)
    with (
        _counterpart(login, folder, collects=True, share=share) as counterpart,
        _collector(login, folder, share),
    ):
        _show_until_told(counterpart, seconds, quiet=quiet)
        if counterpart.failure is not None:
            return Exit.BUG
    return Exit.OK


@platform.command("watch")
def watch(
    broker: BrokerOption,
    folder: FolderOption,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    cert_file: CertOption = None,
    seconds: Annotated[float, typer.Option(min=0, help="End by itself; 0: with Ctrl-C. 持续秒数")] = 0.0,
) -> int:
    """Show every box as it comes and goes; acknowledges nothing. 查看设备状态"""
    login = login_of(broker, f"gh-watch-{time.monotonic_ns()}", username, password_file, ca_file, cert_file)
    with _counterpart(login, folder) as counterpart:
        _show_until_told(counterpart, seconds, quiet=False)
    return Exit.OK


@platform.command("rollout")
def rollout(
    document: Annotated[
        Path, typer.Argument(help="TOML with whole sections, as in the file. 配置文件(整节)")
    ],
    broker: BrokerOption,
    folder: FolderOption,
    device: Annotated[
        list[str] | None, typer.Option("--device", help="tenant/device; all that are live.")
    ] = None,
    stage: Annotated[str, typer.Option("--stage", help="How many after each stage. 分批")] = "1,10,100%",
    abort_share: Annotated[float, typer.Option(min=0, max=1, help="Failures to bear. 容许失败比例")] = 0.0,
    confirm_s: Annotated[int, typer.Option(min=5, max=600, help="Time of each trial. 试运行秒数")] = 120,
    wait_s: Annotated[float, typer.Option(min=1, help="Time to find the boxes. 查找设备秒数")] = 5.0,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    cert_file: CertOption = None,
) -> int:
    """Send a configuration in stages; a box that takes it back ends the roll-out. 分批下发配置

    Each stage waits until every box of the one before has applied it. Boxes try it, keep it when they stay
    healthy, else take it back and say why. Exit code 69: it was ended, or a box did not answer.
    """
    sections = _sections_of(document)
    login = login_of(broker, f"gh-rollout-{time.monotonic_ns()}", username, password_file, ca_file, cert_file)
    with _counterpart(login, folder) as counterpart:
        if device:
            names = tuple(device)
        else:
            counterpart.wait_for(lambda _: False, wait_s)
            names = tuple(sorted(name for name, known in counterpart.devices().items() if known.is_live))
        if not names:
            raise Unavailable("no box is live; name them with --device")
        stages = stages_of(stage, len(names))
        plan = Rollout(names, stages, timeout_s=confirm_s + 60.0, abort_share=abort_share)
        _out.print(f"{len(names)} boxes in stages of {', '.join(map(str, stages))}")
        _drive(plan, counterpart, sections, confirm_s)
    for name, (standing, words) in plan.standings().items():
        _out.print(f"{name}  {standing.value}  {words}", style=_STYLES.get(standing, ""), markup=False)
    is_good = all(standing is Standing.APPLIED for standing, _ in plan.standings().values())
    if plan.is_aborted:
        _out.print("ended: too many did not keep it; the others were not sent it 已中止", style="bold red")
    return Exit.OK if is_good else Exit.UNAVAILABLE


def _drive(plan: Rollout, counterpart: Counterpart, sections: dict[str, Any], confirm_s: int) -> None:
    while not plan.is_over:
        for name in plan.due():
            rev = counterpart.publish_desired(
                name, sections, confirm_s=confirm_s, rev=_next_rev(counterpart, name)
            )
            plan.sent(name, rev, time.monotonic())
            _out.print(f"{name}: revision {rev} sent 已下发", style="dim", markup=False)
        counterpart.wait_for(lambda _: False, 0.2)
        for name, known in counterpart.devices().items():
            plan.heard(name, known.reported)
        plan.tick(time.monotonic())


def _next_rev(counterpart: Counterpart, device: str) -> int | None:
    """Above what the box has seen, also where this folder has never sent it anything."""
    known = counterpart.devices().get(device)
    reported = max(int(known.reported.get(name, 0)) for name in ("rev", "running_rev")) if known else 0
    last, _ = counterpart.ledger.last_revision(device)
    return max(reported, last) + 1


@platform.command("acl")
def acl(
    device: Annotated[list[str], typer.Argument(help="tenant/device, or tenant/device=user. 设备")],
    platform_user: Annotated[
        str, typer.Option("--platform-user", help="The platform's user. 平台用户")
    ] = "platform",
    home_assistant: Annotated[
        str,
        typer.Option(
            "--home-assistant", help="Prefix, where boxes may announce themselves to one. 发现主题前缀"
        ),
    ] = "",
    broker: Annotated[BrokerKind, typer.Option("--for", help="Whose rules. 代理类型")] = BrokerKind.MOSQUITTO,
) -> int:
    """Print a broker's rules: each box only its own topics. 生成代理权限文件"""
    users: dict[str, str] = {}
    boxes = []
    for word in device:
        name, _, user = word.partition("=")
        boxes.append(topics_of(name))
        users |= {name: user} if user else {}
    write = _RULES[broker]
    typer.echo(write(boxes, platform_user, users=users, home_assistant=home_assistant), nl=False)
    return Exit.OK


@keys.command("root")
def keys_root(
    folder: Annotated[Path, typer.Argument(help="On a stick that is kept offline. 离线介质目录")],
    kid: Annotated[str, typer.Option(help="Its name. 名称")] = "root-1",
) -> int:
    """Make the root key pair. 生成根密钥"""
    _out.print(
        f"{folder / ROOT_KEY_FILE}: fingerprint 指纹 {make_root(folder, kid)}; keep it offline 请离线保管"
    )
    _out.print(f"{folder / ROOT_KEYS_FILE}: for sync.root_key of every box 放到每台设备")
    return Exit.OK


@keys.command("new")
def keys_new(
    folder: Annotated[Path, typer.Argument(help="Of the platform. 平台目录")],
    kid: Annotated[str, typer.Option(help="A name that was never used before. 未用过的名称")],
) -> int:
    """Make an operational key pair. 生成运行密钥"""
    _out.print(f"{folder / PRIVATE_KEY_FILE}: fingerprint 指纹 {make_keys(folder, kid)}")
    return Exit.OK


@keys.command("set")
def keys_set(
    public: Annotated[
        list[Path], typer.Argument(help=f"{PUBLIC_KEYS_FILE} of each key that shall count. 公钥文件")
    ],
    root: Annotated[Path, typer.Option("--root", help=f"The root's {ROOT_KEY_FILE}. 根私钥")],
    tenant: Annotated[str, typer.Option("--tenant", help="Whose boxes. 社区")],
    serial: Annotated[int, typer.Option("--serial", min=1, help="Above every set before. 序号")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the set. 输出")],
) -> int:
    """Sign which operational keys count; the result holds no secret. 用根密钥签发密钥集"""
    together = {kid: key for path in public for kid, key in load_public_keys(path).items()}
    raw = sign_key_set(root, tenant, serial, together)
    try:
        out.write_bytes(raw)
    except OSError as error:
        raise Unavailable(f"--out {out}: cannot be written: {error.strerror}") from error
    _out.print(f"{out}: key set {serial} of {tenant}: {', '.join(together)}", markup=False)
    return Exit.OK


@keys.command("publish")
def keys_publish(
    key_set: Annotated[Path, typer.Argument(help="Made by keys set. 密钥集文件")],
    broker: BrokerOption,
    folder: FolderOption,
    device: Annotated[list[str], typer.Option("--device", help="tenant/device. 设备")],
    wait_s: Annotated[float, typer.Option(min=1, help="How long to wait for their word. 等待秒数")] = 30.0,
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    cert_file: CertOption = None,
) -> int:
    """Retain a key set for boxes and wait until they say that it counts. 下发密钥集"""
    try:
        raw = key_set.read_bytes().strip()
    except OSError as error:
        raise Unavailable(f"{key_set}: cannot be read: {error.strerror}") from error
    serial = _serial_of(raw)
    login = login_of(broker, f"gh-keys-{time.monotonic_ns()}", username, password_file, ca_file, cert_file)
    with _counterpart(login, folder) as counterpart:
        for name in device:
            counterpart.publish_key_set(name, raw)
        waiting = set(device)

        def all_told(_: Counterpart) -> bool:
            known = counterpart.devices()
            waiting.difference_update(
                name for name in device if name in known and known[name].info.get("keys_serial") == serial
            )
            return not waiting

        counterpart.wait_for(all_told, wait_s)
    for name in device:
        words = (
            "does not say so yet; it takes the set when it connects" if name in waiting else "counts 已生效"
        )
        _out.print(f"{name}: key set {serial} {words}", style="yellow" if name in waiting else "green")
    return Exit.UNAVAILABLE if waiting else Exit.OK


def _serial_of(raw: bytes) -> int:
    serial = unverified_claims(raw).get("serial")
    if not isinstance(serial, int):
        raise UsageError("this is no key set; make one with: gatehouse platform keys set")
    return serial


def _sections_of(path: Path) -> dict[str, Any]:
    document = read_toml(path)
    foreign = sorted(set(document) - set(TUNABLE_SECTIONS))
    if foreign:
        known = ", ".join(TUNABLE_SECTIONS)
        raise SettingsError(f"{path}: {', '.join(foreign)} cannot be sent; only {known}")
    return document


@contextmanager
def _counterpart(
    login: Login, folder: Path, *, collects: bool = False, share: str = ""
) -> Iterator[Counterpart]:
    counterpart = Counterpart(login, folder, SystemClock(), collects=collects, share=share)
    try:
        counterpart.start()
        if not counterpart.wait_for(lambda one: one.is_online, 15.0) and not collects:
            raise Unavailable(f"{login.broker} cannot be reached, or does not let us in")
        yield counterpart
    finally:
        counterpart.close()


@contextmanager
def _collector(login: Login, folder: Path, share: str) -> Iterator[PictureCollector]:
    """Takes pictures of passages, over a connection of its own."""
    login = replace(login, client_id=login.client_id.replace("gh-platform", "gh-pictures"))
    collector = PictureCollector(login, folder, SystemClock(), share=share)
    try:
        collector.start()
        yield collector
    finally:
        collector.close()


def _show_until_told(counterpart: Counterpart, seconds: float, *, quiet: bool) -> None:
    stopping = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: stopping.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    until_s = time.monotonic() + seconds if seconds else float("inf")
    try:
        if quiet:
            while not stopping.wait(0.5) and time.monotonic() < until_s and counterpart.is_alive():
                continue
            return
        with Live(table_of(counterpart), console=_out, auto_refresh=False) as live:
            while not stopping.wait(0.5) and time.monotonic() < until_s and counterpart.is_alive():
                live.update(table_of(counterpart), refresh=True)
            live.update(table_of(counterpart), refresh=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def table_of(counterpart: Counterpart) -> Table:
    """Every box on one line."""
    table = Table(
        "box 设备", "state 状态", "version", "configuration 配置", "keys", "events 事件", "alarms 告警"
    )
    counts = counterpart.counts()
    for name, known in sorted(counterpart.devices().items()):
        reported = known.reported
        configuration = f"{reported.get('running_rev', '')} {reported.get('state', '')}"
        if reported.get("override"):
            configuration += " overridden 覆盖"
        table.add_row(
            name,
            known.state,
            str(known.info.get("version", "")),
            configuration,
            str(known.info.get("keys_serial", "")),
            str(sum(counts.get(name, {}).values())),
            ", ".join(known.alarms),
            style="" if known.is_live else "dim",
        )
    return table

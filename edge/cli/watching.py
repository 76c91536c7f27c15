"""``events`` and ``send``: what happened on this box, and signed commands through the platform kit."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from edge.app import JOURNAL_FILE
from edge.cli.broker_login import CertOption, login_of
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.clock import SystemClock
from edge.errors import Exit, UsageError
from edge.platform import Counterpart
from edge.records import Stream
from edge.settings_file import load_settings
from edge.store import EventReader, OutboxRow, from_wire
from edge.sync.commands import Result

_out = Console(highlight=False, soft_wrap=True)
_STYLES = {"grant": "green", "deny": "red", "alarm.raised": "bold yellow", "alarm.cleared": "yellow"}


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.command("events")(events)
    application.command("send")(send)


def events(
    count: Annotated[int, typer.Option("-n", "--count", min=0, help="The last so many. 最近条数")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows. 持续显示")] = False,
    stream: Annotated[list[Stream] | None, typer.Option(help="Only this stream. 事件流")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The stored bytes, a line each.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show the journal of this box. 查看事件日志"""
    path = load_settings(config).device.state_dir / JOURNAL_FILE
    streams = stream or ()
    with EventReader(path) as reader:
        rows = reader.newest(count, streams) if count else []
        last = max((row.id for row in reader.newest(1)), default=0)
        _show(rows, as_json=as_json)
        while follow:
            rows = reader.tail(last, streams, 500)
            _show(rows, as_json=as_json)
            last = max((row.id for row in rows), default=last)
            time.sleep(0.2)
    return Exit.OK


def _show(rows: list[OutboxRow], *, as_json: bool) -> None:
    for row in rows:
        if as_json:
            typer.echo(row.payload.decode())
        else:
            _out.print(event_line(row))


def event_line(row: OutboxRow) -> Text:
    """One event as one line for people."""
    event = from_wire(row.payload).event
    at = datetime.fromtimestamp(event.utc_ns / 1e9).astimezone()
    style = _STYLES.get(str(event.data.get("verdict", event.type)), "")
    line = Text(f"{at:%m-%d %H:%M:%S.%f}"[:-3] + f"  {event.stream.value:<7} {row.seq:>6}  ", style="dim")
    line.append(f"{event.subject}  {event.type}  ", style=style)
    line.append(_gist(event.data), style=style)
    return line


def _gist(data: Any) -> str:
    if "verdict" in data:
        who = data.get("subject") or data.get("credential") or ""
        seen = f" ({data['credential']})" if data.get("credential") not in ("", None, who) else ""
        return f"{data['verdict']} {who}{seen}: {data.get('reason_zh', '')} {data.get('reason_en', '')}"
    short = {key: value for key, value in data.items() if isinstance(value, str | int | float | bool | dict)}
    return " ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in short.items())


def send(
    command: Annotated[
        str, typer.Argument(help="open, close, stop, hold, release, ping, roster-remove, ... 命令")
    ],
    argument: Annotated[
        list[str] | None, typer.Argument(help="lane=entry, id=wang-li, person='{...}': name=value or JSON.")
    ] = None,
    device: Annotated[str, typer.Option(help="tenant/device. 目标设备")] = "",
    broker: Annotated[str, typer.Option(help="mqtt://host:1883. 代理地址")] = "",
    keys: Annotated[Path, typer.Option(help="Folder with the platform's private key. 平台密钥目录")] = Path(),
    username: Annotated[str | None, typer.Option(help="For the broker.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Its password, on the first line.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Who signed the broker's certificate. CA 证书")] = None,
    cert_file: CertOption = None,
    timeout_s: Annotated[float, typer.Option(min=1, help="How long to wait for the result. 等待秒数")] = 15.0,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Take device and broker from it.")
    ] = None,
) -> int:
    """Sign a command with the platform's key, send it, and wait for the result. 下发签名命令

    Example: gatehouse send open lane=entry --device home/gate-1 --broker mqtt://localhost --keys ./keys
    """
    if config is not None:
        settings = load_settings(config)
        device = device or f"{settings.device.tenant}/{settings.device.id}"
        broker = broker or (settings.sync.brokers[0] if settings.sync.brokers else "")
        ca_file = ca_file or settings.sync.ca_file
    if not broker or "/" not in device:
        raise UsageError("say --device tenant/device and --broker mqtt://host, or --config with both in it")
    clock = SystemClock()
    login = login_of(broker, f"gh-send-{clock.boot_ns()}", username, password_file, ca_file, cert_file)
    platform = Counterpart(login, keys, clock, collects=False)
    platform.start()
    try:
        result = platform.send_command(device, command, _arguments(argument or []), timeout_s=timeout_s)
    finally:
        platform.close()
    is_done = result.result == Result.DONE
    style = "green" if is_done else "red"
    code = f" ({result.code})" if result.code else ""
    _out.print(f"{command}: {result.result}{code} {result.detail}", style=style, markup=False)
    return Exit.OK if is_done else Exit.REFUSED


def _arguments(words: list[str]) -> dict[str, object]:
    arguments: dict[str, object] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator:
            raise UsageError(f"argument {word!r} is not name=value")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return arguments

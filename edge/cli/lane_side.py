"""``reader`` and ``display``: what an installer does with the things beside a lane."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from drivers.display import Colour, Row, panel_text
from drivers.errors import BadReply
from drivers.lines import line_to
from drivers.reader import CardRead, KeysPressed, card_number
from drivers.reader.base import ReaderChanged
from edge.access.cards import printed
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.clock import ClockState, SystemClock
from edge.errors import Exit, UsageError
from edge.hatch import request
from edge.readers import install_reader, key_path
from edge.readers.all_readers import line_with
from edge.settings import OsdpReaderSettings, Settings
from edge.settings_file import load_settings
from edge.settings_signs import PLACEHOLDERS, SIMULATED, AnyDisplay
from edge.signs.all_signs import driver_of
from edge.signs.composing import compose, now_values

reader = typer.Typer(help="Card readers and keypads. 读卡器", no_args_is_help=True)
display = typer.Typer(help="LED signs and voice. 显示屏与语音", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)

ReaderArgument = Annotated[str, typer.Argument(help="Name in the configuration. 配置中的名称")]
SAMPLE = {
    "plate": "粤B12345",
    "name": "王**",
    "days": "30",
    "until": "12月31日",
    "free": "12",
    "lane": "entry",
}
_SAMPLE_WORDS = {
    "zh": {"reason": "授权已过期", "text": "请看摄像头"},
    "en": {"reason": "Permit expired", "text": "Look at the camera"},
}


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(reader, name="reader")
    application.add_typer(display, name="display")


@reader.command("list")
def reader_list(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Show the readers, their keys, and how they do. 查看读卡器"""
    settings = load_settings(config)
    state = request(settings.device.state_dir, {"do": "status"}) or {}
    now = {status["name"]: status for status in state.get("readers", ())}
    table = Table(title="readers 读卡器")
    for column in ("name 名称", "type 类型", "port 端口", "lane 通道", "key 密钥", "state 状态"):
        table.add_column(column)
    for name, one in settings.readers.items():
        key = ""
        if isinstance(one, OsdpReaderSettings):
            there = key_path(name, one, settings.device.state_dir).exists()
            key = "yes 有" if there else "no 无: gatehouse reader install"
        status = now.get(name)
        how = (
            "daemon not running 未运行"
            if status is None
            else "up 正常"
            if status["is_up"]
            else status["detail"]
        )
        table.add_row(name, one.type, one.port, one.lane, key, how)
    _out.print(table)
    return Exit.OK


@reader.command("install")
def reader_install(
    name: ReaderArgument,
    again: Annotated[
        bool, typer.Option("--again", help="Another reader, or one that was reset. 重新写入")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Give an OSDP reader a key of its own; stop the daemon first. 写入读卡器密钥

    Only now is the public factory key let in, and the new key travels on the line: see that nobody taps it.
    """
    install_reader(name, load_settings(config), lambda line: _out.print(line, markup=False), again=again)
    return Exit.OK


@reader.command("watch")
def reader_watch(
    name: ReaderArgument,
    seconds: Annotated[int, typer.Option(help="For how long. 时长(秒)", min=1, max=3600)] = 60,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show what comes from a reader, card numbers included; stop the daemon first. 查看读卡器数据"""
    settings = load_settings(config)
    if name not in settings.readers:
        raise UsageError(f"there is no reader {name!r}; there are: {', '.join(settings.readers) or 'none'}")
    one = settings.readers[name]
    line = line_with({name: one}, settings)
    line.open()
    try:
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            for event in line.poll(0.1):
                match event:
                    case CardRead(bits=bits):
                        try:
                            number = printed(card_number(event, one.card_format, one.byte_order))
                        except BadReply as error:
                            number = str(error)
                        _out.print(f"card 卡: {number}  {len(bits)} bits {bits}", markup=False)
                    case KeysPressed(keys=keys):
                        _out.print(f"keys 按键: {len(keys)}", markup=False)
                    case ReaderChanged(condition=condition, holds=holds, detail=detail):
                        _out.print(
                            f"{condition.value}: {'yes 是' if holds else 'no 否'} {detail}", markup=False
                        )
    finally:
        line.close()
    return Exit.OK


@display.command("preview")
def display_preview(name: ReaderArgument, config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Show what a display would show and say at each event. 预览显示内容"""
    one = _display(load_settings(config), name)
    for event in PLACEHOLDERS:
        message = compose(one, event, _sample(one))
        rows = [Row(text, message.colour) for text in message.lines]
        rows += [Row()] * (one.lines - len(rows))
        _out.print(f"{event}  {message.speech}", markup=False, style=message.colour.value)
        _out.print(panel_text(rows, one.columns), markup=False)
    return Exit.OK


@display.command("test")
def display_test(
    name: ReaderArgument,
    text: Annotated[str, typer.Argument(help="Shown on every line, and said. 测试文字")] = "欢迎光临",
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Write to a real card and let it speak; stop the daemon first. 测试显示屏"""
    one = _display(load_settings(config), name)
    if one.port == SIMULATED:
        raise UsageError(f"display {name!r} is simulated; the daemon shows it in: gatehouse lane status")
    driver = driver_of(name, one, line_to(one.port, one.baud))
    driver.open()
    try:
        for row, colour in zip(range(1, one.lines + 1), list(Colour) * one.lines, strict=False):
            driver.show(row, text, colour, seconds=15)
        driver.speak(text)
    finally:
        driver.close()
    answered = (
        "it answers 有应答"
        if driver.capabilities.acknowledges
        else "it does not answer, as most 无应答(正常)"
    )
    _out.print(f"{name}: {one.lines} lines written for 15 s, {answered}. 已写入", markup=False)
    return Exit.OK


def _display(settings: Settings, name: str) -> AnyDisplay:
    if name not in settings.displays:
        known = ", ".join(settings.displays) or "none"
        raise UsageError(f"there is no display {name!r}; there are: {known}")
    return settings.displays[name]


def _sample(one: AnyDisplay) -> dict[str, str]:
    clock = SystemClock()
    is_known = clock.state() is not ClockState.UNSET
    return {**SAMPLE, **_SAMPLE_WORDS[one.language], **now_values(clock.utc_ns(), is_known, one.language)}

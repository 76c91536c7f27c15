"""``doctor``: every part of this box looked at once."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from edge.cli.lanes import try_wires
from edge.cli.model_files import Condition, model_rows
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.clock import SystemClock
from edge.doctor import (
    Finding,
    Grade,
    examine_board,
    examine_brokers,
    examine_camera,
    examine_clock,
    examine_disk,
    examine_machine,
    worst,
)
from edge.errors import Exit, UsageError
from edge.hatch import request
from edge.settings import Settings
from edge.settings_file import load_settings

_out = Console(highlight=False, soft_wrap=True)
_LOOK = {
    Grade.GOOD: ("green", "✔ 正常 good"),
    Grade.UNASKED: ("dim", "– 未测 unasked"),
    Grade.DOUBTFUL: ("yellow", "! 注意 doubtful"),
    Grade.BAD: ("bold red", "✘ 故障 bad"),
}
_GRADES = {Condition.GOOD: Grade.GOOD, Condition.MISSING: Grade.UNASKED, Condition.DAMAGED: Grade.BAD}


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.command("doctor")(doctor)


def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Keep one picture of each camera here. 保存画面")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every figure.")] = False,
    relays: Annotated[
        list[str] | None,
        typer.Option("--relays", help="Then try the relays of this lane, asking before each. 另测通道继电器"),
    ] = None,
) -> int:
    """Look at every part of this box and say what is wrong with it. 设备自检

    Machine, clock, disk, networks on disk, cameras, relay boards and brokers. No session is taken away from a
    running daemon; what it holds is "unasked". Nothing is moved, but by --relays LANE, and there only what is
    said yes to: it is gatehouse lane test (with the daemon, if it runs), inputs as they are.

    Exit codes: 0 nothing is bad, 69 something is, 78 the configuration cannot be used.
    """
    settings = load_settings(config)
    lanes = relays or []
    if as_json and lanes:
        raise UsageError("--relays asks before it moves anything: leave --json out")
    if strange := [lane for lane in lanes if lane not in settings.lanes]:
        raise UsageError(f"no lane {strange[0]!r}; there are: {', '.join(settings.lanes)}")
    findings = []
    for finding in _examine(settings, pictures):
        findings.append(finding)
        if not as_json and _out.is_terminal:
            _out.print(Text(f"{finding.part} ...", "dim"), end="\r")
    if as_json:
        document = {"worst": worst(findings), "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        _show(findings)
    codes: list[int] = [Exit.UNAVAILABLE if worst(findings) is Grade.BAD else Exit.OK]
    for lane in lanes:
        through_daemon = request(settings.device.state_dir, {"do": "status"}) is not None
        codes.append(try_wires(lane, wait_s=0.0, through_daemon=through_daemon, config=config))
    return max(codes)


def _examine(settings: Settings, pictures: Path | None) -> Iterator[Finding]:
    clock = SystemClock()
    yield from examine_machine()
    yield examine_clock(clock)
    yield from examine_disk(settings.device.state_dir)
    for row in model_rows(settings):
        yield Finding(f"network {row.name}", _GRADES[row.condition], row.where, row.hint)
    for name, camera in settings.cameras.items():
        yield examine_camera(name, camera, clock, pictures)
    for name in settings.boards:
        yield examine_board(name, settings)
    yield from examine_brokers(settings, clock)


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        style, label = _LOOK[finding.grade]
        line = Text(label, style)
        line.pad_right(16 - line.cell_len)
        line.append(f"{finding.part}  ", "bold").append(finding.words)
        _out.print(line)
        for advice in (finding.advice, finding.advice_zh):
            if advice and finding.grade is not Grade.GOOD:
                _out.print(Text(f"{'':16}→ {advice}", "dim" if finding.grade is Grade.UNASKED else style))
    style, label = _LOOK[worst(findings)]
    _out.print(Text(f"\n{len(findings)} looked at; the worst 最严重: {label}", style))

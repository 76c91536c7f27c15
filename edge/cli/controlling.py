"""``kill-switch`` and ``config``: what a technician on the box does besides moving lanes."""

import json
import re
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.errors import Exit, Unavailable, UsageError
from edge.hatch import request
from edge.settings_file import load_settings

configuration = typer.Typer(help="What runs, and local overrides. 运行中的配置与本地临时覆盖")
kill_switch = typer.Typer(help="Nothing opens by itself or from afar until released. 紧急停用开关")
WhyOption = Annotated[str, typer.Option("--why", help="For the record. 原因")]

_out = Console(highlight=False, soft_wrap=True)
_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(configuration, name="config")
    application.add_typer(kill_switch, name="kill-switch")


@kill_switch.command("on")
def throw(why: WhyOption = "", config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Throw it: no lane opens by recognition, schedule or command from afar. 停用一切自动与远程开门

    Fire input, key switch, exit buttons and "gatehouse lane ask" work on. It outlives a restart.
    """
    return _show_switch(_ask(config, {"do": "kill-switch", "on": True, "why": why}))


@kill_switch.command("off")
def release(why: WhyOption = "", config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Release it. 恢复自动与远程开门"""
    return _show_switch(_ask(config, {"do": "kill-switch", "on": False, "why": why}))


@kill_switch.command("status")
def switch_status(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Show how it stands. 查看状态"""
    return _show_switch(_ask(config, {"do": "kill-switch"}))


@configuration.command("status")
def config_status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show which revision runs, what became of the last, and what is overridden. 查看配置状态"""
    return _show_report(_ask(config, {"do": "config"}), as_json=as_json)


@configuration.command("override")
def override(
    option: Annotated[
        list[str], typer.Argument(help="lanes.entry.dry_run=true decision.deadline_ms=1500 ...")
    ],
    lasts: Annotated[str, typer.Option("--for", help="Ends by itself after 30min, 2h, 1d. 有效时间")] = "2h",
    why: WhyOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Lay single options over everything for some hours; journaled with your name. 本地临时覆盖配置

    Only decision, lanes and cameras. The platform sees which options differ, not their values. What does not
    fit is refused whole, and what ran runs on.
    """
    what = {"do": "override", "options": options_of(option), "for_s": seconds_of(lasts), "why": why}
    return _show_report(_ask(config, what))


@configuration.command("end-override")
def end_override(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Take the override away now. 立即取消覆盖"""
    return _show_report(_ask(config, {"do": "end-override"}))


def options_of(words: list[str]) -> dict[str, Any]:
    """``a.b=1`` and so on as one fragment.

    Raises:
        UsageError: A word is not path=value, or two of them contradict each other.
    """
    fragment: dict[str, Any] = {}
    for word in words:
        path, separator, text = word.partition("=")
        names = path.split(".")
        if not separator or not all(names):
            raise UsageError(f"{word!r}: write section.option=value, as in lanes.entry.dry_run=true")
        place = fragment
        for name in names[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise UsageError(f"{word!r}: {name} was given a value before")
        try:
            place[names[-1]] = json.loads(text)
        except ValueError:
            place[names[-1]] = text
    return fragment


def seconds_of(text: str) -> float:
    """``90min`` in seconds.

    Raises:
        UsageError: It is no time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise UsageError(f"--for {text!r}: write 30min, 2h or 1d")
    return float(match[1]) * _SECONDS[match[2]]


def _ask(config: Any, what: dict[str, Any]) -> dict[str, Any]:
    state_dir = load_settings(config).device.state_dir
    answer = request(state_dir, what)
    if answer is None:
        raise Unavailable(f"no daemon runs on {state_dir}; start it first")
    return answer


def _show_switch(status: dict[str, Any]) -> int:
    if trouble := status.get("trouble"):
        _out.print(f"{trouble}", style="red", markup=False)
    if status["thrown"]:
        at = datetime.fromtimestamp(status["at_s"]).astimezone()
        words = f"thrown 已启用 by {status['by']} at {at:%Y-%m-%d %H:%M} {status['why']}"
        _out.print(words, style="bold red", markup=False)
    else:
        _out.print("released 未启用", style="green")
    return Exit.IO if status.get("trouble") else Exit.OK


def _show_report(report: dict[str, Any], *, as_json: bool = False) -> int:
    if as_json:
        typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return Exit.OK
    _out.print(f"revision 版本 {report['running_rev']}, last 最近 {report['rev']}: {report['state']}")
    _out.print(f"effective 生效 {report['effective_hash']}", style="dim")
    for error in report["errors"]:
        _out.print(f"  {error['path']} {error['message']}", style="red", markup=False)
    overridden = report.get("override")
    if overridden:
        until = datetime.fromtimestamp(overridden["until"]).astimezone()
        paths = ", ".join(overridden["paths"])
        words = f"overridden 已覆盖 until {until:%m-%d %H:%M} by {overridden['by']}: {paths}"
        _out.print(words, style="yellow", markup=False)
        if overridden["misfit"]:
            _out.print(f"  it does not fit any more: {overridden['misfit']}", style="red", markup=False)
    return Exit.OK

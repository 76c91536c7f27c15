"""``gatehouse camera``: how the cameras of the running daemon do, and what they shall compare with."""

import json
from typing import Annotated

import typer
from rich.console import Console

from edge.cli.lane_views import camera_table, read_rates, seen_lines
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.errors import Exit, Unavailable
from edge.hatch import request
from edge.read_rate import MISSED
from edge.records import JsonObject
from edge.settings import Settings
from edge.settings_file import load_settings

cameras = typer.Typer(help="Cameras of the running daemon: state, reference picture. 摄像机:状态、参考画面")

_out = Console(highlight=False, soft_wrap=True)


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(cameras, name="camera")


@cameras.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every figure.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show how every camera does: light, focus, place, dirt, who came and was read, alarms. 摄像机状态"""
    settings = load_settings(config)
    state = _ask(settings, {"do": "status"})
    found = state["cameras"]
    about = [
        alarm for alarm in state["alarms"] if alarm["subject"] in settings.cameras or alarm["name"] == MISSED
    ]
    rates = state["read_rate"]
    if as_json:
        document = {"cameras": found, "read_rate": rates, "alarms": about}
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        _out.print(camera_table(found))
        for line in (*seen_lines(found), *read_rates(rates)):
            _out.print(line)
        for alarm in about:
            _out.print(f"{alarm['name']}  {alarm['subject']}: {alarm['detail']}", style="bold red")
    return Exit.OK if all(camera["is_seeing"] for camera in found) else Exit.UNAVAILABLE


@cameras.command("relearn")
def relearn(
    camera: Annotated[str, typer.Argument(help="Name of the camera. 摄像机名称")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Learn anew what a camera usually shows, after it was moved or turned on purpose. 重新学习参考画面"""
    settings = load_settings(config)
    _ask(settings, {"do": "relearn", "camera": camera})
    section = settings.cameras[camera]
    for_s = getattr(section, "reference_s", 0.0)
    _out.print(f"{camera}: learning for {for_s:g} s; keep it still 正在学习,请勿移动摄像机", style="green")
    return Exit.OK


def _ask(settings: Settings, what: JsonObject) -> JsonObject:
    answer = request(settings.device.state_dir, what)
    if answer is None:
        raise Unavailable("no daemon is running here; start it: sudo systemctl start gatehouse")
    return answer

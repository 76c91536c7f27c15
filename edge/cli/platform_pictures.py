"""``gatehouse platform pictures``: the pictures of passages that boxes have sent."""

import json
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge.cli.platforming import FolderOption, platform
from edge.errors import Exit
from edge.platform.pictures import PictureShelf

_out = Console(highlight=False, soft_wrap=True)


def register(_application: typer.Typer) -> None:
    """Add this command to ``gatehouse platform``."""
    platform.command("pictures")(platform_pictures)


def platform_pictures(
    folder: FolderOption,
    device: Annotated[str, typer.Option("--device", help="tenant/device; all. 设备")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON. 以 JSON 输出")] = False,
) -> int:
    """Show the pictures that have come, and where each lies. 查看已收到的通行照片"""
    stored = list(PictureShelf(folder).stored(device))
    if as_json:
        told = [{"device": one.device, "path": str(one.path), **one.about} for one in stored]
        _out.print_json(json.dumps(told, ensure_ascii=False))
        return Exit.OK
    table = Table("box 设备", "when 时间", "lane 通道", "what 内容", "decision 判定", "of 人员")
    table.add_column("file 文件", overflow="fold")
    for one in stored:
        about = one.about
        table.add_row(
            one.device,
            _moment(about.get("kept")),
            str(about.get("lane", "")),
            str(about.get("kind", "")),
            str(about.get("verdict", "")),
            str(about.get("person") or ""),
            str(one.path),
        )
    _out.print(table)
    return Exit.OK


def _moment(utc_s: object) -> str:
    if not isinstance(utc_s, int) or not utc_s:
        return "?"
    return datetime.fromtimestamp(utc_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")

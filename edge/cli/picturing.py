"""``gatehouse pictures``: the pictures of passages that this box keeps; only its own key opens them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge.app import KEY_FILE
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.clock import SystemClock
from edge.errors import Exit, Unavailable, UsageError
from edge.settings_file import load_settings
from edge.store import open_vault
from edge.store.media import MEDIA_FILE, Media
from edge.store.media_tables import KeptPicture

LEAST_PREFIX = 6
BY_HAND = "deleted on the box"
_STATES = {"kept": "only here 仅本机", "sent": "platform has it 已上传", "refused": "refused 平台拒收"}

pictures = typer.Typer(help="Pictures of passages kept on this box. 通行照片", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)

NameArgument = Annotated[str, typer.Argument(help="Its SHA-256, or how that begins. 照片哈希(可只写开头)")]


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(pictures, name="pictures")


@pictures.command("list")
def pictures_list(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON. 以 JSON 输出")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show what is kept, and whether the platform has it. 查看已保存的通行照片"""
    with _open_media(config) as media:
        kept, numbers = media.pictures(), media.numbers()
    if as_json:
        _out.print_json(json.dumps([picture.to_json() for picture in kept], ensure_ascii=False))
        return Exit.OK
    table = Table(
        "picture 照片", "when 时间", "lane 通道", "what 内容", "decision 判定", "of 人员", "state 状态"
    )
    for picture in kept:
        table.add_row(
            picture.sha256[:12],
            _moment(picture.kept_utc_s),
            picture.lane,
            picture.kind,
            picture.verdict,
            picture.person,
            _STATES.get(picture.state, picture.state),
        )
    _out.print(table)
    _out.print(f"{numbers['kept']} pictures, {numbers['bytes'] / 1000:,.0f} kB 共 {numbers['kept']} 张")
    return Exit.OK


@pictures.command("export")
def pictures_export(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="JPEG to write; must not exist. 输出文件")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Write one as an open JPEG, for instance to answer a request of the person shown. 导出一张照片"""
    with _open_media(config) as media:
        jpeg = media.read(_one(media, name).sha256)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(jpeg)
    except OSError as error:
        raise Unavailable(f"{file}: cannot be written: {error.strerror}") from error
    _out.print(f"{file}: {len(jpeg)} bytes, readable by you alone 已导出,仅本用户可读", markup=False)
    return Exit.OK


@pictures.command("delete")
def pictures_delete(
    names: Annotated[
        list[str] | None, typer.Argument(help="SHA-256 of each, or how it begins. 照片哈希")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them. 全部删除")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Delete pictures here; the journal is told which. 删除照片(日志留痕)"""
    if bool(names) == everything:
        raise UsageError("name pictures, or give --all")
    with _open_media(config) as media:
        chosen = media.pictures() if everything else [_one(media, name) for name in names or ()]
        count = media.remove([picture.sha256 for picture in chosen], BY_HAND)
    _out.print(f"{count} pictures are gone 已删除 {count} 张")
    return Exit.OK


@contextmanager
def _open_media(config: Path) -> Iterator[Media]:
    folder = load_settings(config).device.state_dir
    path = folder / MEDIA_FILE
    if not path.exists():
        raise Unavailable(f"{folder}: no picture was ever kept here; see [pictures] in the configuration")
    media = Media(path, open_vault(folder / KEY_FILE), SystemClock())
    try:
        yield media
    finally:
        media.close()


def _one(media: Media, name: str) -> KeptPicture:
    if len(name) < LEAST_PREFIX:
        raise UsageError(f"{name!r}: give at least {LEAST_PREFIX} characters")
    found = media.pictures(name)
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} pictures begin with {name!r}; see: gatehouse pictures list")
    return found[0]


def _moment(utc_s: int) -> str:
    return datetime.fromtimestamp(utc_s).astimezone().strftime("%Y-%m-%d %H:%M:%S") if utc_s else "?"

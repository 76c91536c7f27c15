"""``models``: which networks are on this box, made, fetched and checked."""

import json
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn
from rich.progress import TransferSpeedColumn as SpeedColumn
from rich.text import Text

from edge.app import CACHE_FOLDER
from edge.cli.model_files import Condition, model_rows
from edge.cli.service import DEFAULT_CONFIG, ConfigOption
from edge.errors import Exit, Unavailable
from edge.settings_file import load_settings
from models.errors import ModelNotFound
from models.face import ensure_converted
from models.face.dlib_convert import Form
from models.fetching import fetch_model, place_model
from models.manifest import ModelEntry, sha256_of
from models.published import MODELS_FOLDER, PUBLISHED

models = typer.Typer(help="Networks: what is there, make, fetch. 识别模型", no_args_is_help=False)

_out = Console(highlight=False, soft_wrap=True)


_IN_CHINESE = {Condition.GOOD: "完好", Condition.MISSING: "缺失", Condition.DAMAGED: "损坏"}
_STYLES = {Condition.GOOD: "green", Condition.MISSING: "yellow", Condition.DAMAGED: "red"}


class Published(StrEnum):
    """What can be fetched."""

    YUNET = "yunet"
    SFACE = "sface"


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    application.add_typer(models, name="models")


@models.command("list")
def models_list(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Show every weights file: whether it is there and the right one, and where. 查看模型文件

    Every file is read and its SHA-256 compared with the one it must have. Exit code 65 if one is damaged.
    """
    rows = model_rows(load_settings(config))
    if as_json:
        _out.print_json(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
        return Exit.OK
    for row in rows:
        line = Text(f"{row.condition} {_IN_CHINESE[row.condition]}".ljust(12), _STYLES[row.condition])
        line.append(f"{row.name}  ", "bold").append(row.licence)
        _out.print(line)
        for detail in (row.where, f"sha256 {row.sha256}" if row.sha256 else "", row.hint):
            if detail:
                _out.print(Text(f"              {detail}", "dim"))
    return Exit.DATA if any(row.condition is Condition.DAMAGED for row in rows) else Exit.OK


@models.command("build")
def models_build(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Make the fast form of the face network now, not at the daemon's first start. 转换人脸模型

    It is the form that models.face_form names. Takes about a second, and is kept in the state directory; a
    damaged or older one is made anew.
    """
    settings = load_settings(config)
    cache, form = settings.device.state_dir / CACHE_FOLDER, Form(settings.models.face_form)
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    told = False

    def report(share: float) -> None:
        nonlocal told
        told = True
        progress.update(task, completed=share)

    try:
        with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
            task = progress.add_task("face network 人脸模型", total=1.0)
            path = ensure_converted(cache, report, form)
    except ModelNotFound as error:
        raise Unavailable(str(error)) from error
    except OSError as error:
        raise Unavailable(f"{cache}: cannot be written: {error.strerror}") from error
    spent = f"made in {time.monotonic() - started:.1f} s 已转换" if told else "was there already 已存在"
    _out.print(f"{path}: {spent}, {path.stat().st_size:,} bytes", markup=False)
    _out.print(f"sha256 {sha256_of(path)}")
    return Exit.OK


@models.command("fetch")
def models_fetch(
    model: Annotated[Published, typer.Argument(help="Which one. 模型")] = Published.YUNET,
    source: Annotated[
        Path | None, typer.Option("--from", help="Take this file instead of the network. 使用本地文件")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Fetch a published network, checked by size and SHA-256. 下载模型

    yunet finds more and smaller faces than the built-in detector, and is used from the next start on.
    sface describes faces once models.face_embedder = "sface"; its templates are a set of their own, so
    everybody enrols again. A cut download goes on where it ended, also when the command is given again; the
    proxy is the one that https_proxy names. Without a network, bring the file and give it with --from.
    """
    folder = load_settings(config).device.state_dir / MODELS_FOLDER
    entry = PUBLISHED[model.value]
    try:
        path = _fetch(entry, folder) if source is None else place_model(entry, source, folder)
    except ModelNotFound as error:
        hint = "" if source else f" (or: gatehouse models fetch {model.value} --from FILE)"
        raise Unavailable(f"{error}{hint}") from error
    except OSError as error:
        raise Unavailable(f"{folder}: cannot be written: {error.strerror}") from error
    _out.print(f"{path}: good 完好, {entry.bytes:,} bytes, {entry.licence}", markup=False)
    _out.print(f"sha256 {entry.sha256}")
    return Exit.OK


def _fetch(entry: ModelEntry, folder: Path) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn())
    with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
        task = progress.add_task(entry.file, total=entry.bytes)
        return fetch_model(entry, folder, lambda done, _: progress.update(task, completed=done))

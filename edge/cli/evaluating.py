"""``eval``: how well faces are told apart, measured on anybody's own pictures."""

import json
import math
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from rich.console import Console

from edge.app import CACHE_FOLDER
from edge.cli import plate_evaluating
from edge.cli.face_engines import Engine, OwnEngine, PeerEngine
from edge.cli.face_figures import measure_pairs
from edge.cli.face_identification import measure_strangers
from edge.cli.service import DEFAULT_CONFIG
from edge.errors import Exit, Unavailable, UsageError
from edge.face_models import open_face_detector, open_face_embedder, pair_distances
from edge.settings import ModelSettings
from edge.settings_file import load_settings
from models.errors import ModelError, PictureUnusable
from models.face.evaluation import pictures_by_person
from models.face.pairs import Pair, draw_pairs, read_pairs

evaluations = typer.Typer(help="Measure on your own pictures. 用自己的照片评测", no_args_is_help=False)

_out = Console(highlight=False, soft_wrap=True)
_OTHER_SUFFIXES = (".jpeg", ".png", ".webp", ".bmp", ".JPG", ".JPEG", ".PNG")


class Detector(StrEnum):
    """What can be asked for."""

    AUTO = "auto"
    HOG = "hog"
    YUNET = "yunet"
    CNN = "cnn"


class Against(StrEnum):
    """What may be measured beside this box's engine."""

    FACE_RECOGNITION = "face_recognition"


def register(application: typer.Typer) -> None:
    """Add these commands to the application."""
    plate_evaluating.register(evaluations)
    application.add_typer(evaluations, name="eval")


@evaluations.callback()
def _group() -> None:
    """Measure on your own pictures. 用自己的照片评测"""


@evaluations.command("faces")
def eval_faces(
    images: Annotated[
        Path | None, typer.Option(help="Pictures as NAME/NAME_0001.jpg, for --pairs. 照片目录")
    ] = None,
    pairs: Annotated[Path | None, typer.Option(help="Pair list as LFW's pairs.txt. 配对列表")] = None,
    gallery: Annotated[Path | None, typer.Option(help="The enrolled: a folder each. 已登记者目录")] = None,
    probes: Annotated[
        Path | None,
        typer.Option(help="Who comes: a folder each; names not in --gallery are strangers. 来访者"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    png_file: Annotated[Path | None, typer.Option("--png", help="Draw the curves here. 曲线图")] = None,
    detector: Annotated[Detector | None, typer.Option(help="Instead of the box's own. 检测器")] = None,
    yunet: Annotated[Path | None, typer.Option(help="YuNet's file, if not fetched. 模型文件")] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of the descriptor network.")] = 1,
    against: Annotated[
        Against | None, typer.Option(help="Measure this too, on the same pictures. 对比")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Keep templates in this folder, so that a broken-off run goes on. Biometric data: delete it"
            " afterwards. 特征缓存目录(生物特征,用后删除)"
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two views of each face, as at the gate, not six. 快速")
    ] = False,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Measure this box's models. 配置文件")
    ] = None,
) -> int:
    """Measure face recognition on folders in LFW's layout. 评测人脸识别

    --images with --pairs: same person or not, as LFW counts it. --gallery with --probes: residents and
    strangers. Pictures that are missing, broken or without a face are counted as failures and listed.
    Nothing leaves this machine, nothing is enrolled.
    """
    for one, other, names in (
        (images, pairs, "--images and --pairs"),
        (gallery, probes, "--gallery and --probes"),
    ):
        if (one is None) != (other is None):
            raise UsageError(f"{names} belong together")
    for folder in (images, gallery, probes):
        if folder is not None and not folder.is_dir():
            raise Unavailable(f"{folder}: no such folder")
    if images is None and gallery is None:
        raise UsageError("give --images DIR --pairs FILE, or --gallery DIR --probes DIR, or both")
    listed = _pairs(pairs, images) if pairs and images else []
    enrolled, coming = (_persons(folder) if folder else {} for folder in (gallery, probes))
    models, cache = box_models(config, detector, yunet)
    engines: list[Engine] = [_open(models, cache, threads, keep, thorough=not quick)]
    if against is not None:
        engines.append(PeerEngine(keep))
    result: dict[str, Any] = {}
    charts = []
    if listed:
        result["verification"], chart = measure_pairs(engines, listed)
        charts.append(chart)
    if enrolled:
        result["identification"], chart = measure_strangers(engines, enrolled, coming, pair_distances(models))
        charts.append(chart)
    if json_file is not None:
        text = json.dumps(_finite(result), indent=1, ensure_ascii=False)
        _save(json_file, f"{text}\n".encode())
    if png_file is not None:
        _save(png_file, cv2.imencode(".png", np.vstack(charts))[1].tobytes())
    return Exit.OK


@evaluations.command("pairs")
def eval_pairs(
    images: Annotated[Path, typer.Option(help="Pictures as NAME/NAME_0001.jpg. 照片目录")],
    out: Annotated[Path, typer.Option(help="Where the list is written. 输出文件")],
    folds: Annotated[int, typer.Option(min=2, max=100, help="Parts of the list. 折数")] = 10,
    pairs: Annotated[
        int, typer.Option(min=1, help="Pairs of one person in each part, at most, and as many of two.")
    ] = 300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same list. 随机种子")] = 1,
) -> int:
    """Draw a pair list from a folder in LFW's layout, for eval faces --pairs. 生成配对列表

    Nobody appears in two parts. Every part gets as many pairs as the poorest has.
    """
    if not images.is_dir():
        raise Unavailable(f"{images}: no such folder")
    text = draw_pairs(_persons(images), folds, pairs, seed)
    count = int(text.split(maxsplit=2)[1])
    _save(out, text.encode())
    _out.print(f"{folds} x ({count} + {count}) pairs, seed {seed}", markup=False)
    return Exit.OK


def box_models(
    config: Path | None, detector: Detector | None = None, yunet: Path | None = None
) -> tuple[ModelSettings, Path]:
    """This box's networks, and where they are kept; without a configuration those of a fresh box."""
    models, folder = ModelSettings(), Path("~/.cache/gatehouse").expanduser()
    if config is not None or DEFAULT_CONFIG.is_file():
        settings = load_settings(config or DEFAULT_CONFIG)
        models, folder = settings.models, settings.device.state_dir
    given = {"face_detector": detector.value if detector else None, "yunet_path": yunet}
    models = models.model_copy(update={name: value for name, value in given.items() if value is not None})
    return models, folder / CACHE_FOLDER


def _open(
    models: ModelSettings, cache: Path, threads: int, keep: Path | None, *, thorough: bool
) -> OwnEngine:
    try:
        detector = open_face_detector(models, cache, upsample=1)
        embedder = open_face_embedder(models, cache, threads=threads, thorough=thorough)
    except ModelError:
        raise
    except OSError as error:
        raise Unavailable(f"{cache}: cannot be written: {error.strerror}") from error
    mark = f"{models.face_form} {'thorough' if thorough else 'quick'}"
    return OwnEngine(detector, embedder, keep, mark)


def _pairs(path: Path, images: Path) -> list[Pair]:
    try:
        pairs = read_pairs(path, images)
    except PictureUnusable:
        raise
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: is no pair list as LFW's pairs.txt") from error
    if len({pair.same for pair in pairs}) < 2:
        raise UsageError(f"{path}: needs pairs of one person and pairs of two")
    return [replace(pair, first=_existing(pair.first), second=_existing(pair.second)) for pair in pairs]


def _persons(folder: Path) -> dict[str, list[Path]]:
    found = pictures_by_person(folder)
    if not found:
        raise UsageError(f"{folder}: no pictures in it; wanted: {folder.name}/NAME/picture.jpg")
    return found


def _existing(path: Path) -> Path:
    """The picture under another suffix where there is no ``.jpg``."""
    if path.is_file():
        return path
    others = (path.with_suffix(suffix) for suffix in _OTHER_SUFFIXES)
    return next((other for other in others if other.is_file()), path)


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Unavailable(f"{path}: cannot be written: {error.strerror}") from error
    _out.print(f"written: {path}", markup=False)

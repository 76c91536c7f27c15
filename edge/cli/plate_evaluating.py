"""``eval plates`` and ``eval plate-curves``: how well plates are found and read, on anybody's pictures."""

import dataclasses
import json
import statistics
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edge.errors import Exit, Unavailable, UsageError
from models.plate.evaluate import LabelledPicture, Report, evaluate, load_labels, load_picture
from models.plate.grammar import PlateKind
from models.plate.reader import PlateReader, open_reader

_out = Console(highlight=False, soft_wrap=True)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_MOST_CONFUSIONS = 12


class Reader(StrEnum):
    """What can be asked for."""

    AUTO = "auto"
    OWN = "own"
    RAPIDOCR = "rapidocr"


def register(evaluations: typer.Typer) -> None:
    """Add these commands to ``eval``."""
    evaluations.command("plates")(eval_plates)
    evaluations.command("plate-curves")(eval_plate_curves)


def eval_plates(
    images: Annotated[Path, typer.Option(help="Folder of the pictures. 图片目录")],
    labels: Annotated[
        Path | None, typer.Option(help="csv, json, or lines 'image x y w h PLATE'; else CCPD names. 标注文件")
    ] = None,
    reader: Annotated[Reader, typer.Option(help="What reads. 识别引擎")] = Reader.AUTO,
    against: Annotated[
        Reader | None, typer.Option(help="Read by this one as well, and compare. 对比")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder with other weights of our own nets and their manifest.")
    ] = None,
    empty: Annotated[
        bool,
        typer.Option("--empty", help="No picture has a plate: count what is read all the same. 无车牌图片"),
    ] = False,
    every: Annotated[int, typer.Option(min=1, help="Take every N-th picture only. 抽样")] = 1,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of each network.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Draw the worst cases here (PNG). 错例图")] = None,
) -> int:
    """Measure plate reading on labelled pictures. 评测车牌识别

    Exact reading, found at IoU 0.5, per kind, what is taken for what, milliseconds per stage. Every figure is
    for single pictures. Nothing leaves this machine.
    """
    if not images.is_dir():
        raise Unavailable(f"{images}: no such folder")
    if labels is not None and not labels.is_file():
        raise Unavailable(f"{labels}: no such file")
    if empty and labels is not None:
        raise UsageError("--empty and --labels exclude each other")
    pictures = (_unlabelled(images) if empty else load_labels(images, labels))[::every]
    readers = [_open(reader, threads, weights)]
    if against is not None:
        readers.append(_open(against, threads, None))
        if readers[0].name == readers[1].name:
            raise UsageError(f"--against {against}: that is the reader itself")
    reports = [_measure(one, pictures) for one in readers]
    _out.print(_table(reports, str(images)))
    for report in reports:
        _say_confusions(report)
    result: dict[str, Any] = {"images": str(images), "readers": [report.summary() for report in reports]}
    if len(reports) == 2:
        result["against"] = _say_difference(*reports)
    if json_file is not None:
        _save(json_file, f"{json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)}\n".encode())
    if sheet is not None:
        from edge.cli.plate_sheets import worst_cases  # it draws with training's glyphs: only when asked

        drawn = worst_cases(reports[0].outcomes)
        if drawn is None:
            _out.print("nothing was read wrong: no sheet of errors 没有错例", markup=False)
        else:
            _save(sheet, cv2.imencode(".png", drawn)[1].tobytes())
    return Exit.OK


def eval_plate_curves(
    png_file: Annotated[Path, typer.Option("--png", help="Draw the curves here. 曲线图")],
    reader: Annotated[Reader, typer.Option(help="What reads. 识别引擎")] = Reader.AUTO,
    against: Annotated[Reader | None, typer.Option(help="A second line. 对比")] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder with other weights of our own nets.")] = None,
    count: Annotated[int, typer.Option(min=10, max=5000, help="Drawn plates at each point.")] = 100,
    kind: Annotated[PlateKind | None, typer.Option(help="This kind alone. 只评一种号牌")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
) -> int:
    """Curves on drawn plates: height, blur and angle, and every kind by itself. 合成车牌曲线

    The plates are drawn by the same program that draws for training, with chance of its own: they show where
    reading ends, not how well it does on the road. Of each kind both are told: all drawings, and those whose
    characters can be seen (glare, night and dirt leave nothing of some; no reader is asked about that).
    """
    from edge.cli.plate_sheets import Panel, draw_panels
    from models.training import exam

    if kind is not None and kind not in exam.KINDS:
        raise UsageError(f"--kind {kind}: no such plates are drawn; drawn are {', '.join(exam.KINDS)}")
    readers = [_open(one, 1, weights if n == 0 else None) for n, one in enumerate((reader, against)) if one]
    sweeps, kinds_asked = exam.sweeps(), exam.KINDS if kind is None else (kind,)
    total = count * (sum(len(sweep.points) for sweep in sweeps) + len(kinds_asked)) * len(readers)
    lines: dict[str, list[tuple[str, list[float]]]] = {sweep.name: [] for sweep in sweeps}
    kinds: dict[str, dict[str, exam.Score]] = {}
    with _progress("drawn plates 合成车牌", total) as (progress, task):
        for one in readers:
            for sweep in sweeps:
                shares = []
                for number, point in enumerate(sweep.points):
                    shares.append(exam.score(one, point, count, seed=1000 + number, kind=kind).exact)
                    progress.advance(task, count)
                lines[sweep.name].append((one.name, shares))
            kinds[one.name] = {}
            for one_kind in kinds_asked:
                kinds[one.name][one_kind] = exam.score(one, exam.USUAL, count, seed=7, kind=one_kind)
                progress.advance(task, count)
    panels = [Panel(s.title, s.below, s.ticks, lines[s.name]) for s in sweeps]
    table = Table("kind 种类", "legible 可辨认", *(f"{name}: legible, all 可辨认 / 全部" for name in kinds))
    for one_kind in kinds_asked:
        scores = [of_reader[one_kind] for of_reader in kinds.values()]
        said = (f"{score.legible_exact:.1%}, {score.exact:.1%}" for score in scores)
        table.add_row(str(one_kind), f"{scores[0].legible:.0%}", *said)
    _out.print(table)
    _save(png_file, cv2.imencode(".png", draw_panels(panels))[1].tobytes())
    if json_file is not None:
        figures = {
            "plates_per_point": count,
            "curves": {s.name: {"points": list(s.ticks), "exact": dict(lines[s.name])} for s in sweeps},
            "kinds_at_24_px_and_more": {
                name: {of: dataclasses.asdict(score) for of, score in of_reader.items()}
                for name, of_reader in kinds.items()
            },
        }
        _save(json_file, f"{json.dumps(figures, indent=1, ensure_ascii=False)}\n".encode())
    return Exit.OK


class _progress:  # noqa: N801 - reads as a statement
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal)
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> tuple[Progress, Any]:
        self._bar.start()
        return self._bar, self._task

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _open(reader: Reader, threads: int, weights: Path | None) -> PlateReader:
    if weights is None:
        return open_reader(reader.value, threads=threads)
    if reader is Reader.RAPIDOCR:
        raise UsageError("--weights are for our own nets: give --reader own")
    from models.plate.lattice_reader import OwnPlateReader

    return OwnPlateReader(threads=threads, weights=weights)


def _unlabelled(images: Path) -> list[LabelledPicture]:
    files = sorted(path for path in images.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise UsageError(f"{images}: no pictures in it")
    return [LabelledPicture(path, ()) for path in files]


def _measure(reader: PlateReader, pictures: list[LabelledPicture]) -> Report:
    if any(plate.box is not None for plate in pictures[0].plates) or not pictures[0].plates:
        # The first run of a network takes several times as long and says nothing about the others.
        reader.read(load_picture(pictures[0].file))
    with _progress(f"{reader.name}", len(pictures)) as (progress, task):
        return evaluate(reader, pictures, progress=lambda done: progress.update(task, completed=done))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _table(reports: list[Report], title: str) -> Table:
    """Figures as rows and readers as columns: fits eighty columns with two readers."""
    table = Table("", *(report.reader for report in reports), title=title, title_justify="left")
    said = [report.summary() for report in reports]
    rows: list[tuple[str, list[str]]] = [
        ("pictures, plates 图片与车牌", [f"{s['pictures']}, {s['plates']}" for s in said]),
        ("exact 完全正确", [_percent(s["exact"]) for s in said]),
        ("exact without province 不计省份", [_percent(s["exact_without_province"]) for s in said]),
        ("exact, wanted plates only 主车牌", [_percent(s["wanted"]["exact"]) for s in said]),
        ("located at IoU 0.5 检出", [_percent(s["located_at_iou_50"]) for s in said]),
        ("located and legal 检出且合法", [_percent(s["found_at_iou_50"]) for s in said]),
        ("precision of legal plates 精度", [_percent(s["precision"]) for s in said]),
        ("false plates 误报", [str(s["false_plates"]) for s in said]),
        ("ms a picture, median / p95", [_spread(s["ms_per_picture"]) for s in said]),
    ]
    stages = dict.fromkeys(stage for s in said for stage in s["ms_per_stage"])
    rows += [(f"  ms {stage}", [_spread(s["ms_per_stage"].get(stage)) for s in said]) for stage in stages]
    kinds = dict.fromkeys(kind for s in said for kind in s["per_kind"])
    for kind in kinds:
        cells = [s["per_kind"].get(kind) for s in said]
        rows.append((f"  {kind}", [f"{_percent(c['exact'])} of {c['plates']}" if c else "-" for c in cells]))
    for name, figures in rows:
        table.add_row(name, *figures)
    return table


def _spread(times: dict[str, float] | None) -> str:
    return "-" if times is None else f"{times['median']:.1f} / {times['p95']:.1f}"


def _say_confusions(report: Report) -> None:
    if not report.confusions:
        return
    most = report.confusions.most_common(_MOST_CONFUSIONS)
    said = ", ".join(f"{true or '-'}>{read or '-'} {count}" for (true, read), count in most)
    _out.print(f"{report.reader} took 误认: {said}", markup=False)


def _say_difference(ours: Report, theirs: Report) -> dict[str, Any]:
    """Where one is right and the other is wrong: what two single shares cannot say."""
    only_ours = only_theirs = 0
    for one, other in zip(ours.outcomes, theirs.outcomes, strict=True):
        only_ours += one.exact and not other.exact
        only_theirs += other.exact and not one.exact
    ratio = None
    if ours.total_ms and theirs.total_ms:
        ratio = statistics.median(theirs.total_ms) / max(statistics.median(ours.total_ms), 1e-6)
    _out.print(
        f"right only by {ours.reader}: {only_ours}, only by {theirs.reader}: {only_theirs}"
        + (f"; {ours.reader} is {ratio:.1f} times as fast" if ratio else ""),
        markup=False,
    )
    return {"right_only_by": {ours.reader: only_ours, theirs.reader: only_theirs}, "times_as_fast": ratio}


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Unavailable(f"{path}: cannot be written: {error.strerror}") from error
    _out.print(f"written: {path}", markup=False)

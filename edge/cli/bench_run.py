"""What ``gatehouse bench`` does: draw, enrol, measure, compare, tell."""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from edge.bench import BenchFilm, Played, Setting, Staged, draw_films, make_setting, play, run_stages
from edge.bench.films import given_film
from edge.cli.bench_peers import Compared, compare, spaced
from edge.cli.bench_words import figures_of, sentences, tables
from edge.cli.benching import Against
from edge.cli.evaluating import box_models
from edge.clock import SystemClock
from edge.doctor import examine_machine
from edge.errors import EdgeError, Exit, Unavailable
from edge.records import Kind
from models.errors import ModelError

_out = Console(highlight=False, soft_wrap=True)
_QUICK_FRAMES, _FRAMES = 6, 40


@dataclass(slots=True)
class Measured:
    """All that was measured with one film."""

    setting: Setting
    staged: Staged
    played: Played | None = None
    compared: Compared | None = None


def run_bench(
    kinds: Sequence[Kind],
    film: Path | None,
    against: Sequence[Against],
    *,
    quick: bool,
    real_time: bool,
    json_file: Path | None,
    config: Path | None,
) -> int:
    """Measure and tell; see ``gatehouse bench --help`` for what each argument means."""
    models, cache = box_models(config)
    before = _machine()
    measured: list[Measured] = []
    notes: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatehouse-bench-")))
        bar = stack.enter_context(_Bar())
        for one in _films(film, folder, kinds, quick, bar, notes):
            bar.now("准备 networks, enrolment")
            try:
                setting = make_setting(one, models, cache)
            except OSError as error:
                raise Unavailable(f"{cache}: cannot be written: {error.strerror}") from error
            measured.append(_measure(setting, against, bar, notes, quick=quick, real_time=real_time))
    if not measured:
        raise Unavailable("; ".join(notes))
    document = _document(measured, before, _machine())
    for part in measured:
        for table in tables(part.setting.film, part.staged, part.played, part.compared):
            _out.print(table)
    for line in [*sentences(document), *notes]:
        _out.print(line, markup=False)
    if json_file is not None:
        _save(json_file, document)
    return Exit.OK


def _films(
    film: Path | None, folder: Path, kinds: Sequence[Kind], quick: bool, bar: "_Bar", notes: list[str]
) -> list[BenchFilm]:
    if film is not None:
        return [given_film(film, kind) for kind in kinds]
    films: list[BenchFilm] = []
    for kind in kinds:
        report = bar.now(f"绘制录像 drawing a film ({kind})")
        try:
            films += draw_films(folder, (kind,), quick=quick, progress=report)
        except Unavailable as error:  # without portraits plates can be measured all the same
            notes.append(f"{kind}: not measured 未测: {error}")
    return films


def _measure(
    setting: Setting,
    against: Sequence[Against],
    bar: "_Bar",
    notes: list[str],
    *,
    quick: bool,
    real_time: bool,
) -> Measured:
    kind = setting.film.kind
    measured = Measured(setting, run_stages(setting, bar.now(f"逐帧 every stage ({kind})")))
    if real_time:
        length_s = measured.staged.frames / setting.film.fps
        measured.played = play(setting, SystemClock(), length_s, bar.now(f"实时 in real time ({kind})"))
    for peer in against:
        if peer.kind is not kind:
            continue
        numbers = spaced(measured.staged.seen_frames, _QUICK_FRAMES if quick else _FRAMES)
        if not numbers:
            notes.append(f"{peer}: nothing was found in this film to compare with 录像中无可对比内容")
            continue
        try:
            measured.compared = compare(peer, setting, numbers, bar.now(f"对比 {peer}"))
        except (EdgeError, ModelError) as error:
            notes.append(f"{peer}: not measured 未测: {error}")
    return measured


def _machine() -> dict[str, Any]:
    """What the machine says of itself now."""
    said: dict[str, Any] = {"load": round(os.getloadavg()[0], 2)}
    for finding in examine_machine():
        said[finding.part] = {"words": finding.words, "grade": finding.grade.value, **finding.figures}
    return said


def _document(measured: list[Measured], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    films = {}
    for part in measured:
        film = part.setting.film
        figures = figures_of(part.staged, part.played)
        figures["film"] = {"drawn": film.is_drawn, "fps": film.fps, "visits": film.visits}
        if part.compared is not None:
            ratio = round(part.compared.times_as_fast, 2)
            figures["against"] = {**asdict(part.compared), "times_as_fast": ratio}
        films[film.kind.value] = figures
    return {"machine": {"before": before, "after": after}, "films": films}


def _save(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{path}: cannot be written: {error.strerror}") from error
    _out.print(f"written 已写入: {path}", markup=False)


class _Bar:
    """What is being done, and how far it is; nothing where nobody looks."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def now(self, what: str) -> Callable[[float], None]:
        """Begin something; returns what takes how far it is, 0 to 1."""
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        task = self._progress.add_task(what, total=1.0)
        return lambda share: self._progress.update(task, completed=share)

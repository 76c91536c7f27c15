"""Verification figures for ``gatehouse eval``: one table of all engines, JSON, and a chart.

How figures are said here is shared with ``face_identification``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from edge.cli.charts import Curve, draw_curves
from edge.cli.face_engines import Engine
from models.face.evaluation import RATES, Described, verify
from models.face.pairs import Pair
from models.results import BgrImage

_out = Console(highlight=False, soft_wrap=True)
_MOST_LISTED = 20
_LEAST_COUNTED = 10  # a rate that fewer mistakes than this stand for is little more than chance

Figures = dict[str, Any]


def measure_pairs(engines: Sequence[Engine], pairs: Sequence[Pair]) -> tuple[Figures, BgrImage]:
    """One person or two? Says the figures; returns them JSON-ready, with the chart.

    A pair that cannot be compared counts as refused.

    Args:
        engines: The first is that of this box; what others get stands under ``against``.
        pairs: To be told apart.
    """
    same = np.array([pair.same for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    genuine, foreign, parts = int(same.sum()), int((~same).sum()), len(set(folds.tolist()))
    results: list[Figures] = []
    curves = []
    head("verification: one person or two? 一对一比对")
    line("pairs 配对", f"{genuine} of one person, {foreign} of two, {parts} folds")
    for engine in engines:
        described = engine.describe([path for pair in pairs for path in (pair.first, pair.second)])
        distances = _distances(engine, described, pairs)
        figures = verify(distances, same, folds)
        results.append(
            {
                **engine.as_dict(),
                "genuine": genuine,
                "impostor": foreign,
                "not_comparable": int(np.isinf(distances).sum()),
                "folds": parts,
                **figures.as_dict(),
                **failures(engine.label, described),
            }
        )
        curves.append(Curve(engine.label, figures.curve, sure(foreign)))
    if parts == 1:
        line("ONE fold", "the threshold is chosen on the same pairs: the accuracy flatters 准确率偏高")
    say_table(
        "",
        [engine.label for engine in engines],
        {
            f"accuracy, {parts} folds 准确率": [
                f"{percent(each['accuracy'])} ± {percent(each['accuracy_spread'])}" for each in results
            ],
            "area under the ROC curve": [f"{each['area']:.5f}" for each in results],
            **{
                f"recognised at FAR {rate} 通过率": [percent(each["hits_at"][rate]) for each in results]
                for rate in results[0]["hits_at"]
            },
            "pairs not comparable (= refused)": [str(each["not_comparable"]) for each in results],
            **failure_rows(results),
        },
    )
    caution(foreign, "pairs of two persons")
    chart = draw_curves(
        f"Verification: {genuine} + {foreign} pairs, accuracy {percent(results[0]['accuracy'])}",
        "false accept rate: pairs of two persons taken for one (thin: too few to tell)",
        "pairs of one person recognised",
        curves,
    )
    return results[0] | against(engines, results), chart


def _distances(engine: Engine, described: Described, pairs: Sequence[Pair]) -> "np.ndarray[Any, Any]":
    templates = described.templates
    distances = np.full(len(pairs), np.inf)
    there = [place for place, p in enumerate(pairs) if p.first in templates and p.second in templates]
    if there:
        ones = np.stack([templates[pairs[place].first] for place in there])
        others = np.stack([templates[pairs[place].second] for place in there])
        distances[there] = engine.distances(ones, others)
    return distances


# How things are said


def head(title: str) -> None:
    """A heading."""
    _out.print(title, style="bold", markup=False)


def line(label: str, text: str) -> None:
    """One figure."""
    _out.print(f"  {label}: {text}", markup=False)


def say_table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    """Figures of all engines side by side."""
    table = Table(title=title or None, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for label, values in rows.items():
        table.add_row(label, *values)
    _out.print(table)


def failures(label: str, described: Described) -> Figures:
    """List what could not be used, and give it for the JSON."""
    for what, names in (
        ("unreadable or missing 无法读取", [f"{path}: {why}" for path, why in described.unreadable.items()]),
        ("no face found 未检出人脸", described.without_face),
    ):
        if names:
            line(f"{label}, {what}", str(len(names)))
            _listed(names)
    return {
        "pictures": described.pictures,
        "unreadable": described.unreadable,
        "without_face": described.without_face,
        "ms_per_picture": described.ms,
    }


def failure_rows(results: Sequence[Figures]) -> dict[str, list[str]]:
    """Rows of the table about pictures."""
    return {
        "no face found 未检出人脸": [
            f"{len(each['without_face'])} of {each['pictures']}" for each in results
        ],
        "unreadable or missing 无法读取": [str(len(each["unreadable"])) for each in results],
        "ms per picture 每张毫秒": [
            ", ".join(f"{stage} {ms:.1f}" for stage, ms in each["ms_per_picture"].items()) or "kept 已缓存"
            for each in results
        ],
    }


def against(engines: Sequence[Engine], results: Sequence[Figures]) -> Figures:
    """What the others got, for the JSON."""
    if len(engines) < 2:
        return {}
    return {"against": {e.label: each for e, each in zip(engines[1:], results[1:], strict=True)}}


def percent(share: float) -> str:
    """Four digits: 97.43 %."""
    return f"{100 * share:.4g} %"


def caution(count: int, of: str) -> None:
    """Say which rates hang on so few mistakes that they are little more than chance."""
    for rate in RATES:
        allowed = int(rate * count)
        if allowed < _LEAST_COUNTED:
            words = f"only {allowed} of {count} {of} may pass: little more than chance 样本过少"
            _out.print(f"  {percent(rate)}: {words}", style="yellow", markup=False)


def sure(count: int) -> float:
    """The rate below which a curve is drawn thin."""
    return _LEAST_COUNTED / count


def _listed(lines: Sequence[str]) -> None:
    for text in lines[:_MOST_LISTED]:
        _out.print(f"    {text}", style="yellow", markup=False)
    if len(lines) > _MOST_LISTED:
        _out.print(f"    ... and {len(lines) - _MOST_LISTED} more, all of them with --json", style="yellow")

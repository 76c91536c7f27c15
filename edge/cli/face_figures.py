"""Figures about faces for ``gatehouse eval``: said line by line, as JSON, and as a chart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge.cli.charts import Curve, draw_curves
from edge.errors import UsageError
from models.face import (
    FaceDetector,
    FaceEmbedder,
    FaceMatch,
    FaceRule,
    Gallery,
    Measure,
    calibrate,
)
from models.face.evaluation import RATES, Described, Pair, describe_pictures, identify, verify
from models.results import BgrImage

Persons = Mapping[str, Sequence[Path]]
"""Pictures by name."""

_out = Console(highlight=False, soft_wrap=True)
_MOST_LISTED = 20
_FIXED_DISTANCE = 0.6  # face_recognition's own rule, for comparison
_LEAST_COUNTED = 10  # a rate that fewer mistakes than this stand for is little more than chance


@dataclass(frozen=True, slots=True)
class Engine:
    """What is being measured."""

    detector: FaceDetector
    embedder: FaceEmbedder

    def describe(self, paths: Sequence[Path]) -> Described:
        """Describe pictures with a progress bar on a terminal."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
            task = progress.add_task("pictures 照片", total=len(set(paths)))
            return describe_pictures(
                paths, self.detector, self.embedder, lambda done, _: progress.update(task, completed=done)
            )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"detector": self.detector.name, "templates": self.embedder.set_name}


def measure_pairs(engine: Engine, pairs: Sequence[Pair]) -> tuple[dict[str, Any], BgrImage]:
    """One person or two? Says the figures; returns them JSON-ready, with the chart.

    A pair that cannot be compared counts as refused.
    """
    described = engine.describe([path for pair in pairs for path in (pair.first, pair.second)])
    templates = described.templates
    distances = np.array(
        [
            float(np.linalg.norm(templates[pair.first] - templates[pair.second]))
            if pair.first in templates and pair.second in templates
            else np.inf
            for pair in pairs
        ]
    )
    same = np.array([pair.same for pair in pairs])
    figures = verify(distances, same, np.array([pair.fold for pair in pairs]))
    folds = len({pair.fold for pair in pairs})
    lost = int(np.isinf(distances).sum())
    genuine, foreign = int(same.sum()), int((~same).sum())
    _head("verification: one person or two? 一对一比对", engine)
    how = f"over {folds} folds" if folds > 1 else "ONE fold: threshold chosen on the same pairs, flattering"
    _line("pairs 配对", f"{genuine} of one person, {foreign} of two; {lost} not comparable (= refused)")
    _line("accuracy 准确率", f"{_percent(figures.accuracy)} +- {_percent(figures.accuracy_spread)} ({how})")
    _line("area under the ROC curve", f"{figures.area:.5f}")
    for rate, share in figures.hits_at.items():
        _line(f"recognised at FAR {rate} 通过率", f"{_percent(share)}{_caution(float(rate), foreign)}")
    failures = _failures(described)
    curve = Curve(f"{engine.detector.name}, {engine.embedder.set_name}", figures.curve, _sure(foreign))
    chart = draw_curves(
        f"Verification: {genuine} + {foreign} pairs, accuracy {_percent(figures.accuracy)}",
        "false accept rate: pairs of two persons taken for one (thin: too few to tell)",
        "pairs of one person recognised",
        [curve],
    )
    counts = {"genuine": genuine, "impostor": foreign, "not_comparable": lost, "folds": folds}
    return engine.as_dict() | counts | figures.as_dict() | failures, chart


def measure_strangers(engine: Engine, enrolled: Persons, coming: Persons) -> tuple[dict[str, Any], BgrImage]:
    """Who is it, or nobody known? Says the figures; returns them JSON-ready, with the chart.

    Args:
        engine: What is being measured.
        enrolled: Pictures of each person who is enrolled.
        coming: Pictures of each person who comes; whose name is not among the enrolled is a stranger. A
            resident without a template counts as not named, a stranger without one as refused.

    Raises:
        UsageError: Nobody could be enrolled, or no resident or no stranger comes.
    """
    everything = [path for group in (*enrolled.values(), *coming.values()) for path in group]
    described = engine.describe(everything)
    templates = described.templates
    entries = [(name, templates[p]) for name, paths in enrolled.items() for p in paths if p in templates]
    if not entries:
        raise UsageError("no picture of the gallery can be used: nobody would be enrolled")
    gallery = Gallery.build(engine.embedder.set_name, entries)
    known = [(name, path) for name, paths in coming.items() if name in enrolled for path in paths]
    unknown = [path for name, paths in coming.items() if name not in enrolled for path in paths]
    if not known or not unknown:
        missing = "resident (a name of --gallery)" if not known else "stranger (a name not in --gallery)"
        raise UsageError(f"no {missing} among the probes: the figures need both")
    residents = [(name, templates[path]) for name, path in known if path in templates]
    strangers = [templates[path] for path in unknown if path in templates]
    lost = {
        "failed_residents": len(known) - len(residents),
        "failed_strangers": len(unknown) - len(strangers),
    }
    _head("identification: residents and strangers 开集识别", engine)
    _line("enrolled 已登记", f"{len(gallery.names)} of {len(enrolled)} persons, {gallery.size} pictures")
    _line("resident probes 住户", f"{len(known)} pictures, {lost['failed_residents']} without a template")
    _line("stranger probes 陌生人", f"{len(unknown)} pictures, {lost['failed_strangers']} without a template")
    part: dict[str, Any] = engine.as_dict() | {
        "enrolled": len(gallery.names),
        "not_enrolled": sorted(set(enrolled) - gallery.persons),
        **lost,
    }
    forms = {"distance": ("raw distance, best threshold", _distance)}
    if len(gallery.names) > 1:
        forms["score"] = ("cohort-normalised score, best threshold", _score)
    matches = [(name, gallery.match(template)) for name, template in residents]
    others = [gallery.match(template) for template in strangers]
    curves = []
    for key, (label, measure) in forms.items():
        figures = identify(gallery, residents, strangers, measure, **lost)
        points = _curve(matches, others, measure, **lost)
        curves.append(Curve(label, points, _sure(len(unknown))))
        part[key] = figures.as_dict() | {"curve": points}
        for rate, share in figures.named_at.items():
            text = f"{_percent(share)} named rightly{_caution(float(rate), len(unknown))}"
            _line(f"{label}, strangers {_percent(float(rate))}", text)
    nearest = sum(match.subject == name for name, match in matches) / len(known)
    part["nearest_is_right"] = nearest
    _line("nearest is the right one, no threshold", _percent(nearest))
    rules = {f"calibrated for {_percent(rate)}": calibrate(gallery, rate) for rate in RATES}
    rules["fixed distance 0.6"] = FaceRule(Measure.DISTANCE, _FIXED_DISTANCE, margin=0.0)
    part["rules"] = {}
    for label, rule in rules.items():
        right = sum(rule.accepts(match) and match.subject == name for name, match in matches) / len(known)
        wrong = sum(rule.accepts(match) for match in others) / len(unknown)
        part["rules"][label] = {
            "threshold": rule.threshold,
            "measure": rule.measure.value,
            "residents_named": right,
            "strangers_accepted": wrong,
        }
        text = f"{_percent(right)} residents named, {_percent(wrong)} strangers accepted"
        _line(f"rule {label}", text)
    chart = draw_curves(
        f"Identification: {len(gallery.names)} enrolled, {len(known)} + {len(unknown)} probes",
        "false accept rate: strangers taken for somebody (thin: too few to tell)",
        "residents named rightly",
        curves,
    )
    return part | _failures(described), chart


def _distance(match: FaceMatch) -> float:
    return match.distance


def _score(match: FaceMatch) -> float:
    return match.score if math.isfinite(match.score) else math.inf


def _curve(
    matches: Sequence[tuple[str, FaceMatch]],
    others: Sequence[FaceMatch],
    measure: Any,
    *,
    failed_residents: int,
    failed_strangers: int,
) -> list[tuple[float, float]]:
    """Share of residents named against share of strangers accepted, as ``identify`` counts them."""
    genuine = [measure(match) if match.subject == name else math.inf for name, match in matches]
    foreign = [measure(match) for match in others]
    values = np.array(
        [*genuine, *[math.inf] * failed_residents, *foreign, *[math.inf] * failed_strangers], np.float64
    )
    same = np.arange(len(values)) < len(genuine) + failed_residents
    return list(verify(values, same, np.zeros(len(values), np.intp)).curve)


def _failures(described: Described) -> dict[str, Any]:
    """Say what could not be used, and give it for the JSON."""
    faceless = described.without_face
    times = ", ".join(f"{stage} {ms:.1f}" for stage, ms in described.ms.items())
    _line("ms per picture 每张毫秒", times)
    _line("unreadable or missing 无法读取", str(len(described.unreadable)))
    _listed([f"{path}: {why}" for path, why in described.unreadable.items()])
    _line("no face found 未检出人脸", str(len(faceless)))
    _listed(faceless)
    return {
        "pictures": len(described.templates) + len(faceless) + len(described.unreadable),
        "unreadable": described.unreadable,
        "without_face": faceless,
        "ms_per_picture": described.ms,
    }


def _listed(lines: Sequence[str]) -> None:
    for line in lines[:_MOST_LISTED]:
        _out.print(f"    {line}", style="yellow", markup=False)
    if len(lines) > _MOST_LISTED:
        _out.print(f"    ... and {len(lines) - _MOST_LISTED} more, all of them with --json", style="yellow")


def _head(title: str, engine: Engine) -> None:
    _out.print(f"{title}  ({engine.detector.name}, {engine.embedder.set_name})", style="bold", markup=False)


def _line(label: str, text: str) -> None:
    _out.print(f"  {label}: {text}", markup=False)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _caution(rate: float, count: int) -> str:
    """A rate that hangs on a few pictures is said to do so."""
    allowed = int(rate * count)
    return (
        f"  (only {allowed} of {count} may pass: little more than chance)" if allowed < _LEAST_COUNTED else ""
    )


def _sure(count: int) -> float:
    return _LEAST_COUNTED / count

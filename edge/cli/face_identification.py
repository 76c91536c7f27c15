"""Identification figures for ``gatehouse eval``: residents and strangers, by picture and by visit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.cli.charts import Curve, draw_curves
from edge.cli.face_engines import Engine, Matcher
from edge.cli.face_figures import (
    Figures,
    against,
    caution,
    failure_rows,
    failures,
    head,
    line,
    percent,
    say_table,
    sure,
)
from edge.errors import UsageError
from models.face import FaceMatch, FaceRule, Gallery, Measure, ask
from models.face.distances import EXACT, PairDistances
from models.face.evaluation import RATES, Described, identify, visit_templates
from models.results import BgrImage

Persons = Mapping[str, Sequence[Path]]
"""Pictures by name."""
_FIXED_DISTANCE = 0.6  # face_recognition's own rule
_FROM_PERSONS = 100  # below, distances say more than scores: models.face.judgement


@dataclass(slots=True)
class _Attempts:
    """What the gallery said: to residents, with their names, to strangers, and who could not be asked."""

    residents: list[tuple[str, FaceMatch]]
    strangers: list[FaceMatch]
    failed_residents: int = 0
    failed_strangers: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Attempts of residents, of strangers."""
        return (
            len(self.residents) + self.failed_residents,
            len(self.strangers) + self.failed_strangers,
        )

    def judged(self, rule: FaceRule) -> Figures:
        """What a rule makes of them."""
        known, unknown = self.counts
        right = sum(rule.accepts(match) and match.subject == name for name, match in self.residents)
        wrong = sum(rule.accepts(match) for match in self.strangers)
        return {
            "threshold": rule.threshold,
            "measure": rule.measure.value,
            "residents_named": right / known,
            "strangers_accepted": wrong / unknown,
        }


def measure_strangers(
    engines: Sequence[Engine],
    enrolled: Persons,
    coming: Persons,
    pairs: PairDistances = EXACT,
) -> tuple[Figures, BgrImage]:
    """Who is it, or nobody known? Says the figures; returns them JSON-ready, with the chart.

    Args:
        engines: The first is that of this box; what others get stands under ``against``.
        enrolled: Pictures of each person who is enrolled.
        coming: Pictures of each person who comes; whose name is not among the enrolled is a stranger. All
            pictures of a person together are one visit. A resident without a template counts as not named, a
            stranger without one as refused.
        pairs: What is known of distances in this box's template space.

    Raises:
        UsageError: Nobody could be enrolled, or no resident or no stranger comes.
    """
    missing = [
        word
        for word, is_there in (
            ("resident (a name of --gallery)", any(name in enrolled for name in coming)),
            ("stranger (a name not in --gallery)", any(name not in enrolled for name in coming)),
        )
        if not is_there
    ]
    if missing:
        raise UsageError(f"no {missing[0]} among the probes: the figures need both")
    head("identification: residents and strangers 开集识别")
    results, curves = [], []
    for engine in engines:
        result, drawn = _measured(engine, enrolled, coming, pairs)
        results.append(result)
        curves += drawn
    _say(engines, results)
    known, unknown = results[0]["resident_pictures"], results[0]["stranger_pictures"]
    chart = draw_curves(
        f"Identification: {results[0]['enrolled']} enrolled, {known} + {unknown} pictures",
        "false accept rate: strangers taken for somebody (thin: too few to tell)",
        "residents named rightly",
        curves[:4],
    )
    return results[0] | against(engines, results), chart


def _measured(
    engine: Engine, enrolled: Persons, coming: Persons, pairs: PairDistances
) -> tuple[Figures, list[Curve]]:
    everything = [path for group in (*enrolled.values(), *coming.values()) for path in group]
    described = engine.describe(everything)
    entries = [
        (name, described.templates[path])
        for name, paths in enrolled.items()
        for path in paths
        if path in described.templates
    ]
    if not entries:
        raise UsageError("no picture of the gallery can be used: nobody would be enrolled")
    match, gallery = engine.enrol(entries)
    singles = _singles(described, enrolled, coming, match)
    visits = _visits(described, enrolled, coming, match)
    known, unknown = singles.counts
    names = {name for name, _ in entries}
    part: Figures = engine.as_dict() | {
        "enrolled": len(names),
        "not_enrolled": sorted(set(enrolled) - names),
        "templates_enrolled": len(entries),
        "resident_pictures": known,
        "stranger_pictures": unknown,
        "resident_visits": visits.counts[0],
        "stranger_visits": visits.counts[1],
        "failed_residents": singles.failed_residents,
        "failed_strangers": singles.failed_strangers,
    }
    forms: dict[str, tuple[_Attempts, Callable[[FaceMatch], float]]] = {"distance": (singles, _distance)}
    if gallery is not None and len(names) > 1:
        forms["score"] = (singles, _score)
        forms["visit_distance"] = (visits, _distance)
        forms["visit_score"] = (visits, _score)
    curves = []
    for key, (attempts, measure) in forms.items():
        figures = identify(
            attempts.residents,
            attempts.strangers,
            measure,
            failed_residents=attempts.failed_residents,
            failed_strangers=attempts.failed_strangers,
        )
        part[key] = figures.as_dict()
        if key in ("distance", "visit_score") or (key == "score" and len(names) >= _FROM_PERSONS):
            label = f"{engine.label.split(' (')[0]}: {key.replace('_', ', ')}"
            curves.append(Curve(label, figures.curve, sure(attempts.counts[1])))
    part["nearest_is_right"] = part["distance"]["named_nearest"]
    part["rules"] = _rules(gallery, singles, visits, pairs)
    if gallery is not None:
        part["expected"], part["expected_zh"] = ask(gallery, pairs).rule(of_visits=True).sentence()
    return part | failures(engine.label, described), curves


def _singles(described: Described, enrolled: Persons, coming: Persons, match: Matcher) -> _Attempts:
    """One attempt for each picture."""
    attempts = _Attempts([], [])
    for name, paths in coming.items():
        for path in paths:
            _add(attempts, name, name in enrolled, described.templates.get(path), match)
    return attempts


def _visits(described: Described, enrolled: Persons, coming: Persons, match: Matcher) -> _Attempts:
    """One attempt for each person, with all their pictures together."""
    attempts = _Attempts([], [])
    for name, paths in coming.items():
        _add(attempts, name, name in enrolled, visit_templates(described, paths), match)
    return attempts


def _add(attempts: _Attempts, name: str, is_known: bool, template: Any, match: Matcher) -> None:
    if template is None:
        attempts.failed_residents += is_known
        attempts.failed_strangers += not is_known
    elif is_known:
        attempts.residents.append((name, match(template)))
    else:
        attempts.strangers.append(match(template))


def _rules(gallery: Gallery | None, singles: _Attempts, visits: _Attempts, pairs: PairDistances) -> Figures:
    """What the gate's own rules make of them, and face_recognition's."""
    rules: Figures = {}
    if gallery is not None:
        asked = ask(gallery, pairs)
        for rate in RATES:
            rules[f"calibrated for {percent(rate)}"] = singles.judged(asked.rule(rate))
        for rate in RATES:
            rule = asked.rule(rate, of_visits=True)
            rules[f"visits, calibrated for {percent(rate)}"] = visits.judged(rule)
    fixed = FaceRule(Measure.DISTANCE, _FIXED_DISTANCE, margin=0.0)
    rules[f"fixed distance {_FIXED_DISTANCE}"] = singles.judged(fixed)
    return rules


def _say(engines: Sequence[Engine], results: Sequence[Figures]) -> None:
    first = results[0]
    line("enrolled 已登记", f"{first['enrolled']} persons, {first['templates_enrolled']} pictures")
    line("resident probes 住户", f"{first['resident_pictures']} pictures, {first['resident_visits']} visits")
    line(
        "stranger probes 陌生人", f"{first['stranger_pictures']} pictures, {first['stranger_visits']} visits"
    )
    rows: dict[str, list[str]] = {}
    for key, label in (
        ("distance", "one picture, distance"),
        ("score", "one picture, score"),
        ("visit_distance", "visit, distance"),
        ("visit_score", "visit, score"),
    ):
        for rate in RATES if key in first else ():
            rows[f"{label}, strangers {percent(rate)}"] = [
                percent(each[key]["named_at"][f"{rate:g}"]) if key in each else "-" for each in results
            ]
    rows["nearest is the right one, no threshold 首位正确"] = [
        percent(each["nearest_is_right"]) for each in results
    ]
    for label in first["rules"]:
        rows[f"{label}: named / strangers"] = [
            f"{percent(each['rules'][label]['residents_named'])} /"
            f" {percent(each['rules'][label]['strangers_accepted'])}"
            if label in each["rules"]
            else "-"
            for each in results
        ]
    rows |= failure_rows(results)
    say_table("residents named rightly 正确识别的住户", [engine.label for engine in engines], rows)
    caution(first["stranger_pictures"], "pictures of strangers")
    for sentence in (first.get("expected"), first.get("expected_zh")):
        if sentence:
            line("expected 预期", sentence)


def _distance(match: FaceMatch) -> float:
    return match.distance


def _score(match: FaceMatch) -> float:
    return match.score

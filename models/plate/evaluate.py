"""Measuring a plate reader against labelled pictures: what was found, what was read, how long it took.

Every figure is for single pictures: voting over frames comes later and is measured apart. A reading counts
as a plate only when it decodes to a legal one. The letters O and I count as the digits 0 and 1, since labels
mix them. Label formats: see ``models.plate.labels``.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ModelMismatch
from models.plate.decode import Decoded, decode
from models.plate.fusion import align
from models.plate.geometry import box_iou
from models.plate.grammar import parse_plate
from models.plate.labels import Box, LabelledPicture, Truth, load_labels, load_picture, parse_ccpd_name
from models.plate.lattice import lattice_from_text
from models.plate.reader import CropReader, PlateReader, TimedReader
from models.results import BgrImage, PlateReading

__all__ = [
    "LabelledPicture",
    "Outcome",
    "Report",
    "Truth",
    "evaluate",
    "load_labels",
    "load_picture",
    "parse_ccpd_name",
]

FOUND_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one labelled plate.

    Attributes:
        file: Name of the picture; ``path`` is where it lies.
        truth, read: Texts, normalised; ``read`` is "" when nothing legal was read there.
        located: Something was found at this place, read or not.
        found: A legal plate was read at this place.
        exact: And it is the right one.
        margin: Nats to the second-best plate.
        box: Where the plate is; None when the picture is nothing but the plate.
        wanted: It is the plate that the picture is about.
    """

    file: str
    truth: str
    read: str
    found: bool
    exact: bool
    margin: float
    colour: str = ""
    located: bool = False
    path: Path = Path()
    box: Box | None = None
    wanted: bool = False

    @property
    def exact_without_province(self) -> bool:
        """Right but for the first character."""
        return self.found and same_text(self.read[1:], self.truth[1:])


@dataclass(slots=True)
class Report:
    """All figures of one run; ``summary()`` is JSON-ready."""

    reader: str
    outcomes: list[Outcome] = field(default_factory=list)
    pictures: int = 0
    false_plates: list[tuple[str, str]] = field(default_factory=list)
    other_lines: int = 0
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    total_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Counts and shares; shares of nothing are None, never NaN."""
        plates = len(self.outcomes)
        found = sum(o.found for o in self.outcomes)
        exact = sum(o.exact for o in self.outcomes)
        bare = sum(o.exact_without_province for o in self.outcomes)
        legal = found + len(self.false_plates)
        wanted = [o for o in self.outcomes if o.wanted]
        return {
            "reader": self.reader,
            "pictures": self.pictures,
            "plates": plates,
            "exact": _share(exact, plates),
            "exact_without_province": _share(bare, plates),
            "located_at_iou_50": _share(sum(o.located for o in self.outcomes), plates),
            "found_at_iou_50": _share(found, plates),
            "wanted": {"plates": len(wanted), "exact": _share(sum(o.exact for o in wanted), len(wanted))},
            "precision": _share(found, legal),
            "false_plates": len(self.false_plates),
            "lines_that_are_no_plate": self.other_lines,
            "per_kind": _grouped(self.outcomes, _kind_of),
            "per_colour": _grouped([o for o in self.outcomes if o.colour], lambda o: o.colour),
            "confusions": [
                {"true": true, "read": read, "count": n}
                for (true, read), n in self.confusions.most_common(20)
            ],
            "ms_per_picture": _spread(self.total_ms),
            "ms_per_stage": {stage: _spread(values) for stage, values in self.stages_ms.items()},
            "worst": [
                {"file": o.file, "true": o.truth, "read": o.read, "margin": round(o.margin, 2)}
                for o in sorted(self.outcomes, key=lambda o: (o.exact, -o.margin))
                if not o.exact
            ][:30],
        }


_LIKE_DIGITS = str.maketrans("OI", "01")


def same_text(one: str, other: str) -> bool:
    """Whether two plates are the same, with O as 0 and I as 1."""
    return one.translate(_LIKE_DIGITS) == other.translate(_LIKE_DIGITS)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    ranked = sorted(values)
    return {
        "median": round(statistics.median(ranked), 2),
        "p95": round(ranked[min(int(len(ranked) * 0.95), len(ranked) - 1)], 2),
    }


def _kind_of(outcome: Outcome) -> str:
    plate = parse_plate(outcome.truth)
    return str(plate.kind) if plate else "illegal label"


def _grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], str]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return {
        name: {"plates": len(group), "exact": _share(sum(o.exact for o in group), len(group))}
        for name, group in sorted(groups.items())
    }


def evaluate(
    reader: PlateReader,
    pictures: Iterable[LabelledPicture],
    *,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Read every picture once and compare. ``progress`` is called with the number done so far."""
    report = Report(reader.name)
    for done, picture in enumerate(pictures, start=1):
        image = load_picture(picture.file)
        if picture.plates and picture.plates[0].box is None:
            _evaluate_crop(reader, image, picture, report)
        else:
            _evaluate_scene(reader, image, picture, report)
        report.pictures += 1
        if progress is not None:
            progress(done)
    return report


def _evaluate_crop(reader: PlateReader, image: BgrImage, picture: LabelledPicture, report: Report) -> None:
    truth = picture.plates[0]
    if not isinstance(reader, CropReader):
        raise ModelMismatch(reader.name, "cannot read single crops; give it whole pictures")
    began = time.perf_counter()
    lattice = reader.read_crop(image)
    read_ms = (time.perf_counter() - began) * 1e3
    decoded = decode(lattice)
    total_ms = (time.perf_counter() - began) * 1e3
    stages = dict(reader.stages_ms) if isinstance(reader, TimedReader) else {}
    _time(report, total_ms, {**(stages or {"read": read_ms}), "decode": total_ms - read_ms})
    _judge(report, picture, truth, decoded, found=bool(decoded.text), located=bool(lattice))


def _evaluate_scene(reader: PlateReader, image: BgrImage, picture: LabelledPicture, report: Report) -> None:
    began = time.perf_counter()
    readings = reader.read(image)
    read_ms = (time.perf_counter() - began) * 1e3
    decoded = [(reading, decode(reading.lattice, seen_kind=reading.kind)) for reading in readings]
    total_ms = (time.perf_counter() - began) * 1e3
    stages = dict(reader.stages_ms) if isinstance(reader, TimedReader) else {"read": read_ms}
    _time(report, total_ms, {**stages, "decode": total_ms - read_ms})
    plates = [(reading, d) for reading, d in decoded if d.text]
    report.other_lines += len(decoded) - len(plates)
    for truth in picture.plates:
        located = _best_overlap(truth, decoded) is not None
        match = _best_overlap(truth, plates)
        best = plates.pop(match)[1] if match is not None else Decoded("")
        _judge(report, picture, truth, best, found=match is not None, located=located)
    report.false_plates += [(picture.file.name, d.text) for _, d in plates]


def _best_overlap(truth: Truth, plates: Sequence[tuple[PlateReading, Decoded]]) -> int | None:
    overlaps = [box_iou(truth.box, reading.box) if truth.box else 0.0 for reading, _ in plates]
    best = max(range(len(plates)), key=lambda i: overlaps[i], default=None)
    return best if best is not None and overlaps[best] >= FOUND_IOU else None


def _time(report: Report, total_ms: float, stages_ms: dict[str, float]) -> None:
    report.total_ms.append(total_ms)
    for stage, value in stages_ms.items():
        report.stages_ms.setdefault(stage, []).append(value)


def _judge(
    report: Report, picture: LabelledPicture, truth: Truth, decoded: Decoded, *, found: bool, located: bool
) -> None:
    read = decoded.text
    exact = found and same_text(read, truth.text)
    report.outcomes.append(
        Outcome(
            picture.file.name,
            truth.text,
            read,
            found,
            exact,
            decoded.margin,
            truth.colour,
            located,
            picture.file,
            truth.box,
            wanted=picture.wanted in ("", truth.text) if truth.box else True,
        )
    )
    if found and not exact:
        for i, j in align(lattice_from_text(truth.text), lattice_from_text(read)):
            a = truth.text[i] if i is not None else ""
            b = read[j] if j is not None else ""
            if a != b:
                report.confusions[a, b] += 1

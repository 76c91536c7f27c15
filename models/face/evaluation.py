"""Honest figures about faces: verification as LFW does it, and identification with strangers.

Pictures that are missing or broken, or in which no face is found, are counted and listed, never skipped.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import PictureUnusable
from models.face.contracts import FaceDetector, FaceEmbedder
from models.face.matcher import FaceMatch, mean_template
from models.face.pictures import load_picture
from models.results import BgrImage, FaceDetection

Progress = Callable[[int, int], None]
"""Told how many pictures of how many are done."""

RATES = (1e-2, 1e-3)
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(slots=True)
class Described:
    """Templates of many pictures, and what went wrong with the others."""

    templates: dict[Path, NDArray[np.float32]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    without_face: list[str] = field(default_factory=list)
    ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds for each picture, by stage."""

    @property
    def pictures(self) -> int:
        """How many were looked at."""
        return len(self.templates) + len(self.without_face) + len(self.unreadable)


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of pairs of pictures: accuracy over folds, area under the curve, hits at false-accept rates."""

    pairs: int
    accuracy: float
    accuracy_spread: float
    area: float
    hits_at: Mapping[str, float]
    curve: Sequence[tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Result of identification: share of residents named rightly at rates of strangers accepted."""

    residents: int
    strangers: int
    named_at: Mapping[str, float]
    named_nearest: float
    curve: Sequence[tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def pictures_by_person(folder: Path) -> dict[str, list[Path]]:
    """Pictures of a folder in LFW's layout: one folder for each person."""
    found = {
        person.name: sorted(path for path in person.iterdir() if path.suffix.lower() in _PICTURES)
        for person in sorted(folder.iterdir())
        if person.is_dir()
    }
    return {name: paths for name, paths in found.items() if paths}


def describe_pictures(
    paths: Iterable[Path], detector: FaceDetector, embedder: FaceEmbedder, progress: Progress | None = None
) -> Described:
    """Describe the face nearest to the middle of each picture, as LFW's pictures want it."""
    wanted = sorted(set(paths))
    result = Described(ms={"read": 0.0, "detect": 0.0, "embed": 0.0})
    for done, path in enumerate(wanted):
        if progress and done:
            progress(done, len(wanted))
        started = time.perf_counter()
        try:
            image = load_picture(path)
        except PictureUnusable as error:
            result.unreadable[str(path)] = str(error)
            continue
        read = time.perf_counter()
        face = central_face(image, detector.detect(image))
        detected = time.perf_counter()
        if face is None:
            result.without_face.append(str(path))
        else:
            result.templates[path] = embedder.embed(image, [face])[0]
        ended = time.perf_counter()
        for stage, seconds in (
            ("read", read - started),
            ("detect", detected - read),
            ("embed", ended - detected),
        ):
            result.ms[stage] += 1000 * seconds / len(wanted)
    if progress and wanted:
        progress(len(wanted), len(wanted))
    return result


def central_face(image: BgrImage, faces: Sequence[FaceDetection]) -> FaceDetection | None:
    """The face that a portrait is of: near the middle and large."""
    height, width = image.shape[:2]

    def oddness(face: FaceDetection) -> float:
        across = (face.left + face.right - width) / 2
        down = (face.top + face.bottom - height) / 2
        return float(np.hypot(across, down)) - 0.3 * (face.right - face.left)

    return min(faces, key=oddness, default=None)


def verify(distances: NDArray[np.float64], same: NDArray[np.bool_], folds: NDArray[np.intp]) -> Verification:
    """Judge pairs by distance; a pair that could not be compared has an infinite one.

    The accuracy of each fold uses the threshold that was best on the other folds.
    """
    accuracies = []
    for fold in np.unique(folds):
        test = folds == fold
        train = ~test if len(np.unique(folds)) > 1 else test
        threshold = _best_threshold(distances[train], same[train])
        accuracies.append(float(np.mean((distances[test] <= threshold) == same[test])))
    genuine, foreign = np.sort(distances[same]), np.sort(distances[~same])
    # The chance that a pair of one person is nearer than a pair of two, ties counting half.
    below = np.searchsorted(foreign, genuine, "left") + np.searchsorted(foreign, genuine, "right")
    area = 1.0 - float(below.mean()) / (2 * len(foreign))
    return Verification(
        pairs=len(distances),
        accuracy=float(np.mean(accuracies)),
        accuracy_spread=float(np.std(accuracies)),
        area=area,
        hits_at={f"{rate:g}": _hits(genuine, foreign, rate) for rate in RATES},
        curve=_curve(distances, same),
    )


def identify(
    residents: Sequence[tuple[str, FaceMatch]],
    strangers: Sequence[FaceMatch],
    measure: Callable[[FaceMatch], float],
    *,
    failed_residents: int = 0,
    failed_strangers: int = 0,
) -> OpenSet:
    """Count residents named rightly; failures to detect count as residents not named and strangers refused.

    Args:
        residents: Name and match of each attempt of an enrolled person: a picture, or a whole visit.
        strangers: Matches of persons who are not enrolled.
        measure: Which number of a match is compared with the threshold; lower is more alike.
        failed_residents: Attempts of residents that gave no template.
        failed_strangers: Attempts of strangers that gave no template.
    """
    genuine, foreign = _values(residents, strangers, measure)
    genuine = np.sort(np.append(genuine, [np.inf] * failed_residents))
    foreign = np.sort(np.append(foreign, [np.inf] * failed_strangers))
    same = np.arange(len(genuine) + len(foreign)) < len(genuine)
    return OpenSet(
        residents=len(genuine),
        strangers=len(foreign),
        named_at={f"{rate:g}": _hits(genuine, foreign, rate) for rate in RATES},
        named_nearest=float(np.isfinite(genuine).mean()),
        curve=_curve(np.concatenate([genuine, foreign]), same),
    )


def visit_templates(described: Described, paths: Sequence[Path]) -> NDArray[np.float32] | None:
    """What all pictures of one visit say together; None when none of them has a template."""
    templates = [described.templates[path] for path in paths if path in described.templates]
    return mean_template(templates) if templates else None


def _values(
    residents: Sequence[tuple[str, FaceMatch]],
    strangers: Sequence[FaceMatch],
    measure: Callable[[FaceMatch], float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    genuine = np.array([measure(match) if match.subject == name else np.inf for name, match in residents])
    foreign = np.array([measure(match) if match.subject is not None else np.inf for match in strangers])
    # No neighbourhood, no score: a refusal.
    return np.nan_to_num(genuine, nan=np.inf, posinf=np.inf), np.nan_to_num(
        foreign, nan=np.inf, posinf=np.inf
    )


def _curve(values: NDArray[Any], same: NDArray[np.bool_]) -> list[tuple[float, float]]:
    genuine, foreign = np.sort(values[same]), np.sort(values[~same])
    steps = np.unique(np.concatenate([np.logspace(-4, 0, 81), RATES]))
    return [(float(rate), _hits(genuine, foreign, float(rate))) for rate in steps]


def _hits(genuine: NDArray[Any], foreign: NDArray[Any], rate: float) -> float:
    """Share of genuine values accepted when at most this share of foreign ones is."""
    allowed = int(rate * len(foreign))
    threshold = foreign[allowed] if allowed < len(foreign) else np.inf
    accepted = genuine < threshold if allowed < len(foreign) else np.isfinite(genuine)
    return float(accepted.mean())


def _best_threshold(distances: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    order = np.argsort(distances, kind="stable")
    right = np.cumsum(np.where(same[order], 1, -1))
    best = int(right.argmax())
    return float(distances[order[best]]) if right[best] > 0 else -1.0

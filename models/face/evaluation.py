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
from models.face.matcher import FaceMatch, Gallery
from models.face.pictures import load_picture
from models.results import BgrImage, FaceDetection

Progress = Callable[[int, int], None]
"""Told how many pictures of how many are done."""

RATES = (1e-2, 1e-3)
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures, and whether they show one person."""

    first: Path
    second: Path
    same: bool
    fold: int


@dataclass(slots=True)
class Described:
    """Templates of many pictures, and what went wrong with the others."""

    templates: dict[Path, NDArray[np.float32]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    without_face: list[str] = field(default_factory=list)
    ms: dict[str, float] = field(default_factory=dict)


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

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def read_pairs(path: Path, images: Path) -> list[Pair]:
    """Read LFW's ``pairs.txt`` (folds, or one list) for pictures in ``images/<name>/<name>_0001.jpg``.

    Raises:
        PictureUnusable: A line that is none of its two forms.
    """
    lines = [
        line.split("\t") if "\t" in line else line.split() for line in path.read_text("utf-8").splitlines()
    ]
    lines = [line for line in lines if line]
    head = [int(word) for word in lines[0]] if lines and len(lines[0]) <= 2 else []
    per_fold = 2 * head[-1] if head else len(lines)
    pairs = []
    for index, words in enumerate(lines[1:] if head else lines):
        try:
            one = _picture(images, words[0], int(words[1]))
            other = _picture(images, words[-2] if len(words) == 4 else words[0], int(words[-1]))
        except (ValueError, IndexError) as error:
            raise PictureUnusable(path.name, f"pair {index + 1} is no pair: {' '.join(words)}") from error
        pairs.append(Pair(one, other, len(words) == 3, index // per_fold))
    return pairs


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
    steps = np.unique(np.concatenate([np.logspace(-4, 0, 81), RATES]))
    curve = [(float(rate), _hits(genuine, foreign, float(rate))) for rate in steps]
    return Verification(
        pairs=len(distances),
        accuracy=float(np.mean(accuracies)),
        accuracy_spread=float(np.std(accuracies)),
        area=area,
        hits_at={f"{rate:g}": _hits(genuine, foreign, rate) for rate in RATES},
        curve=curve,
    )


def identify(
    gallery: Gallery,
    residents: Sequence[tuple[str, NDArray[np.float32]]],
    strangers: Sequence[NDArray[np.float32]],
    measure: Callable[[FaceMatch], float],
    *,
    failed_residents: int = 0,
    failed_strangers: int = 0,
) -> OpenSet:
    """Match residents and strangers; failures to detect count as residents not named and strangers refused.

    Args:
        gallery: The enrolled.
        residents: Name and template of each picture of an enrolled person.
        strangers: Templates of persons who are not enrolled.
        measure: Which number of a match is compared with the threshold; lower is more alike.
        failed_residents: Pictures of residents that gave no template.
        failed_strangers: Pictures of strangers that gave no template.
    """
    named = []
    for name, template in residents:
        match = gallery.match(template)
        named.append(measure(match) if match.subject == name else np.inf)
    genuine = np.sort([*named, *[np.inf] * failed_residents])
    foreign = np.sort(
        [*(measure(gallery.match(template)) for template in strangers), *[np.inf] * failed_strangers]
    )
    return OpenSet(
        residents=len(genuine),
        strangers=len(foreign),
        named_at={f"{rate:g}": _hits(genuine, foreign, rate) for rate in RATES},
        named_nearest=float(np.isfinite(genuine).mean()),
    )


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


def _picture(images: Path, person: str, number: int) -> Path:
    return images / person / f"{person}_{number:04d}.jpg"

"""What ``gatehouse eval faces`` measures: the engine of this box, and face_recognition beside it.

Both get the same pictures and, where a picture shows several faces, the same one: that in the middle.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge.cli.face_peer import Peer
from edge.errors import Unavailable
from models.face import FaceDetector, FaceEmbedder, FaceMatch, Gallery
from models.face.evaluation import Described, describe_pictures
from models.face.matcher import template_distances

_out = Console(highlight=False, soft_wrap=True)
_AT_ONCE = 100
Entries = Sequence[tuple[str, NDArray[np.float32]]]
Matcher = Callable[[NDArray[np.float32]], FaceMatch]


class Engine(Protocol):
    """Something that describes faces and compares what it said."""

    label: str

    def describe(self, paths: Sequence[Path]) -> Described:
        """Describe the face in the middle of each picture, with a progress bar on a terminal."""
        ...

    def distances(self, ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
        """How far templates are apart, row by row."""
        ...

    def enrol(self, entries: Entries) -> tuple[Matcher, Gallery | None]:
        """What answers who somebody is, and the gallery if there is one."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Which networks, JSON-ready."""
        ...


class Kept:
    """Templates on the disk, so that a run that was broken off goes on. One file for each engine.

    Templates are biometric data; the user who asks for this is told so.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self._path = folder / f"templates-{hashlib.sha256(engine.encode()).hexdigest()[:12]}.npz"
        self._of: dict[str, NDArray[np.float32]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._path.is_file():
                with np.load(self._path) as file:
                    self._of = dict(zip(json.loads(str(file["keys"])), file["templates"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable(f"{self._path}: cannot be read: {error}") from error

    def take(self, path: Path) -> NDArray[np.float32] | None:
        """The template of a picture that has not changed since."""
        return self._of.get(_key(path))

    def put(self, described: Described) -> None:
        """Remember templates; failures are tried again."""
        self._of |= {_key(path): template for path, template in described.templates.items()}
        draft = self._path.with_suffix(".part.npz")
        try:
            np.savez(draft, keys=json.dumps(list(self._of)), templates=np.array(list(self._of.values())))
            draft.replace(self._path)
        except OSError as error:
            raise Unavailable(f"{self._path}: cannot be written: {error.strerror}") from error


def _key(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def describe_with_bar(
    label: str,
    paths: Sequence[Path],
    describe: Callable[[Sequence[Path], Callable[[int, int], None]], Described],
    kept: Kept | None,
) -> Described:
    """Describe pictures a hundred at a time, with a progress bar, taking what is kept."""
    wanted = sorted(set(paths))
    result = Described()
    known = {path: template for path in wanted if kept and (template := kept.take(path)) is not None}
    rest = [path for path in wanted if path not in known]
    result.templates.update(known)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    spent: dict[str, float] = {}
    with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
        task = progress.add_task(f"{label}: pictures 照片", total=len(wanted), completed=len(known))
        for at in range(0, len(rest), _AT_ONCE):
            part = rest[at : at + _AT_ONCE]
            base = len(known) + at

            def tell(count: int, _: int, base: int = base) -> None:
                progress.update(task, completed=base + count)

            done = describe(part, tell)
            result.templates.update(done.templates)
            result.unreadable |= done.unreadable
            result.without_face += done.without_face
            for stage, ms in done.ms.items():
                spent[stage] = spent.get(stage, 0.0) + ms * len(part)
            if kept is not None:
                kept.put(done)
    result.ms = {stage: total / len(rest) for stage, total in spent.items()} if rest else {}
    return result


class OwnEngine:
    """The detector, alignment and embedder of this box."""

    def __init__(self, detector: FaceDetector, embedder: FaceEmbedder, kept: Path | None, mark: str) -> None:
        """Take the networks.

        Args:
            detector: Finds.
            embedder: Describes.
            kept: Folder for templates, or None.
            mark: What else tells this engine's templates from another's.
        """
        self.detector, self.embedder = detector, embedder
        self.label = f"gatehouse ({detector.name}, {embedder.set_name})"
        self._kept = Kept(kept, f"{self.label} {mark}") if kept else None

    def describe(self, paths: Sequence[Path]) -> Described:
        """See ``Engine``."""
        return describe_with_bar(
            "gatehouse",
            paths,
            lambda part, tell: describe_pictures(part, self.detector, self.embedder, tell),
            self._kept,
        )

    def distances(self, ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
        """See ``Engine``."""
        return template_distances(self.embedder.set_name, ones, others)

    def enrol(self, entries: Entries) -> tuple[Matcher, Gallery | None]:
        """See ``Engine``."""
        gallery = Gallery.build(self.embedder.set_name, entries)
        return gallery.match, gallery

    def as_dict(self) -> dict[str, Any]:
        """See ``Engine``."""
        return {"detector": self.detector.name, "templates": self.embedder.set_name}


class PeerEngine:
    """face_recognition as its examples use it: HOG, one descriptor, plain distances to every enrolled one."""

    label = "face_recognition"

    def __init__(self, kept: Path | None) -> None:
        self._peer = Peer()
        self._kept = Kept(kept, self.label) if kept else None

    def describe(self, paths: Sequence[Path]) -> Described:
        """See ``Engine``."""
        return describe_with_bar(self.label, paths, self._describe, self._kept)

    def distances(self, ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
        """See ``Engine``."""
        return np.asarray(np.linalg.norm(ones.astype(np.float64) - others, axis=1), np.float64)

    def enrol(self, entries: Entries) -> tuple[Matcher, Gallery | None]:
        """See ``Engine``."""
        names, known = [name for name, _ in entries], np.stack([template for _, template in entries])

        def match(template: NDArray[np.float32]) -> FaceMatch:
            distances = np.linalg.norm(known - template, axis=1)
            best = int(distances.argmin())
            return FaceMatch(names[best], float(distances[best]), persons=len(set(names)))

        return match, None

    def as_dict(self) -> dict[str, Any]:
        """See ``Engine``."""
        return {"detector": "hog", "templates": f"face_recognition {self._peer.version}"}

    def _describe(self, paths: Sequence[Path], tell: Callable[[int, int], None]) -> Described:
        result = Described(ms={"read": 0.0, "detect": 0.0, "embed": 0.0})
        for count, path in enumerate(paths, start=1):
            times = [time.perf_counter()]
            try:
                image = self._peer.read(path)
            except (OSError, ValueError, SyntaxError) as error:
                result.unreadable[str(path)] = " ".join(str(error).split())
                continue
            times.append(time.perf_counter())
            box = self._peer.find(image)
            times.append(time.perf_counter())
            if box is None:
                result.without_face.append(str(path))
            else:
                result.templates[path] = self._peer.describe(image, box)
            times.append(time.perf_counter())
            for place, stage in enumerate(result.ms):
                result.ms[stage] += 1000 * (times[place + 1] - times[place]) / len(paths)
            tell(count, len(paths))
        return result

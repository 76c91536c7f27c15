"""Faces and plates behind one small contract: find them in a picture, then read those that are worth it.

The loop knows only ``Sense``; tests give it canned ones. The real ones call ``models`` and turn what those
say into plain values: a flaw means "not enough to say", never "unknown".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.face_models import open_face_detector, open_face_embedder
from edge.records import Box, Kind, Lattice
from edge.settings import LivenessModel, ModelSettings
from edge.vision.areas import Patch
from edge.vision.liveness import cues_of
from edge.vision.tracking import FAR_TEXT, LEAST_TEXT, text_distance
from models.face import AlignedFace, FaceDetector, FaceEmbedder, FaceQuality, align_faces, measure_face
from models.face.contracts import DescribesAligned, LooksAtParts, View
from models.face.living import LivingClassifier, LivingInput
from models.face.quality import glance_at_face
from models.plate import PlateReader, open_reader
from models.plate.quality import measure_plate
from models.plate.reader import PartReader, TimedReader
from models.results import FaceDetection, PlateReading

Image = NDArray[np.uint8]

# dlib's line between the same person and another (face_recognition's default tolerance).
OTHER_FACE = 0.6
# A text is sure enough to tell cars apart when its least certain character is at least this probable.
SURE_TEXT = 0.6
# Shorter or longer lines of text are shop signs and telephone numbers.
PLATE_LENGTHS = range(5, 11)
# HOG's window is 80 px: smaller faces need an enlarged picture.
_HOG_WINDOW_PX = 80
MODEL_CUE = "model"
_GOOD_EYE_DISTANCE_PX = 40.0
_GOOD_SHARPNESS = 250.0  # median of clear faces; below about 56 the face is refused as blurred


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """Something found, not yet read.

    Attributes:
        box: In pixels of the picture it was found in.
        text: What a plate reads as, if that is known and sure; tells plates apart.
        source: What the sense needs to read it.
        reads: How often its track has been read before.
    """

    box: Box
    text: str = ""
    source: Any = None
    reads: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One finding read: content, or the flaw that keeps it from being read."""

    quality: float = 0.0
    lattice: Lattice = ()
    template: bytes = b""
    template_set: str = ""
    flaw: str = ""
    points: tuple[float, ...] = ()
    cues: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A face that is worth describing."""

    window: Image
    face: FaceDetection
    aligned: AlignedFace
    measured: FaceQuality
    points: tuple[float, ...]
    view: View


class Sense(Protocol):
    """One kind of thing to look for. Used by one thread."""

    kind: Kind
    reads_as: str
    """Name of the reading stage in ``stages_ms``."""

    @property
    def name(self) -> str:
        """Which networks these are."""
        ...

    def find(self, image: Image, part: Patch | None = None) -> list[Finding]:
        """Find everything of this kind in a picture, or in a part of it; boxes are of the picture."""
        ...

    @property
    def grain_px(self) -> float:
        """Parts of a picture are cut at multiples of this; 0: it must be searched whole."""
        ...

    @property
    def found_ms(self) -> Mapping[str, float]:
        """Stages inside the last ``find`` and their milliseconds, if it has more than one."""
        ...

    def read(self, image: Image, findings: Sequence[Finding]) -> list[Reading]:
        """Read some of them, in the order given, from the same picture."""
        ...

    def is_other(self, before: Reading, now: Reading) -> bool:
        """Whether two reads of one track cannot be of one person or car."""
        ...

    def configure(self, smallest_px: int) -> None:
        """Take a new least height."""
        ...


@dataclass(slots=True)
class FaceSense:
    """Faces through a detector and an embedder."""

    detector: FaceDetector
    embedder: FaceEmbedder
    smallest_px: int
    kind: Kind = Kind.FACE
    reads_as: str = "embed"
    with_cues: bool = False
    classifier: LivingClassifier | None = None

    @property
    def name(self) -> str:
        """Detector and template space."""
        living = " liveness" if self.classifier is not None else ""
        return f"{self.detector.name} {self.embedder.set_name}{living}"

    @property
    def found_ms(self) -> Mapping[str, float]:
        """Finding is one stage."""
        return {}

    def find(self, image: Image, part: Patch | None = None) -> list[Finding]:
        """Find faces of any size."""
        detector = self.detector
        faces = (
            detector.detect_part(image, part)
            if part and isinstance(detector, LooksAtParts)
            else detector.detect(image)
        )
        return [Finding(Box(face.left, face.top, face.right, face.bottom), source=face) for face in faces]

    @property
    def grain_px(self) -> float:
        """As the detector says, if it looks at parts."""
        return self.detector.grain_px if isinstance(self.detector, LooksAtParts) else 0.0

    def read(self, image: Image, findings: Sequence[Finding]) -> list[Reading]:
        """Describe each face, unless it has a flaw; all of them in one call of the network."""
        seen = [self._look(image, finding) for finding in findings]
        templates = iter(self._describe([look for look in seen if not isinstance(look, Reading)]))
        readings = []
        for look, finding in zip(seen, findings, strict=True):
            if isinstance(look, Reading):
                readings.append(look)
                continue
            readings.append(
                Reading(
                    _face_weight(look.measured),
                    template=next(templates).astype("<f4").tobytes(),
                    template_set=f"faces-{self.embedder.set_name}",
                    points=look.points,
                    cues=self._cues(image, finding.box),
                )
            )
        return readings

    def is_other(self, before: Reading, now: Reading) -> bool:
        """True when the templates are farther apart than two pictures of one person."""
        if not before.template or not now.template:
            return False
        one, other = np.frombuffer(before.template, "<f4"), np.frombuffer(now.template, "<f4")
        return float(np.linalg.norm(one - other)) > OTHER_FACE

    def configure(self, smallest_px: int) -> None:
        """Take a new least height; the detector keeps the scale it was opened with."""
        self.smallest_px = smallest_px

    def _look(self, image: Image, finding: Finding) -> "Reading | _Look":
        """Align and measure a face; a reading when it has a flaw."""
        landmarks = finding.source.landmarks
        points = () if landmarks is None else tuple(float(value) for value in landmarks.ravel())
        if finding.box.height < self.smallest_px:
            return Reading(flaw="too small", points=points)
        if flaw := glance_at_face(image, finding.source):
            return Reading(flaw=flaw, points=points)
        # Alignment converts the whole picture it is given; a window around the face is far less.
        window, face = _window(image, finding.source)
        aligned = align_faces(window, [face])[0]
        measured = measure_face(window, face, aligned)
        if measured.flaw:
            return Reading(flaw=measured.flaw, points=points)
        return _Look(window, face, aligned, measured, points, _view(finding.reads))

    def _describe(self, looks: Sequence["_Look"]) -> Sequence[NDArray[np.float32]]:
        embedder = self.embedder
        if isinstance(embedder, DescribesAligned):
            aligned, views = [look.aligned for look in looks], [look.view for look in looks]
            return list(embedder.embed_aligned(aligned, views))
        return [embedder.embed(look.window, [look.face])[0] for look in looks]

    def _cues(self, image: Image, box: Box) -> Mapping[str, float]:
        """Signs of a screen or of paper, and what the user's own classifier says."""
        if not self.with_cues:
            return {}
        cues = dict(cues_of(image, box))
        if self.classifier is not None:
            cues[MODEL_CUE] = self.classifier.score(image, (box.left, box.top, box.right, box.bottom))
        return cues


@dataclass(slots=True)
class PlateSense:
    """Plates through a reader, which finds and reads in one step."""

    reader: PlateReader
    smallest_px: int
    kind: Kind = Kind.PLATE
    reads_as: str = "read"

    def __post_init__(self) -> None:
        """Tell the reader what is small."""
        self.configure(self.smallest_px)

    @property
    def name(self) -> str:
        """The reader."""
        return self.reader.name

    @property
    def found_ms(self) -> Mapping[str, float]:
        """Finding and reading, if the reader says."""
        return self.reader.stages_ms if isinstance(self.reader, TimedReader) else {}

    def find(self, image: Image, part: Patch | None = None) -> list[Finding]:
        """Find what may be a plate by the number of its characters."""
        reader = self.reader
        readings = (
            reader.read_part(image, part) if part and isinstance(reader, PartReader) else reader.read(image)
        )
        return [
            Finding(Box(*reading.box), _sure_text(reading), reading)
            for reading in readings
            if not reading.lattice or len(reading.lattice) in PLATE_LENGTHS
        ]

    @property
    def grain_px(self) -> float:
        """As the reader says, if it looks at parts."""
        return self.reader.grain_px if isinstance(self.reader, PartReader) else 0.0

    def read(self, image: Image, findings: Sequence[Finding]) -> list[Reading]:
        """Judge what ``find`` has already read."""
        return [self._judge(image, finding) for finding in findings]

    def is_other(self, before: Reading, now: Reading) -> bool:
        """True when the best texts have little in common."""
        one, other = _text(before.lattice), _text(now.lattice)
        return min(len(one), len(other)) >= LEAST_TEXT and text_distance(one, other) >= FAR_TEXT

    def configure(self, smallest_px: int) -> None:
        """Take a new least height."""
        self.smallest_px = smallest_px
        if isinstance(self.reader, PartReader):
            self.reader.smallest_px = smallest_px

    def _judge(self, image: Image, finding: Finding) -> Reading:
        reading: PlateReading = finding.source
        measured = measure_plate(image, reading)
        if not reading.lattice:
            return Reading(flaw=measured.flaw or "not read")
        if measured.height_px < self.smallest_px:
            return Reading(flaw="too small")
        if measured.flaw:
            return Reading(flaw=measured.flaw)
        return Reading(measured.weight, lattice=reading.lattice)


def open_senses(
    looks_for: Sequence[str],
    models: ModelSettings,
    *,
    min_face_px: int,
    min_plate_px: int,
    cache_dir: Path | None,
    with_cues: bool = False,
) -> list[Sense]:
    """Load the networks that are needed; before any thread is started, as onnxruntime wants it.

    Raises:
        ModelError: A file is missing or damaged; one line says which and what to do.
    """
    senses: list[Sense] = []
    if "face" in looks_for:
        enlarge = 1 if min_face_px < _HOG_WINDOW_PX else 0
        detector = open_face_detector(models, cache_dir, upsample=enlarge, min_face_px=min_face_px)
        embedder = open_face_embedder(models, cache_dir)
        # The first run of a network takes ten times as long; nobody at the gate shall wait for it.
        embedder.embed(np.zeros((200, 200, 3), np.uint8), [FaceDetection(50, 50, 150, 150, 1.0)])
        senses.append(
            FaceSense(
                detector,
                embedder,
                min_face_px,
                with_cues=with_cues,
                classifier=open_classifier(models.liveness, models.own_threads),
            )
        )
    if "plate" in looks_for:
        senses.append(PlateSense(open_reader(models.plate_reader, threads=models.own_threads), min_plate_px))
    for sense in senses:
        sense.find(np.zeros((360, 640, 3), np.uint8))
    return senses


def open_classifier(given: LivenessModel | None, threads: int = 1) -> LivingClassifier | None:
    """The user's own classifier of living faces, if there is one.

    Raises:
        ModelError: It is missing, another file, or takes another input.
    """
    if given is None:
        return None
    wants = LivingInput(
        given.input_px, given.live_class, given.crop, given.colour == "rgb", given.mean, given.scale
    )
    return LivingClassifier(given.path, given.sha256, wants, threads)


def _window(image: Image, face: FaceDetection) -> tuple[Image, FaceDetection]:
    """The part of a picture around a face, and the face in it."""
    margin = max(face.right - face.left, face.bottom - face.top)
    height, width = image.shape[:2]
    left, top = max(0, int(face.left - margin)), max(0, int(face.top - margin))
    right, bottom = min(width, int(face.right + margin) + 1), min(height, int(face.bottom + margin) + 1)
    return image[top:bottom, left:right], _shifted(face, -left, -top)


def _shifted(face: FaceDetection, x: int, y: int) -> FaceDetection:
    """A face in pixels of a picture whose corner lies elsewhere."""
    if not x and not y:
        return face
    points = None if face.landmarks is None else face.landmarks + np.array([x, y], np.float32)
    return FaceDetection(face.left + x, face.top + y, face.right + x, face.bottom + y, face.score, points)


def _view(reads: int) -> View:
    """The first read of a track is worth two views. Later ones take turns: the visit's mean has both anyway.

    >>> [_view(reads).value for reads in range(4)]
    ['both', 'seen', 'mirrored', 'seen']
    """
    return View.BOTH if reads == 0 else View.SEEN if reads % 2 else View.MIRRORED


def _face_weight(measured: FaceQuality) -> float:
    """0..1: how far a read can be trusted, by size, sharpness and turn of the face."""
    size = min(measured.eye_distance_px / _GOOD_EYE_DISTANCE_PX, 1.0)
    sharp = min(measured.sharpness / _GOOD_SHARPNESS, 1.0)
    return max(0.05, size * sharp * max(0.0, 1.0 - measured.turn))


def _text(lattice: Lattice) -> str:
    return "".join(position[0][0] for position in lattice if position)


def _sure_text(reading: PlateReading) -> str:
    least = min((math.exp(position[0][1]) for position in reading.lattice if position), default=0.0)
    return _text(reading.lattice) if least >= SURE_TEXT else ""

"""The camera's side of an enrolment: frames in, what each shows to the guide, the best pictures out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

import cv2
import numpy as np

from edge.clock import NS_PER_S, Clock
from edge.enrolment.guidance import Advice, Guide, Look, View
from edge.errors import Unavailable, UsageError
from edge.face_models import open_face_detector
from edge.settings import CameraSettings, ModelSettings, OpenCvCamera, Settings, VzenithCamera
from edge.vision.capture import Capture, Loss
from models.face import AlignedFace, FaceDetector, align_faces, measure_face, persons_among
from models.results import BgrImage, FaceDetection

LOST_S = 10.0
_WAIT_S = 0.25
# The person stands close: smaller faces are looked for neither by HOG's window nor for the time it takes.
_LEAST_FACE_PX, _LEAST_FACE_SHARE = 80, 1 / 6


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame with what was seen in it and what is to be done; for whoever draws it.

    Attributes:
        image: (height, width, 3) uint8 BGR, read-only.
        face: The only person's face, or None.
        look: Every number of it. advice: What to say.
    """

    image: BgrImage
    face: FaceDetection | None
    look: Look
    advice: Advice


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """What came of it: a picture for each view, in the order taken, and the views that were given up."""

    pictures: tuple[tuple[View, BgrImage], ...]
    given_up: tuple[View, ...]


class Sitter:
    """Sees what a frame shows of the person before the camera.

    Thread: one.
    """

    def __init__(self, models: ModelSettings, cache: Path, frame_height_px: int) -> None:
        """Open the detector.

        Raises:
            ModelError: Its file is missing or damaged.
        """
        least = max(_LEAST_FACE_PX, round(frame_height_px * _LEAST_FACE_SHARE))
        self._detector: FaceDetector = open_face_detector(models, cache, min_face_px=least)

    def look(self, image: BgrImage, at_ns: int) -> tuple[Look, FaceDetection | None]:
        """Measure what a frame shows; the face too, when there is only one person."""
        persons = persons_among(self._detector.detect(image), self._detector.name)
        if len(persons) != 1:
            return Look(at_ns, len(persons)), None
        face = persons[0]
        aligned = align_faces(image, [face])[0]
        quality = measure_face(image, face, aligned)
        height, width = image.shape[:2]
        look = Look(
            at_ns=at_ns,
            persons=1,
            centre_x=(face.left + face.right) / 2 / width,
            centre_y=(face.top + face.bottom) / 2 / height,
            height=(face.bottom - face.top) / height,
            eye_distance_px=quality.eye_distance_px,
            sharpness=quality.sharpness,
            brightness=quality.brightness,
            sideways=quality.sideways,
            side_light=side_light(aligned),
            is_cut=quality.outside > 0,
        )
        return look, face


def take_portraits(
    settings: Settings,
    camera: str,
    cache: Path,
    clock: Clock,
    show: Callable[[Scene], None],
    *,
    limit_s: float,
) -> Sitting:
    """Lead the person before a camera of the configuration through their pictures.

    Raises:
        UsageError: There is no such camera.
        Unavailable: It cannot be opened, or was lost for ten seconds.
        ModelError: The detector cannot be opened.
    """
    if camera not in settings.cameras:
        raise UsageError(f"there is no camera {camera!r}; there are: {', '.join(settings.cameras) or 'none'}")
    chosen = settings.cameras[camera]
    if isinstance(chosen, VzenithCamera):
        raise UsageError(f"camera {camera!r} reads plates by itself and gives no pictures; take another")
    capture = Capture(camera, chosen, clock, epoch_ns=0)
    capture.start()
    try:
        return _sit(capture, settings.models, cache, clock, show, limit_s, _hint(chosen))
    finally:
        capture.close()


def _sit(
    capture: Capture,
    models: ModelSettings,
    cache: Path,
    clock: Clock,
    show: Callable[[Scene], None],
    limit_s: float,
    hint: str,
) -> Sitting:
    sitter: Sitter | None = None
    guide: Guide | None = None
    best: BgrImage | None = None
    pictures: list[tuple[View, BgrImage]] = []
    given_up: tuple[View, ...] = ()
    seen_ns, trouble = clock.boot_ns(), ""
    while True:
        frame = capture.frames.take(_WAIT_S)
        if frame is None:
            try:
                news = capture.news.get_nowait()
            except Empty:
                news = None
            if news is not None and not isinstance(news, Loss):
                return Sitting(tuple(pictures), given_up)  # the film is over
            trouble = news.detail if news is not None else trouble
            silent_s = (clock.boot_ns() - seen_ns) / NS_PER_S
            if (trouble and sitter is None) or silent_s > LOST_S:
                raise Unavailable((trouble or f"camera {capture.camera!r} delivers no picture") + hint)
            continue
        if sitter is None:
            sitter = Sitter(models, cache, frame.image.shape[0])
        # Loading the detector takes a second or more; the person's time begins after it.
        seen_ns, trouble = clock.boot_ns(), ""
        guide = guide or Guide(seen_ns, limit_s=limit_s)
        look, face = sitter.look(frame.image, seen_ns)
        advice = guide.see(look)
        if advice.is_best:
            best = frame.image
        if advice.take is not None and best is not None:
            pictures.append((advice.take, best))
            best = None
        given_up = advice.given_up
        show(Scene(frame.image, face, look, advice))
        if advice.is_over:
            return Sitting(tuple(pictures), given_up)


def _hint(settings: CameraSettings) -> str:
    """A USB camera opens once only."""
    is_device = isinstance(settings, OpenCvCamera) and settings.source.removeprefix("/dev/video").isdecimal()
    return "; a running daemon holds it: sudo systemctl stop gatehouse" if is_device else ""


def side_light(face: AlignedFace) -> float:
    """How much brighter one half of the upright face is than the other, 0 to 1."""
    grey = cv2.cvtColor(face.chip, cv2.COLOR_RGB2GRAY)[30:130, 30:120].astype(np.float32)
    left, right = float(grey[:, :45].mean()), float(grey[:, 45:].mean())
    return abs(left - right) / max(1.0, left + right)


def as_jpeg(image: BgrImage) -> bytes:
    """A picture as a file, for a consent that lets it be kept."""
    good, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not good:
        raise Unavailable("the picture cannot be encoded as JPEG")
    return content.tobytes()

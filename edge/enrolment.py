"""From pictures of one person to templates, each picture with its verdict.

Pictures are looked at in this process and dropped; only the template leaves this module.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.camera import open_camera
from drivers.camera.base import EndOfFilm
from edge.errors import UsageError
from edge.settings import Settings
from models.errors import PictureUnusable
from models.face import (
    FaceDetector,
    FaceEmbedder,
    assess_face,
    load_picture,
    open_detector,
    open_embedder,
    single_face,
)
from models.published import fetched_path
from models.results import BgrImage

MOST_PICTURES = 10
FROM_CAMERA = 3
CAMERA_LIMIT_S = 30.0
BETWEEN_PICTURES_S = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """The verdict on one picture: a template (128 float32), or why there is none."""

    name: str
    template: NDArray[np.float32] | None
    flaw: str = ""


def picture_portraits(paths: Sequence[Path], settings: Settings, cache: Path) -> Iterator[Portrait]:
    """Judge picture files, one after the other.

    Raises:
        UsageError: Too many.
    """
    if len(paths) > MOST_PICTURES:
        raise UsageError(f"{len(paths)} pictures are too many; up to {MOST_PICTURES} good ones are enough")
    detector, embedder = _open(settings, cache)
    for path in paths:
        try:
            yield _judge(str(path), load_picture(path), detector, embedder)
        except PictureUnusable as error:
            yield Portrait(str(path), None, _plain(error))


def camera_portraits(
    settings: Settings, camera: str, cache: Path, say: Callable[[str], None]
) -> Iterator[Portrait]:
    """Take a few good pictures with a camera, telling the person what to do; ends after half a minute.

    Raises:
        UsageError: There is no such camera. DriverError: It cannot be opened.
    """
    if camera not in settings.cameras:
        raise UsageError(f"there is no camera {camera!r}; there are: {', '.join(settings.cameras)}")
    detector, embedder = _open(settings, cache)
    options = settings.cameras[camera].model_dump(
        include={"type", "source", "width_px", "height_px", "open_timeout_s", "repeat", "fps", "epoch_ns"},
        exclude_none=True,
    )
    source = open_camera(camera, **options)
    say("Look into the camera, then turn your head a little each time. 请正视镜头,然后稍微转头")
    taken, said, until_s, next_s = 0, "", time.monotonic() + CAMERA_LIMIT_S, 0.0
    try:
        while taken < FROM_CAMERA and time.monotonic() < until_s:
            try:
                frame = source.read()
            except EndOfFilm:
                return
            if time.monotonic() < next_s:
                continue
            try:
                portrait = _judge(f"picture {taken + 1}", frame.image, detector, embedder)
            except PictureUnusable as error:
                portrait = Portrait("camera", None, _plain(error))
            if portrait.template is not None:
                taken += 1
                next_s = time.monotonic() + BETWEEN_PICTURES_S
                yield portrait
            elif portrait.flaw != said:
                said = portrait.flaw
                say(f"  {said}")
    finally:
        source.close()


def _open(settings: Settings, cache: Path) -> tuple[FaceDetector, FaceEmbedder]:
    models = settings.models
    # Enrolment looks harder than the gate: one enlargement finds the smaller faces of a portrait.
    yunet = models.yunet_path or fetched_path("yunet", cache, is_optional=models.face_detector != "yunet")
    detector = open_detector(models.face_detector, yunet_path=yunet, upsample=1)
    return detector, open_embedder(models.face_embedder, cache_dir=cache)


def _judge(name: str, image: BgrImage, detector: FaceDetector, embedder: FaceEmbedder) -> Portrait:
    face = single_face(image, detector)
    flaw = assess_face(image, face)
    if flaw:
        return Portrait(name, None, str(flaw))
    return Portrait(name, embedder.embed(image, [face])[0])


def _plain(error: PictureUnusable) -> str:
    return str(error).removeprefix(f"{error.name}: ")

"""Which networks see faces on this box: from the configuration to detector, embedder and the name of the set.

Everybody who describes a face or compares templates (vision, enrolment, evaluation, the daemon) asks here, so
that all of them mean the same network and the same set.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from edge.settings import ModelSettings
from models.errors import ModelNotFound
from models.face import FaceDetector, FaceEmbedder, open_detector, open_embedder
from models.face.described import Description, sface
from models.face.distances import EXACT, PairDistances
from models.face.dlib_convert import Form
from models.face.embedder import DLIB_SET, open_described, pairs_of
from models.face.made import Progress
from models.face.warp import Warp
from models.published import PUBLISHED, fetched_path

log = logging.getLogger(__name__)

SFACE, YUNET = "sface", "yunet"


class DetectorChoice(NamedTuple):
    """Which detector looks, and why not the better one; "" when it is the one that was asked for."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})" if self.why else self.name


def face_set(models: ModelSettings) -> str:
    """Name of the set of templates that this configuration works with; others are not compared with it."""
    described = described_embedder(models)
    return f"faces-{DLIB_SET if described is None else described.space}"


def pair_distances(models: ModelSettings) -> PairDistances:
    """What is known of distances between templates of the configured embedder."""
    if described_embedder(models) is not None:
        return EXACT
    return pairs_of(_form(models))


def described_embedder(models: ModelSettings) -> Description | None:
    """The description of the configured embedder; None when it is dlib's."""
    if models.face_embedder == SFACE:
        return sface(PUBLISHED[SFACE].sha256)
    own = models.embedders.get(models.face_embedder)
    if own is None:
        return None
    mean = (own.mean,) * 3 if isinstance(own.mean, float | int) else own.mean
    return Description(
        name=models.face_embedder,
        sha256=own.sha256,
        dimensions=own.dimensions,
        line=own.same_person,
        size_px=own.input_px,
        colours=own.colour,
        mean=mean,
        scale=own.scale,
        warp=Warp(own.warp),
        output=own.output,
        distance=own.distance,
        mirrored=own.mirrored,
    )


def embedder_path(models: ModelSettings, cache_dir: Path | None) -> Path | None:
    """Where the file of a described embedder lies or should lie; None for dlib's, or without any folder."""
    if models.face_embedder == SFACE:
        return models.sface_path or fetched_path(SFACE, cache_dir, is_optional=False)
    own = models.embedders.get(models.face_embedder)
    return None if own is None else own.path


def open_face_embedder(
    models: ModelSettings,
    cache_dir: Path | None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    thorough: bool = False,
) -> FaceEmbedder:
    """Open the configured embedder.

    Args:
        models: Which one.
        cache_dir: Where made networks are kept; fetched ones lie in the folder beside it.
        threads: Instead of the configured number.
        progress: Told how far a first conversion is.
        thorough: Average several views of each face, where nobody waits; only dlib's network does it.

    Raises:
        ModelNotFound: A file or package is missing; the message says how to get it.
        ModelMismatch: A file is damaged, or another one than described.
    """
    count = models.own_threads if threads is None else threads
    described = described_embedder(models)
    if described is None:
        kind = "auto" if models.face_embedder == DLIB_SET else models.face_embedder
        return open_embedder(
            kind,
            cache_dir=cache_dir,
            progress=progress,
            threads=count,
            thorough=thorough,
            form=Form(models.face_form),
        )
    path = embedder_path(models, cache_dir)
    if path is None or not path.is_file():
        where = f"there is no {path}" if path is not None else "no folder is given to look in"
        hint = f"models.embedders.{described.name}.path names it"
        if described.name == SFACE:
            hint = "fetch it with: gatehouse models fetch sface (or bring it, and add --from FILE)"
        raise ModelNotFound(described.name, f"{where}; {hint}")
    return open_described(described, path, count)


def detector_choice(models: ModelSettings, cache_dir: Path | None) -> DetectorChoice:
    """Which detector ``auto`` picks, and why, without opening it."""
    if models.face_detector != "auto":
        return DetectorChoice(models.face_detector, "")
    path = yunet_path(models, cache_dir)
    if path is not None and path.is_file():
        return DetectorChoice(YUNET, "")
    where = f"there is no {path}" if path is not None else "its file is missing or damaged"
    return DetectorChoice("hog", f"{where}; it finds more and smaller faces: gatehouse models fetch yunet")


def yunet_path(models: ModelSettings, cache_dir: Path | None) -> Path | None:
    """Where YuNet's file lies or should lie.

    Raises:
        ModelMismatch: It is damaged, and asked for by name.
    """
    return models.yunet_path or fetched_path(YUNET, cache_dir, is_optional=models.face_detector != YUNET)


def open_face_detector(
    models: ModelSettings, cache_dir: Path | None, *, upsample: int = 0, min_face_px: int = 40
) -> FaceDetector:
    """Open the configured detector; see ``models.face.open_detector``.

    Raises:
        ModelNotFound: Its file or package is missing.
        ModelMismatch: Its file is damaged.
    """
    return open_detector(
        models.face_detector,
        yunet_path=yunet_path(models, cache_dir),
        upsample=upsample,
        min_face_px=min_face_px,
        threads=models.own_threads,
    )


def _form(models: ModelSettings) -> Form:
    return Form.EXACT if models.face_embedder == "dlib" else Form(models.face_form)

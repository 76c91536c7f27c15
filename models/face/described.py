"""Embedders that are no part of dlib: any ONNX file that turns an upright face into numbers, once described.

A description says everything that the file itself does not: which frame the face must be brought into, in
which order colours come, how pixels become numbers, and how the publisher compares two outputs. Whatever is
described becomes templates on the common scale (``models.face.distances``).
"""

import hashlib
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch, ModelNotFound
from models.face.distances import EXACT, LINE, PairDistances
from models.face.warp import Warp, cut_faces
from models.manifest import sha256_of
from models.results import BgrImage, FaceDetection
from models.runtime import Session, open_session

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9-]{1,24}")
_BATCH = 8
_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Description:
    """What must be known of an embedder's file.

    Attributes:
        name: Short; becomes part of the set's name.
        sha256: Of the file, 64 hexadecimal digits: weights decide who comes in.
        size_px: Side of its square input.
        colours: Their order.
        mean: Subtracted from each colour (0..255), in that order.
        scale: Then multiplied with.
        warp: Frame that the face is brought into.
        output: Name of the output that is the template; "": the only one.
        dimensions: Its length.
        distance: How the publisher compares: ``cosine`` (similarity) or ``l2`` (of the output as it is).
        line: The publisher's own limit: at least this cosine, or at most this distance, is one person.
        mirrored: Average each face with its mirror image: twice the time, fewer mistakes.
        set_of_its_own: Set name to use instead of one made of name and digest: for files everybody has alike.
    """

    name: str
    sha256: str
    dimensions: int
    line: float
    size_px: int = 112
    colours: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    scale: float = 1 / 127.5
    warp: Warp = Warp.ARCFACE
    output: str = ""
    distance: Literal["cosine", "l2"] = "cosine"
    mirrored: bool = True
    set_of_its_own: str = ""

    def __post_init__(self) -> None:
        faults = (
            (not _NAME.fullmatch(self.name), "name must be 1 to 24 of a-z, 0-9 and -"),
            (not re.fullmatch(r"[0-9a-f]{64}", self.sha256), "sha256 must have 64 hexadecimal digits"),
            (self.distance == "cosine" and not -1 < self.line < 1, "line must be a cosine between -1 and 1"),
            (self.distance == "l2" and not self.line > 0, "line must be a distance above 0"),
            (self.dimensions < 2 or self.size_px < 8, "dimensions or size_px is too small"),
            (not math.isfinite(self.scale) or self.scale == 0, "scale must be a number other than 0"),
        )
        for is_so, fault in faults:
            if is_so:
                raise ValueError(f"embedder {self.name}: {fault}")

    @property
    def space(self) -> str:
        """Name of the template space: another file, or the same file used otherwise, is another space."""
        if self.set_of_its_own:
            return self.set_of_its_own
        pixels = (self.size_px, self.colours, self.mean, self.scale, self.warp.value)
        said = (self.sha256, pixels, self.output, self.dimensions, self.distance, self.line)
        return f"{self.name}-{hashlib.sha256(repr(said).encode()).hexdigest()[:8]}"

    @property
    def stretch(self) -> float:
        """What brings distances of this space to the common scale."""
        line = math.sqrt(2.0 - 2.0 * self.line) if self.distance == "cosine" else self.line
        return LINE / line


def sface(sha256: str) -> Description:
    """opencv_zoo's face_recognition_sface: facts as in OpenCV's FaceRecognizerSF.

    Pixels 0..255 as they are, red first (the file subtracts and divides itself); one person from a cosine of
    0.363.
    """
    return Description("sface", sha256, 128, 0.363, mean=(0.0, 0.0, 0.0), scale=1.0, set_of_its_own="sface")


class DescribedEmbedder:
    """Any embedder with a description."""

    pairs: PairDistances = EXACT

    def __init__(self, description: Description, path: Path, threads: int = 1) -> None:
        """Load it.

        Raises:
            ModelNotFound: There is no such file.
            ModelMismatch: Another SHA-256, or other inputs and outputs than described.
        """
        name = description.name
        if not path.is_file():
            raise ModelNotFound(name, f"no such file: {path}")
        found = sha256_of(path)
        if found != description.sha256:
            raise ModelMismatch(
                name,
                f"{path} has SHA-256 {found[:16]}..., not {description.sha256[:16]}...: another file",
            )
        self._description = description
        self._session = open_session(path, threads, name=name)
        self._planar, self._most = _input_of(self._session, description)
        self._output = _output_of(self._session, description)
        self.set_name = description.space
        self.dimensions = description.dimensions

    def embed(self, image: BgrImage, faces: Sequence[FaceDetection]) -> NDArray[np.float32]:
        """Describe faces of one picture: (n, dimensions) float32, in the order given.

        Raises:
            InferenceFailed: The network could not be run.
        """
        wanted = self._description
        cuts = cut_faces(image, faces, wanted.warp, wanted.size_px)
        count = len(cuts)
        if wanted.mirrored:
            cuts += [cut[:, ::-1] for cut in cuts]
        # Unit vectors: their distances rise as cosines fall, so that everything else may speak of distances.
        finish = _of_unit_length if wanted.distance == "cosine" else _as_it_is
        made = finish(self._run(cuts))
        if wanted.mirrored:
            made = finish((made[:count] + made[count:]) / np.float32(2))
        return made * np.float32(wanted.stretch)

    def _run(self, cuts: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        wanted = self._description
        rows = [np.empty((0, wanted.dimensions), np.float32)]
        for at in range(0, len(cuts), self._most):
            pixels = np.stack(cuts[at : at + self._most]).astype(np.float32)
            if wanted.colours == "rgb":
                pixels = pixels[..., ::-1]
            pixels = (pixels - np.array(wanted.mean, np.float32)) * np.float32(wanted.scale)
            fed = pixels.transpose(0, 3, 1, 2) if self._planar else pixels
            made = self._session.run(np.ascontiguousarray(fed))[self._output]
            rows.append(made.reshape(len(pixels), -1).astype(np.float32))
        return np.concatenate(rows)


def _of_unit_length(templates: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(templates, axis=1, keepdims=True)
    return np.asarray(templates / np.maximum(lengths, 1e-12), np.float32)


def _as_it_is(templates: NDArray[np.float32]) -> NDArray[np.float32]:
    return templates


def _input_of(session: Session, wanted: Description) -> tuple[bool, int]:
    """Whether colours come in planes, and how many faces a call takes."""
    side = wanted.size_px
    if len(session.inputs) != 1 or session.inputs[0].type != "tensor(float)":
        raise ModelMismatch(wanted.name, "must have one input of single precision")
    shape = session.inputs[0].shape
    planar, interleaved = (_CHANNELS, side, side), (side, side, _CHANNELS)
    if len(shape) == 4 and shape[0] in (None, 1):
        for is_planar, sizes in ((True, planar), (False, interleaved)):
            if all(size in (None, fixed) for size, fixed in zip(shape[1:], sizes, strict=True)):
                return is_planar, 1 if shape[0] == 1 else _BATCH
    raise ModelMismatch(wanted.name, f"its input is {shape}, not a face of {side} x {side} pixels")


def _output_of(session: Session, wanted: Description) -> int:
    names = [output.name for output in session.outputs]
    if wanted.output and wanted.output not in names:
        raise ModelMismatch(wanted.name, f"has no output {wanted.output!r}; it has: {', '.join(names)}")
    if not wanted.output and len(names) != 1:
        raise ModelMismatch(wanted.name, f"has several outputs, say which one: {', '.join(names)}")
    at = names.index(wanted.output) if wanted.output else 0
    length = session.outputs[at].shape[-1] if session.outputs[at].shape else None
    if length not in (None, wanted.dimensions):
        raise ModelMismatch(wanted.name, f"makes {length} numbers of a face, not {wanted.dimensions}")
    return at

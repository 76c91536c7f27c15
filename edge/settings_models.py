"""The section ``models``: which networks look, and what must be said of those that are yours."""

import difflib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from edge.settings_boards import Section

EmbedderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,24}$")]
BUILT_IN_EMBEDDERS = ("auto", "dlib-resnet", "dlib", "dlib-onnx", "sface")
"""auto, dlib-resnet and dlib-onnx: dlib's network, converted; dlib: the same, run by dlib itself."""
MOST_THREADS = 2
"""Of one network when the board decides: a third brings nothing at these sizes of network."""


class EmbedderModel(Section):
    """A network that describes faces; the file is yours. Its templates are a set of their own."""

    path: Path = Field(description="ONNX file: one upright face in, its numbers out.")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="Of the file; another file is not loaded. Run: sha256sum FILE."
    )
    dimensions: int = Field(ge=2, le=1024, description="How many numbers it makes of a face.")
    distance: Literal["cosine", "l2"] = Field(default="cosine", description="How its publisher compares.")
    same_person: float = Field(
        description="Its publisher's limit: a cosine of at least this, or an L2 distance of at most this, is"
        " one person."
    )
    input_px: int = Field(default=112, ge=16, le=512, description="Side of the square picture that it takes.")
    warp: Literal["arcface-112", "dlib-chip"] = Field(
        default="arcface-112", description="Frame that the face is brought into: as it was trained."
    )
    colour: Literal["rgb", "bgr"] = Field(default="rgb", description="Order of its colours.")
    mean: float | tuple[float, float, float] = Field(
        default=127.5, description="Subtracted from each value, 0 to 255; or one for each colour."
    )
    scale: float = Field(default=0.0078431, gt=0, le=10, description="Multiplied then; 0.0078431 is 1/127.5.")
    output: str = Field(default="", description="Name of the output to take, if it has several.")
    mirrored: bool = Field(
        default=True, description="Average with the mirror image: twice the time, fewer mistakes."
    )

    @model_validator(mode="after")
    def _line_fits_the_distance(self) -> "EmbedderModel":
        if self.distance == "cosine" and not -1 < self.same_person < 1:
            raise ValueError("same_person must be a cosine between -1 and 1; or say distance = 'l2'")
        if self.distance == "l2" and not 0 < self.same_person <= 1000:
            raise ValueError("same_person must be a distance above 0")
        return self


class LivenessModel(Section):
    """A classifier that tells a living face from a picture of one; the file is yours."""

    path: Path = Field(description="ONNX file: one picture in, one score for each class out.")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="Of the file; another file is not loaded. Run: sha256sum FILE."
    )
    input_px: int = Field(ge=16, le=512, description="Side of the square picture that it takes.")
    live_class: int = Field(ge=0, le=99, description="Which of its outputs means a living face, from 0.")
    crop: float = Field(default=2.7, ge=1.0, le=5.0, description="Side of the crop, in sides of the face.")
    colour: Literal["bgr", "rgb"] = Field(default="bgr", description="Order of its colours.")
    mean: float = Field(default=0.0, ge=0, le=255, description="Subtracted from each value, 0 to 255.")
    scale: float = Field(default=1.0, ge=0.0001, le=1.0, description="Multiplied then; 0.0039216 is 1/255.")


class ModelSettings(Section):
    """Which networks look."""

    face_detector: Literal["auto", "hog", "yunet", "cnn"] = Field(
        default="auto", description="auto: yunet if present, else hog."
    )
    face_embedder: str = Field(
        default="auto",
        description="What describes faces: auto, dlib-resnet; dlib (the same by dlib itself, slow); sface; or"
        " a name under embedders. Each network has its own set of templates.",
    )
    face_form: Literal["capped", "exact", "int8"] = Field(
        default="capped",
        description="Of dlib-resnet. exact: to 1e-5 what dlib gives; capped: takes fewer people for one"
        " another; int8: capped, faster where the processor has 8-bit instructions. All are one set.",
    )
    embedders: dict[EmbedderName, EmbedderModel] = Field(
        default_factory=dict, description="Networks of your own that describe faces."
    )
    yunet_path: Path | None = Field(
        default=None, description="face_detection_yunet_2023mar.onnx; or run: gatehouse models fetch yunet."
    )
    sface_path: Path | None = Field(
        default=None, description="face_recognition_sface_2021dec.onnx; or run: gatehouse models fetch sface."
    )
    plate_reader: Literal["auto", "rapidocr", "own"] = Field(
        default="auto", description="auto: the best present."
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=8,
        description="Threads of each network in each vision process; 0: one, or two where the board has two"
        " cores to spare for each camera.",
    )
    liveness: LivenessModel | None = Field(default=None, description="Your own classifier, if you have one.")

    @property
    def own_threads(self) -> int:
        """Threads of a network that runs by itself: as given, else one."""
        return max(1, self.threads)

    def on_board(self, cores: int, cameras: int) -> "ModelSettings":
        """As a vision process gets them: what was left to us is decided.

        One core is left to lanes and decoders, the others are shared out to the cameras; a third thread gains
        nothing at the size of these networks.

        >>> [ModelSettings().on_board(*board).threads for board in ((2, 1), (4, 1), (4, 2), (8, 2), (1, 3))]
        [1, 2, 1, 2, 1]
        """
        if self.threads:
            return self
        share = max(0, cores - 1) // max(1, cameras)
        return self.model_copy(update={"threads": min(MOST_THREADS, max(1, share))})

    @model_validator(mode="after")
    def _embedder_is_there(self) -> "ModelSettings":
        fault = embedder_fault(self.face_embedder, tuple(self.embedders))
        if fault:
            raise ValueError(fault)
        return self


def embedder_fault(wanted: str, own: tuple[str, ...]) -> str:
    """What is wrong with the choice of an embedder, "" when nothing."""
    taken = [name for name in own if name in BUILT_IN_EMBEDDERS]
    if taken:
        return f"embedders.{taken[0]}: is the name of a built-in one; choose another"
    known = (*BUILT_IN_EMBEDDERS, *own)
    if wanted in known:
        return ""
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
    return f"face_embedder: no embedder {wanted!r}; {hint}"

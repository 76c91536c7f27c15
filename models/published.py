"""Weights that others publish and that this program can use: where from, and what they must hash to.

They are fetched (``models.fetching``) or placed by hand into a folder beside that of the made files.
"""

import logging
from pathlib import Path
from types import MappingProxyType

from models.errors import ModelMismatch, ModelNotFound
from models.manifest import ModelEntry

log = logging.getLogger(__name__)

MODELS_FOLDER = "models"
"""Beside the folder of made files (``cache``): what was fetched, or placed by hand."""

_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"
PUBLISHED = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            ModelEntry(
                name="yunet",
                file="face_detection_yunet_2023mar.onnx",
                bytes=232_589,
                sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
                licence="MIT",
                source="opencv_zoo",
                url=f"{_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
                input="(1, 3, 640, 640) float32, blue-green-red, 0..255",
            ),
            ModelEntry(
                name="sface",
                file="face_recognition_sface_2021dec.onnx",
                bytes=38_696_353,
                sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
                licence="Apache-2.0",
                source="opencv_zoo",
                url=f"{_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
                input="(1, 3, 112, 112) float32",
            ),
        )
    }
)
"""Files that others publish and that this program can use."""


def published_entry(name: str) -> ModelEntry:
    """Look a published file up.

    Raises:
        ModelNotFound: None of that name.
    """
    if name not in PUBLISHED:
        raise ModelNotFound(name, f"is none of the published models: {', '.join(PUBLISHED)}")
    return PUBLISHED[name]


def fetched_path(name: str, cache_dir: Path | None, *, is_optional: bool) -> Path | None:
    """Where a fetched file lies, for a process that knows only the folder of made files.

    Args:
        name: Of a published file.
        cache_dir: The folder beside ``models``; None: there is none.
        is_optional: A damaged file counts as no file, which is logged.

    Returns:
        The path, whether or not there is a file; None without a folder, or in place of a damaged file.

    Raises:
        ModelMismatch: The file there is damaged and not optional.
    """
    if cache_dir is None:
        return None
    entry = published_entry(name)
    path = cache_dir.parent / MODELS_FOLDER / entry.file
    if path.is_file():
        try:
            entry.check(path)
        except ModelMismatch as error:
            if not is_optional:
                raise
            log.error("%s; until then it is done without", error)
            return None
    return path

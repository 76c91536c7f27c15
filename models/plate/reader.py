"""The contract of plate readers, and the table of those there are.

A reader takes a whole picture and gives every plate (or line of text that might be one) with four corners
and a lattice. It applies no grammar of its own: ``models.plate.decode`` does, over all reads of a track.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from models.errors import ModelMismatch, ModelNotFound
from models.manifest import MANIFEST, read_manifest
from models.plate.lattice import Lattice
from models.results import BgrImage, PlateReading

Region = tuple[float, float, float, float]
"""Part of the picture to look at: left, top, right, bottom as fractions 0..1 of its width and height."""


@runtime_checkable
class PlateReader(Protocol):
    """Whole picture in, plates out. One reader belongs to one thread."""

    name: str

    def read(self, image: BgrImage) -> list[PlateReading]:
        """Find and read every plate; also returns lines that are no legal plate, for the caller to count.

        Corners are pixels of ``image``. A reading with an empty lattice was found and not read.

        Raises:
            InferenceFailed: The network could not be run.
        """
        ...


@runtime_checkable
class CropReader(Protocol):
    """A reader that can also read a picture that is nothing but one plate, upright."""

    def read_crop(self, crop: BgrImage) -> Lattice:
        """Read one plate that fills the picture."""
        ...


@runtime_checkable
class PartReader(Protocol):
    """A reader that finds in a part of a picture what it finds in the whole, and is quicker with it.

    Attributes:
        smallest_px: Height of the smallest plate of interest; the picture is shrunk as far as that allows.
    """

    smallest_px: int

    @property
    def grain_px(self) -> float:
        """Cut parts of a picture at multiples of this; 0: not worth it."""
        ...

    def read_part(self, image: BgrImage, part: tuple[int, int, int, int]) -> list[PlateReading]:
        """As ``read``, of one part: left, top, right, bottom in pixels; corners are pixels of ``image``."""
        ...


@runtime_checkable
class TimedReader(Protocol):
    """A reader that says how long each stage of its last picture or crop took."""

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """Milliseconds per stage ("detect", "read"); empty where nothing was measured."""
        ...


# name -> module and class; imported on use, so a machine without RapidOCR works with the own nets.
# A class takes (threads: int, region: Region | None).
READERS: Mapping[str, str] = {
    "own": "models.plate.lattice_reader:OwnPlateReader",
    "rapidocr": "models.plate.rapidocr_reader:RapidOcrReader",
}
# Names of the entries in weights/manifest.toml that the own reader needs.
OWN_WEIGHTS = ("plate_detector", "plate_refiner", "plate_reader")


def own_weights_present(manifest: Path = MANIFEST) -> bool:
    """Whether the manifest names the own nets and their files lie beside it (unchecked: opening checks)."""
    try:
        entries = read_manifest(manifest)
    except ModelNotFound:
        return False
    return all(name in entries and (manifest.parent / entries[name].file).is_file() for name in OWN_WEIGHTS)


def open_reader(name: str = "auto", *, threads: int = 1, region: Region | None = None) -> PlateReader:
    """Open a reader by name.

    Args:
        name: "own", "rapidocr", or "auto": the own nets when their weights are here, else RapidOCR.
        threads: Threads inside one inference.
        region: Part of the picture to look at; None for all of it.

    Raises:
        ModelMismatch: No reader of that name, or a region that is none.
        ModelNotFound: The reader's library or weights are missing; says how to get them.
    """
    if name == "auto":
        name = "own" if own_weights_present() else "rapidocr"
    if name not in READERS:
        raise ModelMismatch(name, f"no such plate reader; there are: auto, {', '.join(READERS)}")
    if region is not None and not (
        0.0 <= region[0] < region[2] <= 1.0 and 0.0 <= region[1] < region[3] <= 1.0
    ):
        raise ModelMismatch(name, f"region {region} is not left, top, right, bottom within 0..1")
    module, _, attribute = READERS[name].partition(":")
    reader: PlateReader = getattr(importlib.import_module(module), attribute)(threads=threads, region=region)
    return reader

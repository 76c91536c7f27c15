"""Our own plate reader: our detector finds corners, our reader net gives every position its distribution.

A plate with one row and one with two go through the same network: it fetches eight positions, upper row
first, and says of each which character stands there or that none does. All plates of a picture are read in
one run.
Training: `models.training.reader`. Card: weights/README.md.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch
from models.manifest import find_model
from models.plate.colour import kind_by_colour
from models.plate.detector import FoundPlate, PlateDetector
from models.plate.geometry import Corners
from models.plate.grammar import ALPHABET, PlateKind
from models.plate.lattice import NOTHING, Lattice, make_position
from models.plate.reader import Region
from models.results import BgrImage, PlateReading
from models.runtime import Session, open_session

CROP_PX: Final = (144, 48)
"""Width and height of what the reader net sees."""
SLOTS: Final = 8
"""Positions of the longest plate."""
EMPTY: Final = len(ALPHABET)
"""Class of a position that the plate does not have."""
KINDS: Final[tuple[str, ...]] = (
    PlateKind.BLUE, PlateKind.YELLOW, PlateKind.YELLOW_DOUBLE, PlateKind.MOTORCYCLE, PlateKind.GREEN_SMALL,
    PlateKind.GREEN_LARGE, PlateKind.POLICE, PlateKind.LEARNER, PlateKind.TRAILER, PlateKind.TRIAL,
    PlateKind.OVERSIZE, PlateKind.HK_MACAU, PlateKind.EMBASSY, PlateKind.CONSULATE, PlateKind.ARMED_POLICE,
    PlateKind.MILITARY, PlateKind.EMERGENCY, PlateKind.CIVIL_AVIATION, "none",
)  # fmt: skip
"""Classes of the kind head, in the order in which the net was trained."""

MARGIN: Final = 0.06
"""How much larger than the found plate the reader's cut is, as a share of its sides."""
_SURELY_EMPTY: Final = 0.97
_NO_PLATE: Final = 0.6
_SURE_KIND: Final = 0.5


def rectify(picture: BgrImage, corners: NDArray[np.floating]) -> BgrImage:
    """Cut a plate out by its corners (left-top, right-top, right-bottom, left-bottom) to `CROP_PX`."""
    tall = max(
        float(np.linalg.norm(corners[3] - corners[0])), float(np.linalg.norm(corners[2] - corners[1])), 1.0
    )
    # A large plate is cut out at two, three, ... times the size and then averaged: no stroke may be skipped.
    times = int(np.clip(tall / CROP_PX[1], 1, 6))
    width, height = CROP_PX[0] * times, CROP_PX[1] * times
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform((corners - 0.5).astype(np.float32), target)
    flat = cv2.warpPerspective(
        picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if times > 1:
        flat = cv2.resize(flat, CROP_PX, interpolation=cv2.INTER_AREA)
    return np.asarray(flat, np.uint8)


def loosen(corners: NDArray[np.floating]) -> Corners:
    """Move found corners a little outwards: a cut that touches characters reads far worse."""
    return np.asarray(corners + (corners - corners.mean(axis=0)) * MARGIN, np.float32)


def whole(crop: BgrImage) -> Corners:
    """Corners of a picture that is nothing but a plate."""
    height, width = crop.shape[:2]
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)


def lattice_of(log_probabilities: NDArray[np.float32]) -> Lattice:
    """Turn the net's positions (8, classes) into a lattice; positions that are surely empty are left out."""
    positions = []
    for row in np.exp(log_probabilities.astype(np.float64)):
        if row[EMPTY] > _SURELY_EMPTY:
            continue
        best = np.argsort(row)[::-1][:9]
        positions.append(make_position({NOTHING if c == EMPTY else ALPHABET[c]: float(row[c]) for c in best}))
    # Nothing but weak doubts is no reading.
    if all(position[0][0] == NOTHING for position in positions):
        return ()
    return tuple(positions)


class LatticeNet:
    """The reader net: crops in, a lattice and a kind each."""

    def __init__(self, session: Session) -> None:
        width, height = CROP_PX
        if len(session.outputs) != 2 or session.inputs[0].shape[1:] != (height, width, 3):
            raise ModelMismatch(session.name, f"is not a plate reader of {width} x {height} crops")
        self._session = session

    def read(self, crops: Sequence[BgrImage]) -> list[tuple[Lattice, str]]:
        """Read crops cut by `rectify`.

        Returns:
            Per crop its lattice (empty when it is no plate) and the value of its kind ("" when unsure).

        Raises:
            InferenceFailed: The network could not be run.
        """
        if not crops:
            return []
        characters, kinds = self._session.run(np.stack(crops))
        if characters.shape[1:] != (SLOTS, EMPTY + 1) or kinds.shape[1:] != (len(KINDS),):
            raise ModelMismatch(self._session.name, "gave positions or kinds of another alphabet")
        out: list[tuple[Lattice, str]] = []
        for rows, kind_row in zip(characters, kinds, strict=True):
            kind_p = np.exp(kind_row)
            kind = KINDS[int(kind_p.argmax())] if kind_p.max() >= _SURE_KIND else ""
            if kind_p[-1] >= _NO_PLATE:
                out.append(((), ""))
            else:
                out.append((lattice_of(rows), "" if kind == "none" else kind))
        return out


class OwnPlateReader:
    """Plates by our own two nets; see `models.plate.reader.PlateReader`. One reader belongs to one thread."""

    name = "own"

    def __init__(
        self, *, threads: int = 1, region: Region | None = None, weights: Path | None = None
    ) -> None:
        """Open both nets.

        Args:
            threads: Threads inside one inference.
            region: Part of the picture to look at, as fractions; None for all of it.
            weights: Another folder to look for the files in.

        Raises:
            ModelNotFound: The weights are not here.
            ModelMismatch: They are not the ones of the manifest.
        """
        folders = () if weights is None else (weights,)
        self._region = region
        self._stages_ms: dict[str, float] = {}
        self._detector = PlateDetector(open_session(find_model("plate_detector").locate(*folders), threads))
        self._net = LatticeNet(open_session(find_model("plate_reader").locate(*folders), threads))

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """Milliseconds of the last `read`: "detect" and "read"."""
        return self._stages_ms

    def read(self, image: BgrImage) -> list[PlateReading]:
        """Find and read plates in a whole picture; see `models.plate.reader.PlateReader.read`."""
        height, width = image.shape[:2]
        left, top, right, bottom = self._region or (0.0, 0.0, 1.0, 1.0)
        x, y = int(left * width), int(top * height)
        part = image[y : max(int(bottom * height), y + 1), x : max(int(right * width), x + 1)]
        began = time.perf_counter()
        found = self._detector.find(part)
        middle = time.perf_counter()
        crops = [rectify(part, loosen(plate.corners)) for plate in found]
        read = self._net.read(crops)
        self._stages_ms = {"detect": (middle - began) * 1e3, "read": (time.perf_counter() - middle) * 1e3}
        shift = np.array([x, y], np.float32)
        return [
            _reading(plate, crop, lattice, kind, shift)
            for plate, crop, (lattice, kind) in zip(found, crops, read, strict=True)
        ]

    def read_crop(self, crop: BgrImage) -> Lattice:
        """Read a picture that is nothing but one plate, with one row or two."""
        ((lattice, _),) = self._net.read([rectify(crop, whole(crop))])
        return lattice


def _reading(
    plate: FoundPlate, crop: BgrImage, lattice: Lattice, kind: str, shift: NDArray[np.float32]
) -> PlateReading:
    if not kind and lattice:
        kind = kind_by_colour(crop, len(lattice), plate.rows)
    return PlateReading(plate.corners + shift, lattice, plate.score, kind, plate.rows)

"""Our own plate reader: detector, refiner of its corners, and a reader that gives distributions.

A plate with one row and one with two go through the same network: of two rows the upper is laid to the left
of the lower, so that they look like one. The network fetches eight positions and says of each which character
stands there or that none does. All plates of a picture are read in one run.
Training: `models.training.reader`. Card: weights/README.md.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch
from models.manifest import MANIFEST, find_model
from models.plate.colour import kind_by_colour
from models.plate.detector import GRAIN_PX, LEAST_PLATE_PX, FoundPlate, PlateDetector, distinct, ratio_of
from models.plate.geometry import Corners, cut_to, part_of_plate, whole_of
from models.plate.grammar import ALPHABET, PlateKind
from models.plate.lattice import NOTHING, Lattice, make_position
from models.plate.reader import Region
from models.plate.refiner import PlateRefiner
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
_OTHER_MARGINS: Final = (0.02, 0.1)
_SURE: Final = 0.9
SMALLEST_PX: Final = 16
"""Height of the smallest plate of interest, as long as nobody says otherwise."""
LOOKS: Final = 2
"""So often the refiner moves the corners of a found plate."""
LEAST_LOG: Final = -4.5
"""Sum of the best characters' logs (nats) below which nothing was read: a guess, or no plate at all.

On drawn scenes of held-out photographs 199 of 200 right readings lie above -1.4.
"""
_SURELY_EMPTY: Final = 0.97
_NO_PLATE: Final = 0.6
_SURE_KIND: Final = 0.5


_UPPER_PX: Final = 50
"""Columns of `CROP_PX` that the upper of two rows gets: its two characters are wide and the first is hard."""
_UPPER: Final = (0.22, 0.0, 0.78, 0.41)
_LOWER: Final = (0.0, 0.35, 1.0, 1.0)
"""Where the rows are (left, top, right, bottom as shares of a found plate), with room for wrong corners.

GA 36-2018: the characters of the upper row stand in 25 to 75 % of the width and 7 to 36 % of the height,
those of the lower in 6 to 94 % and 41 to 91 %.
"""


def rectify(picture: BgrImage, corners: NDArray[np.floating], rows: int = 1) -> BgrImage:
    """Cut a plate out by its corners (left-top, right-top, right-bottom, left-bottom) to `CROP_PX`.

    Of ``rows`` = 2 the upper one comes to lie to the left of the lower one, both at full height: as they
    hang, the upper row would have 14 of 48 pixels, and its first character is the hardest to read.
    """
    if rows == 1:
        return cut_to(picture, corners, CROP_PX)
    width, height = CROP_PX
    upper = cut_to(picture, part_of_plate(corners, *_UPPER), (_UPPER_PX, height))
    lower = cut_to(picture, part_of_plate(corners, *_LOWER), (width - _UPPER_PX, height))
    return np.hstack([upper, lower])


def loosen(corners: NDArray[np.floating], margin: float = MARGIN) -> Corners:
    """Move found corners a little outwards: a cut that touches characters reads far worse."""
    return np.asarray(corners + (corners - corners.mean(axis=0)) * margin, np.float32)


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
    if sum(position[0][1] for position in positions) < LEAST_LOG:
        return ()
    return tuple(positions)


class LatticeNet:
    """The reader net: crops in, a lattice and a kind each."""

    def __init__(self, session: Session) -> None:
        width, height = CROP_PX
        if len(session.outputs) != 2 or session.inputs[0].shape[1:] != (height, width, 3):
            raise ModelMismatch(session.name, f"is not a plate reader of {width} x {height} crops")
        self._session = session

    def read(self, image: BgrImage, plates: Sequence[FoundPlate]) -> list[tuple[Lattice, str]]:
        """Read plates of one picture by their corners and rows.

        A plate with a doubtful position is cut twice more, closer and wider, and the three answers are
        averaged: corners are never quite right, and most plates need only one look.

        Returns:
            Per plate its lattice (empty when it is none) and the value of its kind ("" when unsure).

        Raises:
            InferenceFailed: The network could not be run.
        """
        if not plates:
            return []
        characters, kinds = self._run([_cut(image, plate, MARGIN) for plate in plates])
        doubtful = [int(i) for i in np.flatnonzero(characters.max(axis=2).min(axis=1) < _SURE)]
        if doubtful:
            cuts = [_cut(image, plates[i], margin) for i in doubtful for margin in _OTHER_MARGINS]
            again = self._run(cuts)
            for place, i in enumerate(doubtful):
                looks = slice(place * len(_OTHER_MARGINS), (place + 1) * len(_OTHER_MARGINS))
                characters[i] = np.concatenate([characters[i, None], again[0][looks]]).mean(axis=0)
                kinds[i] = np.concatenate([kinds[i, None], again[1][looks]]).mean(axis=0)
        return [_told(*answer) for answer in zip(characters, kinds, strict=True)]

    def _run(self, crops: list[BgrImage]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities (n, 8, classes) of the characters and (n, kinds) of the kinds."""
        characters, kinds = self._session.run(np.stack(crops))
        if characters.shape[1:] != (SLOTS, EMPTY + 1) or kinds.shape[1:] != (len(KINDS),):
            raise ModelMismatch(self._session.name, "gave positions or kinds of another alphabet")
        return np.exp(characters), np.exp(kinds)


def _cut(image: BgrImage, plate: FoundPlate, margin: float) -> BgrImage:
    return rectify(image, loosen(plate.corners, margin), plate.rows)


def _told(characters: NDArray[np.float32], kinds: NDArray[np.float32]) -> tuple[Lattice, str]:
    """Lattice and kind of one plate from its probabilities."""
    if kinds[-1] >= _NO_PLATE:
        return (), ""
    kind = KINDS[int(kinds.argmax())] if kinds.max() >= _SURE_KIND else ""
    return lattice_of(np.log(np.maximum(characters, 1e-12))), "" if kind == "none" else kind


class OwnPlateReader:
    """Plates by our own nets; see `models.plate.reader.PlateReader`. One reader belongs to one thread."""

    name = "own"

    def __init__(
        self, *, threads: int = 1, region: Region | None = None, weights: Path | None = None
    ) -> None:
        """Open the nets.

        Args:
            threads: Threads inside one inference.
            region: Part of the picture to look at, as fractions; None for all of it.
            weights: Folder with other weights and their own ``manifest.toml``; None for those that ship.

        Raises:
            ModelNotFound: The weights are not here.
            ModelMismatch: They are not the ones of the manifest.
        """
        manifest = MANIFEST if weights is None else weights / MANIFEST.name

        def net(name: str) -> Session:
            return open_session(find_model(name, manifest).locate(manifest.parent), threads)

        self._region = region
        self.smallest_px = SMALLEST_PX
        self._stages_ms: dict[str, float] = {}
        self._detector = PlateDetector(net("plate_detector"))
        self._refiner = PlateRefiner(net("plate_refiner"))
        self._net = LatticeNet(net("plate_reader"))

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """Milliseconds of the last picture or crop: "detect", "refine" and "read"."""
        return self._stages_ms

    def read(self, image: BgrImage) -> list[PlateReading]:
        """Find and read plates in a whole picture; see `models.plate.reader.PlateReader.read`."""
        height, width = image.shape[:2]
        left, top, right, bottom = self._region or (0.0, 0.0, 1.0, 1.0)
        x, y = int(left * width), int(top * height)
        return self._read(
            image[y : max(int(bottom * height), y + 1), x : max(int(right * width), x + 1)], x, y
        )

    @property
    def grain_px(self) -> float:
        """Pixels under 32 of the detector's; see `models.plate.reader.PartReader`."""
        return 0.0 if self._region else GRAIN_PX * self.smallest_px / LEAST_PLATE_PX

    def read_part(self, image: BgrImage, part: tuple[int, int, int, int]) -> list[PlateReading]:
        """Find and read plates in a part, seen just so large that the smallest one is found, if that fits."""
        left, top, right, bottom = part
        ratio = min(ratio_of(right - left, bottom - top), LEAST_PLATE_PX / self.smallest_px)
        return self._read(image[top:bottom, left:right], left, top, ratio)

    def _read(self, part: BgrImage, x: int, y: int, ratio: float | None = None) -> list[PlateReading]:
        began = time.perf_counter()
        found = self._detector.find(part, ratio)
        detected = time.perf_counter()
        for _ in range(LOOKS):
            found = self._refiner.refine(part, found)
        found = distinct(found)
        refined = time.perf_counter()
        read = self._net.read(part, found)
        self._stages_ms = {
            "detect": (detected - began) * 1e3,
            "refine": (refined - detected) * 1e3,
            "read": (time.perf_counter() - refined) * 1e3,
        }
        shift = np.array([x, y], np.float32)
        return [
            _reading(part, plate, lattice, kind, shift)
            for plate, (lattice, kind) in zip(found, read, strict=True)
        ]

    def read_crop(self, crop: BgrImage) -> Lattice:
        """Read a picture that is nothing but one plate, with one row or two."""
        began = time.perf_counter()
        plate = self._plate_in(crop)
        refined = time.perf_counter()
        ((lattice, _),) = self._net.read(crop, [plate])
        read = time.perf_counter()
        self._stages_ms = {"refine": (refined - began) * 1e3, "read": (read - refined) * 1e3}
        return lattice

    def _plate_in(self, crop: BgrImage) -> FoundPlate:
        """The plate in a picture of one plate: a crop may show it crooked, with its frame."""
        whole = FoundPlate(whole_of(crop), 1.0, 1)
        found = self._refiner.refine(crop, [whole])
        return found[0] if found else whole


def _reading(
    image: BgrImage, plate: FoundPlate, lattice: Lattice, kind: str, shift: NDArray[np.float32]
) -> PlateReading:
    if not kind and lattice:
        kind = kind_by_colour(rectify(image, plate.corners), len(lattice), plate.rows)
    return PlateReading(plate.corners + shift, lattice, plate.score, kind, plate.rows)

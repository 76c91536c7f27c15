"""Drawn plates to judge a reader by, where one thing changes at a time; needs no torch.

They are drawn by the same code that draws for training, with seeds of their own. Corners are known to two
hundredths of the plate's height, so that only reading is measured.
"""

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate.decode import decode
from models.plate.evaluate import same_text
from models.plate.grammar import PlateKind, generate, normalise
from models.plate.offices import issued_by
from models.plate.reader import CropReader
from models.results import BgrImage
from models.training.crops import Hardship, make_patch, random_plate, shaken
from models.training.plates import LOOKS, Layout

USUAL: Final = Hardship(height_px=(24, 64), angle_deg=25, blur=0.5, wear=0.4, jitter=0.02)
"""What a well set up gate camera sees."""
KINDS: Final[tuple[PlateKind, ...]] = tuple(LOOKS)
LEGIBLE: Final = 0.6
"""A plate is legible when its faintest character stands out by as much (see `legibility_of`).

Chosen by eye on 300 drawn blue plates sorted by it: what lies below 0.5 nobody reads, at 0.65 nearly
everybody does. Glare, night and dirt make 2 to 12 of 100 drawings of one row illegible at a gate.
"""


LISTED: Final = 0.99
"""Share of plates whose office letter is on the public list of its province; of photographs 99.9 %."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One thing that changes.

    Attributes:
        name: For JSON. title, below: For the chart. ticks: One word per point.
        points: How hard the plates of each point are.
    """

    name: str
    title: str
    below: str
    ticks: Sequence[str]
    points: Sequence[Hardship]


def sweeps() -> tuple[Sweep, ...]:
    """Height, blur and angle."""
    heights = (12, 16, 20, 24, 32, 48)
    blurs = (0.0, 0.5, 1.0, 2.0, 3.0)
    angles = (0, 15, 30, 45, 60)
    mild = dataclasses.replace(USUAL, height_px=(32, 48), angle_deg=10)
    return (
        Sweep(
            "height_px", "Plate height", "pixels, one row", [str(h) for h in heights],
            [dataclasses.replace(USUAL, height_px=(h, h)) for h in heights],
        ),
        Sweep(
            "blur", "Blur", "times the usual of a moving car", [f"{b:g}" for b in blurs],
            [dataclasses.replace(mild, blur=b) for b in blurs],
        ),
        Sweep(
            "angle_deg", "Angle", "degrees to the side", [str(a) for a in angles],
            [dataclasses.replace(mild, angle_deg=0, turned_deg=a) for a in angles],
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPlate:
    """One question.

    Attributes:
        picture: (height, width, 3) uint8 BGR, the plate cut upright at its own size.
        text: What it says.
        legibility: How much of its faintest character is to be seen, 0 to 1; see `legibility_of`.
    """

    picture: BgrImage
    text: str
    legibility: float


def draw_one(
    rng: np.random.Generator, chance: random.Random, hard: Hardship, kind: PlateKind | None
) -> DrawnPlate:
    """Draw a plate, look at it, and cut it out."""
    if kind is None:
        kind, text = random_plate(chance, legal=True)
    else:
        text = generate(kind, chance)
    text = _as_on_the_road(text, chance)
    patch = make_patch(rng, text, kind, hard, with_ink=True)
    corners = shaken(rng, patch.corners, hard.jitter, boxes=0).astype(np.float32)
    layout = LOOKS[kind][0].layout
    tall = max(8, round(float(np.linalg.norm(corners[3] - corners[0]))))
    size = (round(tall * layout.size_mm[0] / layout.size_mm[1]), tall)

    def cut(picture: NDArray[Any], from_corners: NDArray[Any]) -> NDArray[Any]:
        target = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
        matrix = cv2.getPerspectiveTransform(from_corners.astype(np.float32), target)
        return cv2.warpPerspective(
            picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )

    assert patch.ink is not None  # noqa: S101  it was asked for
    legibility = legibility_of(cut(patch.picture, patch.corners), cut(patch.ink, patch.corners), layout)
    return DrawnPlate(np.asarray(cut(patch.picture, corners), np.uint8), text, legibility)


def _as_on_the_road(text: str, chance: random.Random) -> str:
    """The same with an office letter that its province is known to issue, most of the time."""
    letters = issued_by(text[0])
    if not letters or not text[1].isalpha() or chance.random() >= LISTED:
        return text
    return text[0] + chance.choice(letters) + text[2:]


def legibility_of(picture: BgrImage, ink: NDArray[np.float32], layout: Layout) -> float:
    """How well the ink of the faintest character stands out, by the picture alone: no reader is asked.

    For each character, the correlation between what was inked and what the picture shows there, in the colour
    that shows it best: 1 where every stroke stands out, 0 where glare, night, dirt or blur has left nothing.

    Args:
        picture: (height, width, 3) uint8 BGR, the plate from edge to edge.
        ink: (height, width) float32 0..1, as drawn.
        layout: Where the characters stand.
    """
    height, width = ink.shape
    scale = np.array((width, height)) / layout.size_mm
    faintest = 1.0
    for left, top, wide, tall in layout.boxes:
        x0, y0 = np.floor((np.array((left, top)) - 4) * scale).astype(int).clip(0)
        x1, y1 = np.ceil((np.array((left + wide, top + tall)) + 4) * scale).astype(int)
        drawn = ink[y0:y1, x0:x1].ravel() - ink[y0:y1, x0:x1].mean()
        seen = picture[y0:y1, x0:x1].reshape(-1, 3).astype(np.float32)
        seen = seen - seen.mean(axis=0)
        # A level or so of the camera's rounding counts as nothing to be seen.
        spread = np.sqrt((seen**2).mean(axis=0)) + 1.0
        shown = np.abs(drawn @ seen) / len(drawn) / (float(drawn.std()) * spread + 1e-6)
        faintest = min(faintest, float(shown.max()))
    return faintest


@dataclass(frozen=True, slots=True)
class Score:
    """How a reader did.

    Attributes:
        exact: Share of all plates that were read exactly.
        legible_exact: The same of those that are legible; 0 when none is.
        legible: Share of plates whose `DrawnPlate.legibility` is at least `LEGIBLE`.
    """

    exact: float
    legible_exact: float
    legible: float


def score(reader: object, hard: Hardship, count: int, *, seed: int, kind: PlateKind | None = None) -> Score:
    """Have drawn plates read, under the grammar.

    Raises:
        TypeError: The reader reads no crops.
    """
    if not isinstance(reader, CropReader):
        raise TypeError(f"{reader!r} reads no crops")
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    right = legible = right_legible = 0
    for _ in range(count):
        plate = draw_one(rng, chance, hard, kind)
        is_right = same_text(decode(reader.read_crop(plate.picture)).text, normalise(plate.text))
        is_legible = plate.legibility >= LEGIBLE
        right, legible = right + is_right, legible + is_legible
        right_legible += is_right and is_legible
    return Score(right / count, right_legible / max(legible, 1), legible / count)

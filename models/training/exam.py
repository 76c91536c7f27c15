"""Drawn plates to judge a reader by, where one thing changes at a time; needs no torch.

They are drawn by the same code that draws for training, with seeds of their own. Corners are known to two
hundredths of the plate's height, so that only reading is measured.
"""

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.plate.decode import decode
from models.plate.evaluate import same_text
from models.plate.grammar import PlateKind, generate, normalise
from models.plate.reader import CropReader
from models.results import BgrImage
from models.training.crops import Hardship, make_patch, random_plate, shaken
from models.training.plates import LOOKS

USUAL: Final = Hardship(height_px=(24, 64), angle_deg=25, blur=0.5, wear=0.4, jitter=0.02)
"""What a well set up gate camera sees."""
KINDS: Final[tuple[PlateKind, ...]] = tuple(LOOKS)


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


def draw_one(
    rng: np.random.Generator, chance: random.Random, hard: Hardship, kind: PlateKind | None
) -> tuple[BgrImage, str]:
    """A plate cut upright, at its own size, and what it says."""
    if kind is None:
        kind, text = random_plate(chance, legal=True)
    else:
        text = generate(kind, chance)
    patch = make_patch(rng, text, kind, hard)
    corners = shaken(rng, patch.corners, hard.jitter, boxes=0).astype(np.float32)
    aspect = LOOKS[kind][0].layout.size_mm
    tall = max(8, round(float(np.linalg.norm(corners[3] - corners[0]))))
    size = (round(tall * aspect[0] / aspect[1]), tall)
    target = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    cut = cv2.warpPerspective(
        patch.picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, np.uint8), text


def share_exact(
    reader: object, hard: Hardship, count: int, *, seed: int, kind: PlateKind | None = None
) -> float:
    """Share of drawn plates that are read exactly, under the grammar.

    Raises:
        TypeError: The reader reads no crops.
    """
    if not isinstance(reader, CropReader):
        raise TypeError(f"{reader!r} reads no crops")
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    right = 0
    for _ in range(count):
        crop, text = draw_one(rng, chance, hard, kind)
        right += same_text(decode(reader.read_crop(crop)).text, normalise(text))
    return right / count

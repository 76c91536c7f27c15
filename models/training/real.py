"""The labelled photographs that may be used for training, and which part of them is held out.

The folder is given by the caller (``GATEHOUSE_SHARED_DATA`` or an option); nothing of it is part of the
project. Held out from training is every file whose number leaves 0, 1 or 2 when divided by 10.
``plates/scenes`` is never opened
here: it is for measuring only.
"""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelNotFound, PictureUnusable
from models.plate.grammar import ALPHABET
from models.plate.lattice_reader import SLOTS
from models.results import BgrImage
from models.training.crops import Surrounding
from models.training.glyphs import CHINESE_FACES, MARGIN_MM, distance_field
from models.training.worn import chinese_pen_mm


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCrop:
    """One photograph of a plate."""

    name: str
    picture: BgrImage
    text: str
    held_out: bool


def is_held_out(file_name: str) -> bool:
    """Whether a file belongs to the part that training never sees."""
    digits = re.findall(r"\d+", file_name)
    return bool(digits) and int(digits[-1]) % 10 < 3


def read_picture(path: Path) -> BgrImage:
    """Read a picture file as BGR.

    Raises:
        PictureUnusable: It is missing or no picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise PictureUnusable(path.name, f"cannot be read as a picture; check {path}")
    return np.asarray(picture, np.uint8)


def labelled_crops(plates: Path, folder: str) -> list[LabelledCrop]:
    """Crops of ``plates/<folder>`` whose text can be written with the alphabet.

    Raises:
        ModelNotFound: The folder is absent.
    """
    table = plates / folder / "labels.csv"
    if not table.is_file():
        raise ModelNotFound(
            "training data", f"{table} is missing; give the folder that holds the plates with --data"
        )
    out = []
    with table.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            text = row["plate"]
            if 0 < len(text) <= SLOTS and set(text) <= set(ALPHABET):
                path = plates / folder / row["file"]
                out.append(LabelledCrop(row["file"], read_picture(path), text, is_held_out(row["file"])))
    return out


def not_plates(plates: Path) -> list[BgrImage]:
    """Crops that look a little like plates and are none, without the held-out part."""
    files = sorted((plates / "not-plates").rglob("*.jpg")) + sorted((plates / "not-plates").rglob("*.png"))
    return [read_picture(path) for path in files if not is_held_out(path.name)]


@dataclass(frozen=True, slots=True, eq=False)
class CarPicture:
    """A photograph of cars with the boxes (left, top, right, bottom) of their plates."""

    name: str
    picture: BgrImage
    boxes: tuple[tuple[float, float, float, float], ...]
    held_out: bool


def car_pictures(plates: Path) -> list[CarPicture]:
    """Photographs of ``plates/cars-foreign``; their plates are to be painted over.

    Raises:
        ModelNotFound: The folder is absent.
    """
    labels = plates / "cars-foreign" / "labels.json"
    if not labels.is_file():
        raise ModelNotFound(
            "training data", f"{labels} is missing; give the folder that holds the plates with --data"
        )
    out = []
    for row in json.loads(labels.read_text(encoding="utf-8")):
        boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in row["boxes_px"])
        picture = read_picture(labels.parent / row["file"])
        out.append(CarPicture(row["file"], picture, boxes, is_held_out(row["file"])))
    return out


@dataclass(frozen=True, slots=True, eq=False)
class PhotographedPlate:
    """A whole photograph with the corners of its plate (left-top, right-top, right-bottom, left-bottom)."""

    name: str
    picture: BgrImage
    corners: NDArray[np.float64]
    text: str
    held_out: bool


def photographed_plates(plates: Path) -> list[PhotographedPlate]:
    """Photographs of ``plates/ccpd``; none when the folder is absent."""
    labels = plates / "ccpd" / "labels.json"
    if not labels.is_file():
        return []
    return [
        PhotographedPlate(
            row["file"],
            read_picture(labels.parent / row["file"]),
            np.array(row["corners_px"], np.float64),
            row["plate"],
            is_held_out(row["file"]),
        )
        for row in json.loads(labels.read_text(encoding="utf-8"))
    ]


def surroundings(plates: Path) -> list[Surrounding]:
    """What hangs around the plates of ``plates/cars-foreign``, without the held-out part."""
    return [
        Surrounding(car.picture, box) for car in car_pictures(plates) if not car.held_out for box in car.boxes
    ]


_DOT_SHARE: Final = 0.298
"""Where the dot behind the office letter stands: share of a blue or yellow plate's width (GA 36-2018)."""


def splice(left: LabelledCrop, right: LabelledCrop) -> LabelledCrop | None:
    """Put the province and office of one photographed plate before the number of another.

    Few provinces are photographed often; so each of them comes to stand before every number. The seam runs
    through the gap in which the dot stands.

    Returns:
        The new crop, or None when the two are not of one size, length and colour.
    """
    if left.picture.shape != right.picture.shape or len(left.text) != 7 or len(right.text) != 7:
        return None
    means = [crop.picture.reshape(-1, 3).mean(axis=0) for crop in (left, right)]
    if (means[0].argmax() == 0) != (means[1].argmax() == 0):
        return None
    seam = round(left.picture.shape[1] * _DOT_SHARE)
    head, tail = left.picture.astype(np.float32), right.picture.astype(np.float32)
    # The head takes over the tail's light: mean and spread of each colour.
    spreads = [piece.reshape(-1, 3).std(axis=0) + 4 for piece in (head, tail)]
    head = (head - means[0]) * (spreads[1] / spreads[0]) + means[1]
    blend = np.clip((np.arange(head.shape[1]) - seam + 1.5) / 3, 0, 1)[None, :, None]
    picture = np.clip(head * (1 - blend) + tail * blend, 0, 255).astype(np.uint8)
    name = f"{left.name}+{right.name}"
    return LabelledCrop(name, picture, left.text[:2] + right.text[2:], left.held_out or right.held_out)


_HEAD_SHARE: Final = 0.152
_GAP_SHARE: Final = (0.262, 0.318)
_GLYPH_PLACE: Final = (0.033, 0.19, 0.136, 0.84)
"""Left, top, right, bottom of the province on a crop of a plate, as shares of its sides."""


def other_province(rng: np.random.Generator, crop: LabelledCrop, province: str) -> LabelledCrop:
    """Draw another province over that of a photographed plate, in the plate's own colours and softness.

    Otherwise whatever looks photographed is taken for one of the few provinces that were.
    """
    picture: NDArray[np.float32] = crop.picture.astype(np.float32)
    height, width = picture.shape[:2]
    gap = picture[:, round(width * _GAP_SHARE[0]) : round(width * _GAP_SHARE[1])]
    ground = np.median(gap, axis=1, keepdims=True)  # (height, 1, 3); the dot covers the lesser part of it
    apart = np.abs(picture - ground).sum(axis=2)
    numbers = apart[:, round(width * 0.32) :]
    strong = float(np.quantile(numbers, 0.85))
    ink = picture[:, round(width * 0.32) :][numbers > strong].mean(axis=0)
    seam = apart[height // 4 : -(height // 5), round(width * 0.142) : round(width * 0.162)]
    if float(seam.mean()) > 0.4 * strong:
        return crop  # there is ink where the first gap ought to be: this plate does not fill its picture
    times = 4
    left, top, right, bottom = (
        share * side * times + rng.normal(0, 0.012) * width * times
        for share, side in zip(_GLYPH_PLACE, (width, height) * 2, strict=True)
    )
    face = str(rng.choice(CHINESE_FACES))
    box = (max(8, round(right - left)), max(8, round(bottom - top)))
    field = distance_field(province, face, box[0], box[1])
    pen = chinese_pen_mm(rng, face) + 0.4
    cover = np.zeros((height * times, round(width * _HEAD_SHARE) * times), np.float32)
    y, x = round(top) - MARGIN_MM, round(left) - MARGIN_MM
    y0, x0 = max(0, y), max(0, x)
    part = cover[y0 : y + field.shape[0], x0 : x + field.shape[1]]
    part[:] = np.clip(field[y0 - y :, x0 - x :][: part.shape[0], : part.shape[1]] + pen + 0.5, 0, 1)
    soft = cv2.GaussianBlur(cover, (0, 0), float(rng.uniform(0.2, 0.65)) * times)
    small = (cover.shape[1] // times, height)
    cover = np.asarray(cv2.resize(soft, small, interpolation=cv2.INTER_AREA), np.float32)
    head = np.broadcast_to(ground, (height, cover.shape[1], 3)).copy()
    head += (ink - head) * (cover * np.float32(rng.uniform(0.85, 1.05)))[..., None]
    head += rng.normal(0, 2.0, head.shape)
    picture[:, : cover.shape[1]] = head
    drawn = np.clip(picture, 0, 255).astype(np.uint8)
    return LabelledCrop(f"{crop.name}:{province}", drawn, province + crop.text[1:], crop.held_out)

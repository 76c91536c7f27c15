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

import cv2
import numpy as np

from models.errors import ModelNotFound, PictureUnusable
from models.plate.grammar import ALPHABET
from models.plate.lattice_reader import SLOTS
from models.results import BgrImage


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

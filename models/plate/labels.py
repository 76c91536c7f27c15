"""Labelled pictures of plates, in every format we have met.

A csv with columns file,plate (pictures that are nothing but a plate); the scenes' json (a list of pictures
with "rectangles": x and y of the centre, width, height, rotation in degrees, plate, colour; or one plate with
"corners_px"); CCPD file names; text lines ``image x y w h PLATE`` (x, y: left, top).
"""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.errors import ModelMismatch, PictureUnusable
from models.plate.grammar import ALPHABET, LETTERS, PROVINCES, normalise
from models.results import BgrImage

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

# Index tables of the CCPD file name (its README): province, office letter, then letters and digits.
_CCPD_PROVINCES = "皖沪津渝冀晋蒙辽吉黑苏浙京闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新警学O"
_CCPD_OFFICES = LETTERS + "O"
_CCPD_SEQUENCE = LETTERS + "0123456789" + "O"
_CCPD_FIELDS = 7


@dataclass(frozen=True, slots=True)
class Truth:
    """One labelled plate; ``box`` is None when the picture is nothing but the plate."""

    text: str
    box: Box | None = None
    colour: str = ""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture file with its plates; none of them for a picture without plates.

    ``wanted`` is the plate that the picture is about, where the labels name one among several.
    """

    file: Path
    plates: tuple[Truth, ...]
    wanted: str = ""


def load_labels(images: Path, labels: Path | None = None) -> list[LabelledPicture]:
    """Read labels in any known format; without a labels file the names must be CCPD's.

    Raises:
        ModelMismatch: The file is none of the formats, or lists nothing.
    """
    if labels is None:
        pictures = [
            LabelledPicture(file, (parse_ccpd_name(file.name),))
            for file in sorted(images.glob("*.jpg"))
            if file.name.count("-") == _CCPD_FIELDS - 1
        ]
    elif labels.suffix == ".csv":
        with labels.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
        if rows and not {"file", "plate"} <= rows[0].keys():
            raise ModelMismatch(labels.name, "the csv needs the columns file,plate")
        pictures = [LabelledPicture(images / row["file"], (Truth(normalise(row["plate"])),)) for row in rows]
    elif labels.suffix == ".json":
        pictures = [_from_json(images, entry) for entry in json.loads(labels.read_text("utf-8"))]
    else:
        pictures = list(_from_text(images, labels))
    if not pictures:
        raise ModelMismatch(str(labels or images), "no labelled pictures in it")
    return pictures


def _from_json(images: Path, entry: dict[str, Any]) -> LabelledPicture:
    if "rectangles" in entry:
        plates = tuple(
            Truth(
                normalise(r["plate"]),
                _around(r["x"], r["y"], r["width"], r["height"], r.get("rotation", 0.0)),
                str(r.get("colour", "")),
            )
            for r in entry["rectangles"]
        )
    elif "corners_px" in entry:
        corners = np.asarray(entry["corners_px"], dtype=np.float64)
        box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
        plates = (Truth(normalise(entry["plate"]), box),)
    else:
        plates = ()
    return LabelledPicture(images / entry["file"], plates, normalise(str(entry.get("plate", ""))))


def _around(x: float, y: float, width: float, height: float, degrees: float) -> Box:
    """Upright box of a rectangle given by its centre, sides and clockwise rotation."""
    angle = math.radians(degrees)
    half_width = (width * abs(math.cos(angle)) + height * abs(math.sin(angle))) / 2
    half_height = (width * abs(math.sin(angle)) + height * abs(math.cos(angle))) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def _from_text(images: Path, labels: Path) -> Iterator[LabelledPicture]:
    grouped: dict[str, list[Truth]] = {}
    for number, line in enumerate(labels.read_text("utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            name, x, y, width, height, plate = line.rsplit(maxsplit=5)
            left, top = float(x), float(y)
            box = (left, top, left + float(width), top + float(height))
        except ValueError as error:
            raise ModelMismatch(labels.name, f"line {number} is not 'image x y w h PLATE'") from error
        grouped.setdefault(name, []).append(Truth(normalise(plate), box))
    for name, plates in grouped.items():
        yield LabelledPicture(images / name, tuple(plates))


def parse_ccpd_name(name: str) -> Truth:
    """Take plate and box from a CCPD file name (seven fields with "-", indexes into its tables).

    Raises:
        ModelMismatch: Not such a name.
    """
    fields = name.rsplit(".", 1)[0].split("-")
    try:
        (left, top), (right, bottom) = (map(int, p.split("&")) for p in fields[2].split("_"))
        indexes = [int(i) for i in fields[4].split("_")]
        text = _CCPD_PROVINCES[indexes[0]] + _CCPD_OFFICES[indexes[1]]
        text += "".join(_CCPD_SEQUENCE[i] for i in indexes[2:])
    except (ValueError, IndexError) as error:
        raise ModelMismatch(name, "not a CCPD file name") from error
    return Truth(normalise(text), (left, top, right, bottom))


def load_picture(file: Path) -> BgrImage:
    """Decode a picture file.

    Raises:
        PictureUnusable: It is missing or no picture.
    """
    data = np.fromfile(file, dtype=np.uint8) if file.is_file() else np.empty(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise PictureUnusable(str(file), "missing or not a picture")
    return np.asarray(image, dtype=np.uint8)


assert set(_CCPD_PROVINCES) - {"O"} <= set(ALPHABET) and PROVINCES[0] in _CCPD_PROVINCES  # noqa: S101, PT018

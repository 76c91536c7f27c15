"""Kind of a plate by the colour of its ground: a hint, since sodium light and night change it. Pure."""

import cv2
import numpy as np

from models.plate.grammar import PlateKind
from models.results import BgrImage

_MIN_SATURATION = 60  # of 255; below it a ground has no colour (white, black, infra-red)
_MIN_VALUE = 40
_MIN_SHARE = 0.30  # of the pixels that must agree
_HUES: dict[str, tuple[int, int]] = {"yellow": (14, 34), "green": (38, 92), "blue": (93, 132)}
"""OpenCV hue (0..179) of the grounds."""
_NEW_ENERGY_LENGTH = 8
_TWO_ROWS = 2


def ground_colour(crop: BgrImage) -> str:
    """Colour of the plate's ground: "blue", "yellow", "green" or "" when none prevails."""
    if crop.size == 0:
        return ""
    hsv = cv2.cvtColor(crop, cv2.COLOR_BGR2HSV)
    hue, saturation, value = (hsv[..., i] for i in range(3))
    coloured = (saturation >= _MIN_SATURATION) & (value >= _MIN_VALUE)
    shares = {
        colour: float(np.count_nonzero(coloured & (hue >= low) & (hue <= high))) / hue.size
        for colour, (low, high) in _HUES.items()
    }
    best = max(shares, key=lambda colour: shares[colour])
    return best if shares[best] >= _MIN_SHARE else ""


def kind_by_colour(crop: BgrImage, characters: int, rows: int = 1) -> str:
    """Value of the ``PlateKind`` that colour, rows and number of characters suggest, or ""."""
    colour = ground_colour(crop)
    if rows == _TWO_ROWS and colour == "yellow":
        return PlateKind.YELLOW_DOUBLE
    if colour == "green" and characters == _NEW_ENERGY_LENGTH:
        return PlateKind.GREEN_SMALL
    if colour == "yellow" and characters == _NEW_ENERGY_LENGTH:
        return PlateKind.GREEN_LARGE
    return {"blue": PlateKind.BLUE, "yellow": PlateKind.YELLOW}.get(colour, "")

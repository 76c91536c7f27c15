"""One flat plate as it leaves a press and looks after some years: hands, faded ink, screws, dirt, cover."""

import functools
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training import weather
from models.training.glyphs import CHINESE_FACES, LATIN_FACES
from models.training.plates import Look, Style, ground, ink_field, rim_field

PX_PER_MM: Final = 0.5
"""Scale of the drawing."""

_CHINESE_PENS: Final = {
    "noto-thin": 1.6, "noto-light": 1.0, "noto-regular": 0.5, "noto-bold": -1.2, "noto-medium": -0.2,
    "serif-regular": 1.1, "serif-bold": 0.2, "wenkai-regular": 0.9, "wenkai-bold": 0.3, "droid": 0.3,
}  # fmt: skip
"""How much an outline grows on every side to look pressed, in millimetres."""


def chinese_pen_mm(rng: np.random.Generator, face: str) -> float:
    """Pen for a Chinese character of a face: as makers press them, give or take."""
    return float(np.clip(_CHINESE_PENS[face] + rng.normal(0, 0.35), -1.5, 2.5))


def random_style(rng: np.random.Generator) -> Style:
    """Faces and pens; our own strokes in more than half of all cases."""
    latin = "strokes" if rng.random() < 0.6 else str(rng.choice(LATIN_FACES))
    chinese = str(rng.choice(CHINESE_FACES))
    heavy = {"noto-bold": -1.2, "open-condensed-bold": -1.0, "roboto-bold": -1.2}
    latin_pen = (
        rng.normal(2.4, 0.7) if latin in ("strokes", "roboto-light", "noto-thin") else rng.normal(0.9, 0.6)
    )
    latin_pen = float(np.clip(latin_pen + heavy.get(latin, 0.0), -1.0, 4.0))
    return Style(latin, chinese, latin_pen, chinese_pen_mm(rng, chinese))


@functools.cache
def _small_ground(look: Look) -> NDArray[np.float32]:
    """The plate without ink at the drawing's scale; read-only by habit."""
    width, height = (round(side * PX_PER_MM) for side in look.layout.size_mm)
    return np.asarray(cv2.resize(ground(look), (width, height), interpolation=cv2.INTER_AREA), np.float32)


@functools.cache
def _rim_line(size_mm: tuple[int, int]) -> NDArray[np.float32]:
    """Coverage 0..1 of the line around the plate at the drawing's scale."""
    width, height = (round(side * PX_PER_MM) for side in size_mm)
    rim = np.asarray(
        cv2.resize(rim_field(size_mm), (width, height), interpolation=cv2.INTER_AREA), np.float32
    )
    line = (1.5 - np.abs(rim - 1.5)) * PX_PER_MM + 0.5
    return np.asarray(np.clip(line, 0, 1), np.float32)


def draw_worn(rng: np.random.Generator, text: str, look: Look, wear: float) -> weather.Picture:
    """A plate at `PX_PER_MM` with faded colours, pressed edges, screws, dirt and cover; float32 BGR."""
    return draw_inked(rng, text, look, wear)[0]


def draw_inked(
    rng: np.random.Generator, text: str, look: Look, wear: float
) -> tuple[weather.Picture, NDArray[np.float32]]:
    """As `draw_worn`, and (height, width) float32 0..1: where its characters are, even under dirt."""
    width, height = (round(side * PX_PER_MM) for side in look.layout.size_mm)
    field = ink_field(text, look.layout, random_style(rng))
    field = np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    if rng.random() < 0.6:
        field = _bent(rng, field)
    plate = _small_ground(look) * rng.normal(1, 0.05 + 0.07 * wear, 3).astype(np.float32)
    plate += np.float32(rng.normal(0, 10))
    ink = np.array(look.ink, np.float32) + rng.normal(0, 10, 3).astype(np.float32)
    if rng.random() < 0.9:
        share = np.float32(rng.uniform(0.4, 1.0))
        plate += (ink - plate) * (_rim_line(look.layout.size_mm) * share)[..., None]
    inks = np.empty_like(plate)
    inks[:] = ink
    for position in look.red:
        left, _, box_width, _ = look.layout.boxes[position]
        inks[:, round((left - 4) * PX_PER_MM) : round((left + box_width + 4) * PX_PER_MM)] = (40, 36, 200)
    coverage = np.asarray(np.clip(field * PX_PER_MM + 0.5, 0, 1), np.float32)
    plate += (inks - plate) * (coverage * np.float32(rng.uniform(0.75, 1.0)))[..., None]
    if rng.random() < 0.5:
        weather.emboss(rng, plate, field * np.float32(PX_PER_MM))
    if rng.random() < 0.7:
        weather.screws(rng, plate, PX_PER_MM * height / (140 * PX_PER_MM))
    if rng.random() < 0.5 * wear:
        weather.dirt(rng, plate, rng.random() ** 1.5)
    if rng.random() < 0.12 * wear:
        weather.cover(rng, plate)
    return plate, coverage


_STRANGE_HANDS: Final = 0.3
"""Share of bent plates whose shapes are bent twice as far: provinces differ from the fonts by that much."""


def _bent(rng: np.random.Generator, field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Push and pull the glyphs by a millimetre here and there: no two makers press the same shapes."""
    height, width = field.shape
    most = 1.8 if rng.random() < _STRANGE_HANDS else 0.9
    size = (rng.uniform(0.2, most) * PX_PER_MM * 2, rng.uniform(0.2, most) * PX_PER_MM * 2)
    coarse = rng.normal(0, 1, (2, 4, int(rng.integers(8, 18)))).astype(np.float32)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    xs += cv2.resize(coarse[0], (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(size[0])
    ys += cv2.resize(coarse[1], (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(size[1])
    return np.asarray(cv2.remap(field, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)

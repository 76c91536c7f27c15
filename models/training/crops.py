"""Rectified plate crops with labels, for training and judging the reader.

A crop is made the way the program makes it: a plate is drawn flat, weathered, seen by a camera under an angle
and at a size, and cut out again by corners that are a little wrong.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate.grammar import ALPHABET, LETTERS, PROVINCES, PlateKind, generate
from models.plate.lattice_reader import EMPTY, SLOTS, loosen, rectify
from models.results import BgrImage
from models.training import weather
from models.training.plates import LOOKS
from models.training.worn import PX_PER_MM, draw_inked

_WEIGHTS: Final = {
    PlateKind.BLUE: 34, PlateKind.GREEN_SMALL: 17, PlateKind.YELLOW: 8, PlateKind.YELLOW_DOUBLE: 8,
    PlateKind.GREEN_LARGE: 5, PlateKind.POLICE: 3, PlateKind.LEARNER: 3, PlateKind.TRAILER: 3,
    PlateKind.HK_MACAU: 3, PlateKind.MOTORCYCLE: 3, PlateKind.ARMED_POLICE: 2.5, PlateKind.MILITARY: 2.5,
    PlateKind.EMBASSY: 1.5, PlateKind.CONSULATE: 1.5, PlateKind.EMERGENCY: 1.5, PlateKind.CIVIL_AVIATION: 1.5,
    PlateKind.TRIAL: 1, PlateKind.OVERSIZE: 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One labelled crop.

    Attributes:
        picture: (48, 144, 3) uint8 BGR.
        text: What the plate says; "" for no plate.
        kind: One of the reader's `KINDS`, or None when the label does not say.
    """

    picture: BgrImage
    text: str
    kind: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A camera's picture of one plate with some of what is around it.

    Attributes:
        picture: (height, width, 3) uint8 BGR.
        corners: (4, 2) float64 pixels of the plate, left-top first, clockwise.
        text, kind: What it says and what it is.
        rows: 1 or 2.
        ink: (height, width) float32 0..1, how much of each pixel is character; None when not asked for.
    """

    picture: BgrImage
    corners: NDArray[np.float64]
    text: str
    kind: PlateKind
    rows: int
    ink: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Surrounding:
    """A photograph and the upright box (left, top, right, bottom) of a plate in it."""

    picture: BgrImage
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Hardship:
    """How hard the pictures are.

    Attributes:
        height_px: Smallest and largest height of the plate in the camera's picture.
        angle_deg: Largest turn of the plate to the side.
        blur: Factor on all blur.
        wear: Factor on dirt, cover and glare; 0 for none.
        jitter: Error of the corners as a share of the plate's height.
        turned_deg: Turn every plate by exactly this to the left or right, or None for chance.
    """

    height_px: tuple[float, float] = (13.0, 64.0)
    angle_deg: float = 60.0
    blur: float = 1.0
    wear: float = 1.0
    jitter: float = 0.07
    turned_deg: float | None = None


def encode(text: str) -> NDArray[np.int64]:
    """Classes of the eight positions."""
    out = np.full(SLOTS, EMPTY, np.int64)
    for place, char in enumerate(text):
        out[place] = ALPHABET.index(char)
    return out


def random_plate(rng: random.Random, *, legal: bool = False) -> tuple[PlateKind, str]:
    """A kind by its weight in training and a text for it, now and then with more letters than are legal."""
    kind = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    text = generate(kind, rng)
    if (
        not legal
        and rng.random() < 0.25
        and text[0] in PROVINCES
        and kind in (PlateKind.BLUE, PlateKind.YELLOW_DOUBLE)
    ):
        # More letters than the rule allows: the net shall read what is there, not what is usual.
        text = text[:2] + "".join(rng.choice(LETTERS) if rng.random() < 0.5 else char for char in text[2:])
    return kind, text


def _turn(rng: np.random.Generator, width_mm: float, height_mm: float, hard: Hardship) -> NDArray[np.float64]:
    """Corners (4, 2) of a plate turned in space and seen by a pinhole, height about 1, centred at 0."""
    strong = rng.random() < 0.3
    limit = math.radians(hard.angle_deg)
    yaw = np.clip(rng.normal(0, 0.55 if strong else 0.22), -limit, limit)
    if hard.turned_deg is not None:
        yaw = math.radians(hard.turned_deg) * (1 if rng.random() < 0.5 else -1)
    pitch = np.clip(rng.normal(0.08, 0.28 if strong else 0.14), -limit, limit)
    roll = np.clip(rng.normal(0, 0.16 if strong else 0.06), -0.6, 0.6)
    half_w, half_h = width_mm / height_mm / 2, 0.5
    flat = np.array([(-half_w, -half_h, 0), (half_w, -half_h, 0), (half_w, half_h, 0), (-half_w, half_h, 0)])
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    turn_y = np.array([(cy, 0, sy), (0, 1, 0), (-sy, 0, cy)])
    turn_x = np.array([(1, 0, 0), (0, cp, -sp), (0, sp, cp)])
    turn_z = np.array([(cr, -sr, 0), (sr, cr, 0), (0, 0, 1)])
    points = flat @ (turn_z @ turn_x @ turn_y).T
    distance = rng.uniform(6, 30)
    return np.asarray(points[:, :2] * (distance / (distance + points[:, 2:])), np.float64)


def make_patch(
    rng: np.random.Generator,
    text: str,
    kind: PlateKind,
    hard: Hardship = Hardship(),
    surroundings: Sequence[Surrounding] = (),
    *,
    with_ink: bool = False,
) -> Patch:
    """Draw one plate and let a camera look at it.

    Args:
        rng: All chance.
        text: What the plate says.
        kind: Its kind.
        hard: How hard to make it.
        surroundings: Photographs and where plates hang in them; may be empty.
        with_ink: Also where the characters came to lie, as nothing had spoilt them.
    """
    looks = LOOKS[kind]
    look = looks[int(rng.integers(len(looks)))]
    plate, coverage = draw_inked(rng, text, look, hard.wear)
    height, width = plate.shape[:2]
    margin_x, margin_y = round(width * 0.3), round(height * 0.75)
    shape = (height + 2 * margin_y, width + 2 * margin_x)
    if surroundings and rng.random() < 0.6:
        around = surroundings[int(rng.integers(len(surroundings)))]
        canvas = _around_a_plate(rng, around, shape, (margin_x, margin_y, width, height))
    else:
        canvas = weather.surround(rng, shape)
    weather.mount(rng, canvas, margin_x, margin_y, width, height)
    canvas[margin_y : margin_y + height, margin_x : margin_x + width] = plate
    if hard.wear:
        weather.light_and_shadow(rng, canvas)

    low, high = hard.height_px
    plate_px = low * (high / low) ** rng.random()
    # Two rows are as large on the picture as their millimetres are: the size is that of one row's plate.
    larger = height / (140 * PX_PER_MM) if look.layout.rows == 2 else 1.0
    corners = _turn(rng, width, height, hard) * plate_px * larger
    # The view ends where the canvas would have to be made up; a crooked plate has its box's corners beyond.
    spread = np.ptp(corners, axis=0)
    size = np.ceil(spread * (1.5, 1.9) + 6).astype(int)
    seen = corners - corners.min(axis=0) + (size - spread) / 2
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    source += np.array((margin_x, margin_y), np.float32)
    matrix = cv2.getPerspectiveTransform(source - np.float32(0.5), (seen - 0.5).astype(np.float32))
    shrink = height / max(plate_px, 1)
    if shrink > 1.3:  # what the camera's pixels average
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.35 * shrink), np.float32)
    view = cv2.warpPerspective(
        canvas, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    view = weather.lens(rng, np.asarray(view, np.float32), plate_px, hard.blur)
    picture = weather.sensor(rng, weather.illuminate(rng, view))
    if not with_ink:
        return Patch(picture, seen, text, kind, look.layout.rows)
    flat = np.zeros(shape, np.float32)
    flat[margin_y : margin_y + height, margin_x : margin_x + width] = coverage
    if shrink > 1.3:
        flat = np.asarray(cv2.GaussianBlur(flat, (0, 0), 0.35 * shrink), np.float32)
    ink = cv2.warpPerspective(flat, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
    return Patch(picture, seen, text, kind, look.layout.rows, np.asarray(ink, np.float32))


def _around_a_plate(
    rng: np.random.Generator, around: Surrounding, shape: tuple[int, int], place: tuple[int, int, int, int]
) -> weather.Picture:
    """A piece of a photograph, scaled so that the plate in it comes to lie where ours will be put.

    Now and then any other piece, so that a plate is known by itself and not by the car around it.
    """
    left, top, right, bottom = around.box
    x, y, width, height = place
    ratio = width / max(right - left, 4.0) * rng.uniform(0.75, 1.05)
    middle = np.array(((left + right) / 2, (top + bottom) / 2))
    if rng.random() < 0.2:
        middle = rng.random(2) * around.picture.shape[1::-1]
    at = np.array((x + width / 2, y + height / 2)) - middle * ratio
    matrix = np.array([(ratio, 0, at[0]), (0, ratio, at[1])])
    piece = cv2.warpAffine(
        around.picture,
        matrix,
        (shape[1], shape[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    return np.array(piece, np.float32)


def shaken(
    rng: np.random.Generator, corners: NDArray[np.float64], jitter: float, boxes: float = 0.2
) -> NDArray[np.float64]:
    """Corners as somebody finds them who is wrong by ``jitter`` plate heights: each for itself, and all.

    ``boxes`` is the share of finders that know upright boxes only.
    """
    if rng.random() < boxes:
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    tall = float(np.linalg.norm(corners[3] - corners[0]))
    middle = corners.mean(axis=0)
    out = corners + rng.normal(0, jitter * 0.6 * tall, (4, 2)) + rng.normal(0, jitter * 0.5 * tall, 2)
    return np.asarray(out + (corners - middle) * rng.normal(0, jitter, 2), np.float64)


def cut(
    rng: np.random.Generator, picture: BgrImage, corners: NDArray[np.float64], jitter: float, rows: int = 1
) -> BgrImage:
    """The reader's cut of a patch, by corners that are a little wrong."""
    return rectify(picture, loosen(shaken(rng, corners, jitter)), rows)


def from_afar(
    rng: np.random.Generator,
    picture: BgrImage,
    corners: NDArray[np.float64],
    height_px: tuple[float, float] = (16, 60),
) -> tuple[BgrImage, NDArray[np.float64]]:
    """A photograph's part around its plate, smaller as if the car stood farther away, and the corners."""
    tall = float(np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2
    low, high = height_px
    ratio = min(1.0, low * (high / low) ** rng.random() / tall)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    x0, y0 = max(0, int(left - 1.5 * tall)), max(0, int(top - 1.2 * tall))
    part = picture[y0 : int(bottom + 1.2 * tall), x0 : int(right + 1.5 * tall)]
    small = cv2.resize(part, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    scale = np.array(small.shape[1::-1]) / part.shape[1::-1]
    return np.asarray(small, np.uint8), (corners - (x0, y0)) * scale


def relit(rng: np.random.Generator, picture: BgrImage) -> BgrImage:
    """The same picture a little lighter or darker, and now and then softer or grey; cheap."""
    # What is bright already would lose its characters in white.
    gain = float(rng.uniform(0.65, 1.35 if picture.mean() < 120 else 1.05))
    offset = float(rng.uniform(-25, 25 if gain < 1 else 5))
    out = cv2.addWeighted(picture, gain, picture, 0.0, offset)
    pick = rng.random()
    if pick < 0.08:
        out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    elif pick < 0.2:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.2)))
    elif pick < 0.3:
        channels = [cv2.convertScaleAbs(out[..., i], alpha=float(rng.uniform(0.75, 1.25))) for i in range(3)]
        out = cv2.merge(channels)
    return np.asarray(out, np.uint8)


def make_crop(
    rng: np.random.Generator,
    text: str,
    kind: PlateKind,
    hard: Hardship = Hardship(),
    surroundings: Sequence[Surrounding] = (),
) -> BgrImage:
    """Draw one plate, look at it, and cut it out again: (48, 144, 3) uint8 BGR; see `make_patch`."""
    patch = make_patch(rng, text, kind, hard, surroundings)
    return cut(rng, patch.picture, patch.corners, hard.jitter, patch.rows)


def vary_real(rng: np.random.Generator, picture: BgrImage) -> BgrImage:
    """Vary a labelled photograph of a plate: corners, light, blur, noise; the label stays true."""
    height, width = picture.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    corners += rng.normal(0, 0.035 * height, (4, 2)) + rng.normal(0, 0.02 * height, 2)
    corners[:, 1] += (corners[:, 0] - width / 2) * rng.normal(0, 0.025)
    flat = np.asarray(rectify(picture, corners), np.float32)
    if rng.random() < 0.35:
        flat = weather.illuminate(rng, flat)
    else:
        flat = flat * np.float32(rng.uniform(0.75, 1.2)) + np.float32(rng.normal(0, 8))
    if rng.random() < 0.25:
        flat = weather.lens(rng, flat, 30.0, 1.0)
    return weather.sensor(rng, flat) if rng.random() < 0.4 else np.clip(flat, 0, 255).astype(np.uint8)

"""Whole pictures with plates in them, for training and judging the detector.

A background (a photograph whose own plates are painted over, or a drawn lane, or patches) gets synthetic
plates, and things that are not plates: signs, telephone numbers, time stamps, badges, grilles.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate.grammar import ALPHABET, PlateKind
from models.results import BgrImage
from models.training import weather
from models.training.car import build_car, put_car
from models.training.crops import random_plate
from models.training.film import COLOURS
from models.training.glyphs import LATIN, MARGIN_MM, distance_field
from models.training.plates import LOOKS
from models.training.real import CarPicture, PhotographedPlate
from models.training.scenery import Eye, draw_lane
from models.training.worn import draw_worn

_ASKEW_SHARE = 0.15
"""Share of the scenes that `turned` turns far."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPlate:
    """A plate in a scene: corners (4, 2) in pixels, rows, text and kind ("" for photographed ones)."""

    corners: NDArray[np.float64]
    rows: int
    text: str = ""
    kind: str = ""

    @property
    def height_px(self) -> float:
        """Mean length of the two upright sides."""
        left = np.linalg.norm(self.corners[3] - self.corners[0])
        return float(left + np.linalg.norm(self.corners[2] - self.corners[1])) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture (height, width, 3) uint8 BGR and every plate in it."""

    picture: BgrImage
    plates: tuple[PlacedPlate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """What scenes are made from.

    Attributes:
        cars: Photographs of cars with plates that are to be replaced.
        plates: Photographs of plates with one row, cut by their corners.
        pieces: Pieces of pictures without plates.
        wholes: Photographs with one plate of ours in them.
    """

    cars: Sequence[CarPicture] = ()
    plates: Sequence[BgrImage] = ()
    pieces: Sequence[BgrImage] = ()
    wholes: Sequence[PhotographedPlate] = ()


def _turned_quad(rng: np.random.Generator, aspect: float) -> NDArray[np.float64]:
    """Corners of a plate of height 1 turned in space a little, or now and then strongly, around (0, 0)."""
    strong = rng.random() < 0.25
    yaw = float(np.clip(rng.normal(0, 0.6 if strong else 0.2), -1.05, 1.05))
    pitch = float(np.clip(rng.normal(0.1, 0.25), -0.8, 0.8))
    roll = float(np.clip(rng.normal(0, 0.2 if strong else 0.05), -0.6, 0.6))
    half = aspect / 2
    flat = np.array([(-half, -0.5, 0), (half, -0.5, 0), (half, 0.5, 0), (-half, 0.5, 0)])
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    turn = np.array([(cr, -sr, 0), (sr, cr, 0), (0, 0, 1)]) @ np.array([(1, 0, 0), (0, cp, -sp), (0, sp, cp)])
    points = flat @ (turn @ np.array([(cy, 0, sy), (0, 1, 0), (-sy, 0, cy)])).T
    depth = rng.uniform(8, 40)
    return np.asarray(points[:, :2] * (depth / (depth + points[:, 2:])), np.float64)


def paste(canvas: weather.Picture, plate: weather.Picture, corners: NDArray[np.float64]) -> None:
    """Warp a flat plate onto a canvas in place, softened to the size it has there."""
    height, width = plate.shape[:2]
    left, top = np.floor(corners.min(axis=0) - 2).astype(int)
    right, bottom = np.ceil(corners.max(axis=0) + 3).astype(int)
    left, top = max(0, left), max(0, top)
    right, bottom = min(canvas.shape[1], right), min(canvas.shape[0], bottom)
    if right - left < 2 or bottom - top < 2:
        return
    shrink = height / max(float(np.linalg.norm(corners[3] - corners[0])), 1.0)
    if shrink > 1.5:
        plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), 0.4 * shrink), np.float32)
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(source, (corners - (left, top) - 0.5).astype(np.float32))
    size = (int(right - left), int(bottom - top))
    warped = cv2.warpPerspective(plate, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((size[1], size[0]), np.uint8)
    fixed = np.round((corners - (left, top) - 0.5) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, 4)
    area = canvas[top:bottom, left:right]
    area += (warped - area) * (mask.astype(np.float32) / np.float32(255))[..., None]


def _flat_plate(
    rng: np.random.Generator, chance: random.Random, stock: Stock
) -> tuple[weather.Picture, PlacedPlate]:
    """A worn plate with its frame, and a description without place; sometimes a photographed one."""
    if stock.plates and rng.random() < 0.3:
        photo = stock.plates[int(rng.integers(len(stock.plates)))]
        tall = 70
        plate = np.asarray(cv2.resize(photo, (220, tall), interpolation=cv2.INTER_LINEAR), np.float32)
        return plate, PlacedPlate(np.zeros((4, 2)), 1)
    kind, text = random_plate(chance)
    looks = LOOKS[kind]
    look = looks[int(rng.integers(len(looks)))]
    return draw_worn(rng, text, look, 0.7), PlacedPlate(np.zeros((4, 2)), look.layout.rows, text, str(kind))


def _place(
    rng: np.random.Generator, chance: random.Random, stock: Stock, canvas: weather.Picture,
    centre: tuple[float, float], height_px: float,
) -> PlacedPlate:  # fmt: skip
    """Draw one plate around a point of the canvas, lit like its surroundings."""
    plate, description = _flat_plate(rng, chance, stock)
    tall, wide = plate.shape[:2]
    corners = _turned_quad(rng, wide / tall) * height_px + centre
    x, y = (int(np.clip(c, 2, limit - 3)) for c, limit in zip(centre, canvas.shape[1::-1], strict=True))
    reach = int(height_px) + 2
    around = canvas[max(0, y - reach) : y + reach, max(0, x - 2 * reach) : x + 2 * reach]
    light = np.clip(0.35 + float(around.mean()) / 190 + rng.normal(0, 0.15), 0.3, 1.25)
    if rng.random() < 0.5:  # frame or holder
        rim = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * height_px * rng.uniform(0.03, 0.15)
        shade = rng.uniform(5, 60) if rng.random() < 0.7 else rng.uniform(120, 220)
        outline = np.round((corners + rim) * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, outline, (shade, shade, shade), cv2.LINE_AA, 4)
    paste(canvas, plate * np.float32(light), corners)
    return PlacedPlate(corners, description.rows, description.text, description.kind)


def distract(rng: np.random.Generator, canvas: weather.Picture) -> None:
    """Something that is no plate: a sign or number of the wrong length, a bare board, a badge, a grille."""
    height, width = canvas.shape[:2]
    x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
    pick = rng.random()
    if pick < 0.5:
        count = int(rng.choice([1, 2, 3, 4, 5, 10, 11, 12]))
        pool = LATIN[:10] if rng.random() < 0.5 else ALPHABET
        sign = np.empty((70, 20 + 34 * count, 3), np.float32)
        grounds = [(190, 80, 20), (30, 160, 240), (240, 240, 240), (40, 40, 40), (60, 140, 40), (40, 40, 200)]
        ground = np.array(grounds[int(rng.integers(len(grounds)))])
        sign[:] = ground
        ink = 245.0 if ground.mean() < 150 else 20.0
        for i in range(count):
            char = pool[int(rng.integers(len(pool)))]
            face = "open-regular" if char in LATIN else "noto-medium"
            field = distance_field(char, face, 28, 50)
            at = (10 - MARGIN_MM, 12 + 34 * i - MARGIN_MM)
            y0, x0 = max(0, at[0]), max(0, at[1])
            part = sign[y0 : at[0] + field.shape[0], x0 : at[1] + field.shape[1]]
            cover = np.clip(field + 0.5, 0, 1)[y0 - at[0] :, x0 - at[1] :][
                : part.shape[0], : part.shape[1], None
            ]
            part += (ink - part) * cover
        if rng.random() < 0.3:  # letters without a board of their own
            mean = canvas[y : y + 30, x : x + 60].mean() if y < height and x < width else 120.0
            sign = np.where(np.abs(sign - ink).max(axis=2, keepdims=True) < 60, sign, np.float32(mean))
        tall = float(rng.uniform(8, 60))
        paste(canvas, sign.astype(np.float32), _turned_quad(rng, sign.shape[1] / 70) * tall + (x, y))
    elif pick < 0.65:  # a bare board in a plate's colour
        tall = float(rng.uniform(8, 60))
        board = np.empty((20, 60, 3), np.float32)
        board[:] = np.array(
            [(190, 80, 20), (30, 160, 240), (235, 240, 235), (90, 170, 40)][int(rng.integers(4))]
        )
        paste(canvas, board, _turned_quad(rng, rng.uniform(1.5, 5)) * tall + (x, y))
    elif pick < 0.8:  # grille, fence, steps
        tall, wide = int(rng.integers(10, 80)), int(rng.integers(30, 160))
        shade = float(rng.uniform(10, 200))
        for row in range(0, tall, int(rng.integers(3, 9))):
            cv2.line(
                canvas, (x, y + row), (x + wide, y + row), (shade, shade, shade), 1 + int(rng.integers(2))
            )
    else:  # lamp or badge
        shade = float(rng.uniform(60, 255))
        size = (int(rng.integers(3, 25)), int(rng.integers(3, 18)))
        cv2.ellipse(canvas, (x, y), size, 0, 0, 360, (shade, shade, shade), -1, cv2.LINE_AA)


def time_stamp(rng: np.random.Generator, picture: BgrImage) -> None:
    """The line of text that recorders print into the picture, in place."""
    text = f"20{rng.integers(10, 30):02d}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d} "
    text += f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}:{rng.integers(0, 60):02d}"
    if rng.random() < 0.4:
        text += f" CAM{rng.integers(1, 32):02d}"
    where = (int(rng.integers(0, 60)), int(rng.choice([16, picture.shape[0] - 8])))
    cv2.putText(
        picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.35, 0.7)), (255, 255, 255), 1
    )


def _from_car(
    rng: np.random.Generator, chance: random.Random, stock: Stock, size_px: tuple[int, int], height_px: float
) -> tuple[weather.Picture, list[PlacedPlate]]:
    """A piece of a photograph around one of its plates, every plate replaced by one of ours."""
    car = stock.cars[int(rng.integers(len(stock.cars)))]
    width, height = size_px
    left, top, right, bottom = car.boxes[int(rng.integers(len(car.boxes)))]
    ratio = float(np.clip(height_px / max(bottom - top, 4.0), 0.12, 3.0))
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    at_x, at_y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.15, 0.85) * height
    matrix = np.array([(ratio, 0, at_x - middle_x * ratio), (0, ratio, at_y - middle_y * ratio)])
    photo = car.picture
    if ratio < 0.7:
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), 0.4 / ratio), np.uint8)
    border = cv2.BORDER_REFLECT_101 if rng.random() < 0.5 else cv2.BORDER_REPLICATE
    canvas = np.asarray(
        cv2.warpAffine(photo, matrix, size_px, flags=cv2.INTER_LINEAR, borderMode=border), np.float32
    )
    if border == cv2.BORDER_REFLECT_101:
        # A mirrored foreign plate may have come in; grey outside the photograph is safer than a wrong label.
        inside = cv2.warpAffine(np.full(photo.shape[:2], 255, np.uint8), matrix, size_px)
        canvas[inside == 0] = canvas.mean(axis=(0, 1))
    plates = []
    for x0, y0, x1, y1 in car.boxes:
        a, b = matrix @ (x0, y0, 1), matrix @ (x1, y1, 1)
        if (b < 2).any() or (a > (width - 2, height - 2)).any():
            continue
        west, north = np.maximum(np.floor(a).astype(int) - 1, 0)
        east, south = np.minimum(np.ceil(b).astype(int) + 2, size_px)
        if east - west < 2 or south - north < 2:
            continue
        rim = np.concatenate(
            [
                canvas[north, west:east],
                canvas[south - 1, west:east],
                canvas[north:south, west],
                canvas[north:south, east - 1],
            ]
        )
        canvas[north:south, west:east] = np.median(rim, axis=0)
        tall = max((b[1] - a[1]), (b[0] - a[0]) / 3.14) * rng.uniform(0.9, 1.15)
        if tall >= 5:
            centre = (float((a[0] + b[0]) / 2), float((a[1] + b[1]) / 2))
            plates.append(_place(rng, chance, stock, canvas, centre, float(tall)))
    return canvas, plates


def _from_whole(
    rng: np.random.Generator, stock: Stock, size_px: tuple[int, int], height_px: float
) -> tuple[weather.Picture, list[PlacedPlate]]:
    """A piece of a photograph with one of our plates in it, as it is."""
    photo = stock.wholes[int(rng.integers(len(stock.wholes)))]
    width, height = size_px
    tall = float(np.linalg.norm(photo.corners[3] - photo.corners[0]))
    ratio = float(np.clip(height_px / tall, 0.12, 1.5))
    middle = photo.corners.mean(axis=0)
    at = rng.uniform(0.15, 0.85, 2) * size_px - middle * ratio
    matrix = np.array([(ratio, 0, at[0]), (0, ratio, at[1])])
    picture = photo.picture
    if ratio < 0.7:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.4 / ratio), np.uint8)
    canvas = cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(canvas, np.float32), [PlacedPlate(photo.corners * ratio + at, 1)]


def _from_patches(
    rng: np.random.Generator, chance: random.Random, stock: Stock, size_px: tuple[int, int], height_px: float
) -> tuple[weather.Picture, list[PlacedPlate]]:
    """Patches of anything without plates, with nought to two plates on them."""
    width, height = size_px
    canvas = weather.surround(rng, (height, width))
    for _ in range(int(rng.integers(0, 8))):
        if not stock.pieces:
            break
        piece = stock.pieces[int(rng.integers(len(stock.pieces)))]
        factor = rng.uniform(0.5, 3.0)
        wide, tall = int(piece.shape[1] * factor), int(piece.shape[0] * factor)
        x, y = int(rng.integers(-wide // 2, width)), int(rng.integers(-tall // 2, height))
        scaled = cv2.resize(piece, (wide, tall))[max(0, -y) :, max(0, -x) :]
        area = canvas[max(0, y) : y + tall, max(0, x) : x + wide]
        area[:] = scaled[: area.shape[0], : area.shape[1]]
    plates: list[PlacedPlate] = []
    for _ in range(int(rng.choice([0, 0, 1, 1, 1, 2]))):
        centre = (float(rng.uniform(0.1, 0.9) * width), float(rng.uniform(0.1, 0.9) * height))
        tall_px = height_px if not plates else height_px * float(rng.uniform(0.6, 1.2))
        if all(abs(p.corners.mean(axis=0)[1] - centre[1]) > (p.height_px + tall_px) * 1.3 for p in plates):
            plates.append(_place(rng, chance, stock, canvas, centre, tall_px))
    return canvas, plates


def _from_lane(
    rng: np.random.Generator, chance: random.Random, size_px: tuple[int, int]
) -> tuple[weather.Picture, list[PlacedPlate]]:
    """A drawn lane with one or two drawn cars, seen by a random camera."""
    height = size_px[1]
    eye = Eye(
        size_px, height * rng.uniform(0.9, 2.2), rng.uniform(1.0, 3.0), rng.uniform(-1.2, 1.2),
        math.radians(rng.uniform(2, 18)), math.radians(rng.uniform(-8, 8)),
    )  # fmt: skip
    picture = draw_lane(eye, rng)
    plates: list[PlacedPlate] = []
    spots = sorted(rng.uniform(2.5, 13, int(rng.integers(1, 3))), reverse=True)
    if len(spots) == 2 and spots[0] - spots[1] < 5.5:
        spots = spots[1:]
    for z_m in spots:
        kind, text = random_plate(chance)
        if kind is PlateKind.MOTORCYCLE:
            continue
        look = LOOKS[kind][0]
        plate = np.clip(draw_worn(rng, text, look, 0.7), 0, 255).astype(np.uint8)
        colour = COLOURS[int(rng.integers(len(COLOURS)))]
        car = build_car(plate, look.layout.size_mm, colour, rng, lit=bool(rng.random() < 0.3))
        side_m = float(rng.uniform(-0.8, 0.8))
        corners = put_car(picture, car, eye, float(z_m), side_m, light=float(rng.uniform(0.5, 1.2)))
        if corners is not None:
            plates.append(PlacedPlate(corners, look.layout.rows, text, str(kind)))
    return picture.astype(np.float32), plates


def make_scene(
    rng: np.random.Generator,
    chance: random.Random,
    stock: Stock,
    size_px: tuple[int, int] = (320, 256),
    height_px: tuple[float, float] = (7.0, 110.0),
) -> Scene:
    """Make one picture.

    Args:
        rng: Chance of everything drawn.
        chance: Chance of the plates' texts.
        stock: Photographs; may be empty.
        size_px: Width and height of the picture.
        height_px: Range of the plates' heights, drawn evenly on a logarithmic scale.

    Returns:
        The scene; plates that lie less than two thirds inside the picture are painted but not listed.
    """
    low, high = height_px
    tall = float(low * (high / low) ** rng.random())
    pick = rng.random()
    if stock.wholes and pick < 0.08:
        canvas, plates = _from_whole(rng, stock, size_px, tall)
    elif stock.cars and pick < 0.62:
        canvas, plates = _from_car(rng, chance, stock, size_px, tall)
    elif pick < 0.92:
        canvas, plates = _from_patches(rng, chance, stock, size_px, tall)
    else:
        canvas, plates = _from_lane(rng, chance, size_px)
    if (rng.random() < 0.5 and not plates) or rng.random() < 0.15:
        before = canvas.copy()
        for _ in range(int(rng.integers(1, 4))):
            distract(rng, canvas)
        for plate in plates:  # never over a plate
            west, north = np.maximum(np.floor(plate.corners.min(axis=0)).astype(int) - 1, 0)
            east, south = np.maximum(np.ceil(plate.corners.max(axis=0)).astype(int) + 2, 0)
            canvas[north:south, west:east] = before[north:south, west:east]
    if rng.random() < 0.4:
        weather.light_and_shadow(rng, canvas)
    canvas = weather.lens(rng, canvas, min(tall, 40.0), 0.8)
    picture = weather.sensor(rng, weather.illuminate(rng, canvas))
    if rng.random() < 0.12:
        time_stamp(rng, picture)
    listed = []
    for plate in plates:
        inside = np.clip(plate.corners, 0, np.array(size_px) - 1.0)
        area = cv2.contourArea(plate.corners.astype(np.float32))
        if area > 0 and cv2.contourArea(inside.astype(np.float32)) > 0.66 * area and plate.height_px >= 5:
            listed.append(plate)
    return Scene(picture, tuple(listed))


def turned(rng: np.random.Generator, scene: Scene) -> Scene:
    """The scene as a camera held askew sees it: now and then by up to 55 degrees, and nearer or farther.

    No plate is cut by the edge: where one would be, the scene stays as it is.
    """
    height, width = scene.picture.shape[:2]
    roll_deg = float(rng.uniform(-55, 55) if rng.random() < _ASKEW_SHARE else rng.normal(0, 4))
    zoom = float(np.exp(rng.uniform(-0.25, 0.25)))
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), roll_deg, zoom), np.float64)
    matrix[:, 2] += rng.uniform(-0.06, 0.06, 2) * np.array((width, height))
    # Corners lie between pixels: pixel i reaches from i to i + 1, and OpenCV has its middle at i.
    plates = tuple(
        replace(plate, corners=(plate.corners - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5)
        for plate in scene.plates
    )
    if any((p.corners < 1).any() or (p.corners > (width - 1, height - 1)).any() for p in plates):
        return scene
    picture = cv2.warpAffine(scene.picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return Scene(np.asarray(picture, np.uint8), plates)

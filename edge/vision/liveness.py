"""Signs of a screen or of paper in one picture of a face. Pure: a picture and a box in, numbers out.

Each cue is 0 for "as a screen or paper" to 1 for "as a face", and absent where it cannot be judged (too few
pixels, a camera without colour). ``raw_...`` are the measurements behind them, ``side_...`` where lines were
found around the face, in face widths from its middle. One picture proves nothing either way: the cues are
fused over a track by ``edge.evidence.liveness``, and what they can and cannot do is said in the README.

- frame: straight lines on at least three sides of the face, as of a rim or of a sheet's edge.
- texture: a regular grid in the finest detail, as a coarse screen's stripes make with the camera's own.
- colour: the pale, narrow range of print.
- glare: a burnt-out spot, as of a lamp that mirrors in glass.

A screen's blue cast and the energy of fine detail were tried as well and told nothing apart: rooms differ
more than screens do. Figures and cost: tests/bench/liveness_eval.py.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.records import Box

Image = NDArray[np.uint8]
Grey = NDArray[np.float32]

LEAST_FACE_PX = 48.0
_SIDES = ("left", "top", "right", "bottom")

# frame: the surroundings are scaled so that a face is this wide, and looked at so many face widths around.
_FACE_PX = 24
_REACH = 1.7
_LEAST_LINE_PX = 0.3 * _FACE_PX  # shorter ones are not looked at
_UPRIGHT = 0.9  # cosine of the most that a line may lean
_SAME_LINE_PX = 0.12 * _FACE_PX
_OUTSIDE = 1.05  # half boxes from the middle: nearer lines belong to the face itself
# Face widths that the third-longest side covers: 2 % of the film's faces are beyond the middle of both.
_SOME_FRAME, _WHOLE_FRAME = 0.7, 1.1
# texture: tiles on the face, and the excess (natural log) of the second-strongest tile.
_TILE_PX = 64
_TILES = 2
_LEAST_CYCLES = 0.15  # per pixel; below are the face's own lines
_JPEG_BLOCK_PX = 8
_NO_GRID, _GRID = 2.6, 3.2
# colour: geometric mean of saturation and spread of red over the face. Print has half of a face's; the limit
# is low, because faces and lamps differ much: of single LFW faces 1 to 2 % are below the middle of both.
_PALE, _COLOURFUL = 0.08, 0.12
_NO_COLOUR = 0.05
# glare: share of the face that one burnt spot covers.
_BURNT = 232
_SOME_GLARE, _MUCH_GLARE = 0.02, 0.05

_GREY_OF_BGR = np.array([0.114, 0.587, 0.299], np.float32)


def cues_of(image: Image, box: Box) -> Mapping[str, float]:
    """All cues of one face.

    Args:
        image: (height, width, 3) uint8 BGR: a frame, or a window two face widths around the face.
        box: Of the face, in pixels of that picture.
    """
    if min(box.width, box.height) < LEAST_FACE_PX:
        return {}
    cues: dict[str, float] = {}
    cues |= frame_cue(image, box)
    cues |= texture_cue(image, box)
    cues |= surface_cues(image, box)
    return cues


def frame_cue(image: Image, box: Box) -> dict[str, float]:
    """Straight lines around the face."""
    scale = _FACE_PX / box.width
    across, down = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    reach = _REACH * box.width
    part, left, top = _cut(image, across - reach, down - reach, across + reach, down + reach)
    if part.shape[0] < reach or part.shape[1] < reach:
        return {}
    small = cv2.resize(
        cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    found = _line_finder().detect(small)[0]
    if found is None:
        return {"frame": 1.0, "raw_frame": 0.0}
    lines = found.reshape(-1, 4) - np.array([across - left, down - top] * 2, np.float32) * scale
    halves = (_FACE_PX / 2, box.height * scale / 2)
    sides = {name: _side(lines, name, halves) for name in _SIDES}
    covered = sorted((cover for cover, _ in sides.values()), reverse=True)[2]
    cues = {"frame": 1.0 - _ramp(covered, _SOME_FRAME, _WHOLE_FRAME), "raw_frame": covered}
    cues |= {f"side_{name}": place for name, (cover, place) in sides.items() if cover >= _SOME_FRAME}
    return cues


def texture_cue(image: Image, box: Box) -> dict[str, float]:
    """A grid in the finest detail: narrow peaks far above their neighbourhood in the spectrum of a tile."""
    height, width = image.shape[:2]
    if min(height, width) < _TILE_PX:
        return {}
    half = max(0.5 * min(box.width, box.height), 0.75 * _TILE_PX)
    rows = np.linspace(-half, half - _TILE_PX, _TILES) + (box.top + box.bottom) / 2
    columns = np.linspace(-half, half - _TILE_PX, _TILES) + (box.left + box.right) / 2
    peaks = []
    for row in np.clip(rows, 0, height - _TILE_PX).round().astype(int):
        for column in np.clip(columns, 0, width - _TILE_PX).round().astype(int):
            tile = image[row : row + _TILE_PX, column : column + _TILE_PX]
            peaks.append(_peak(cv2.cvtColor(tile, cv2.COLOR_BGR2GRAY).astype(np.float32)))
    second = sorted(peaks)[-2]
    return {"texture": 1.0 - _ramp(second, _NO_GRID, _GRID), "raw_peak": max(second, 0.0)}


def surface_cues(image: Image, box: Box) -> dict[str, float]:
    """Colour and glare of the inner face."""
    width, height = box.width, box.height
    face, _, _ = _cut(
        image,
        box.left + 0.15 * width,
        box.top + 0.15 * height,
        box.right - 0.15 * width,
        box.bottom - 0.1 * height,
    )
    if min(face.shape[:2]) < LEAST_FACE_PX / 3:
        return {}
    small = cv2.resize(face, (40, 40), interpolation=cv2.INTER_AREA)
    burnt = np.asarray(small.min(axis=2) > _BURNT, np.uint8)
    areas = cv2.connectedComponentsWithStats(burnt)[2][1:, cv2.CC_STAT_AREA]
    glare = float(areas.max()) / burnt.size if len(areas) else 0.0
    cues = {"glare": 1.0 - _ramp(glare, _SOME_GLARE, _MUCH_GLARE), "raw_glare": glare}
    values = small.reshape(-1, 3).astype(np.float32)
    most = values.max(axis=1)
    saturation = float(np.median((most - values.min(axis=1)) / (most + 1.0)))
    redness = (values[:, 2] - values[:, 1]) / (values @ _GREY_OF_BGR + 1.0)
    colour = float(np.sqrt(saturation * redness.std()))
    if saturation >= _NO_COLOUR or _has_colour(image):
        cues |= {"colour": _ramp(colour, _PALE, _COLOURFUL), "raw_colour": colour}
    return cues


def _has_colour(image: Image) -> bool:
    """Whether anything in the picture is coloured: a camera at night, by infrared, sees none anywhere."""
    few = image[::16, ::16].astype(np.float32)
    most = few.max(axis=2)
    return float(np.percentile((most - few.min(axis=2)) / (most + 1.0), 90)) >= 2 * _NO_COLOUR


def _cut(image: Image, left: float, top: float, right: float, bottom: float) -> tuple[Image, int, int]:
    """The part of a picture inside a rectangle, and its corner."""
    height, width = image.shape[:2]
    x, y = max(0, round(left)), max(0, round(top))
    return image[y : max(y, min(height, round(bottom))), x : max(x, min(width, round(right)))], x, y


def _side(lines: Grey, name: str, halves: tuple[float, float]) -> tuple[float, float]:
    """Share of a face width that lines on one side cover, and how far from the middle: both in face widths.

    ``lines`` are x and y of both ends, in pixels from the middle of the face.
    """
    along, beside = (1, 0) if name in ("left", "right") else (0, 1)
    sign = 1.0 if name in ("right", "bottom") else -1.0
    ends = lines.reshape(-1, 2, 2)
    run = np.abs(ends[:, 1, along] - ends[:, 0, along])
    length = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    place = sign * ends[:, :, beside].mean(axis=1)
    fits = (length >= _LEAST_LINE_PX) & (run > _UPRIGHT * length) & (place > _OUTSIDE * halves[beside])
    low, high = ends[fits][:, :, along].min(axis=1), ends[fits][:, :, along].max(axis=1)
    place = place[fits]
    best, best_place = 0.0, 0.0
    for here in place:
        near = np.abs(place - here) < _SAME_LINE_PX
        cover = _union(low[near], high[near]) / _FACE_PX
        if cover > best:
            best, best_place = cover, float(here) / _FACE_PX
    return best, best_place


def _union(low: Grey, high: Grey) -> float:
    """Length that intervals cover together."""
    total, reached = 0.0, -np.inf
    for start, end in sorted(zip(low.tolist(), high.tolist(), strict=True)):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _peak(tile: Grey) -> float:
    """How far the highest peak of a tile's spectrum stands above what is around it, natural log."""
    fine = (tile - cv2.GaussianBlur(tile, (0, 0), 2.5)) * _WINDOW
    both = cv2.dft(fine, flags=cv2.DFT_COMPLEX_OUTPUT)[:, : _TILE_PX // 2 + 1]
    power = np.square(both).sum(axis=2)
    log_power = np.log(_around(power, 3) + 1e-3)
    wide, near = _around(log_power, 13) * 169, _around(log_power, 5) * 25
    return float((log_power - (wide - near) / 144)[_BAND].max())


def _around(spectrum: Grey, side: int) -> Grey:
    """Mean over a square of bins; rows are cyclic."""
    rim = side // 2
    wrapped = cv2.copyMakeBorder(spectrum, rim, rim, 0, 0, cv2.BORDER_WRAP)
    blurred = cv2.blur(wrapped, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred[rim:-rim], np.float32)


def _band() -> NDArray[np.bool_]:
    """Bins of a tile's spectrum that are fine detail and not the blocks of a JPEG or film."""
    down, across = np.meshgrid(np.fft.fftfreq(_TILE_PX), np.fft.rfftfreq(_TILE_PX), indexing="ij")
    radius = np.hypot(down, across)
    blocks = np.zeros(radius.shape, bool)
    beside = 1.5 / _TILE_PX
    for step in range(1, _JPEG_BLOCK_PX // 2 + 1):
        place = step / _JPEG_BLOCK_PX
        blocks |= (np.abs(across - place) < beside) & (np.abs(down) < beside)
        blocks |= (np.abs(np.abs(down) - place) < beside) & (across < beside)
    return np.asarray((radius > _LEAST_CYCLES) & (radius <= 0.5) & ~blocks)


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


_WINDOW = np.outer(np.hanning(_TILE_PX), np.hanning(_TILE_PX)).astype(np.float32)
_BAND = _band()
_finders: list[Any] = []


def _line_finder() -> Any:
    """OpenCV's line segment detector, made once. Used by one thread, as everything in a vision process."""
    if not _finders:
        _finders.append(cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE))
    return _finders[0]

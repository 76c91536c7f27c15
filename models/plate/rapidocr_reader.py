"""RapidOCR (PP-OCR on onnxruntime) as a plate reader: general, slower than own nets, good from the start.

The package ships its models; this reader hands it their paths, so it has no reason to reach for the network.
It uses the package's detector and recogniser but not its driver: only lines that can be a plate are read,
each alone at its own width, a second time when it was nearly a plate, and the recogniser's whole softmax
becomes the lattice (see ``models.plate.ctc``) instead of one string with one mean confidence. The orientation
classifier is left out: plates are upright. The "·" behind the office letter is read and dropped. The
recogniser was trained on all of Chinese: where it gives a character that stands on no plate but looks like a
province ("奥" for 粤), half of its probability goes to that province; that half is ours, not measured.
Plates with two rows come as two lines and are joined here. Corners are the found line's, shrunk by the
median difference between such lines and plates, so they are good to about a tenth of the plate's height.

Thread: one reader belongs to one thread.
"""

import math
import time
from collections.abc import Mapping

import numpy as np

from models.plate.colour import kind_by_colour
from models.plate.ctc import lattice_from_ctc
from models.plate.decode import decode
from models.plate.geometry import Corners, around_both, cut_upright, grow, part, quad_size, stretch
from models.plate.lattice import Lattice, Position, lattice_text, make_position
from models.plate.rapidocr_engine import alphabet_of, mapped, open_engine
from models.plate.reader import Region
from models.results import BgrImage, PlateReading

LONGEST_SIDE_PX = 640  # detection works at this size; measured in tests/bench/plates_eval.py
_STRIDE_PX = 32  # the detector's maps are that much coarser
_READ_HEIGHT_PX = 48  # input height of the recogniser
_READ_WIDTHS_PX = (96, 480)
_MIN_HEIGHT_PX = 8.0
_ONE_ROW_ASPECT = (1.9, 7.5)  # width over height of a line that may be one row (perspective, loose boxes)
_PLATE_ASPECT = (1.2, 7.5)  # ... or both rows taken for one
_USUAL_ASPECT = 2.7  # median of found lines that are plates
_MOST_LINES = 6
_UPPER_ASPECT = (1.0, 4.5)
_LOWER_ASPECT = (1.5, 6.0)
# How a line may hold or belong to two rows: highest aspect, upper and lower row (left, top, right,
# bottom) in parts of the line. In mm (GA 36-2018): plate 440 x 220, upper row 60 high, lower row 110 high.
_Part = tuple[float, float, float, float]
_ROW_LOOKS: tuple[tuple[float, _Part, _Part], ...] = (
    (2.6, (0.0, 0.0, 1.0, 0.42), (0.0, 0.36, 1.0, 1.0)),
    (4.5, (0.12, -0.55, 0.88, 0.14), (0.0, 0.0, 1.0, 1.0)),
)

# Found lines are wider and higher than the plate; medians over labelled photographs, in heights of the line.
_LINE_TO_PLATE = (-0.11, -0.11)  # across, along
_SECOND_LOOKS = ((0.15, 0.1, -0.12), (0.5, 0.2, 0.0))  # left, right, across
_MIN_PLATE_LIKE = 4  # letters and digits in a line that is worth a second look
_MAX_PLATE_LIKE = 9

# Characters that stand on no plate but look like a province when small or blurred: province -> look-alikes.
_PROVINCE_LOOK_ALIKES: Mapping[str, str] = {
    look_alike: province
    for province, look_alikes in {
        "粤": "奥", "皖": "院晥", "浙": "渐折", "苏": "芬办", "沪": "护泸户", "津": "律", "冀": "翼",
        "豫": "像预象", "云": "去", "辽": "江过", "黑": "里墨", "湘": "相", "晋": "普音",
        "鲁": "鱼曾會", "新": "斯", "鄂": "郭", "桂": "佳", "甘": "日廿", "蒙": "家", "陕": "峡侠",
        "吉": "古告", "闽": "闻闵", "贵": "责", "青": "清育", "藏": "臧", "宁": "字宇", "琼": "凉",
        "渝": "偷谕输", "京": "亰", "川": "训",
    }.items()
    for look_alike in look_alikes
}  # fmt: skip
_LOOK_ALIKE_SHARE = 0.5


class RapidOcrReader:
    """Plates by RapidOCR. See the module for what is its own and what is ours."""

    name = "rapidocr"

    def __init__(
        self,
        *,
        threads: int = 1,
        region: Region | None = None,
        longest_side_px: int = LONGEST_SIDE_PX,
    ) -> None:
        self._region = region
        self._longest_side_px = longest_side_px
        self._stages_ms: dict[str, float] = {}
        self._detector, self._recogniser = open_engine(threads, longest_side_px)
        self._alphabet = alphabet_of(self._recogniser.postprocess_op.character)

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """Milliseconds of the last ``read``: "detect" and "read"."""
        return self._stages_ms

    def read(self, image: BgrImage) -> list[PlateReading]:
        """Find and read plates in a whole picture; see ``PlateReader.read``."""
        height, width = image.shape[:2]
        left, top, right, bottom = self._region or (0.0, 0.0, 1.0, 1.0)
        x, y = int(left * width), int(top * height)
        part = image[y : max(int(bottom * height), y + 1), x : max(int(right * width), x + 1)]
        began = time.perf_counter()
        lines = self._find_lines(part)
        found = time.perf_counter()
        readings = self._read_lines(part, lines)
        self._stages_ms = {
            "detect": (found - began) * 1e3,
            "read": (time.perf_counter() - found) * 1e3,
        }
        shift = np.array([x, y], dtype=np.float32)
        return [PlateReading(r.corners + shift, r.lattice, r.score, r.kind, r.rows) for r in readings]

    def read_crop(self, crop: BgrImage) -> Lattice:
        """Read a picture that is nothing but one plate with one row, in one stage."""
        self._stages_ms = {}
        aspect = crop.shape[1] / max(crop.shape[0], 1)
        width = int(np.clip(np.ceil(_READ_HEIGHT_PX * aspect / 8) * 8, *_READ_WIDTHS_PX))
        with mapped("recogniser"):
            batch = self._recogniser.resize_norm_img(np.ascontiguousarray(crop), width / _READ_HEIGHT_PX)
            probabilities = np.asarray(self._recogniser.session(batch[None]), dtype=np.float32)[0]
        lattice = lattice_from_ctc(probabilities, self._alphabet)
        return (_with_provinces(lattice[0]), *lattice[1:]) if lattice else ()

    def _find_lines(self, image: BgrImage) -> list[tuple[Corners, float]]:
        if min(image.shape[:2]) < _STRIDE_PX:
            return []
        with mapped("detector"):
            found = self._detector(np.ascontiguousarray(image))
        if found.boxes is None:
            return []
        return [
            (np.asarray(box, dtype=np.float32), float(score))
            for box, score in zip(found.boxes, found.scores, strict=True)
            if quad_size(np.asarray(box, dtype=np.float32))[1] >= _MIN_HEIGHT_PX
        ]

    def _read_lines(self, image: BgrImage, lines: list[tuple[Corners, float]]) -> list[PlateReading]:
        readings = []
        used: set[int] = set()
        for upper, lower in _row_pairs([corners for corners, _ in lines]):
            rows = (lines[upper][0], lines[lower][0])
            reading = self._two_rows(image, rows, min(lines[upper][1], lines[lower][1]))
            # Two lines one above the other are common (signs); only a legal plate takes them both.
            if decode(reading.lattice).text:
                readings.append(reading)
                used |= {upper, lower}
        single = [
            line for index, line in enumerate(lines) if index not in used and _within(line[0], _PLATE_ASPECT)
        ]
        # A wall of signs must not cost a second: the lines that are most like a plate in shape are read.
        single.sort(key=lambda line: abs(math.log(_aspect(line[0]) / _USUAL_ASPECT)))
        return readings + [self._read_line(image, *line) for line in single[:_MOST_LINES]]

    def _read_line(self, image: BgrImage, corners: Corners, score: float) -> PlateReading:
        """Read a line as it was found; when that is nearly a plate, with other margins and as two rows.

        The detector often stops short of the province, or cuts so wide that the frame is read as a character;
        two rows of a small plate it takes for one line, or it finds the lower row only.
        """
        first = self.read_crop(cut_upright(image, corners))
        may_be_plate = _may_be_plate(first)
        if not decode(first).text and may_be_plate and _within(corners, _ONE_ROW_ASPECT):
            for left, right, across in _SECOND_LOOKS:
                again = self.read_crop(cut_upright(image, stretch(corners, left, right, across)))
                if decode(again).text:
                    first = again
                    break
        if not decode(first).text and (may_be_plate or not _within(corners, _ONE_ROW_ASPECT)):
            looks = [
                self._two_rows(image, (part(corners, *upper), part(corners, *lower)), score)
                for highest_aspect, upper, lower in _ROW_LOOKS
                if _aspect(corners) <= highest_aspect
            ]
            best = max(looks, key=lambda look: decode(look.lattice).log_probability, default=None)
            if best is not None and decode(best.lattice).text:
                return best
        plate = grow(corners, *_LINE_TO_PLATE)
        kind = kind_by_colour(cut_upright(image, plate), len(first))
        return PlateReading(plate, first, score, kind)

    def _two_rows(self, image: BgrImage, rows: tuple[Corners, Corners], score: float) -> PlateReading:
        lattice: Lattice = ()
        for corners in rows:
            lattice += self.read_crop(cut_upright(image, corners))
        plate = grow(around_both(*rows), *_LINE_TO_PLATE)
        kind = kind_by_colour(cut_upright(image, plate), len(lattice), rows=2)
        return PlateReading(plate, lattice, score, kind, rows=2)


def _may_be_plate(lattice: Lattice) -> bool:
    text = lattice_text(lattice)
    return len(text) <= _MAX_PLATE_LIKE and sum(c.isascii() and c.isalnum() for c in text) >= _MIN_PLATE_LIKE


def _aspect(corners: Corners) -> float:
    width, height = quad_size(corners)
    return width / max(height, 1e-6)


def _within(corners: Corners, limits: tuple[float, float]) -> bool:
    return limits[0] <= _aspect(corners) <= limits[1]


def _row_pairs(quads: list[Corners]) -> list[tuple[int, int]]:
    """Pairs of lines that can be the two rows of one plate: (upper, lower).

    The upper row of a 440 x 220 plate is 60 of 220 mm high and its text 250 mm wide, the lower 110 high and
    about 400 wide (GA 36-2018, mm); boxes around text are loose, hence the wide limits.
    """
    pairs = []
    for i, upper in enumerate(quads):
        for j, lower in enumerate(quads):
            if i == j or not _within(upper, _UPPER_ASPECT) or not _within(lower, _LOWER_ASPECT):
                continue
            (w1, h1), (w2, h2) = quad_size(upper), quad_size(lower)
            gap = float(lower[:2, 1].mean() - upper[2:, 1].mean())
            centre = float(upper[:, 0].mean() - lower[:, 0].mean())
            if (
                0.3 <= h1 / h2 <= 1.0
                and 0.35 <= w1 / w2 <= 0.9
                and -0.3 * h2 <= gap <= 0.35 * h2
                and abs(centre) <= 0.2 * w2
            ):
                pairs.append((i, j))
    return pairs


def _with_provinces(position: Position) -> Position:
    """Give a province its share of a common character that the recogniser takes it for."""
    probabilities = {char: float(np.exp(log_p)) for char, log_p in position}
    meant = _PROVINCE_LOOK_ALIKES.get(position[0][0])
    if meant is not None:
        probabilities[meant] = max(
            probabilities.get(meant, 0.0), probabilities[position[0][0]] * _LOOK_ALIKE_SHARE
        )
    return make_position(probabilities)

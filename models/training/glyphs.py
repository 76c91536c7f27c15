"""Glyph shapes for drawn plates: where they come from, and reading them.

``glyphs.npz`` holds, per face and character, one bitmap of 90 x 180 pixels (2 px/mm of a 45 x 90 mm box,
packed to bits), stretched to fill the box. One more face, ``strokes``, is not in the file: our own middle
lines (`models.training.glyph_strokes`), drawn with a 5 mm pen when they are needed. The faces in the file are

- outlines of free fonts, rasterised once by ``python -m models.training.glyphs`` (needs Pillow and the Debian
  12 packages named in `FONTS`): Noto Sans and Serif CJK and LXGW WenKai under the SIL Open Font License 1.1,
  Droid Sans Fallback, Open Sans and Roboto under Apache-2.0. The bitmaps are a picture of the letters, not a
  font; notices are in README.md beside this file.

At run time only numpy and OpenCV are needed. A shape is returned as a signed distance field, so that the
caller can draw it at any size, any weight and with one pen width in both directions.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.glyph_strokes import STROKES

if TYPE_CHECKING:
    from PIL import ImageFont

FILE: Final = Path(__file__).with_name("glyphs.npz")
BOX_PX: Final = (90, 180)
"""Width and height of a stored bitmap."""
MARGIN_MM: Final = 8
"""A distance field reaches this far over the box on every side, so that a heavy pen is not cut."""

LATIN: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHINESE: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼警学挂港澳使领试超应急民航"

_NOTO: Final = "/usr/share/fonts/opentype/noto/NotoSansCJK-{}.ttc"
_SERIF: Final = "/usr/share/fonts/opentype/noto/NotoSerifCJK-{}.ttc"
_WENKAI: Final = "/usr/share/fonts/truetype/lxgw-wenkai/LXGWWenKai-{}.ttf"
_OPEN: Final = "/usr/share/fonts/truetype/open-sans/OpenSans-{}.ttf"
_ROBOTO: Final = "/usr/share/fonts/truetype/roboto/unhinted/RobotoCondensed-{}.ttf"
FONTS: Final[dict[str, tuple[str, int, str]]] = {
    # face: file, face number in a collection (2 = simplified Chinese), characters.
    # fonts-noto-cjk and fonts-noto-cjk-extra 20220127, SIL OFL 1.1
    "noto-thin": (_NOTO.format("Thin"), 2, CHINESE + LATIN),
    "noto-light": (_NOTO.format("Light"), 2, CHINESE),
    "noto-regular": (_NOTO.format("Regular"), 2, CHINESE + LATIN),
    "noto-medium": (_NOTO.format("Medium"), 2, CHINESE),
    "noto-bold": (_NOTO.format("Bold"), 2, CHINESE + LATIN),
    "serif-regular": (_SERIF.format("Regular"), 2, CHINESE),
    "serif-bold": (_SERIF.format("Bold"), 2, CHINESE),
    # fonts-droid-fallback 6.0.1r16, Apache-2.0
    "droid": ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", 0, CHINESE),
    # fonts-lxgw-wenkai 1.250, SIL OFL 1.1
    "wenkai-regular": (_WENKAI.format("Regular"), 0, CHINESE),
    "wenkai-bold": (_WENKAI.format("Bold"), 0, CHINESE),
    # fonts-open-sans 1.11, Apache-2.0
    "open-regular": (_OPEN.format("Regular"), 0, LATIN),
    "open-condensed-bold": (_OPEN.format("CondBold"), 0, LATIN),
    # fonts-roboto-unhinted 20170802, Apache-2.0
    "roboto-light": (_ROBOTO.format("Light"), 0, LATIN),
    "roboto-bold": (_ROBOTO.format("Bold"), 0, LATIN),
}
"""Fonts that were rasterised. Chinese characters are of four hands, since no free one is the plates' own."""

LATIN_FACES: Final = ("strokes", *(name for name, (_, _, has) in FONTS.items() if LATIN in has))
CHINESE_FACES: Final = tuple(name for name, (_, _, has) in FONTS.items() if CHINESE in has)


@functools.cache
def _bitmaps() -> dict[str, NDArray[np.uint8]]:
    with np.load(FILE) as packed:
        return {name: np.unpackbits(packed[name], axis=-1, count=BOX_PX[0]) for name in packed.files}


@functools.lru_cache(maxsize=8192)
def distance_field(char: str, face: str, width_mm: int, height_mm: int) -> NDArray[np.float32]:
    """Signed distance to the edge of a glyph stretched to a box, positive inside.

    Args:
        char: One character of `LATIN` or `CHINESE`.
        face: One of `LATIN_FACES` or `CHINESE_FACES`; it must have the character.
        width_mm: Width of the glyph's box.
        height_mm: Height of the glyph's box.

    Returns:
        (height + 2 margins, width + 2 margins) float32 millimetres at 1 px/mm; shared and read-only.

    Raises:
        KeyError: The face lacks the character.
    """
    if face == "strokes":
        stretched = _drawn_strokes(char, width_mm, height_mm)
    else:
        row = (LATIN if char in LATIN else CHINESE).index(char)
        table = _bitmaps()[f"{face}-{'latin' if char in LATIN else 'chinese'}"]
        stretched = cv2.resize(table[row] * np.uint8(255), (width_mm * 4, height_mm * 4))
    border = MARGIN_MM * 4
    ink = cv2.copyMakeBorder(stretched, border, border, border, border, cv2.BORDER_CONSTANT, value=0) > 127
    inside = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~ink).astype(np.uint8), cv2.DIST_L2, 5)
    size = (width_mm + 2 * MARGIN_MM, height_mm + 2 * MARGIN_MM)
    field = cv2.resize((inside - outside) / 4.0, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    field.setflags(write=False)
    return np.asarray(field, np.float32)


def _filled_box(ink: NDArray[np.uint8], *, keep_width: bool) -> NDArray[np.uint8]:
    """Cut to the ink and stretch to the box; a narrow stroke (1, I) keeps its own width, centred."""
    ys, xs = np.nonzero(ink > 127)
    cut = ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    width, height = BOX_PX
    if keep_width:
        inner = max(8, round(cut.shape[1] * height / cut.shape[0]))
        inner = min(inner, width)
        out = np.zeros((height, width), np.uint8)
        left = (width - inner) // 2
        out[:, left : left + inner] = cv2.resize(cut, (inner, height), interpolation=cv2.INTER_AREA)
        return out
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _drawn_strokes(char: str, width_mm: int, height_mm: int) -> NDArray[np.uint8]:
    """(4 height, 4 width) picture 0/255 of our own strokes with a 5 mm pen, whatever the box."""
    picture = np.zeros((height_mm * 4, width_mm * 4), np.uint8)
    # Only the middle lines are stretched; they keep their distance from the edge of the box.
    inner = np.array((width_mm - 10.0, height_mm - 10.0)) / (35.0, 80.0)
    for stroke in STROKES[char]:
        points = (np.asarray(stroke, np.float64) - 5.0) * inner + 5.0
        fixed = np.round(points * 4 * 16).astype(np.int32)
        cv2.polylines(
            picture, [fixed], isClosed=False, color=255, thickness=20, lineType=cv2.LINE_AA, shift=4
        )
    return picture


def _rasterised(font: "ImageFont.FreeTypeFont", chars: str) -> NDArray[np.uint8]:
    """(characters, 180, 90) bitmaps 0/255 of a font's letters."""
    from PIL import Image, ImageDraw

    out = []
    for char in chars:
        canvas = Image.new("L", (600, 600), 0)
        ImageDraw.Draw(canvas).text((100, 50), char, fill=255, font=font)
        out.append(_filled_box(np.asarray(canvas), keep_width=char in "1I"))
    return np.stack(out)


def make(path: Path = FILE) -> None:
    """Write glyphs.npz anew from the strokes and the installed fonts."""
    from PIL import ImageFont

    tables: dict[str, NDArray[np.uint8]] = {}
    for face, (file, number, chars) in FONTS.items():
        font = ImageFont.truetype(file, 360, index=number)
        for script, members in (("latin", LATIN), ("chinese", CHINESE)):
            if members in chars:
                tables[f"{face}-{script}"] = _rasterised(font, members)
    packed = {name: np.packbits(table > 127, axis=-1) for name, table in tables.items()}
    np.savez_compressed(path, **packed)  # type: ignore[arg-type]


if __name__ == "__main__":
    make()

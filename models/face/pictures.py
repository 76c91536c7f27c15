"""Reads pictures that people hand in: whatever a phone, a scanner or an old portal produced.

Sizes are read from the header before anything is decoded, because a file of a few kilobytes can unpack to
gigabytes and would take the whole board down.
"""

import os
from pathlib import Path

import cv2
import numpy as np

from models.errors import PictureUnusable
from models.results import BgrImage

MOST_BYTES = 40_000_000
MOST_PIXELS = 120_000_000
# Beyond this a picture is decoded at half or quarter size: a face needs a few hundred pixels, not thousands.
_REDUCE_ABOVE_PIXELS = 16_000_000
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")


def load_picture(picture: Path | str | bytes) -> BgrImage:
    """Decode a JPEG, PNG, WebP or BMP to 8-bit BGR, turned upright as its EXIF says.

    Grey, palette, 16-bit and CMYK pictures are converted; transparency is dropped. Very large pictures come
    back at half, a quarter or an eighth of their size.

    Args:
        picture: Path (any characters) or the file's content.

    Returns:
        (height, width, 3) uint8, blue-green-red.

    Raises:
        PictureUnusable: Not readable, empty, too large, of another kind, or damaged.
    """
    name, content = _content(picture)
    if not content:
        raise PictureUnusable(name, "the file is empty")
    if len(content) > MOST_BYTES:
        raise PictureUnusable(
            name, f"{len(content) / 1e6:.0f} MB is too big, the limit is {MOST_BYTES / 1e6:.0f} MB"
        )
    width, height = _size(name, content)
    pixels = width * height
    if pixels > MOST_PIXELS:
        raise PictureUnusable(
            name, f"{width} x {height} pixels are too many, the limit is {MOST_PIXELS / 1e6:.0f} million"
        )
    if not _is_whole(content):
        raise PictureUnusable(name, "is cut off: its end is missing")
    flag = cv2.IMREAD_COLOR_BGR
    for reduced in (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_COLOR_8):
        if pixels > _REDUCE_ABOVE_PIXELS:
            flag, pixels = reduced, pixels // 4
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    except cv2.error as error:
        raise PictureUnusable(name, "is damaged and cannot be decoded") from error
    if image is None or image.size == 0:
        raise PictureUnusable(name, "is damaged and cannot be decoded")
    return image.astype(np.uint8, copy=False)


def resize_picture(image: BgrImage, width: int, height: int) -> BgrImage:
    """Bring a picture to another size; shrinking averages, so that fine texture does not turn into noise."""
    shrinks = width * height < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (max(1, width), max(1, height)), interpolation=method), np.uint8)


def _content(picture: Path | str | bytes) -> tuple[str, bytes]:
    if isinstance(picture, bytes):
        return "picture", picture
    path = Path(picture)
    try:
        # Read ourselves: OpenCV's own reader takes no path that is not in the locale's encoding.
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MOST_BYTES:
                raise PictureUnusable(
                    path.name, f"{size / 1e6:.0f} MB is too big, the limit is {MOST_BYTES / 1e6:.0f} MB"
                )
            return path.name, stream.read(MOST_BYTES + 1)
    except IsADirectoryError as error:
        raise PictureUnusable(str(path), "is a folder, not a picture") from error
    except FileNotFoundError as error:
        raise PictureUnusable(str(path), "there is no such file") from error
    except OSError as error:
        raise PictureUnusable(str(path), f"cannot be read: {error.strerror or error}") from error


def _size(name: str, content: bytes) -> tuple[int, int]:
    """Width and height from the header: PNG, JPEG (ITU-T T.81 B.2.2), BMP, WebP (RFC 9649)."""
    size = None
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        size = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    elif content.startswith(b"\xff\xd8"):
        size = _jpeg_size(content)
    elif content.startswith(b"BM"):
        size = (
            int.from_bytes(content[18:22], "little"),
            abs(int.from_bytes(content[22:26], "little", signed=True)),
        )
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        size = _webp_size(content)
    elif content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        raise PictureUnusable(
            name, "HEIC and AVIF cannot be read here: save it as JPEG (iPhone: 'most compatible')"
        )
    else:
        raise PictureUnusable(name, "is no JPEG, PNG, WebP or BMP picture")
    if size is None or 0 in size:
        raise PictureUnusable(name, "is damaged: its header gives no size")
    return size


def _is_whole(content: bytes) -> bool:
    """Whether the end of the picture is there: OpenCV decodes half a JPEG to half a face without a word."""
    if content.startswith(b"\x89PNG"):
        return content.find(b"IEND") > 0
    if content.startswith(b"\xff\xd8"):
        # Pixel data never contains an end marker (its FF bytes are stuffed), a thumbnail before it may.
        scan = _jpeg_segment(content, frozenset({0xDA}))
        return scan is not None and content.find(b"\xff\xd9", scan) > 0
    return True


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = _jpeg_segment(content, _JPEG_FRAME_MARKERS)
    if at is None:
        return None
    return int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])


def _jpeg_segment(content: bytes, wanted: frozenset[int]) -> int | None:
    """Offset of the first segment with one of the wanted markers."""
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in wanted:
            return at
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X" and len(content) >= 30:
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L" and len(content) >= 25:
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(content) >= 30:
        return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(
            content[28:30], "little"
        ) & 0x3FFF
    return None

"""Pictures that people hand in: every kind is read, every broken one is named."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import PictureUnusable
from models.face import load_picture
from models.face.pictures import MOST_PIXELS


def gradient(height: int = 40, width: int = 60, depth: int = 8) -> np.ndarray:
    """Blue grows to the right, green downwards."""
    top = (1 << depth) - 1
    image = np.zeros((height, width, 3), np.uint8 if depth == 8 else np.uint16)
    image[..., 0] = np.linspace(0, top, width)[None, :]
    image[..., 1] = np.linspace(0, top, height)[:, None]
    return image


def encoded(image: np.ndarray, kind: str = ".png") -> bytes:
    return cv2.imencode(kind, image)[1].tobytes()


@pytest.mark.parametrize("kind", [".png", ".jpg", ".bmp", ".webp"])
def test_each_usual_kind_of_file_is_read(kind: str) -> None:
    image = load_picture(encoded(gradient(), kind))
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - gradient()).mean() < 4


def test_a_grey_picture_comes_back_in_three_equal_channels() -> None:
    image = load_picture(encoded(gradient()[..., 0]))
    assert image.shape == (40, 60, 3)
    assert (image[..., 0] == image[..., 2]).all()


def test_a_16_bit_picture_is_brought_down_to_8_bits() -> None:
    image = load_picture(encoded(gradient(depth=16)))
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - gradient()).max() <= 1


def test_transparency_is_dropped() -> None:
    with_alpha = np.dstack([gradient(), np.full((40, 60), 128, np.uint8)])
    assert (load_picture(encoded(with_alpha)) == gradient()).all()


def test_a_photograph_on_its_side_is_turned_upright() -> None:
    jpeg = encoded(gradient(), ".jpg")
    # EXIF (TIFF, big-endian, one entry): orientation 6, "turn clockwise by 90 degrees".
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\x00\x00" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    image = load_picture(turned)
    assert image.shape == (60, 40, 3)
    assert image[-1, :, 0].mean() > 240  # what was right is now below


def test_a_path_with_chinese_characters_is_read(tmp_path: Path) -> None:
    path = tmp_path / "业主照片 张三.png"
    path.write_bytes(encoded(gradient()))
    assert load_picture(path).shape == (40, 60, 3)
    assert load_picture(str(path)).shape == (40, 60, 3)


def test_a_very_large_photograph_comes_back_smaller() -> None:
    image = load_picture(encoded(np.full((4200, 4100, 3), 90, np.uint8), ".jpg"))
    assert image.shape == (2100, 2050, 3)


def huge_png() -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"IEND"
    )


BROKEN = {
    "empty": (b"", "empty"),
    "text": (b"no picture at all", "no JPEG, PNG, WebP or BMP"),
    "a gif": (b"GIF89a" + bytes(40), "no JPEG, PNG, WebP or BMP"),
    "an iPhone's own format": (b"\x00\x00\x00\x18ftypheic" + bytes(40), "save it as JPEG"),
    "half a jpeg": (encoded(gradient(400, 400), ".jpg")[:2000], "cut off"),
    "half a png": (encoded(gradient())[:-30], "cut off"),
    "a jpeg of two bytes": (b"\xff\xd8", "header gives no size"),
    "a jpeg whose first segment is nonsense": (b"\xff\xd8" + bytes(50), "header gives no size"),
    "a webp without content": (b"RIFF\x10\x00\x00\x00WEBPVP8X", "header gives no size"),
    "more pixels than memory": (huge_png(), f"limit is {MOST_PIXELS / 1e6:.0f} million"),
    "a png of rubbish": (encoded(gradient())[:60] + bytes(200) + b"IEND", "damaged"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_picture_is_refused_with_what_is_wrong(kind: str) -> None:
    content, words = BROKEN[kind]
    with pytest.raises(PictureUnusable, match=words):
        load_picture(content)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(PictureUnusable, match=r"nobody\.jpg: there is no such file"):
        load_picture(tmp_path / "nobody.jpg")
    with pytest.raises(PictureUnusable, match="is a folder"):
        load_picture(tmp_path)


def test_a_file_that_is_too_big_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    with path.open("wb") as stream:
        stream.truncate(50_000_000)
    with pytest.raises(PictureUnusable, match="50 MB is too big"):
        load_picture(path)


@pytest.mark.shared_data
def test_the_32_bit_png_is_read(shared_data: Path) -> None:
    image = load_picture(shared_data / "faces" / "portraits" / "32bit.png")
    assert image.shape == (1200, 626, 3)
    assert image.std() > 30

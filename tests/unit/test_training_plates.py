"""Drawn plates: proportions, colours, glyphs."""

import random

import cv2
import numpy as np
import pytest

from models.plate.grammar import ALPHABET, CURRENT_KINDS, TWO_ROW_KINDS, PlateKind, generate
from models.training.glyphs import CHINESE, CHINESE_FACES, LATIN, LATIN_FACES, distance_field
from models.training.plates import LOOKS, STYLES, draw_plate, look_of


def test_every_current_kind_of_the_grammar_can_be_drawn() -> None:
    rng = random.Random(1)
    for kind in CURRENT_KINDS:
        for _ in range(3):
            picture = draw_plate(generate(kind, rng), kind)
            width, height = look_of(kind).layout.size_mm
            assert picture.shape == (height, width, 3)
            assert picture.dtype == np.uint8


def test_every_character_of_the_alphabet_has_a_glyph() -> None:
    assert set(ALPHABET) <= set(LATIN) | set(CHINESE)


def test_two_row_kinds_of_the_grammar_are_drawn_with_two_rows() -> None:
    for kind, looks in LOOKS.items():
        assert all((look.layout.rows == 2) == (kind in TWO_ROW_KINDS) for look in looks), kind


@pytest.mark.parametrize(
    ("kind", "size"), [("blue", (440, 140)), ("green_small", (480, 140)), ("yellow_double", (440, 220))]
)
def test_plates_have_the_size_of_the_standard(kind: str, size: tuple[int, int]) -> None:
    assert look_of(kind).layout.size_mm == size


def test_rows_end_where_the_standard_says() -> None:
    for kind, right_edge in (("blue", 424), ("green_small", 464), ("yellow_double", 412)):
        left, _, width, _ = look_of(kind).layout.boxes[-1]
        assert left + width == right_edge


def test_all_shapes_of_a_face_differ_so_that_no_two_characters_are_drawn_alike() -> None:
    for faces, chars in ((LATIN_FACES, LATIN), (CHINESE_FACES, CHINESE)):
        for face in faces:
            inks = [distance_field(char, face, 45, 90) > 0 for char in chars]
            for i, one in enumerate(inks):
                assert one.any(), (face, chars[i])
                for j in range(i):
                    if {chars[i], chars[j]} != {"0", "O"}:
                        assert (one != inks[j]).mean() > 0.01, (face, chars[i], chars[j])


def test_the_pen_is_as_wide_across_as_along_whatever_the_box() -> None:
    for width, height in ((45, 90), (80, 60), (65, 110)):
        # An H stands in the middle of its strokes, so the depth of the field is half the pen.
        field = distance_field("H", "strokes", width, height)
        assert field.max() == pytest.approx(2.5, abs=0.9)


def test_colours_follow_the_kind() -> None:
    blue, green, red, pixel = 0, 1, 2, (10, 66)
    picture = draw_plate("粤B12345", PlateKind.BLUE)
    assert int(picture[pixel][blue]) > 2 * int(picture[pixel][red])
    picture = draw_plate("粤B12345", PlateKind.YELLOW)
    assert int(picture[pixel][red]) > 2 * int(picture[pixel][blue])
    picture = draw_plate("粤BD12345", PlateKind.GREEN_SMALL)
    assert picture[12, 240].min() > 200, "white above"
    assert int(picture[130, 240][green]) > 1.5 * int(picture[130, 240][red]), "green below"
    picture = draw_plate("粤B12345F", PlateKind.GREEN_LARGE)
    assert int(picture[70, 66][red]) > 2 * int(picture[70, 66][blue]), "yellow behind province and office"
    last = draw_plate("辽A1234警", PlateKind.POLICE)[25:115, 379:424].reshape(-1, 3).astype(int)
    assert ((last[:, red] > 150) & (last[:, blue] < 90)).any()


def test_size_and_weight_change_the_picture_but_not_the_plate() -> None:
    small = draw_plate("粤B12345", "blue", px_per_mm=0.5)
    large = draw_plate("粤B12345", "blue", px_per_mm=2)
    assert small.shape == (70, 220, 3)
    assert large.shape == (280, 880, 3)
    shrunk = cv2.resize(large, (220, 70), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(shrunk - small).mean() < 6
    pictures = {draw_plate("粤B12345", "blue", weight=w).tobytes() for w in range(len(STYLES))}
    assert len(pictures) == len(STYLES)
    assert draw_plate("粤B12345", "blue", weight=len(STYLES)).tobytes() in pictures


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("粤B1234", "blue", "has 6 characters"),
        ("粤B1234?", "blue", "no glyph for '\\?'"),
        ("粤B12345", "purple", "no plate of kind 'purple'"),
        ("使123456", "embassy_legacy", "no plate of kind"),
    ],
)
def test_what_cannot_be_drawn_is_named(text: str, kind: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        draw_plate(text, kind)

"""The grammar of GA 36-2018: table, parser, generator and normaliser agree."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plate.grammar import (
    ALPHABET,
    CURRENT_KINDS,
    LEGACY_KINDS,
    NEV_LETTERS,
    PROVINCES,
    PlateKind,
    generate,
    normalise,
    parse_plate,
    tidy,
)

KINDS = st.sampled_from(list(PlateKind))
SEEDS = st.integers(min_value=0, max_value=2**32)


def made(kind: PlateKind, seed: int) -> str:
    return generate(kind, random.Random(seed))


@given(KINDS, SEEDS)
def test_every_generated_plate_parses_as_its_kind(kind: PlateKind, seed: int) -> None:
    text = made(kind, seed)
    plate = parse_plate(text, frozenset(PlateKind))
    assert plate is not None
    assert kind in plate.kinds
    assert plate.text == text
    assert set(text) <= set(ALPHABET)


@given(KINDS, SEEDS, st.data())
def test_a_plate_may_be_written_with_separators_width_and_case_as_people_do(
    kind: PlateKind, seed: int, data: st.DataObject
) -> None:
    text = made(kind, seed)
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and data.draw(st.booleans()) else c for c in text)
    place = data.draw(st.integers(0, len(wide)))
    separator = data.draw(st.sampled_from([" ", "·", "•", "・", "-", "\u3000", ". ", "．"]))
    written = (wide[:place] + separator + wide[place:]).lower()
    assert normalise(written) == text


@given(st.text(max_size=12))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert tidy(tidy(text)) == tidy(text)


@given(st.text(alphabet=ALPHABET + "·IO ", max_size=10))
def test_normalising_plate_characters_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(SEEDS, st.sampled_from(["I", "O"]), st.integers(2, 6))
def test_I_and_O_in_the_sequence_are_read_as_1_and_0(seed: int, letter: str, place: int) -> None:
    text = made(PlateKind.BLUE, seed)
    digit = {"I": "1", "O": "0"}[letter]
    misread = text[:place] + letter + text[place + 1 :]
    meant = text[:place] + digit + text[place + 1 :]
    assert normalise(misread) == meant


@pytest.mark.parametrize(
    ("text", "kind", "province", "office"),
    [
        ("粤B·12345", PlateKind.BLUE, "粤", "B"),
        ("粤BD12345", PlateKind.GREEN_SMALL, "粤", "B"),
        ("粤B12345D", PlateKind.GREEN_LARGE, "粤", "B"),
        ("粤O1234警", PlateKind.POLICE, "粤", "O"),
        ("京I12345", PlateKind.BLUE, "京", "I"),
        ("沪B1234学", PlateKind.LEARNER, "沪", "B"),
        ("鲁B1234挂", PlateKind.TRAILER, "鲁", "B"),
        ("粤Z1234港", PlateKind.HK_MACAU, "粤", "Z"),
        ("粤Z1234澳", PlateKind.HK_MACAU, "粤", "Z"),
        ("224012使", PlateKind.EMBASSY, "", ""),
        ("沪22401领", PlateKind.CONSULATE, "沪", ""),
        ("WJ粤1234D", PlateKind.ARMED_POLICE, "粤", ""),
        ("VA12345", PlateKind.MILITARY, "", ""),
        ("川X1003应急", PlateKind.EMERGENCY, "川", "X"),
        ("民航A1234", PlateKind.CIVIL_AVIATION, "", ""),
        ("皖A1234试", PlateKind.TRIAL, "皖", "A"),
        ("皖A1234超", PlateKind.OVERSIZE, "皖", "A"),
        ("粵B12345", PlateKind.BLUE, "粤", "B"),
    ],
)
def test_known_forms(text: str, kind: PlateKind, province: str, office: str) -> None:
    plate = parse_plate(text)
    assert plate is not None
    assert (plate.kind, plate.province, plate.office) == (kind, province, office)


@pytest.mark.parametrize("letter", NEV_LETTERS)
def test_all_ten_energy_letters_are_accepted_in_both_places(letter: str) -> None:
    small, large = parse_plate(f"浙A{letter}12345"), parse_plate(f"浙A12345{letter}")
    assert small is not None
    assert small.kind is PlateKind.GREEN_SMALL
    assert large is not None
    assert large.kind is PlateKind.GREEN_LARGE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "粤",
        "粤B1234",  # one short
        "粤B123456",  # eight characters without an energy letter
        "粤BL12345",  # L is no energy letter
        "粤B1234DD",
        "粤BABC12",  # three letters
        "B12345粤",
        "粤粤12345",
        "粤112345",  # a digit for an office
        "浙I12345",  # the office letter I is issued in the municipalities only
        "浙Z1234港",  # Hong Kong plates are issued in Guangdong
        "粤A1234港",
        "粤B1234é5",  # an unknown letter is no separator
        "粤B12345停",
        "WJA1234D",
        "QA12345",
        "IA12345",
        "民A12345",
        "2013110",
        "13800138000",
        "地下入口",
    ],
)
def test_near_misses_are_refused(text: str) -> None:
    assert parse_plate(text) is None


@given(KINDS, SEEDS, st.integers(0, 8), st.sampled_from("?*é中牌ÄФ"))
def test_a_character_that_stands_on_no_plate_makes_any_plate_illegal(
    kind: PlateKind, seed: int, place: int, stray: str
) -> None:
    text = made(kind, seed)
    assert parse_plate(text[:place] + stray + text[place:], frozenset(PlateKind)) is None


def test_a_seven_character_text_can_be_blue_yellow_or_a_motorcycle() -> None:
    plate = parse_plate("粤B12345")
    assert plate is not None
    assert set(plate.kinds) == {
        PlateKind.BLUE,
        PlateKind.YELLOW,
        PlateKind.YELLOW_DOUBLE,
        PlateKind.MOTORCYCLE,
    }


@given(st.sampled_from(sorted(LEGACY_KINDS)), SEEDS)
def test_legacy_forms_are_read_only_on_request(kind: PlateKind, seed: int) -> None:
    text = made(kind, seed)
    plate = parse_plate(text)
    assert plate is None or kind not in plate.kinds
    asked = parse_plate(text, CURRENT_KINDS | {kind})
    assert asked is not None
    assert kind in asked.kinds


def test_the_alphabet_lists_every_character_once_and_has_all_provinces() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert len(PROVINCES) == 31
    assert set(PROVINCES) <= set(ALPHABET)

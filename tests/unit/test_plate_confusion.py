"""Costs of confusing characters, and the distance between plates made of them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plate.confusion import confusable_with, confusion_cost, plate_distance
from models.plate.grammar import ALPHABET, PlateKind, generate

CHARS = st.sampled_from(ALPHABET)
PLATES = st.builds(
    lambda kind, seed: generate(kind, random.Random(seed)),
    st.sampled_from(list(PlateKind)),
    st.integers(0, 10**6),
)


@given(CHARS, CHARS)
def test_confusion_is_symmetric_and_bounded(a: str, b: str) -> None:
    assert confusion_cost(a, b) == confusion_cost(b, a)
    assert 0.0 <= confusion_cost(a, b) <= 1.0
    assert (confusion_cost(a, b) == 0.0) == (a == b)


@pytest.mark.parametrize(
    "pair", ["0D", "0Q", "8B", "2Z", "5S", "17", "6G", "CG", "UV", "MN", "EF", "XK", "A4", "京琼", "豫粤"]
)
def test_look_alikes_cost_little(pair: str) -> None:
    assert 0.0 < confusion_cost(*pair) <= 0.3


@pytest.mark.parametrize("pair", ["粤京", "A8", "14", "KB", "浙粤"])
def test_unlike_characters_cost_the_whole(pair: str) -> None:
    assert confusion_cost(*pair) == 1.0


@given(PLATES, PLATES)
def test_the_distance_is_symmetric_and_zero_only_for_the_same_plate(a: str, b: str) -> None:
    assert plate_distance(a, b) == pytest.approx(plate_distance(b, a))
    assert (plate_distance(a, b) == 0.0) == (a == b)


@given(PLATES, st.integers(0, 6))
def test_a_lost_character_costs_one(text: str, place: int) -> None:
    assert plate_distance(text[:place] + text[place + 1 :], text) <= 1.0 + 1e-9


def test_the_distance_of_the_documented_example() -> None:
    assert plate_distance("粤B12O45", "粤B12045") == pytest.approx(0.2)
    assert plate_distance("粤B12345", "京B12345") == 1.0


def test_confusables_of_a_character_name_each_other() -> None:
    for char in ALPHABET:
        for other, cost in confusable_with(char).items():
            assert confusable_with(other)[char] == cost

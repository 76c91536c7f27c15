"""From CTC softmax to lattice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.plate.ctc import CtcAlphabet, lattice_from_ctc
from models.plate.decode import decode
from models.plate.lattice import lattice_text

CHARS = "粤B12345678Z·"
ALPHABET = CtcAlphabet(
    columns=np.arange(1, len(CHARS), dtype=np.int64),
    chars=CHARS[:-1],
    names=dict(enumerate(" " + CHARS)),
)


def line(*steps: dict[str, float]) -> NDArray[np.float32]:
    """Softmax rows; what is not named goes to the blank (" ")."""
    rows = np.zeros((len(steps), len(CHARS) + 1), np.float32)
    for row, step in zip(rows, steps, strict=True):
        for char, p in step.items():
            row[(" " + CHARS).index(char)] = p
        row[0] = 1.0 - row[1:].sum()
    return rows


BLANK: dict[str, float] = {}


def test_equal_neighbours_are_one_character_and_a_blank_between_makes_two() -> None:
    assert lattice_text(lattice_from_ctc(line({"1": 0.9}, {"1": 0.8}), ALPHABET)) == "1"
    assert lattice_text(lattice_from_ctc(line({"1": 0.9}, BLANK, {"1": 0.8}), ALPHABET)) == "11"


def test_the_doubt_of_a_character_stays_in_its_position() -> None:
    (position,) = lattice_from_ctc(line(BLANK, {"2": 0.6, "Z": 0.3}, BLANK), ALPHABET)
    assert [char for char, _ in position[:2]] == ["2", "Z"]
    assert np.exp(position[1][1]) == pytest.approx(0.3)


def test_the_dot_behind_the_office_letter_is_dropped() -> None:
    steps = line({"粤": 0.9}, {"B": 0.9}, {"·": 0.9}, *({c: 0.9} for c in "12345"))
    assert decode(lattice_from_ctc(steps, ALPHABET)).text == "粤B12345"


def test_a_character_that_nearly_won_against_the_blank_is_an_optional_position() -> None:
    steps = [{"粤": 0.9}, BLANK, {"B": 0.9}, BLANK, {"1": 0.9}, BLANK, {"2": 0.9}]
    steps += [BLANK, BLANK, {"3": 0.3}, BLANK, BLANK, {"4": 0.9}, BLANK, {"5": 0.9}]
    lattice = lattice_from_ctc(line(*steps), ALPHABET)
    assert lattice_text(lattice) == "粤B1245"
    assert decode(lattice).text == "粤B12345"


def test_a_faint_trace_is_no_position() -> None:
    lattice = lattice_from_ctc(
        line({"1": 0.9}, BLANK, BLANK, {"2": 0.05}, BLANK, BLANK, {"3": 0.9}), ALPHABET
    )
    assert lattice_text(lattice) == "13"
    assert len(lattice) == 2


@given(st.integers(0, 30), st.integers(0, 2**31))
def test_any_output_gives_a_sane_lattice(steps: int, seed: int) -> None:
    raw = np.random.default_rng(seed).random((steps, len(CHARS) + 1)).astype(np.float32) ** 6
    for position in lattice_from_ctc(raw / np.maximum(raw.sum(1, keepdims=True), 1e-9), ALPHABET):
        assert position
        assert np.exp([p for _, p in position]).sum() <= 1.0 + 1e-4
        assert len({char for char, _ in position}) == len(position)

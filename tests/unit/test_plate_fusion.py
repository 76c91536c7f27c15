"""Aligning and adding up the reads of one track."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.plate.decode import decode
from models.plate.fusion import LatticeFusion, align, fuse
from models.plate.grammar import PlateKind, generate
from models.plate.lattice import lattice_from_text, lattice_text, make_position

BLUES = st.integers(0, 10**6).map(lambda seed: generate(PlateKind.BLUE, random.Random(seed)))


@given(BLUES, st.integers(1, 5))
def test_the_same_read_many_times_stays_the_same_and_gets_surer(text: str, times: int) -> None:
    read = lattice_from_text(text, 0.7)
    fused = fuse([read] * times)
    assert lattice_text(fused) == text
    if times > 1:
        assert decode(fused, overrule=30.0).margin > decode(fuse([read])).margin


@given(BLUES)
def test_a_fused_position_is_a_probability_distribution(text: str) -> None:
    for position in fuse([lattice_from_text(text, 0.6), lattice_from_text(text, 0.9)]):
        total = sum(math.exp(p) for _, p in position)
        assert 0.0 < total <= 1.0 + 1e-9
        assert list(position) == sorted(position, key=lambda item: -item[1])


@settings(max_examples=60)
@given(BLUES, st.integers(0, 6), st.integers(0, 6), st.sampled_from("1J7"))
def test_lost_and_extra_characters_are_healed_by_the_other_reads(
    text: str, lost: int, extra: int, spurious: str
) -> None:
    reads = [
        lattice_from_text(text, 0.9),
        lattice_from_text(text[:lost] + text[lost + 1 :], 0.9),
        lattice_from_text(text, 0.9),
        lattice_from_text(text[:extra] + spurious + text[extra:], 0.7),
        lattice_from_text(text, 0.9),
    ]
    assert decode(fuse(reads), overrule=30.0).text == text


def test_alignment_pairs_the_rest_around_a_lost_character() -> None:
    pairs = align(lattice_from_text("粤B12345"), lattice_from_text("粤B1345"))
    assert pairs == [(0, 0), (1, 1), (2, 2), (3, None), (4, 3), (5, 4), (6, 5)]


def test_alignment_takes_a_misread_as_a_misread_not_as_one_lost_and_one_extra() -> None:
    assert align(lattice_from_text("粤B12345"), lattice_from_text("粤B1X345")) == [(i, i) for i in range(7)]


def test_a_sharp_read_outweighs_two_poor_ones() -> None:
    good, poor = lattice_from_text("粤B12345", 0.9), lattice_from_text("粤B12845", 0.6)
    assert decode(fuse([good, poor, poor], [1.0, 0.1, 0.1])).text == "粤B12345"
    assert decode(fuse([good, poor, poor], [0.1, 1.0, 1.0])).text == "粤B12845"


def test_one_overconfident_mistake_does_not_outvote_three_modest_truths() -> None:
    truth = tuple(make_position({c: 0.75}) for c in "粤B12345")
    mistake = tuple(make_position({c: 0.99999}) for c in "粤B12845")
    assert decode(fuse([truth, mistake, truth, truth])).text == "粤B12345"


def test_a_read_of_no_weight_or_no_content_changes_nothing() -> None:
    fusion = LatticeFusion()
    fusion.add(lattice_from_text("粤B12345"), 1.0)
    before = fusion.lattice()
    fusion.add(lattice_from_text("京A99999"), 0.0)
    fusion.add((), 1.0)
    assert fusion.lattice() == before
    assert fusion.reads == 1


def test_no_reads_fuse_to_nothing() -> None:
    assert fuse([]) == ()


def test_weights_must_match_the_reads() -> None:
    with pytest.raises(ValueError, match="zip"):
        fuse([lattice_from_text("粤B12345")], [1.0, 2.0])

"""Beam decoding of lattices under the grammar."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plate.decode import OVERRULE, Decoded, Priors, decode
from models.plate.grammar import ALPHABET, PlateKind, generate, parse_plate
from models.plate.lattice import Lattice, confidence, lattice_from_text, make_position

PLATES = st.builds(
    lambda kind, seed: (kind, generate(kind, random.Random(seed))),
    st.sampled_from(list(PlateKind)),
    st.integers(0, 10**6),
)


def lattice(*positions: dict[str, float]) -> Lattice:
    return tuple(make_position(position) for position in positions)


@given(PLATES)
def test_a_clear_read_decodes_to_itself(made: tuple[PlateKind, str]) -> None:
    kind, text = made
    decoded = decode(lattice_from_text(text, 0.98), frozenset(PlateKind))
    assert decoded.text == text
    assert kind in decoded.kinds
    assert decoded.margin > 0.0
    assert "".join(vote.char for vote in decoded.positions) == text


@given(
    st.lists(
        st.dictionaries(st.sampled_from(ALPHABET), st.floats(0.001, 0.5), min_size=1, max_size=4), max_size=10
    )
)
def test_whatever_the_lattice_the_answer_is_legal_or_empty_and_never_invented(
    positions: list[dict[str, float]],
) -> None:
    seen = lattice(*positions)
    decoded = decode(seen)
    if not decoded.text:
        assert decoded.log_probability == -math.inf
        assert decoded.margin == 0.0
        return
    assert parse_plate(decoded.text) is not None
    assert decoded.margin >= 0.0
    assert math.isfinite(decoded.margin)
    assert math.isfinite(decoded.log_probability)
    offered = {c for position in seen for c, _ in position}
    offered |= {{"O": "0", "0": "O", "I": "1"}.get(c, c) for c in offered}
    assert set(decoded.text) <= offered
    json.dumps([vote.gap for vote in decoded.positions], allow_nan=False)


def test_nothing_legal_gives_no_text_and_no_confidence() -> None:
    for seen in ((), lattice_from_text("地下入口"), lattice_from_text("20131101182144"), ((),)):
        assert decode(seen).text == ""
    assert confidence(()) == 0.0


def test_the_margin_is_the_gap_to_the_second_best_plate() -> None:
    seen = lattice(
        {"粤": 0.9}, {"B": 0.9}, {"1": 0.9}, {"2": 0.6, "Z": 0.3}, {"3": 0.9}, {"4": 0.9}, {"5": 0.9}
    )
    decoded = decode(seen)
    assert (decoded.text, decoded.runner_up) == ("粤B12345", "粤B1Z345")
    assert decoded.margin == pytest.approx(math.log(0.6 / 0.3))
    assert decoded.positions[3].runner_up == "Z"
    assert decoded.positions[3].gap == pytest.approx(math.log(2.0))


def test_without_a_second_plate_the_margin_is_what_an_unlisted_character_could_reach() -> None:
    decoded = decode(lattice_from_text("粤B12345", [0.9, 0.9, 0.9, 0.6, 0.9, 0.9, 0.9]))
    assert decoded.runner_up == ""
    assert decoded.margin == pytest.approx(math.log(0.6 / 0.4))


def test_the_grammar_takes_the_digit_where_a_letter_would_be_one_too_many() -> None:
    seen = lattice(
        {"粤": 0.9}, {"B": 0.9}, {"A": 0.9}, {"C": 0.9}, {"B": 0.6, "8": 0.3}, {"4": 0.9}, {"5": 0.9}
    )
    assert decode(seen).text == "粤BAC845"


def test_the_energy_letter_is_found_by_position_in_a_green_plate() -> None:
    seen = lattice({"粤": 0.9}, {"B": 0.9}, {"0": 0.6, "D": 0.3}, *({digit: 0.9} for digit in "12345"))
    decoded = decode(seen)
    assert decoded.text == "粤BD12345"
    assert decoded.kind is PlateKind.GREEN_SMALL


def test_the_grammar_does_not_make_a_plate_of_a_sign() -> None:
    unlikely = math.exp(-OVERRULE) / 2
    seen = lattice({"M": 0.95, "粤": unlikely}, *({c: 0.95} for c in "B12345"))
    assert decode(seen).text == ""
    assert decode(seen, overrule=20.0).text == "粤B12345"


def test_kinds_of_the_lane_decide_what_is_legal() -> None:
    police = lattice_from_text("粤B1234警")
    assert decode(police).kind is PlateKind.POLICE
    assert decode(police, {PlateKind.BLUE}).text == ""


def test_the_colour_chooses_only_among_what_the_grammar_allows() -> None:
    seen = lattice_from_text("粤B12345")
    assert decode(seen, seen_kind="yellow").kind is PlateKind.YELLOW
    assert decode(seen, seen_kind="green_small").kind is PlateKind.BLUE
    assert decode(seen).kind is PlateKind.BLUE


def test_a_character_that_may_be_nothing_is_left_out_when_the_plate_is_legal_only_so() -> None:
    seen = (make_position({"": 0.6, "1": 0.3}), *lattice_from_text("粤B12345"))
    assert decode(seen).text == "粤B12345"


def test_an_asserted_character_too_many_costs_margin() -> None:
    clean = decode(lattice_from_text("粤B12345"))
    spurious = decode((*lattice_from_text("粤B12345"), make_position({"停": 0.98})))
    assert spurious.text == "粤B12345"
    assert spurious.log_probability < clean.log_probability - 5.0


def test_a_seven_character_plate_with_an_inserted_character_is_not_green() -> None:
    decoded = decode(lattice_from_text("粤B1234567"[:8]))
    assert decoded.kind not in (PlateKind.GREEN_SMALL, PlateKind.GREEN_LARGE)


def test_the_separator_behind_the_office_letter_is_no_character() -> None:
    assert decode(lattice_from_text("粤B·12345")).text == "粤B12345"


def test_an_office_that_its_province_never_issued_is_less_likely_but_possible() -> None:
    seen = lattice({"宁": 0.9}, {"E": 0.45, "F": 0.5}, *({c: 0.9} for c in "12345"))
    assert decode(seen).text == "宁E12345"
    assert decode(lattice_from_text("宁F12345")).text == "宁F12345"


def test_a_doubtful_province_goes_to_the_one_that_has_the_office() -> None:
    seen = lattice({"苏": 0.85, "鲁": 0.1}, *({c: 0.99} for c in "W12345"))
    assert decode(seen).text == "鲁W12345"
    seen = lattice({"苏": 0.97, "鲁": 0.02}, *({c: 0.99} for c in "W12345"))
    assert decode(seen).text == "苏W12345"


def test_the_home_province_is_only_a_soft_argument() -> None:
    seen = lattice({"豫": 0.5, "粤": 0.4}, *({c: 0.95} for c in "B12345"))
    assert decode(seen).text == "豫B12345"
    assert decode(seen, priors=Priors(home="粤")).text == "粤B12345"
    assert decode(lattice_from_text("豫B12345"), priors=Priors(home="粤")).text == "豫B12345"


def test_a_hundred_characters_are_no_plate_and_cost_no_time() -> None:
    assert decode(lattice_from_text("粤B12345" * 13)) == Decoded("", raw="粤B12345" * 13)

"""Two-sided matching: who is let in, who is noticed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plate.confusion import confusion_cost
from models.plate.decode import decode
from models.plate.fusion import fuse
from models.plate.grammar import PlateKind, generate
from models.plate.lattice import Lattice, lattice_from_text, make_position
from models.plate.matching import MatchOutcome, deny_hits, match_plate

BLUES = st.integers(0, 10**6).map(lambda seed: generate(PlateKind.BLUE, random.Random(seed)))


def doubtful(text: str, place: int, other: str, share: float = 0.4) -> Lattice:
    """A read that is sure of all characters but one, for which ``other`` is the runner-up."""
    return tuple(
        make_position({char: 0.58, other: share} if i == place else {char: 0.98})
        for i, char in enumerate(text)
    )


def test_an_exact_plate_is_accepted() -> None:
    match = match_plate("粤B12345", {"粤B12345", "粤B12346"})
    assert (match.plate, match.outcome, match.cost) == ("粤B12345", MatchOutcome.EXACT, 0.0)
    assert not match.fuzzy


def test_O_for_0_is_accepted_and_explained() -> None:
    match = match_plate("粤B12O45", {"粤B12045", "粤B14345"})
    assert match.plate == "粤B12045"
    assert match.explanation == "read 粤B12O45, opened for 粤B12045, cost 0.2, runner-up 2.0"
    assert match.explanation_zh == "识别为 粤B12O45, 按 粤B12045 放行, 差异 0.2, 次近 2.0"


def test_a_look_alike_at_a_doubtful_place_is_accepted_when_unique() -> None:
    match = match_plate(decode(doubtful("粤B12845", 4, "B")), {"粤B12B45", "粤C99999"})
    assert match.plate == "粤B12B45"
    assert match.fuzzy
    assert match.cost == pytest.approx(0.2)
    assert "opened for 粤B12B45" in match.explanation


def test_a_look_alike_of_which_the_reader_was_sure_is_refused() -> None:
    sure = lattice_from_text("粤B12845", 0.995)
    match = match_plate(sure, {"粤B12B45"})
    assert match.plate is None
    assert match.outcome is MatchOutcome.CERTAIN_DIFFERENCE


def test_a_settled_track_can_still_be_a_look_alike_of_a_known_plate() -> None:
    reads = [doubtful("粤B12845", 4, "B", 0.3)] * 4
    settled = decode(fuse(reads), overrule=30.0)
    assert settled.margin >= 2.0
    assert match_plate(settled, {"粤B12B45"}).fuzzy
    certain = decode(fuse([lattice_from_text("粤B12845", 0.97)] * 2), overrule=30.0)
    assert match_plate(certain, {"粤B12B45"}).plate is None


def test_a_text_without_margins_matches_only_exactly() -> None:
    assert match_plate("粤B12845", {"粤B12B45"}).plate is None


def test_two_known_plates_that_are_about_as_near_are_ambiguous() -> None:
    read = doubtful("粤B12845", 4, "B")
    match = match_plate(read, {"粤B12B45", "粤B12345"})  # 8 is like B and like 3
    assert match.plate is None
    assert match.outcome is MatchOutcome.AMBIGUOUS
    assert match.runner_up == "粤B12345"


@given(BLUES, st.integers(0, 6), st.sampled_from("ACEHKMPRUWY123456789京沪川"))
def test_an_unlike_character_is_never_forgiven(text: str, place: int, other: str) -> None:
    if confusion_cost(text[place], other) < 1.0:
        return
    known = text[:place] + other + text[place + 1 :]
    assert match_plate(doubtful(text, place, other), {known}).plate in (None, known)
    assert match_plate(lattice_from_text(text, 0.98), {known}).plate is None


def test_the_province_is_part_of_the_identity() -> None:
    assert match_plate(lattice_from_text("粤B12345"), {"京B12345"}).plate is None


def test_another_length_is_never_forgiven() -> None:
    assert match_plate(lattice_from_text("粤B12345"), {"粤BD12345"}).plate is None


def test_ACC_3_a_fuzzy_read_never_clears_a_deny_listed_plate() -> None:
    read = decode(doubtful("粤B12845", 4, "B"))
    assert match_plate(read, {"粤B12B45"}).plate == "粤B12B45"
    near_denied = match_plate(read, {"粤B12B45"}, deny={"粤B12345"})
    assert near_denied.plate is None
    assert near_denied.outcome is MatchOutcome.NEAR_DENIED
    itself = match_plate(read, {"粤B12B45"}, deny={"粤B12845"})
    assert itself.plate is None
    on_both = match_plate("粤B12B45", {"粤B12B45"}, deny={"粤B12B45"})
    assert on_both.plate is None


def test_ACC_3_an_exact_read_near_a_deny_listed_plate_passes_and_still_alerts() -> None:
    match = match_plate("粤B12345", {"粤B12345"}, deny={"粤B12845"})
    assert match.plate == "粤B12345"
    assert deny_hits("粤B12345", {"粤B12845"}) == [("粤B12845", 0.4)]


@given(BLUES, st.integers(0, 6), st.sampled_from("ACEHKMPRUWY123456789"))
def test_the_deny_side_notices_one_wrong_or_lost_character(text: str, place: int, other: str) -> None:
    misread = text[:place] + other + text[place + 1 :]
    assert [plate for plate, _ in deny_hits(misread, {text})] == [text]
    lost = text[:place] + text[place + 1 :]
    assert [plate for plate, _ in deny_hits(lost, {text})] == [text]


def test_the_deny_side_looks_at_the_second_best_plate_as_well() -> None:
    read = decode(doubtful("粤B12345", 3, "Z"))
    assert read.runner_up == "粤B1Z345"
    assert deny_hits(read, {"粤B1ZA45"}) == [("粤B1ZA45", 1.0)]


def test_the_deny_side_leaves_strangers_alone() -> None:
    assert deny_hits("粤B12345", {"粤B99999", "京A00001"}) == []


def test_an_illegal_read_matches_nobody_but_says_so() -> None:
    match = match_plate(lattice_from_text("地下入口"), {"粤B12345"})
    assert match.plate is None
    assert match.outcome is MatchOutcome.UNREADABLE
    assert "not a legal plate" in match.explanation


def test_a_look_alike_is_found_among_a_hundred_thousand_plates() -> None:
    rng = random.Random(7)
    known = {generate(PlateKind.BLUE, rng) for _ in range(100_000)} | {"粤B12B45"}
    known -= {"粤B12845"}
    match = match_plate(decode(doubtful("粤B12845", 4, "B")), known)
    assert match.plate == "粤B12B45" or match.outcome is MatchOutcome.AMBIGUOUS

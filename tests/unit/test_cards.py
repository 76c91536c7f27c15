"""Cards on the roster: one number, however it is written, and whose it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.access import Person, Roster, card_text, person_from_json, person_to_json
from edge.access.cards import printed
from edge.errors import UsageError


@pytest.mark.parametrize(
    "typed", ["13900673", "0013900673", " 212,07041 ", "212,7041", "212:7041", "0xD41B81", "0xd41b81"]
)
def test_a_card_has_one_number_however_it_is_written(typed: str) -> None:
    assert card_text(typed) == "13900673"


@pytest.mark.parametrize("typed", ["", "0", "abc", "0x", "-5", "1.5", "70000,1", "1,70000", "1" * 41, "卡"])
def test_what_is_no_card_number_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(UsageError, match="13900673, 212,07041 or 0xD41B81"):
        card_text(typed)


@given(st.integers(1, 10**30))
def test_what_is_printed_can_be_typed(number: int) -> None:
    shown = printed(str(number))
    assert all(card_text(part.strip(" ()")) == str(number) for part in shown.split(" ", 1))


def test_a_person_keeps_cards_in_their_one_form_and_a_card_finds_its_person() -> None:
    person = person_from_json({"id": "wang-li", "cards": ["212,07041", "0013900673", "0xFF"]})
    assert person.cards == ("13900673", "255")
    assert person_from_json(person_to_json(person), plates_are_checked=True) == person
    roster = Roster.of(1, [person, Person("li-ming", "李明", cards=("255",))])
    assert [p.id for p in roster.by_card["13900673"]] == ["wang-li"]
    assert [p.id for p in roster.by_card["255"]] == ["wang-li", "li-ming"]


def test_a_card_that_is_none_keeps_the_person_out() -> None:
    with pytest.raises(UsageError, match=r"person 'wang-li': card 'x' is no card number"):
        person_from_json({"id": "wang-li", "cards": ["x"]})

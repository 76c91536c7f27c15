"""Who may pass: checked when it comes in, the same when it goes out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.access import (
    DenyEntry,
    DenyKind,
    Person,
    Roster,
    deny_from_json,
    person_from_json,
    person_to_json,
    roster_from_json,
    roster_to_json,
)
from edge.errors import UsageError

NAMES = st.text("abc-09", min_size=1, max_size=8)
PERSONS = st.builds(
    Person,
    id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    name=st.text("张三李四 Anna", max_size=12),
    room=st.text("0123-", max_size=8),
    valid_from_utc_s=st.none() | st.integers(0, 1_000),
    valid_to_utc_s=st.none() | st.integers(1_001, 2**39),
    lanes=st.lists(NAMES, unique=True, max_size=3).map(tuple),
    zones=st.lists(NAMES, unique=True, max_size=3).map(tuple),
    plates=st.lists(st.sampled_from(["京A12345", "粤BD12345", "沪C6789警"]), unique=True).map(tuple),
    group=st.sampled_from(["resident", "staff"]),
)


@given(PERSONS)
def test_a_person_goes_out_as_json_and_comes_back_the_same(person: Person) -> None:
    assert person_from_json(json.loads(json.dumps(person_to_json(person)))) == person


@given(st.lists(PERSONS, unique_by=lambda person: person.id, max_size=5), st.integers(0, 2**40))
def test_a_roster_goes_out_as_json_and_comes_back_the_same(persons: list[Person], rev: int) -> None:
    deny = [DenyEntry(DenyKind.PLATE, "京A12345", "unpaid"), DenyEntry(DenyKind.PERSON, "p-1")]
    roster = Roster.of(rev, persons, deny)
    again = roster_from_json(json.dumps(roster_to_json(roster)))
    assert again == roster
    assert again.denied_plates == {"京A12345"}
    assert again.denied_persons == {"p-1"}
    assert again.plates == {plate for person in persons for plate in person.plates}


def test_plates_are_written_in_one_form_however_they_were_typed() -> None:
    person = person_from_json({"id": "p-1", "plates": ["京A·12345", "京a12345", " 粤B D12345"]})
    assert person.plates == ("京A12345", "粤BD12345")


def test_a_family_car_belongs_to_all_who_hold_it() -> None:
    anna, bert = Person("a", "Anna", plates=("京A12345",)), Person("b", "Bert", plates=("京A12345",))
    assert Roster.of(1, [anna, bert]).by_plate["京A12345"] == (anna, bert)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"id": "p-1", "plates": ["ABC"]}, r"person 'p-1': plate 'ABC' is no plate under GA 36"),
        ({}, "person id None is not"),
        ({"id": "a b"}, "person id 'a b' is not"),
        ({"id": "../x"}, "person id"),
        ({"id": "p-1", "plate": ["京A12345"]}, "unknown field 'plate'; known are"),
        ({"id": "p-1", "plates": "京A12345"}, "plates is not a list"),
        ({"id": "p-1", "plates": [5]}, "plates holds 5, which is not a text"),
        ({"id": "p-1", "name": 5}, "name 5 is not a text"),
        ({"id": "p-1", "name": "x\ny"}, "name"),
        ({"id": "p-1", "name": "x" * 101}, "at most 100 characters"),
        ({"id": "p-1", "valid_from": "today"}, "valid_from 'today' is not seconds since 1970"),
        ({"id": "p-1", "valid_to": True}, "valid_to True is not seconds"),
        ({"id": "p-1", "valid_from": 9, "valid_to": 9}, "valid_from is not before valid_to"),
        ({"id": "p-1", "lanes": ["North Gate"]}, "lanes holds 'North Gate'; names are a-z"),
    ],
)
def test_a_person_that_cannot_be_is_one_clear_line(document: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        person_from_json(document)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({"rev": -1}, "rev -1 is not"),
        ({"rev": 1, "people": []}, "unknown field 'people'"),
        ({"persons": {}}, "persons is not a list"),
        ({"persons": [5]}, "persons is not a list of objects"),
        ({"persons": [{"id": "a"}, {"id": "a"}]}, "'a' is in the roster twice"),
        ({"deny": [{"kind": "car", "value": "x"}]}, "kind 'car' is not person, plate or qr"),
        ({"deny": [{"kind": "plate", "value": "ABC"}]}, "'ABC' is no plate under GA 36"),
        ({"deny": [{"kind": "person", "value": "a b"}]}, "'a b' is no id of a person"),
    ],
)
def test_a_roster_with_one_fault_is_refused_whole(document: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        roster_from_json(document)


def test_a_deny_listed_plate_is_normalised() -> None:
    assert deny_from_json({"kind": "plate", "value": "京 a·1234O"}).value == "京A12340"


def test_a_roster_cannot_be_changed() -> None:
    roster = Roster.of(1, [Person("a", "Anna")])
    with pytest.raises(TypeError):
        roster.persons["b"] = Person("b", "Bert")  # type: ignore[index]

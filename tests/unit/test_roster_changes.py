"""A roster that is changed person by person is the roster that would be built anew."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from edge.access import Person, Roster, without
from edge.access.roster import with_changes

IDS = st.sampled_from([f"p{n}" for n in range(8)])
PLATES = st.lists(st.sampled_from(["京A11111", "京A22222", "京A33333"]), unique=True, max_size=3)
CARDS = st.lists(st.sampled_from(["1", "2"]), unique=True, max_size=2)
PERSONS = st.dictionaries(IDS, st.tuples(PLATES, CARDS), max_size=8)


def persons(chosen: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, Person]:
    return {
        i: Person(i, i, plates=tuple(plates), cards=tuple(cards)) for i, (plates, cards) in chosen.items()
    }


def owners(roster: Roster) -> tuple[object, ...]:
    def index(by: Mapping[str, tuple[Person, ...]]) -> dict[str, list[str]]:
        return {key: sorted(person.id for person in found) for key, found in by.items()}

    return dict(roster.persons), index(roster.by_plate), roster.plates, index(roster.by_card)


@given(PERSONS, st.sets(IDS), PERSONS)
def test_changes_give_what_building_anew_gives(
    before: Mapping[str, tuple[list[str], list[str]]],
    gone: set[str],
    come: Mapping[str, tuple[list[str], list[str]]],
) -> None:
    first, new = persons(before), persons(come)
    roster = Roster.of(3, list(first.values()))
    changed = with_changes(roster, gone, list(new.values()))
    wanted = {i: person for i, person in first.items() if i not in gone} | new
    assert owners(changed) == owners(Roster.of(3, list(wanted.values())))
    left = without(roster, gone)
    assert owners(left) == owners(Roster.of(3, [p for i, p in first.items() if i not in gone]))
    assert owners(roster) == owners(Roster.of(3, list(first.values())))

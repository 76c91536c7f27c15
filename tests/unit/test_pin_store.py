"""PINs in ``sets.db``: a sealed digest, gone with its person."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.access import Person, Roster, roster_to_json
from edge.clock import ManualClock
from edge.errors import UsageError
from edge.store import SetStore, Vault

VAULT = Vault(bytes(range(32)))


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SetStore]:
    store = SetStore(tmp_path / "sets.db", VAULT, clock)
    store.put_person(Person("anna", "Anna"))
    store.put_person(Person("bert", "Bert"))
    yield store
    store.close()


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("sets.db*")))


def test_a_pin_that_was_set_fits_and_changes_the_revision(store: SetStore) -> None:
    before = store.rev()
    assert store.put_pin("anna", "482915") == before + 1
    pins = store.snapshot().pins
    assert set(pins) == {"anna"}
    assert pins["anna"].fits("482915")
    store.put_pin("anna", "730164")
    assert not store.snapshot().pins["anna"].fits("482915")


def test_PRIV_1_neither_pin_nor_digest_stands_on_the_disk_or_in_the_roster(
    store: SetStore, tmp_path: Path
) -> None:
    store.put_pin("anna", "482915")
    snapshot = store.snapshot()
    content = on_disk(tmp_path)
    assert b"482915" not in content
    assert snapshot.pins["anna"].digest not in content
    assert "pin" not in str(roster_to_json(snapshot.roster))


def test_a_pin_goes_with_its_person_and_stays_with_who_stays(store: SetStore) -> None:
    for person, pin in (("anna", "482915"), ("bert", "730164")):
        store.put_pin(person, pin)
    store.remove_person("anna")
    assert set(store.snapshot().pins) == {"bert"}
    store.replace_roster(Roster.of(9, [Person("bert", "Bert"), Person("carl", "Carl")]))
    assert set(store.snapshot().pins) == {"bert"}
    assert store.remove_pin("bert")
    assert not store.remove_pin("bert")
    assert store.snapshot().pins == {}


def test_a_bad_pin_or_an_unknown_person_changes_nothing(store: SetStore) -> None:
    before = store.rev()
    for person, pin in (("nobody", "482915"), ("anna", "1234"), ("anna", "111111")):
        with pytest.raises(UsageError):
            store.put_pin(person, pin)
    assert store.rev() == before
    assert store.snapshot().pins == {}


def test_a_pin_in_another_persons_row_or_of_another_device_is_left_out(
    store: SetStore, tmp_path: Path, clock: ManualClock
) -> None:
    store.put_pin("anna", "482915")
    store._database.execute(
        "INSERT INTO pins SELECT 'bert', sealed, made_utc_s FROM pins WHERE person = 'anna'"
    )
    assert set(store.snapshot().pins) == {"anna"}
    store.close()
    stolen = SetStore(tmp_path / "sets.db", Vault(bytes(32)), clock)
    try:
        assert stolen.snapshot().pins == {}
    finally:
        stolen.close()

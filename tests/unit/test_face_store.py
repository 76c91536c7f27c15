"""Consent, kept pictures, receipts and notes beside the templates: all or nothing, and gone means gone."""

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.access import Consent, Person, Roster
from edge.clock import ManualClock
from edge.errors import ConsentMissing, JournalError, UsageError, VaultError
from edge.store import Database, SetStore, Vault
from edge.store.set_tables import MIGRATIONS
from edge.store.sets import ENROLLED, WITHDRAWN

SET, OTHER_SET = "faces-dlib-resnet", "faces-sface"
VAULT = Vault(b"k" * 32)
CONSENT = Consent("Anna", 1_795_000_000, "v3", "kiosk")
KEEPING = Consent("Anna", 1_795_000_000, "v3", "kiosk", keep_pictures=True)
PICTURES = (b"\xff\xd8first picture" * 40, b"\xff\xd8second picture" * 40)


def template(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=128).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SetStore]:
    store = SetStore(tmp_path / "sets.db", VAULT, clock)
    yield store
    store.close()


def enrol(store: SetStore, person: str = "anna", consent: Consent = KEEPING, seed: int = 1) -> int:
    templates = [template(seed), template(seed + 1)]
    return store.enrol(
        person, consent, SET, templates, person=Person(person, ""), pictures=PICTURES, note={"by": "test"}
    )


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def traces(content: bytes, folder: Path) -> list[int]:
    """Where 16 bytes in a row of something still stand anywhere in the folder."""
    held = everything(folder)
    return [at for at in range(0, len(content) - 16, 16) if content[at : at + 16] in held]


def test_an_enrolment_is_one_change_with_person_consent_templates_pictures_and_note(store: SetStore) -> None:
    rev = enrol(store)
    assert rev == store.rev() == 1
    assert store.person("anna") == Person("anna", "")
    assert store.person("nobody") is None
    assert store.consent_of("anna") == KEEPING
    assert store.face_counts() == {"anna": {SET: 2}}
    kept = store.pictures_of("anna")
    assert [store.picture(picture, "anna") for picture in sorted(kept)] != []
    assert {store.picture(picture, "anna") for picture in kept} == set(PICTURES)
    (note,) = store.notes()
    assert (note.type, note.subject) == (ENROLLED, "anna")
    assert note.data == {"set": SET, "templates": 2, "pictures_kept": 2, "by": "test"}
    store.drop_notes([note])
    assert store.notes() == ()


@pytest.mark.parametrize("bad", ["consent", "child", "template", "nobody"])
def test_PRIV_1_a_refused_enrolment_leaves_nothing_behind(store: SetStore, tmp_path: Path, bad: str) -> None:
    person: Person | None = Person("anna", "")
    consent, templates = KEEPING, [template(1)]
    expected: type[UsageError] = ConsentMissing
    if bad == "consent":
        consent = Consent("", 1, "v3", "kiosk")
    elif bad == "child":
        consent = Consent("Anna", 1, "v3", "kiosk", under_14=True, guardian="Berta")
    elif bad == "template":
        templates, expected = [np.full(128, np.nan, np.float32)], UsageError
    else:
        person, expected = None, UsageError
    with pytest.raises(expected):
        store.enrol("anna", consent, SET, templates, person=person, pictures=PICTURES)
    assert store.rev() == 0
    assert store.person("anna") is None
    assert store.notes() == ()
    store.tidy()
    assert list((tmp_path / "pictures").glob("*")) == [] if (tmp_path / "pictures").exists() else True


def test_PRIV_1_the_tables_themselves_refuse_a_child_without_a_guardian(store: SetStore) -> None:
    store.put_person(Person("kid", ""))
    columns = "person, who, when_utc_s, text_version, channel, under_14, guardian, relation"
    with pytest.raises(JournalError, match="CHECK"):
        store._database.execute(
            f"INSERT INTO consents ({columns}) VALUES ('kid', 'x', 1, 'v', 'c', 1, 'Berta', '')"
        )
    store._database.execute(
        f"INSERT INTO consents ({columns}) VALUES ('kid', 'x', 1, 'v', 'c', 1, 'Berta', 'mother')"
    )


def test_PRIV_1_pictures_are_dropped_unless_the_consent_keeps_them(store: SetStore, tmp_path: Path) -> None:
    enrol(store, consent=CONSENT)
    assert store.pictures_of("anna") == ()
    assert traces(PICTURES[0], tmp_path) == []
    enrol(store, consent=KEEPING)
    assert len(store.pictures_of("anna")) == 2
    assert traces(PICTURES[0], tmp_path) == [], "kept, but sealed"
    for path in (tmp_path / "pictures").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "pictures").stat().st_mode & 0o777 == 0o700
    enrol(store, consent=CONSENT)
    assert store.pictures_of("anna") == ()
    assert list((tmp_path / "pictures").iterdir()) == [], "a later consent without it deletes them"


def test_PRIV_1_a_kept_picture_opens_only_as_the_picture_of_its_person(
    store: SetStore, tmp_path: Path
) -> None:
    enrol(store, "anna")
    enrol(store, "bert", seed=5)
    mine, other = store.pictures_of("anna")[0], store.pictures_of("bert")[0]
    with pytest.raises(VaultError):
        store.picture(mine, "bert")
    files = {path.stem: path for path in (tmp_path / "pictures").iterdir()}
    files[mine].write_bytes(files[other].read_bytes())
    with pytest.raises(VaultError, match="does not open"):
        store.picture(mine, "anna")
    files[mine].unlink()
    with pytest.raises(VaultError, match="cannot be read"):
        store.picture(mine, "anna")


def test_PRIV_1_a_template_opens_neither_in_another_set_nor_for_another_person(
    store: SetStore, caplog: pytest.LogCaptureFixture
) -> None:
    for number, change in enumerate(("set_name = 'faces-other'", "person = 'bert'", "id = 'other'")):
        person = f"p{number}"
        enrol(store, person)
        enrol(store, "bert", seed=7)
        store._database.execute(
            f"UPDATE templates SET {change} WHERE person = '{person}' AND id = ("
            f"SELECT min(id) FROM templates WHERE person = '{person}')"
        )
        with caplog.at_level(logging.CRITICAL):
            assert store.snapshot().unreadable == 1, change
        for each in (person, "bert"):
            store.remove_person(each)


def test_PRIV_1_a_withdrawal_deletes_templates_index_rows_and_pictures_and_leaves_a_receipt(
    store: SetStore, tmp_path: Path
) -> None:
    enrol(store, "anna")
    enrol(store, "bert", seed=5)
    store.put_templates("anna", OTHER_SET, [template(9)])
    rows = store._database.execute("SELECT id, sealed FROM templates WHERE person = 'anna' ORDER BY id")
    files = {
        p.stem: p.read_bytes()
        for p in (tmp_path / "pictures").iterdir()
        if p.stem in store.pictures_of("anna")
    }
    expected = hashlib.sha256()
    for template_id, sealed in rows:
        expected.update(template_id.encode() + sealed)
    for picture_id, sealed in sorted(files.items()):
        expected.update(picture_id.encode() + hashlib.sha256(sealed).digest())
    store.drop_notes(store.notes())
    receipt = store.withdraw_consent("anna")
    assert (receipt.templates, receipt.pictures, receipt.sha256) == (3, 2, expected.hexdigest())
    assert store.receipts() == (receipt,)
    for secret in (
        [sealed for _, sealed in rows] + list(files.values()) + [template(1).tobytes(), PICTURES[0]]
    ):
        assert traces(secret, tmp_path) == []
    assert store.snapshot().gallery(SET).persons == {"bert"}
    assert len(store.pictures_of("bert")) == 2
    paper = json.loads((tmp_path / "receipts" / f"{receipt.id}.json").read_text("utf-8"))
    assert (paper["person"], paper["templates"], paper["pictures"]) == ("anna", 3, 2)
    assert (paper["sha256"], paper["why_zh"]) == (receipt.sha256, "撤回同意")
    (note,) = store.notes()
    assert (note.type, note.subject, note.data["receipt"]) == (WITHDRAWN, "anna", receipt.id)
    assert store.person("anna") == Person("anna", ""), "the person passes in other ways"


def test_PRIV_1_removing_a_person_or_the_whole_roster_deletes_the_pictures_too(
    store: SetStore, tmp_path: Path
) -> None:
    for number, person in enumerate(("anna", "bert", "carl")):
        enrol(store, person, seed=3 * number)
    receipt = store.remove_person("anna")
    assert receipt is not None
    assert (receipt.templates, receipt.pictures) == (2, 2)
    assert len(list((tmp_path / "pictures").iterdir())) == 4
    receipts = store.replace_roster(Roster.of(9, [Person("dora", "")]))
    assert [(each.person, each.pictures) for each in receipts] == [("bert", 2), ("carl", 2)]
    assert list((tmp_path / "pictures").iterdir()) == []
    assert [note.type for note in store.notes()].count(WITHDRAWN) == 3
    assert len(list((tmp_path / "receipts").iterdir())) == 3


def test_who_never_consented_leaves_no_paper(store: SetStore, tmp_path: Path) -> None:
    store.put_person(Person("anna", ""))
    receipt = store.remove_person("anna")
    assert receipt is not None
    assert receipt.sha256 == ""
    assert store.notes() == ()
    assert not (tmp_path / "receipts").exists()


def test_PRIV_1_a_picture_that_a_crash_left_without_a_row_is_deleted_at_the_next_start(
    store: SetStore, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    enrol(store)
    orphan = tmp_path / "pictures" / "01a00000-0000-7000-8000-000000000000.sealed"
    orphan.write_bytes(b"left over" * 10)
    store.close()
    again = SetStore(tmp_path / "sets.db", VAULT, clock)
    with caplog.at_level(logging.CRITICAL):
        again.tidy()
    assert not orphan.exists()
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    again.close()


def test_PRIV_1_an_enrolment_that_fails_after_its_pictures_were_written_is_tidied_up(
    store: SetStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.put_person(Person("anna", ""))

    def fail() -> None:
        with store._changing():
            store._faces.put_consent("anna", KEEPING)
            store._faces.put_pictures("anna", PICTURES)
            raise JournalError("the power goes")

    with pytest.raises(JournalError):
        fail()
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    with caplog.at_level(logging.CRITICAL):
        store.tidy()
    assert list((tmp_path / "pictures").iterdir()) == []


def test_sets_of_other_models_stay_until_they_are_dropped_and_only_of_who_has_the_new_one(
    store: SetStore,
) -> None:
    enrol(store, "anna")
    enrol(store, "bert", seed=5)
    store.put_templates("anna", OTHER_SET, [template(9)])
    assert store.face_counts() == {"anna": {SET: 2, OTHER_SET: 1}, "bert": {SET: 2}}
    assert store.snapshot().gallery(OTHER_SET).persons == {"anna"}
    assert store.drop_other_sets(OTHER_SET) == 2
    assert store.face_counts() == {"anna": {OTHER_SET: 1}, "bert": {SET: 2}}


def test_PRIV_1_a_snapshot_can_be_wiped_without_touching_the_galleries_made_of_it(store: SetStore) -> None:
    enrol(store)
    snapshot = store.snapshot()
    gallery = snapshot.gallery(SET)
    before = gallery.templates_of("anna").copy()
    assert before.any()
    snapshot.wipe()
    assert all(not values.any() for pairs in snapshot.templates.values() for _, values in pairs)
    np.testing.assert_array_equal(gallery.templates_of("anna"), before)


def test_a_box_of_the_first_version_is_migrated_with_its_consents_and_receipts(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "sets.db"
    old = Database(path, MIGRATIONS[:1])
    old.execute("INSERT INTO persons VALUES ('anna', ?)", ('{"id": "anna", "group": "resident"}',))
    old.execute("INSERT INTO consents VALUES ('anna', 'Anna', 5, 'v1', 'paper')")
    old.execute("INSERT INTO receipts VALUES ('r', 'bert', 'consent withdrawn', 2, 'v1', 4, 7)")
    old.close()
    store = SetStore(path, VAULT, clock)
    try:
        assert store.consent_of("anna") == Consent("Anna", 5, "v1", "paper")
        (receipt,) = store.receipts()
        assert (receipt.person, receipt.templates, receipt.pictures, receipt.sha256) == ("bert", 2, 0, "")
        enrol(store)
        assert store.face_counts() == {"anna": {SET: 2}}
    finally:
        store.close()

"""The store of pictures of passages: sealed, within its quota, no longer than allowed, and gone when gone."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from picture_bench import VAULT, jpeg

from edge.access import Consent, Person
from edge.clock import ManualClock
from edge.errors import VaultError
from edge.store import SetStore, Vault
from edge.store.media import CROWDED, DAMAGED, GAVE_WAY, MEDIA_FILE, MEDIA_FOLDER, OLD, Media
from edge.store.media_tables import SENT, KeptPicture
from edge.store.portraits import SUFFIX

SIZE = 400_000
MIB = 1 << 20


class Store:
    """A store whose disk has as much room as the test says."""

    def __init__(self, folder: Path, clock: ManualClock, **options: Any) -> None:
        self.folder, self.clock, self.room = folder, clock, 1 << 40
        given = {"quota_mb": 1, "leave_free_mb": 0, "free": lambda _folder: self.room, **options}
        self.media = Media(folder / MEDIA_FILE, VAULT, clock, **given)

    def put(self, number: int, person: str = "", size: int = SIZE) -> tuple[str, str]:
        """Keep a picture; returns its hash, and why it is not kept."""
        content = jpeg(number, size)
        picture = KeptPicture(
            sha256=name_of(content),
            size_bytes=size,
            kind="face" if person else "plate",
            lane="in",
            camera="north",
            verdict="grant",
            person=person,
            event=f"event-{number}",
            epoch="e1",
            seq=number,
            kept_utc_s=self.clock.utc_ns() // 1_000_000_000,
        )
        return picture.sha256, self.media.put(picture, content)

    def held(self) -> list[int]:
        """Which are kept, by the number they were put with."""
        return [picture.seq for picture in self.media.pictures()]

    def files(self) -> list[Path]:
        return sorted((self.folder / MEDIA_FOLDER).glob(f"*{SUFFIX}"))

    def gone(self) -> list[tuple[str, str, int]]:
        """What the journal is to be told: why, whose, how many."""
        return [(d.why, d.person, len(d.sha256)) for d in self.media.deletions()]


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    made = Store(tmp_path, clock)
    yield made
    made.media.close()


def test_PRIV_1_a_picture_of_a_passage_is_sealed_on_the_disk_and_opens_with_this_key_only(
    store: Store, clock: ManualClock
) -> None:
    sha256, why_not = store.put(1)
    assert why_not == ""
    assert store.media.read(sha256) == jpeg(1, SIZE)
    held = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert jpeg(1, SIZE)[2:34] not in held
    (file,) = store.files()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert sha256[:12] not in file.name, "the name does not tell which event it belongs to"
    with pytest.raises(VaultError, match="another device key"):
        Media(store.folder / MEDIA_FILE, Vault(bytes(32)), clock)
    assert store.files() == [file], "a wrong key deletes nothing"


def test_the_same_picture_is_kept_once_and_an_unknown_one_is_named(store: Store) -> None:
    assert store.put(1) == store.put(1)
    assert store.held() == [1]
    with pytest.raises(VaultError, match="there is no picture"):
        store.media.read("0" * 64)


def test_at_the_quota_the_oldest_that_the_platform_has_go_first_then_the_oldest(store: Store) -> None:
    first, second = store.put(1)[0], store.put(2)[0]
    store.media.mark(second, SENT)
    store.put(3)
    assert store.held() == [1, 3]
    assert store.media.unsent_lost == 0
    store.put(4)
    assert store.held() == [3, 4]
    assert store.media.unsent_lost == 1
    assert len(store.files()) == 2
    assert store.gone() == [(CROWDED, "", 1), (CROWDED, "", 1)]
    assert [d.sha256 for d in store.media.deletions()] == [(second,), (first,)]
    assert store.media.numbers()["bytes"] <= MIB
    assert store.put(5, size=2 * MIB)[1] == "it is larger than pictures.quota_mb"
    assert store.held() == [3, 4]


def test_no_picture_takes_the_room_of_the_journal_and_those_that_have_it_give_way(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = Store(tmp_path, clock, quota_mb=10, leave_free_mb=4)
    store.room = 5 * MIB
    assert [store.put(number)[1] for number in (1, 2)] == ["", ""]
    store.room = 4 * MIB + SIZE // 2
    assert store.put(3)[1] == "the disk has only room for the journal"
    assert store.media.give_way() == 0
    store.room = 4 * MIB - SIZE // 2
    assert store.media.give_way() == 1
    assert store.held() == [2]
    assert store.gone() == [(GAVE_WAY, "", 1)]
    store.room = 1 << 40
    for number in range(4, 8):
        store.put(number)
    store.media.close()
    smaller = Store(tmp_path, clock, quota_mb=1)
    assert smaller.media.give_way() == 3, "the quota is another one now"
    assert smaller.held() == [6, 7]
    smaller.media.close()


def test_what_is_too_old_goes_and_age_begins_when_the_clock_is_known(
    store: Store, clock: ManualClock
) -> None:
    store.put(1)
    clock.advance(86_400)
    store.put(2)
    now_s = clock.utc_ns() // 1_000_000_000
    assert store.media.expire(now_s, 2 * 86_400) == 0
    assert store.media.expire(now_s + 3600, 86_400) == 1
    assert (store.held(), store.gone()) == ([2], [(OLD, "", 1)])
    (kept,) = store.media.pictures()
    store.media.remove([kept.sha256], "test")
    undated = KeptPicture("a" * 64, 9, "plate", "in", "north", "deny", "", "e", "e1", 7, 0)
    assert store.media.put(undated, jpeg(7, 100)) == ""
    assert store.media.expire(now_s, 60) == 0
    assert store.media.expire(now_s + 120, 60) == 1


def test_a_damaged_picture_does_not_open_and_what_is_cut_lost_or_left_over_is_tidied(store: Store) -> None:
    sha256, _ = store.put(1, size=1000)
    (file,) = store.files()
    sealed = bytearray(file.read_bytes())
    sealed[500] ^= 1
    file.write_bytes(sealed)
    with pytest.raises(VaultError, match="does not open"):
        store.media.read(sha256)
    store.put(2, size=1000)
    cut = next(path for path in store.files() if path != file)
    cut.write_bytes(cut.read_bytes()[:-1])
    store.put(3, size=1000)
    lost = next(path for path in store.files() if path not in (file, cut))
    lost.unlink()
    left_over = file.with_name(f"{'0' * 40}{SUFFIX}")
    left_over.write_bytes(b"a file whose row never came")
    assert store.media.tidy() == 2
    assert store.held() == [1]
    assert store.files() == [file]
    assert store.gone() == [(DAMAGED, "", 2)]


def test_only_pictures_whose_event_the_platform_has_and_whose_person_allows_it_are_next(store: Store) -> None:
    names = {number: store.put(number, person, 500)[0] for number, person in ((1, "anna"), (2, ""), (3, ""))}

    def next_of(below: int, consented: tuple[str, ...] = (), apart: tuple[str, ...] = ()) -> int | None:
        found = store.media.next_unsent("e1", below, consented, apart)
        return None if found is None else found.seq

    assert next_of(1) is None
    assert next_of(2) is None, "nobody asked anna"
    assert next_of(2, ("anna",)) == 1
    assert next_of(9) == 2
    assert next_of(9, apart=(names[2],)) == 3
    store.media.mark(names[2], SENT)
    assert next_of(9) == 3
    assert store.media.next_unsent("e2", 1, ()) is not None, "events of an earlier journal are settled"


def test_PRIV_1_a_consent_withdrawn_on_the_box_takes_the_pictures_of_passages_with_a_receipt(
    store: Store, clock: ManualClock
) -> None:
    sets = SetStore(store.folder / "sets.db", VAULT, clock)
    agreed = Consent("Anna", 1_795_000_000, "v3", "paper", passage_pictures="keep")
    for person in ("anna", "bert"):
        sets.put_person(Person(person, ""))
        sets.put_consent(person, agreed)
    assert sets.consent_of("anna") == agreed
    assert sets.passage_consents() == {"anna": "keep", "bert": "keep"}
    for number, person in ((1, "anna"), (2, "bert"), (3, "anna"), (4, "")):
        assert store.put(number, person, 2000)[1] == ""
    receipt = sets.withdraw_consent("anna")
    assert (receipt.pictures, receipt.templates, len(receipt.sha256)) == (2, 0, 64)
    assert sets.receipt_path(receipt).is_file()
    assert store.held() == [2, 4]
    assert len(store.files()) == 2
    assert store.gone() == [("consent withdrawn", "anna", 2)]
    assert sets.passage_consents() == {"bert": "keep"}
    removed = sets.remove_person("bert")
    assert removed is not None
    assert removed.pictures == 1
    assert store.held() == [4], "a plate's picture rests on the configuration"
    sets.close()


def test_withdrawing_where_no_picture_was_ever_kept_makes_no_store(
    tmp_path: Path, clock: ManualClock
) -> None:
    sets = SetStore(tmp_path / "sets.db", VAULT, clock)
    sets.put_person(Person("anna", ""))
    sets.put_consent("anna", Consent("Anna", 1_795_000_000, "v3", "paper"))
    assert sets.withdraw_consent("anna").pictures == 0
    assert not (tmp_path / MEDIA_FILE).exists()
    sets.close()


def test_a_damaged_index_is_begun_anew_and_what_nobody_knows_any_more_is_deleted(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = Store(tmp_path, clock)
    store.put(1, size=1000)
    store.media.close()
    index = tmp_path / MEDIA_FILE
    index.write_bytes(b"no database" * 1000)
    again = Media(index, VAULT, clock, may_salvage=True)
    assert again.salvage is not None
    assert again.tidy() == 0
    assert len(again.pictures()) == len(list((tmp_path / MEDIA_FOLDER).iterdir()))
    again.close()

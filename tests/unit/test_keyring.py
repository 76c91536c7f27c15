"""Which keys count, and that only the root's signature changes it (CMD-1)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.jws import CONFIG_TYPE, KEYS_TYPE, encode_part, sign
from edge.platform import make_root, sign_key_set
from edge.store.journal import Journal
from edge.sync.keyring import SIZE_LIMIT, Keyring, KeysRefused, read_key_document
from edge.sync.keys import KeySet, load_public_keys, raw_public

ONE, TWO, THREE = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
FIRST = KeySet({"platform-1": ONE.public_key()})
BOTH = {"platform-1": ONE.public_key(), "platform-2": TWO.public_key()}


@dataclass
class Ceremony:
    """A root in a folder, and a box that trusts it."""

    folder: Path
    journal: Journal

    def signed(self, serial: int, keys: dict[str, object], tenant: str = "park") -> bytes:
        return sign_key_set(self.folder / "root_key.json", tenant, serial, keys, issued_s=1.0)

    def box(self, first: KeySet = FIRST, roots: KeySet | None = None) -> Keyring:
        ring = Keyring(
            self.journal,
            "park",
            load_public_keys(self.folder / "root_keys.json") if roots is None else roots,
            first,
        )
        self.trouble = ring.restore()
        return ring


@pytest.fixture
def ceremony(tmp_path: Path, clock: ManualClock) -> Iterator[Ceremony]:
    make_root(tmp_path)
    journal = Journal(tmp_path / "events.db", clock, tenant="park", device="gate-7", boot_id="boot")
    journal.start()
    yield Ceremony(tmp_path, journal)
    journal.close()


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(KeysRefused) as refusal:
        call()
    return refusal.value.code


def test_a_key_is_replaced_in_two_steps_and_one_always_counts(ceremony: Ceremony) -> None:
    box = ceremony.box()
    assert dict(box) == dict(FIRST), "before the first set the installer's file counts"
    assert box.take(ceremony.signed(1, BOTH))
    assert set(box) == {"platform-1", "platform-2"}
    assert box.take(ceremony.signed(2, {"platform-2": TWO.public_key(), "platform-3": THREE.public_key()}))
    assert set(box) == {"platform-2", "platform-3"}
    again = ceremony.box()
    assert (set(again), again.serial, ceremony.trouble) == ({"platform-2", "platform-3"}, 2, "")


def test_the_same_set_again_is_no_news_and_an_older_one_never_counts_again(ceremony: Ceremony) -> None:
    box, old, new = ceremony.box(), ceremony.signed(4, BOTH), ceremony.signed(5, dict(FIRST))
    assert box.take(old)
    assert not box.take(old)
    assert box.take(new)
    assert code_of(lambda: box.take(old)) == "serial"
    assert code_of(lambda: ceremony.box().take(old)) == "serial"
    assert code_of(lambda: box.take(ceremony.signed(5, BOTH))) == "serial", "one serial, one set"
    assert set(box) == {"platform-1"}


def test_CMD_1_nobody_but_the_root_changes_the_keys(ceremony: Ceremony, tmp_path: Path) -> None:
    box = ceremony.box()
    good = ceremony.signed(1, BOTH)
    claims = {"schema": 1, "tenant": "park", "serial": 9, "issued": 1.0}
    claims["keys"] = {"platform-1": encode_part(raw_public(ONE.public_key())).decode()}
    by_operational = sign(claims, kid="platform-1", key=ONE, typ=KEYS_TYPE)
    as_root = sign(claims, kid="root-1", key=ONE, typ=KEYS_TYPE)
    other = tmp_path / "other"
    make_root(other)
    by_other_root = sign_key_set(other / "root_key.json", "park", 9, BOTH)
    as_config = sign(claims, kid="root-1", key=ONE, typ=CONFIG_TYPE)
    flipped = good[:-4] + (b"AAAA" if good[-4:] != b"AAAA" else b"BBBB")
    for raw in (by_operational, as_root, by_other_root, as_config, flipped, b"", b"a.b.c"):
        assert code_of(lambda raw=raw: box.take(raw)) == "signature"
    assert code_of(lambda: box.take(b"x" * (SIZE_LIMIT + 1))) == "size"
    assert code_of(lambda: box.take(ceremony.signed(1, BOTH, tenant="other"))) == "tenant"
    assert dict(box) == dict(FIRST)
    assert ceremony.journal.get_state("keys") is None


def test_a_root_key_is_no_operational_key_and_a_name_keeps_its_key(ceremony: Ceremony) -> None:
    box = ceremony.box()
    root = dict(load_public_keys(ceremony.folder / "root_keys.json"))
    assert code_of(lambda: box.take(ceremony.signed(1, root))) == "keys"
    assert code_of(lambda: box.take(ceremony.signed(1, {"x": root["root-1"]}))) == "keys"
    assert code_of(lambda: box.take(ceremony.signed(1, {"platform-1": TWO.public_key()}))) == "keys"


def test_without_a_root_no_set_is_taken_and_a_new_root_begins_from_the_file(
    ceremony: Ceremony, tmp_path: Path
) -> None:
    assert code_of(lambda: ceremony.box(roots=KeySet()).take(ceremony.signed(1, BOTH))) == "no_root"
    assert ceremony.box().take(ceremony.signed(7, BOTH))
    new = tmp_path / "new-root"
    make_root(new, "root-2")
    box = ceremony.box(roots=load_public_keys(new / "root_keys.json"))
    assert "does not count" in ceremony.trouble
    assert dict(box) == dict(FIRST)
    assert box.take(sign_key_set(new / "root_key.json", "park", 1, BOTH)), "a new root counts from 1 again"


@given(st.binary(max_size=300))
def test_CMD_1_no_bytes_make_reading_a_key_set_fail_otherwise(raw: bytes) -> None:
    with pytest.raises(KeysRefused):
        read_key_document(raw, {"root-1": ONE.public_key()}, "park")


@given(
    st.dictionaries(
        st.sampled_from(["schema", "tenant", "serial", "issued", "keys", "more"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=5),
            st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=50), st.integers()), max_size=6),
        ),
    )
)  # fmt: skip
def test_CMD_1_no_signed_claims_make_it_fail_otherwise(claims: dict[str, object]) -> None:
    with pytest.raises(KeysRefused):
        read_key_document(sign(claims, kid="r", key=ONE, typ=KEYS_TYPE), {"r": ONE.public_key()}, "park")

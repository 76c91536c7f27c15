"""What only this device can read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import Exit, VaultError
from edge.store import Vault, open_vault
from edge.store.vault import CREDENTIAL

KEY = bytes(range(32))


@given(plain=st.binary(max_size=600), about=st.binary(max_size=40))
def test_what_was_sealed_opens_with_the_same_key_and_purpose(plain: bytes, about: bytes) -> None:
    sealed = Vault(KEY).seal(plain, about)
    assert Vault(KEY).open(sealed, about) == plain
    assert len(plain) < 8 or plain not in sealed


@given(place=st.integers(0, 60), bit=st.integers(0, 7))
def test_one_flipped_bit_and_it_does_not_open(place: int, bit: int) -> None:
    vault = Vault(KEY)
    sealed = bytearray(vault.seal(b"x" * 32, b"about"))
    assert len(sealed) == 61
    sealed[place] ^= 1 << bit
    with pytest.raises(VaultError):
        vault.open(bytes(sealed), b"about")


def test_PRIV_1_a_record_of_another_person_or_another_device_does_not_open() -> None:
    sealed = Vault(KEY).seal(b"template", b"template|faces|anna")
    with pytest.raises(VaultError, match="another device's key") as caught:
        Vault(KEY[::-1]).open(sealed, b"template|faces|anna")
    assert caught.value.exit_code is Exit.REFUSED
    with pytest.raises(VaultError, match="does not open"):
        Vault(KEY).open(sealed, b"template|faces|bert")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"x" * 27, b"\x02" + b"x" * 60])
def test_a_cut_or_foreign_record_is_named_so(sealed: bytes) -> None:
    with pytest.raises(VaultError, match="cut or of an unknown kind"):
        Vault(KEY).open(sealed, b"")


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    vault = Vault(KEY)
    assert len({vault.seal(b"same", b"") for _ in range(200)}) == 200


def test_the_key_is_made_once_private_and_outlives_restarts(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    sealed = open_vault(path, {}).seal(b"x", b"")
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert open_vault(path, {}).open(sealed, b"") == b"x"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["vault.key", "vault.key.copy"]


def test_a_key_that_others_may_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    open_vault(path, {})
    path.chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        open_vault(path, {})


def test_a_cut_key_is_refused_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    path.touch(mode=0o600)
    with pytest.raises(VaultError, match="has 0 bytes, not 32; restore it"):
        open_vault(path, {})
    assert path.read_bytes() == b""


def test_a_systemd_credential_takes_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_bytes(KEY)
    vault = open_vault(tmp_path / "vault.key", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert Vault(KEY).open(vault.seal(b"x", b""), b"") == b"x"
    assert not (tmp_path / "vault.key").exists()


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be made: No such file or directory"):
        open_vault(tmp_path / "nowhere" / "vault.key", {})

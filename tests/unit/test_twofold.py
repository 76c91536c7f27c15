"""Two generations of a small file: whatever happens to one, the other is what was written last."""

import multiprocessing
import os
from pathlib import Path

import pytest

from edge.errors import VaultError
from edge.store import open_vault, twofold

OLD, NEW = b"old content\n", b"new content, longer\n"


def sound(data: bytes) -> bool:
    return len(data) > 5


def read(path: Path) -> bytes:
    return twofold.read(path, sound).data


def test_what_was_written_is_read_and_nothing_else_lies_about(tmp_path: Path) -> None:
    path = tmp_path / "key"
    twofold.write(path, OLD)
    twofold.write(path, NEW)
    assert read(path) == NEW
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["key", "key.copy"]
    assert path.read_bytes() == NEW, "as it is, for every other reader"
    assert {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "damage", ["gone", "zeros", "cut", "flipped", "empty", "copy gone", "copy flipped", "copy zeros"]
)
def test_OPS_1_one_damaged_generation_is_put_back_from_the_other(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    twofold.write(path, NEW)
    victim = twofold.copy_of(path) if damage.startswith("copy") else path
    raw = bytearray(victim.read_bytes())
    match damage.removeprefix("copy "):
        case "gone":
            victim.unlink()
        case "zeros":
            victim.write_bytes(bytes(len(raw)))
        case "cut":
            victim.write_bytes(raw[:4])
        case "empty":
            victim.write_bytes(b"")
        case "flipped":
            raw[-3] ^= 1
            victim.write_bytes(raw)
    with caplog.at_level("CRITICAL"):
        content = twofold.read(path, sound)
    assert content.data == NEW
    assert bool(content.notice) == (not damage.startswith("copy"))
    again = twofold.read(path, sound)
    assert (again.data, again.notice) == (NEW, "")
    assert twofold.copy_of(path).exists()


def test_what_was_there_before_it_was_put_back_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    twofold.write(path, NEW)
    path.write_bytes(b"something else")
    with caplog.at_level("CRITICAL"):
        read(path)
    assert (tmp_path / "key.odd").read_bytes() == b"something else"


def test_a_file_without_a_copy_gets_one_if_it_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"bad")
    assert read(path) == b"bad"
    assert not twofold.copy_of(path).exists()
    path.write_bytes(OLD)
    assert read(path) == OLD
    assert twofold.copy_of(path).exists()


def test_without_either_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "key")


@pytest.mark.parametrize("step", range(8))
def test_OPS_1_a_kill_at_any_step_of_writing_leaves_the_old_or_the_new(tmp_path: Path, step: int) -> None:
    path = tmp_path / "key"
    twofold.write(path, OLD)

    def dies(count: int) -> None:
        left = [count]
        really = os.fsync

        def fsync(handle: int) -> None:
            if left[0] == 0:
                os._exit(9)
            left[0] -= 1
            really(handle)

        os.fsync = fsync
        twofold.write(path, NEW)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=dies, args=(step,))
    process.start()
    process.join(60)
    assert process.exitcode == (9 if step < 4 else 0)
    found = read(path)
    assert found in (OLD, NEW)
    assert read(path) == found
    assert step < 2 or found == NEW


def test_PRIV_1_a_device_key_that_a_card_has_spoiled_is_put_back_and_everything_opens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "device.key"
    sealed = open_vault(path, {}).seal(b"template", b"")
    for spoiled in (b"", bytes(32), b"x" * 31, b"y" * 32):
        path.write_bytes(spoiled)
        with caplog.at_level("CRITICAL"):
            vault = open_vault(path, {})
        assert vault.open(sealed, b"") == b"template"
        assert "put back" in vault.notice
    path.unlink()
    with caplog.at_level("CRITICAL"):
        assert open_vault(path, {}).open(sealed, b"") == b"template"
    assert open_vault(path, {}).notice == ""


def test_a_key_of_zeros_without_a_copy_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(bytes(31))
    path.chmod(0o600)
    with pytest.raises(VaultError, match="has 31 bytes"):
        open_vault(path, {})
    assert not twofold.copy_of(path).exists()

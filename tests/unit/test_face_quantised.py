"""Networks in 8 bits: the same function, rounded; and ranges that fit the network they were made for."""

import numpy as np
import pytest

from models.face.dlib_convert import CEILING, recognition_network
from models.face.onnx_format import Network
from models.face.quantised import quantised, read_ranges, tensors_to_observe
from models.face.weights import RECOGNITION, find_weights
from models.runtime import open_session


def small_network() -> Network:
    """Everything that the recognition network is made of, once."""
    rng = np.random.default_rng(6)
    network = Network("small", inputs={"x": (1, 3, 16, 16)})

    def convolve(flow: str, channels: int, out: int) -> str:
        filters = network.constant(rng.normal(0, 0.3, (out, channels, 3, 3)).astype(np.float32))
        biases = network.constant(rng.normal(0, 0.3, out).astype(np.float32))
        return network.add(
            "Conv", [flow, filters, biases], kernel_shape=(3, 3), strides=(1, 1), pads=(1, 1, 1, 1)
        )

    first = network.add("Relu", [convolve(network.add("Transpose", ["x"], perm=(0, 1, 3, 2)), 3, 6)])
    pooled = network.add("MaxPool", [first], kernel_shape=(2, 2), strides=(2, 2))
    inner = convolve(network.add("Relu", [convolve(pooled, 6, 6)]), 6, 8)
    pads = network.constant(np.array([0, 0, 0, 0, 0, 2, 0, 0], np.int64))
    shortcut = network.add("Pad", [network.add("AveragePool", [pooled], kernel_shape=(1, 1)), pads])
    bounds = [network.constant(np.array(bound, np.float32)) for bound in (0.0, 2.0)]
    network.add("Clip", [network.add("Add", [inner, shortcut]), *bounds])
    network.add("ReduceMean", [network.nodes[-1].outputs[0]], axes=(2, 3), keepdims=0)
    network.rename_last("y")
    network.outputs["y"] = (1, 8)
    return network


def observed(network: Network, picture: np.ndarray) -> dict[str, tuple[float, float]]:
    names = tensors_to_observe(network)
    network.outputs |= {name: tuple(f"{name}{axis}" for axis in range(4)) for name in names}
    session = open_session(network.encode())
    made = dict(zip((output.name for output in session.outputs), session.run(picture), strict=True))
    return {name: (float(made[name].min()), float(made[name].max())) for name in names}


def test_the_rounded_network_says_nearly_the_same() -> None:
    rng = np.random.default_rng(7)
    pictures = [rng.uniform(-1, 1, (1, 3, 16, 16)).astype(np.float32) for _ in range(5)]
    exact = open_session(small_network().encode())
    rounded = open_session(quantised(small_network(), observed(small_network(), pictures[0])).encode())
    wanted = np.concatenate([exact.run(picture)[0] for picture in pictures])
    got = np.concatenate([rounded.run(picture)[0] for picture in pictures])
    assert np.abs(wanted - got).max() < 0.05 * np.ptp(wanted)
    assert np.abs(wanted - got).max() > 0, "it was not rounded at all"


def test_convolutions_in_front_of_a_relu_are_not_rounded_twice() -> None:
    network = small_network()
    kinds = {node.outputs[0]: node.kind for node in network.nodes}
    wanted = [kinds[name] for name in tensors_to_observe(network)]
    assert wanted == ["Transpose", "Relu", "Relu", "Conv", "AveragePool", "Clip"]


def test_a_missing_range_is_noticed() -> None:
    ranges = observed(small_network(), np.ones((1, 3, 16, 16), np.float32))
    ranges.popitem()
    with pytest.raises(KeyError):
        quantised(small_network(), ranges)


def test_the_shipped_ranges_are_those_of_the_capped_recognition_network() -> None:
    network = recognition_network(find_weights(RECOGNITION).read_bytes(), ceiling=CEILING)
    ranges = read_ranges()
    assert list(ranges) == tensors_to_observe(network)
    assert all(low <= 0 < high for low, high in ranges.values())
    (clip,) = (node for node in network.nodes if node.kind == "Clip")
    assert ranges[clip.outputs[0]] == (0.0, CEILING)

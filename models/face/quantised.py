"""A network in 8 bits: weights per filter, activations per tensor, as ONNX's QuantizeLinear pairs.

The runtime fuses each operation between such pairs into an integer one. The ranges of the activations were
observed on pictures once (tests/bench/faces_forms.py --ranges) and stand in ``ranges.json``; nothing is
observed or fitted at run time. Formulas: ONNX's operators QuantizeLinear-13 and DequantizeLinear-13.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.face.onnx_format import Network, Node

Range = tuple[float, float]
"""Least and greatest value of a tensor."""

RANGES_FILE = Path(__file__).resolve().parent / "ranges.json"
# Seven bits, not eight: without VNNI, x86 adds two products in 16 bits, which eight-bit weights overflow.
_WEIGHT_STEPS = 63
_STEPS = 255
_KEEPS_RANGE = frozenset({"MaxPool", "Pad"})
_ROUNDS_OFF = frozenset({"Relu", "Clip", "AveragePool", "Transpose"})


def read_ranges(path: Path = RANGES_FILE) -> dict[str, Range]:
    """Ranges of the activations of dlib's recognition network (capped), by tensor."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return {name: (float(low), float(high)) for name, (low, high) in table.items()}


def tensors_to_observe(network: Network) -> list[str]:
    """Names of the tensors whose ranges ``quantised`` wants, in their order."""
    followers = _followers(network)
    return [node.outputs[0] for node in network.nodes if _is_observed(node, followers)]


def quantised(network: Network, ranges: Mapping[str, Range]) -> Network:
    """Write a convolutional network down in 8 bits; what is not named in ``ranges`` stays as it is.

    Args:
        network: Of Conv, Relu, Clip, pools, Pad and Add; anything else stays in single precision.
        ranges: For each of ``tensors_to_observe``.

    Raises:
        KeyError: A range is missing.
    """
    made = Network(
        network.name, inputs=network.inputs, outputs=network.outputs, byte_inputs=network.byte_inputs
    )
    followers = _followers(network)
    steps: dict[str, tuple[float, int]] = {}  # scale and zero point of each tensor in 8 bits
    used = {name for node in network.nodes for name in node.inputs if name in network.constants}
    weights = {name for node in network.nodes if node.kind == "Conv" for name in node.inputs[1:3]}
    made.constants |= {name: network.constants[name] for name in used - weights}
    for node in network.nodes:
        inputs = [_eight(name) if name in steps else name for name in node.inputs]
        if node.kind == "Conv" and node.inputs[0] in steps:
            inputs[1:] = _weights(made, network, node, steps[node.inputs[0]][0])
        elif node.kind == "Conv":
            made.constants |= {name: network.constants[name] for name in node.inputs[1:]}
        made.nodes.append(Node(node.kind, inputs, node.outputs, node.attributes))
        output = node.outputs[0]
        if node.kind in _KEEPS_RANGE and node.inputs[0] in steps:
            steps[output] = steps[node.inputs[0]]
        elif _is_observed(node, followers):
            steps[output] = _steps(*ranges[output])
        if output in steps:
            _pair(made, output, *steps[output])
    return made


def _followers(network: Network) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in network.nodes:
        for name in node.inputs:
            found.setdefault(name, []).append(node.kind)
    return found


def _is_observed(node: Node, followers: Mapping[str, list[str]]) -> bool:
    """Rounding off between a convolution or a sum and the Relu behind it would only lose half the range."""
    if node.kind in _ROUNDS_OFF:
        return True
    return (
        node.kind == "Conv" and Counter(followers.get(node.outputs[0], ())).keys() - {"Relu", "Clip"} != set()
    )


def _steps(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point such that zero is exact: Relu and padding make much of it."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / _STEPS)) or 1.0
    return scale, round(-low / scale)


def _eight(name: str) -> str:
    return f"{name}_8"


def _pair(made: Network, name: str, scale: float, zero: int) -> None:
    scale_name = made.constant(np.array(scale, np.float32), f"{name}_scale")
    zero_name = made.constant(np.array(zero, np.uint8), f"{name}_zero")
    made.nodes.append(Node("QuantizeLinear", [name, scale_name, zero_name], [f"{name}_q"]))
    made.nodes.append(Node("DequantizeLinear", [f"{name}_q", scale_name, zero_name], [_eight(name)]))


def _weights(made: Network, network: Network, node: Node, input_scale: float) -> list[str]:
    """Filters in 8 bits and biases in 32, each with a scale of its own; names of both, dequantised."""
    filters, biases = (network.constants[name].astype(np.float64) for name in node.inputs[1:3])
    scales = np.abs(filters).reshape(len(filters), -1).max(axis=1) / _WEIGHT_STEPS
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    rounded = np.rint(filters / scales[:, None, None, None]).astype(np.int8)
    bias_scales = (scales * np.float32(input_scale)).astype(np.float32)
    whole = np.clip(np.rint(biases / bias_scales), -(2**31), 2**31 - 1).astype(np.int32)
    return [
        _constant_pair(made, node.inputs[1], rounded, scales),
        _constant_pair(made, node.inputs[2], whole, bias_scales),
    ]


def _constant_pair(made: Network, name: str, values: NDArray[np.integer], scales: NDArray[np.float32]) -> str:
    zeros = np.zeros(len(scales), values.dtype)
    inputs = [
        made.constant(values, f"{name}_q"),
        made.constant(scales, f"{name}_scale"),
        made.constant(zeros, f"{name}_zero"),
    ]
    made.nodes.append(Node("DequantizeLinear", inputs, [name], {"axis": 0}))
    return name

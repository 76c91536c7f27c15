"""Reads the layers of a network that dlib has saved, without dlib.

What is known of the format (dlib's serialize.h and dnn/layers.h, dnn/tensor.h):

- An integer is one byte (low half: how many bytes follow, top bit: negative) and its bytes, lowest first.
- A text is its length as such an integer and its bytes. Every layer begins with its name ("con_4").
- A tensor is a version (2), its four sizes as integers, and 32-bit floats, lowest byte first.
- A real number is a mantissa and an exponent of two, both integers.
- Layers stand in the order in which a picture passes through them. Between them lies bookkeeping of the
  training, which is skipped by looking for the next name; tensors are read whole, so that no name is ever
  looked for inside weights.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelMismatch

_HEADER = b"\x01\x01\x01"  # version of the network, then whether its loss layer has been set up
_TENSOR_VERSION = 2
_ALIAS_INTEGERS = 5  # an alias of a part of a tensor: a version and four sizes
_NEGATIVE = 0x80
_MOST_NUMBERS = 1 << 26  # no tensor of a network of this kind comes near 64 million numbers
# Name in the file, our kind, how many integers that matter follow. Tensors stand first in con and affine
# layers and last in fc layers.
_KINDS = {
    b"con_4": ("con", 7),
    b"affine_": ("affine", 0),
    b"bn_con2": ("affine", 0),
    b"fc_2": ("fc", 2),
    b"relu_": ("relu", 0),
    b"max_pool_2": ("max_pool", 6),
    b"avg_pool_2": ("avg_pool", 6),
    b"add_prev_": ("add_prev", 0),
}
_NEXT_NAME = re.compile(b"|".join(re.escape(bytes((1, len(name))) + name) for name in _KINDS))


@dataclass(frozen=True, slots=True, eq=False)
class DlibLayer:
    """One layer. Batch normalisation is read as the affine layer that it is outside training.

    Attributes:
        kind: con, affine, fc, relu, max_pool, avg_pool or add_prev.
        numbers: The integers that describe it. con: filters, rows, columns, stride down and across, padding
            down and across. Pools: rows, columns, and the same four (0 rows: the whole picture). fc: outputs,
            inputs.
        weights: All its weights in one row: filters then biases, factors then summands; empty without any.
    """

    kind: str
    numbers: tuple[int, ...]
    weights: NDArray[np.float32]


def read_layers(name: str, content: bytes) -> list[DlibLayer]:
    """Read the layers of a saved network, input first.

    Args:
        name: What errors call it.
        content: The whole file.

    Raises:
        ModelMismatch: Cut off, or no network saved by dlib.
    """
    if not content.startswith(_HEADER):
        raise ModelMismatch(name, "is no network saved by dlib: it begins with other bytes")
    reader = _Reader(name, content)
    layers = []
    while (found := _NEXT_NAME.search(content, reader.at)) is not None:
        name_in_file = found[0][2:]
        kind, count = _KINDS[name_in_file]
        reader.at = found.end()
        weights = np.empty(0, np.float32)
        if name_in_file == b"bn_con2":
            weights = _normalisation(reader)
        elif kind in {"con", "affine"}:
            weights = reader.tensor()
        numbers = tuple(reader.integer() for _ in range(count))
        if kind == "fc":
            weights = reader.tensor()
        layers.append(DlibLayer(kind, numbers, weights))
    if not layers:
        raise ModelMismatch(name, "holds no layers: it is cut off, or no network saved by dlib")
    return layers


class LayersInTurn:
    """The layers still to come; asks for each kind in turn, so that another network is noticed at once."""

    def __init__(self, name: str, layers: list[DlibLayer]) -> None:
        self._name = name
        self._layers = layers
        self._at = 0

    def next_kind(self) -> str:
        """Kind of the next layer, "end" when there is none."""
        return self._layers[self._at].kind if self._at < len(self._layers) else "end"

    def take(self, kind: str) -> DlibLayer:
        """The next layer.

        Raises:
            ModelMismatch: It is of another kind.
        """
        found = self.next_kind()
        if found != kind:
            raise ModelMismatch(
                self._name,
                f"is cut off or another network: layer {self._at} is {found}, {kind} was expected",
            )
        self._at += 1
        return self._layers[self._at - 1]

    def convolution(self, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64], DlibLayer]:
        """The next convolution, with the affine layer after it (if there is one) folded in.

        Returns:
            Filters (out, in, rows, columns), biases (out,), and the layer itself.

        Raises:
            ModelMismatch: Another kind, or other sizes.
        """
        layer = self.take("con")
        out, rows, columns, *_ = layer.numbers
        weights = layer.weights.astype(np.float64)
        if weights.size != out * (channels * rows * columns + 1):
            raise ModelMismatch(self._name, f"is another network: layer {self._at} has other sizes")
        filters, biases = weights[:-out].reshape(out, channels, rows, columns), weights[-out:]
        if self.next_kind() != "affine":
            return filters, biases, layer
        affine = self.take("affine").weights.astype(np.float64)
        if affine.size != 2 * out:
            raise ModelMismatch(self._name, f"is another network: layer {self._at} has other sizes")
        factors, summands = affine.reshape(2, out)
        return filters * factors[:, None, None, None], biases * factors + summands, layer


def read_numbers(name: str, content: bytes, layer: bytes, kinds: str) -> tuple[float, ...]:
    """Read what stands behind the name of a layer that is none of the above: a loss or an input layer.

    Args:
        name: What errors call the file.
        content: The whole file.
        layer: Its name in the file.
        kinds: One letter for each number, ``i`` for an integer, ``r`` for a real number.

    Raises:
        ModelMismatch: No such layer, or cut off.
    """
    found = content.find(bytes((1, len(layer))) + layer)
    if found < 0:
        raise ModelMismatch(name, f"has no layer {layer.decode()}: it is cut off, or another network")
    reader = _Reader(name, content)
    reader.at = found + 2 + len(layer)
    return tuple(reader.real() if kind == "r" else reader.integer() for kind in kinds)


def _normalisation(reader: "_Reader") -> NDArray[np.float32]:
    """Factors and summands of a batch normalisation, from what training saw (dnn/layers.h, bn_)."""
    both = reader.tensor().astype(np.float64)
    for _ in range(2 * _ALIAS_INTEGERS):
        reader.integer()
    for _ in range(2):  # means and deviations of the last batch
        reader.tensor()
    means, variances = reader.tensor().astype(np.float64), reader.tensor().astype(np.float64)
    if not both.size == 2 * means.size == 2 * variances.size:
        raise ModelMismatch(reader.name, f"normalisation of {both.size} numbers at byte {reader.at}: damaged")
    for _ in range(2):  # how many updates there were, and how many count
        reader.integer()
    for _ in range(4):  # learning rates and weight decays
        reader.real()
    factors = both[: means.size] / np.sqrt(np.abs(variances) + abs(reader.real()) + 1e-30)
    return np.concatenate([factors, both[means.size :] - factors * means]).astype(np.float32)


class _Reader:
    """Reads on from ``at``."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self._content = content
        self.at = len(_HEADER)

    def real(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError as error:
            raise ModelMismatch(self.name, f"number at byte {self.at}: the file is damaged") from error

    def integer(self) -> int:
        head = self._take(1)[0]
        value = int.from_bytes(self._take(head & 0x0F), "little")
        return -value if head & _NEGATIVE else value

    def tensor(self) -> NDArray[np.float32]:
        version = self.integer()
        if version != _TENSOR_VERSION:
            raise ModelMismatch(
                self.name, f"tensor of version {version} at byte {self.at}: unknown or damaged"
            )
        sizes = [self.integer() for _ in range(4)]
        count = math.prod(sizes)
        if not 0 < count <= _MOST_NUMBERS:
            raise ModelMismatch(
                self.name, f"tensor of {sizes} numbers at byte {self.at}: the file is damaged"
            )
        return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._content):
            raise ModelMismatch(
                self.name, f"is cut off: it ends at byte {len(self._content)}, {end} are needed"
            )
        taken = self._content[self.at : end]
        self.at = end
        return taken

"""Reads the layers of a network that dlib has saved, without dlib.

What is known of the format (dlib's serialize.h and dnn/layers.h, dnn/tensor.h):

- An integer is one byte (low half: how many bytes follow, top bit: negative) and its bytes, lowest first.
- A text is its length as such an integer and its bytes. Every layer begins with its name ("con_4").
- A tensor is a version (2), its four sizes as integers, and 32-bit floats, lowest byte first.
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
_NEGATIVE = 0x80
_MOST_NUMBERS = 1 << 26  # no tensor of a network of this kind comes near 64 million numbers
# Name in the file, our kind, how many integers that matter follow. Tensors stand first in con and affine
# layers and last in fc layers.
_KINDS = {
    b"con_4": ("con", 7),
    b"affine_": ("affine", 0),
    b"fc_2": ("fc", 2),
    b"relu_": ("relu", 0),
    b"max_pool_2": ("max_pool", 6),
    b"avg_pool_2": ("avg_pool", 6),
    b"add_prev_": ("add_prev", 0),
}
_NEXT_NAME = re.compile(b"|".join(re.escape(bytes((1, len(name))) + name) for name in _KINDS))


@dataclass(frozen=True, slots=True, eq=False)
class DlibLayer:
    """One layer.

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
        kind, count = _KINDS[found[0][2:]]
        reader.at = found.end()
        weights = np.empty(0, np.float32)
        if kind in {"con", "affine"}:
            weights = reader.tensor()
        numbers = tuple(reader.integer() for _ in range(count))
        if kind == "fc":
            weights = reader.tensor()
        layers.append(DlibLayer(kind, numbers, weights))
    if not layers:
        raise ModelMismatch(name, "holds no layers: it is cut off, or no network saved by dlib")
    return layers


class _Reader:
    """Reads on from ``at``."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name = name
        self._content = content
        self.at = len(_HEADER)

    def integer(self) -> int:
        head = self._take(1)[0]
        value = int.from_bytes(self._take(head & 0x0F), "little")
        return -value if head & _NEGATIVE else value

    def tensor(self) -> NDArray[np.float32]:
        version = self.integer()
        if version != _TENSOR_VERSION:
            raise ModelMismatch(
                self._name, f"tensor of version {version} at byte {self.at}: unknown or damaged"
            )
        sizes = [self.integer() for _ in range(4)]
        count = math.prod(sizes)
        if not 0 < count <= _MOST_NUMBERS:
            raise ModelMismatch(
                self._name, f"tensor of {sizes} numbers at byte {self.at}: the file is damaged"
            )
        return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._content):
            raise ModelMismatch(
                self._name, f"is cut off: it ends at byte {len(self._content)}, {end} are needed"
            )
        taken = self._content[self.at : end]
        self.at = end
        return taken

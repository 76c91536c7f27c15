"""Writes and edits ONNX files without the onnx package.

Why: the package would be the heaviest thing the daemon installs, for one file written once. An ONNX file is a
protobuf message; of the wire format (protobuf.dev, "Encoding") two forms matter here, varint and
length-delimited. The field numbers below are those of onnx.proto (IR version 8).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_IR_VERSION = 8
_OPSET = 13
_TENSOR_FLOAT, _TENSOR_BYTE = 1, 2  # TensorProto.DataType
_TENSOR_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "float16": 10}
_AS_FLOAT, _AS_INT, _AS_INTS = 1, 2, 7  # AttributeProto.AttributeType
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types
_GRAPH = 7  # ModelProto
_GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_INNER_SHAPES = 11, 12, 13  # GraphProto

Constant = NDArray[Any]
"""Of float32, float16, uint8, int8, int32 or int64."""

Sizes = Sequence[int | str]
"""Sizes of a tensor; a name stands for a size that is free."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: its ONNX name, the tensors it takes and makes, its attributes."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, int | float | Sequence[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Network:
    """A network being put together; ``encode`` gives the file's bytes.

    Attributes:
        name: Of the graph.
        nodes: Operations, each after those whose outputs it takes.
        constants: Weights by name.
        inputs, outputs: Sizes by name. Single precision floats, except ``byte_inputs`` (uint8).
    """

    name: str
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Constant] = field(default_factory=dict)
    inputs: dict[str, Sizes] = field(default_factory=dict)
    byte_inputs: frozenset[str] = frozenset()
    outputs: dict[str, Sizes] = field(default_factory=dict)

    def add(self, kind: str, inputs: Sequence[str], **attributes: int | float | Sequence[int]) -> str:
        """Append one operation with one output and return that output's name."""
        made = f"t{len(self.nodes)}"
        self.nodes.append(Node(kind, inputs, [made], attributes))
        return made

    def constant(self, values: Constant, name: str = "") -> str:
        """Add a constant and return its name."""
        name = name or f"c{len(self.constants)}"
        self.constants[name] = values
        return name

    def rename_last(self, name: str) -> None:
        """Give the output of the operation added last another name: that of an output of the network."""
        last = self.nodes[-1]
        self.nodes[-1] = Node(last.kind, last.inputs, [name], last.attributes)

    def encode(self) -> bytes:
        """The ONNX file: ModelProto with one GraphProto."""
        graph = b"".join(
            (
                *(_bytes(1, _node(node)) for node in self.nodes),
                _bytes(2, self.name.encode()),
                *(_bytes(5, _tensor(name, values)) for name, values in self.constants.items()),
                *(
                    _bytes(
                        _GRAPH_INPUT,
                        _value_info(name, sizes, _TENSOR_BYTE if name in self.byte_inputs else _TENSOR_FLOAT),
                    )
                    for name, sizes in self.inputs.items()
                ),
                *(_bytes(_GRAPH_OUTPUT, _value_info(name, sizes)) for name, sizes in self.outputs.items()),
            )
        )
        opset = _bytes(1, b"") + _integer(2, _OPSET)
        return _integer(1, _IR_VERSION) + _bytes(2, b"gatehouse") + _bytes(_GRAPH, graph) + _bytes(8, opset)


def free_input_sizes(model: bytes, sizes: Sizes) -> bytes:
    """Let a fully convolutional network take pictures of any size.

    Args:
        model: ONNX file whose only input was written down with fixed sizes.
        sizes: The sizes the input shall have.

    Returns:
        The same network; sizes of inner and outgoing tensors, which no longer hold, are left out.

    Raises:
        ValueError: The bytes are no protobuf message.
    """
    edited = bytearray()
    for number, wire, content in _fields(model):
        edited += _raw(number, wire, _free_graph(content, sizes) if number == _GRAPH else content)
    return bytes(edited)


def _free_graph(graph: bytes, sizes: Sizes) -> bytes:
    edited = bytearray()
    for number, wire, content in _fields(graph):
        if number == _GRAPH_INNER_SHAPES:
            continue
        if number in {_GRAPH_INPUT, _GRAPH_OUTPUT}:
            name = next(value for key, _, value in _fields(content) if key == 1).decode()
            content = _value_info(name, sizes if number == _GRAPH_INPUT else None)
        edited += _raw(number, wire, content)
    return bytes(edited)


def _node(node: Node) -> bytes:
    return b"".join(
        (
            *(_bytes(1, name.encode()) for name in node.inputs),
            *(_bytes(2, name.encode()) for name in node.outputs),
            _bytes(3, f"{node.kind}_{node.outputs[0]}".encode()),
            _bytes(4, node.kind.encode()),
            *(_bytes(5, _attribute(name, value)) for name, value in node.attributes.items()),
        )
    )


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    head = _bytes(1, name.encode())
    if isinstance(value, int):
        return head + _integer(3, value) + _integer(20, _AS_INT)
    if isinstance(value, float):
        return head + _raw(2, _FIXED32, np.float32(value).tobytes()) + _integer(20, _AS_FLOAT)
    return head + b"".join(_integer(8, item) for item in value) + _integer(20, _AS_INTS)


def _tensor(name: str, values: Constant) -> bytes:
    kind = _TENSOR_TYPES[values.dtype.name]
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    sizes = b"".join(_integer(1, size) for size in values.shape)
    return sizes + _integer(2, kind) + _bytes(8, name.encode()) + _bytes(9, little.tobytes())


def _value_info(name: str, sizes: Sizes | None, kind: int = _TENSOR_FLOAT) -> bytes:
    shape = b""
    if sizes is not None:
        dimensions = (
            _bytes(2, size.encode()) if isinstance(size, str) else _integer(1, size) for size in sizes
        )
        shape = _bytes(2, b"".join(_bytes(1, dimension) for dimension in dimensions))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _integer(1, kind) + shape))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as 64-bit two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _raw(number: int, wire: int, content: bytes) -> bytes:
    """One field whose content is already encoded (a varint's content is its own bytes)."""
    return _bytes(number, content) if wire == _LENGTH else _varint(number << 3 | wire) + content


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Field number, wire type and undecoded content of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            end = _read_varint(message, at)[1]
        elif wire == _LENGTH:
            size, at = _read_varint(message, at)
            end = at + size
        elif wire in {_FIXED32, _FIXED64}:
            end = at + (4 if wire == _FIXED32 else 8)
        else:
            raise ValueError(f"wire type {wire} at byte {at}: no ONNX file")
        if end > len(message) or number == 0:
            raise ValueError(f"field at byte {at} reaches over the end: no ONNX file, or cut off")
        yield number, wire, message[at:end]
        at = end


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"number at byte {at} has no end: no ONNX file, or cut off")

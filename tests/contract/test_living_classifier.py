"""A classifier of the user's own: pinned by its checksum, and the way it wants its picture is kept."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.settings import LivenessModel
from edge.vision.senses import open_classifier
from models.errors import InferenceFailed, ModelMismatch, ModelNotFound
from models.face.living import LivingClassifier, LivingInput
from models.face.onnx_format import Network

SIDE = 32
WANTS = LivingInput(SIDE, live_class=1, crop=2.0)
BOX = (60.0, 60.0, 100.0, 100.0)


def network(weights: np.ndarray, *, softmax: bool = False) -> bytes:
    """Means of the three colours times weights (3, classes): enough to see what it is given."""
    net = Network(
        "living", inputs={"picture": (1, 3, SIDE, SIDE)}, outputs={"classes": (1, weights.shape[1])}
    )
    means = net.add("GlobalAveragePool", ["picture"])
    row = net.add("Flatten", [means])
    net.add("MatMul", [row, net.constant(weights.astype(np.float32))])
    if softmax:
        net.add("Softmax", [net.nodes[-1].outputs[0]], axis=1)
    net.rename_last("classes")
    return net.encode()


REDNESS = np.array([[0.0, -0.05], [0.0, -0.05], [0.0, 0.1]])
"""Class 1 wins by what channel 2 has more than the others."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "living.onnx"
    path.write_bytes(network(REDNESS))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def picture(bgr: tuple[int, int, int], around: tuple[int, int, int] = (128, 128, 128)) -> np.ndarray:
    image = np.full((160, 160, 3), around, np.uint8)
    image[40:120, 40:120] = bgr
    return image


def test_it_scores_what_it_is_shown_as_a_probability(model: Path) -> None:
    classifier = LivingClassifier(model, digest(model), WANTS)
    red, blue = (classifier.score(picture(colour), BOX) for colour in ((40, 40, 240), (240, 40, 40)))
    assert red > 0.99
    assert blue < 0.01
    assert classifier.score(picture((90, 90, 90)), BOX) == pytest.approx(0.5, abs=0.01)


def test_colours_crop_and_scale_are_as_the_configuration_says(model: Path) -> None:
    swapped = LivingClassifier(model, digest(model), replace(WANTS, is_rgb=True))
    assert swapped.score(picture((240, 40, 40)), BOX) > 0.99
    scaled = LivingClassifier(model, digest(model), replace(WANTS, mean=127.5, scale=1 / 255))
    assert 0.5 < scaled.score(picture((40, 40, 240)), BOX) < 0.6
    wide = LivingClassifier(model, digest(model), replace(WANTS, crop=4.0))
    inner, outer = picture((40, 40, 240)), picture((40, 40, 240), around=(240, 40, 40))
    assert wide.score(outer, BOX) < 0.1 < wide.score(inner, BOX)


def test_the_other_class_and_a_network_that_gives_probabilities(tmp_path: Path) -> None:
    path = tmp_path / "soft.onnx"
    path.write_bytes(network(REDNESS, softmax=True))
    for live_class, expected in ((1, 1.0), (0, 0.0)):
        classifier = LivingClassifier(path, digest(path), replace(WANTS, live_class=live_class))
        assert classifier.score(picture((40, 40, 240)), BOX) == pytest.approx(expected, abs=0.01)


def test_a_face_at_the_edge_of_the_picture_is_scored_too(model: Path) -> None:
    classifier = LivingClassifier(model, digest(model), WANTS)
    for box in ((-20.0, -20.0, 20.0, 20.0), (140.0, 140.0, 200.0, 200.0)):
        assert 0.0 <= classifier.score(picture((40, 40, 240)), box) <= 1.0


def test_another_file_another_size_or_no_file_is_refused_with_a_name(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch, match="has SHA-256"):
        LivingClassifier(model, "0" * 64, WANTS)
    with pytest.raises(ModelMismatch, match="takes"):
        LivingClassifier(model, digest(model), replace(WANTS, input_px=64))
    with pytest.raises(ModelMismatch, match="2 classes, and none is 7"):
        LivingClassifier(model, digest(model), replace(WANTS, live_class=7))
    with pytest.raises(ModelNotFound, match="no such file"):
        LivingClassifier(tmp_path / "gone.onnx", "0" * 64, WANTS)


def test_a_network_that_gives_no_numbers_is_an_error_and_not_a_face(tmp_path: Path) -> None:
    path = tmp_path / "wild.onnx"
    path.write_bytes(network(np.full((3, 2), np.inf)))
    with pytest.raises(InferenceFailed, match="no numbers"):
        LivingClassifier(path, digest(path), WANTS).score(picture((1, 2, 3)), BOX)


def test_it_is_opened_as_the_configuration_names_it(model: Path) -> None:
    given = LivenessModel(path=model, sha256=digest(model), input_px=SIDE, live_class=1, crop=2.0)
    classifier = open_classifier(given)
    assert classifier is not None
    assert classifier.score(picture((40, 40, 240)), BOX) > 0.99
    assert open_classifier(None) is None

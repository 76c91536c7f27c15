"""The evidence picture."""

import cv2
import numpy as np
import pytest

from edge.records import Box
from edge.vision.crops import LONGEST_PX, MOST_BYTES, cut


def opened(crop: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)


def test_the_crop_shows_the_box_with_its_margin() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    image[100:200, 300:400] = 255
    crop = opened(cut(image, Box(300, 100, 400, 200), 0.5))
    assert crop.shape == (200, 200, 3)
    assert crop[100, 100].min() > 240
    assert crop[10, 10].max() < 15


def test_noise_in_full_size_still_fits() -> None:
    image = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    crop = cut(image, Box(0, 0, 1920, 1080), 0.1)
    assert 0 < len(crop) <= MOST_BYTES
    assert max(opened(crop).shape) == LONGEST_PX


def test_a_box_over_the_edge_is_cut_at_the_edge() -> None:
    image = np.full((100, 100, 3), 90, np.uint8)
    assert opened(cut(image, Box(-50, -50, 20, 20), 0.0)).shape == (20, 20, 3)


@pytest.mark.parametrize("box", [Box(200, 0, 250, 50), Box(-50, -50, -1, -1), Box(10, 10, 10, 10)])
def test_a_box_without_content_gives_no_crop(box: Box) -> None:
    assert cut(np.zeros((100, 100, 3), np.uint8), box, 0.0) == b""

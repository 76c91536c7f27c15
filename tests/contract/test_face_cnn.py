"""The converted convolutional detector against dlib's own: the same boxes, the same scores."""

from pathlib import Path

import dlib
import matplotlib as mpl
import numpy as np
import pytest
import skimage

from models.errors import ModelMismatch
from models.face import load_picture, open_detector
from models.face.cnn import CnnDetector, lay_tiles
from models.face.mmod_convert import convert_detector
from models.face.pictures import resize_picture
from models.face.weights import CNN_DETECTOR, RECOGNITION, find_weights
from models.results import BgrImage


@pytest.fixture(scope="module")
def weights() -> bytes:
    return find_weights(CNN_DETECTOR).read_bytes()


@pytest.fixture(scope="module")
def theirs() -> object:
    return dlib.cnn_face_detection_model_v1(str(find_weights(CNN_DETECTOR)))


def portraits() -> list[BgrImage]:
    """Public-domain faces, also cut so that they touch an edge, and of several sizes."""
    astronaut = load_picture(Path(skimage.__file__).parent / "data" / "astronaut.png")
    officer = load_picture(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    return [
        astronaut[40:240, 120:330],
        astronaut[88:240, 120:330],
        astronaut[:160, 100:300],
        resize_picture(officer, 300, 352),
        resize_picture(officer, 241, 283),
    ]


@pytest.mark.parametrize("number", range(5))
def test_boxes_and_scores_are_dlibs_own(theirs: object, number: int) -> None:
    image = np.ascontiguousarray(portraits()[number])
    wanted = theirs(np.ascontiguousarray(image[:, :, ::-1]), 0)  # type: ignore[operator]
    found = open_detector("cnn", min_face_px=80).detect(image)
    assert len(found) == len(wanted) >= 1
    for ours, other in zip(found, sorted(wanted, key=lambda one: -one.confidence), strict=True):
        box = (ours.left, ours.top, ours.right - 1, ours.bottom - 1)
        rectangle = other.rect
        assert box == (rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom())
        assert ours.score == pytest.approx(other.confidence, abs=2e-3)


def test_a_larger_smallest_face_is_looked_for_in_a_smaller_picture() -> None:
    image = portraits()[0]
    (near,) = CnnDetector(min_face_px=80).detect(image)
    assert 70 < near.bottom - near.top < 110
    assert CnnDetector(min_face_px=200).detect(image) == []


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (31, 500), (500, 31), (5, 5), (250, 250)])
def test_the_levels_of_a_pyramid_lie_apart_inside_their_picture(size: tuple[int, int]) -> None:
    tiles, rows, columns = lay_tiles(*size)
    assert (tiles[0].height, tiles[0].width) == size
    taken = np.zeros((rows, columns), np.uint8)
    for tile in tiles:
        assert 11 <= tile.left <= columns - 11 - tile.width
        assert 11 <= tile.top <= rows - 11 - tile.height
        taken[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert taken.max() == 1


@pytest.mark.parametrize("kept", [3, 50, 140, 6_000, 400_000, 729_000])
def test_weights_that_are_cut_off_anywhere_are_refused(weights: bytes, kept: int) -> None:
    with pytest.raises(ModelMismatch, match=r"cut off|no network"):
        convert_detector(weights[:kept])


def test_another_network_of_dlib_is_no_detector() -> None:
    with pytest.raises(ModelMismatch, match="has no layer loss_mmod_"):
        convert_detector(find_weights(RECOGNITION).read_bytes())

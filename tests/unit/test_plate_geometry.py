"""Quadrilaterals of plates, and the choice of a reader."""

from pathlib import Path

import numpy as np
import pytest

from models.plate.geometry import (
    around_both,
    box_iou,
    cut_upright,
    grow,
    part,
    part_of_plate,
    quad_size,
    stretch,
)
from models.plate.reader import OWN_WEIGHTS, own_weights_present

SQUARE_ON = np.array([[10, 20], [110, 20], [110, 50], [10, 50]], np.float32)


def test_the_size_is_that_of_the_longer_sides() -> None:
    assert quad_size(SQUARE_ON) == (100.0, 30.0)
    assert quad_size(np.array([[0, 0], [90, 10], [100, 50], [0, 40]], np.float32))[0] == pytest.approx(
        100.5, abs=0.1
    )


def test_growing_and_shrinking_by_the_same_amount_comes_back() -> None:
    grown = grow(SQUARE_ON, 0.1, 0.2)
    assert grown.tolist() == [[4, 17], [116, 17], [116, 53], [4, 53]]
    back = stretch(grown, -6 / 36, -6 / 36, -3 / 36)
    assert np.allclose(back, SQUARE_ON, atol=1e-4)


def test_a_part_follows_the_slant_of_its_quadrilateral() -> None:
    slanted = np.array([[0, 0], [100, 20], [100, 60], [0, 40]], np.float32)
    lower = part(slanted, 0.0, 0.5, 1.0, 1.0)
    assert lower.tolist() == [[0, 20], [100, 40], [100, 60], [0, 40]]
    above = part(slanted, 0.0, -0.5, 1.0, 0.0)
    assert above.tolist() == [[0, -20], [100, 0], [100, 20], [0, 0]]


def test_two_rows_are_as_wide_as_the_lower_and_reach_to_the_top_of_the_upper() -> None:
    upper = np.array([[40, 5], [80, 5], [80, 18], [40, 18]], np.float32)
    assert around_both(upper, SQUARE_ON).tolist() == [[10, 5], [110, 5], [110, 50], [10, 50]]


def test_a_cut_is_upright_and_shows_the_plate() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:50, 10:110] = (10, 20, 30)
    cut = cut_upright(picture, SQUARE_ON)
    assert cut.shape == (30, 100, 3)
    assert (cut[5:25, 5:95] == (10, 20, 30)).all()


def test_overlap_of_boxes() -> None:
    assert box_iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 10, 10), (20, 0, 30, 10)) == 0.0


def test_the_own_reader_is_chosen_only_when_the_manifest_and_both_files_are_there(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.toml"
    assert not own_weights_present(manifest)
    entries = [
        f'[model.{name}]\nfile = "{name}.onnx"\nbytes = 1\nsha256 = "{"0" * 64}"\n'
        'licence = "Apache-2.0"\nsource = "own"\n'
        for name in OWN_WEIGHTS
    ]
    manifest.write_text("\n".join(entries), "utf-8")
    assert not own_weights_present(manifest)
    for name in OWN_WEIGHTS:
        (tmp_path / f"{name}.onnx").write_bytes(b"x")
    assert own_weights_present(manifest)


def test_a_part_of_a_plate_seen_in_perspective_is_the_part_of_the_plate() -> None:
    # A plate 2 wide and 1 high, its right side twice as far away.
    seen = np.array([(0, 0), (100, 20), (100, 60), (0, 80)], np.float32)
    middle = part_of_plate(seen, 0.0, 0.0, 0.5, 1.0)
    assert middle[1][0] == pytest.approx(200 / 3, abs=0.1)  # nearer to the far side than the half
    assert part_of_plate(seen, 0.0, 0.0, 1.0, 1.0) == pytest.approx(seen, abs=1e-3)
    flat = np.array([(0, 0), (200, 0), (200, 100), (0, 100)], np.float32)
    assert part_of_plate(flat, 0.2, 0.1, 0.8, 0.4) == pytest.approx(part(flat, 0.2, 0.1, 0.8, 0.4), abs=1e-3)

"""Figures about faces, on numbers whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import PictureUnusable
from models.face import Gallery
from models.face.evaluation import identify, read_pairs, verify


def test_perfectly_separated_pairs_score_all() -> None:
    distances = np.tile([0.2, 0.3, 0.7, 0.9], 10)
    same = distances < 0.5
    result = verify(distances, same, np.repeat(np.arange(10), 4))
    assert result.accuracy == 1.0
    assert result.area == 1.0
    assert result.hits_at == {"0.01": 1.0, "0.001": 1.0}
    assert result.as_dict()["pairs"] == 40


def test_a_pair_that_could_not_be_compared_counts_against_the_engine() -> None:
    distances = np.tile([0.2, np.inf, 0.7, 0.9], 10)
    same = np.tile([True, True, False, False], 10)
    result = verify(distances, same, np.repeat(np.arange(10), 4))
    assert result.accuracy == 0.75
    assert result.hits_at["0.01"] == 0.5
    assert result.area == pytest.approx(0.5)


def test_overlapping_pairs_give_the_textbook_area() -> None:
    rng = np.random.default_rng(2)
    distances = np.concatenate([rng.normal(0.0, 1.0, 4000), rng.normal(2.0, 1.0, 4000)])
    same = np.arange(8000) < 4000
    result = verify(distances, same, np.arange(8000) % 10)
    assert result.area == pytest.approx(0.9214, abs=0.01)  # normal distribution function at sqrt(2)
    assert result.accuracy == pytest.approx(0.8413, abs=0.01)  # at 1


def test_strangers_set_the_threshold_and_wrong_names_are_no_hits() -> None:
    axis = np.eye(4, dtype=np.float32)
    gallery = Gallery.build("test", [("a", axis[0]), ("b", axis[1]), ("c", axis[2])])
    near = [("a", axis[0] * 0.9), ("b", axis[1] * 0.9), ("c", axis[2] * 0.5), ("c", axis[0] * 0.95)]
    strangers = [axis[3] * 0.3 + axis[0] * 0.6 for _ in range(200)]
    result = identify(gallery, near, strangers, lambda match: match.distance, failed_residents=1)
    assert result.residents == 5
    assert result.strangers == 200
    # The strangers come to 0.5; two residents lie at 0.1, "c" at 0.5 is not nearer, and one is misnamed.
    assert result.named_at == {"0.01": 0.4, "0.001": 0.4}
    assert result.named_nearest == pytest.approx(3 / 5)


def test_the_pair_list_of_lfw_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("2\t1\nAnn\t1\t4\nAnn\t1\tBob\t2\nBob\t1\t3\nAnn\t2\tCid\t1\n", encoding="utf-8")
    pairs = read_pairs(path, Path("lfw"))
    assert [(pair.same, pair.fold) for pair in pairs] == [(True, 0), (False, 0), (True, 1), (False, 1)]
    assert pairs[1].second == Path("lfw/Bob/Bob_0002.jpg")
    path.write_text("Ann\tx\t4\n", encoding="utf-8")
    with pytest.raises(PictureUnusable, match="pair 1 is no pair"):
        read_pairs(path, Path("lfw"))

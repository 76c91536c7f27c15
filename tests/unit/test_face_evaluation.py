"""Figures about faces, on numbers whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import PictureUnusable
from models.face import FaceMatch
from models.face.evaluation import identify, verify
from models.face.pairs import draw_pairs, read_pairs


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
    def match(subject: str, distance: float) -> FaceMatch:
        return FaceMatch(subject, distance)

    residents = [
        ("a", match("a", 0.1)),
        ("b", match("b", 0.1)),
        ("c", match("c", 0.5)),
        ("c", match("a", 0.05)),
    ]
    strangers = [match("a", 0.5) for _ in range(200)]
    result = identify(residents, strangers, lambda found: found.distance, failed_residents=1)
    assert result.residents == 5
    assert result.strangers == 200
    # The strangers come to 0.5; two residents lie at 0.1, "c" at 0.5 is not nearer, and one is misnamed.
    assert result.named_at == {"0.01": 0.4, "0.001": 0.4}
    assert result.named_nearest == pytest.approx(3 / 5)
    assert dict(result.curve)[0.01] == 0.4


def test_a_match_without_a_score_and_an_empty_gallery_are_refusals() -> None:
    alone = FaceMatch("a", 0.1)  # nobody else is enrolled: no neighbourhood
    result = identify([("a", alone)], [FaceMatch(None)], lambda found: found.score)
    assert result.named_at == {"0.01": 0.0, "0.001": 0.0}


def test_a_drawn_pair_list_is_always_the_same_and_nobody_is_in_two_folds(tmp_path: Path) -> None:
    people = {
        f"p{number}": [Path(f"p{number}/p{number}_{picture:04d}.jpg") for picture in range(1, 2 + number % 4)]
        for number in range(60)
    }
    text = draw_pairs(people, 5, 8, seed=3)
    assert text == draw_pairs(dict(reversed(people.items())), 5, 8, seed=3)
    assert text != draw_pairs(people, 5, 8, seed=4)
    path = tmp_path / "pairs.txt"
    path.write_text(text, encoding="utf-8")
    pairs = read_pairs(path, Path())
    assert [sum(pair.same for pair in pairs if pair.fold == fold) for fold in range(5)] == [8] * 5
    assert len(pairs) == 80
    seen: dict[str, int] = {}
    for pair in pairs:
        assert pair.first != pair.second
        assert pair.same == (pair.first.parent == pair.second.parent)
        assert {pair.first, pair.second} <= {picture for own in people.values() for picture in own}
        for name in (pair.first.parent.name, pair.second.parent.name):
            assert seen.setdefault(name, pair.fold) == pair.fold
    with pytest.raises(PictureUnusable, match="too few for 40 folds"):
        draw_pairs(people, 40, 8, seed=3)
    with pytest.raises(PictureUnusable, match="is not named x_0001"):
        draw_pairs({"x": [Path("x/one.jpg")]}, 1, 1, seed=1)


def test_the_pair_list_of_lfw_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("2\t1\nAnn\t1\t4\nAnn\t1\tBob\t2\nBob\t1\t3\nAnn\t2\tCid\t1\n", encoding="utf-8")
    pairs = read_pairs(path, Path("lfw"))
    assert [(pair.same, pair.fold) for pair in pairs] == [(True, 0), (False, 0), (True, 1), (False, 1)]
    assert pairs[1].second == Path("lfw/Bob/Bob_0002.jpg")
    path.write_text("Ann\tx\t4\n", encoding="utf-8")
    with pytest.raises(PictureUnusable, match="pair 1 is no pair"):
        read_pairs(path, Path("lfw"))

"""The gallery: exact, whatever was added and removed, and empty of those who left."""

import gc
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.face import FaceMatch, Gallery, calibrate, default_threshold, judge_face
from models.face.judgement import FaceRule, Measure

DIMENSIONS = 128


def looks(count: int, seed: int = 1) -> np.ndarray:
    """Templates that vary as dlib's do: in about 80 directions, ever less in the later ones."""
    rng = np.random.default_rng(seed)
    spread = 0.18 * np.exp(-np.arange(80) / 30)
    mixing = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSIONS, 80)))[0]
    return ((rng.normal(size=(count, 80)) * spread) @ mixing.T + 0.1).astype(np.float32)


def entries(templates: np.ndarray, each: int = 1) -> list[tuple[str, np.ndarray]]:
    return [(f"p{index // each}", template) for index, template in enumerate(templates)]


def by_hand(
    people: list[tuple[str, np.ndarray]], probe: np.ndarray, leave_out: str = ""
) -> list[tuple[float, str]]:
    nearest: dict[str, float] = {}
    for person, template in people:
        distance = float(np.linalg.norm(template.astype(np.float64) - probe))
        if person != leave_out:
            nearest[person] = min(distance, nearest.get(person, math.inf))
    return sorted((distance, person) for person, distance in nearest.items())


def assert_right(match: FaceMatch, expected: list[tuple[float, str]]) -> None:
    assert match.subject == expected[0][1]
    assert match.distance == pytest.approx(expected[0][0], abs=1e-4)
    assert match.runner_up == expected[1][1]
    assert match.runner_up_distance == pytest.approx(expected[1][0], abs=1e-4)
    cohort = [distance for distance, _ in expected[1:11]]
    assert match.cohort_size == len(cohort)
    assert match.cohort_mean == pytest.approx(np.mean(cohort), abs=1e-4)


def entry_mean(people: list[tuple[str, np.ndarray]], match: FaceMatch, probe: np.ndarray) -> float:
    own = min(
        (template for person, template in people if person == match.subject),
        key=lambda template: float(np.linalg.norm(template - probe)),
    )
    return float(np.mean([distance for distance, _ in by_hand(people, own, match.subject or "")[:3]]))


@pytest.mark.parametrize(("count", "each"), [(30, 1), (60, 3), (9000, 1), (9000, 2)])
def test_the_nearest_persons_are_those_of_a_full_scan(count: int, each: int) -> None:
    people = entries(looks(count), each)
    gallery = Gallery.build("test", people)
    assert gallery.size == count
    assert len(gallery.persons) == count // each
    for probe in looks(10, seed=2):
        match = gallery.match(probe)
        assert_right(match, by_hand(people, probe))
        assert match.entry_mean == pytest.approx(entry_mean(people, match, probe), abs=1e-4)


def test_nobody_matches_in_an_empty_gallery() -> None:
    match = Gallery.build("test", []).match(looks(1)[0])
    assert match.subject is None
    assert not judge_face(match)


def test_one_person_alone_has_no_runner_up_and_an_infinite_margin() -> None:
    template = looks(1)[0]
    match = Gallery.build("test", [("a", template)]).match(template)
    assert match.subject == "a"
    assert match.distance == pytest.approx(0, abs=1e-5)
    assert match.runner_up is None
    assert match.margin == math.inf
    assert math.isnan(match.score)


def test_the_runner_up_is_another_person_even_when_the_subject_has_many_templates() -> None:
    templates = looks(3)
    crowd = [("a", templates[0] + np.float32(shift)) for shift in (0, 0.001, 0.002)]
    match = Gallery.build("test", [*crowd, ("b", templates[1])]).match(templates[0])
    assert (match.subject, match.runner_up) == ("a", "b")


def test_a_probe_nearer_to_somebody_outside_the_lane_has_a_negative_margin() -> None:
    people = entries(looks(50))
    gallery = Gallery.build("test", people)
    match = gallery.match(people[7][1], among=frozenset({"p3", "p4"}))
    assert match.subject in {"p3", "p4"}
    assert match.runner_up == "p7"
    assert match.margin < 0
    assert not judge_face(match, threshold=9.0, margin=0.0)


@pytest.mark.parametrize("count", [50, 6000])
def test_only_permitted_persons_become_the_subject(count: int) -> None:
    people = entries(looks(count))
    gallery = Gallery.build("test", people)
    permitted = frozenset(f"p{index}" for index in range(0, count, 7)) | {"somebody unknown"}
    for probe in looks(5, seed=3):
        expected = next(pair for pair in by_hand(people, probe) if pair[1] in permitted)
        match = gallery.match(probe, permitted)
        assert match.subject == expected[1]
        assert match.distance == pytest.approx(expected[0], abs=1e-4)
    assert gallery.match(people[0][1], frozenset({"somebody unknown"})).subject is None
    assert gallery.match(people[0][1], frozenset()).subject is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 14), st.integers(1, 3)), max_size=12))
def test_changed_galleries_answer_like_newly_built_ones(changes: list[tuple[bool, int, int]]) -> None:
    rows = iter(looks(100, seed=4))
    people = {f"p{index}": [next(rows)] for index in range(8)}
    gallery = Gallery.build("test", [(person, row) for person, own in people.items() for row in own])
    for adds, number, count in changes:
        person = f"p{number}"
        if adds:
            people.pop(person, None)
            people[person] = [next(rows) for _ in range(count)]
            gallery = gallery.with_person(person, people[person])
        else:
            people.pop(person, None)
            gallery = gallery.without_person(person)
    fresh = Gallery.build("test", [(person, row) for person, own in people.items() for row in own])
    assert gallery.persons == fresh.persons
    for probe in looks(3, seed=5):
        one, other = gallery.match(probe), fresh.match(probe)
        assert one.subject == other.subject
        assert one.runner_up == other.runner_up
        if other.persons > 1:
            assert one.score == pytest.approx(other.score, abs=1e-4)


def test_large_galleries_stay_exact_when_persons_come_and_go() -> None:
    people = entries(looks(5000))
    gallery = Gallery.build("test", people).without_person("p17").with_person("new", [people[17][1]])
    match = gallery.match(people[17][1])
    assert match.subject == "new"
    assert match.distance == pytest.approx(0, abs=1e-3)
    np.testing.assert_allclose(gallery.templates_of("new")[0], people[17][1], atol=1e-5)
    assert "p17" not in gallery.persons
    assert gallery.size == 5000


def test_a_snapshot_that_nobody_uses_any_more_is_overwritten() -> None:
    gallery = Gallery.build("test", entries(looks(20)))
    rows = gallery._rows
    smaller = gallery.without_person("p3")
    assert rows.turned.any()
    del gallery
    gc.collect()
    assert not rows.turned.any()
    assert not rows.heads.any()
    assert smaller.match(looks(1)[0]).subject == "p0"


def test_removing_somebody_unknown_changes_nothing() -> None:
    gallery = Gallery.build("test", entries(looks(5)))
    assert gallery.without_person("nobody") is gallery


def test_templates_that_do_not_fit_are_refused() -> None:
    gallery = Gallery.build("test", entries(looks(5)))
    short = np.zeros(64, np.float32)
    with pytest.raises(ValueError, match="does not fit"):
        gallery.match(short)
    with pytest.raises(ValueError, match="does not fit"):
        gallery.with_person("b", [short])
    with pytest.raises(ValueError, match="different lengths"):
        Gallery.build("test", [("a", short), ("b", looks(1)[0])])
    with pytest.raises(ValueError, match="not finite"):
        Gallery.build("test", [("a", np.full(DIMENSIONS, np.nan, np.float32))])


def test_a_face_that_resembles_two_persons_names_nobody() -> None:
    assert judge_face(FaceMatch("a", 0.30, "b", 0.40, persons=2))
    assert not judge_face(FaceMatch("a", 0.30, "b", 0.31, persons=2))
    assert not judge_face(FaceMatch("a", 0.55, persons=1))


def test_the_threshold_falls_as_the_gallery_grows() -> None:
    limits = [default_threshold(persons) for persons in (1, 5, 50, 500, 100_000)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] <= 0.53
    assert limits[-1] >= 0.3
    assert default_threshold(100, 1e-2) > default_threshold(100, 1e-4)


def test_a_rule_by_score_accepts_nobody_without_neighbourhoods() -> None:
    rule = FaceRule(Measure.SCORE, 10.0)
    assert not rule.accepts(FaceMatch("a", 0.1))
    assert rule.accepts(FaceMatch("a", 0.1, "b", 0.6, 0.6, 10, 0.6, 20))


@pytest.mark.parametrize("rate", [0.05, 0.01])
def test_a_calibrated_gallery_accepts_about_the_wanted_share_of_strangers(rate: float) -> None:
    gallery = Gallery.build("test", entries(looks(2000)))
    rule = calibrate(gallery, rate, margin=0.0)
    assert rule.measure is Measure.SCORE
    assert rule.asked == 2000
    strangers = looks(4000, seed=6)
    accepted = sum(rule.accepts(gallery.match(stranger)) for stranger in strangers) / len(strangers)
    assert rate / 2 < accepted < rate * 2
    english, chinese = rule.sentence()
    assert english.startswith(f"At 2000 persons and 1 in {round(1 / rate)}")
    assert "2000 人" in chinese


def test_a_small_gallery_is_judged_by_its_size() -> None:
    rule = calibrate(Gallery.build("test", entries(looks(12))))
    assert rule.measure is Measure.DISTANCE
    assert rule.threshold == default_threshold(12)
    assert 0.3 < rule.recall < 0.95

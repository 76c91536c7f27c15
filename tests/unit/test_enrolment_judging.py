"""Pictures of one person against each other and against everybody enrolled: verdicts, refusals, words."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from edge.enrolment import (
    WORDS,
    Examination,
    Finding,
    Judgement,
    LikenessRule,
    PictureVerdict,
    enrolment_note,
    judge,
    likeness_rule,
)
from edge.enrolment.verdicts import THUMB_PX
from edge.settings import DecisionSettings
from models.face import Gallery, Measure, ask

RULE = LikenessRule(Measure.DISTANCE, 0.5, 0.54)
SET = "faces-test"
rng = np.random.default_rng(5)


def direction() -> np.ndarray:
    vector = rng.normal(size=128)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


ANNA, BERT = direction(), direction()


def near(template: np.ndarray, distance: float) -> np.ndarray:
    """Another template of the same length, exactly so far away."""
    length = float(np.linalg.norm(template))
    aside = direction()
    aside -= template * np.float32(aside @ template) / np.float32(length**2)
    aside /= np.linalg.norm(aside)
    angle = 2 * np.arcsin(distance / (2 * length))
    return (template * np.cos(angle) + aside * length * np.sin(angle)).astype(np.float32)


def picture(name: str, template: np.ndarray, thumb: bytes | None = None) -> tuple[str, Examination]:
    face = rng.integers(0, 255, THUMB_PX**2, np.uint8).tobytes() if thumb is None else thumb
    return name, Examination(Finding.GOOD, template, thumb=face, digest=name.encode())


def flawed(name: str, finding: Finding, detail: str = "") -> tuple[str, Examination]:
    return name, Examination(finding, detail=detail)


def judged(
    pictures: Sequence[tuple[str, Examination]], *, gallery: Gallery | None = None, **options: bool
) -> Judgement:
    known = gallery or Gallery.build(SET, [("bert", BERT)])
    return judge("anna", pictures, known, RULE, **options)


def findings(judgement: Judgement) -> list[Finding]:
    return [verdict.finding for verdict in judgement.verdicts]


def test_pictures_with_a_flaw_are_left_out_and_the_good_ones_are_stored() -> None:
    one, two = near(ANNA, 0.1), near(ANNA, 0.15)
    result = judged(
        [picture("a", one), flawed("b", Finding.NO_FACE), picture("c", two), flawed("d", Finding.BLURRED)]
    )
    assert findings(result) == [Finding.GOOD, Finding.NO_FACE, Finding.GOOD, Finding.BLURRED]
    assert result.refusal == ""
    assert result.accepted == (0, 2)
    assert [template.tolist() for template in result.templates] == [one.tolist(), two.tolist()]


def test_nothing_is_stored_when_no_picture_can_be_used() -> None:
    result = judged([flawed("a", Finding.NO_FACE), flawed("b", Finding.TWO_FACES, "two faces")])
    assert result.refusal == "nothing was stored for 'anna': no picture can be used"
    assert result.templates == ()
    assert judged([]).refusal


def test_the_same_picture_twice_counts_once_also_when_it_was_saved_again() -> None:
    thumb = rng.integers(0, 255, THUMB_PX**2, np.uint8)
    again = np.clip(thumb.astype(int) + rng.integers(-12, 12, thumb.size), 0, 255).astype(np.uint8)
    result = judged(
        [
            picture("a", near(ANNA, 0.1), thumb.tobytes()),
            picture("b", near(ANNA, 0.1), again.tobytes()),
            picture("a", near(ANNA, 0.1)),
            picture("c", near(ANNA, 0.1)),
        ]
    )
    assert findings(result) == [Finding.GOOD, Finding.SAME_PICTURE, Finding.SAME_PICTURE, Finding.GOOD]
    assert result.verdicts[1].reason()[0] == "the same picture as a"


def test_a_duplicate_is_refused_with_the_name_of_the_other_even_among_good_pictures() -> None:
    result = judged(
        [picture("a", near(ANNA, 0.1)), picture("b", near(ANNA, 0.1)), picture("c", near(BERT, 0.3))]
    )
    assert findings(result)[2] is Finding.DUPLICATE
    assert result.verdicts[2].other == "bert"
    assert "'bert'" in result.refusal
    assert "c shows" in result.refusal
    assert "\n" not in result.refusal
    assert "'bert' (0.30)" in result.verdicts[2].reason()[0]


def test_twins_are_enrolled_on_purpose_and_remembered_as_look_alikes() -> None:
    twin = [picture("a", near(BERT, 0.3)), picture("b", near(BERT, 0.32))]
    assert judged(twin).refusal
    result = judged(twin, despite_likeness=True)
    assert result.refusal == ""
    assert findings(result) == [Finding.LOOK_ALIKE, Finding.LOOK_ALIKE]
    assert result.others == ("bert",)
    assert len(result.templates) == 2


def test_somebody_a_little_beyond_the_gates_own_limit_is_a_warning_and_nobody_farther() -> None:
    edge, beyond = near(BERT, 0.52), near(BERT, 0.56)
    assert findings(judged([picture("a", edge)])) == [Finding.LOOK_ALIKE]
    assert judged([picture("a", edge)]).refusal == ""
    assert findings(judged([picture("a", beyond)])) == [Finding.GOOD]


def test_two_enrolled_twins_do_not_hide_a_third_entry_of_one_of_them() -> None:
    """The gate lets neither in, because they tie; a third id of theirs is a duplicate all the same."""
    both = Gallery.build(SET, [("bert", near(BERT, 0.2)), ("benno", near(BERT, 0.2))])
    assert findings(judged([picture("a", BERT)], gallery=both)) == [Finding.DUPLICATE]


def test_enrolling_again_does_not_meet_oneself() -> None:
    known = Gallery.build(SET, [("anna", ANNA), ("bert", BERT)])
    assert findings(judged([picture("a", near(ANNA, 0.1))], gallery=known)) == [Finding.GOOD]


def test_one_picture_of_somebody_else_is_left_out_and_no_majority_means_none() -> None:
    carl = direction()
    group = [picture(name, near(ANNA, 0.15)) for name in "ab"]
    result = judged([*group, picture("c", carl)])
    assert findings(result) == [Finding.GOOD, Finding.GOOD, Finding.OTHER_PERSON]
    assert result.refusal == ""
    half = judged([picture("a", ANNA), picture("b", carl)])
    assert findings(half) == [Finding.OTHER_PERSON, Finding.OTHER_PERSON]
    assert half.refusal


def community(count: int, twins: int = 0) -> Gallery:
    """So many persons of one length, some of whom have a twin."""
    people = [(f"p{n:03}", direction()) for n in range(count - twins)]
    return Gallery.build(
        SET, people + [(f"twin-of-{name}", near(face, 0.15)) for name, face in people[:twins]]
    )


def test_who_is_a_duplicate_is_asked_of_the_gallery_at_any_size() -> None:
    for count in (1, 2, 20, 150):
        gallery = community(count)
        rule = likeness_rule(ask(gallery), DecisionSettings())
        assert rule.measure is (Measure.SCORE if count >= 100 else Measure.DISTANCE)
        assert rule.duplicate < rule.near
        (face,) = gallery.templates_of("p000")
        same = judge("new", [picture("a", near(face, 0.2))], gallery, rule)
        assert findings(same) == [Finding.DUPLICATE], count
        assert same.verdicts[0].other == "p000"
        stranger = direction() * np.float32(np.linalg.norm(face))
        assert findings(judge("new", [picture("a", stranger)], gallery, rule)) == [Finding.GOOD], count


@pytest.mark.parametrize(("count", "twins"), [(2, 1), (6, 3), (40, 3), (200, 3)])
def test_twins_who_are_enrolled_do_not_hide_the_next_duplicate(count: int, twins: int) -> None:
    gallery = community(count, twins)
    rule = likeness_rule(ask(gallery), DecisionSettings())
    for person in (gallery.names[0], gallery.names[count - twins - 1]):
        (face,) = gallery.templates_of(person)
        result = judge("new", [picture("a", near(face, 0.3))], gallery, rule)
        assert findings(result) == [Finding.DUPLICATE], person


def test_a_fixed_distance_of_the_configuration_is_obeyed() -> None:
    rule = likeness_rule(ask(community(30)), DecisionSettings(face_distance=0.4))
    assert (rule.measure, rule.duplicate) == (Measure.DISTANCE, 0.4)
    assert rule.near > 0.4


@pytest.mark.parametrize("finding", list(Finding))
def test_every_finding_has_reason_and_advice_in_both_languages(finding: Finding) -> None:
    verdict = PictureVerdict("p.jpg", finding, other="bert", distance=0.3, detail="two faces")
    english, chinese = verdict.reason()
    assert english.isascii()
    assert any("一" <= sign <= "鿿" for sign in chinese)
    assert "{" not in english + chinese
    advice, rat = verdict.advice()
    assert bool(advice) == bool(rat) == (finding is not Finding.GOOD)
    assert WORDS[finding].reason_en
    assert json.loads(json.dumps(verdict.to_json()))["finding"] == finding.value


def test_PRIV_1_the_note_for_the_journal_holds_counts_and_ids_only() -> None:
    result = judged([picture("a", near(ANNA, 0.1)), flawed("b", Finding.NO_FACE)])
    note = enrolment_note(result, by="platform", operator="desk-1", command="jti-1")
    assert note == {
        "by": "platform",
        "pictures": {"good": 1, "no_face": 1},
        "look_alikes": [],
        "operator": "desk-1",
        "command": "jti-1",
    }

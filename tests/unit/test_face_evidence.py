"""The votes of one face track: unknowns count against, a tie is nobody, flaws say nothing."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS_PER_MS
from edge.evidence import FaceEvidence
from edge.records import Box, Identity, Kind, Sighting
from models.face import FaceMatch, FaceRule, Measure

ANNA = FaceMatch("anna", 0.35, "bert", 0.7, 0.8, 1, 2)
BERT = FaceMatch("bert", 0.4, "anna", 0.75, 0.8, 1, 2)
NOBODY = FaceMatch("anna", 0.62, "bert", 0.7, 0.8, 1, 2)
TWINS = FaceMatch("anna", 0.38, "bert", 0.40, 0.8, 1, 2)


def sighting(number: int, **changes: Any) -> Sighting:
    fields: dict[str, Any] = {
        "camera": "door",
        "session": "s",
        "track_id": 5,
        "kind": Kind.FACE,
        "seq": number,
        "taken_ns": number * 200 * NS_PER_MS,
        "sent_ns": 0,
        "box": Box(0, 0, 80, 80),
        "quality": 0.8,
        "template": b"t",
        "crop_jpeg": f"crop {number}".encode(),
    }
    return Sighting(**(fields | changes))


def watch(*matches: FaceMatch, quality: tuple[float, ...] = (), **settings: Any) -> Identity:
    evidence = FaceEvidence(visit="v", **settings)
    for number, match in enumerate(matches, start=1):
        weight = quality[number - 1] if quality else 0.8
        identity = evidence.observe(sighting(number, quality=weight), match)
    return identity


def test_one_read_is_not_enough_and_two_agreeing_reads_are() -> None:
    assert not watch(ANNA).settled
    identity = watch(ANNA, ANNA)
    assert (identity.subject, identity.settled, identity.samples) == ("anna", True, 2)
    assert identity.explanation["outcome"] == "known"
    assert (identity.confidence, round(identity.margin, 2)) == (1.0, 0.35)


def test_as_many_reads_are_needed_as_the_settings_say() -> None:
    assert not watch(ANNA, ANNA, ANNA, agreeing_reads=4).settled
    assert watch(ANNA, ANNA, ANNA, ANNA, agreeing_reads=4).settled
    assert watch(ANNA, agreeing_reads=1).subject == "anna"
    with pytest.raises(ValueError, match="at least 1"):
        FaceEvidence(visit="v", agreeing_reads=0)


def test_unknown_reads_count_against_everybody() -> None:
    assert watch(ANNA, ANNA, NOBODY).subject == "anna"
    assert watch(ANNA, ANNA, NOBODY, NOBODY).subject is None  # even: nobody
    assert watch(ANNA, ANNA, NOBODY, NOBODY, ANNA).subject == "anna"


def test_good_reads_weigh_more_than_poor_ones() -> None:
    poor_against = watch(NOBODY, NOBODY, ANNA, ANNA, quality=(0.2, 0.2, 0.9, 0.9))
    poor_for = watch(ANNA, ANNA, NOBODY, NOBODY, quality=(0.2, 0.2, 0.9, 0.9))
    assert poor_against.subject == "anna"
    assert poor_for.subject is None


def test_a_tie_between_two_people_is_nobody_and_ends_as_ambiguous() -> None:
    assert watch(ANNA, ANNA, BERT, BERT).subject is None
    lasting = watch(*[ANNA, BERT] * 5)
    assert (lasting.subject, lasting.settled) == (None, True)
    assert lasting.explanation["outcome"] == "ambiguous"


def test_a_face_that_resembles_two_people_speaks_for_neither() -> None:
    assert not watch(TWINS, TWINS, TWINS).settled
    lasting = watch(*[TWINS] * 9)
    assert (lasting.subject, lasting.settled, lasting.explanation["outcome"]) == (None, True, "ambiguous")
    assert watch(*[TWINS] * 9, rule=FaceRule(Measure.DISTANCE, 0.5, 0.01)).subject == "anna"


def test_a_stranger_is_settled_after_the_time_and_not_before() -> None:
    before = watch(*[NOBODY] * 6)  # the first and the sixth read are 1000 ms apart
    after = watch(*[NOBODY] * 7)
    assert not before.settled
    assert (after.settled, after.subject, after.explanation["outcome"]) == (True, None, "stranger")
    assert after.explanation["unknown"]["span_ms"] == 1200


def test_a_stranger_needs_agreeing_reads_too_however_long_it_lasts() -> None:
    evidence = FaceEvidence(visit="v", agreeing_reads=3)
    for number in (1, 50):
        assert not evidence.observe(sighting(number), NOBODY).settled
    assert evidence.observe(sighting(60), NOBODY).settled


def test_a_resident_who_was_far_away_at_first_is_recognised_later() -> None:
    far, near = [NOBODY] * 3, [ANNA] * 3
    assert watch(*far, *near, quality=(0.2,) * 3 + (0.9,) * 3).subject == "anna"
    # Refused as a stranger already; the evidence goes on, and the answer changes with it.
    assert watch(*[NOBODY] * 8, *[ANNA] * 9).subject == "anna"


def test_flawed_sightings_are_neither_for_nor_against_nor_do_they_pass_the_time() -> None:
    evidence = FaceEvidence(visit="v")
    for number in range(1, 40):
        identity = evidence.observe(sighting(number, flaw="blurred"), None)
    assert (identity.settled, identity.samples) == (False, 0)
    assert identity.explanation["flaws"] == {"blurred": 39}
    evidence.observe(sighting(40), ANNA)
    evidence.observe(sighting(41, flaw="too small"), NOBODY)
    assert evidence.observe(sighting(42), ANNA).subject == "anna"


def test_the_same_frame_never_votes_twice() -> None:
    evidence = FaceEvidence(visit="v")
    evidence.observe(sighting(1), ANNA)
    assert not evidence.observe(sighting(1), ANNA).settled
    assert not evidence.observe(sighting(2, ended=True), ANNA).settled
    assert evidence.observe(sighting(3), ANNA).settled


def test_an_empty_gallery_makes_everybody_a_stranger_in_finite_numbers() -> None:
    identity = watch(*[FaceMatch(None)] * 8)
    assert identity.explanation["outcome"] == "stranger"
    json.dumps(identity.explanation, allow_nan=False)
    alone = watch(*[FaceMatch("anna", 0.3, persons=1)] * 2)
    assert alone.subject == "anna"
    assert math.isfinite(alone.margin)
    json.dumps(alone.explanation, allow_nan=False)


def test_the_deciding_read_carries_the_time_and_the_best_read_the_picture() -> None:
    evidence = FaceEvidence(visit="v")
    evidence.observe(sighting(1, quality=0.5), ANNA)
    evidence.observe(sighting(2, quality=0.9), ANNA)
    identity = evidence.observe(sighting(3, quality=0.4), NOBODY)
    assert (identity.first_ns, identity.last_ns) == (200 * NS_PER_MS, 400 * NS_PER_MS)
    assert identity.crop_jpeg == b"crop 2"
    assert identity.visit == "v"


@pytest.mark.parametrize(
    ("other", "match", "words"),
    [
        (sighting(2, kind=Kind.PLATE), ANNA, "not a face"),
        (sighting(2, track_id=6), ANNA, "in the evidence of 5"),
        (sighting(2, session="t"), ANNA, "in the evidence of 5"),
        (sighting(2), None, "was not matched"),
    ],
)
def test_a_sighting_that_does_not_belong_here_is_refused(
    other: Sighting, match: FaceMatch | None, words: str
) -> None:
    evidence = FaceEvidence(visit="v")
    evidence.observe(sighting(1), ANNA)
    with pytest.raises(ValueError, match=words):
        evidence.observe(other, match)


# Visits: single reads only support a name, their mean must be good enough

RULE = FaceRule(Measure.DISTANCE, 0.4, 0.03, hint=0.6)
LIKE_ANNA = FaceMatch("anna", 0.5, "bert", 0.8, 0.85, 3, 0.9, 2)
MEAN_ANNA = FaceMatch("anna", 0.38, "bert", 0.8, 0.85, 3, 0.9, 2)
STRANGER = FaceMatch("anna", 0.7, "bert", 0.8, 0.85, 3, 0.9, 2)


def visit(
    *matches: FaceMatch, together: FaceMatch, asked: list[Any] | None = None, **settings: Any
) -> Identity:
    evidence = FaceEvidence(visit="v", rule=settings.pop("rule", RULE), **settings)

    def ask(template: Any) -> FaceMatch:
        if asked is not None:
            asked.append(template)
        return together

    for number, match in enumerate(matches, start=1):
        template = np.zeros(4, "<f4")
        template[number % 4] = number
        read = sighting(number, template=template.tobytes(), quality=1.0 if number == 1 else 0.5)
        identity = evidence.observe(read, match, ask)
    return identity


def test_reads_that_only_resemble_somebody_name_them_when_their_mean_is_good_enough() -> None:
    assert watch(LIKE_ANNA, LIKE_ANNA, rule=RULE).subject is None, "each by itself is too far"
    identity = visit(LIKE_ANNA, LIKE_ANNA, together=MEAN_ANNA)
    assert (identity.subject, identity.settled) == ("anna", True)
    assert identity.explanation["together"]["distance"] == 0.38
    assert identity.explanation["limit_of_a_read"] == 0.6
    assert not visit(LIKE_ANNA, together=MEAN_ANNA).settled, "one read is still not enough"


def test_a_mean_that_is_too_far_or_near_two_people_or_names_another_names_nobody() -> None:
    for together in (
        replace(MEAN_ANNA, distance=0.41),
        replace(MEAN_ANNA, runner_up_distance=0.39),
        replace(MEAN_ANNA, subject="bert", runner_up="anna"),
        FaceMatch(None),
    ):
        assert visit(*[LIKE_ANNA] * 4, together=together).subject is None


def test_ACC_1_unknown_reads_count_against_a_name_however_good_the_mean_is() -> None:
    assert visit(LIKE_ANNA, LIKE_ANNA, STRANGER, together=MEAN_ANNA).subject == "anna"
    assert visit(STRANGER, LIKE_ANNA, LIKE_ANNA, STRANGER, together=MEAN_ANNA).subject is None


def test_the_mean_is_that_of_the_reads_that_support_the_name_with_their_quality_as_weight() -> None:
    asked: list[Any] = []
    visit(LIKE_ANNA, STRANGER, LIKE_ANNA, together=MEAN_ANNA, asked=asked)
    np.testing.assert_allclose(asked[0], [0, 1, 0, 0])
    np.testing.assert_allclose(asked[-1], [0, 2 / 3, 0, 1 / 3], atol=1e-6)


def test_somebody_who_only_resembles_a_resident_ends_as_a_stranger() -> None:
    identity = visit(*[LIKE_ANNA] * 7, together=replace(MEAN_ANNA, distance=0.45))
    assert (identity.settled, identity.subject) == (True, None)
    assert identity.explanation["outcome"] == "stranger"
    json.dumps(identity.explanation, allow_nan=False)


def test_who_may_not_pass_here_is_named_by_the_limit_for_everybody() -> None:
    rule = replace(RULE, among=frozenset({"bert"}), elsewhere=0.35)
    assert visit(LIKE_ANNA, LIKE_ANNA, together=MEAN_ANNA, rule=rule).subject is None
    surely = replace(MEAN_ANNA, distance=0.34)
    assert visit(LIKE_ANNA, LIKE_ANNA, together=surely, rule=rule).subject == "anna"


READS = st.lists(
    st.tuples(st.sampled_from([ANNA, BERT, NOBODY, TWINS, None]), st.floats(0.05, 1.0)), max_size=40
)


@given(reads=READS, needed=st.integers(1, 4))
def test_ACC_1_a_person_is_named_only_with_enough_reads_and_more_weight_than_all_the_rest(
    reads: list[tuple[FaceMatch | None, float]], needed: int
) -> None:
    evidence = FaceEvidence(visit="v", agreeing_reads=needed)
    for number, (match, quality) in enumerate(reads, start=1):
        flaw = "" if match is not None else "blurred"
        identity = evidence.observe(sighting(number, quality=quality, flaw=flaw), match)
        usable = [read for read in reads[:number] if read[0] is not None]
        if identity.subject is None:
            continue
        mine = [q for m, q in usable if m is not None and m.subject == identity.subject and m in (ANNA, BERT)]
        assert identity.settled
        assert len(mine) >= needed
        assert sum(mine) > sum(q for _, q in usable) / 2 - 1e-9

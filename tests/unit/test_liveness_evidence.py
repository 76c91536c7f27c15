"""Fusing the cues of a track: the worst one counts, too little is not enough, and no cue proves life."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from heads import FLAT, HEAD, points_of
from hypothesis import given
from hypothesis import strategies as st

from edge.evidence.liveness import FEWEST_READS, Findings, LivenessEvidence
from edge.records import Box, Kind, Liveness, Sighting

GOOD = {"frame": 1.0, "texture": 0.9, "colour": 0.8, "glare": 1.0, "raw_frame": 0.2}


def evidence(
    reads: Sequence[Mapping[str, float]],
    points: Sequence[tuple[float, ...]] = (),
    travel_px: float = 0.0,
    flaw: str = "",
) -> LivenessEvidence:
    track = LivenessEvidence()
    for seq, cues in enumerate(reads):
        left = 100 + travel_px * seq
        track.observe(
            Sighting(
                *("cam", "s", 1, Kind.FACE, seq, seq * 100, seq * 100 + 1),
                *(Box(left, 50, left + 100, 180), 0.9),
                cues=cues,
                points=points[seq] if points else (),
                flaw=flaw,
            )
        )
    return track


def judged(track: LivenessEvidence, **given: Any) -> Findings:
    return track.findings(**({"least_score": 0.5, "least_model": 0.8} | given))


def test_the_worst_cue_is_the_score() -> None:
    assert judged(evidence([GOOD] * 5)).score == 0.8
    for name in ("frame", "texture", "colour", "glare"):
        findings = judged(evidence([GOOD | {name: 0.1}] * 5))
        assert (findings.score, findings.level) == (0.1, Liveness.NONE)


def test_one_odd_read_among_many_does_not_count() -> None:
    assert judged(evidence([GOOD] * 5 + [GOOD | {"glare": 0.0}])).level is Liveness.PASSIVE
    assert judged(evidence([GOOD | {"glare": 0.0}] * 5 + [GOOD])).level is Liveness.NONE


@pytest.mark.parametrize(
    "reads",
    [
        [],
        [GOOD] * (FEWEST_READS - 1),
        [{}] * 20,
        [{"glare": 1.0}] * 20,
        [{"frame": 1.0}] * 20,
        [{"texture": 1.0, "colour": 1.0, "glare": 1.0}] * 20,
        [{"raw_frame": 0.0, "raw_peak": 1.0}] * 20,
    ],
)
def test_ACC_1_too_little_is_not_enough_and_never_the_benefit_of_doubt(
    reads: list[dict[str, float]],
) -> None:
    for passed in (False, True):
        findings = judged(evidence(reads), challenge_passed=passed)
        assert (findings.level, findings.score) == (Liveness.NONE, None)


def test_flawed_and_repeated_reads_do_not_count() -> None:
    assert judged(evidence([GOOD] * 10, flaw="blurred")).level is Liveness.NONE
    track = evidence([GOOD] * 2)
    last = Sighting("cam", "s", 1, Kind.FACE, 1, 100, 101, Box(0, 0, 100, 130), 0.9, cues=GOOD)
    for _ in range(10):
        track.observe(last)
    assert track.reads == 2


@given(
    score=st.floats(0, 1),
    least=st.floats(0.1, 0.95),
    passed=st.booleans(),
    model=st.none() | st.floats(0, 1),
)
def test_the_levels_follow_from_score_challenge_and_classifier(
    score: float, least: float, passed: bool, model: float | None
) -> None:
    cues = {"frame": score, "glare": 1.0} | ({} if model is None else {"model": model})
    findings = judged(evidence([cues] * 4), least_score=least, challenge_passed=passed)
    if score < least:
        expected = Liveness.NONE
    elif model is not None and model >= 0.8:
        expected = Liveness.MODEL
    else:
        expected = Liveness.CHALLENGE if passed else Liveness.PASSIVE
    assert findings.level is expected
    assert findings.numbers["needed"] == least


def test_every_number_is_there_for_the_journal() -> None:
    numbers = judged(evidence([GOOD | {"model": 0.7}] * 4)).numbers
    assert numbers["cues"]["parallax"] is None
    assert numbers["cues"]["colour"] == 0.8
    assert numbers["raw"] == {"raw_frame": 0.2}
    assert (numbers["model"], numbers["model_needed"], numbers["reads"]) == (0.7, 0.8, 4)


# Lines around the face

FRAMED = GOOD | {"frame": 0.0, "side_left": 0.9, "side_right": 0.9, "side_top": 1.1}


def test_lines_that_travel_with_the_face_are_a_screen() -> None:
    assert judged(evidence([FRAMED] * 10, travel_px=12)).numbers["cues"]["frame"] == 0.0


def test_lines_that_stay_in_the_room_while_the_face_walks_are_a_door() -> None:
    reads = [
        FRAMED | {"side_left": 0.6 + 0.12 * step, "side_right": 1.7 - 0.12 * step, "side_top": 1.1}
        for step in range(10)
    ]
    assert judged(evidence(reads, travel_px=12)).numbers["cues"]["frame"] == 1.0


def test_without_travel_nobody_can_tell_and_the_lines_count() -> None:
    assert judged(evidence([FRAMED] * 10)).numbers["cues"]["frame"] == 0.0


# The nose before the face


def parallax(thing: np.ndarray, yaws: Sequence[float], **view: Any) -> float | None:
    points = [points_of(thing, yaw=yaw, **view) for yaw in yaws]
    value = judged(evidence([GOOD] * len(points), points)).numbers["cues"]["parallax"]
    assert value is None or isinstance(value, float)
    return value


def test_a_head_that_looks_around_is_not_flat() -> None:
    assert parallax(HEAD, [25 * np.sin(i / 3) for i in range(30)]) == 1.0


def test_a_picture_tilted_much_is_flat() -> None:
    assert parallax(FLAT, [55 * np.sin(i / 3) for i in range(30)]) == 0.0


@pytest.mark.parametrize("thing", [HEAD, FLAT])
def test_what_keeps_still_says_nothing(thing: np.ndarray) -> None:
    assert parallax(thing, [3 * np.sin(i) for i in range(30)]) is None
    assert parallax(thing, [40.0] * 3) is None

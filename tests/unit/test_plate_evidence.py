"""Voting over the sightings of one plate track."""

import json
from dataclasses import replace

import pytest

from edge.evidence.plates import PlateEvidence
from edge.records import Box, Kind, Sighting
from models.plate.grammar import PlateKind
from models.plate.lattice import Lattice, lattice_from_text, make_position

MS = 1_000_000


def sighting(
    seq: int, read: str | Lattice, *, quality: float = 1.0, flaw: str = "", sure: float = 0.95
) -> Sighting:
    lattice = lattice_from_text(read, sure) if isinstance(read, str) else read
    return Sighting(
        camera="gate",
        session="s1",
        track_id=7,
        kind=Kind.PLATE,
        seq=seq,
        taken_ns=seq * 100 * MS,
        sent_ns=seq * 100 * MS + 20 * MS,
        box=Box(10, 10, 110, 40),
        quality=quality,
        lattice=lattice,
        crop_jpeg=b"jpeg %d" % seq,
        stages_ms={"detect": 5.0},
        flaw=flaw,
    )


def evidence(**wanted: object) -> PlateEvidence:
    return PlateEvidence(visit="visit-1", **wanted)  # type: ignore[arg-type]


def test_one_read_is_not_enough_and_two_that_agree_settle() -> None:
    track = evidence()
    first = track.observe(sighting(1, "粤B12345"))
    assert (first.subject, first.settled) == (None, False)
    assert first.explanation["text"] == "粤B12345"
    second = track.observe(sighting(2, "粤B12345"))
    assert (second.subject, second.settled) == ("粤B12345", True)
    assert second.visit == "visit-1"
    assert second.samples == 2
    assert second.first_ns == 100 * MS
    assert second.last_ns == 200 * MS
    assert second.margin >= 3.0
    assert 0.5 < second.confidence <= 1.0


def test_two_reads_that_disagree_do_not_settle() -> None:
    track = evidence()
    track.observe(sighting(1, "粤B12345"))
    identity = track.observe(sighting(2, "粤B12845"))
    assert identity.subject is None
    assert not identity.settled


def test_agreement_without_margin_does_not_settle() -> None:
    doubts = {"8": 0.5, "B": 0.48}
    unsure = tuple(make_position(doubts if c == "8" else {c: 0.98}) for c in "粤B12845")
    track = evidence(margin=5.0)
    for seq in range(1, 4):
        identity = track.observe(sighting(seq, unsure))
        assert not identity.settled
    assert identity.explanation["agreeing"] == 3
    assert identity.explanation["positions"][4]["runner_up"] == "B"
    assert identity.explanation["runner_up"] == "粤B12B45"


def test_reads_that_lose_or_gain_a_character_do_not_stop_the_vote() -> None:
    track = evidence()
    for seq, text in enumerate(["粤B1234", "粤B12345", "B12345", "粤B123451", "粤B12345"], start=1):
        identity = track.observe(sighting(seq, text))
    assert identity.subject == "粤B12345"
    assert identity.explanation["illegal"] == 2


def test_unusable_reads_are_counted_by_their_flaw_and_have_no_vote() -> None:
    track = evidence()
    track.observe(sighting(1, "粤B12345", flaw="blurred"))
    track.observe(sighting(2, "粤B12345", flaw="too small"))
    identity = track.observe(sighting(3, "粤B12345"))
    assert not identity.settled
    assert identity.explanation["flaws"] == {"blurred": 1, "too small": 1}
    assert identity.samples == 1


def test_the_text_of_a_sign_never_becomes_a_subject() -> None:
    track = evidence()
    for seq in range(1, 6):
        identity = track.observe(sighting(seq, "地下入口"))
    assert identity.subject is None
    assert identity.confidence == 0.0
    assert identity.explanation["illegal"] == 5


def test_the_same_frame_votes_once() -> None:
    track = evidence()
    track.observe(sighting(1, "粤B12345"))
    identity = track.observe(sighting(1, "粤B12345"))
    assert not identity.settled
    ended = track.observe(replace(sighting(2, "粤B12345"), ended=True))
    assert not ended.settled


def test_a_single_unlike_read_does_not_take_the_track_over() -> None:
    track = evidence()
    track.observe(sighting(1, "粤B12345"))
    track.observe(sighting(2, "粤B12345"))
    disturbed = track.observe(sighting(3, "京A98760"))
    assert not disturbed.settled
    assert disturbed.explanation["waiting_strangers"] == ["京A98760"]
    again = track.observe(sighting(4, "粤B12345"))
    assert again.subject == "粤B12345"
    assert track.replaced == ()


def test_two_unlike_reads_that_agree_are_another_car() -> None:
    track = evidence()
    for seq in (1, 2, 3):
        track.observe(sighting(seq, "粤B12345"))
    track.observe(sighting(4, "京A98760"))
    identity = track.observe(sighting(5, "京A98760"))
    assert identity.subject == "京A98760"
    assert track.replaced == ("粤B12345",)
    assert identity.explanation["replaced"] == ["粤B12345"]
    assert identity.first_ns == 400 * MS
    assert identity.crop_jpeg == b"jpeg 5"


def test_two_unlike_reads_that_do_not_agree_change_nothing() -> None:
    track = evidence()
    for seq in (1, 2):
        track.observe(sighting(seq, "粤B12345"))
    track.observe(sighting(3, "京A98760"))
    track.observe(sighting(4, "苏E55512"))
    assert track.observe(sighting(5, "粤B12345")).subject == "粤B12345"


def test_a_sharp_read_counts_more_than_poor_ones() -> None:
    track = evidence(margin=0.5)
    track.observe(sighting(1, "粤B12845", quality=0.1, sure=0.7))
    track.observe(sighting(2, "粤B12845", quality=0.1, sure=0.7))
    track.observe(sighting(3, "粤B12345", quality=1.0))
    identity = track.observe(sighting(4, "粤B12345", quality=1.0))
    assert identity.subject == "粤B12345"


def test_the_picture_is_that_of_the_best_read_that_says_the_same() -> None:
    track = evidence()
    track.observe(sighting(1, "粤B12345", quality=0.9))
    identity = track.observe(sighting(2, "粤B12345", quality=0.4))
    assert identity.crop_jpeg == b"jpeg 1"


def test_kinds_of_the_lane_hold_for_the_sum_as_well() -> None:
    track = evidence(kinds={PlateKind.GREEN_SMALL})
    for seq in (1, 2, 3):
        identity = track.observe(sighting(seq, "粤B12345"))
    assert identity.subject is None


def test_finish_says_what_is_known_and_leaves_undecided_undecided() -> None:
    track = evidence()
    track.observe(sighting(1, "粤B12345"))
    ended = track.finish(9_000 * MS)
    assert (ended.subject, ended.settled) == (None, False)
    assert ended.explanation["ended_ns"] == 9_000 * MS


def test_the_explanation_is_json_without_nan() -> None:
    track = evidence()
    for seq, read in enumerate(["地下入口", "粤B12345", "粤B12345"], start=1):
        identity = track.observe(sighting(seq, read))
        json.dumps(dict(identity.explanation), allow_nan=False)
    assert len(identity.explanation["positions"]) == 7


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        evidence(agreeing_reads=0)
    with pytest.raises(ValueError, match="no sighting"):
        evidence().finish(1)
    track = evidence()
    track.observe(sighting(1, "粤B12345"))
    with pytest.raises(ValueError, match="track 8"):
        track.observe(replace(sighting(2, "粤B12345"), track_id=8))
    with pytest.raises(ValueError, match="not a plate"):
        track.observe(replace(sighting(2, "粤B12345"), kind=Kind.FACE))

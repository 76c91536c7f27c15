"""Several tracks of one arrival are one visit; two arrivals never are."""

from dataclasses import replace

import numpy as np
import pytest

from edge.clock import NS_PER_S
from edge.evidence import Visits
from edge.records import Identity, Kind, Verdict


def at(seconds: float) -> int:
    return round((100 + seconds) * NS_PER_S)


def face(track: int, subject: str | None = None, *, settled: bool = True, session: str = "s") -> Identity:
    return Identity("cam", session, track, f"own-{track}", Kind.FACE, subject, settled, 1.0, 0.1, 2, 0, 0)


def car(track: int, text: str | None, *, settled: bool = True) -> Identity:
    return replace(face(track, text, settled=settled), kind=Kind.PLATE)


def looks(seed: int, wobble: float = 0.0) -> bytes:
    """A descriptor of length 1; ``wobble`` is how far it lies from the one without."""
    rng = np.random.default_rng(seed)
    base, turn = rng.normal(size=128), np.random.default_rng(seed + 999).normal(size=128)
    base /= np.linalg.norm(base)
    return (base + wobble * turn / np.linalg.norm(turn)).astype("<f4").tobytes()


@pytest.fixture
def visits() -> Visits:
    return Visits(gap_s=10)


def test_a_track_keeps_its_visit_however_long_it_stands(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12345"), at(0))
    assert first == "own-1"
    assert visits.place("gate", car(1, "京A12345"), at(3600)) == first


def test_the_same_subject_within_the_pause_is_the_same_visit_and_after_it_another(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12345"), at(0))
    assert visits.place("gate", car(2, "京A12345"), at(10)) == first
    assert visits.place("gate", car(3, "京A12345"), at(20)) == first  # the pause counts from the last time
    assert visits.place("gate", car(4, "京A12345"), at(30.1)) == "own-4"


def test_another_lane_has_visits_of_its_own(visits: Visits) -> None:
    first = visits.place("in", face(1, "anna"), at(0))
    other = visits.place("out", face(1, "anna"), at(0))
    assert first != other
    assert visits.place("out", face(2, "anna"), at(1)) == other
    assert visits.present("in", at(1)) == (first,)


def test_a_second_car_two_seconds_behind_is_another_visit(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12345"), at(0), person="anna")
    second = visits.place("gate", car(2, "粤B88888"), at(2), person="bert")
    third = visits.place("gate", car(3, "沪C33333"), at(3), person="anna")  # Anna's other car
    assert len({first, second, third}) == 3


def test_two_known_cars_with_plates_that_look_alike_are_two_visits(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12345"), at(0), person="anna")
    assert visits.place("gate", car(2, "京A1234S"), at(2), person="bert") != first


def test_a_strangers_plate_read_nearly_the_same_is_the_same_visit(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12B45"), at(0))
    assert visits.place("gate", car(2, "京A12845"), at(4)) == first
    assert visits.place("gate", car(3, "京A12945"), at(5)) != first


def test_a_strangers_face_seen_again_is_the_same_visit_and_another_stranger_is_not(visits: Visits) -> None:
    first = visits.place("door", face(1), at(0), template=looks(1))
    assert visits.place("door", face(2), at(5), template=looks(1, 0.4)) == first
    assert visits.place("door", face(3), at(6), template=looks(2)) == "own-3"


def test_a_strangers_face_too_far_from_the_first_is_another_visit(visits: Visits) -> None:
    first = visits.place("door", face(1), at(0), template=looks(1))
    assert visits.place("door", face(2), at(2), template=looks(1, 0.52)) != first


def test_of_two_strangers_the_nearer_one_goes_on(visits: Visits) -> None:
    first = visits.place("door", face(1), at(0), template=looks(1))
    second = visits.place("door", face(2), at(0), template=looks(1, 0.7))
    assert first != second
    assert visits.place("door", face(3), at(1), template=looks(1, 0.6)) == second


def test_a_track_that_proves_to_be_somebody_seen_before_joins_their_visit(visits: Visits) -> None:
    first = visits.place("door", face(1, "anna"), at(0))
    assert visits.place("door", face(2, settled=False), at(4)) == "own-2"
    assert visits.place("door", face(2, "anna"), at(5)) == first
    assert visits.present("door", at(5)) == (first,)


def test_a_resident_turning_away_does_not_become_a_second_visit_as_a_stranger(visits: Visits) -> None:
    first = visits.place("door", face(1, "anna"), at(0), template=looks(1))
    assert visits.place("door", face(2), at(3), template=looks(1, 0.45)) == first


def test_a_track_that_shows_another_car_is_another_visit(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12345"), at(0))
    second = visits.place("gate", car(1, "粤B88888"), at(2))
    assert first != second
    assert visits.place("gate", car(1, "粤B88888"), at(3)) == second


def test_a_track_that_shows_another_person_is_another_visit(visits: Visits) -> None:
    first = visits.place("door", face(1, "anna"), at(0), template=looks(1))
    assert visits.place("door", face(1, "bert"), at(2), template=looks(2)) != first


def test_a_car_and_its_owners_face_are_one_visit(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12345"), at(0), person="anna")
    assert visits.place("gate", face(2, "anna"), at(2), person="anna") == first
    assert visits.place("gate", face(3, "bert"), at(2), person="bert") != first


def test_a_visit_has_one_access_event_and_a_second_only_when_somebody_does_pass(visits: Visits) -> None:
    visit = visits.place("door", face(1, "anna"), at(0))
    assert not visits.report(visit, Verdict.WAIT)
    assert visits.report(visit, Verdict.DENY)
    assert not visits.report(visit, Verdict.DENY)
    assert visits.report(visit, Verdict.GRANT)
    assert not visits.report(visit, Verdict.GRANT)
    assert not visits.report(visit, Verdict.DENY)
    assert not visits.report("unheard of", Verdict.GRANT)


def test_a_person_whose_track_breaks_five_times_is_one_access_event(visits: Visits) -> None:
    reported = 0
    for track in range(1, 7):
        for step in range(10):
            identity = face(track, "anna" if step > 3 else None, settled=step > 3)
            visit = visits.place("door", identity, at(track * 4 + step * 0.2), template=looks(1, 0.1 * track))
            verdict = Verdict.GRANT if identity.settled else Verdict.WAIT
            reported += visits.report(visit, verdict)
    assert reported == 1


def test_the_faces_of_those_who_have_left_are_not_kept(visits: Visits) -> None:
    for number in range(6):
        visits.place("gate", face(number + 1, None), at(4 * number), template=looks(number))
    kept = [visit for visit in visits._visits.values() if visit.templates]
    assert len(visits._visits) == 6
    assert len(kept) == 3, "the pause is 10 s, they came 4 s apart"
    visits.forget_faces(at(31))
    assert not any(visit.templates for visit in visits._visits.values())
    # One who is still there after a long pause is known by its track, and its face is kept again.
    assert visits.place("gate", face(6, None), at(60), template=looks(5)) == "own-6"
    assert visits.place("gate", face(7, None), at(61), template=looks(5)) == "own-6"
    visits.forget_faces(at(80))
    assert not any(visit.templates for visit in visits._visits.values())


def test_tracks_of_another_session_are_other_tracks(visits: Visits) -> None:
    first = visits.place("gate", car(1, "京A12345"), at(0))
    assert visits.place("gate", replace(car(1, "粤B88888"), session="t"), at(1)) != first


def test_a_day_of_strangers_does_not_fill_the_memory(visits: Visits) -> None:
    for track in range(3_000):
        visits.place("gate", car(track, f"京A{track:05d}"), at(track * 30))
    assert len(visits._tracks) == len(visits._visits) == 256
    assert visits.place("gate", car(2_999, "京A02999"), at(2_999 * 30 + 5)) == "own-2999"

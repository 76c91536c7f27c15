"""The tracker on drawn movements: stay one, stay two, never the same id again."""

import random

from hypothesis import given
from hypothesis import strategies as st

from edge.records import Box, Kind
from edge.vision.tracking import Seen, Tracker, text_distance

MS = 1_000_000
FRAME_NS = 66 * MS


def face(x: float, y: float = 100, size: float = 60) -> Seen:
    return Seen(Box(x, y, x + size, y + size))


def plate(x: float, text: str = "", y: float = 300, width: float = 90) -> Seen:
    return Seen(Box(x, y, x + width, y + width / 3), text)


def test_a_walking_person_stays_one_track() -> None:
    tracker = Tracker()
    ids = {tracker.update(Kind.FACE, [face(10 + 12 * i)], i * FRAME_NS)[0].id for i in range(60)}
    assert ids == {1}


def test_a_trembling_box_stays_one_track() -> None:
    tracker, chance = Tracker(), random.Random(4)
    for i in range(200):
        thing = face(200 + chance.gauss(0, 5), 100 + chance.gauss(0, 5), 60 + chance.gauss(0, 4))
        assert tracker.update(Kind.FACE, [thing], i * FRAME_NS)[0].id == 1


def test_two_persons_side_by_side_stay_two_in_whatever_order_they_are_found() -> None:
    tracker, chance = Tracker(), random.Random(5)
    for i in range(100):
        left, right = face(100 + 8 * i), face(175 + 8 * i)
        if chance.random() < 0.5:
            found = tracker.update(Kind.FACE, [left, right], i * FRAME_NS)
        else:
            found = tracker.update(Kind.FACE, [right, left], i * FRAME_NS)[::-1]
        if i == 0:
            ids = [track.id for track in found]
        assert [track.id for track in found] == ids
    assert len(set(ids)) == 2


def test_two_persons_who_pass_each_other_keep_their_tracks_by_their_speed() -> None:
    tracker = Tracker()
    for i in range(40):
        a, b = face(100 + 12 * i, y=100), face(580 - 12 * i, y=130)
        found = tracker.update(Kind.FACE, [a, b], i * FRAME_NS)
        if i == 0:
            ids = [track.id for track in found]
    assert [track.id for track in found] == ids


def test_two_cars_nose_to_tail_are_two_tracks() -> None:
    tracker = Tracker()
    first = tracker.update(Kind.PLATE, [plate(300, "皖A12345")], 0)[0]
    for i in range(1, 31):  # the first car drives off, out of the picture
        tracker.update(Kind.PLATE, [plate(300 + 30 * i, "皖A12345")] if i < 10 else [], i * 2 * FRAME_NS)
    assert tracker.end_lost(40 * 2 * FRAME_NS) == (first,)
    second = tracker.update(Kind.PLATE, [plate(300, "皖B67890")], 50 * 2 * FRAME_NS)[0]
    assert second.id == 2


def test_another_plate_at_the_same_place_is_another_track() -> None:
    tracker = Tracker()
    tracker.update(Kind.PLATE, [plate(300, "皖A12345")], 0)
    assert tracker.update(Kind.PLATE, [plate(302, "粤B98765")], FRAME_NS)[0].id == 2


def test_one_misread_character_does_not_part_a_track() -> None:
    tracker = Tracker()
    tracker.update(Kind.PLATE, [plate(300, "皖A12345")], 0)
    assert tracker.update(Kind.PLATE, [plate(302, "皖A1Z34S")], FRAME_NS)[0].id == 1


def test_a_plate_that_jumps_between_two_slow_frames_is_joined_by_its_text() -> None:
    tracker = Tracker()
    tracker.update(Kind.PLATE, [plate(100, "皖A12345")], 0)
    jumped = plate(400, "皖A1234S", y=420, width=140)
    assert tracker.update(Kind.PLATE, [jumped], 500 * MS)[0].id == 1


def test_a_small_plate_without_text_is_joined_over_its_own_width() -> None:
    tracker = Tracker()
    tracker.update(Kind.PLATE, [plate(100, width=60)], 0)
    assert tracker.update(Kind.PLATE, [plate(135, y=318, width=64)], 300 * MS)[0].id == 1


def test_something_far_away_is_a_new_track() -> None:
    tracker = Tracker()
    tracker.update(Kind.FACE, [face(10)], 0)
    assert tracker.update(Kind.FACE, [face(400)], FRAME_NS)[0].id == 2


def test_kinds_never_share_a_track_but_share_the_numbering() -> None:
    tracker = Tracker()
    one = tracker.update(Kind.FACE, [face(10)], 0)[0]
    other = tracker.update(Kind.PLATE, [face(10)], 0)[0]
    assert (one.id, other.id) == (1, 2)
    assert tracker.tracks(Kind.FACE) == (one,)


def test_a_track_outlives_short_misses_and_ends_after_a_second() -> None:
    tracker = Tracker()
    track = tracker.update(Kind.FACE, [face(10)], 0)[0]
    for i in range(1, 15):
        tracker.update(Kind.FACE, [], i * FRAME_NS)
        assert tracker.end_lost(i * FRAME_NS) == ()
    assert tracker.update(Kind.FACE, [face(14)], 15 * FRAME_NS)[0] is track
    for i in range(16, 40):
        tracker.update(Kind.FACE, [], i * FRAME_NS)
    assert tracker.end_lost(40 * FRAME_NS) == (track,)
    assert tracker.tracks() == ()


def test_a_track_that_nobody_looks_for_does_not_end() -> None:
    tracker = Tracker()
    track = tracker.update(Kind.PLATE, [plate(10)], 0)[0]
    assert tracker.end_lost(600 * 1000 * MS) == ()
    assert tracker.update(Kind.PLATE, [plate(11)], 600 * 1000 * MS)[0] is track


def test_a_split_track_goes_on_under_a_new_number() -> None:
    tracker = Tracker()
    old = tracker.update(Kind.FACE, [face(10)], 0)[0]
    new = tracker.split(old)
    assert new.id == 2
    assert tracker.update(Kind.FACE, [face(12)], FRAME_NS)[0] is new


steps = st.lists(
    st.tuples(
        st.sampled_from(list(Kind)),
        st.lists(st.tuples(st.floats(-50, 700), st.floats(-50, 500), st.floats(1, 200)), max_size=4),
        st.integers(0, 3_000),
        st.booleans(),
    ),
    max_size=30,
)


@given(steps)
def test_ids_rise_are_never_used_again_and_every_detection_has_its_own(script: list) -> None:
    tracker, now_ns, dead, newest = Tracker(), 0, set(), 0
    for kind, boxes, pause_ms, ends in script:
        now_ns += pause_ms * MS
        found = tracker.update(kind, [face(*box) for box in boxes], now_ns)
        ids = [track.id for track in found]
        assert len(set(ids)) == len(boxes)
        assert not dead & set(ids)
        assert all(track.kind is kind and track.last_ns == now_ns for track in found)
        fresh = sorted(track.id for track in found if track.hits == 1 and track.id > newest)
        assert fresh == list(range(newest + 1, newest + 1 + len(fresh)))
        newest += len(fresh)
        dead |= {track.id for track in (tracker.end_all() if ends else tracker.end_lost(now_ns))}


@given(st.text("AB1", max_size=6), st.text("AB1", max_size=6))
def test_text_distance_is_a_distance(one: str, other: str) -> None:
    distance = text_distance(one, other)
    assert distance == text_distance(other, one)
    assert (distance == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))


def test_two_cars_nose_to_tail_whose_plates_are_in_view_together_stay_two() -> None:
    tracker = Tracker()
    ids = set()
    for i in range(30):  # both roll on; the second one comes to where the first one stood
        first, second = (
            plate(300 + 9 * i, "皖A12345", y=300 + 6 * i),
            plate(200 + 9 * i, "皖B67890", y=235 + 6 * i),
        )
        found = tracker.update(Kind.PLATE, [first, second] if i % 2 else [second, first], i * FRAME_NS)
        ids.add(tuple(track.id for track in (found if i % 2 else found[::-1])))
    assert ids == {(2, 1)}


def test_the_second_car_at_the_line_is_another_track_although_no_frame_was_without_a_plate() -> None:
    tracker = Tracker()
    for i in range(10):
        (first,) = tracker.update(Kind.PLATE, [plate(300, "皖A12345")], i * FRAME_NS)
    (second,) = tracker.update(Kind.PLATE, [plate(306, "皖B67890", y=304)], 10 * FRAME_NS)
    assert second.id != first.id


def test_two_persons_side_by_side_stay_two_while_one_is_not_found_for_a_moment() -> None:
    tracker = Tracker()
    for i in range(40):
        both = [face(100 + 6 * i), face(170 + 6 * i)]
        found = tracker.update(Kind.FACE, both[1:] if 15 <= i < 20 else both, i * FRAME_NS)
        if 15 <= i < 20:
            assert [track.id for track in found] == [2]
        else:
            assert [track.id for track in found] == [1, 2]


def test_a_track_is_carried_on_by_its_speed_while_nobody_looks() -> None:
    tracker = Tracker()
    for i in range(10):
        tracker.update(Kind.FACE, [face(100 + 20 * i)], i * FRAME_NS)
    (track,) = tracker.tracks()
    later_ns = 9 * FRAME_NS + 400 * MS
    expected = track.expected(later_ns)
    assert abs(expected.left - (280 + 20 * 400 / 66)) < 2
    (found,) = tracker.update(Kind.FACE, [face(280 + 120)], later_ns)
    assert found is track


def test_a_track_that_was_not_looked_for_is_not_missed() -> None:
    tracker = Tracker()
    (near,) = tracker.update(Kind.FACE, [face(100)], 0)
    (far,) = [t for t in tracker.update(Kind.FACE, [face(100), face(500)], FRAME_NS) if t is not near]
    tracker.update(Kind.FACE, [], 2 * FRAME_NS, lambda box: box.left < 300)
    assert (near.misses, far.misses) == (1, 0)

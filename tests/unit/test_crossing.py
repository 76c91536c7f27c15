"""Which way somebody went: every order in which two sensors can come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS_PER_S
from edge.lanes.crossing import NOBODY, Course, Crossing, follow

GAP_NS = NS_PER_S
LOOKS = {"-": (False, False), "a": (True, False), "b": (False, True), "x": (True, True), "?": (None, None)}


def courses(story: str, step_ns: int = NS_PER_S // 10) -> list[Course]:
    """What a row of looks tells: a, b, x (both), - (nobody), ? (no news), . (a long pause with nobody)."""
    crossing, now_ns, told = NOBODY, 0, list[Course]()
    for look in story:
        now_ns += 3 * GAP_NS if look == "." else step_ns
        a, b = LOOKS["-" if look == "." else look]
        crossing, found = follow(crossing, a, b, now_ns, GAP_NS)
        told += found
    return told


@pytest.mark.parametrize(
    ("story", "told"),
    [
        ("-axb-", [Course.FORWARD]),
        ("-bxa-", [Course.BACKWARD]),
        ("a-b-", [Course.FORWARD]),  # a motorcycle, between the two for a moment
        ("b-a-", [Course.BACKWARD]),
        ("axa-.", [Course.BACK_TO_A]),  # A, B, B, A
        ("a-.", [Course.BACK_TO_A]),
        ("bxb-.", [Course.BACK_TO_B]),
        ("b-.", [Course.BACK_TO_B]),
        ("a-", []),  # it may still come out at the other end
        ("ax-", [Course.FORWARD]),  # both left in one look: it had reached the far end
        ("bx-", [Course.BACKWARD]),
        ("xb-", [Course.FORWARD]),  # both came in one look: what it leaves first tells
        ("xa-", [Course.BACKWARD]),
        ("x-", [Course.UNSURE]),
        ("axbxb-", [Course.FORWARD, Course.FOLLOWED, Course.FORWARD]),  # two cars bumper to bumper
        ("axbxaxb-", [Course.FORWARD, Course.FOLLOWED, Course.FORWARD]),
        ("axbxa-.", [Course.FORWARD, Course.FOLLOWED, Course.BACK_TO_A]),  # through, and back again
        ("axb-axb-", [Course.FORWARD, Course.FORWARD]),
        ("ax??b-", [Course.FORWARD]),
        ("a??-.", [Course.BACK_TO_A]),
        ("", []),
    ],
)
def test_the_order_of_two_sensors_tells_the_way(story: str, told: list[Course]) -> None:
    assert courses(story) == told


@given(st.text(alphabet="abx-?.", max_size=40))
def test_nothing_is_told_of_nobody_and_the_end_is_always_reached(story: str) -> None:
    crossing, now_ns = NOBODY, 0
    throughs = 0
    for look in [*story, ".", "."]:
        now_ns += 3 * GAP_NS if look == "." else GAP_NS // 10
        a, b = LOOKS["-" if look == "." else look]
        crossing, found = follow(crossing, a, b, now_ns, GAP_NS)
        throughs += sum(course in (Course.FORWARD, Course.BACKWARD, Course.UNSURE) for course in found)
    assert crossing == Crossing()
    touches = sum(1 for look in story if look in "abx")
    assert throughs <= touches

"""Where a track comes from, and which way it crosses a line."""

import pytest

from edge.records import Box, Kind, Stream
from edge.vision.facts import event_of
from edge.vision.messages import Passed
from edge.vision.passing import Course, near_edge

W, H = 640, 360
LEVEL = ((0.0, 0.5), (1.0, 0.5))  # drawn from left to right, at y = 180
SHORT = ((0.25, 0.5), (0.5, 0.5))  # x from 160 to 320


def walk(course: Course, line: tuple, *middles: tuple[float, float], size: float = 40) -> list[str]:
    half = size / 2
    boxes = [Box(x - half, y - half, x + half, y + half) for x, y in middles]
    return [course.follow(box, W, H, line) for box in boxes]


@pytest.mark.parametrize(
    ("line", "way", "expected"),
    [
        (LEVEL, [(300, 100), (300, 160), (300, 200), (300, 260)], ["", "", "in", ""]),
        (LEVEL, [(300, 260), (300, 200), (300, 160)], ["", "", "out"]),
        ((LEVEL[1], LEVEL[0]), [(300, 260), (300, 160)], ["", "in"]),
        (((0.5, 0.0), (0.5, 1.0)), [(100, 180), (500, 180)], ["", "out"]),
        (LEVEL, [(300, 100), (300, 179), (300, 181), (300, 178), (300, 183)], [""] * 5),  # trembles on it
        (LEVEL, [(300, 100), (300, 181), (300, 100)], ["", "", ""]),  # touches it and turns back
        (LEVEL, [(300, 100), (300, 260), (300, 100)], ["", "in", "out"]),
        (SHORT, [(200, 100), (200, 260)], ["", "in"]),
        (SHORT, [(500, 100), (500, 260)], ["", ""]),  # past its end
        (SHORT, [(500, 100), (500, 260), (200, 260), (200, 100)], ["", "", "", "out"]),
        (LEVEL, [(300, 100), (300, 350)], ["", "in"]),  # between two slow frames
    ],
)
def test_a_line_is_crossed_as_often_as_somebody_crosses_it(
    line: tuple, way: list[tuple[float, float]], expected: list[str]
) -> None:
    course = Course()
    assert walk(course, line, *way) == expected
    ways = [word for word in expected if word]
    assert course.crossed == (ways[-1] if ways else "")


def test_without_a_line_nothing_is_crossed() -> None:
    assert Course().follow(Box(0, 0, 40, 40), W, H, None) == ""


@pytest.mark.parametrize(
    ("box", "edge"),
    [
        (Box(5, 100, 65, 160), "left"),
        (Box(580, 100, 640, 160), "right"),
        (Box(300, -10, 360, 50), "top"),
        (Box(300, 290, 360, 350), "bottom"),
        (Box(300, 150, 360, 210), ""),
        (Box(40, 150, 100, 210), ""),
    ],
)
def test_an_edge_is_near_within_half_the_size(box: Box, edge: str) -> None:
    assert near_edge(box, W, H) == edge
    course = Course()
    course.follow(box, W, H, LEVEL)
    course.follow(Box(300, 150, 360, 210), W, H, LEVEL)
    assert course.came == edge


@pytest.mark.parametrize(
    ("what", "type_", "more"),
    [("in", "camera.crossed", {"direction": "in"}), ("loiters", "camera.loiters", {})],
)
def test_a_crossing_and_a_long_stay_are_events(what: str, type_: str, more: dict) -> None:
    draft = event_of("lane", "s1", Passed(7, Kind.PLATE, what, 5, 61_234, "top"))
    assert (draft.stream, draft.type, draft.subject) == (Stream.SYS, type_, "lane")
    assert draft.data == {"kind": "plate", "track": "s1-7", "in_view_s": 61.2, "came_from": "top", **more}

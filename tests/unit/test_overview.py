"""What is told of the cameras: the numbers that go to the platform, and the table that people read."""

from dataclasses import replace

from edge.cli.lane_views import read_rates, seen_lines
from edge.clock import ManualClock
from edge.health import Alarms
from edge.overview import views
from edge.settings import Settings
from edge.settings_file import parse_settings
from edge.vision import Eye
from edge.vision.messages import Stats


def box() -> Settings:
    return parse_settings(
        {
            "device": {"id": "box"},
            "cameras": {"lane": {"type": "opencv", "source": "rtsp://camera/1", "looks_for": ["plate"]}},
        }
    )


def eye(settings: Settings, clock: ManualClock) -> Eye:
    return Eye(
        "lane", settings.cameras["lane"], settings.models, clock, Alarms(clock), lambda _sighting: None
    )


def test_who_came_was_read_and_crossed_the_line_is_told_and_shown(clock: ManualClock) -> None:
    settings = box()
    camera = eye(settings, clock)
    counts = {"tracks": 12.0, "read": 9.0, "in": 5.0, "out": 4.0}
    camera.stats = replace(camera.stats, stats=Stats(tracks=2, searched=7), counts=counts)
    (told,) = views(settings, {"lane": camera})["cameras"]
    assert told["counts"] == {"tracks": 12, "read": 9, "in": 5, "out": 4}
    assert all(isinstance(count, int) for count in told["counts"].values())
    assert (told["tracks"], told["searched"]) == (2, 7)
    (line,) = seen_lines([told])
    assert line.startswith("lane: 12 came into view, 9 were read; over the line 5 in, 4 out")
    assert "出现 12,识别 9;越线进 5,出 4" in line


def test_a_camera_without_a_line_shows_no_crossings_and_one_that_has_not_begun_shows_nothing(
    clock: ManualClock,
) -> None:
    settings = box()
    camera = eye(settings, clock)
    fresh = views(settings, {"lane": camera})["cameras"]
    assert fresh[0]["counts"] == {}
    assert seen_lines(fresh) == []
    camera.stats = replace(camera.stats, counts={"tracks": 1, "read": 0, "in": 0, "out": 0})
    (line,) = seen_lines(views(settings, {"lane": camera})["cameras"])
    assert "1 came into view, 0 were read 出现 1,识别 0" in line


def test_of_the_cars_that_crossed_those_that_were_read_are_told_lane_by_lane() -> None:
    rates = {"entry": {"crossed": 42, "read": 31, "lately_crossed": 42, "lately_read": 31}}
    (line,) = read_rates(rates)
    assert line.startswith("entry: 42 cars crossed, 31 were read")
    assert "过车 42 辆,识别 31 辆" in line
    assert read_rates({}) == []

"""``gatehouse bench``: what a pile of times says, and how it is told."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.bench import Pace, Spread, visits_per_minute
from edge.bench.figures import percentile, slope_per_hour
from edge.bench.usage import ProcessorTime, descriptors, memory_mb, processor_time, threads
from edge.cli.bench_peers import spaced
from edge.cli.bench_words import sentences

TIMES = some.lists(some.floats(0, 1e6, allow_nan=False), min_size=1, max_size=60)


@given(TIMES, some.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_was_measured_and_not_exceeded_by_that_share(values: list[float], share: float) -> None:
    found = percentile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_no_times_are_no_figures() -> None:
    assert Spread.of([]) == Spread(0, 0.0, 0.0, 0.0, 0.0)


def test_a_hundred_times_are_told_by_rank() -> None:
    assert Spread.of([float(n) for n in range(100, 0, -1)]) == Spread(100, 50.0, 95.0, 99.0, 100.0)


@pytest.mark.parametrize(
    ("searched", "read", "pace"),
    [(0, 0, Pace.IDLE), (2, 0, Pace.WATCHING), (2, 1, Pace.DECIDING), (0, 1, Pace.DECIDING)],
)
def test_the_pace_is_what_was_done(searched: int, read: int, pace: Pace) -> None:
    assert Pace.of(searched, read) is pace


def test_cars_a_minute_are_what_is_left_beside_idling() -> None:
    assert visits_per_minute(0.5, 0.0) == 120.0
    assert visits_per_minute(0.5, 0.25) == 90.0
    assert visits_per_minute(0.5, 1.5) == 0.0, "a machine that cannot even idle has time for nobody"
    assert visits_per_minute(0.0, 0.1) == 0.0, "nobody was decided about: nothing is known"


@given(some.floats(-50, 50), some.integers(3, 30))
def test_a_straight_line_has_its_own_slope(per_hour: float, count: int) -> None:
    times_s = [60.0 * n for n in range(count)]
    values = [200.0 + per_hour * time_s / 3600 for time_s in times_s]
    assert slope_per_hour(times_s, values) == pytest.approx(per_hour, abs=1e-6)


def test_a_slope_needs_two_times() -> None:
    assert slope_per_hour([1.0], [5.0]) == 0.0
    assert slope_per_hour([1.0, 1.0], [5.0, 6.0]) == 0.0


def test_frames_for_a_peer_are_spread_over_all() -> None:
    assert spaced(list(range(100)), 4) == [24, 49, 74, 99]
    assert spaced([7, 9], 4) == [7, 9]


def test_our_own_process_has_used_time_and_memory() -> None:
    pid = int(Path("/proc/self").resolve().name)
    before = processor_time(pid)
    sum(n * n for n in range(300_000))
    used = processor_time(pid).since(before)
    assert used.main_s > 0
    assert used.all_s == used.main_s + used.others_s
    assert ProcessorTime(1.0, 2.0).plus(ProcessorTime(3.0, 4.0)) == ProcessorTime(4.0, 6.0)
    memory = memory_mb(pid)
    assert 1 < memory["rss"] <= memory["peak"] * 1.01
    with Path("/proc/self/stat").open():
        assert descriptors(pid) >= 1
    assert threads(pid) >= 1


def test_the_sentences_say_heat_and_a_crowded_machine() -> None:
    processor = {"words": "a board, 4 cores", "cores": 4}
    before = {"load": 3.0, "processor": processor, "temperature cpu": {"words": "51 °C"}}
    after = {"load": 3.0, "processor": processor, "temperature cpu": {"words": "74 °C"}}
    said = "\n".join(sentences({"machine": {"before": before, "after": after}, "films": {}}))
    assert "51 °C before" in said
    assert "74 °C after" in said
    assert "3.0 of 4 cores busy" in said
    quiet = {"load": 0.1, "processor": processor}
    said = "\n".join(sentences({"machine": {"before": quiet, "after": quiet}, "films": {}}))
    assert "cannot be read" in said
    assert "busy" not in said


def test_the_sentences_speak_both_languages_of_what_was_measured() -> None:
    quiet = {"load": 0.0, "processor": {"cores": 2}}
    spread = {"count": 9, "p50": 2.0, "p95": 3.0, "p99": 4.0, "worst": 5.0}
    films = {
        "plate": {
            "paces_ms": {"idle": spread},
            "visits_per_minute": 64.2,
            "real_time": {
                "memory_mb": {"rss": 150.4, "pss": 120.1},
                "sighting_age_ms": spread,
                "waited_ms": 180.4,
                "frames": 100,
                "dropped": 9,
            },
            "against": {
                "peer": "rapidocr",
                "times_as_fast": 12.34,
                "frames": 6,
                "ours_found": 5,
                "theirs_found": 4,
            },
        }
    }
    said = sentences(json.loads(json.dumps({"machine": {"before": quiet, "after": quiet}, "films": films})))
    whole = "\n".join(said)
    for words in (
        "3.0% of one core",
        "64 cars a minute",
        "64 辆车",
        "PSS 120 MB",
        "12.3 times as fast",
        "180 ms",
    ):
        assert words in whole
    assert all(any("一" <= sign <= "鿿" for sign in line) for line in said)

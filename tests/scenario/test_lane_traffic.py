"""A barrier lane with two loops, lamps and a siren on simulated boards: ways, holds, power cuts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lane_rig import CLOCK, CLOSE, OPEN, Rig, grant, rig

from drivers.simulated.barrier import BarrierTraits
from drivers.simulated.site import SimulatedSite
from edge.clock import NS_PER_S
from edge.lanes import Ask
from edge.records import Stream

RED, GREEN, ALARM = 5, 6, 7
FAST = BarrierTraits(travel_up_s=0.4, travel_down_s=0.6)


@contextmanager
def extended(folder: Path, **changes: Any) -> Iterator[Rig]:
    site = SimulatedSite(
        lcus_link=folder / "relays",
        io_link=folder / "inputs",
        barrier=FAST,
        drop_faster_than_ms=10.0,
        extended=True,
    )
    with rig(folder, site=site, extended=True, **changes) as made:
        made.until_phase("closed")
        yield made


def drive(made: Rig, story: str, pause_s: float = 0.25) -> None:
    """A: loop under the boom, B: second loop; a, b, x (both), - (nobody)."""
    for look in story:
        made.site.hold("loop", look in "ax")
        made.site.hold("second_loop", look in "bx")
        time.sleep(pause_s)


def named(made: Rig, kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in made.events(Stream.BARRIER) if f".{kind}." in event["type"]]


def test_two_loops_tell_a_passage_from_a_car_that_turns_back_and_the_lamps_follow(tmp_path: Path) -> None:
    with extended(tmp_path) as made:
        made.until(lambda: made.site.lcus.relays[RED - 1])
        made.lane.submit(grant(visit="first"))
        made.until_phase("open_wait")
        made.until(lambda: made.site.lcus.relays[GREEN - 1] and not made.site.lcus.relays[RED - 1])
        drive(made, "axa-")
        made.until(lambda: named(made, "turned_back") == [{"visit": "first"}])
        made.until_phase("closed")
        made.until(lambda: made.site.lcus.relays[RED - 1] and not made.site.lcus.relays[GREEN - 1])
        made.lane.submit(grant(visit="first"))  # it comes again, and may
        made.until_phase("open_wait")
        drive(made, "axb-")
        made.until_phase("closed")
        assert named(made, "passed") == [{"visit": "first"}]
        assert len(made.pulses(OPEN)) == 2
        assert made.site.barrier.hits == []


def test_a_car_the_wrong_way_sounds_the_alarm_and_uses_nobodys_permit(tmp_path: Path) -> None:
    with extended(tmp_path) as made:
        made.lane.submit(grant())
        made.until_phase("open_wait")
        drive(made, "bxa-")
        made.until(lambda: named(made, "wrong_way"))
        made.until(lambda: made.site.lcus.relays[ALARM - 1])
        assert [alarm.name for alarm in made.alarms.standing()] == ["barrier.wrong_way"]
        assert made.lane.status.waiting == ("visit-1",)
        made.lane.close()
        made.until(lambda: not any(made.site.lcus.relays))


def test_one_way_at_a_time_on_a_two_way_lane(tmp_path: Path) -> None:
    two_way = {"direction": "both", "cameras": ["front", "back"], "cameras_out": ["back"]}
    with extended(tmp_path, **two_way) as made:
        made.lane.submit(grant(visit="comes"))
        made.until_phase("open_wait")
        assert made.lane.status.heading == "in"
        leaves = grant(visit="leaves")
        assert leaves.identity is not None
        leaves = replace(leaves, identity=replace(leaves.identity, camera="back"))
        for _ in range(3):
            made.lane.submit(leaves)
        made.until(lambda: len(made.events(Stream.ACCESS)) == 2)
        results = [event["data"]["result"] for event in made.events(Stream.ACCESS)]
        assert results == ["accepted", "other_way_busy"]
        assert named(made, "refused") == [], "it is said once"
        drive(made, "axb-")
        made.until_phase("closed")
        again = grant(visit="leaves")
        assert again.identity is not None
        made.lane.submit(replace(again, identity=replace(again.identity, camera="back")))
        made.until_phase("open_wait")
        assert made.lane.status.heading == "out"
        drive(made, "bxa-")
        made.until_phase("closed")
        assert [event["visit"] for event in named(made, "passed")] == ["comes", "leaves"]


def test_a_held_opening_ends_in_its_time_and_fleet_mode_when_told(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    def ask(made: Rig, wish: Ask, name: str, hold_s: float = 0) -> None:
        soon_ns = CLOCK.boot_ns() + 10 * NS_PER_S
        count = len(told)
        made.lane.command(wish, name, "wang", soon_ns, lambda *end: told.append(end), hold_s=hold_s)
        made.until(lambda: len(told) > count)

    with extended(tmp_path) as made:
        ask(made, Ask.HOLD, "hold-1", 1.5)
        made.until_phase("held_open")
        made.until_phase("closed")
        ask(made, Ask.FLEET, "fleet-1")
        made.until_phase("held_open")
        made.lane.submit(grant(visit="one"))
        made.until(lambda: made.lane.status.waiting == ("one",))
        drive(made, "axb-")
        assert made.lane.status.phase == "held_open"
        ask(made, Ask.RELEASE, "release-1")
        made.until_phase("closed")
        assert {result for result, _ in told} == {"done"}
        assert [event["by"] for event in named(made, "held")] == [["remote"], ["fleet"]]


def test_the_boom_is_held_open_at_the_times_of_the_schedule(tmp_path: Path) -> None:
    always = [{"start": "00:00", "end": "00:00"}]
    site = SimulatedSite(
        lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs", barrier=FAST, drop_faster_than_ms=10.0
    )
    with rig(tmp_path, site=site, hold_open=always) as made:
        made.until_phase("held_open")
        assert made.lane.status.holds == ("schedule",)
        document = made.settings.model_dump(mode="json")
        document["lanes"]["gate"]["hold_open"] = []
        made.lane.update(type(made.settings).model_validate(document))
        made.until_phase("closed")


def test_SAFE_1_a_boom_found_open_after_a_power_cut_is_closed_when_the_lane_is_proven_clear(
    tmp_path: Path,
) -> None:
    site = SimulatedSite(
        lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs", barrier=FAST, drop_faster_than_ms=10.0
    )
    site.barrier.angle_deg = 90.0  # the power went away while it was up
    site.hold("loop", True)
    times = {"clear_s": 0.5, "power_return_s": 5}
    with rig(tmp_path, site=site, power_return="close", times=times) as made:
        made.until_phase("passing")
        assert made.pulses(CLOSE) == []
        site.hold("loop", False)
        made.until_phase("closed")
        assert len(made.pulses(CLOSE)) == 1
        assert named(made, "closed_after_power_return") == [{}]
        assert site.barrier.hits == []
        assert site.barrier.closes_on_presence_ns == []


def test_a_decision_that_the_lane_cannot_take_is_journaled(tmp_path: Path) -> None:
    with extended(tmp_path) as made:
        made.lane.clerk.stop()
        made.until(lambda: not made.lane.clerk.is_alive())
        assert made.lane.submit(grant(visit="too-late")) is False
        made.lane.close()
        (access,) = made.events(Stream.ACCESS)
        assert access["data"]["visit"] == "too-late"
        assert access["data"]["result"] in ("queue_full", "stopping")

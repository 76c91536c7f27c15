"""A turnstile and a mantrap on simulated boards: real bytes, people who walk, a real journal."""

import time
from pathlib import Path
from typing import Any

import pytest
from lane_rig import CLOCK, grant
from walkway_rig import MAGNET, WalkwayRig, mantrap_section, tripod_section, walkway_rig

from drivers.simulated.turnstile import TurnstileTraits
from edge.clock import NS_PER_S
from edge.lanes import Ask
from edge.records import Stream

PATIENT = {"patience_s": 60.0}


def ask(made: WalkwayRig, wish: Ask, name: str, **options: Any) -> tuple[str, str]:
    """A command of the staff; how it ended, and why."""
    told: list[tuple[str, str]] = []
    soon_ns = CLOCK.boot_ns() + 20 * NS_PER_S
    made.lane.command(wish, name, "wang", soon_ns, lambda result, why: told.append((result, why)), **options)
    made.until(lambda: told)
    return told[0]


def named(made: WalkwayRig, kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in made.events(Stream.BARRIER) if f".{kind}." in event["type"]]


# --- turnstile ----------------------------------------------------------------------------------------------


def test_a_permitted_person_goes_through_the_turnstile_and_the_feedback_is_journaled(tmp_path: Path) -> None:
    with walkway_rig(tmp_path, "tripod", tripod_section()) as made:
        made.until(lambda: made.relay("red"))
        made.site.walk("turnstile", "in", **PATIENT)
        made.lane.submit(grant("tripod", lives_s=20.0))
        made.until(lambda: made.site.turnstile.passed)
        made.until(lambda: "turnstile.passed" in made.types())
        made.until_phase("idle")
        made.until(lambda: made.relay("red") and not made.relay("green"))
        assert len(made.times("pass_in")) == 1
        assert len(made.times("green")) == 1
        assert made.times("pass_out") == []
        assert named(made, "passed") == [{"visit": "visit-1"}]
        assert [e["data"]["result"] for e in made.events(Stream.ACCESS)] == ["accepted"]
        assert named(made, "actuated")[0]["result"] == "done"
        assert made.alarms.standing() == ()


def test_people_wait_their_turn_and_there_is_never_more_than_one_credit(tmp_path: Path) -> None:
    with walkway_rig(tmp_path, "tripod", tripod_section()) as made:
        for visit in ("first", "second"):
            made.lane.submit(grant("tripod", visit, lives_s=60.0))
        made.until(lambda: len(made.times("pass_in")) == 1)
        assert made.lane.status.waiting == ("first",)
        made.site.walk("turnstile", "in", **PATIENT)
        made.until(lambda: len(made.times("pass_in")) == 2)
        made.until(lambda: not made.site.turnstile.zone_out)
        made.site.walk("turnstile", "in", **PATIENT)
        made.until(lambda: len(named(made, "passed")) == 2)
        assert [event["visit"] for event in named(made, "passed")] == ["first", "second"]
        assert {event["result"] for event in named(made, "actuated")} == {"done"}


def test_whoever_follows_on_one_permit_is_seen_and_the_alarm_output_sounds(tmp_path: Path) -> None:
    slow = TurnstileTraits(walk_s=2.0)
    with walkway_rig(tmp_path, "tripod", tripod_section(), turnstile=slow) as made:
        made.site.walk("turnstile", "in", followed=True, **PATIENT)
        made.lane.submit(grant("tripod", lives_s=20.0))
        made.until(lambda: named(made, "tailgated"))
        made.until(lambda: made.relay("alarm"))
        assert [alarm.name for alarm in made.alarms.standing()] == ["turnstile.tailgated"]


def test_SAFE_2_fire_drops_the_arm_and_SAFE_1_it_comes_back_only_over_nobody(tmp_path: Path) -> None:
    with walkway_rig(tmp_path, "tripod", tripod_section()) as made:
        made.site.hold("fire", True)
        made.until(lambda: made.site.turnstile.is_free)
        assert ask(made, Ask.RELEASE, "release-1") == ("cancelled", "not_held_remotely")
        made.site.hold("fire", False)
        now_s = (CLOCK.boot_ns() - made.site.epoch_ns) / NS_PER_S
        walker = {"kind": "walker", "way": "out", **PATIENT}
        made.site.play([walker | {"at": now_s + 0.25 * i} for i in range(26)])  # longer than the reset time
        made.until(lambda: not made.site.turnstile.is_free)
        made.until_phase("idle")
        assert len(made.site.turnstile.passed) == 26
        assert made.site.turnstile.hits == []


def test_staff_give_free_passage_for_a_time(tmp_path: Path) -> None:
    with walkway_rig(tmp_path, "tripod", tripod_section()) as made:
        assert ask(made, Ask.HOLD, "hold-1", hold_s=1.0)[0] == "done"
        made.until(lambda: made.site.turnstile.is_free)
        made.until(lambda: not made.site.turnstile.is_free)
        assert ask(made, Ask.FLEET, "fleet-1") == ("cancelled", "no_fleet_mode")


def test_SAFE_4_an_arm_that_is_safe_released_is_held_only_while_the_lane_runs(tmp_path: Path) -> None:
    """A drop arm held by current, on an escape route: it drops when anything stops."""
    release = {"board": "relays", "channel": 3, "energise_to": "hold", "safe": "released"}
    with walkway_rig(tmp_path, "tripod", tripod_section(release=release)) as made:
        made.until(lambda: made.relay("release"))  # energised: held
        made.site.hold("fire", True)
        made.until(lambda: not made.relay("release"))
        made.until_phase("free")
    with walkway_rig(tmp_path, "tripod", tripod_section(release=release)) as made:
        made.until(lambda: made.relay("release"))
        made.lane.close()
        made.until(lambda: not made.relay("release"))


# --- mantrap ------------------------------------------------------------------------------------------------


def test_one_person_goes_through_both_doors_and_never_are_both_open(tmp_path: Path) -> None:
    with walkway_rig(tmp_path, "lock", mantrap_section()) as made:
        made.lane.submit(grant("lock", lives_s=20.0))
        made.until_phase("unlocked")
        made.site.walk("mantrap", "in", **PATIENT)
        made.until(lambda: made.site.mantrap.through)
        made.until_phase("idle")
        assert made.site.mantrap.both_open_ns == []
        assert named(made, "passed") == [{"visit": "visit-1"}]
        outer, inner = made.times("outer_lock"), made.times("inner_lock")
        assert len(outer) == 1
        assert len(inner) == 1
        assert outer < inner
        assert made.alarms.standing() == ()


def test_the_exit_button_leads_out_through_both_doors_and_is_an_access_event(tmp_path: Path) -> None:
    magnets = {
        f"{door}_lock": {"board": "relays", "channel": channel, "pulse_ms": 0, "energise_to": "lock"}
        for door, channel in (("outer", 4), ("inner", 5))
    }
    with walkway_rig(tmp_path, "lock", mantrap_section(**magnets), doors=MAGNET) as made:
        made.until(lambda: made.relay("outer_lock") and made.relay("inner_lock"))  # locked: energised
        made.site.hold("exit_button", True)
        made.until(lambda: not made.relay("inner_lock"))
        assert made.relay("outer_lock")
        made.site.hold("exit_button", False)
        made.site.walk("mantrap", "out", **PATIENT)
        made.until(lambda: made.site.mantrap.through)
        made.until_phase("idle")
        assert made.site.mantrap.both_open_ns == []
        (access,) = made.events(Stream.ACCESS)
        assert access["data"]["reason"] == "exit_button"


def test_whoever_stays_between_the_doors_gets_out_again(tmp_path: Path) -> None:
    with walkway_rig(tmp_path, "lock", mantrap_section("occupied")) as made:
        made.lane.submit(grant("lock", lives_s=20.0))
        made.until_phase("unlocked")
        made.site.walk("mantrap", "in", **PATIENT)
        made.until(lambda: made.site.mantrap.is_occupied)
        made.site.hold("cabin_button", True)
        made.until(lambda: made.site.mantrap.back or made.site.mantrap.through)
        made.until_phase("idle")
        assert made.site.mantrap.both_open_ns == []


def test_SAFE_2_fire_lets_go_of_both_doors_at_once(tmp_path: Path) -> None:
    with walkway_rig(tmp_path, "lock", mantrap_section()) as made:
        made.site.hold("fire", True)
        made.until(lambda: made.relay("outer_lock") and made.relay("inner_lock"))
        assert ask(made, Ask.CLOSE, "close-1") == ("cancelled", "held_open")
        assert ask(made, Ask.HOLD, "hold-1") == ("cancelled", "never_held_remotely")


def test_SAFE_4_locks_that_are_safe_unlocked_let_go_when_the_lane_ends_or_its_board_goes(
    tmp_path: Path,
) -> None:
    escape = {
        f"{door}_lock": {
            "board": "relays",
            "channel": channel,
            "pulse_ms": 0,
            "energise_to": "lock",
            "safe": "unlocked",
        }
        for door, channel in (("outer", 4), ("inner", 5))
    }
    with walkway_rig(tmp_path, "lock", mantrap_section(**escape), doors=MAGNET) as made:
        made.until(lambda: made.relay("outer_lock") and made.relay("inner_lock"))
        bolts = ("outer_locked", "inner_locked")
        made.until(lambda: all(made.lane.status.contacts[bolt] for bolt in bolts))
        time.sleep(0.5)  # the locks settle
        made.lane.submit(grant("lock", lives_s=20.0))
        made.until(lambda: not made.relay("outer_lock"))
        assert made.relay("inner_lock")
        made.until(lambda: named(made, "actuated"))
        assert named(made, "actuated")[0]["result"] == "done"
        made.until(lambda: made.relay("outer_lock"))  # nobody came: locked again
        made.site.lcus.unplug()  # the board has its own power: it keeps what it was told last
        made.until(lambda: not made.boards["relays"].is_up)
        made.site.lcus.replug()
        made.until(lambda: made.boards["relays"].is_up)
        made.until(lambda: made.relay("outer_lock") and made.relay("inner_lock"))  # made safe, locked again
        made.lane.close()
        made.until(lambda: not made.relay("outer_lock") and not made.relay("inner_lock"))


@pytest.mark.parametrize("name", ["tripod", "lock"])
def test_dry_run_records_and_moves_nothing(tmp_path: Path, name: str) -> None:
    section = tripod_section(dry_run=True) if name == "tripod" else mantrap_section(dry_run=True)
    with walkway_rig(tmp_path, name, section) as made:
        made.lane.submit(grant(name, lives_s=20.0))
        made.until(lambda: made.events(Stream.ACCESS))
        (access,) = made.events(Stream.ACCESS)
        assert access["data"]["result"] == "dry_run"
        assert not any(made.site.lcus.relays)

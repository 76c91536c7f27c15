"""SIGKILL at every place of the actuation path: at most one pulse, the relay off, the result ``unknown``.

By command, as often as you like, for every kind of lane:

    python tests/faults/test_lane_kill.py --times 100 [--kind door] [--point actuation.after_pulse]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from lane_rig import CLOCK  # noqa: E402
from lane_sites import SITES  # noqa: E402

from edge.faults import ACTUATION_POINTS, ENV  # noqa: E402
from edge.lanes import make_safe  # noqa: E402
from edge.records import Stream, new_id  # noqa: E402
from edge.store.journal import Journal  # noqa: E402

SAFE_AGAIN_S = 120.0  # the outputs' guard allows 12 s; what it took is printed, this machine may be slow
QUICK_ONES = [("barrier", point) for point in ACTUATION_POINTS] + [
    ("door", "actuation.before_off"),
    ("turnstile", "actuation.after_pulse"),
    ("mantrap", "actuation.after_pulse"),
]


longest_s = [0.0]
"""From a kill until every relay was safe again, the longest so far."""


def until(what: Callable[[], object], within_s: float = 240.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def start(kind: str, folder: Path, decision_id: str, fault: str = "") -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if name != ENV}
    if fault:
        environ[ENV] = fault
    child = Path(__file__).with_name("lane_child.py")
    return subprocess.Popen(
        [sys.executable, str(child), kind, str(folder), decision_id], env=environ, stdin=subprocess.PIPE
    )


def pulses_of(site: Any, channel: int) -> int:
    return sum(number == channel and on for _, number, on in list(site.lcus.history))


def events(folder: Path) -> list[tuple[str, str]]:
    journal = Journal(folder / "events.db", CLOCK, tenant="home", device="test-box", boot_id="boot-2")
    try:
        found = [json.loads(row.payload) for row in journal.tail(0)]
    finally:
        journal.close()
    return [
        (event["type"].removeprefix("gh.").removesuffix(".v1"), event["data"].get("result", ""))
        for event in found
        if event["type"].split(".")[1] in ("access", "actuation") or "actuated" in event["type"]
    ]


def kill_at(point: str, folder: Path, kind: str = "barrier") -> int:
    """Kill a daemon there, clean up as systemd would, start it again with the same decision; checks it all.

    Returns:
        Pulses of the relay that opens, over both lives.
    """
    decision_id, known = new_id(), SITES[kind]
    with known.make(folder) as site:
        with start(kind, folder, decision_id, point) as child:
            assert child.wait(240.0) == -signal.SIGKILL
        killed_s = time.monotonic()
        assert (folder / "up").exists(), "killed before the decision"
        assert make_safe(known.settings(folder)) == ()  # ExecStopPost=gatehouse safe
        assert not any(site.lcus.relays)
        longest_s[0] = max(longest_s[0], time.monotonic() - killed_s)
        assert longest_s[0] < SAFE_AGAIN_S
        pulses = pulses_of(site, known.opener)
        assert pulses == (0 if point in ACTUATION_POINTS[:2] else 1)
        (folder / "up").unlink()
        if kind == "barrier" and site.barrier.angle_deg > 0.0:
            close_by_hand(site)
        again = start(kind, folder, decision_id)
        try:
            until((folder / "up").exists)
            until((folder / "unfinished").exists)
            finished = point == ACTUATION_POINTS[3]  # the result is told before the pulse ends
            unfinished = (folder / "unfinished").read_text().split()
            assert unfinished == ([decision_id] if not finished or unfinished else [])
            time.sleep(0.6)
            assert pulses_of(site, known.opener) == pulses, "it was tried again"
        finally:
            again.communicate(b"\n", timeout=240.0)
        assert again.returncode == 0
        assert not any(site.lcus.relays)
        kinds = events(folder)
        assert kinds.count(("access.decided", "accepted")) == 1
        ends = [event for event in kinds if event[0] != "access.decided"]
        assert ends == ([("actuation.unknown", "unknown")] if unfinished else [(f"{kind}.actuated", "done")])
        return pulses


def close_by_hand(site: Any) -> None:
    """Somebody closes a boom that the dead daemon left open."""
    until(lambda: site.barrier.open_limit)
    for level, pause_s in ((True, 0.1), (False, 0.0)):
        site.lcus.do(lambda level=level: site.lcus.switch(2, level))
        time.sleep(pause_s)
    until(lambda: site.barrier.closed_limit)


@pytest.mark.parametrize(("kind", "point"), QUICK_ONES)
def test_SAFE_3_SAFE_4_a_kill_leaves_at_most_one_pulse_and_a_result_that_is_true(
    kind: str, point: str, tmp_path: Path
) -> None:
    assert kill_at(point, tmp_path, kind) <= 1


def test_every_fault_point_is_on_the_path() -> None:
    source = "".join(path.read_text() for path in (ROOT / "edge" / "lanes").glob("*.py"))
    assert all(f'fault_point("{point}")' in source for point in ACTUATION_POINTS)
    assert Stream.ACCESS.value == "access"


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description="kill lanes at every fault point, many times")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--kind", choices=sorted(SITES))
    parser.add_argument("--point", choices=ACTUATION_POINTS)
    options = parser.parse_args()
    places = [
        (kind, point)
        for kind in ([options.kind] if options.kind else SITES)
        for point in ([options.point] if options.point else ACTUATION_POINTS)
    ]
    pulses = dict.fromkeys(places, 0)
    started = time.monotonic()
    for done in range(1, options.times + 1):
        for kind, point in places:
            with tempfile.TemporaryDirectory() as folder:
                pulses[kind, point] = max(pulses[kind, point], kill_at(point, Path(folder), kind))
        if done % 10 == 0 or done == options.times:
            print(
                f"{done} kills at each of {len(places)} places, {time.monotonic() - started:.0f} s",
                flush=True,
            )
    for (kind, point), most in pulses.items():
        print(f"{kind} {point}: {options.times} kills, at most {most} pulse")
    print(f"every relay was safe again within {longest_s[0]:.1f} s of a kill")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""SIGKILL at every place of the actuation path: at most one pulse, the relay off, the result ``unknown``.

By command, as often as you like:  python tests/faults/test_lane_kill.py --times 100
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

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from lane_rig import CLOCK, OPEN, settings_for  # noqa: E402

from drivers.simulated.site import SimulatedSite  # noqa: E402
from edge.faults import ENV, FAULT_POINTS  # noqa: E402
from edge.lanes import make_safe  # noqa: E402
from edge.records import Stream, new_id  # noqa: E402
from edge.store.journal import Journal  # noqa: E402

PULSE_MS = 300


def until(what: Callable[[], object], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def start(folder: Path, decision_id: str, fault: str = "") -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if name != ENV}
    if fault:
        environ[ENV] = fault
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("lane_child.py")), str(folder), decision_id],
        env=environ,
        stdin=subprocess.PIPE,
    )


def open_pulses(site: SimulatedSite) -> int:
    return sum(channel == OPEN and on for _, channel, on in list(site.lcus.history))


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


def kill_at(point: str, folder: Path) -> int:
    """Kill a daemon there, clean up as systemd would, start it again with the same decision; checks it all.

    Returns:
        Pulses of the OPEN relay over both lives.
    """
    decision_id = new_id()
    with SimulatedSite(lcus_link=folder / "relays", io_link=folder / "inputs") as site:
        with start(folder, decision_id, point) as child:
            assert child.wait(20.0) == -signal.SIGKILL
        assert (folder / "up").exists(), "killed before the decision"
        settings = settings_for(str(folder / "relays"), str(folder / "inputs"), folder)
        assert make_safe(settings) == ()  # ExecStopPost=gatehouse safe
        assert site.lcus.relays == (False,) * 4
        pulses = open_pulses(site)
        assert pulses == (0 if point in FAULT_POINTS[:2] else 1)
        (folder / "up").unlink()
        if site.barrier.angle_deg > 0.0:
            until(lambda: site.barrier.open_limit)
            close = [(True, 0.1), (False, 0.0)]  # somebody closes it by hand
            for level, pause_s in close:
                site.lcus.do(lambda level=level: site.lcus.switch(2, level))
                time.sleep(pause_s)
            until(lambda: site.barrier.closed_limit)
        again = start(folder, decision_id)
        try:
            until((folder / "up").exists)
            until((folder / "unfinished").exists)
            finished = point == FAULT_POINTS[3]  # the result is told before the pulse ends
            unfinished = (folder / "unfinished").read_text().split()
            assert unfinished == ([decision_id] if not finished or unfinished else [])
            time.sleep(0.6)
            assert open_pulses(site) == pulses, "it was tried again"
        finally:
            again.communicate(b"\n", timeout=20.0)
        assert again.returncode == 0
        assert site.lcus.relays == (False,) * 4
        kinds = events(folder)
        assert kinds.count(("access.decided", "accepted")) == 1
        ends = [kind for kind in kinds if kind[0] != "access.decided"]
        assert ends == ([("actuation.unknown", "unknown")] if unfinished else [("barrier.actuated", "done")])
        return pulses


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_SAFE_3_SAFE_4_a_kill_leaves_at_most_one_pulse_and_a_result_that_is_true(
    point: str, tmp_path: Path
) -> None:
    assert kill_at(point, tmp_path) <= 1


def test_every_fault_point_is_on_the_path() -> None:
    source = "".join(path.read_text() for path in (ROOT / "edge" / "lanes").glob("*.py"))
    assert all(f'fault_point("{point}")' in source for point in FAULT_POINTS)
    assert Stream.ACCESS.value == "access"


def main() -> int:
    parser = argparse.ArgumentParser(description="kill a lane at every fault point, many times")
    parser.add_argument("--times", type=int, default=100)
    for point in FAULT_POINTS:
        started, pulses = time.monotonic(), 0
        for _ in range(parser.parse_args().times):
            with tempfile.TemporaryDirectory() as folder:
                pulses = max(pulses, kill_at(point, Path(folder)))
        print(f"{point}: at most {pulses} pulse, {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

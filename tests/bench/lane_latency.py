"""How long a lane takes, on this machine: permit -> relay byte, and car under a closing boom -> OPEN byte.

    python tests/bench/lane_latency.py [--times 100] [--baud 9600]

Real boards' bytes on pseudo-terminals at the speed of the wire, a real journal with its fsync.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from lane_rig import CLOCK, CLOSE, OPEN, Rig, grant, rig  # noqa: E402

from drivers.simulated.barrier import BarrierTraits  # noqa: E402
from drivers.simulated.site import SimulatedSite  # noqa: E402

TRAITS = BarrierTraits(travel_up_s=0.3, travel_down_s=2.0)


def row(name: str, values_ms: list[float]) -> str:
    values = sorted(values_ms)
    p99 = values[min(len(values) - 1, len(values) * 99 // 100)]
    return (
        f"{name:42} p50 {statistics.median(values):7.1f}  p99 {p99:7.1f}  worst {values[-1]:7.1f} ms"
        f"  ({len(values)})"
    )


def one_cycle(made: Rig, visit: str) -> tuple[float, float]:
    """Let one car in, cut the beam while the boom comes down; returns both times in ms."""
    opens, closes = len(made.pulses(OPEN)), len(made.pulses(CLOSE))
    submitted_ns = CLOCK.boot_ns()
    made.lane.submit(grant(visit=visit))
    made.until(lambda: len(made.pulses(OPEN)) > opens)
    open_ms = (made.pulses(OPEN)[-1] - submitted_ns) / 1e6
    made.until_phase("open_wait")
    made.site.hold("loop", True)
    made.until_phase("passing")
    made.site.hold("loop", False)
    made.until(lambda: len(made.pulses(CLOSE)) > closes)
    time.sleep(0.7)  # the CLOSE pulse and its dead time are over
    opens = len(made.pulses(OPEN))
    cut_ns = CLOCK.boot_ns()
    made.site.hold("beam", True)
    made.until(lambda: len(made.pulses(OPEN)) > opens)
    raise_ms = (made.pulses(OPEN)[-1] - cut_ns) / 1e6
    made.until(lambda: made.site.barrier.open_limit)
    made.site.hold("beam", False)
    made.until_phase("closed", 8.0)
    return open_ms, raise_ms


def main() -> None:
    parser = argparse.ArgumentParser(description="measure a lane's latencies")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--baud", type=int, default=9600)
    parser.add_argument("--poll-ms", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = SimulatedSite(
            lcus_link=folder / "relays",
            io_link=folder / "inputs",
            barrier=TRAITS,
            wire_baud=options.baud or None,
        )
        with rig(folder, site=site, poll_ms=options.poll_ms) as made:
            made.until_phase("closed")
            times = [one_cycle(made, f"visit-{i}") for i in range(options.times)]
            print(row("permit submitted -> OPEN switched", [open_ms for open_ms, _ in times]))
            print(row("beam cut while closing -> OPEN switched", [raise_ms for _, raise_ms in times]))
            print("journal:", made.journal.commit_times())


if __name__ == "__main__":
    main()

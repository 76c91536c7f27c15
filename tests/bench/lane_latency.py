"""How long a lane takes until the first byte that moves a relay is on the line, on this machine.

    python tests/bench/lane_latency.py [--times 100] [--load] [--relays lcus] [--json FILE]

Real boards' bytes on pseudo-terminals (or TCP) at the speed of the wire, real threads, a real journal that is
synced to the disk. Times end where the simulated board hears the first byte of the frame that switches it:

    accepted -> first byte    from the moment at which the acceptance is on the disk to the OPEN frame
    submitted -> first byte   the same with the disk: from the moment at which the decision is handed over
    edge -> first byte        from a beam that is cut while the boom comes down to the OPEN that raises it

Visitors come at random moments after the lane has closed; as in the daemon, whoever is seen by a camera
announces them ``--seen-ms`` earlier (0: nobody does, as with an opening by the staff). ``--load`` keeps every
core busy with other processes; ``--load-nice`` says how much they yield (the daemon's vision yields by 5).
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from lane_rig import CLOCK, CLOSE, OPEN, Rig, grant, rig  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from drivers.simulated.barrier import BarrierTraits  # noqa: E402
from drivers.simulated.catalog import SIMULATED_FAMILIES  # noqa: E402
from drivers.simulated.site import SimulatedSite  # noqa: E402
from edge.records import EventDraft  # noqa: E402

TRAITS = BarrierTraits(travel_up_s=0.3, travel_down_s=2.0)
TARGETS_MS = {"accepted -> first byte": (5.0, 20.0), "edge -> first byte": (40.0, 40.0)}  # quiet, loaded
RANDOM = random.Random(5)


@dataclass
class Times:
    """Milliseconds by what was measured."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, ns: int) -> None:
        self.values.setdefault(what, []).append(ns / 1e6)


class AcceptedAt:
    """Notes when each acceptance is durable; otherwise the journal itself."""

    def __init__(self, made: Rig) -> None:
        self.ns = 0
        begin = made.journal.begin_actuation

        def begin_and_note(actuation_id: str, draft: EventDraft) -> bool:
            is_new = begin(actuation_id, draft)
            self.ns = CLOCK.boot_ns()
            return is_new

        made.journal.begin_actuation = begin_and_note  # type: ignore[method-assign]


def first_byte_ns(made: Rig, channel: int) -> int:
    """When the frame that last energised a relay began to arrive."""
    switched_ns = made.pulses(channel)[-1]
    return max(at_ns for at_ns, _ in made.site.lcus.frames if at_ns <= switched_ns)


def one_cycle(made: Rig, visit: str, accepted: AcceptedAt, times: Times, seen_ms: float) -> None:
    """Let one car in, and cut the beam while the boom comes down."""
    time.sleep(RANDOM.uniform(0.0, 1.5))
    opens, closes = len(made.pulses(OPEN)), len(made.pulses(CLOSE))
    if seen_ms:
        made.lane.expect()
        time.sleep(seen_ms / 1000)
    submitted_ns = CLOCK.boot_ns()
    made.lane.submit(grant(visit=visit, lives_s=5.0))
    made.until(lambda: len(made.pulses(OPEN)) > opens)
    byte_ns = first_byte_ns(made, OPEN)
    times.add("submitted -> accepted", accepted.ns - submitted_ns)
    times.add("accepted -> first byte", byte_ns - accepted.ns)
    times.add("submitted -> first byte", byte_ns - submitted_ns)
    made.until_phase("open_wait")
    made.site.hold("loop", True)
    made.until_phase("passing")
    made.site.hold("loop", False)
    made.until(lambda: len(made.pulses(CLOSE)) > closes)
    time.sleep(0.7 + RANDOM.uniform(0.0, 0.3))  # the CLOSE pulse and its dead time are over
    opens = len(made.pulses(OPEN))
    cut_ns = CLOCK.boot_ns()
    made.site.hold("beam", True)
    made.until(lambda: len(made.pulses(OPEN)) > opens)
    times.add("edge -> first byte", first_byte_ns(made, OPEN) - cut_ns)
    made.until(lambda: made.site.barrier.open_limit)
    made.site.hold("beam", False)
    made.until_phase("closed")


def share_the_line(site: SimulatedSite) -> None:
    """Let the input board hear and answer on the line of the relay board, which must be a Modbus board."""
    alone, other = site.lcus.received, site.io.received
    site.lcus.received = lambda data, now_ns: [*alone(data, now_ns), *other(data, now_ns)]  # type: ignore[method-assign]


def burn(nice: int) -> None:
    """Keep a core busy."""
    os.nice(nice)
    while True:
        sum(i * i for i in range(10_000))


@contextmanager
def load(processes: int, nice: int) -> Iterator[None]:
    """So many busy processes beside us."""
    burners = [
        multiprocessing.get_context("spawn").Process(target=burn, args=(nice,), daemon=True)
        for _ in range(processes)
    ]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def summary(times: Times) -> dict[str, dict[str, float]]:
    return {
        what: {
            "count": len(values),
            "p50_ms": round(statistics.median(values), 2),
            "p95_ms": round(percentile(values, 0.95), 2),
            "p99_ms": round(percentile(values, 0.99), 2),
            "worst_ms": round(max(values), 2),
        }
        for what, values in times.values.items()
    }


def show(figures: dict[str, dict[str, float]], title: str, *, is_loaded: bool) -> None:
    table = Table(title=title)
    for heading in ("ms", "count", "p50", "p95", "p99", "worst", "wanted p99"):
        table.add_column(heading, justify="left" if heading == "ms" else "right")
    for what, row in figures.items():
        wanted = TARGETS_MS.get(what)
        limit = "" if wanted is None else f"<= {wanted[is_loaded]:g}"
        numbers = (row[key] for key in ("p50_ms", "p95_ms", "p99_ms", "worst_ms"))
        table.add_row(what, f"{row['count']:g}", *(f"{number:.1f}" for number in numbers), limit)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="measure a lane's latencies")
    parser.add_argument("--times", type=int, default=100, help="cars")
    parser.add_argument("--baud", type=int, default=9600, help="of both wires; 0: bytes take no time")
    parser.add_argument("--poll-ms", type=int, default=20)
    parser.add_argument("--relays", choices=SIMULATED_FAMILIES, default="lcus", help="the relay board")
    parser.add_argument("--one-line", action="store_true", help="both boards on one RS-485 line")
    parser.add_argument(
        "--gap-ms", type=int, help="pause between frames on that line; else the default of 20"
    )
    parser.add_argument("--seen-ms", type=float, default=150, help="a camera sees them so long before")
    parser.add_argument("--load", action="store_true", help="keep every core busy")
    parser.add_argument("--load-nice", type=int, default=0, help="how much the load yields")
    parser.add_argument("--nice", type=int, default=0, help="our own; negative needs root")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    if options.nice:
        os.setpriority(os.PRIO_PROCESS, 0, options.nice)
    times = Times()
    with (
        tempfile.TemporaryDirectory() as name,
        load(os.cpu_count() if options.load else 0, options.load_nice),
    ):
        folder = Path(name)
        site = SimulatedSite(
            lcus_link=folder / "relays",
            io_link=folder / "inputs",
            barrier=TRAITS,
            wire_baud=options.baud or None,
            family=options.relays,
            io_address=2 if options.one_line else 1,
        )
        if options.one_line:
            share_the_line(site)
        with rig(
            folder,
            site=site,
            relays=options.relays,
            one_line=options.one_line,
            gap_ms=options.gap_ms,
            poll_ms=options.poll_ms,
        ) as made:
            accepted = AcceptedAt(made)
            made.until_phase("closed")
            for i in range(options.times):
                one_cycle(made, f"visit-{i}", accepted, times, options.seen_ms)
    figures = summary(times)
    loaded = f", {os.cpu_count()} busy processes (nice {options.load_nice})" if options.load else ""
    line = f"on the same line (gap {options.gap_ms or 20} ms) " if options.one_line else ""
    title = f"{options.relays} relays, inputs {line}at {options.baud} baud, poll {options.poll_ms} ms{loaded}"
    show(figures, title, is_loaded=options.load)
    if options.json:
        about = {
            "machine": platform.platform(),
            "cores": os.cpu_count(),
            "options": vars(options) | {"json": ""},
        }
        options.json.write_text(json.dumps(about | {"figures": figures}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()

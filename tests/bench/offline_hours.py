"""Two hours without a platform in accelerated time: does memory grow, do decisions slow down, is all there?

    python tests/bench/offline_hours.py [--hours 2] [--speed 120] [--every 5] [--json FILE]

Real mosquitto, real journal, real uplink, the real decider with faces; the clock of the uplink runs
``--speed`` times as fast, so its pauses, alarms and retries are those of the whole time. A decision is timed
from the last look at a face until its event is on the disk. Then the broker is back and all must arrive.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from decision_desk import LIVE_CUES, Desk  # noqa: E402
from sync_bench import Bench, Box, numbers, until  # noqa: E402

from edge.clock import ClockState, ManualClock, SystemClock  # noqa: E402
from edge.records import EventDraft, Stream  # noqa: E402

READS = 4


class FastClock:
    """The system's clock, so many times as fast from its making on."""

    def __init__(self, speed: float) -> None:
        self._real, self._speed = SystemClock(), speed
        self._boot_ns, self._utc_ns = self._real.boot_ns(), self._real.utc_ns()

    def boot_ns(self) -> int:
        return self._boot_ns + self._passed_ns()

    def utc_ns(self) -> int:
        return self._utc_ns + self._passed_ns()

    def state(self) -> ClockState:
        return self._real.state()

    def _passed_ns(self) -> int:
        return round((self._real.boot_ns() - self._boot_ns) * self._speed)


class Gate:
    """People come and are let in; thread: main."""

    def __init__(self, box: Box) -> None:
        self._box, self._desk, self.decided = box, Desk(ManualClock()), 0

    def visit(self) -> float:
        """One person; milliseconds from the last look until the event is on the disk."""
        desk = self._desk
        desk.face(self.decided % 2, LIVE_CUES, READS - 1, track=1000 + self.decided)
        told = len(desk.told)
        began_s = time.perf_counter()
        desk.face(self.decided % 2, LIVE_CUES, 1, track=1000 + self.decided)
        data = {"number": self.decided, "verdicts": [d.verdict.value for d in desk.told[told:]]}
        self._box.journal.append_now(EventDraft(Stream.ACCESS, "access.decided", "door", data))
        took_ms = (time.perf_counter() - began_s) * 1000
        desk.face(self.decided % 2, LIVE_CUES, 1, track=1000 + self.decided, ended=True)
        self.decided += 1
        desk.wait(30.0)  # the visit is over
        desk.told.clear()
        desk.notes.clear()
        desk.prompts.clear()
        desk.settled.clear()
        desk.attended.clear()
        return took_ms


def rss_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def figures(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "median_ms": round(ordered[len(ordered) // 2], 2),
        "p99_ms": round(ordered[len(ordered) * 99 // 100], 2),
        "worst_ms": round(ordered[-1], 2),
    }


def measure(folder: Path, *, hours: float, speed: float, every_s: float) -> dict[str, object]:
    """Online for a while, then offline, then online again."""
    count = round(hours * 3600 / every_s)
    with Bench(folder) as bench:
        platform, box = bench.platform(), bench.box(clock=FastClock(speed))
        gate = Gate(box)
        pause_s = every_s / speed
        online = []
        for _ in range(max(200, count // 5)):
            online.append(gate.visit())
            time.sleep(pause_s)
        until(lambda: box.backlog() == 0, within_s=120)
        bench.broker.kill()
        until(lambda: not box.uplink.status.online)
        offline, memory, files = [], [], []
        for number in range(count):
            offline.append(gate.visit())
            time.sleep(pause_s)
            if number % max(1, count // 20) == 0:
                memory.append(rss_kb())
                files.append(len(list(Path("/proc/self/fd").iterdir())))
        waiting = box.backlog()
        bench.broker.start()
        began_s = time.monotonic()
        until(lambda: box.backlog() == 0, within_s=600)
        drained_s = time.monotonic() - began_s
        arrived = numbers(platform) == list(range(gate.decided))
    warm = memory[len(memory) // 5 :]  # caches and pools fill up at first
    return {
        "hours": hours,
        "speed": speed,
        "decisions_offline": count,
        "waiting": waiting,
        "online": figures(online),
        "offline": figures(offline),
        "rss_mb": [round(kb / 1024, 1) for kb in memory],
        "rss_growth_kb": warm[-1] - warm[0],
        "open_files": [files[0], files[-1]],
        "drained_s": round(drained_s, 1),
        "all_arrived_once_in_order": arrived,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--speed", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds of that time between two people")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="gatehouse-offline-") as folder:
        result = measure(Path(folder), hours=options.hours, speed=options.speed, every_s=options.every)
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return 0 if result["all_arrived_once_in_order"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""How fast a backlog leaves the box: events per second into the platform's table, acknowledged by it.

    python tests/bench/sync_drain.py [--events 20000] [--protocol 5] [--json FILE]

Real mosquitto, the real journal with its fsync, the platform in a process of its own. The box is pinned to
one core; the share of that core it used is printed beside the rate.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sync_bench import AUDIENCE, Bench, numbers, until  # noqa: E402

from edge.clock import SystemClock  # noqa: E402
from edge.platform import Counterpart  # noqa: E402
from edge.records import EventDraft, Stream  # noqa: E402
from edge.sync.session import Broker, Login  # noqa: E402


def platform(url: str, folder: Path, ready: Event, done: Event) -> None:
    """The counterpart, in its own process."""
    login = Login(Broker.parse(url), "gh-platform", clean=True)
    counterpart = Counterpart(login, folder, SystemClock(), reconnect_max_s=0.5)
    counterpart.start()
    until(lambda: counterpart.is_online)
    ready.set()
    done.wait()
    counterpart.close()


def draft(number: int) -> EventDraft:
    """About what a decision says: 400 bytes of data."""
    data = {"number": number, "decision": f"0198{number:028x}", "verdict": "grant", "reason": "permit"}
    data |= {"subject": f"person-{number % 997}", "credential": "粤B12345", "explanation": "0" * 200}
    return EventDraft(Stream.ACCESS, "access.decided", "in", data)


def measure(folder: Path, events: int, protocol: str) -> dict[str, object]:
    """Fill the journal, then let it drain."""
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    with Bench(folder, protocol=protocol) as bench:
        box = bench.new_box()
        for number in range(events - 1):
            box.journal.append(draft(number))
        box.journal.append_now(draft(events - 1))
        other = spawn.Process(target=platform, args=(bench.broker.url, folder / "platform", ready, done))
        other.start()
        ready.wait()
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        box.start()
        until(lambda: box.backlog() == 0, within_s=600)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
        box.close()
        done.set()
        other.join()
        with_table = bench.platform()
        stored = numbers(with_table)
        assert stored == list(range(events)), f"{len(stored)} of {events} events in {AUDIENCE}'s table"
    return {
        "protocol": protocol,
        "events": events,
        "events_per_s": round(events / took_s, 1),
        "core_share": round(cpu_s / took_s, 3),
        "seconds": round(took_s, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--protocol", choices=("5", "3.1.1"), default="5")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatehouse-drain-") as folder:
        result = measure(Path(folder), options.events, options.protocol)
    print(f"{'MQTT':8}{'events':>9}{'seconds':>10}{'events/s':>11}{'of a core':>11}")
    print(
        f"{result['protocol']:8}{result['events']:>9}{result['seconds']:>10}{result['events_per_s']:>11}"
        f"{result['core_share']:>11}"
    )
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

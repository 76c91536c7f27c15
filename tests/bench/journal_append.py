"""What it costs to have an event on the disk, beside what the disk itself takes for a flush.

    python tests/bench/journal_append.py [--events 2000] [--folder DIR] [--json FILE]

Three rows: the disk alone (4 KB written and flushed), one event after the other (``append_now``, each its own
commit), and eight threads at once (group commit). The same folder for all, so the same disk.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from edge.clock import SystemClock
from edge.records import EventDraft, Stream
from edge.store import Journal

THREADS = 8


def flushes(folder: Path, count: int) -> list[float]:
    """Milliseconds for each 4 KB that is written and flushed, at the end of a file that grows."""
    times = []
    with (folder / "flushed").open("wb", buffering=0) as file:
        for _ in range(count):
            began_s = time.perf_counter()
            file.write(os.urandom(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began_s) * 1000)
    return times


def appends(folder: Path, count: int, threads: int) -> list[float]:
    """Milliseconds for each ``append_now``."""
    journal = Journal(folder / f"events-{threads}.db", SystemClock(), tenant="home", device="box")
    journal.start()
    times: list[float] = []

    def work(share: int) -> None:
        data = {"decision": "0" * 32, "verdict": "grant", "reason": "permit", "explanation": "x" * 200}
        for number in range(share):
            draft = EventDraft(Stream.ACCESS, "access.decided", "in", {**data, "number": number})
            began_s = time.perf_counter()
            journal.append_now(draft)
            times.append((time.perf_counter() - began_s) * 1000)

    workers = [threading.Thread(target=work, args=(count // threads,)) for _ in range(threads)]
    began_s = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took_s = time.perf_counter() - began_s
    commits = journal.commit_times().commits
    journal.close()
    print(f"   {threads} threads: {len(times) / took_s:.0f} events/s in {commits} commits")
    return times


def figures(times: list[float]) -> dict[str, float]:
    """Median and tail, in milliseconds."""
    ordered = sorted(times)
    places = {"median": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: round(ordered[int(len(ordered) * part)], 3) for name, part in places.items()}
    return {**found, "worst": round(ordered[-1], 3)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="on the disk that counts; a temporary one by default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatehouse-append-", dir=options.folder) as name:
        folder = Path(name)
        rows = {
            "disk alone, 4 KB + fdatasync": figures(flushes(folder, options.events)),
            "append_now, one thread": figures(appends(folder, options.events, 1)),
            f"append_now, {THREADS} threads": figures(appends(folder, options.events, THREADS)),
        }
    print(f"{'milliseconds':32}{'median':>9}{'p95':>9}{'p99':>9}{'worst':>9}")
    for label, row in rows.items():
        print(f"{label:32}" + "".join(f"{value:>9.2f}" for value in row.values()))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

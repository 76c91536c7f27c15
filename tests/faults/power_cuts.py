"""Power cuts by the hundred: after each, the journal is whole and has everything that a call has returned.

    python tests/faults/power_cuts.py --cuts 200 [--seed N] [--json FILE]

SQLite writes through a shim (``test_journal_power.SyncedDisk``) that keeps each file as it was at its last
flush. A cut leaves exactly that, or, every second time, that and any part of what was written since: pages of
it, in no order, with the length of the one or the other. Every time the whole of what is left is checked
(``integrity_check``), opened by a new journal, compared with what was promised, and its chain followed.
"""

import argparse
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import apsw

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from test_journal_power import SyncedDisk  # noqa: E402

from edge.clock import SystemClock  # noqa: E402
from edge.records import EventDraft, Stream  # noqa: E402
from edge.store import Journal, from_wire, verify_chain  # noqa: E402

PAGE = 4096
CLOCK = SystemClock()


class Cuts:
    """One journal that goes on writing while its power is cut again and again. Thread: one."""

    def __init__(self, folder: Path, seed: int) -> None:
        for name in ("live", "durable"):
            (folder / name).mkdir()
        self._folder, self._chance = folder, random.Random(seed)
        self.disk = SyncedDisk(folder / "live", folder / "durable")
        self._journal = Journal(self.disk.live / "events.db", CLOCK, tenant="t", device="d")
        self._journal.start()
        self.promised: dict[tuple[str, int], str] = {}
        self._acked = 0
        self.actuations: list[str] = []
        self.torn = 0
        self.faults: list[str] = []

    def close(self) -> None:
        self._journal.close()
        self.disk.unregister()

    def work(self) -> None:
        """Something that a daemon does."""
        match self._chance.randrange(8):
            case 0:
                name = f"act-{len(self.actuations)}"
                assert self._journal.begin_actuation(name, _draft(self._chance))
                self.actuations.append(name)
            case 1 if self.actuations:
                self._journal.finish_actuation(self.actuations[-1], "done", _draft(self._chance))
                self._journal.flush()
            case 2 if self.promised:
                self._acked = self._chance.randint(self._acked, self._last(Stream.ACCESS))
                self._journal.acknowledge(Stream.ACCESS, self._journal.epoch, self._acked)
            case 3:
                self._journal.put_state("key", self._chance.random())
            case 4:
                for _ in range(self._chance.randrange(1, 150)):  # far enough for checkpoints of the log
                    self._journal.append(_draft(self._chance))
                self._promise()
            case _:
                self._promise()

    def _promise(self) -> None:
        event = self._journal.append_now(_draft(self._chance))
        self.promised[event.stream.value, event.seq] = event.id

    def _last(self, stream: Stream) -> int:
        return max((seq for name, seq in self.promised if name == stream.value), default=0)

    def cut(self) -> None:
        """The power is gone and comes back: look at what is left."""
        folder = self._folder / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.disk.durable, folder)
        if self._chance.random() < 0.5:
            self.torn += 1
            for path in self.disk.live.iterdir():
                if path.name.endswith((".db", "-wal")):
                    _tear(path, folder / path.name, self._chance)
        path = folder / "events.db"
        checked = apsw.Connection(str(path))
        verdict = list(checked.execute("PRAGMA integrity_check"))
        checked.close()
        if verdict != [("ok",)]:
            self.faults.append(f"integrity_check says {verdict[0][0]}")
        again = Journal(path, CLOCK, tenant="t", device="d")
        again.start()
        try:
            rows = again.tail(0, limit=10_000_000)
            found = {(row.stream.value, row.seq): from_wire(row.payload).event.id for row in rows}
            lost = [place for place, event_id in self.promised.items() if found.get(place) != event_id]
            self.faults += [f"lost or changed: {stream} {seq}" for stream, seq in lost[:5]]
            broken = verify_chain(row.payload for row in rows)
            if broken is not None:
                self.faults.append(f"chain: {broken}")
            if self.actuations and again.begin_actuation(self.actuations[-1], _draft(self._chance)):
                self.faults.append(f"{self.actuations[-1]} would be done a second time")
        finally:
            again.close()


def _draft(chance: random.Random) -> EventDraft:
    stream = chance.choice((Stream.ACCESS, Stream.BARRIER, Stream.AUDIT))
    return EventDraft(stream, "thing.seen", "gate", {"filler": "x" * chance.randrange(1200)})


def _tear(live: Path, left: Path, chance: random.Random) -> None:
    """Let any pages of what was not flushed be on the disk all the same."""
    new, old = live.read_bytes(), left.read_bytes() if left.exists() else b""
    length = chance.choice((len(new), len(old))) if old else len(new)
    mixed = bytearray(old[:length].ljust(length, b"\0"))
    for place in range(0, length, PAGE):
        if chance.random() < 0.5:
            mixed[place : place + PAGE] = new[place : min(place + PAGE, length)].ljust(
                len(mixed[place : place + PAGE]), b"\0"
            )
    left.write_bytes(mixed)


def run(folder: Path, *, cuts: int, seed: int) -> tuple[list[str], dict[str, Any]]:
    """So many cuts; returns what was broken, and the figures."""
    began_s = time.monotonic()
    bench = Cuts(folder, seed)
    try:
        for _ in range(cuts):
            for _ in range(bench._chance.randrange(1, 4)):
                bench.work()
            bench.cut()
    finally:
        bench.close()
    figures = {
        "seed": seed,
        "cuts": cuts,
        "torn": bench.torn,
        "promised": len(bench.promised),
        "actuations": len(bench.actuations),
        "flushes": bench.disk.flushes,
        "faults": len(bench.faults),
        "seconds": round(time.monotonic() - began_s, 1),
    }
    return bench.faults, figures


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, printed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="gatehouse-cuts-") as folder:
        faults, figures = run(Path(folder), cuts=options.cuts, seed=seed)
    print(json.dumps(figures, indent=1))
    print(*faults[:50], sep="\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(f"{len(faults)} broken promises in {options.cuts} power cuts, seed {seed}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""How long a box takes for a set of 100,000 persons: snapshot, 1 % delta, revocations, flipped bytes.

    python tests/bench/sets_100k.py [--persons 100000] [--faces 20000] [--way http|mqtt] [--json FILE]

Everything is real: mosquitto, the publisher, the uplink, SQLite with FULL sync, on one machine. Times end
when what is decided with has changed, not when a message has come.
"""

import argparse
import json
import os
import platform
import random
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from set_bench import CONSENT, FACE_SET, SCOPE, SetBench, SetBox, person, template
from sync_bench import until

from edge.access import Roster
from edge.clock import ManualClock
from edge.known import Known
from edge.platform import roster as publishing
from edge.platform.roster import SetPublisher, permit_entry
from edge.platform.set_files import SnapshotServer
from edge.platform.set_table import Entry
from edge.store.scope_layer import face_content

PERMITS = "permits"


class Follow(threading.Thread):
    """The main thread's part: loads what has changed, five times a second."""

    def __init__(self, box: SetBox) -> None:
        super().__init__(name="follow")
        self.box, self.stopping = box, threading.Event()
        self.loads: list[float] = []

    def run(self) -> None:
        while not self.stopping.wait(0.2):
            began = time.monotonic()
            if self.box.follower.has_changed():
                self.box.follow()
                self.loads.append(time.monotonic() - began)

    def close(self) -> None:
        self.stopping.set()
        self.join()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    found: dict[str, object] = {
        "persons": options.persons,
        "faces": options.faces,
        "way": options.way,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }
    rng = random.Random(options.seed)
    with SetBench(folder, protocol=options.protocol) as bench:
        server = SnapshotServer(folder / "platform" / "snapshots")
        publisher = bench.publisher(url=server.url if options.way == "http" else "")
        try:
            run(options, bench, publisher, rng, found)
        finally:
            server.close()
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


def run(
    options: argparse.Namespace,
    bench: SetBench,
    publisher: SetPublisher,
    rng: random.Random,
    found: dict[str, object],
) -> None:
    numbers = range(options.persons)
    began = time.monotonic()
    rev = publisher.publish(SCOPE, PERMITS, {person(n).id: permit_entry(person(n)) for n in numbers})
    found["platform_commit_s"] = round(time.monotonic() - began, 2)
    face_rev = 0
    if options.faces:
        publisher.table.content_key(SCOPE, FACE_SET)
        faces = {
            person(n).id: Entry({}, secret=face_content(CONSENT, [template(n)])) for n in range(options.faces)
        }
        began = time.monotonic()
        face_rev = publisher.publish(SCOPE, FACE_SET, faces)
        found["platform_faces_commit_s"] = round(time.monotonic() - began, 2)
    publisher.flush()
    found["snapshot_mb"] = round(
        sum(path.stat().st_size for path in publisher.snapshots.glob("*.set")) / 1e6, 1
    )

    began = time.monotonic()
    kinds = ("permits", "faces") if options.faces else ("permits",)
    box = bench.set_box(snapshot=options.way, take=kinds)
    follow = Follow(box)
    follow.start()
    try:
        until(lambda: box.rev() == rev, 600, "the first snapshot")
        found["snapshot_stored_s"] = round(time.monotonic() - began, 2)
        if options.faces:
            until(lambda: box.rev(FACE_SET) == face_rev, 600, "the first faces")
            found["faces_stored_s"] = round(time.monotonic() - began, 2)
            until(lambda: len(box.known.gallery.names) == options.faces, 600, "all faces are known")
        until(lambda: len(box.known.roster.persons) == options.persons, 600, "all are known")
        found["first_snapshot_s"] = round(time.monotonic() - began, 2)

        changed = rng.sample(numbers, options.persons // 100)
        puts = {person(n).id: permit_entry(person(n, room="moved")) for n in changed}
        began = time.monotonic()
        rev = publisher.publish(SCOPE, PERMITS, puts)
        found["delta_published_s"] = round(time.monotonic() - began, 2)
        last = person(changed[-1]).id
        until(lambda: box.known.roster.persons[last].room == "moved", 120, "the delta")
        found["delta_items"] = len(puts)
        found["delta_s"] = round(time.monotonic() - began, 2)
        assert all(box.known.roster.persons[i].room == "moved" for i in puts)

        found["revocation_ms"] = revocations(options, publisher, box, rng, set(changed))
        if options.faces:
            found["face_revocation_ms"] = revocations(options, publisher, box, rng, set(), FACE_SET)
        found["load_s"] = [round(s, 2) for s in follow.loads]
        assert not box.standing_of_sets(), box.standing()
    finally:
        follow.close()


def revocations(
    options: argparse.Namespace,
    publisher: SetPublisher,
    box: SetBox,
    rng: random.Random,
    but: set[int],
    name: str = PERMITS,
) -> dict[str, float]:
    """Milliseconds from the delta at the box, and from ``publish``, until nobody is let in by it."""
    faces = name != PERMITS
    offered: dict[int, int] = {}
    inner = box.desk.offer

    def offer(topic: str, payload: bytes) -> bool:
        if topic.endswith(f"/{name}/d"):
            offered[len(offered)] = time.monotonic_ns()
        return inner(topic, payload)

    box.desk.offer = offer  # type: ignore[method-assign]
    after_receipt, after_commit = [], []
    candidates = [n for n in range(options.faces if faces else options.persons) if n not in but]
    for count, number in enumerate(rng.sample(candidates, options.revocations)):
        item_id = person(number).id
        began_ns = time.monotonic_ns()

        def is_out(known: Known, item_id: str = item_id) -> bool:
            return item_id not in (known.gallery.persons if faces else known.roster.persons)

        box.watch = is_out
        publisher.publish(SCOPE, name, deletions=[item_id])
        until(lambda: box.watch is None, 60, f"{item_id} is out")
        after_receipt.append((box.came_true_ns - offered[count]) / 1e6)
        after_commit.append((box.came_true_ns - began_ns) / 1e6)
        time.sleep(rng.random() * options.pause_s)
    box.desk.offer = inner  # type: ignore[method-assign]
    return {
        "count": len(after_receipt),
        "p50_after_receipt": round(statistics.median(after_receipt), 1),
        "p95_after_receipt": round(percentile(after_receipt, 0.95), 1),
        "max_after_receipt": round(max(after_receipt), 1),
        "p95_after_publish": round(percentile(after_commit, 0.95), 1),
    }


def flips(count: int, seed: int, folder: Path) -> dict[str, object]:
    """One flipped byte in every kind of message: the set is the old one or the new one, never a third."""
    from set_wire import Device, Platform

    rng = random.Random(seed)
    clock = ManualClock()
    publishing.SNAPSHOT_FROM = 100
    source = Platform(folder / "platform", clock)
    old_manifest = source.put(Roster.of(0, [person(n) for n in range(300)]))[-1]
    old = {item.id: item.sha256 for item in source.publisher.table.items(SCOPE, PERMITS)}
    device = Device(folder / "old", source, clock)
    device.hear([old_manifest])
    device.serve()
    moved = [person(n, room="moved") if n < 30 else person(n) for n in range(10, 310)]
    said = source.put(Roster.of(0, moved))
    new = {item.id: item.sha256 for item in source.publisher.table.items(SCOPE, PERMITS)}
    counts = {"tried": 0, "wrong": 0}

    def flip(raw: bytes) -> bytes:
        place = rng.randrange(len(raw))
        return raw[:place] + bytes([raw[place] ^ rng.randrange(1, 256)]) + raw[place + 1 :]

    def judge(box: Device, kind: str) -> None:
        gen = box.store.state(PERMITS).gen
        rows = {i: sha for b in range(256) for i, (_, sha) in box.store.bucket_rows(gen, b).items()}
        counts["tried"] += 1
        word = "alarm" if box.raised else "dropped and asked again"
        counts[f"{kind}: {word}"] = counts.get(f"{kind}: {word}", 0) + 1
        counts["wrong"] += rows not in (old, new, {})
        box.raised.clear()
        box.alarms.clear()

    for number in range(count):
        kind = ("manifest", "delta", "bucket", "chunk")[number % 4]
        if kind in ("manifest", "delta"):
            topic, raw = next(pair for pair in said if pair[0].endswith(f"/{kind[0]}"))
            device.hear([(topic, flip(raw))])
            judge(device, kind)
            continue
        base = folder / f"box-{number}"
        if kind == "bucket":
            device.close()
            shutil.copytree(folder / "old", base)
        box = Device(base, source, clock)
        box.hear(said[-1:])
        hit = rng.randrange(3)
        asked = {"bucket": 0, "chunk": 0}

        def mangle(
            ask: str, payload: bytes, kind: str = kind, hit: int = hit, asked: dict[str, int] = asked
        ) -> bytes | None:
            if ask == "delta":
                return None
            if ask != kind:
                return payload
            asked[kind] += 1
            return flip(payload) if asked[kind] == hit + 1 or kind == "chunk" else payload

        box.serve(mangle)
        box.wait(20)
        box.wait(70)
        box.serve(mangle)
        judge(box, kind)
        box.close()
        if kind == "bucket":
            device = Device(folder / "old", source, clock)
        shutil.rmtree(base)
    device.close()
    source.close()
    return {"seed": seed, **counts}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=100_000)
    parser.add_argument("--faces", type=int, default=0)
    parser.add_argument("--revocations", type=int, default=100)
    parser.add_argument("--pause-s", type=float, default=0.3, help="between revocations, at most")
    parser.add_argument("--way", choices=("http", "mqtt"), default="http")
    parser.add_argument("--protocol", choices=("auto", "5", "3.1.1"), default="5")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--flips", type=int, default=0, help="instead: flip so many bytes, one at a time")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatehouse-sets-") as name:
        found = (
            flips(options.flips, options.seed, Path(name)) if options.flips else measure(options, Path(name))
        )
    for key, value in found.items():
        print(f"{key:26} {value}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How many events of many boxes one ledger takes in a second, and what they need on the disk.

    python tests/bench/platform_ingest.py [--devices 1000] [--events 40] [--batch 200] [--json FILE]

No broker: what is measured is parsing, the check of order and hash, and the commit of each batch with its
fsync, as ``gatehouse platform run`` does it. Events are access decisions about faces as a lane writes them.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from edge.lanes.drafts import access_draft  # noqa: E402
from edge.platform.ledger import Arrival, Ledger  # noqa: E402
from edge.records import Decision, Event, Identity, Kind, Reason, Stream, Verdict, new_id  # noqa: E402
from edge.store.envelope import FIRST_PREV, digest, to_wire  # noqa: E402

EXPLANATION = {
    "outcome": "known",
    "score": 0.3121,
    "threshold": 0.4417,
    "unit": "descriptor distance",
    "votes": {"p-004711": {"reads": 3, "weight": 2.61, "best_distance": 0.3121, "span_ms": 240}},
    "nearest": {"subject": "p-004711", "score": 0.31, "distance": 0.31, "runner_up_distance": 0.71},
    "together": {"subject": "p-004711", "score": 0.3, "distance": 0.3, "runner_up_distance": 0.72},
    "model": "yunet dlib-resnet",
}


def decided() -> dict[str, object]:
    """What an access event carries."""
    identity = Identity(
        *("door", new_id(), 7, new_id(), Kind.FACE, "p-004711", True, 0.93, 0.4, 3, 1, 2),
        explanation=EXPLANATION,
        stages_ms={"detect": 9.1, "align": 0.4, "embed": 6.6},
    )
    decision = Decision(
        *(new_id(), "front-door", Verdict.GRANT, Reason.PERMIT, "p-004711", "face", identity, 3, 4),
        checked=("evidence", "identity", "deny_list", "kill_switch", "credential", "lane", "roster"),
        roster_rev=12,
        config_rev=40,
        set_revs={"permits": 5531, "faces-dlib-resnet": 90},
    )
    return dict(access_draft(decision, "accepted").data)


def history(device: str, count: int) -> list[Arrival]:
    """So many access events of one box, chained."""
    arrivals, prev, epoch = [], FIRST_PREV, os.urandom(16).hex()
    data = decided()
    for seq in range(1, count + 1):
        event = Event(
            *(new_id(), Stream.ACCESS, "access.decided", "front-door", data, (new_id(), new_id())),
            *(epoch, seq, prev, time.time_ns(), "synced", "boot", seq),
        )
        wire = to_wire(event, "park", device)
        prev = digest(wire)
        arrivals.append(Arrival(f"park/{device}", Stream.ACCESS, wire))
    return arrivals


def measure(folder: Path, devices: int, events: int, batch: int) -> dict[str, float]:
    """Take the events of all boxes, mixed as they would come."""
    boxes = [history(f"gate-{number}", events) for number in range(devices)]
    arrivals = [box[place] for place in range(events) for box in boxes]
    path = folder / "ledger.db"
    ledger = Ledger(path)
    began_s, busy_s = time.monotonic(), time.process_time()
    for start in range(0, len(arrivals), batch):
        ledger.take(arrivals[start : start + batch], now_ns=time.monotonic_ns(), utc_ns=time.time_ns())
    took_s, busy_s = time.monotonic() - began_s, time.process_time() - busy_s
    heads = ledger.counts()
    ledger.close()
    assert len(heads) == devices
    assert all(count == {"access": events} for count in heads.values())
    return {
        "events": len(arrivals),
        "event_bytes": sum(len(a.payload) for a in arrivals) / len(arrivals),
        "events_per_s": len(arrivals) / took_s,
        "core_share": busy_s / took_s,
        "disk_bytes_per_event": path.stat().st_size / len(arrivals),
    }


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--events", type=int, default=40, help="of each")
    parser.add_argument("--batch", type=int, default=200, help="events in one commit")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.devices, options.events, options.batch)
    figures["load"] = os.getloadavg()[0]
    for name, value in figures.items():
        sys.stdout.write(f"{name:>22} {value:,.2f}\n")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

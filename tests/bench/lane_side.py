"""How long what stands beside a lane takes, on this machine: a display to speak, a reader to ask.

    python tests/bench/lane_side.py [--times 50] [--json FILE]

Real bytes on pseudo-terminals at the speed of the wire (FK and OSDP 9600 baud, bridge 115200), real threads:

    journaled -> first byte   from an access event that is on the disk to the voice frame on the card's line;
                              the card's own pause of 200 ms since its last frame counted in
    journaled -> whole text   ... to the last line that had to change
    card -> asked             from a card before a reader to the question to the decider

Measures and never fails.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from drivers.link import boot_ns  # noqa: E402
from drivers.reader.cards import with_parity  # noqa: E402
from drivers.simulated.readers import SimulatedBridge, SimulatedOsdpLine  # noqa: E402
from drivers.simulated.signboards import SimulatedFkCard  # noqa: E402
from edge.clock import SystemClock  # noqa: E402
from edge.health import Alarms  # noqa: E402
from edge.readers import Readers, key_path, write_key  # noqa: E402
from edge.records import EventDraft, Stream  # noqa: E402
from edge.settings import Settings  # noqa: E402
from edge.settings_file import parse_settings  # noqa: E402
from edge.signs import Signs  # noqa: E402

CLOCK = SystemClock()
KEY = bytes(range(16, 32))
Samples = dict[str, list[float]]


def settings_for(folder: Path) -> Settings:
    return parse_settings(
        {
            "device": {"id": "bench", "state_dir": str(folder / "state")},
            "boards": {"relay": {"type": "lcus", "port": "/dev/null"}},
            "lanes": {
                "entry": {
                    "type": "barrier",
                    "accepts": ["plate", "card"],
                    "open": {"board": "relay", "channel": 1},
                }
            },
            "displays": {"sign": {"type": "fk", "port": str(folder / "fk"), "lanes": ["entry"]}},
            "readers": {
                "bridge": {"type": "bridge", "port": str(folder / "bridge"), "lane": "entry"},
                "osdp": {"type": "osdp", "port": str(folder / "osdp"), "lane": "entry", "address": 5},
            },
        }
    )


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline_s:
            raise SystemExit("nothing came within 30 s; is the machine overloaded?")
        time.sleep(0.0005)


def measure_sign(folder: Path, times: int, samples: Samples) -> None:
    with (
        SimulatedFkCard(link=folder / "fk", wire_baud=9600, drop_faster_than_ms=5) as card,
        ExitStack() as stack,
    ):
        signs = Signs(settings_for(folder), CLOCK, Alarms(CLOCK), lambda _person: None)
        worker = signs.cards["sign"]
        stack.callback(worker.close)
        worker.start()
        until(lambda: worker.status.is_up)
        for number in range(times):
            plate = f"粤B{number:05d}"
            data = {
                "verdict": "grant",
                "reason": "permit",
                "result": "accepted",
                "visit": plate,
                "kind": "plate",
                "credential": plate,
            }
            heard, began_ns = len(card.frames), boot_ns()
            signs.note(EventDraft(Stream.ACCESS, "access.decided", "entry", data))
            until(lambda heard=heard: len(card.frames) > heard)  # type: ignore[misc]
            samples.setdefault("journaled -> first byte", []).append((card.frames[heard][0] - began_ns) / 1e6)
            until(lambda plate=plate: card.texts[:2] == (plate, "欢迎光临") and worker.status.is_up)  # type: ignore[misc]
            until(lambda plate=plate: worker.status.rows[0].text == plate)  # type: ignore[misc]
            samples.setdefault("journaled -> whole text", []).append((boot_ns() - began_ns) / 1e6)


@contextmanager
def readers_asking(folder: Path, asked: list[int]) -> Iterator[Readers]:
    settings = settings_for(folder)
    write_key(key_path("osdp", settings.readers["osdp"], settings.device.state_dir), KEY)  # type: ignore[arg-type]
    readers = Readers(settings, lambda *_: asked.append(boot_ns()) is None, CLOCK, Alarms(CLOCK))
    with ExitStack() as stack:
        for worker in readers.workers:
            stack.callback(worker.close)
            worker.start()
        yield readers


def measure_readers(folder: Path, times: int, samples: Samples) -> None:
    asked: list[int] = []
    with (
        SimulatedBridge(1, link=folder / "bridge", wire_baud=115_200) as bridge,
        SimulatedOsdpLine({5: KEY}, link=folder / "osdp", wire_baud=9600) as osdp,
        readers_asking(folder, asked) as readers,
    ):
        until(lambda: all(status.is_up for status in readers.statuses))
        ways: dict[str, Callable[[str], None]] = {
            "card -> asked, bridge": lambda bits: bridge.present(1, bits),
            "card -> asked, OSDP": lambda bits: osdp.present(5, bits),
        }
        for what, hold in ways.items():
            for number in range(1, times + 1):
                asked.clear()
                began_ns = boot_ns()
                hold(with_parity(f"{number:024b}"))
                until(lambda: bool(asked))
                samples.setdefault(what, []).append((asked[0] - began_ns) / 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    samples: Samples = {}
    with tempfile.TemporaryDirectory() as folder:
        measure_sign(Path(folder), options.times, samples)
        measure_readers(Path(folder), options.times, samples)
    table = Table(title=f"beside the lane, {options.times} times, milliseconds")
    figures = {}
    for heading in ("what", "p50", "p99", "max"):
        table.add_column(heading)
    for what, values in samples.items():
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        figures[what] = {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "max": round(max(values), 2)}
        table.add_row(what, *(f"{value:.1f}" for value in figures[what].values()))
    Console().print(table)
    if options.json is not None:
        about = {"machine": platform.machine(), "python": platform.python_version(), "times": options.times}
        options.json.write_text(json.dumps({**about, "ms": figures}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

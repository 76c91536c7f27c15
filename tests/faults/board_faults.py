"""Random faults on the simulated boards of every family, under the real owners of boards.

    python tests/faults/board_faults.py --count 10000 [--seed 1] [--family lcus-text ...]

Every family has a board (bytes on a pseudo-terminal, TCP, or mock pins), its owner thread, and somebody who
opens, closes and unlocks at random and breaks something at random meanwhile. Whatever is broken, there is

    no unsafe output   no relay is energised that nobody ordered; CLOSE never joins an energised OPEN, OPEN
                       joins a CLOSE only where that is welded or its release got lost unnoticed; no relay is
                       away from its safe state for longer than its guard, unless a fault keeps us from it;
                       when the fault is gone, and at the end, every output is in its safe state
    no stuck worker    no owner is silent for longer than its patience; every order is answered exactly once
    no unnamed fault   every fault is in the journal under its name (``edge.lanes.troubles``), except those
                       that no protocol can show; they are counted by reason
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from board_fault_bench import CLOCK, GUARD_MS, WATCH, Bench, Outcomes  # noqa: E402
from board_fault_kinds import CLOSE, FAMILIES, LOCK, OPEN, TIMEOUT_MS  # noqa: E402

from edge.clock import NS_PER_MS  # noqa: E402
from edge.health import Alarm, Alarms  # noqa: E402
from edge.lanes import Boards  # noqa: E402
from edge.records import EventDraft, Stream  # noqa: E402
from edge.settings import Settings  # noqa: E402
from edge.store.journal import Journal  # noqa: E402


def settings_of(families: Mapping[str, str]) -> Settings:
    """One board for each family at its port, and a barrier and a door on each.

    A barrier with CLOSE needs a loop: it hangs on the board's own inputs where it has some, else on an input
    board that nobody starts.
    """
    boards: dict[str, Any] = {}
    lanes: dict[str, Any] = {}
    for name, port in families.items():
        section = dict(FAMILIES[name].section)
        if section["type"] != "gpio":
            section |= {"port": port, "reply_timeout_ms": TIMEOUT_MS}
        boards[name] = section
        has_inputs = section["type"] == "gpio" or section.get("inputs") or section.get("framing") == "rtu"
        loop = name if has_inputs else f"inputs-{name}"
        if not has_inputs:
            port = f"/dev/none-{name}"
            boards[loop] = {"type": "modbus", "profile": "lc", "port": port, "outputs": 0}
        wire = {"board": name, "max_on_ms": GUARD_MS}
        lanes[f"gate-{name}"] = {
            "type": "barrier",
            "accepts": ["plate"],
            "open": wire | {"channel": OPEN},
            "close": wire | {"channel": CLOSE},
            "presence": {"board": loop, "channel": 1},
        }
        lanes[f"door-{name}"] = {
            "type": "door",
            "accepts": ["plate"],
            "lock": {"board": name, "channel": LOCK, "pulse_ms": 0, "energise_to": "lock", "safe": "locked"},
        }
    return Settings.model_validate({"device": {"id": "bench"}, "boards": boards, "lanes": lanes})


@contextmanager
def benches(families: list[str], folder: Path, seed: int) -> Iterator[tuple[list[Bench], Journal]]:
    """Every family's board with its owner, running, and the journal that they write."""
    with ExitStack() as stack:
        simulated = {name: FAMILIES[name].simulate(folder / name) for name in families}
        for board in simulated.values():
            stack.enter_context(board)
        settings = settings_of({name: board.port for name, board in simulated.items()})
        heard: dict[str, list[tuple[int, str]]] = {name: [] for name in families}
        recovered: dict[str, list[tuple[int, Mapping[str, int]]]] = {name: [] for name in families}
        alarms = Alarms(CLOCK)
        journal = Journal(folder / "events.db", CLOCK, tenant="home", device="bench", alarms=alarms)
        stack.callback(journal.close)
        journal.start()

        def note(draft: EventDraft) -> None:
            journal.append(draft)
            if draft.type == "board.faulted":
                heard[draft.subject].append((CLOCK.boot_ns(), draft.data["fault"]))
            if draft.type == "board.recovered":
                recovered[draft.subject].append((CLOCK.boot_ns(), draft.data["faults"]))

        def note_alarm(alarm: Alarm, raised: bool) -> None:
            kind = "alarm.raised" if raised else "alarm.cleared"
            journal.append(
                EventDraft(Stream.ALARM, kind, alarm.subject, {"name": alarm.name, "detail": alarm.detail})
            )

        alarms.listen(note_alarm)
        workers = Boards(settings, CLOCK, alarms, note=note, quiet_ns=50 * NS_PER_MS)
        for name in families:
            stack.callback(workers[name].close)
            workers[name].start()
        yield (
            [
                Bench(name, simulated[name], workers[name], heard[name], recovered[name], seed)
                for name in families
            ],
            journal,
        )


def run(count: int, seed: int = 1, families: list[str] | None = None) -> list[Outcomes]:
    """Inject so many faults, spread over the families; returns what came of each."""
    names = families or list(FAMILIES)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        stack.enter_context(WATCH)
        with benches(names, Path(name), seed) as (made, journal):
            shares = [count // len(made) + (i < count % len(made)) for i in range(len(made))]
            with ThreadPoolExecutor(len(made), "bench") as threads:
                jobs = [threads.submit(bench.run, share) for bench, share in zip(made, shares, strict=True)]
            for job in jobs:
                job.result()
            for bench in made:
                bench.remember_final_states()
                bench.judge()
            # The owners run on: what they note from here on is not asked for.
            heard = {bench.name: len(bench.heard) for bench in made}
            journal.flush()
            written = Counter(
                event["subject"]
                for row in journal.tail(0, (), 10_000_000)
                for event in [json.loads(row.payload)]
                if event["type"] == "gh.board.faulted.v1"
            )
            for bench in made:
                if (missing := heard[bench.name] - written[bench.name]) > 0:
                    bench.outcomes.problems.append(f"{bench.name}: the journal lacks {missing} events")
        return [bench.outcomes for bench in made]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", action="append", choices=list(FAMILIES))
    options = parser.parse_args()
    started_s = time.monotonic()
    outcomes = run(options.count, options.seed, options.family)
    print(f"{'family':14} {'faults':>7} {'named':>7} {'cannot be seen':>15} {'problems':>9}  longest silence")
    for one in outcomes:
        print(
            f"{one.family:14} {one.injected.total():7} {one.named.total():7} {one.unseen.total():15}"
            f" {len(one.problems):9}  {one.longest_silence_s:.2f} s  OPEN won {one.open_won:3}"
            f"  {dict(one.orders)}"
        )
    kinds = sum((one.injected for one in outcomes), Counter[str]())
    print("kinds:", dict(kinds))
    print("cannot be seen:", dict(sum((one.unseen for one in outcomes), Counter[str]())))
    problems = [problem for one in outcomes for problem in one.problems]
    print(f"{kinds.total()} faults in {time.monotonic() - started_s:.0f} s, {len(problems)} problems")
    for problem in problems[:100]:
        print(" ", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())

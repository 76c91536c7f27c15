"""Throw changed bytes at every parser that takes bytes from outside; whatever it may not raise is a bug.

    python tests/faults/fuzz.py --minutes 10 --parser command [--seed N]
    python tests/faults/fuzz.py --minutes 1                       every parser, a minute each
    python tests/faults/fuzz.py --list

The seed is printed; a crash prints the bytes that did it, in hexadecimal, and the trace.
"""

import argparse
import logging
import random
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from fuzz_targets import Target, Targets, mutated, resigned  # noqa: E402

SLOW_S = 2.0
KEEPS = 200


@dataclass
class Found:
    """What became of one parser's storm: how many were taken, refused by which error, and crashes."""

    tried: int = 0
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def storm(target: Target, *, seed: int, count: int | None = None, seconds: float = 1e9) -> Found:
    """Try so many, or so long. What was taken becomes an example for more."""
    chance, found = random.Random(f"{seed} {target.name}"), Found()
    pool = list(target.examples)
    until_s = time.monotonic() + seconds
    for example in target.examples:  # a good one must pass, or the rest shows nothing
        _try(target, example, found)
    if found.taken != len(target.examples) and target.name != "push-http":
        found.crashes.append(f"{target.name}: a good example is refused: {dict(found.refused)}")
    while time.monotonic() < until_s and (count is None or found.tried < count) and len(found.crashes) < 5:
        raw = mutated(chance.choice(pool), chance)
        before = found.taken
        _try(target, raw, found)
        if found.taken > before and len(raw) < 20_000:
            pool = [*pool[: len(target.examples)], *pool[len(target.examples) :][-KEEPS:], raw]
    return found


def _try(target: Target, raw: bytes, found: Found) -> None:
    whole = resigned(raw, target.signed_as) if target.signed_as else raw
    found.tried += 1
    began_s = time.monotonic()
    try:
        target.parse(whole)
    except target.allowed as error:
        found.refused[type(error).__name__] += 1
    except Exception:  # noqa: BLE001 - that is what we look for
        found.crashes.append(f"{target.name}: {raw[:2000].hex()}\n{traceback.format_exc(limit=-4)}")
    else:
        found.taken += 1
    found.slowest_s = max(found.slowest_s, time.monotonic() - began_s)


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for each parser")
    parser.add_argument("--parser", help="one of them; all without")
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, printed")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    with Targets() as targets:
        if options.list:
            print(*targets, sep="\n")
            return 0
        if options.parser is not None and options.parser not in targets:
            parser.error(f"no parser {options.parser!r}; there are: {', '.join(targets)}")
        print(f"seed {seed}", flush=True)
        crashes = []
        for target in [targets[options.parser]] if options.parser else targets.values():
            found = storm(target, seed=seed, seconds=options.minutes * 60)
            refused = ", ".join(f"{count} {name}" for name, count in found.refused.most_common(4)) or "none"
            print(
                f"{target.name:14}{found.tried:>10} tried{found.taken:>10} taken   refused: {refused};"
                f" slowest {found.slowest_s * 1000:.0f} ms",
                flush=True,
            )
            crashes += found.crashes
        print(*crashes, sep="\n")
        print(f"{len(crashes)} crashes, seed {seed}")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())

"""A box is killed at each step of its configuration's state machine: always the old or the new (CFG-1).

``python tests/faults/config_kill.py --times 50`` kills at every point so many times, each time with other
documents and at another occurrence of the point. Every life is a process of its own (forked), the journal is
the real one on the real disk, and time is the clock of the test, so that no trial is waited for.

After each death the row is read by a new life. What it runs must be, option for option, either what ran
before or the document; then the platform sends again, and the box must come to the document (or, where the
document is bad, to what ran before it), whatever happened.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sync_bench import AUDIENCE, DEVICE, TENANT, make_settings

from edge.clock import NS_PER_S, ManualClock
from edge.faults import CONFIG_POINTS, ENV
from edge.platform.signer import Signer
from edge.settings import Settings
from edge.store.journal import Journal
from edge.sync.config_document import effective_hash
from edge.sync.desired import Desired
from edge.sync.local_override import Override, laid_over

SIGNER = Signer("k1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = {"k1": SIGNER._key.public_key()}
LANE = {"type": "barrier", "cameras": ["north"], "open": {"board": "relays", "channel": 1}}
SICK_MS = 666  # a deadline under which this box is not well
OVERRIDE = Override({"decision": {"plate_margin": 3.0}}, "test", "", 1 << 40)


class Life:
    """One run of the part of the daemon that a configuration touches."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.journal = Journal(folder / "events.db", self.clock, tenant=TENANT, device=DEVICE, boot_id="boot")
        self.journal.start()
        self.running: Settings | None = None
        self.desired = Desired(
            self.journal, self.clock, KEYS, make_settings(folder), apply=self._apply, health=self._health
        )
        self.running = self.desired.restore()

    def _apply(self, settings: Settings, _rev: int) -> None:
        self.running = settings

    def _health(self) -> tuple[str, ...]:
        is_sick = self.running is not None and self.running.decision.deadline_ms == SICK_MS
        return ("lane in: no board answers",) if is_sick else ()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            self.clock.advance(0.5)
            self.desired.tick()

    def take(self, raw: bytes) -> None:
        self.desired.receive(raw)
        self.run(20)

    def close(self) -> None:
        self.journal.close()


def document(deadline_ms: int, rev: int, **decision: object) -> bytes:
    """One signed document with two sections, so that a mixture would show."""
    lane = {**LANE, "times": {"clear_s": 1.0 + rev % 7}}
    sections = {"decision": {"deadline_ms": deadline_ms, **decision}, "lanes": {"in": lane}}
    return SIGNER.document(AUDIENCE, sections, rev=rev, issued_s=1_790_000_000 + rev, confirm_s=10)


def in_a_life(folder: Path, point: str, count: int, *documents: bytes, override: bool = False) -> bool:
    """Run a life in a process of its own that dies at a point; True when it died there."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            os.environ[ENV] = f"{point}:{count}"
            life = Life(folder)
            for raw in documents:
                life.take(raw)
            if override:
                life.desired.post_override(OVERRIDE)
                life.run(1)
            life.close()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"{point}: ended by signal {os.WTERMSIG(status)}"
        return True
    assert os.WEXITSTATUS(status) == 0, f"{point}: the life failed by itself"
    return False


def checked_in_a_life(folder: Path, allowed: set[str], last: bytes, wanted: str) -> None:
    """A life after the death: old or new at once, and the wanted one in the end."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            os.environ.pop(ENV, None)
            life = Life(folder)
            assert life.running is not None
            found = effective_hash(life.running)
            if found not in allowed:
                code = 4
            else:
                life.take(last)
                assert life.running is not None
                code = 0 if effective_hash(life.running) == wanted else 5
            life.close()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    words = {0: "", 4: "a mixture ran after the death", 5: "it did not come to the document in the end"}
    assert code == 0, words.get(code, f"the life after the death failed ({code})")


def settings_of(folder: Path, deadline_ms: int | None, rev: int = 0, *, override: bool = False) -> str:
    """Hash of what runs under a document; None: under the file alone."""
    base = make_settings(folder)
    if deadline_ms is not None:
        lane = base.lanes["in"].model_copy()
        lane = type(lane).model_validate({**LANE, "times": {"clear_s": 1.0 + rev % 7}})
        decision = base.decision.model_copy(update={"deadline_ms": deadline_ms})
        base = base.model_copy(update={"decision": decision, "lanes": {"in": lane}})
    return effective_hash(laid_over(base, OVERRIDE if override else None))


def one_death(folder: Path, point: str, chance: random.Random) -> bool:
    """One story with one death; False when the point was not reached."""
    first, second = chance.randint(700, 1900), chance.randint(2000, 9000)
    rev = chance.randint(1, 1000)
    if point == "config.rejected":
        bad = document(second, rev + 1, agreeing_readz=3)
        died = in_a_life(folder, point, 1, document(first, rev), bad)
        old = settings_of(folder, first, rev)
        checked_in_a_life(folder, {old}, bad, old)
    elif point == "config.rolled_back":
        bad = document(SICK_MS, rev + 1)
        died = in_a_life(folder, point, 1, document(first, rev), bad)
        old = settings_of(folder, first, rev)
        checked_in_a_life(folder, {old}, bad, old)
    elif point == "config.overridden":
        died = in_a_life(folder, point, 1, document(first, rev), override=True)
        new = settings_of(folder, first, rev, override=True)
        checked_in_a_life(folder, {new}, document(first, rev), new)
    else:
        occurrence = chance.randint(1, 2)
        documents = (document(first, rev), document(second, rev + 1))
        died = in_a_life(folder, point, occurrence, *documents)
        steps = [
            settings_of(folder, None),
            settings_of(folder, first, rev),
            settings_of(folder, second, rev + 1),
        ]
        allowed = set(steps[occurrence - 1 : occurrence + 1]) if died else {steps[2]}
        checked_in_a_life(folder, allowed, documents[1], steps[2])
    return died


def main(arguments: list[str] | None = None) -> int:
    """Kill so many times at each point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=50, help="deaths at each point")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    assert NS_PER_S
    for point in CONFIG_POINTS:
        deaths = 0
        for time in range(options.times):
            with tempfile.TemporaryDirectory() as folder:
                deaths += one_death(Path(folder), point, random.Random(f"{options.seed}-{point}-{time}"))
        sys.stdout.write(f"{point}: {deaths} deaths in {options.times} stories, 0 mixtures\n")
        sys.stdout.flush()
        assert deaths == options.times, f"{point} was not reached every time"
    sys.stdout.write(
        f"{len(CONFIG_POINTS) * options.times} stories, seed {options.seed}: old or new, always\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

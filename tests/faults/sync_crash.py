"""Kill the box, the broker, at random moments and at every fault point, and ask whether a promise was broken.

    python tests/faults/sync_crash.py --kills 1000 --broker-kills 200 --events 200000 [--seed N] [--json FILE]

Real mosquitto, real journal with its fsync, real uplink, the platform's real table. A generator writes into
its own history before the box hears of an event; ``crash_history.judge`` compares it with that table. The
seed fixes the whole schedule: which kind of death, when, at which point, how much work; not the scheduler of
the machine. A red run keeps its folder (history, both databases, log of all lives) and says where.
"""

import argparse
import contextlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from crash_history import History, judge, opened, tell_end  # noqa: E402
from sync_bench import AUDIENCE, Bench  # noqa: E402

from edge.faults import DELIVERY_POINTS  # noqa: E402
from edge.platform import Counterpart  # noqa: E402
from edge.platform.requests import CommandResult  # noqa: E402

STREAMS = ("access", "access", "access", "plate", "barrier", "sys", "audit", "alarm")
RARE = ("uplink.", "journal.opened", "command.")
"""Points that most lives reach only once."""
AT_POINT_S = 3.0
LIFE_S = 120.0
DRAIN_S = 1800.0


@dataclass(frozen=True, slots=True)
class Death:
    """How a life shall end: at a fault point, or so many seconds after its birth or its first word."""

    fault: str = ""
    after_s: float = 0.0
    early: bool = False
    broker_after_s: float | None = None


@dataclass
class Tally:
    """What the run was made of."""

    deaths: Counter[str] = field(default_factory=Counter)
    broker_kills: int = 0
    revocations: int = 0
    results: Counter[str] = field(default_factory=Counter)


def schedule(seed: int, kills: int, broker_kills: int) -> list[Death]:
    """The same for the same seed, always."""
    chance = random.Random(seed)
    with_broker = set(chance.sample(range(kills), min(broker_kills, kills)))
    deaths = []
    for number in range(kills):
        broker_s = chance.uniform(0.0, 0.3) if number in with_broker else None
        if number % 2:  # every second one at a point, each point in its turn
            point = DELIVERY_POINTS[number // 2 % len(DELIVERY_POINTS)]
            count = 1 if point.startswith(RARE) else chance.choice((1, 1, 2, 3, 5, 8))
            deaths.append(Death(f"{point}:{count}", AT_POINT_S, broker_after_s=broker_s))
        elif chance.random() < 0.25:
            deaths.append(Death(after_s=chance.uniform(0.0, 0.05), early=True, broker_after_s=broker_s))
        else:
            deaths.append(Death(after_s=chance.uniform(0.0, 0.5), broker_after_s=broker_s))
    return deaths


class Crash:
    """One run. Thread: one."""

    def __init__(self, bench: Bench, seed: int, protocol: str, events: int, lives: int) -> None:
        self.history: History = opened(bench.folder / "history.jsonl")
        self.tally = Tally()
        self._bench, self._chance = bench, random.Random(f"{seed} work")
        self._events_left, self._lives_left = events, max(lives, 1)
        self._next_event = self._next_wish = self._next_person = 0
        self._spec = {
            "folder": str(bench.folder / "box"),
            "url": bench.broker.url,
            "keys": str(bench.keys_file),
            "protocol": protocol,
            "keep_days": 0.0,
            "ear": str(bench.folder / "ear"),
        }
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ear.bind(self._spec["ear"])
        self._ear.listen(1)
        command = [
            sys.executable,
            str(Path(__file__).with_name("crash_life.py")),
            str(bench.folder / "box.log"),
        ]
        self._nursery = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.platform: Counterpart = bench.platform()
        self._asked: list[tuple[str, str, Future[CommandResult]]] = []
        self._on_roster: list[str] = []
        self._wishes: list[str] = []
        self._tickets: dict[int, bool] = {}

    def close(self) -> None:
        """End the nursery; a life that it has is killed."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait(30)
        self._nursery.stdout.close()
        self._ear.close()
        if self.history.file is not None:
            self.history.file.close()

    def live(self, death: Death) -> None:
        """One life, to its violent end."""
        quota = self._events_left // self._lives_left
        self._lives_left -= 1
        self.history.say("life", fault=death.fault, after_s=death.after_s, early=death.early)
        pid = self._bear(death.fault)
        born_s = time.monotonic()
        ends_s = born_s + (death.after_s if death.early else 30.0)
        broker_s = None if death.broker_after_s is None else born_s + death.broker_after_s
        said, tester, ready, gone = "", None, False, False
        outstanding = 0
        while time.monotonic() < ends_s:
            if broker_s is not None and time.monotonic() >= broker_s:
                broker_s = None
                self._kill_broker()
            sources = [self._nursery.stdout, self._ear if tester is None else tester]
            heard = select.select(sources, [], [], 0.003)[0]
            if self._ear in heard and tester is None:
                tester, _ = self._ear.accept()
            elif tester is not None and tester in heard:
                data = _read(tester)
                if not data:
                    gone = True
                    break
                *lines, said = (said + data).split("\n")
                for line in lines:
                    word = json.loads(line)
                    if word[0] == "ready":
                        ready = True
                        if death.fault.startswith("command."):
                            self._command()
                        ends_s = time.monotonic() + death.after_s
                    outstanding -= word[0] == "kept"
                    self._take(word)
            elif self._nursery.stdout in heard:
                break
            if ready and tester is not None and outstanding < 3:
                batch = min(self._chance.choice((1, 1, 3, 10, 40, 120)), quota)
                quota -= batch
                if (batch or self._chance.random() < 0.05) and not self._work(tester, batch):
                    gone = True
                    break
                outstanding += batch > 0
            self._hear_platform()
        if broker_s is not None:
            self._kill_broker()
        reached = self._bury(pid, tester, said, gone=gone)
        name = (
            death.fault.partition(":")[0] if death.fault and reached else "early" if death.early else "random"
        )
        self.tally.deaths[name] += 1

    def finish(self) -> None:
        """One last life that delivers everything and ends in peace."""
        pid = self._bear("", life_s=2 * DRAIN_S)
        tester, _ = self._ear.accept()
        said, waiting_for = "", ["ready"]
        until_s = time.monotonic() + DRAIN_S
        while waiting_for:
            assert time.monotonic() < until_s, f"no {waiting_for} within {DRAIN_S:.0f} s"
            self._hear_platform()
            if not select.select([tester], [], [], 0.05)[0]:
                continue
            data = _read(tester)
            assert data, "the last life has died by itself; see box.log"
            *lines, said = (said + data).split("\n")
            for line in lines:
                word = json.loads(line)
                self._take(word)
                if word[0] == waiting_for[0]:
                    waiting_for = self._next_step(tester, word[0])
        self._bury(pid, tester, said, gone=True)

    def _next_step(self, tester: socket.socket, done: str) -> list[str]:
        """What the last life shall do next: the rest of the events, deliver, end."""
        if done in ("ready", "kept") and self._events_left:
            self._work(tester, min(180, self._events_left), only_events=True)
            return ["kept"]
        if done in ("ready", "kept"):
            tester.sendall(b'["drain"]\n')
            return ["drained"]
        if done == "drained":
            tester.sendall(b'["end"]\n')
            return ["ended"]
        return []

    def _bear(self, fault: str, *, life_s: float = LIFE_S) -> int:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps({**self._spec, "fault": fault, "life_s": life_s}) + "\n")
        self._nursery.stdin.flush()
        return int(self._nursery_says("born"))

    def _nursery_says(self, what: str) -> str:
        assert self._nursery.stdout is not None
        word, _, rest = self._nursery.stdout.readline().partition(" ")
        assert word == what, f"the nursery says {word!r}; see box.log"
        return rest

    def _bury(self, pid: int, tester: socket.socket | None, said: str, *, gone: bool = False) -> bool:
        """Kill it if it lives; True when it died of its fault point. Its last words count."""
        assert self._nursery.stdout is not None
        by_itself = bool(select.select([self._nursery.stdout], [], [], 30.0 if gone else 0.0)[0])
        if not by_itself:
            with contextlib.suppress(ProcessLookupError):  # it has died in this very moment
                os.kill(pid, signal.SIGKILL)
        code = int(self._nursery_says("dead"))
        assert code in (0, -signal.SIGKILL), f"a life ended with {code}; see box.log"
        if tester is None and select.select([self._ear], [], [], 0.0)[0]:
            tester, _ = self._ear.accept()
        if tester is not None:
            while data := _read(tester):
                *lines, said = (said + data).split("\n")
                for line in lines:
                    self._take(json.loads(line))
            tester.close()
        return by_itself

    def _kill_broker(self) -> None:
        self.history.say("broker killed")
        self._bench.broker.kill()
        self._bench.broker.start()
        self.tally.broker_kills += 1

    def _work(self, tester: socket.socket, count: int, *, only_events: bool = False) -> bool:
        """Hand over events, and now and then a wish for a pulse, a command, somebody at the door."""
        orders: list[list[Any]] = []
        if count:
            batch = [(self._next_event + place, self._chance.choice(STREAMS)) for place in range(count)]
            self._next_event += count
            self._events_left -= count
            self.history.try_events(batch)
            orders.append(["events", batch])
        if not only_events:
            dice = self._chance.random()
            if dice < 0.25:
                orders.append(["actuate", self._wish()])
            elif dice < 0.35:
                orders += self._arrivals()
            elif dice < 0.45 and len(self._asked) < 6:
                self._command()
        try:
            tester.sendall("".join(json.dumps(order) + "\n" for order in orders).encode())
        except OSError:  # it has died meanwhile
            return False
        return True

    def _wish(self) -> str:
        """A new actuation, or an old one once more, as a broker or a lane would repeat it."""
        if self._wishes and self._chance.random() < 0.4:
            name = self._chance.choice(self._wishes[-10:])
        else:
            self._next_wish += 1
            name = f"act-{self._next_wish}"
            self._wishes.append(name)
        self.history.ask(name)
        return name

    def _arrivals(self) -> list[list[Any]]:
        """Somebody whose removal was acknowledged, and somebody else, stand at the door now."""
        persons = [*list(self.history.revoked)[-5:], *self._on_roster[-2:]]
        orders = []
        for person in persons:
            ticket = len(self._tickets)
            self._tickets[ticket] = person in self.history.revoked
            orders.append(["arrive", person, ticket])
        return orders

    def _command(self) -> None:
        """Ask the platform for something: open, put somebody on the roster, take somebody off it."""
        name, args = self._chance.choice(("open", "roster-put", "roster-remove")), {}
        subject = ""
        if name == "open":
            self._next_wish += 1
            self.history.ask(f"open-{self._next_wish}")
            args = {"lane": "in", "wish": self._next_wish}
        elif name == "roster-put" or not self._on_roster:
            name, subject = "roster-put", f"person-{self._next_person}"
            self._next_person += 1
            args = {"person": {"id": subject}}
        else:
            subject = self._on_roster.pop(0)
            args = {"id": subject}
        future = self.platform.request(AUDIENCE, name, args, timeout_s=20.0, life_s=10.0)
        self._asked.append((name, subject, future))

    def _hear_platform(self) -> None:
        for name, subject, future in [asked for asked in self._asked if asked[2].done()]:
            self._asked.remove((name, subject, future))
            result = "no answer" if future.exception() is not None else future.result().result
            self.tally.results[f"{name} {result}"] += 1
            if name == "roster-put" and result == "done":
                self._on_roster.append(subject)
            elif name == "roster-remove" and result == "done":
                self.tally.revocations += 1
                self.history.revoke(subject)

    def _take(self, word: list[Any]) -> None:
        match word:
            case ["kept", numbers]:
                self.history.keep(numbers)
            case ["pulse", name, cause]:
                self.history.pulse(name, cause)
            case ["decided", person, ticket, known] if known:
                self.history.grant(person, self._tickets[ticket])


def _read(tester: socket.socket) -> str:
    """What has come; empty at the end, also when the other end was killed with words of ours unread."""
    try:
        return tester.recv(1 << 16).decode()
    except ConnectionResetError:
        return ""


def run(
    folder: Path, *, seed: int, kills: int, broker_kills: int, events: int, protocol: str, talks: bool = False
) -> tuple[list[str], dict[str, Any]]:
    """The whole run in a folder.

    Returns:
        Broken promises, and the figures.
    """
    began_s = time.monotonic()
    deaths = schedule(seed, kills, broker_kills)
    with ExitStack() as stack:
        bench = stack.enter_context(Bench(folder, protocol=protocol))
        crash = Crash(bench, seed, protocol, events, kills)
        stack.callback(crash.close)
        for number, death in enumerate(deaths, start=1):
            crash.live(death)
            if talks and number % 50 == 0:
                took_s = time.monotonic() - began_s
                print(f"{number} kills, {len(crash.history.kept)} events kept, {took_s:.0f} s", flush=True)
        killed_s = time.monotonic() - began_s
        crash.finish()
        table = crash.platform.events(AUDIENCE)
        faults = judge(crash.history, table, crash.platform.ledger.broken_chains())
        took_s = time.monotonic() - began_s
        history, tally = crash.history, crash.tally
        figures: dict[str, Any] = {
            "seed": seed,
            "protocol": protocol,
            "kills": sum(tally.deaths.values()),
            "broker_kills": tally.broker_kills,
            "deaths": dict(sorted(tally.deaths.items())),
            "tried": len(history.tried),
            "promised": len(history.kept),
            "in_table": sum("number" in event["data"] for event in table),
            "table": len(table),
            "duplicates_on_the_wire": crash.platform.duplicates,
            "pulses": sum(history.pulses.values()),
            "wishes": len(history.asked),
            "revocations": tally.revocations,
            "commands": dict(sorted(tally.results.items())),
            "faults": len(faults),
            "seconds": round(took_s, 1),
            "seconds_per_kill": round(killed_s / max(kills, 1), 3),
        }
    return faults, figures


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--broker-kills", type=int, default=200)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, printed")
    parser.add_argument("--protocol", choices=("5", "3.1.1"), default="5")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-crash-"))
    faults, figures = run(
        folder,
        seed=seed,
        kills=options.kills,
        broker_kills=options.broker_kills,
        events=options.events,
        protocol=options.protocol,
        talks=True,
    )
    return tell_end(folder, seed, faults, figures, options.json)


if __name__ == "__main__":
    sys.exit(main())

"""Kill and freeze nodes of a cluster of brokers under a box at work, and ask whether a promise was broken.

    python tests/faults/cluster_delivery.py --events 20000 --blows 60 [--broker nats] [--seed N] [--json FILE]

Real nats-server (or rabbitmq-server) processes, three nodes, with the shipped configuration and the
permissions that ``gatehouse platform acl --for nats`` writes; real journal, uplink, command desk and
configuration; the platform's real table. A generator writes into its own history before the box hears of an
event; ``crash_history.judge`` compares it with that table. Sometimes two of three nodes are gone, and the
cluster can take nothing. The seed fixes the schedule: which nodes, killed or frozen, when, how long; not the
scheduler of the machine.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from broker_cluster import PASSWORD, BrokerCluster  # noqa: E402
from crash_history import History, judge, opened, tell_end  # noqa: E402
from nats_cluster import NatsCluster, find_nats, nats_version  # noqa: E402
from rabbit_cluster import RabbitCluster, find_rabbitmq, rabbitmq_version  # noqa: E402
from sync_bench import AUDIENCE, DEVICE, TOPICS, Box, make_settings, until  # noqa: E402

from edge.clock import SystemClock  # noqa: E402
from edge.platform import PUBLIC_KEYS_FILE, Counterpart, make_keys  # noqa: E402
from edge.platform.requests import CommandResult  # noqa: E402
from edge.records import EventDraft, Stream  # noqa: E402
from edge.sync import CommandOutcome, Result  # noqa: E402
from edge.sync.commands import Command  # noqa: E402
from edge.sync.session import Broker, Login  # noqa: E402

STREAMS = ("access", "access", "access", "plate", "barrier", "sys", "audit", "alarm")
DRAIN_S = 600.0
WARM_UP_S = 60.0
COMMANDS_AT_ONCE = 4
KINDS = {"nats": NatsCluster, "rabbitmq": RabbitCluster}
VERSIONS = {"nats": nats_version, "rabbitmq": rabbitmq_version}
FOUND = {"nats": find_nats, "rabbitmq": find_rabbitmq}


@dataclass(frozen=True, slots=True)
class Blow:
    """What befalls the cluster: these nodes, killed or frozen, so long after the last, for so long."""

    nodes: tuple[int, ...]
    kind: Literal["kill", "freeze"]
    after_s: float
    lasts_s: float


def schedule(seed: int, blows: int, nodes: int, *, one_at_a_time: bool = False) -> list[Blow]:
    """The same for the same seed, always. One in six takes the majority away, one in four freezes.

    ``one_at_a_time``: only kills, of one node; the next comes when it is back.
    """
    chance = random.Random(seed)
    if one_at_a_time:
        span = chance.uniform
        return [Blow((chance.randrange(nodes),), "kill", span(1, 4), span(1, 4)) for _ in range(blows)]
    made = []
    for _ in range(blows):
        count = nodes // 2 + 1 if chance.random() < 1 / 6 else 1
        struck = tuple(sorted(chance.sample(range(nodes), count)))
        kind: Literal["kill", "freeze"] = "freeze" if chance.random() < 1 / 4 else "kill"
        made.append(Blow(struck, kind, chance.uniform(0.2, 3.0), chance.uniform(0.2, 4.0)))
    return made


class ClusterRun:
    """One box, one platform, one cluster. Thread: one."""

    def __init__(
        self, folder: Path, cluster: BrokerCluster, seed: int, events: int, *, keep_session: bool = False
    ) -> None:
        """Start box and platform; they are closed with ``close``."""
        self.history: History = opened(folder / "history.jsonl")
        self.results: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self._cluster, self._chance = cluster, random.Random(f"{seed} work")
        self._events, self._next, self._wish = events, 0, 0
        self._asked: list[Future[CommandResult]] = []
        self._pulses: deque[tuple[str, str]] = deque()
        self._stack = ExitStack()
        for name in ("box", "platform"):
            (folder / name).mkdir()
        make_keys(folder / "platform")
        self.platform = self._platform(folder / "platform")
        link = {
            "brokers": cluster.urls,
            "username": DEVICE,
            "password_file": str(cluster.password_file),
            "keepalive_s": 5,
            "clean_session": not keep_session,
        }
        self.box = Box(
            folder / "box",
            make_settings(folder / "box", **link),
            folder / "platform" / PUBLIC_KEYS_FILE,
            handlers={"open": self._open},
        )
        self._stack.callback(self.box.close)
        self.box.start()

    def _platform(self, folder: Path) -> Counterpart:
        first, *others = Broker.parse_all(",".join(self._cluster.urls))
        login = Login(
            first,
            "gh-platform",
            clean=True,
            username="platform",
            password=PASSWORD,
            keepalive_s=5,
            others=tuple(others),
        )
        counterpart = Counterpart(login, folder, SystemClock(), reconnect_max_s=0.5)
        self._stack.callback(counterpart.close)
        counterpart.start()
        return counterpart

    def close(self) -> None:
        """Stop both."""
        self._stack.close()
        if self.history.file is not None:
            self.history.file.close()

    def wait_ready(self) -> None:
        """Box and platform have found each other."""
        until(lambda: self.platform.is_online, WARM_UP_S, "the platform is online")
        until(lambda: self.platform.devices().get(AUDIENCE), WARM_UP_S, "the platform sees the box")

    def suffer(self, blow: Blow, quota: int) -> None:
        """One blow, with work before, during and after it."""
        self._work_until(time.monotonic() + blow.after_s, quota // 2)
        self.history.say("blow", nodes=blow.nodes, kind=blow.kind)
        self.struck[blow.kind] += 1
        self.struck["without majority"] += len(blow.nodes) > 1
        strike, heal = self._cluster.kill, self._cluster.start
        if blow.kind == "freeze":
            strike, heal = self._cluster.freeze, self._cluster.thaw
        for number in blow.nodes:
            strike(number)
        self._work_until(time.monotonic() + blow.lasts_s, quota - quota // 2)
        for number in blow.nodes:
            heal(number)
        self.history.say("healed", nodes=blow.nodes)

    def finish(self) -> None:
        """The cluster is whole again: the rest of the events, everything delivered, and a configuration."""
        self._cluster.wait_ready()
        while self._next < self._events:
            self._happen(min(120, self._events - self._next))
        until(lambda: self._hear() or self.box.backlog() == 0, DRAIN_S, "all is acknowledged")
        until(lambda: self._hear() or not self._asked, 60.0, "every command has ended")
        rev = self.platform.publish_desired(AUDIENCE, {"decision": {"deadline_ms": 1500}})
        until(lambda: self._reported() == (rev, "applied"), 120.0, f"{rev} is applied, is {self._reported()}")
        self._hear()

    def _reported(self) -> tuple[object, object]:
        reported = self.platform.devices()[AUDIENCE].reported
        return reported.get("rev"), reported.get("state")

    def _work_until(self, until_s: float, quota: int) -> None:
        while time.monotonic() < until_s:
            count = min(self._chance.choice((1, 1, 3, 10, 40)), quota, self._events - self._next)
            quota -= count
            self._happen(count)
            if self._chance.random() < 0.1 and len(self._asked) < COMMANDS_AT_ONCE:
                self._command()
            self._hear()
            time.sleep(self._chance.uniform(0.0, 0.05))

    def _happen(self, count: int) -> None:
        if count <= 0:
            return
        batch = [(self._next + place, self._chance.choice(STREAMS)) for place in range(count)]
        self._next += count
        self.history.try_events(batch)
        drafts = [
            EventDraft(Stream(stream), "thing.seen", "in", {"number": number, "filler": "x" * (number % 300)})
            for number, stream in batch
        ]
        for draft in drafts[:-1]:
            self.box.journal.append(draft)
        self.box.journal.append_now(drafts[-1])
        self.history.keep([number for number, _ in batch])

    def _command(self) -> None:
        self._wish += 1
        self.history.ask(f"open-{self._wish}")
        args = {"lane": "in", "wish": self._wish}
        self._asked.append(self.platform.request(AUDIENCE, "open", args, timeout_s=30.0, life_s=10.0))

    def _open(self, command: Command) -> CommandOutcome:
        self._pulses.append((f"open-{command.args['wish']}", command.jti))
        return CommandOutcome(Result.DONE, "boom is up")

    def _hear(self) -> None:
        while self._pulses:
            self.history.pulse(*self._pulses.popleft())
        for future in [future for future in self._asked if future.done()]:
            self._asked.remove(future)
            self.results["no answer" if future.exception() is not None else future.result().result] += 1


def run(
    folder: Path,
    *,
    seed: int,
    blows: int,
    events: int,
    broker: str = "nats",
    keep_session: bool = False,
    one_at_a_time: bool = False,
    talks: bool = False,
) -> tuple[list[str], dict[str, Any]]:
    """The whole run in a folder.

    Returns:
        Broken promises, and the figures.
    """
    began_s = time.monotonic()
    (folder / "cluster").mkdir()
    with ExitStack() as stack:
        cluster: BrokerCluster = KINDS[broker](folder / "cluster", [TOPICS])
        stack.enter_context(cluster)
        one = ClusterRun(folder, cluster, seed, events, keep_session=keep_session)
        stack.callback(one.close)
        one.wait_ready()
        plan = schedule(seed, blows, cluster.nodes, one_at_a_time=one_at_a_time)
        for number, blow in enumerate(plan, start=1):
            one.suffer(blow, events // blows)
            if one_at_a_time:
                cluster.wait_ready()
            if talks and number % 10 == 0:
                took_s = time.monotonic() - began_s
                line = f"{number} blows, {len(one.history.kept)} events kept, {one.box.backlog()} wait"
                print(f"{line}, {took_s:.0f} s", flush=True)
        worked_s = time.monotonic()
        one.finish()
        table = one.platform.events(AUDIENCE)
        faults = judge(one.history, table, one.platform.ledger.broken_chains())
        figures: dict[str, Any] = {
            "seed": seed,
            "broker": VERSIONS[broker](),
            "nodes": cluster.nodes,
            "mqtt": one.box.uplink.status.protocol,
            "blows": dict(sorted(one.struck.items())),
            "tried": len(one.history.tried),
            "promised": len(one.history.kept),
            "in_table": sum("number" in event["data"] for event in table),
            "table": len(table),
            "duplicates_on_the_wire": one.platform.duplicates,
            "connections_of_the_box": one.box.uplink.status.conn,
            "wishes": len(one.history.asked),
            "pulses": sum(one.history.pulses.values()),
            "commands": dict(sorted(one.results.items())),
            "faults": len(faults),
            "seconds": round(time.monotonic() - began_s, 1),
            "seconds_until_all_was_delivered": round(time.monotonic() - worked_s, 1),
        }
    return faults, figures


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--blows", type=int, default=60)
    parser.add_argument("--broker", choices=tuple(KINDS), default="nats")
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, printed")
    parser.add_argument(
        "--keep-session", action="store_true", help="as boxes do without clean_session = true"
    )
    parser.add_argument("--one-at-a-time", action="store_true", help="only kills; the next when it is back")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if FOUND[options.broker]() is None:
        print(f"{options.broker}-server is not installed (Debian: apt install {options.broker}-server)")
        return 69
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-cluster-"))
    faults, figures = run(
        folder,
        seed=seed,
        blows=options.blows,
        events=options.events,
        broker=options.broker,
        keep_session=options.keep_session,
        one_at_a_time=options.one_at_a_time,
        talks=True,
    )
    return tell_end(folder, seed, faults, figures, options.json)


if __name__ == "__main__":
    sys.exit(main())

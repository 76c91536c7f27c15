"""Five hundred boxes on one broker that is killed and comes back: how soon all are back, and how evenly.

    python tests/bench/reconnect_storm.py [--devices 500] [--down 10] [--json FILE]

Each box is the real dialer with its jitter and the real link on a real mosquitto, in this one process; only
the journal is left out. Printed: until when half, 95 % and all were back, the busiest second, and for
comparison what the same boxes do without jitter (paho's own back-off: 1, 2, 4 ... seconds, all at once).
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from edge.clock import SystemClock  # noqa: E402
from edge.platform import BrokerProcess  # noqa: E402
from edge.sync.dialer import Dialer  # noqa: E402
from edge.sync.mqtt_link import MqttLink  # noqa: E402
from edge.sync.session import Broker, Connected, Ended, LinkFailed, Login, Protocol  # noqa: E402
from edge.sync.topics import Topics  # noqa: E402
from edge.sync.waker import Waker  # noqa: E402

CLOCK = SystemClock()


@dataclass
class Box:
    """One box's side of the link: what ``edge.sync.uplink`` does about connections, and nothing else."""

    number: int
    broker: Broker
    jitter: bool
    longest_s: float
    waker: Waker = field(default_factory=Waker)
    link: MqttLink | None = None
    since_s: float = 0.0
    dial_at_s: float = 0.0
    tries: int = 0
    tried_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dialer = Dialer([self.broker], "5", self.longest_s, random.Random(self.number))
        self.topics = Topics("park", f"box-{self.number}")

    @property
    def is_online(self) -> bool:
        return self.since_s > 0

    def turn(self, now_s: float) -> None:
        """Dial when it is time, and take in what the link says."""
        if self.link is None:
            if now_s >= self.dial_at_s:
                self._dial(now_s)
            return
        for event in self.link.poll(0.0):
            match event:
                case Connected():
                    self.since_s = now_s
                    self.link.subscribe(self.topics.subscriptions())
                    self.link.publish(self.topics.state, b'{"state":"ready"}', retain=True)
                case Ended():
                    self._ended(event, now_s)
                    return

    def _dial(self, now_s: float) -> None:
        self.tried_at.append(now_s)
        link = MqttLink(Login(self.broker, self.topics.client_id, Protocol.V5), CLOCK, self.waker)
        try:
            link.open()
        except LinkFailed as error:
            self.dial_at_s = now_s + self._pause(self.dialer.failed(error.trouble))
            return
        self.link = link

    def _ended(self, event: Ended, now_s: float) -> None:
        if self.is_online:
            pause_s = self._pause(self.dialer.lost(event.trouble, now_s - self.since_s), first=True)
        else:
            pause_s = self._pause(self.dialer.failed(event.trouble))
        self.link, self.since_s, self.dial_at_s = None, 0.0, now_s + pause_s

    def _pause(self, pause_s: float, *, first: bool = False) -> float:
        """The dialer's pause; or, to compare, that of a client without jitter."""
        self.tries = 0 if first else self.tries + 1
        return pause_s if self.jitter else min(2.0**self.tries, self.longest_s)

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
        self.waker.close()


def storm(folder: Path, *, devices: int, down_s: float, longest_s: float, jitter: bool) -> dict[str, object]:
    """All are online; the broker dies, is away, and comes back."""
    broker = BrokerProcess(folder)
    broker.start()
    boxes = [Box(number, Broker.parse(broker.url), jitter, longest_s) for number in range(devices)]
    try:
        for box in boxes:  # first come slowly, as over a day
            box.turn(time.monotonic())
        _until_all(boxes, 120.0)
        settled_s = time.monotonic()
        while time.monotonic() < settled_s + 21.0:  # longer than what the dialer calls a stable connection
            _round(boxes)
        broker.kill()
        gone_s = time.monotonic()
        while time.monotonic() < gone_s + down_s:
            _round(boxes)
        broker.start()
        back_s = time.monotonic()
        _until_all(boxes, 300.0)
        waited = sorted(box.since_s - back_s for box in boxes)
        seconds = Counter(int(box.since_s - back_s) for box in boxes)
        dialled = Counter(
            int((tried_s - back_s) * 10) for box in boxes for tried_s in box.tried_at if tried_s > gone_s
        )
    finally:
        for box in boxes:
            box.close()
        broker.close()
    return {
        "jitter": jitter,
        "devices": devices,
        "down_s": down_s,
        "half_s": round(waited[len(waited) // 2], 1),
        "p95_s": round(waited[len(waited) * 95 // 100], 1),
        "all_s": round(waited[-1], 1),
        "busiest_second": max(seconds.values()),
        "busiest_tenth": max(dialled.values()),
    }


def _round(boxes: list[Box]) -> None:
    for box in boxes:
        box.turn(time.monotonic())
    time.sleep(0.02)


def _until_all(boxes: list[Box], within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while not all(box.is_online for box in boxes):
        assert time.monotonic() < until_s, f"{sum(not b.is_online for b in boxes)} are not back"
        _round(boxes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--down", type=float, default=10.0, help="seconds without a broker")
    parser.add_argument("--longest", type=float, default=120.0, help="sync.reconnect_max_s")
    parser.add_argument("--without-jitter", action="store_true", help="measure that too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8 * options.devices + 256), most))
    results = []
    for jitter in (True, False) if options.without_jitter else (True,):
        with tempfile.TemporaryDirectory(prefix="gatehouse-storm-") as folder:
            results.append(
                storm(
                    Path(folder),
                    devices=options.devices,
                    down_s=options.down,
                    longest_s=options.longest,
                    jitter=jitter,
                )
            )
    for result in results:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

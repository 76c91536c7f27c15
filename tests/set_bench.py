"""A box that takes sets and a platform that publishes them, on a real broker; see ``tests.sync_bench``."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from sync_bench import DEVICE, TENANT, Bench, make_settings, until

from edge.access import Person, Roster
from edge.clock import Clock, SystemClock
from edge.following import Follower
from edge.health import Alarms
from edge.known import Known
from edge.platform.roster import SetPublisher
from edge.scope import Scope
from edge.settings import Settings
from edge.store import Journal, SetStore, Vault
from edge.sync import Desired, Uplink, load_public_keys
from edge.sync.session import Broker, Login

SCOPE = "north"
FACE_SET = "faces-dlib-resnet"
CONSENT = {"who": "王丽", "when": 1_700_000_000, "text_version": "v3", "channel": "app", "under_14": False}


def person(number: int, **more: object) -> Person:
    """A resident with a plate of their own."""
    values: dict[str, object] = {
        "id": f"p-{number:06}",
        "name": f"住户{number}",
        "room": f"{number % 30}-{number % 900}",
        "plates": (f"京A{number:05}",) if number < 100_000 else (),
        "cards": (str(1_000_000 + number),),
    }
    return Person(**(values | more))


def roster(numbers: range, **changed: Person) -> Roster:
    """So many residents; some of them as given, by id with ``_`` for ``-``."""
    persons = [changed.get(f"p_{n:06}", person(n)) for n in numbers]
    return Roster.of(0, persons)


def template(number: int, dimensions: int = 128) -> np.ndarray:
    """Numbers that belong to nobody, the same each time."""
    numbers = np.random.default_rng(number).normal(size=dimensions).astype(np.float32)
    return numbers / np.linalg.norm(numbers)


class SetBox:
    """The device's side, as ``edge.app`` puts it together; what is decided with is ``known``."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        keys_file: Path,
        clock: Clock | None = None,
    ) -> None:
        self.folder, self.clock = folder, clock or SystemClock()
        self.settings = settings
        self.alarms = Alarms(self.clock)
        self.raised: list[str] = []
        self.alarms.listen(lambda alarm, raised: self.raised.append(alarm.name) if raised else None)
        self.journal = Journal(
            folder / "events.db",
            self.clock,
            tenant=TENANT,
            device=DEVICE,
            alarms=self.alarms,
            boot_id="00000000-0000-4000-8000-000000000000",
        )
        self.journal.start()
        keys = load_public_keys(keys_file)
        vault = Vault(bytes(range(32)))
        self.sets = SetStore(folder / "sets.db", vault, self.clock)
        self.scope = Scope(settings, vault, self.sets, self.clock, FACE_SET)
        self.follower = Follower(self.sets, self.journal, FACE_SET, layer=self.scope.layer)
        self.watch: Callable[[Known], bool] | None = None
        self.came_true_ns = 0
        self.known = self.follower.load(settings.decision)
        self.desk = self.scope.make_desk(keys, self.alarms, self._revoked)
        desired = Desired(
            self.journal, self.clock, keys, settings, apply=lambda _s, _r: None, health=lambda: ()
        )
        desired.restore()
        self.uplink = Uplink(
            settings, self.journal, self.clock, self.alarms, keys=keys, desired=desired, handlers={},
            sets=self.desk, info=lambda: {"sets": self.desk.info()},
        )  # fmt: skip

    def start(self) -> "SetBox":
        self.desk.start()
        self.uplink.start()
        return self

    def _revoked(self, name: str, ids: tuple[str, ...]) -> None:
        self.follower.revoke(name, ids, self._swap)

    def _swap(self, known: Known) -> None:
        if self.watch is not None and self.watch(known):
            self.came_true_ns, self.watch = time.monotonic_ns(), None
        self.known = known

    def follow(self) -> None:
        """What the main thread does five times a second."""
        if self.follower.has_changed():
            self.follower.load(self.settings.decision, self._swap)
            self.follower.tell_journal()

    def rev(self, name: str = "permits") -> int:
        return self.scope.store.state(name).rev

    def reaches(self, rev: int, name: str = "permits", within_s: float = 60.0) -> None:
        """Wait for a revision to count, and load it."""
        until(
            lambda: self.rev(name) == rev, within_s, f"{name} {rev}, is {self.rev(name)}; {self.standing()}"
        )
        self.follow()

    def ids(self) -> set[str]:
        return set(self.known.roster.persons)

    def standing(self) -> Mapping[str, str]:
        return {f"{alarm.name} {alarm.subject}": alarm.detail for alarm in self.alarms.standing()}

    def standing_of_sets(self) -> list[str]:
        return [alarm for alarm in self.standing() if alarm.startswith(("sets.", "roster."))]

    def close(self) -> None:
        self.uplink.close()
        self.desk.close()
        self.scope.close()
        self.sets.close()
        self.journal.close()


class SetBench(Bench):
    """``Bench`` with a publisher and boxes that take sets."""

    def publisher(self, **options: object) -> SetPublisher:
        publisher = SetPublisher(
            Login(Broker.parse(self.broker.url), client_id="gh-sets", clean=True),
            self.folder / "platform",
            SystemClock(),
            tenant=TENANT,
            protocol=self.platform_protocol,
            reconnect_max_s=0.5,
            **options,
        )
        self._stack.callback(publisher.close)
        publisher.start()
        until(lambda: publisher.is_online, what="the publisher is online")
        return publisher

    def set_box(self, *, clock: Clock | None = None, starts: bool = True, **sets: object) -> SetBox:
        settings = make_settings(self.folder / "box", brokers=(self.broker.url,), protocol=self.protocol)
        document = {"scope": SCOPE, **sets}
        settings = settings.model_copy(update={"sets": type(settings.sets)(**document)})
        box = SetBox(self.folder / "box", settings, self.keys_file, clock)
        self._stack.callback(box.close)
        if starts:
            box.start()
        return box

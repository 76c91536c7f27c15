"""A box and a platform on a real broker, for the tests of ``edge.sync`` and ``edge.platform``."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import mqtt_version

from edge.clock import Clock, SystemClock
from edge.errors import EdgeError
from edge.health import Alarms
from edge.platform import PUBLIC_KEYS_FILE, BrokerProcess, Counterpart, make_keys
from edge.records import Event, EventDraft, Stream
from edge.settings import Settings
from edge.settings_file import parse_settings
from edge.store.journal import Journal
from edge.sync import CommandOutcome, Desired, Handler, Result, Uplink, load_public_keys
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import Broker, Connected, Ended, Login, ProtocolChoice, Received, Subscribed
from edge.sync.topics import Topics
from edge.sync.waker import Waker

TENANT, DEVICE = "park", "gate-7"
AUDIENCE = f"{TENANT}/{DEVICE}"
PROTOCOLS = mqtt_version.versions
TOPICS = Topics(TENANT, DEVICE)


def until(condition: Callable[[], object], within_s: float = 60.0, what: str = "") -> None:
    """Wait for something that must come true; fail when it does not."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what or condition}"
        time.sleep(0.02)


def make_settings(folder: Path, **sync: object) -> Settings:
    """A box with one barrier lane, one camera, one board."""
    return parse_settings(
        {
            "device": {"id": DEVICE, "tenant": TENANT, "state_dir": str(folder)},
            "boards": {"relays": {"type": "lcus", "port": "/dev/null"}},
            "cameras": {"north": {"type": "replay", "source": "lane.mp4", "looks_for": ["plate", "face"]}},
            "lanes": {
                "in": {"type": "barrier", "cameras": ["north"], "open": {"board": "relays", "channel": 1}}
            },
            "sync": {"brokers": ("mqtt://127.0.0.1:1",), "reconnect_max_s": 1.0, **sync},
        }
    )


class Opener:
    """A handler that remembers what it was told to open."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def __call__(self, command: object) -> CommandOutcome:
        self.opened.append(command.jti)
        return CommandOutcome(Result.DONE, "boom is up")


class Box:
    """The device's side: journal, configuration, uplink; as edge.app puts them together."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        keys_file: Path,
        *,
        clock: Clock | None = None,
        handlers: Mapping[str, Handler] | None = None,
        health: Callable[[], tuple[str, ...]] = lambda: (),
        apply_error: Callable[[Settings], str] = lambda _settings: "",
        settle_s: float = 0.2,
        sees: Callable[[], Mapping[str, object]] = dict,
        journal: Mapping[str, object] | None = None,
    ) -> None:
        self.folder, self.settings, self.clock = folder, settings, clock or SystemClock()
        self.alarms = Alarms(self.clock)
        self.opener = Opener()
        self.applied: list[tuple[Settings, int]] = []
        self._apply_error = apply_error
        self._happened = 0
        self.journal = Journal(
            folder / "events.db",
            self.clock,
            tenant=TENANT,
            device=DEVICE,
            alarms=self.alarms,
            boot_id="00000000-0000-4000-8000-000000000000",
            **(journal or {}),
        )
        self.journal.start()
        keys = load_public_keys(keys_file)
        self.desired = Desired(
            self.journal,
            self.clock,
            keys,
            settings,
            apply=self._apply,
            health=health,
            settle_s=settle_s,
        )
        self.started_with = self.desired.restore()
        self.uplink = Uplink(
            settings,
            self.journal,
            self.clock,
            self.alarms,
            keys=keys,
            desired=self.desired,
            handlers={"open": self.opener, **(handlers or {})},
            sees=sees,
        )

    def _apply(self, settings: Settings, rev: int) -> None:
        error = self._apply_error(settings)
        if error:
            raise EdgeError(error)
        self.applied.append((settings, rev))

    def start(self) -> "Box":
        self.uplink.start()
        return self

    def happen(self, count: int, stream: Stream = Stream.ACCESS) -> None:
        """Let so many more events be journaled; they are on the disk when this returns."""
        drafts = [
            EventDraft(stream, "access.decided", "in", {"number": self._happened + number})
            for number in range(count)
        ]
        self._happened += count
        for draft in drafts[:-1]:
            self.journal.append(draft)
        self.journal.append_now(drafts[-1])

    def backlog(self) -> int:
        return sum(self.journal.backlog().values())

    def alarm(self, name: str) -> str:
        """Detail of an alarm that stands; empty when it does not."""
        return next((alarm.detail for alarm in self.alarms.standing() if alarm.name == name), "")

    def close(self) -> None:
        self.uplink.close()
        self.journal.close()


class Bench:
    """One broker, one platform, one box; each can be stopped, killed and started again."""

    def __init__(
        self,
        folder: Path,
        *,
        protocol: str = "",
        options: tuple[str, ...] = (),
        only_python: bool = False,
    ) -> None:
        self.folder, self.protocol = folder, protocol or mqtt_version.default
        for name in ("broker", "platform", "box"):
            (folder / name).mkdir()
        make_keys(folder / "platform")
        self.keys_file = folder / "platform" / PUBLIC_KEYS_FILE
        self.broker = BrokerProcess(folder / "broker", options=options, only_python=only_python)
        self._stack = ExitStack()
        self._stack.callback(self.broker.close)

    def __enter__(self) -> "Bench":
        self.broker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def platform_protocol(self) -> ProtocolChoice:
        """What the platform's side takes: the same, unless the broker knows only one."""
        return mqtt_version.default if self.broker.protocol == "auto" else self.broker.protocol

    def platform(
        self,
        *,
        url: str | None = None,
        refuses: Callable[[Event], str] = lambda _event: "",
        **login: object,
    ) -> Counterpart:
        """Start the platform; it is closed with the bench, unless it was before."""
        options = {"client_id": "gh-platform", "clean": True, **login}
        counterpart = Counterpart(
            Login(Broker.parse(url or self.broker.url), **options),
            self.folder / "platform",
            SystemClock(),
            protocol=self.platform_protocol,
            reconnect_max_s=0.5,
            refuses=refuses,
        )
        self._stack.callback(counterpart.close)
        counterpart.start()
        until(lambda: counterpart.is_online, what="the platform is online")
        return counterpart

    def box(self, **options: object) -> Box:
        """Start the box; closed with the bench, unless it was before."""
        return self.new_box(**options).start()

    def new_box(
        self, *, url: str | None = None, sync: Mapping[str, object] | None = None, **options: object
    ) -> Box:
        """Make the box without starting its uplink; ``options`` are those of ``Box``."""
        more = {"brokers": (url or self.broker.url,), "protocol": self.protocol, **(sync or {})}
        settings = make_settings(self.folder / "box", **more)
        box = Box(self.folder / "box", settings, self.keys_file, **options)
        self._stack.callback(box.close)
        return box


def sequences(platform: Counterpart, stream: Stream) -> list[int]:
    """Sequence numbers of a stream in the platform's table, in the order in which they were taken."""
    return [event["ghseq"] for event in platform.events(AUDIENCE, stream)]


def numbers(platform: Counterpart, stream: Stream = Stream.ACCESS) -> list[int]:
    """What ``Box.happen`` numbered, as the platform has it."""
    return [event["data"]["number"] for event in platform.events(AUDIENCE, stream)]


def pretty(value: object) -> str:
    """For messages of assertions."""
    return json.dumps(value, indent=1, default=str)


class Stranger:
    """Another client on the broker: reads what it likes and says what it likes, in the test's own thread."""

    def __init__(self, broker: BrokerProcess, *topics: str, **login: object) -> None:
        self._waker = Waker()
        options = {
            "client_id": f"stranger-{time.monotonic_ns()}",
            "clean": True,
            "protocol": mqtt_version.for_link(),
            **login,
        }
        self._link = MqttLink(Login(Broker.parse(broker.url), **options), SystemClock(), self._waker)
        self.messages: list[Received] = []
        self._subscribed = not topics
        self._ready = False
        self._link.open()
        until(lambda: self._turn() or self._ready)
        if topics:
            self._link.subscribe(topics)
            until(lambda: self._turn() or self._subscribed)

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.disconnect()
        self._link.close()
        self._waker.close()

    def say(self, topic: str, payload: bytes | Mapping[str, object], *, retain: bool = False) -> None:
        """Publish, and wait until the broker has it."""
        self.say_at_once(topic, payload, retain=retain)

    def say_at_once(self, topic: str, *payloads: bytes | Mapping[str, object], retain: bool = False) -> None:
        """Publish one right behind the other, and wait until the broker has all."""
        for payload in payloads:
            raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            self._link.publish(topic, raw, retain=retain)
        until(lambda: self._turn() or self._link.outstanding == 0)

    def bodies(self, topic: str) -> list[dict[str, object]]:
        """What has come on a topic so far, parsed."""
        self._turn()
        return [json.loads(m.payload) for m in self.messages if m.topic == topic and m.payload]

    def _turn(self) -> bool:
        for event in self._link.poll(0.02):
            match event:
                case Received():
                    self.messages.append(event)
                    self._link.acknowledge(event)
                case Connected():
                    self._ready = True
                case Subscribed():
                    self._subscribed = True
                case Ended():
                    raise AssertionError(event.message)
        return False

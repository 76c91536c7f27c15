"""A keeper and a publisher without a broker between them: everything at once, in the test's own thread."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from edge.access import Roster
from edge.clock import NS_PER_S, ManualClock
from edge.errors import UsageError
from edge.jws import parse_object
from edge.platform import PUBLIC_KEYS_FILE, make_keys
from edge.platform.roster import SetPublisher
from edge.store import ScopeSets, Vault
from edge.store.envelope import json_bytes
from edge.store.scope_tables import Gone
from edge.store.sealing import device_key
from edge.sync import load_public_keys
from edge.sync.session import Broker, Login
from edge.sync.set_documents import SetPlace
from edge.sync.set_fetcher import Wanted
from edge.sync.set_keeper import SetKeeper
from edge.sync.set_questions import Surroundings
from edge.sync.topics import Topics

TENANT, SCOPE, PERMITS = "park", "north", "permits"
TOPICS = Topics(TENANT, "gate-7")
Mangle = Callable[[str, bytes], bytes | None]


class Platform:
    """A publisher that is never connected: what it would publish is taken from its queue."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        folder.mkdir(exist_ok=True)
        make_keys(folder)
        self.keys = load_public_keys(folder / PUBLIC_KEYS_FILE)
        login = Login(Broker.parse("mqtt://127.0.0.1:1"), "nobody")
        self.publisher = SetPublisher(login, folder, clock, tenant=TENANT)

    def put(self, roster: Roster) -> list[tuple[str, bytes]]:
        """Replace the permits; (topic, payload) of what goes to everybody."""
        self.publisher.replace_permits(SCOPE, roster)
        return self.said()

    def said(self) -> list[tuple[str, bytes]]:
        """What goes to everybody since this was last asked."""
        queue: deque[tuple[str, bytes, bool]] = self.publisher._to_publish
        said = [(topic, raw) for topic, raw, _ in queue]
        queue.clear()
        return said

    def manifest(self, name: str = PERMITS) -> bytes:
        """The newest."""
        return self.publisher._manifest(SCOPE, name).raw

    def close(self) -> None:
        self.publisher.close()


class Device:
    """A keeper; what it asks is answered by ``serve``."""

    def __init__(self, folder: Path, platform: Platform, clock: ManualClock, name: str = PERMITS) -> None:
        folder.mkdir(exist_ok=True)
        self.platform, self.clock, self.name = platform, clock, name
        vault = Vault(bytes(32))
        self.store = ScopeSets(folder / "scope_sets.db", vault)
        self.asked: deque[bytes] = deque()
        self.questions: list[str] = []
        self.alarms: dict[str, str] = {}
        self.raised: list[str] = []
        self.revoked: list[str] = []
        self.left: list[Gone] = []
        self.wanted: list[Wanted] = []
        around = Surroundings(
            ask=lambda question: self.asked.append(json_bytes(question)),
            alarm=self._alarm,
            clear=self._clear,
            revoked=self.revoked.extend,
            left=lambda _ids, gone: self.left.extend(gone),
            fetch=self.wanted.append,
        )
        self.keeper = SetKeeper(
            SetPlace(TENANT, SCOPE, name),
            self.store,
            platform.keys,
            clock,
            around,
            audience=TOPICS.audience,
            device_key=device_key(vault),
            folder=folder / "snapshots",
        )

    def _alarm(self, name: str, detail: str) -> None:
        self.raised.append(f"{name}: {detail}")
        self.alarms[name] = detail

    def _clear(self, name: str) -> None:
        self.alarms.pop(name, None)

    def hear(self, said: list[tuple[str, bytes]]) -> None:
        """Take what goes to everybody."""
        for topic, raw in said:
            (self.keeper.on_manifest if topic.endswith("/m") else self.keeper.on_delta)(raw)

    def serve(self, mangle: Mangle = lambda _ask, payload: payload, turns: int = 400) -> None:
        """Answer and build until nothing is left to do; ``None`` for an answer that gets lost."""
        for _ in range(turns):
            if not self.asked and not self.keeper.is_busy:
                return
            while self.asked:
                question = parse_object(self.asked.popleft())
                self.questions.append(str(question["ask"]))
                for payload in self.platform.publisher.answers(TOPICS, self.name, question):
                    mangled = mangle(str(question["ask"]), payload)
                    if mangled is not None:
                        self.keeper.on_answer(mangled)
            self.keeper.step()
        raise UsageError("it never ends")

    def wait(self, seconds: float) -> None:
        """Let time pass, and serve what comes of it."""
        self.clock.advance(seconds)
        self.keeper.tick()

    @property
    def rev(self) -> int:
        return self.store.state(self.name).rev

    def ids(self) -> set[str]:
        return set(self.store.index(self.name))

    def close(self) -> None:
        self.keeper.close()
        self.store.close()


def seconds(value: float) -> int:
    return round(value * NS_PER_S)

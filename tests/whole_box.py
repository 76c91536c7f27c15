"""The whole daemon as a process of its own: simulated site, real broker, independent listener."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import mqtt_version

from drivers.relay.catalog import USUAL_CHANNELS
from drivers.simulated.site import SimulatedSite
from edge.clock import SystemClock
from edge.platform import BrokerProcess, Counterpart, make_keys
from edge.settings import Settings
from edge.settings_file import load_settings
from edge.store import EventReader, SetStore, from_wire, open_vault
from edge.sync.session import Broker, Login

TENANT, DEVICE = "test", "box-1"
AUDIENCE = f"{TENANT}/{DEVICE}"
OPEN, CLOSE, STOP, LOCK = 1, 2, 3, 4


def until(condition: Callable[[], Any], within_s: float, what: str) -> Any:
    """Wait for something that must come true; returns it."""
    deadline_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
    return value


def toml(value: Any) -> str:
    """One value as TOML (JSON is a subset of it for what we need, tables aside)."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def relay_board(family: str, port: Path) -> dict[str, Any]:
    """Words of the configuration for a serial relay board of a family (``drivers.simulated.catalog``)."""
    kind = {"type": "modbus", "profile": family} if family in USUAL_CHANNELS else {"type": family}
    return {**kind, "port": str(port)}


class WholeBox:
    """One box: ``with WholeBox(folder, cameras={...}) as box: box.start() ...``."""

    def __init__(
        self,
        folder: Path,
        *,
        cameras: Mapping[str, Mapping[str, Any]],
        lanes: Mapping[str, Mapping[str, Any]] | None = None,
        family: str = "lcus",
        **sections: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.config = folder / "gatehouse.toml"
        self._cameras, self._lanes, self._sections = cameras, lanes, sections
        self._family = family
        self._stack = ExitStack()
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        self.site = enter(
            SimulatedSite(lcus_link=self.folder / "lcus", io_link=self.folder / "io", family=self._family)
        )
        self.broker = enter(BrokerProcess(self.folder))
        assert self.broker.kind == "mosquitto", "make test installs mosquitto"
        keys = self.folder / "keys"
        keys.mkdir()
        make_keys(keys)
        login = Login(Broker.parse(self.broker.url), "gh-platform", clean=True)
        self.platform = Counterpart(
            login, keys, SystemClock(), protocol=mqtt_version.default, reconnect_max_s=1.0
        )
        self._stack.callback(self.platform.close)
        self.platform.start()
        self._listen()
        self._write_config()
        self._stack.callback(self.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            sys.stderr.write(self.log())
        self._stack.close()

    # The configuration

    def _write_config(self) -> None:
        io, relay = "io", "relay"
        lanes = self._lanes or {
            "entry": {
                "type": "barrier",
                "cameras": list(self._cameras),
                "accepts": ["plate"],
                "open": {"board": relay, "channel": OPEN, "pulse_ms": 400},
                "close": {"board": relay, "channel": CLOSE, "pulse_ms": 400},
                "stop": {"board": relay, "channel": STOP},
                "open_limit": {"board": io, "channel": 1},
                "closed_limit": {"board": io, "channel": 2},
                "presence": {"board": io, "channel": 3},
                "beam": {"board": io, "channel": 4},
            }
        }
        document: dict[str, Any] = {
            "device": {"id": DEVICE, "tenant": TENANT, "state_dir": str(self.folder / "state")},
            "boards": {
                relay: relay_board(self._family, self.folder / "lcus"),
                io: {"type": "modbus", "profile": "lc", "port": str(self.folder / "io"), "outputs": 0},
                },
            "cameras": self._cameras,
            "lanes": lanes,
            "sync": {
                "brokers": [self.broker.url],
                "protocol": mqtt_version.default,
                "platform_keys": str(self.folder / "keys" / "platform_keys.json"),
                "reconnect_max_s": 1.0,
                "keepalive_s": 5,
            },
            **self._sections,
        }  # fmt: skip
        lines = []
        for section, body in document.items():
            lines.append(f"{section} = {toml(body)}")
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def settings(self) -> Settings:
        """The configuration as the daemon reads it."""
        return load_settings(self.config)

    def sets(self) -> SetStore:
        """The roster, opened from this process; close it."""
        state = self.settings.device.state_dir
        state.mkdir(mode=0o700, exist_ok=True)
        return SetStore(state / "sets.db", open_vault(state / "device.key"), SystemClock())

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``gatehouse`` as a person would, on this box."""
        return subprocess.run(
            [sys.executable, "-m", "edge", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # The daemon

    def start(self, **environ: str) -> None:
        """Start the daemon and wait until it is ready."""
        before = self.log().count("ready:")
        with (self.folder / "daemon.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [sys.executable, "-m", "edge", "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environ},
            )
        until(lambda: self.log().count("ready:") > before or not self.is_alive, 30, "the daemon is ready")
        assert self.is_alive, self.log()

    @property
    def is_alive(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    @property
    def pid(self) -> int:
        assert self._daemon is not None
        return self._daemon.pid

    def wait_dead(self, within_s: float = 20.0) -> int:
        """Wait until the daemon has ended by itself; returns its code."""
        assert self._daemon is not None
        return self._daemon.wait(within_s)

    def kill(self) -> None:
        """SIGKILL, as a power cut would end it."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self._daemon is None:
            return 0
        if self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(25)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
                raise
        return self._daemon.returncode

    def log(self) -> str:
        path = self.folder / "daemon.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def vision_pids(self) -> list[int]:
        """Vision processes of the daemon."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parts = (entry / "stat").read_text().rpartition(")")[2].split()
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if int(parts[1]) == self.pid and b"edge.vision.child" in line:
                    found.append(int(entry.name))
        return found

    # What it did

    def journal(self, kind: str = "") -> list[dict[str, Any]]:
        """Data of the journaled events of a type, oldest first; all events when none is named."""
        path = self.folder / "state" / "events.db"
        if not path.exists():
            return []
        with EventReader(path) as reader:
            events = [from_wire(row.payload).event for row in reader.tail(0, limit=100_000)]
        return [{"type": e.type, "subject": e.subject, **e.data} for e in events if kind in ("", e.type)]

    def journaled(self) -> int:
        path = self.folder / "state" / "events.db"
        with EventReader(path) as reader:
            return len(reader.tail(0, limit=100_000))

    def stored(self) -> list[Any]:
        """Every event in the platform's table."""
        return self.platform.events(AUDIENCE)

    def wait_delivered(self, within_s: float = 20.0) -> None:
        """Wait until the platform has every event that was journaled."""
        until(lambda: len(self.stored()) >= self.journaled(), within_s, "the platform has every event")

    def edges(self, channel: int) -> list[bool]:
        """Every change of one relay of the site, in order."""
        return [on for _, ch, on in list(self.site.lcus.history) if ch == channel]

    def pulses(self, channel: int) -> int:
        """How often a relay was energised."""
        return self.edges(channel).count(True)

    # An independent listener

    def _listen(self) -> None:
        self._heard_path = self.folder / "heard.jsonl"
        port = str(self.broker.port)
        with self._heard_path.open("wb") as heard:
            listener = subprocess.Popen(
                ["mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-t", "gh/1/+/+/ev/access", "-q", "1"],
                stdin=subprocess.DEVNULL,
                stdout=heard,
                stderr=subprocess.DEVNULL,
            )

        def end() -> None:
            listener.terminate()
            listener.wait(5)

        self._stack.callback(end)

    def heard(self) -> list[dict[str, Any]]:
        """Access events as ``mosquitto_sub`` printed them."""
        return [json.loads(line)["data"] for line in self._heard_path.read_text("utf-8").splitlines() if line]

"""The whole daemon in this process: simulated boards, a real mosquitto, the platform's counterpart."""

import ssl
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import mqtt_version
import numpy as np
from certificates import Authority
from sync_bench import until
from whole_box import toml

from edge.app import Daemon
from edge.clock import Clock, SystemClock
from edge.hatch import request
from edge.platform import BrokerProcess, CommandResult, Counterpart, KnownDevice, make_keys, make_root
from edge.records import JsonObject
from edge.settings import Settings
from edge.sync.session import Broker, Login

AUDIENCE = "park/box"


def relay(channel: int, **more: Any) -> dict[str, Any]:
    return {"board": "relays", "channel": channel, **more}


def contact(channel: int) -> dict[str, Any]:
    return {"board": "inputs", "channel": channel}


def gate(**more: Any) -> dict[str, Any]:
    return {
        "type": "barrier",
        "open": relay(1),
        "close": relay(2),
        "open_limit": contact(1),
        "closed_limit": contact(2),
        "presence": contact(3),
        **more,
    }


def door(**more: Any) -> dict[str, Any]:
    return {"type": "door", "lock": relay(4), "contact": contact(7), **more}


class ControlBench:
    """One box under the hand of its platform: ``with ControlBench(folder) as bench: bench.start() ...``."""

    def __init__(
        self,
        folder: Path,
        lanes: dict[str, Any] | None = None,
        *,
        secure: bool = False,
        clock: Clock | None = None,
        **sections: Any,
    ) -> None:
        self.folder, self.secure = folder, secure
        self.clock = clock or SystemClock()
        self.lanes = lanes if lanes is not None else {"gate": gate(), "door": door()}
        self.sections = sections
        self._stack = ExitStack()
        self._thread: threading.Thread | None = None
        self.codes: list[int] = []

    def __enter__(self) -> Self:
        (self.folder / "keys").mkdir()
        (self.folder / "broker").mkdir()
        make_keys(self.folder / "keys")
        make_root(self.folder / "keys")
        options = self._locks() if self.secure else ()
        self.broker = self._stack.enter_context(BrokerProcess(self.folder / "broker", options=options))
        tls = ssl.create_default_context(cafile=str(self.ca_file)) if self.secure else None
        named = {"username": "platform", "password": "right"} if self.secure else {}
        login = Login(Broker.parse(self.url), "gh-platform", clean=True, tls=tls, **named)
        self.platform = Counterpart(
            login,
            self.folder / "keys",
            SystemClock(),
            protocol=mqtt_version.default,
            reconnect_max_s=0.5,
        )
        self._stack.callback(self.platform.close)
        self.platform.start()
        self._stack.callback(self.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _locks(self) -> tuple[str, ...]:
        """Options of a broker with TLS and passwords."""
        folder = self.folder / "broker"
        authority = Authority(folder)
        self.ca_file = authority.certificate
        own = authority.issue("broker", "127.0.0.1")
        passwords, self.password_file = folder / "passwords", folder / "password"
        passwords.touch(mode=0o600)
        for user in ("platform", "box"):
            command = ["mosquitto_passwd", "-b", str(passwords), user, "right"]
            subprocess.run(command, check=True, capture_output=True)
        self.password_file.write_text("right\n", encoding="utf-8")
        locks = ("allow_anonymous false", f"password_file {passwords}", f"cafile {self.ca_file}")
        return (*locks, f"certfile {own.certificate}", f"keyfile {own.key}")

    @property
    def url(self) -> str:
        """Where the broker is."""
        return self.broker.url.replace("mqtt:", "mqtts:") if self.secure else self.broker.url

    @property
    def link(self) -> dict[str, Any]:
        """The section ``sync`` as a document may send it."""
        link: dict[str, Any] = {
            "brokers": [self.url],
            "protocol": mqtt_version.default,
            "reconnect_max_s": 1.0,
            "keepalive_s": 5,
        }
        if self.secure:
            link |= {
                "username": "box",
                "password_file": str(self.password_file),
                "ca_file": str(self.ca_file),
            }
        return link

    @property
    def document(self) -> dict[str, Any]:
        """The configuration as the file has it."""
        keys = self.folder / "keys"
        believed = {
            "platform_keys": str(keys / "platform_keys.json"),
            "root_key": str(keys / "root_keys.json"),
        }
        return {
            "device": {"id": "box", "tenant": "park", "state_dir": str(self.folder / "state")},
            "boards": {
                part: {"type": "simulated", "site": "parking", "part": part} for part in ("relays", "inputs")
            },
            "lanes": self.lanes,
            "sync": {**self.link, **believed},
            **self.sections,
        }

    @property
    def settings(self) -> Settings:
        """The configuration as the daemon has it."""
        return Settings.model_validate(self.document)

    def write_config(self) -> Path:
        """The same configuration as a file, for commands."""
        path = self.folder / "gatehouse.toml"
        text = "".join(f"{name} = {toml(body)}\n" for name, body in self.document.items())
        path.write_text(text, encoding="utf-8")
        return path

    def start(self) -> None:
        """Start the daemon and wait until a command could reach it."""
        conn = self.known.conn
        self.daemon = Daemon(self.settings, self.clock)
        self._thread = threading.Thread(target=lambda: self.codes.append(self.daemon.run()), name="box")
        self._thread.start()
        until(lambda: self.known.is_live and self.known.conn > conn, what="the platform sees the box")
        until(lambda: self.known.info.get("conn") == self.known.conn, what="and its birth certificate")
        until(lambda: all(board.is_up for board in self.daemon._boards.values()), what="the boards are up")
        until(lambda: request(self.settings.device.state_dir, {"do": "status"}), what="its hatch is open")

    def stop(self) -> None:
        """End the daemon."""
        if self._thread is not None:
            self.daemon.stop()
            self.wait_ended()

    def wait_ended(self) -> None:
        """Wait until it has ended, whoever told it to."""
        assert self._thread is not None
        self._thread.join(60)
        assert not self._thread.is_alive(), "the daemon does not end"
        self._thread = None

    @property
    def known(self) -> KnownDevice:
        """What the platform knows of the box."""
        return self.platform.devices().get(AUDIENCE, KnownDevice(AUDIENCE))

    def send(self, name: str, **args: object) -> CommandResult:
        """Send a signed command and wait for its end."""
        return self.platform.send_command(AUDIENCE, name, args, timeout_s=60)

    def phase(self, lane: str) -> str:
        """What a lane's machine says."""
        return self.daemon._lanes[lane].status.phase if lane in self.daemon._lanes else ""

    def configure(self, sections: JsonObject, *, confirm_s: int = 60) -> int:
        """Publish a configuration; returns its revision."""
        return self.platform.publish_desired(AUDIENCE, sections, confirm_s=confirm_s)

    def until_state(self, rev: int, state: str, within_s: float = 90.0) -> JsonObject:
        """Wait for a report."""

        def is_so() -> bool:
            about, now = self.known.reported.get("rev"), self.known.reported.get("state")
            ended = about == rev and now in ("applied", "rejected", "rolled_back") and now != state
            assert not ended, f"revision {rev}: {dict(self.known.reported)}"
            return (about, now) == (rev, state)

        until(is_so, within_s, f"revision {rev} is {state}; it is {dict(self.known.reported)}")
        return self.known.reported

    def types(self) -> list[str]:
        """Types of all events in the platform's table."""
        return [
            event["type"].removeprefix("gh.").removesuffix(".v1") for event in self.platform.events(AUDIENCE)
        ]


def draw_film(folder: Path) -> None:
    """A folder of pictures with something in them."""
    folder.mkdir()
    for number in range(4):
        picture = np.full((480, 640, 3), 60, np.uint8)
        cv2.rectangle(picture, (100 + 20 * number, 100), (300, 300), (40, 200, 240), -1)
        assert cv2.imwrite(str(folder / f"{number}.png"), picture)

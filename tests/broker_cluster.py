"""Nodes of a cluster of brokers, each a process group that can be killed, frozen and started again."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.sync.topics import Topics

CONFIG = Path(__file__).resolve().parents[1] / "config" / "cluster"
PASSWORD = "right"


class BrokerCluster:
    """So many nodes that know each other. Thread: one at a time."""

    ready_s = 60.0

    def __init__(self, folder: Path, devices: Iterable[Topics], platform_user: str, nodes: int) -> None:
        self.folder, self.nodes = folder, nodes
        self.devices, self.platform_user = tuple(devices), platform_user
        self.users = (platform_user, *(topics.device for topics in self.devices))
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n", encoding="utf-8")
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * nodes

    def __enter__(self) -> Self:
        try:
            for number in range(self.nodes):
                self.start(number)
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def urls(self) -> tuple[str, ...]:
        """Where boxes reach each node."""
        return tuple(f"mqtt://127.0.0.1:{self.mqtt_port(number)}" for number in range(self.nodes))

    def mqtt_port(self, number: int) -> int:
        """Of a node."""
        raise NotImplementedError

    def command(self, number: int) -> list[str]:
        """What runs a node."""
        raise NotImplementedError

    def environ(self, number: int) -> Mapping[str, str]:
        """What it needs besides."""
        return {}

    def is_healthy(self, number: int) -> bool:
        """Whether a node that runs takes clients and has what the others have."""
        raise NotImplementedError

    def start(self, number: int) -> None:
        """Run a node; it joins the others by itself."""
        if self._processes[number] is None:
            with self._log(number).open("ab") as log:
                self._processes[number] = subprocess.Popen(
                    self.command(number),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, **self.environ(number)},
                )

    def kill(self, number: int) -> None:
        """End a node as a power cut would."""
        process = self._processes[number]
        if process is not None:
            self._signal(number, signal.SIGKILL)
            process.wait()
            self._processes[number] = None

    def freeze(self, number: int) -> None:
        """Stop a node in the middle of whatever it does; its connections stay, half-open."""
        self._signal(number, signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """Let it go on."""
        self._signal(number, signal.SIGCONT)

    def wait_ready(self) -> None:
        """Wait until every node that runs is healthy."""
        until_s = time.monotonic() + self.ready_s
        waiting = [number for number, process in enumerate(self._processes) if process is not None]
        while waiting:
            assert time.monotonic() < until_s, f"nodes {waiting} are not ready; see {self.folder}"
            for number in waiting:
                process = self._processes[number]
                assert process is not None
                assert process.poll() is None, f"node {number + 1} has ended: {self._last_line(number)}"
            waiting = [number for number in waiting if not self.is_healthy(number)]
            time.sleep(0.1)

    def close(self) -> None:
        """End every node."""
        for number in range(self.nodes):
            self.kill(number)

    def _signal(self, number: int, what: signal.Signals) -> None:
        process = self._processes[number]
        if process is not None and process.poll() is None:
            os.killpg(process.pid, what)

    def _log(self, number: int) -> Path:
        return self.folder / f"node-{number + 1}.log"

    def _last_line(self, number: int) -> str:
        lines = self._log(number).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it has said nothing"


def listening_port() -> int:
    """A free port below those from which the kernel takes the near ends of connections.

    A node comes back to its port after each kill; by then somebody's connection, or a look whether it is
    there that meets itself (TCP's simultaneous open), could sit on one of those.
    """
    for port in random.SystemRandom().sample(range(12_000, 32_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def replaced(shipped: Path, changes: Mapping[str, str]) -> str:
    """A file that we ship with names, ports and folders of this machine; each of them must be in it."""
    text = shipped.read_text(encoding="utf-8")
    for there, here in changes.items():
        assert there in text, f"{shipped} has no {there!r}"
        text = text.replace(there, here)
    return text

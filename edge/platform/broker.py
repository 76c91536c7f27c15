"""A broker of our own for the demo: mosquitto where the binary is, else one in Python; in its own process."""

import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from edge.errors import Unavailable
from edge.sync.session import ProtocolChoice

STARTS_WITHIN_S = 15.0
STOPS_WITHIN_S = 5.0


def find_mosquitto() -> str | None:
    """Where the mosquitto binary is; Debian puts it where the PATH of a normal user does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BrokerProcess:
    """A broker on 127.0.0.1 that can be killed and started again; closed, it is gone.

    Thread: one at a time.
    """

    def __init__(
        self, folder: Path, port: int = 0, *, options: Sequence[str] = (), only_python: bool = False
    ) -> None:
        """Prepare; ``start`` runs it.

        Args:
            folder: Gets the configuration and the log.
            port: 0: any free one.
            options: Lines for ``mosquitto.conf`` that stand in place of ``allow_anonymous true``.
            only_python: Do not use mosquitto even if it is there.

        Raises:
            Unavailable: Neither mosquitto nor amqtt is installed.
        """
        self.port = port or free_port()
        self._log_path = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        mosquitto = None if only_python else find_mosquitto()
        if mosquitto is not None:
            self.kind = "mosquitto"
            config = folder / "mosquitto.conf"
            config.write_text(self._mosquitto_config(options), encoding="utf-8")
            self._command = [mosquitto, "-c", str(config)]
        elif importlib.util.find_spec("amqtt") is not None:
            self.kind = "amqtt"
            self._command = [sys.executable, "-m", "edge.platform.python_broker", str(self.port)]
        else:
            raise Unavailable(
                "no MQTT broker here: install mosquitto (sudo apt install mosquitto)"
                " or the demo extra (pip install 'gatehouse[demo]')"
            )

    def __enter__(self) -> "BrokerProcess":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def protocol(self) -> ProtocolChoice:
        """What to set as ``sync.protocol``: the broker in Python does not refuse MQTT 5, it stays silent."""
        return "auto" if self.kind == "mosquitto" else "3.1.1"

    @property
    def pid(self) -> int:
        """Of the running process; 0 when none runs."""
        return self._process.pid if self._process is not None else 0

    @property
    def is_running(self) -> bool:
        """Whether the process that was started is still alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Run it and wait until it takes connections.

        Raises:
            Unavailable: It ended at once, or does not listen.
        """
        if self._process is not None:
            return
        self._insist_on_port()
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until_s = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < until_s:
            if self._process.poll() is not None:
                self._process = None
                raise Unavailable(
                    f"the broker {self.kind} does not run on port {self.port}: {self._last_line()}"
                )
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise Unavailable(f"the broker {self.kind} does not listen on port {self.port}: {self._last_line()}")

    def kill(self) -> None:
        """End it as a power cut would; ``start`` runs it again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Ask it to end, and see to it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _insist_on_port(self) -> None:
        """Without this look, somebody else's broker on the port would pass for ours."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise Unavailable(f"the broker cannot have port {self.port}: {error.strerror}") from error

    def _mosquitto_config(self, options: Sequence[str]) -> str:
        lines = [f"listener {self.port} 127.0.0.1", *(options or ["allow_anonymous true"])]
        lines += ["persistence false", "log_type error", "log_type warning"]
        if os.geteuid() == 0:
            lines.append(f"user {getpass.getuser()}")  # else it gives up its rights to our folder
        return "\n".join(lines) + "\n"

    def _last_line(self) -> str:
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"see {self._log_path}"


def open_broker(folder: Path, port: int = 0) -> BrokerProcess:
    """Start a broker for the demo; close it, or use it in a ``with``.

    Raises:
        Unavailable: There is none, or its port is taken.
    """
    broker = BrokerProcess(folder, port)
    broker.start()
    return broker

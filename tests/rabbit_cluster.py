"""A RabbitMQ cluster on this machine, each node a real process, from the configuration that we ship.

``config/cluster/rabbitmq.conf`` is taken as it is, with names and ports of this machine; permissions are what
``gatehouse platform acl --for rabbitmq`` writes. Everything lies in one folder, and nothing of a RabbitMQ
that the system may run is touched: own Erlang cookie, own epmd, own ports.
"""

import base64
import contextlib
import hashlib
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from broker_cluster import CONFIG, PASSWORD, BrokerCluster, listening_port, replaced

from edge.platform.acl_clusters import rabbitmq_definitions
from edge.sync.topics import Topics

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
SALT = b"salt"
COMPLETE = "Server startup complete"


def find_rabbitmq() -> str | None:
    """The script of the package; the one in PATH would change to the user rabbitmq."""
    return str(SERVER) if SERVER.exists() and shutil.which("epmd") else None


def rabbitmq_version() -> str:
    """What runs here."""
    folders = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return folders[-1].name if folders else "unknown"


def needs_rabbitmq() -> None:
    """Skip, with the reason, where there is none."""
    if find_rabbitmq() is None:
        pytest.skip("rabbitmq-server is not installed (Debian: apt install rabbitmq-server)")


class RabbitCluster(BrokerCluster):
    """Nodes of rabbitmq-server with its MQTT plug-in."""

    ready_s = 180.0

    def __init__(
        self, folder: Path, devices: Iterable[Topics], *, platform_user: str = "platform", nodes: int = 3
    ) -> None:
        super().__init__(folder, devices, platform_user, nodes)
        assert nodes == 3, "the shipped configuration names three"
        self._ports = [[listening_port() for _ in range(3)] for _ in range(nodes)]  # AMQP, MQTT, distribution
        self._epmd_port = listening_port()
        self._completed = [0] * nodes
        self._epmd: subprocess.Popen[bytes] | None = None
        cookie = folder / ".erlang.cookie"
        cookie.write_text("GATEHOUSETEST", encoding="ascii")
        cookie.chmod(0o400)
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n", encoding="ascii")
        (folder / "definitions.json").write_text(json.dumps(self._definitions()), encoding="utf-8")
        for number in range(nodes):
            self._config(number).write_text(self._configured(number), encoding="utf-8")

    def mqtt_port(self, number: int) -> int:
        """Of a node."""
        return self._ports[number][1]

    def start(self, number: int) -> None:
        """Run a node, and before the first the register of names that Erlang needs."""
        if self._epmd is None:
            command = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        if self._processes[number] is None and self._log(number).exists():
            text = self._log(number).read_text(encoding="utf-8", errors="replace")
            self._completed[number] = text.count(COMPLETE)
        super().start(number)

    def close(self) -> None:
        """End every node, and the register."""
        super().close()
        if self._epmd is not None:
            self._epmd.send_signal(signal.SIGTERM)
            self._epmd.wait()
            self._epmd = None

    def command(self, number: int) -> list[str]:
        """What runs a node."""
        return [str(SERVER)]

    def environ(self, number: int) -> Mapping[str, str]:
        """Where a node has its things."""
        own = self.folder / f"rabbit-{number + 1}"
        own.mkdir(exist_ok=True)
        amqp, _, distribution = self._ports[number]
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"gh{number + 1}@localhost",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self._config(number)),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(own),
            "RABBITMQ_LOG_BASE": str(own),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(own),
            "RABBITMQ_PID_FILE": str(own / "pid"),
        }

    def is_healthy(self, number: int) -> bool:
        """It listens, and says that it has everything: rights that are still being read lose what is said."""
        said = self._log(number).read_text(encoding="utf-8", errors="replace").count(COMPLETE)
        if said <= self._completed[number]:
            return False
        with contextlib.closing(socket.socket()) as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.mqtt_port(number))) == 0

    def _config(self, number: int) -> Path:
        return self.folder / f"rabbit-{number + 1}.conf"

    def _configured(self, number: int) -> str:
        amqp, mqtt, _ = self._ports[number]
        names = {f"rabbit@broker-{other + 1}": f"gh{other + 1}@localhost" for other in range(self.nodes)}
        changes = {"127.0.0.1:5672": f"127.0.0.1:{amqp}", "= 0.0.0.0:1883": f"= 127.0.0.1:{mqtt}", **names}
        text = replaced(CONFIG / "rabbitmq.conf", changes)
        return f"{text}load_definitions = {self.folder / 'definitions.json'}\nlog.console = true\n"

    def _definitions(self) -> dict[str, Any]:
        """Users with their password (salt, SHA-256 of salt and password), and the permissions we write."""
        digest = base64.b64encode(SALT + hashlib.sha256(SALT + PASSWORD.encode()).digest()).decode()
        algorithm = "rabbit_password_hashing_sha256"
        users = [
            {"name": user, "password_hash": digest, "hashing_algorithm": algorithm, "tags": ""}
            for user in self.users
        ]
        rules = json.loads(rabbitmq_definitions(self.devices, self.platform_user))
        return {"vhosts": [{"name": "/"}], "users": users, **rules}

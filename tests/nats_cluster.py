"""A NATS cluster on this machine, each node a real process, from the configuration that we ship.

``config/cluster/nats.conf`` is taken as it is; only names, ports and the store are put in place of those of
three machines. Users and permissions are what ``gatehouse platform acl --for nats`` writes.
"""

import contextlib
import http.client
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from broker_cluster import CONFIG, PASSWORD, BrokerCluster, listening_port, replaced

from edge.platform.acl_clusters import nats_users
from edge.sync.topics import Topics


def find_nats() -> str | None:
    """Where the server is; Debian puts it where the PATH of a normal user does not look."""
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin")


def nats_version() -> str:
    """What runs here."""
    server = find_nats()
    assert server is not None
    return subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def needs_nats() -> None:
    """Skip, with the reason, where there is none."""
    if find_nats() is None:
        pytest.skip("nats-server is not installed (Debian: apt install nats-server)")


class NatsCluster(BrokerCluster):
    """Nodes of nats-server with JetStream."""

    def __init__(
        self, folder: Path, devices: Iterable[Topics], *, platform_user: str = "platform", nodes: int = 3
    ) -> None:
        super().__init__(folder, devices, platform_user, nodes)
        server = find_nats()
        assert server is not None, "nats-server is not installed"
        self._server = server
        self._ports = [
            [listening_port() for _ in range(4)] for _ in range(nodes)
        ]  # NATS, cluster, MQTT, HTTP
        passwords = "".join(f'pass-{user}: "{PASSWORD}"\n' for user in self.users)
        (folder / "nats-passwords.conf").write_text(passwords, encoding="utf-8")
        (folder / "nats-users.conf").write_text(nats_users(self.devices, platform_user), encoding="utf-8")
        for number in range(nodes):
            self._config(number).write_text(self._configured(number), encoding="utf-8")

    def mqtt_port(self, number: int) -> int:
        """Of a node."""
        return self._ports[number][2]

    def command(self, number: int) -> list[str]:
        """What runs a node."""
        return [self._server, "-c", str(self._config(number))]

    def is_healthy(self, number: int) -> bool:
        """What its own health check says: JetStream has a leader and knows the other servers."""
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[number][3], timeout=2.0)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/healthz?js-server-only=true")
                return connection.getresponse().status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False

    def _config(self, number: int) -> Path:
        return self.folder / f"node-{number + 1}.conf"

    def _configured(self, number: int) -> str:
        own = self._ports[number]
        routes = {
            f"broker-{other + 1}:6222": f"127.0.0.1:{ports[1]}" for other, ports in enumerate(self._ports)
        }
        return replaced(
            CONFIG / "nats.conf",
            {
                "server_name: broker-1": f"server_name: broker-{number + 1}\nhttp: 127.0.0.1:{own[3]}",
                "0.0.0.0:4222": f"127.0.0.1:{own[0]}",
                "0.0.0.0:6222": f"127.0.0.1:{own[1]}",
                "listen: 0.0.0.0:1883": f"listen: 127.0.0.1:{own[2]}",
                "/var/lib/nats": str(self.folder / f"store-{number + 1}"),
                **routes,
            },
        )

"""The topic tree ``gh/1/<tenant>/<device>/...``: every name in one place, for both ends of the wire.

Up (device to platform): ``state`` (retained, also the will), ``info``, ``ev/<stream>``, ``cfg/reported``
(retained), ``cmd/<name>/res``. Down: ``ack``, ``cfg/desired`` and ``cfg/keys`` (retained, signed),
``cmd/<name>`` (never retained, signed). Ids are ``[a-z0-9-]{1,40}``, so a device never has a wildcard or a
slash in its name.
"""

import re
from dataclasses import dataclass

from edge.errors import UsageError
from edge.records import Stream

ROOT = "gh/1"
ID_PATTERN = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device.

    Raises:
        UsageError: Tenant or device is not a name that may stand in a topic.
    """

    tenant: str
    device: str

    def __post_init__(self) -> None:
        for what, value in (("tenant", self.tenant), ("device", self.device)):
            if not ID_PATTERN.fullmatch(value):
                raise UsageError(f"{what} {value!r}: use 1 to 40 of a-z, 0-9 and -")

    @property
    def base(self) -> str:
        """Everything of this device is below it."""
        return f"{ROOT}/{self.tenant}/{self.device}"

    @property
    def audience(self) -> str:
        """How signed documents name this device (claim ``aud``)."""
        return f"{self.tenant}/{self.device}"

    @property
    def client_id(self) -> str:
        """MQTT client id; unique per device, so the broker sees a clone as a take-over."""
        return f"gh-{self.tenant}-{self.device}"

    @property
    def state(self) -> str:
        """Up, retained, and the will."""
        return f"{self.base}/state"

    @property
    def info(self) -> str:
        """Up: the birth certificate."""
        return f"{self.base}/info"

    @property
    def ack(self) -> str:
        """Down: what the platform has committed."""
        return f"{self.base}/ack"

    @property
    def desired(self) -> str:
        """Down, retained, signed: the configuration."""
        return f"{self.base}/cfg/desired"

    @property
    def reported(self) -> str:
        """Up, retained: which configuration runs."""
        return f"{self.base}/cfg/reported"

    @property
    def keys(self) -> str:
        """Down, retained: the key set, signed by the root."""
        return f"{self.base}/cfg/keys"

    @property
    def commands(self) -> str:
        """Filter for all commands. ``+`` and not ``#``: a device must not hear its own results."""
        return f"{self.base}/cmd/+"

    def event(self, stream: Stream) -> str:
        """Up: events of one stream."""
        return f"{self.base}/ev/{stream}"

    def telemetry(self, name: str) -> str:
        """Up, QoS 0: numbers, lossy by promise."""
        return f"{self.base}/tm/{name}"

    def command(self, name: str) -> str:
        """Down: one command."""
        return f"{self.base}/cmd/{name}"

    def result(self, name: str) -> str:
        """Up: what became of a command."""
        return f"{self.base}/cmd/{name}/res"

    def subscriptions(self) -> tuple[str, ...]:
        """What a device listens to."""
        return (self.ack, self.desired, self.keys, self.commands)


@dataclass(frozen=True, slots=True)
class Address:
    """A topic taken apart: whose it is, and what stands behind, as in ``("ev", "access")``."""

    topics: Topics
    rest: tuple[str, ...]


def parse(topic: str) -> Address | None:
    """Take a topic apart; None when it is not one of this tree."""
    parts = topic.split("/")
    if len(parts) < 5 or "/".join(parts[:2]) != ROOT:
        return None
    tenant, device = parts[2:4]
    if not ID_PATTERN.fullmatch(tenant) or not ID_PATTERN.fullmatch(device):
        return None
    return Address(Topics(tenant, device), tuple(parts[4:]))

"""What a link does besides events, commands and configuration: key sets in, numbers out, Home Assistant told.

Thread: the uplink's.
"""

from collections.abc import Callable, Mapping
from importlib import metadata

from edge.clock import Clock
from edge.records import JsonObject
from edge.settings import SyncSettings
from edge.store.journal import Journal
from edge.sync.key_desk import KeyDesk
from edge.sync.keys import KeySet
from edge.sync.mqtt_link import MqttLink
from edge.sync.neighbour import Neighbour
from edge.sync.telemetry import Measured, Telemetry
from edge.sync.topics import Topics


class Asides:
    """The three together; each is explained where it stands."""

    def __init__(
        self,
        topics: Topics,
        journal: Journal,
        clock: Clock,
        keys: KeySet,
        measured: Measured,
        lanes: Callable[[], Mapping[str, JsonObject]],
    ) -> None:
        self._key_desk = KeyDesk(keys, journal, clock)
        self._telemetry = Telemetry(topics, clock, measured)
        self._neighbour = Neighbour(topics, lanes, metadata.version("gatehouse"))

    def take_keys(self, payload: bytes) -> bool:
        """Take a key set; True when other keys count from now on."""
        return self._key_desk.take(payload)

    def begin(self, link: MqttLink, sync: SyncSettings) -> None:
        """A connection is new."""
        self._neighbour.begin(link, sync)

    def hear(self, topic: str, payload: bytes, sync: SyncSettings) -> bool:
        """Take a message that is not of our tree; False when it is for nobody here."""
        return self._neighbour.hear(topic, payload, sync)

    def tick(self, link: MqttLink, sync: SyncSettings) -> None:
        """Say what is due; called often."""
        self._telemetry.tick(link, sync.telemetry_s)
        self._neighbour.tick(link, sync)

"""What a link does besides events, commands and configuration.

Sets and key sets in, numbers out, Home Assistant told, the own certificate watched; each is explained where
it stands. Thread: the uplink's.
"""

from collections.abc import Callable, Mapping
from importlib import metadata

from edge.clock import Clock
from edge.health import Alarms
from edge.records import JsonObject
from edge.settings import SyncSettings
from edge.store.journal import Journal
from edge.sync.certificate import CertificateWatch
from edge.sync.key_desk import KeyDesk
from edge.sync.keys import KeySet
from edge.sync.mqtt_link import MqttLink
from edge.sync.neighbour import Neighbour
from edge.sync.side_desks import SideDesk
from edge.sync.telemetry import Measured, Telemetry
from edge.sync.topics import Topics


class Asides:
    """All of them together."""

    def __init__(
        self,
        topics: Topics,
        journal: Journal,
        clock: Clock,
        alarms: Alarms,
        keys: KeySet,
        measured: Measured,
        lanes: Callable[[], Mapping[str, JsonObject]],
        sets: SideDesk | None = None,
    ) -> None:
        self._key_desk = KeyDesk(keys, journal, clock)
        self._telemetry = Telemetry(topics, clock, measured)
        self._neighbour = Neighbour(topics, lanes, metadata.version("gatehouse"))
        self._certificate = CertificateWatch(clock, alarms)
        self._sets = sets

    def take_keys(self, payload: bytes) -> bool:
        """Take a key set; True when other keys count from now on."""
        return self._key_desk.take(payload)

    def begin(self, link: MqttLink, sync: SyncSettings) -> None:
        """A connection is new."""
        if self._sets is not None:
            if topics := self._sets.subscriptions:
                link.subscribe(topics)
            self._sets.connected()
        self._neighbour.begin(link, sync)

    def hear(self, topic: str, payload: bytes, sync: SyncSettings) -> bool:
        """Take a message that nobody else takes; False when it is for nobody here."""
        if self._sets is not None and self._sets.offer(topic, payload):
            return True
        return self._neighbour.hear(topic, payload, sync)

    def ask(self, link: MqttLink) -> None:
        """Send the questions that wait; called often."""
        for topic, question in self._sets.take_outgoing() if self._sets is not None else ():
            link.publish(topic, question)

    def tick(self, link: MqttLink, sync: SyncSettings) -> None:
        """Say what is due; called often."""
        self._telemetry.tick(link, sync.telemetry_s)
        self._neighbour.tick(link, sync)

    def wants_anew(self, sync: SyncSettings) -> bool:
        """Whether to make the link anew, for the certificate was replaced; also while there is none."""
        return self._certificate.is_replaced(sync)

    def info(self) -> JsonObject:
        """For the birth certificate."""
        return self._certificate.info()

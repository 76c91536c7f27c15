"""Numbers for the platform, now and then, lossy by promise: ``tm/<name>``, QoS 0, never stored.

Whoever wants to know for certain reads events; whoever draws curves reads these. Thread: the uplink's.
"""

from collections.abc import Callable, Mapping

from edge.clock import NS_PER_S, Clock
from edge.records import JsonObject
from edge.store.envelope import json_bytes
from edge.sync.mqtt_link import MqttLink
from edge.sync.presence import rfc3339
from edge.sync.topics import Topics

SCHEMA = 1
Measured = Callable[[], Mapping[str, JsonObject]]
"""Gives the newest numbers by the name of their topic; must be quick."""


class Telemetry:
    """Says the newest numbers of each name every so often.

    Args:
        topics: Of this device.
        clock: For the pauses, and the time that is sent.
        measured: Where the numbers come from.
    """

    def __init__(self, topics: Topics, clock: Clock, measured: Measured) -> None:
        self._topics, self._clock, self._measured = topics, clock, measured
        self._next_ns = 0

    def tick(self, link: MqttLink, every_s: float) -> None:
        """Say them if it is time; ``every_s`` 0: never."""
        now_ns = self._clock.boot_ns()
        if not every_s or now_ns < self._next_ns:
            return
        self._next_ns = now_ns + round(every_s * NS_PER_S)
        at = rfc3339(self._clock.utc_ns())
        for name, numbers in self._measured().items():
            body = {"schema": SCHEMA, "at": at, **numbers}
            link.publish_lossy(self._topics.telemetry(name), json_bytes(body))

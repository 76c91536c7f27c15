"""Home Assistant beside the platform: it is told what can be read here, and nothing that could move a lane.

One retained message (device discovery, Home Assistant 2024.11 or later) names the box and its entities, all
of them read from topics that are there anyway: ``state`` and ``tm/lanes``. No entity has a command topic: an
opening needs a signature, and Home Assistant has none. It forgets what it was told when it starts with
another broker or store, so its birth message (``<prefix>/status`` says ``online``) is answered each time.
"""

from collections.abc import Callable, Mapping

from edge.records import JsonObject
from edge.settings import SyncSettings
from edge.store.envelope import json_bytes
from edge.sync.mqtt_link import MqttLink
from edge.sync.topics import Topics

ONLINE = b"online"
Lanes = Callable[[], Mapping[str, JsonObject]]
"""The lanes by name, with their type."""


def discovery(topics: Topics, lanes: Mapping[str, JsonObject], version: str) -> JsonObject:
    """The message that names every entity of a box. Pure."""
    key = topics.client_id
    live = "{{ 'online' if value_json.state in ['ready', 'degraded'] else 'offline' }}"
    parts: dict[str, JsonObject] = {
        f"{key}-alarm": {
            "platform": "binary_sensor",
            "unique_id": f"{key}-alarm",
            "name": "Alarm 告警",
            "device_class": "problem",
            "state_topic": topics.state,
            "value_template": "{{ 'ON' if value_json.alarms else 'OFF' }}",
            "json_attributes_topic": topics.state,
            "json_attributes_template": "{{ {'alarms': value_json.alarms} | tojson }}",
        },
        f"{key}-kill-switch": {
            "platform": "binary_sensor",
            "unique_id": f"{key}-kill-switch",
            "name": "Kill switch 紧急停用",
            "state_topic": topics.state,
            "value_template": "{{ 'ON' if value_json.kill_switch else 'OFF' }}",
        },
    }
    for name, lane in lanes.items():
        parts[f"{key}-lane-{name}"] = {
            "platform": "sensor",
            "unique_id": f"{key}-lane-{name}",
            "name": f"{name} ({lane.get('type', 'lane')})",
            "state_topic": topics.telemetry("lanes"),
            "value_template": f"{{{{ value_json.phases['{name}'] | default('unknown') }}}}",
        }
    return {
        "device": {
            "identifiers": [key],
            "name": topics.device,
            "manufacturer": "Gatehouse",
            "model": "edge daemon",
            "sw_version": version,
        },
        "origin": {"name": "gatehouse", "sw_version": version},
        "availability": [{"topic": topics.state, "value_template": live}],
        "components": parts,
        "qos": 1,
    }


class Neighbour:
    """Tells Home Assistant, where the settings say so.

    Thread: the uplink's.
    """

    def __init__(self, topics: Topics, lanes: Lanes, version: str) -> None:
        self._topics, self._lanes, self._version = topics, lanes, version
        self._told: JsonObject | None = None

    def begin(self, link: MqttLink, sync: SyncSettings) -> None:
        """A connection is new: listen for its birth, and tell."""
        self._told = None
        if sync.home_assistant:
            link.subscribe((_status(sync),))

    def hear(self, topic: str, payload: bytes, sync: SyncSettings) -> bool:
        """Take a message; False when it is not from Home Assistant."""
        if not sync.home_assistant or topic != _status(sync):
            return False
        if payload == ONLINE:
            self._told = None
        return True

    def tick(self, link: MqttLink, sync: SyncSettings) -> None:
        """Tell what it does not know yet; called often."""
        if not sync.home_assistant:
            return
        now = discovery(self._topics, self._lanes(), self._version)
        if now != self._told:
            self._told = now
            link.publish(discovery_topic(self._topics, sync), json_bytes(now), retain=True)


def discovery_topic(topics: Topics, sync: SyncSettings) -> str:
    """Where Home Assistant looks for this box."""
    return f"{sync.home_assistant_prefix}/device/{topics.client_id}/config"


def _status(sync: SyncSettings) -> str:
    return f"{sync.home_assistant_prefix}/status"

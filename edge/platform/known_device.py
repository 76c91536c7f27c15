"""What the platform knows of a box from its ``state``, ``info`` and ``cfg/reported``. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.records import JsonObject, Stream

LIVE = ("ready", "degraded")
_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """One box.

    Attributes:
        audience: "tenant/device". state: As it last said, or ``lost`` by its will. conn: Of that connection.
        epoch, nonce: Of its journal, and what commands must carry; the nonce is empty when it is not there.
        alarms: Names of those that stand.
        info, reported: Its birth certificate and what it says of its configuration, as they came.
    """

    audience: str
    state: str = "unknown"
    conn: int = -1
    epoch: str = ""
    nonce: str = ""
    alarms: tuple[str, ...] = ()
    info: JsonObject = field(default_factory=dict)
    reported: JsonObject = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """True when a command could reach it."""
        return self.state in LIVE and bool(self.nonce)

    def beginnings(self) -> dict[Stream, int]:
        """Sequence per stream of the oldest event that it still has; of none while ``state`` is newer."""
        named = self.info.get("kept", self.info.get("oldest"))
        if not isinstance(named, Mapping) or self.info.get("epoch") != self.epoch:
            return {}
        return {
            Stream(stream): seq
            for stream, seq in named.items()
            if stream in tuple(Stream) and isinstance(seq, int) and not isinstance(seq, bool)
        }


def read_json(payload: bytes) -> Mapping[str, Any] | None:
    """An object that a box has sent; None when it is none."""
    try:
        body = json.loads(payload) if len(payload) <= _LIMIT else None
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def with_state(device: KnownDevice, body: Mapping[str, Any]) -> KnownDevice:
    """Take over a ``state``; one of an older connection, such as a late will, changes nothing."""
    conn, state = body.get("conn"), body.get("state")
    epoch, nonce = body.get("epoch", ""), body.get("nonce", "")
    if not isinstance(conn, int) or not all(isinstance(text, str) for text in (state, epoch, nonce)):
        return device
    if conn < device.conn and epoch == device.epoch:
        return device
    alarms = body.get("alarms")
    names = tuple(str(name)[:60] for name in alarms[:50]) if isinstance(alarms, list) else ()
    return replace(device, state=str(state), conn=conn, epoch=epoch, nonce=nonce, alarms=names)

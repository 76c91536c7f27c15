"""What the box says of itself: ``state``, the will, ``info``, and how it reads an ``ack``. Pure.

``conn`` is the number of the connection, rising for ever: a will that the broker speaks late, after the next
connection has begun, carries the older number, and the platform passes it over.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from edge.records import JsonObject, Stream
from edge.store.envelope import json_bytes
from edge.sync.session import Will
from edge.sync.topics import Topics

SCHEMA = 1
ACK_LIMIT = 4096
WHY_LIMIT = 200
_DIGEST = re.compile(r"[0-9a-f]{32}")
KILL_ALARM = "kill_switch.thrown"


class Presence(StrEnum):
    """How the box is."""

    READY = "ready"
    DEGRADED = "degraded"
    DISCONNECTED = "disconnected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Ack:
    """The platform has all of a stream of an epoch up to ``upto``.

    Attributes:
        digest: Hash of that event as the platform has it (``edge.store.envelope.digest``); "" when it does
            not say. Another one than ours means that its history is not ours.
        conn: Number of our connection that it knows of; -1 when it does not say.
        resend: It has just come (back) and may have missed what was sent before: send all behind it again.
        refused: Sequence of an event that it will not have; 0 for none.
        why: Its words for that.
    """

    stream: Stream
    epoch: str
    upto: int
    resend: bool = False
    refused: int = 0
    why: str = ""
    digest: str = ""
    conn: int = -1


def will(topics: Topics, *, conn: int, epoch: str) -> Will:
    """What the broker shall say when we are gone."""
    body = {"schema": SCHEMA, "state": Presence.LOST.value, "conn": conn, "epoch": epoch}
    return Will(topics.state, json_bytes(body))


def state_body(
    presence: Presence,
    *,
    conn: int,
    epoch: str,
    nonce: str,
    clock_state: str,
    alarms: tuple[str, ...],
    at_ns: int,
    sees: JsonObject = MappingProxyType({}),
) -> JsonObject:
    """The retained ``state``; commands must carry its ``nonce``, so only a live connection has one.

    ``sees`` says which networks look through each camera: not every box has every file.
    """
    body: dict[str, object] = {
        "schema": SCHEMA,
        "state": presence.value,
        "conn": conn,
        "epoch": epoch,
        "clk": clock_state,
        "at": rfc3339(at_ns),
        "alarms": list(alarms),
        "kill_switch": KILL_ALARM in alarms,
        "sees": dict(sees),
    }
    if presence in (Presence.READY, Presence.DEGRADED):
        body["nonce"] = nonce
    return body


def read_ack(payload: bytes) -> Ack | None:
    """Read an acknowledgement; None when it is none."""
    if len(payload) > ACK_LIMIT:
        return None
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, Mapping):
        return None
    stream, epoch, upto = body.get("stream"), body.get("epoch"), body.get("upto")
    if stream not in tuple(Stream) or not isinstance(epoch, str):
        return None
    if not isinstance(upto, int) or isinstance(upto, bool) or not 0 <= upto < 1 << 62:
        return None
    refused = body.get("refused", 0)
    if not isinstance(refused, int) or isinstance(refused, bool) or refused <= upto:
        refused = 0
    why = str(body.get("why", ""))[:WHY_LIMIT] if refused else ""
    digest = body.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        digest = ""
    conn = body.get("conn")
    if not isinstance(conn, int) or isinstance(conn, bool):
        conn = -1
    return Ack(Stream(stream), epoch, upto, body.get("resend") is True, refused, why, digest, conn)


def rfc3339(utc_ns: int) -> str:
    """A moment for people and logs, to the second."""
    return datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

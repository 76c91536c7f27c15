"""An event as the bytes that are stored, hashed and sent: CloudEvents 1.0, structured JSON.

The bytes are made once, when the event gets its place, and never again: the journal keeps them, the next
event of the stream hashes them (``ghprev``), the uplink sends them unchanged. Extension attributes carry the
prefix ``gh``; CloudEvents allows there only strings and 32-bit integers, so boot time and the id chain are
strings. Pure.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from edge.errors import EdgeError, Exit
from edge.records import Event, EventDraft, JsonObject, Stream
from edge.store.standin import stand_in_of

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
FIRST_PREV: Final = "0" * 32
"""``prev`` of the first event of a stream in an epoch."""

MAX_WIRE_BYTES: Final = 120 * 1024
"""Larger events are refused when they are appended: below the 128 KiB that common brokers take."""

TYPE_VERSION = 1
_NS_PER_US = 1000
_HEAD_BYTES = 1024  # everything but subject, chain and data stays well below this
_NAME = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_TYPE = re.compile(r"gh\.([a-z0-9_]+(?:\.[a-z0-9_]+)+)\.v([0-9]+)")
_SOURCE = re.compile(r"gh:([a-z0-9-]{1,40})/([a-z0-9-]{1,40})")
_HEX_32 = re.compile(r"[0-9a-f]{32}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_CLOCK_STATES = ("synced", "holdover", "unset")
_STREAMS = frozenset(stream.value for stream in Stream)


class EnvelopeInvalid(EdgeError, ValueError):
    """The bytes are no event of ours; says which attribute and why."""

    exit_code = Exit.DATA


@dataclass(frozen=True, slots=True)
class Envelope:
    """What came over the wire: the event, and which box of which tenant says so."""

    tenant: str
    device: str
    version: int
    event: Event


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first event that does not follow from the one before it.

    Attributes:
        index: Its place in what was given, from 0.
    """

    index: int
    stream: str
    epoch: str
    seq: int
    problem: str


def check_draft(draft: EventDraft) -> None:
    """Find what ``to_wire`` would refuse, before the draft has a place in the journal.

    Raises:
        ValueError: The type is not ``noun.past_participle``, the subject is empty, an id in the chain has a
            space in it, or the data is not JSON or too large.
    """
    if not _NAME.fullmatch(draft.type):
        raise ValueError(f"event type {draft.type!r} is not like noun.past_participle")
    if not draft.subject:
        raise ValueError(f"event {draft.type} has no subject")
    if any(not part or len(part.split()) != 1 for part in draft.chain):
        raise ValueError(f"event {draft.type} has an id in its chain that is empty or has spaces")
    size = len(json_bytes(draft.data)) + len(draft.subject) * 4 + sum(len(part) + 1 for part in draft.chain)
    if size > MAX_WIRE_BYTES - _HEAD_BYTES:
        raise ValueError(f"event {draft.type} has {size} bytes, more than {MAX_WIRE_BYTES - _HEAD_BYTES}")


def to_wire(event: Event, tenant: str, device: str) -> bytes:
    """The event as the bytes to store and to send (UTF-8 JSON without spaces).

    Raises:
        ValueError: The data is not JSON (NaN, a set, ...) or the whole is over ``MAX_WIRE_BYTES``.
    """
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"gh:{tenant}/{device}",
        "type": f"gh.{event.type}.v{TYPE_VERSION}",
        "subject": event.subject,
        "time": _rfc3339(event.utc_ns),
        "datacontenttype": "application/json",
        "ghstream": event.stream.value,
        "ghepoch": event.epoch,
        "ghseq": event.seq,
        "ghprev": event.prev,
        "ghboot": event.boot_id,
        "ghmono": str(event.boot_ns),
        "ghclk": event.clock_state,
    }
    if event.chain:
        document["ghchain"] = " ".join(event.chain)
    # Data comes last, so that the head of a stored row can be read without the rest.
    document["data"] = event.data
    wire = json_bytes(document)
    if len(wire) > MAX_WIRE_BYTES:
        raise ValueError(f"event {event.type} has {len(wire)} bytes, more than {MAX_WIRE_BYTES}")
    return wire


def from_wire(wire: bytes) -> Envelope:
    """Read the bytes of an event; attributes that we do not know are passed over.

    Raises:
        EnvelopeInvalid: Not JSON, not CloudEvents 1.0, or an attribute is missing or malformed.
    """
    document = _document(wire)
    if document.get("specversion") != "1.0":
        raise EnvelopeInvalid(f"specversion is {document.get('specversion')!r}, not '1.0'")
    source = _match(document, "source", _SOURCE)
    kind = _match(document, "type", _TYPE)
    data = document.get("data")
    if not isinstance(data, dict):
        raise EnvelopeInvalid("data is missing or not an object")
    event = Event(
        id=_text(document, "id"),
        stream=Stream(_one_of(document, "ghstream", _STREAMS)),
        type=kind[1],
        subject=_text(document, "subject"),
        data=data,
        chain=tuple(_text(document, "ghchain").split()) if "ghchain" in document else (),
        epoch=_match(document, "ghepoch", _HEX_32)[0],
        seq=_sequence(document),
        prev=_match(document, "ghprev", _HEX_32)[0],
        utc_ns=_utc_ns(document),
        clock_state=_one_of(document, "ghclk", frozenset(_CLOCK_STATES)),
        boot_id=_text(document, "ghboot"),
        boot_ns=int(_match(document, "ghmono", re.compile(r"[0-9]{1,19}"))[0]),
    )
    return Envelope(source[1], source[2], int(kind[2]), event)


def digest(wire: bytes) -> str:
    """What the next event of the stream carries as ``ghprev``: half of SHA-256, as 32 hex digits."""
    return hashlib.sha256(wire).hexdigest()[:32]


def chained_digest(wire: bytes, epoch: str) -> str:
    """What the event behind this one carries: its hash, or for a stand-in the hash of what it stands for.

    Returns:
        32 hex digits; "" for an event of another epoch, behind which nothing follows.

    Raises:
        EnvelopeInvalid: It is no event.
    """
    event = from_wire(wire).event
    if event.epoch != epoch:
        return ""
    stand_in = stand_in_of(event)
    return digest(wire) if stand_in is None else stand_in.digest


def verify_chain(wires: Iterable[bytes], epoch: str | None = None) -> ChainBreak | None:
    """Follow sequence and hash through stored or received events, oldest first, streams mixed as they come.

    The first event of each (epoch, stream) is believed unless it has sequence 1: what stood before it may
    have been acknowledged and deleted.

    Args:
        wires: The bytes of the events.
        epoch: Of the journal they come from; an event of another one is then a break.

    Returns:
        The first break, or None when every event follows from the one before it.
    """
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for index, wire in enumerate(wires):
        try:
            event = from_wire(wire).event
        except EnvelopeInvalid as error:
            return ChainBreak(index, "", "", 0, f"not an event: {error}")
        key = (event.epoch, event.stream.value)
        stand_in = stand_in_of(event)
        first = event.seq if stand_in is None else stand_in.first
        seq, prev = last.get(key, (first - 1, FIRST_PREV if first == 1 else event.prev))
        problem = ""
        if epoch is not None and event.epoch != epoch:
            problem = f"is of epoch {event.epoch}"
        elif first != seq + 1:
            problem = f"sequence jumps from {seq} to {first}"
        elif event.prev != prev:
            problem = f"does not carry the hash of event {seq}"
        if problem:
            return ChainBreak(index, event.stream.value, event.epoch, event.seq, problem)
        last[key] = (event.seq, digest(wire) if stand_in is None else stand_in.digest)
    return None


def json_bytes(document: JsonObject) -> bytes:
    """Compact UTF-8 JSON.

    Raises:
        ValueError: Something in it is not JSON.
    """
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise ValueError(f"not JSON: {error}") from error


def _rfc3339(utc_ns: int) -> str:
    seconds, rest_ns = divmod(utc_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // _NS_PER_US:06d}Z"


def _utc_ns(document: JsonObject) -> int:
    match = _match(document, "time", _TIME)
    try:
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError as error:
        raise EnvelopeInvalid(f"time is no date: {match[0]}") from error
    return int(moment.timestamp()) * 1_000_000_000 + int((match[2] or "0").ljust(9, "0"))


def _document(wire: bytes) -> dict[str, Any]:
    if len(wire) > MAX_WIRE_BYTES:
        raise EnvelopeInvalid(f"{len(wire)} bytes, more than {MAX_WIRE_BYTES}")
    try:
        document = json.loads(wire)
        if b"\\u" in wire:
            json_bytes(document)  # half a surrogate pair can be written so, and stored nowhere
    except (ValueError, RecursionError) as error:
        raise EnvelopeInvalid(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise EnvelopeInvalid("not a JSON object")
    return document


def _text(document: JsonObject, name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise EnvelopeInvalid(f"{name} is missing or not a text")
    return value


def _match(document: JsonObject, name: str, pattern: re.Pattern[str]) -> re.Match[str]:
    match = pattern.fullmatch(_text(document, name))
    if match is None:
        raise EnvelopeInvalid(f"{name} is malformed: {document[name]!r}")
    return match


def _one_of(document: JsonObject, name: str, allowed: frozenset[str]) -> str:
    value = _text(document, name)
    if value not in allowed:
        raise EnvelopeInvalid(f"{name} is {value!r}; known are {', '.join(sorted(allowed))}")
    return value


def _sequence(document: JsonObject) -> int:
    value = document.get("ghseq")
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 62:
        raise EnvelopeInvalid(f"ghseq is {value!r}, not a whole number from 1")
    return value

"""Items of a set, as the platform and every box write, hash and compare them. Pure.

An item is ``{id, rev, op, valid_from, valid_to, zones, sha256, body}``. ``sha256`` is taken over the
canonical JSON of all the other members, so nothing of an item can change without being noticed. An item
belongs to one of 256 buckets, by the first byte of the SHA-256 of its id; the digest of a bucket is taken
over the lines ``id|rev|sha256`` of its items in the order of their ids, cut to 16 bytes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import EdgeError, Exit
from edge.jws import JwsError, canonical, parse_object
from edge.records import JsonObject

BUCKETS = 256
DIGEST_BYTES = 16
ITEM_LIMIT = 64 * 1024
"""Longest line of one item, bytes."""
PUT, DEL = "put", "del"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ZONE = re.compile(r"[a-z0-9-]{1,40}")
_MEMBERS = frozenset(("id", "rev", "op", "valid_from", "valid_to", "zones", "sha256", "body"))
EMPTY_DIGEST = hashlib.sha256(b"").digest()[:DIGEST_BYTES]


class ItemInvalid(EdgeError, ValueError):
    """The bytes are not an item, or not the one that its hash names."""

    exit_code = Exit.DATA


@dataclass(frozen=True, slots=True)
class Item:
    """One member of a set at one revision.

    Attributes:
        id: Of the person that it is about.
        rev: Revision of the set that brought it.
        sha256: 32 bytes over ``doc``.
        doc: Canonical JSON of everything but the hash.
        op: "put" or "del".
    """

    id: str
    rev: int
    sha256: bytes
    doc: bytes
    op: str = PUT

    @property
    def bucket(self) -> int:
        """Which of the 256."""
        return bucket_of(self.id)

    def line(self) -> bytes:
        """The item as it travels: one line of JSON without its end."""
        return self.doc[:-1] + b',"sha256":"' + self.sha256.hex().encode() + b'"}'


def make_item(
    item_id: str,
    rev: int,
    body: JsonObject | None,
    *,
    valid_from: int | None = None,
    valid_to: int | None = None,
    zones: Iterable[str] = (),
) -> Item:
    """An item from its members; without a body it is a deletion.

    Raises:
        ItemInvalid: A member is not what it must be.
    """
    op = DEL if body is None else PUT
    members = {
        "id": item_id,
        "rev": rev,
        "op": op,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "zones": list(zones),
        "body": None if body is None else dict(body),
    }
    _check(members)
    doc = canonical(members)
    return Item(item_id, rev, hashlib.sha256(doc).digest(), doc, op)


def read_item(line: bytes | JsonObject) -> Item:
    """An item from its line, or from what was parsed of a signed document.

    Raises:
        ItemInvalid: It is no item, or its hash is another's.
    """
    if isinstance(line, bytes):
        if len(line) > ITEM_LIMIT:
            raise ItemInvalid(f"an item of {len(line)} bytes, at most {ITEM_LIMIT}")
        try:
            parsed: Mapping[str, Any] = parse_object(line)
        except JwsError as error:
            raise ItemInvalid(f"an item is {error}") from None
    else:
        parsed = line
    if set(parsed) != _MEMBERS:
        raise ItemInvalid(f"an item has the members {sorted(parsed)}")
    members = {name: value for name, value in parsed.items() if name != "sha256"}
    _check(members)
    doc = canonical(members)
    digest = hashlib.sha256(doc)
    if parsed["sha256"] != digest.hexdigest():
        raise ItemInvalid(f"item {members['id']!r} was altered: its hash does not match")
    return Item(members["id"], members["rev"], digest.digest(), doc, members["op"])


def members_of(doc: bytes) -> dict[str, Any]:
    """The members of a stored item, which was checked when it came."""
    members: dict[str, Any] = json.loads(doc)
    return members


def bucket_of(item_id: str) -> int:
    """Bucket of an id, 0 to 255."""
    return hashlib.sha256(item_id.encode()).digest()[0]


def bucket_digest(rows: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Digest of a bucket from (id, rev, sha256) of its items, in any order."""
    digest = hashlib.sha256()
    for item_id, rev, sha256 in sorted(rows):
        digest.update(f"{item_id}|{rev}|{sha256.hex()}\n".encode())
    return digest.digest()[:DIGEST_BYTES]


def root_of(digests: Iterable[bytes]) -> str:
    """One hash for the whole set, for people and for what a box reports."""
    return hashlib.sha256(b"".join(digests)).hexdigest()[:32]


def _check(members: Mapping[str, Any]) -> None:
    item_id, rev, op, body = (members[name] for name in ("id", "rev", "op", "body"))
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id):
        raise ItemInvalid(f"item id {item_id!r} is not 1 to 64 letters, digits, '.', '_' or '-'")
    if not isinstance(rev, int) or isinstance(rev, bool) or not 0 < rev < 1 << 53:
        raise ItemInvalid(f"item {item_id!r}: rev {rev!r} is not from 1 to 2^53 - 1")
    if op not in (PUT, DEL) or (op == PUT) != isinstance(body, dict) or (op == DEL and body is not None):
        raise ItemInvalid(f"item {item_id!r}: op {op!r} does not fit its body")
    for name in ("valid_from", "valid_to"):
        value = members[name]
        is_time = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
        if value is not None and not is_time:
            raise ItemInvalid(f"item {item_id!r}: {name} {value!r} is not seconds since 1970")
    zones = members["zones"]
    if not isinstance(zones, list) or not all(isinstance(z, str) and _ZONE.fullmatch(z) for z in zones):
        raise ItemInvalid(f"item {item_id!r}: zones {zones!r} is not a list of names")

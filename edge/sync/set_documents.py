"""What platform and box say to each other about sets: signed manifests, deltas and keys; answers. Pure.

The manifest is the only proof: a compact JWS with the revision, 256 bucket digests and where a snapshot is. A
delta is signed as well, because its deletions act before any manifest counts them. Buckets and chunks need no
signature, for the manifest has their digests. An answer is one line of JSON, then the bytes that it is about.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.errors import EdgeError, Exit
from edge.jws import (
    SET_DELTA_TYPE,
    SET_KEY_TYPE,
    SET_MANIFEST_TYPE,
    JwsError,
    canonical,
    decode_part,
    encode_part,
    parse_object,
    sign,
    unverified_claims,
    verify,
)
from edge.records import JsonObject
from edge.store.items import BUCKETS, DEL, DIGEST_BYTES, Item, ItemInvalid, read_item, root_of

SCHEMA = 1
DOCUMENT_LIMIT = 120 * 1024
"""Largest message about sets, bytes; larger things come in parts."""
PART_BYTES = 60_000
"""Bytes of items in one delta or one part of an answer, before base64."""
CHUNK_BYTES = 64 * 1024
HEADER_LIMIT = 2048
LONGEST_SPREAD_S = 24 * 3600


class SetRefused(EdgeError, ValueError):
    """A document about a set that is not believed; the message says why."""

    exit_code = Exit.REFUSED


@dataclass(frozen=True, slots=True)
class SetPlace:
    """Which set of which scope of which tenant; every signed document names all three."""

    tenant: str
    scope: str
    name: str

    def claims(self) -> dict[str, Any]:
        """Members that say so."""
        return {"schema": SCHEMA, "tenant": self.tenant, "scope": self.scope, "set": self.name}

    def __str__(self) -> str:
        return f"{self.tenant}/{self.scope}/{self.name}"


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A whole set at one revision, as a file of lines.

    Attributes:
        rev: Of the set. size, sha256: Of the file, in bytes and hex. chunk_bytes: Of its MQTT chunks.
        url: Where it can be fetched by HTTP(S); "": only in chunks.
        written_s, spread_s: Since when it is there, Unix seconds, and over how many seconds boxes fetch it.
    """

    rev: int
    size: int
    sha256: str
    chunk_bytes: int = CHUNK_BYTES
    url: str = ""
    written_s: float = 0.0
    spread_s: int = 0

    @property
    def chunks(self) -> int:
        """How many chunks it has."""
        return -(-self.size // self.chunk_bytes)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a set is at one revision.

    Attributes:
        place: Which set. rev, count: Revision and number of items. digests: 16 bytes for each bucket.
        key_id: Of the content key, "" when bodies are not sealed. snapshot: None when there is none.
        min_delta_rev: Deltas from this revision on can be asked for.
        issued_s: Unix seconds by the platform's clock. max_stale_s: 0: the box's own setting holds.
        raw: As it came.
    """

    place: SetPlace
    rev: int
    count: int
    digests: tuple[bytes, ...]
    key_id: str = ""
    snapshot: SnapshotFile | None = None
    min_delta_rev: int = 0
    issued_s: float = 0.0
    max_stale_s: int = 0
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Delta:
    """Signed changes: up to revision ``rev``; revocations before grants."""

    rev: int
    items: tuple[Item, ...]

    @property
    def deletions(self) -> tuple[tuple[str, int], ...]:
        """(id, revision) of what is revoked."""
        return tuple((item.id, item.rev) for item in self.items if item.op == DEL)


def sign_manifest(manifest: Manifest, *, kid: str, key: Ed25519PrivateKey) -> Manifest:
    """The manifest with its signed form."""
    snapshot = manifest.snapshot
    claims: dict[str, Any] = {
        **manifest.place.claims(),
        "rev": manifest.rev,
        "count": manifest.count,
        "key_id": manifest.key_id,
        "buckets": encode_part(b"".join(manifest.digests)).decode(),
        "root": root_of(manifest.digests),
        "min_delta_rev": manifest.min_delta_rev,
        "issued": manifest.issued_s,
        "max_stale_s": manifest.max_stale_s,
    }
    if snapshot is not None:
        claims["snap"] = {
            "rev": snapshot.rev,
            "size": snapshot.size,
            "sha256": snapshot.sha256,
            "chunk_bytes": snapshot.chunk_bytes,
            "url": snapshot.url,
            "written": snapshot.written_s,
            "spread_s": snapshot.spread_s,
        }
    return replace(manifest, raw=sign(claims, kid=kid, key=key, typ=SET_MANIFEST_TYPE))


def read_manifest(raw: bytes, keys: Mapping[str, Ed25519PublicKey], place: SetPlace) -> Manifest:
    """Verify a manifest.

    Raises:
        SetRefused: Forged, another set's, or of another shape.
    """
    return _manifest(raw, _verified(raw, keys, place, SET_MANIFEST_TYPE), place)


def stored_manifest(raw: bytes, place: SetPlace) -> Manifest | None:
    """A manifest that was verified before it was stored; its key may have been retired since."""
    try:
        return _manifest(raw, unverified_claims(raw), place)
    except SetRefused:
        return None


def _manifest(raw: bytes, claims: Mapping[str, Any], place: SetPlace) -> Manifest:
    digests = _bytes(claims, "buckets")
    if len(digests) != BUCKETS * DIGEST_BYTES:
        raise SetRefused(f"a manifest of {place} has {len(digests)} bytes of digests")
    return Manifest(
        place,
        rev=_number(claims, "rev", 1),
        count=_number(claims, "count"),
        digests=tuple(
            digests[start : start + DIGEST_BYTES] for start in range(0, len(digests), DIGEST_BYTES)
        ),
        key_id=_text(claims, "key_id"),
        snapshot=_snapshot(claims.get("snap")),
        min_delta_rev=_number(claims, "min_delta_rev"),
        issued_s=_seconds(claims, "issued"),
        max_stale_s=_number(claims, "max_stale_s"),
        raw=raw,
    )


def sign_deltas(
    place: SetPlace, rev: int, items: Iterable[Item], *, kid: str, key: Ed25519PrivateKey
) -> list[bytes]:
    """Deltas of a size that every broker takes, revocations before everything else."""
    deltas: list[bytes] = []
    for batch in batches(sorted(items, key=lambda item: item.op != DEL)):
        claims = {**place.claims(), "rev": rev, "items": [parse_object(item.line()) for item in batch]}
        deltas.append(sign(claims, kid=kid, key=key, typ=SET_DELTA_TYPE))
    return deltas


def read_delta(raw: bytes, keys: Mapping[str, Ed25519PublicKey], place: SetPlace) -> Delta:
    """Verify a delta and every item of it.

    Raises:
        SetRefused: Forged, another set's, of another shape, or an item is not what its hash says.
    """
    claims = _verified(raw, keys, place, SET_DELTA_TYPE)
    items = claims.get("items")
    rev = _number(claims, "rev", 1)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise SetRefused(f"a delta of {place} has no list of items")
    try:
        read = tuple(read_item(item) for item in items)
    except ItemInvalid as error:
        raise SetRefused(f"a delta of {place}: {error}") from None
    if any(item.rev > rev for item in read):
        raise SetRefused(f"a delta of {place} has an item above its revision {rev}")
    return Delta(rev, read)


def sign_key(
    place: SetPlace, audience: str, key_id: str, wrapped: bytes, *, kid: str, key: Ed25519PrivateKey
) -> bytes:
    """A wrapped content key for one box."""
    claims = {**place.claims(), "aud": audience, "key_id": key_id, "wrapped": encode_part(wrapped).decode()}
    return sign(claims, kid=kid, key=key, typ=SET_KEY_TYPE)


def read_key(
    raw: bytes, keys: Mapping[str, Ed25519PublicKey], place: SetPlace, audience: str
) -> tuple[str, bytes]:
    """Verify a wrapped key.

    Returns:
        Its id, and what ``edge.store.sealing.unwrap`` opens.

    Raises:
        SetRefused: Forged, another set's or another box's.
    """
    claims = _verified(raw, keys, place, SET_KEY_TYPE)
    if claims.get("aud") != audience:
        raise SetRefused(f"a key of {place} is for {claims.get('aud')!r}, this is {audience!r}")
    return _text(claims, "key_id"), _bytes(claims, "wrapped")


def key_about(place: SetPlace, audience: str, key_id: str) -> str:
    """What a wrapped key is bound to."""
    return f"{place}|{audience}|{key_id}"


def batches(items: Iterable[Item], limit: int = PART_BYTES) -> list[list[Item]]:
    """Items in the order given, in lists whose lines stay below a limit; one list at least."""
    found: list[list[Item]] = [[]]
    size = 0
    for item in items:
        length = len(item.doc) + 80
        if found[-1] and size + length > limit:
            found.append([])
            size = 0
        found[-1].append(item)
        size += length
    return found


def answer(header: JsonObject, content: bytes = b"") -> bytes:
    """An answer on ``sync/<set>/res``."""
    return canonical(header) + b"\n" + content


def read_answer(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and content of an answer, believed by nobody yet.

    Raises:
        SetRefused: It is none.
    """
    line, newline, _ = payload[:HEADER_LIMIT].partition(b"\n")
    if not newline or len(payload) > DOCUMENT_LIMIT:
        raise SetRefused("an answer has no header, or is too long")
    try:
        header = parse_object(line)
    except JwsError as error:
        raise SetRefused(f"the header of an answer is {error}") from None
    return header, payload[len(line) + 1 :]


def read_lines(content: bytes) -> list[Item]:
    """Items of one part of a bucket.

    Raises:
        SetRefused: One of them is none.
    """
    try:
        return [read_item(line) for line in content.split(b"\n") if line]
    except ItemInvalid as error:
        raise SetRefused(str(error)) from None


def whole_number(header: Mapping[str, Any], name: str, least: int = 0) -> int:
    """A number of an answer or request.

    Raises:
        SetRefused: It is none.
    """
    return _number(header, name, least)


def _verified(
    raw: bytes, keys: Mapping[str, Ed25519PublicKey], place: SetPlace, typ: str
) -> Mapping[str, Any]:
    if len(raw) > DOCUMENT_LIMIT:
        raise SetRefused(f"a document of {place} has {len(raw)} bytes, at most {DOCUMENT_LIMIT}")
    try:
        claims = verify(raw, keys, typ=typ).claims
    except JwsError as error:
        raise SetRefused(f"a document of {place} is not believed: {error}") from None
    wrong = [name for name, value in place.claims().items() if claims.get(name) != value]
    if wrong:
        raise SetRefused(f"a document of {place} names another {wrong[0]}: {claims.get(wrong[0])!r}")
    return claims


def _snapshot(document: object) -> SnapshotFile | None:
    if document is None:
        return None
    if not isinstance(document, Mapping):
        raise SetRefused("snap is not an object")
    sha256 = _text(document, "sha256")
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise SetRefused("snap.sha256 is not 64 hex digits")
    chunk_bytes = _number(document, "chunk_bytes", 1024)
    if chunk_bytes > CHUNK_BYTES:
        raise SetRefused(f"snap.chunk_bytes is above {CHUNK_BYTES}")
    known = {"written": 0, "spread_s": 0, **document}
    return SnapshotFile(
        _number(document, "rev", 1),
        _number(document, "size"),
        sha256,
        chunk_bytes,
        _text(document, "url"),
        _seconds(known, "written"),
        min(_number(known, "spread_s"), LONGEST_SPREAD_S),
    )


def _number(claims: Mapping[str, Any], name: str, least: int = 0) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 53:
        raise SetRefused(f"{name} {value!r} is not a whole number from {least}")
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise SetRefused(f"{name} {value!r} is not Unix seconds")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or len(value) > 500:
        raise SetRefused(f"{name} is not a text")
    return value


def _bytes(claims: Mapping[str, Any], name: str) -> bytes:
    try:
        return decode_part(str(claims.get(name, "")).encode())
    except JwsError:
        raise SetRefused(f"{name} is not base64url") from None

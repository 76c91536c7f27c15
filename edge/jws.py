"""Strict compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), and nothing else.

Own and small on purpose: a general library lets the message choose the algorithm. Here the header must be
exactly ``{"alg": "EdDSA", "kid": ..., "typ": ...}``; any other member (``crit``, ``jwk``) is refused,
every base64url part must be in its one canonical spelling, and JSON may hold no member twice. ``typ`` binds
a signature to its purpose, so that a signed configuration or pass can never be played as a command.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.errors import EdgeError, Exit
from edge.records import JsonObject

ALGORITHM = "EdDSA"
COMMAND_TYPE = "gh-command"
CONFIG_TYPE = "gh-config"
KEYS_TYPE = "gh-keys"
QR_TYPE = "gh-pass"
SET_MANIFEST_TYPE, SET_DELTA_TYPE, SET_KEY_TYPE = "gh-set-manifest", "gh-set-delta", "gh-set-key"

# A signature of 64 bytes is 86 characters; a header with a kid of 64 characters stays below 200.
_SIGNATURE_BYTES = 64
_HEADER_LIMIT = 400


class JwsError(EdgeError, ValueError):
    """The bytes are not a signed document that we accept; ``str(error)`` says which rule it broke."""

    exit_code = Exit.REFUSED


class UnknownIssuer(JwsError):
    """It names a key that is not known here."""


class SignatureMismatch(JwsError):
    """The key is known, and did not sign this."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A document whose signature was verified."""

    kid: str
    claims: JsonObject


def sign(claims: JsonObject, *, kid: str, key: Ed25519PrivateKey, typ: str) -> bytes:
    """Make a compact JWS over a JSON object."""
    header = {"alg": ALGORITHM, "kid": kid, "typ": typ}
    signing_input = b".".join(encode_part(canonical(part)) for part in (header, claims))
    return signing_input + b"." + encode_part(key.sign(signing_input))


def verify(raw: bytes, keys: Mapping[str, Ed25519PublicKey], *, typ: str) -> Signed:
    """Check the signature and return the claims.

    Args:
        raw: The compact form, already checked against the caller's limit of size.
        keys: Public keys by kid; only these can have signed.
        typ: What the document must be signed as.

    Raises:
        JwsError: Anything at all is unusual about it.
    """
    parts = raw.split(b".")
    if len(parts) != 3:
        raise JwsError("not a compact JWS of three parts")
    if len(parts[0]) > _HEADER_LIMIT:
        raise JwsError("header is too long")
    header = parse_object(decode_part(parts[0]))
    if header.get("alg") != ALGORITHM:
        raise JwsError(f"algorithm {header.get('alg')!r} is not accepted, only {ALGORITHM}")
    if set(header) != {"alg", "kid", "typ"}:
        raise JwsError(f"header must have alg, kid and typ and nothing else, not {sorted(header)}")
    if header["typ"] != typ:
        raise JwsError(f"type {header['typ']!r} where {typ!r} is expected")
    kid = header["kid"]
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise UnknownIssuer(f"key {kid!r} is not known here")
    signature = decode_part(parts[2])
    if len(signature) != _SIGNATURE_BYTES:
        raise JwsError("signature has the wrong length")
    try:
        key.verify(signature, parts[0] + b"." + parts[1])
    except InvalidSignature:
        raise SignatureMismatch("signature does not match") from None
    return Signed(str(kid), parse_object(decode_part(parts[1])))


def unverified_claims(raw: bytes) -> JsonObject:
    """What the document claims, believed by nobody; only to name it in a refusal. Empty when unreadable."""
    parts = raw.split(b".")
    try:
        return parse_object(decode_part(parts[1])) if len(parts) == 3 else {}
    except JwsError:
        return {}


def canonical(value: Any) -> bytes:
    """The one JSON spelling that is hashed and signed: sorted, no spaces, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def encode_part(data: bytes) -> bytes:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode_part(part: bytes) -> bytes:
    """Base64url without padding, in canonical spelling only.

    Raises:
        JwsError: It is anything else; also when unused bits are set, so no two spellings mean the same.
    """
    try:
        data = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise JwsError("a part is not base64url") from None
    if encode_part(data) != part:
        raise JwsError("a part is not in canonical base64url")
    return data


def parse_object(data: bytes) -> dict[str, Any]:
    """JSON object from bytes, strictly.

    Raises:
        JwsError: Not UTF-8, not an object, a member twice, NaN, half a surrogate pair, too deep.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
        canonical(value)  # a lone surrogate parses but cannot be written as UTF-8
    except JwsError:
        raise
    except (ValueError, RecursionError) as error:
        raise JwsError(f"not strict JSON: {error}") from None
    if not isinstance(value, dict):
        raise JwsError("not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JwsError("a JSON member stands twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise JwsError(f"{name} is not JSON")

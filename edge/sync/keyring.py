"""Whose signatures count, and how that changes: key sets signed by a root key that is kept offline.

A key set is a compact JWS (type ``gh-keys``) signed by a root key, with the claims ``schema`` (1),
``tenant``, ``serial`` (rises with every set), ``issued`` (Unix seconds) and ``keys`` ({kid: base64url of
32 bytes}, one to four; two in normal life: one can be replaced while the other works). It comes retained on
``cfg/keys`` or inside the command ``rotate-key``; both are judged alike, and the root's signature alone
decides: whoever holds every operational key cannot change the set.

Before the first set the file ``sync.platform_keys`` counts, which an installer put there. Without a file
``sync.root_key`` no set is ever taken.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.errors import EdgeError, Exit
from edge.jws import KEYS_TYPE, JwsError, decode_part, verify
from edge.records import EventDraft, JsonObject, Stream
from edge.store.journal import Journal
from edge.sync.keys import KeySet, raw_public

log = logging.getLogger(__name__)

SCHEMA = 1
SIZE_LIMIT = 8 * 1024
MOST_KEYS = 4
STATE_KEY = "keys"
_CLAIMS: Mapping[str, type | tuple[type, ...]] = {
    "schema": int,
    "tenant": str,
    "serial": int,
    "issued": (int, float),
    "keys": dict,
}


class KeysRefused(EdgeError, PermissionError):
    """A key set that is not taken; ``code`` says by which rule."""

    exit_code = Exit.REFUSED

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A key set whose signature and shape are good. ``root``: kid of the root that signed."""

    serial: int
    keys: Mapping[str, Ed25519PublicKey]
    root: str


def read_key_document(raw: bytes, roots: Mapping[str, Ed25519PublicKey], tenant: str) -> KeyDocument:
    """Check a key set by itself. Pure.

    Raises:
        KeysRefused: It is not signed by a root, for another tenant, or not of this shape.
    """
    if len(raw) > SIZE_LIMIT:
        raise KeysRefused("size", f"{len(raw)} bytes, at most {SIZE_LIMIT}")
    try:
        signed = verify(raw, roots, typ=KEYS_TYPE)
        claims = signed.claims
        _insist_on_shape(claims)
        keys = {
            kid: Ed25519PublicKey.from_public_bytes(decode_part(text.encode()))
            for kid, text in claims["keys"].items()
        }
    except JwsError as error:
        raise KeysRefused("signature", str(error)) from None
    except ValueError as error:
        raise KeysRefused("keys", f"a key is not 32 bytes in base64url: {error}") from None
    if claims["tenant"] != tenant:
        raise KeysRefused("tenant", f"for tenant {claims['tenant']!r}, this box belongs to {tenant!r}")
    known_roots = {raw_public(key) for key in roots.values()}
    if any(kid in roots or raw_public(key) in known_roots for kid, key in keys.items()):
        raise KeysRefused("keys", "a root key is among the operational keys; it must stay offline")
    return KeyDocument(claims["serial"], keys, signed.kid)


def _insist_on_shape(claims: JsonObject) -> None:
    for name, kinds in _CLAIMS.items():
        value = claims.get(name)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise KeysRefused("claims", f"{name} is missing or of the wrong type")
    if set(claims) != set(_CLAIMS):
        raise KeysRefused("claims", f"unknown claim {min(set(claims) - set(_CLAIMS))!r}")
    if claims["schema"] != SCHEMA:
        raise KeysRefused("schema", f"schema {claims['schema']!r}; this box reads {SCHEMA}")
    if not 0 < claims["serial"] < 1 << 53:
        raise KeysRefused("claims", "serial must be from 1 to 2^53 - 1")
    keys = claims["keys"]
    if not 1 <= len(keys) <= MOST_KEYS or not all(isinstance(text, str) for text in keys.values()):
        raise KeysRefused("keys", f"keys must name 1 to {MOST_KEYS} keys as text")
    if not all(0 < len(kid) <= 64 for kid in keys):
        raise KeysRefused("keys", "a kid has 1 to 64 characters")


class Keyring(KeySet):
    """The operational keys as they are now; whoever holds this sees the new ones at once.

    Thread: read from any; ``restore`` before the workers start, ``take`` in the uplink.

    Args:
        journal: Keeps the last set; must be running.
        tenant: Whose box it is.
        roots: Public root keys; empty: no set is ever taken.
        first: The keys that count before the first set.
    """

    def __init__(self, journal: Journal, tenant: str, roots: KeySet, first: KeySet) -> None:
        super().__init__(first)
        self._journal, self._tenant, self._roots = journal, tenant, roots
        self._raw = b""
        self.serial = 0

    def restore(self) -> str:
        """Read the set that was taken last; returns why it does not count any more, or nothing.

        Raises:
            JournalError: The journal cannot be read.
        """
        row = self._journal.get_state(STATE_KEY)
        if row is None:
            return ""
        raw = str(row["document"]).encode()
        try:
            document = read_key_document(raw, self._roots, self._tenant)
        except KeysRefused as error:
            # Its root has been replaced on the box, by hand: then the file beside it counts again.
            return f"the stored key set {row['serial']} does not count: {error}"
        self._raw, self.serial, self._keys = raw, document.serial, dict(document.keys)
        return ""

    def take(self, raw: bytes) -> bool:
        """Take a key set; it counts when it is on the disk.

        Returns:
            False when it is the one that counts already.

        Raises:
            KeysRefused: Not signed by a root, or older than what counts.
            JournalError: It could not be kept; the old one counts.
        """
        if self._raw and raw == self._raw:
            return False
        if not self._roots:
            raise KeysRefused("no_root", "this box has no sync.root_key, so its keys change by hand only")
        document = read_key_document(raw, self._roots, self._tenant)
        if document.serial <= self.serial:
            message = f"serial {document.serial} is not above {self.serial}; an older set never counts again"
            raise KeysRefused("serial", message)
        for kid, key in document.keys.items():
            if kid in self and raw_public(self[kid]) != raw_public(key):
                # The counter of commands is kept by kid: a new key under an old name would inherit it.
                raise KeysRefused("keys", f"kid {kid!r} names another key now; give the new key a new kid")
        fresh = KeySet(document.keys)
        data = {"serial": document.serial, "root": document.root, "keys": fresh.fingerprints()}
        draft = EventDraft(Stream.AUDIT, "keys.replaced", "keys", data)
        self._journal.put_state(STATE_KEY, {"serial": document.serial, "document": raw.decode()}, draft)
        self._raw, self.serial, self._keys = raw, document.serial, dict(document.keys)
        log.info("key set %d counts: %s", document.serial, ", ".join(document.keys))
        return True

"""Bodies that only the boxes of a scope can open: X25519, HKDF-SHA256 and AES-256-GCM.

A set of faces has a content key of 32 random bytes. Each body is sealed with it, bound to set, id and
revision, so that neither the broker nor its disk learns a template, and no body opens in another's place.
The content key is wrapped to each box by an ephemeral X25519 key (RFC 7748) through HKDF (RFC 5869); the box
keeps it sealed by its vault, and its own X25519 key is derived from the device key: there is no file more.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.errors import VaultError
from edge.store.vault import Vault

CONTENT_KEY_BYTES = 32
PUBLIC_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_DEVICE_KEY = b"x25519 key of this box"


class ContentKey:
    """The key of one set's bodies. Thread: any."""

    def __init__(self, key_id: str, key: bytes) -> None:
        """Take a key of 32 bytes.

        Raises:
            VaultError: It has another length.
        """
        if len(key) != CONTENT_KEY_BYTES:
            raise VaultError(f"a content key has {len(key)} bytes, not {CONTENT_KEY_BYTES}")
        self.key_id, self._cipher = key_id, AESGCM(key)

    def seal(self, plain: bytes, set_name: str, item_id: str, rev: int) -> dict[str, str]:
        """The body that carries this content."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        box = nonce + self._cipher.encrypt(nonce, plain, self._about(set_name, item_id, rev))
        return {"key_id": self.key_id, "box": base64.b64encode(box).decode()}

    def open(self, body: Mapping[str, Any], set_name: str, item_id: str, rev: int) -> bytearray:
        """The content of a body, in a buffer that the caller may overwrite.

        Raises:
            VaultError: Sealed with another key, altered, or another item's.
        """
        box = body.get("box")
        if body.get("key_id") != self.key_id or not isinstance(box, str):
            raise VaultError(f"item {item_id!r} is not sealed with key {self.key_id!r}")
        try:
            raw = base64.b64decode(box, validate=True)
        except (binascii.Error, ValueError):
            raise VaultError(f"item {item_id!r}: its body is not base64") from None
        if len(raw) < _NONCE_BYTES + _TAG_BYTES:
            raise VaultError(f"item {item_id!r}: its body is cut")
        plain = bytearray(len(raw) - _NONCE_BYTES - _TAG_BYTES)
        try:
            self._cipher.decrypt_into(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], self._about(set_name, item_id, rev), plain
            )
        except InvalidTag:
            raise VaultError(f"item {item_id!r} does not open: altered, or in another's place") from None
        return plain

    def _about(self, set_name: str, item_id: str, rev: int) -> bytes:
        return f"{set_name}|{item_id}|{rev}|{self.key_id}".encode()


def device_key(vault: Vault) -> X25519PrivateKey:
    """The key to which this box's content keys are wrapped."""
    return X25519PrivateKey.from_private_bytes(vault.derive(_DEVICE_KEY))


def public_bytes(key: X25519PrivateKey) -> bytes:
    """The 32 bytes that the platform needs."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def wrap(content_key: bytes, public: bytes, about: str) -> bytes:
    """Wrap a content key to a box; ``about`` says for whom and for which set, and must be given again.

    Raises:
        VaultError: It is no public key.
    """
    ephemeral = X25519PrivateKey.generate()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise VaultError("not a public X25519 key of 32 bytes") from None
    mine = public_bytes(ephemeral)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(_wrapping_key(shared, mine + public, about))
    return mine + nonce + cipher.encrypt(nonce, content_key, about.encode())


def unwrap(wrapped: bytes, key: X25519PrivateKey, about: str) -> bytes:
    """The content key that ``wrap`` wrapped to this key.

    Raises:
        VaultError: Altered, cut, or wrapped to another box.
    """
    theirs, rest = wrapped[:PUBLIC_KEY_BYTES], wrapped[PUBLIC_KEY_BYTES:]
    if len(rest) != _NONCE_BYTES + CONTENT_KEY_BYTES + _TAG_BYTES:
        raise VaultError("a wrapped key is cut")
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(theirs))
        cipher = AESGCM(_wrapping_key(shared, theirs + public_bytes(key), about))
        return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], about.encode())
    except (InvalidTag, ValueError):
        raise VaultError("a wrapped key does not open: altered, or wrapped to another box") from None


def _wrapping_key(shared: bytes, salt: bytes, about: str) -> bytes:
    return HKDF(SHA256(), 32, salt, b"gatehouse set key|" + about.encode()).derive(shared)

"""Ed25519 keys in files: public ones that this box obeys, private ones that the platform signs with.

A public key file is JSON, ``{kid: base64url of 32 bytes}``; more than one key is how keys are rotated. A
private key file is JSON with one ``kid`` and ``seed``, made with mode 0600. Whoever compares keys by voice
uses the fingerprint.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.errors import SettingsError
from edge.jws import JwsError, decode_part, encode_part, parse_object

_KEY_BYTES = 32
_FILE_LIMIT = 64 * 1024


class KeySet(Mapping[str, Ed25519PublicKey]):
    """The public keys whose signatures count, by kid. Immutable; an empty set obeys nobody."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey] | None = None) -> None:
        self._keys = dict(keys or {})

    def __getitem__(self, kid: str) -> Ed25519PublicKey:
        return self._keys[kid]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of every key, for people and for the birth certificate."""
        return {kid: fingerprint(key) for kid, key in self._keys.items()}


def fingerprint(key: Ed25519PublicKey) -> str:
    """First 8 bytes of SHA-256 over the raw public key, as ``ab:cd:...``."""
    return hashlib.sha256(raw_public(key)).digest()[:8].hex(":")


def raw_public(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def load_public_keys(path: Path) -> KeySet:
    """Read the keys of the platform.

    Raises:
        SettingsError: The file is missing, unreadable, or not ``{kid: base64url of 32 bytes}``.
    """
    document = _read_json(path, "public keys")
    keys: dict[str, Ed25519PublicKey] = {}
    for kid, text in document.items():
        try:
            if not isinstance(text, str):
                raise JwsError("a key must be text")
            keys[kid] = Ed25519PublicKey.from_public_bytes(decode_part(text.encode()))
        except ValueError as error:
            raise SettingsError(f"{path}: key {kid!r} is not 32 bytes in base64url ({error})") from None
    if not keys:
        raise SettingsError(f"{path}: holds no key; copy platform_keys.json from the platform")
    return KeySet(keys)


def load_private_key(path: Path) -> tuple[str, Ed25519PrivateKey]:
    """Read the platform's signing key.

    Returns:
        Its kid and the key.

    Raises:
        SettingsError: The file is missing, not a key, or readable by others than its owner.
    """
    document = _read_json(path, "signing key")
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{path}: others can read this private key; run: chmod 600 {path}")
    kid, seed = document.get("kid"), document.get("seed")
    try:
        if not isinstance(kid, str) or not isinstance(seed, str):
            raise JwsError("kid and seed must be text")
        return kid, Ed25519PrivateKey.from_private_bytes(decode_part(seed.encode()))
    except ValueError as error:
        raise SettingsError(f"{path}: not a signing key ({error})") from None


def write_key_pair(private_path: Path, public_path: Path, kid: str, *, seed: bytes | None = None) -> str:
    """Make a key pair; the public key is added to those that stand in the public file already.

    Returns:
        The fingerprint of the new key.

    Raises:
        SettingsError: A private key stands there already, or the folder cannot be written.
    """
    key = Ed25519PrivateKey.from_private_bytes(os.urandom(_KEY_BYTES) if seed is None else seed)
    known = dict(_read_json(public_path, "public keys")) if public_path.exists() else {}
    known[kid] = encode_part(raw_public(key.public_key())).decode()
    secret = {"kid": kid, "seed": encode_part(key.private_bytes_raw()).decode()}
    try:
        private_path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL with the mode: there is no moment at which others could open it.
        handle = os.open(private_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(secret, file)
        public_path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    except FileExistsError:
        raise SettingsError(f"{private_path}: a signing key stands there already; it is kept") from None
    except OSError as error:
        raise SettingsError(f"{private_path}: the key cannot be written: {error}") from error
    return fingerprint(key.public_key())


def _read_json(path: Path, what: str) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            return parse_object(file.read(_FILE_LIMIT))
    except OSError as error:
        raise SettingsError(f"{path}: the {what} cannot be read: {error.strerror}") from error
    except JwsError as error:
        raise SettingsError(f"{path}: not a file of {what}: {error}") from error

"""Root and operational keys: made, and joined into key sets that boxes take. The root's half stays offline.

root_key.json       the root's private half: on a stick in a safe, needed a few times in a year
root_keys.json      its public half: ``sync.root_key`` of every box, put there when it is installed
platform_key.json   an operational key: on the platform, signs commands and configurations
keys-<serial>.jws   a key set: which operational keys count, signed by the root; no secret
"""

import time
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.errors import UsageError
from edge.jws import KEYS_TYPE, encode_part, sign
from edge.sync.keyring import MOST_KEYS, SCHEMA
from edge.sync.keys import load_private_key, raw_public, write_key_pair

ROOT_KEY_FILE = "root_key.json"
ROOT_KEYS_FILE = "root_keys.json"


def make_root(folder: Path, kid: str = "root-1") -> str:
    """Make the root's key pair; returns its fingerprint.

    Raises:
        SettingsError: There is one already, or the folder cannot be written.
    """
    return write_key_pair(folder / ROOT_KEY_FILE, folder / ROOT_KEYS_FILE, kid)


def sign_key_set(
    root_key: Path,
    tenant: str,
    serial: int,
    keys: Mapping[str, Ed25519PublicKey],
    *,
    issued_s: float | None = None,
) -> bytes:
    """Sign a key set with the root.

    Args:
        root_key: File with the root's private half.
        tenant: Whose boxes shall take it.
        serial: Above that of every set before.
        keys: The operational keys that shall count; two in normal life.
        issued_s: Unix seconds, if not now.

    Raises:
        SettingsError: The root's file cannot be used. UsageError: No keys, too many, or a serial below 1.
    """
    if not 1 <= len(keys) <= MOST_KEYS:
        raise UsageError(f"a key set names 1 to {MOST_KEYS} keys, not {len(keys)}")
    if serial < 1:
        raise UsageError("serials begin at 1 and rise with every set")
    kid, key = load_private_key(root_key)
    claims: dict[str, object] = {
        "schema": SCHEMA,
        "tenant": tenant,
        "serial": serial,
        "issued": round(time.time() if issued_s is None else issued_s, 3),
        "keys": {name: encode_part(raw_public(public)).decode() for name, public in keys.items()},
    }
    return sign(claims, kid=kid, key=key, typ=KEYS_TYPE)

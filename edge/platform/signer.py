"""Signs commands and configurations in the platform's name; the private key stays in its file and memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.jws import COMMAND_TYPE, CONFIG_TYPE, sign
from edge.records import JsonObject, new_id
from edge.sync.config_document import SCHEMA, sections_hash
from edge.sync.keys import load_private_key, write_key_pair

T = TypeVar("T")

PRIVATE_KEY_FILE = "platform_key.json"
PUBLIC_KEYS_FILE = "platform_keys.json"


@dataclass(frozen=True, slots=True)
class Order:
    """A signed command and the id under which its result will come."""

    jti: str
    name: str
    raw: bytes


def make_keys(folder: Path, kid: str = "platform-1") -> str:
    """Make ``platform_key.json`` (private, mode 0600) and ``platform_keys.json`` (public, for the boxes).

    Returns:
        The fingerprint of the key.

    Raises:
        SettingsError: There is a private key already, or the folder cannot be written.
    """
    return write_key_pair(folder / PRIVATE_KEY_FILE, folder / PUBLIC_KEYS_FILE, kid)


class Signer:
    """One key, and the documents that it signs. Thread: any."""

    def __init__(self, kid: str, key: Ed25519PrivateKey) -> None:
        self.kid = kid
        self._key = key

    @classmethod
    def load(cls, folder: Path) -> "Signer":
        """Take the key of a folder that ``make_keys`` filled.

        Raises:
            SettingsError: There is none, or others can read it.
        """
        return cls(*load_private_key(folder / PRIVATE_KEY_FILE))

    def sign_with(self, sign: Callable[[str, Ed25519PrivateKey], T]) -> T:
        """Have something signed whose form is told elsewhere: called with the kid and the key."""
        return sign(self.kid, self._key)

    def command(
        self,
        audience: str,
        name: str,
        args: JsonObject,
        *,
        nonce: str,
        counter: int,
        life_s: float = 10.0,
        challenge: str = "",
        now_s: float | None = None,
    ) -> Order:
        """Sign a command for one device and one of its connections.

        Args:
            audience: "tenant/device".
            name: What to do; args: with what.
            args: Arguments of the command.
            nonce: From the device's ``state``.
            counter: Above all that this key has used.
            life_s: Until it expires; 10 at most for ``open``.
            challenge: What the device gave when it said ``clock_unset``.
            now_s: Unix seconds, if not now.
        """
        issued_s = time.time() if now_s is None else now_s
        claims: dict[str, object] = {
            "jti": new_id(),
            "aud": audience,
            "cmd": name,
            "args": dict(args),
            "iat": round(issued_s, 3),
            "exp": round(issued_s + life_s, 3),
            "ctr": counter,
            "sn": nonce,
        }
        if challenge:
            claims["chl"] = challenge
        return Order(str(claims["jti"]), name, sign(claims, kid=self.kid, key=self._key, typ=COMMAND_TYPE))

    def document(
        self,
        audience: str,
        sections: JsonObject,
        *,
        rev: int,
        prev: int = 0,
        confirm_s: int = 120,
        rollback: bool = False,
        issued_s: float | None = None,
    ) -> bytes:
        """Sign a desired configuration; ``sections`` as in the file, whole sections only."""
        claims: dict[str, object] = {
            "schema": SCHEMA,
            "aud": audience,
            "rev": rev,
            "hash": sections_hash(sections),
            "prev": prev,
            "issued": round(time.time() if issued_s is None else issued_s, 3),
            "confirm_s": confirm_s,
            "sections": dict(sections),
        }
        if rollback:
            claims["rollback"] = True
        return sign(claims, kid=self.kid, key=self._key, typ=CONFIG_TYPE)

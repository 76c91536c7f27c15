"""PINs: kept as a slow digest, tried a few times, never written anywhere.

A PIN is only ever a second factor: it is compared with that of a person who was recognised a moment ago.
Digest: scrypt (RFC 7914), about 40 ms and 16 MB on a server core, a fifth of a second on a small board; the
sets store seals it with the device key besides, for few digits stand no search. Pure: time and salt come in.
"""

import hashlib
import hmac
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from edge.clock import NS_PER_S
from edge.errors import UsageError

SHORTEST, LONGEST = 6, 8
WRONG_ALLOWED = 5
WITHIN_S = 600
LOCKED_S = 600
_SALT_BYTES, _DIGEST_BYTES = 16, 32
_FORM = 1
_COST = 2**14
_BLOCKS, _LANES = 8, 1
_MOST_MEMORY = 64 * 2**20


@dataclass(frozen=True, slots=True)
class PinDigest:
    """What is kept of a PIN."""

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, pin: str, salt: bytes) -> "PinDigest":
        """Digest a PIN.

        Args:
            pin: Already checked (``check_pin``).
            salt: 16 random bytes.
        """
        return cls(salt, _scrypt(pin, salt))

    def fits(self, pin: str) -> bool:
        """Whether this is the PIN; takes as long for a wrong one."""
        return hmac.compare_digest(_scrypt(pin, self.salt), self.digest)

    def to_bytes(self) -> bytes:
        """For the store: form, salt, digest."""
        return bytes([_FORM]) + self.salt + self.digest

    @classmethod
    def from_bytes(cls, data: bytes) -> "PinDigest":
        """The inverse.

        Raises:
            UsageError: It is something else.
        """
        if len(data) != 1 + _SALT_BYTES + _DIGEST_BYTES or data[0] != _FORM:
            raise UsageError("a stored PIN is of another form; set it again")
        return cls(data[1 : 1 + _SALT_BYTES], data[1 + _SALT_BYTES :])


def check_pin(pin: str) -> str:
    """A PIN that may be set.

    Raises:
        UsageError: It is no six to eight digits, or the first that a thief would try.
    """
    if not (pin.isascii() and pin.isdigit() and SHORTEST <= len(pin) <= LONGEST):
        raise UsageError(f"a PIN is {SHORTEST} to {LONGEST} digits")
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(pin)}
    if len(steps) == 1:
        raise UsageError("a PIN of equal digits, or digits in a row, is the first to be tried; take another")
    return pin


class PinGuard:
    """Counts wrong PINs for each lane: five within ten minutes lock it for ten. Pure; one thread."""

    def __init__(self) -> None:
        self._wrong_ns: dict[str, deque[int]] = {}
        self._locked_until_ns: dict[str, int] = {}

    def is_locked(self, lane: str, now_ns: int) -> bool:
        """Whether the lane takes no PIN now."""
        return now_ns < self._locked_until_ns.get(lane, 0)

    def wrong(self, lane: str, now_ns: int) -> bool:
        """Count a wrong PIN; True when that locks the lane."""
        tries = self._wrong_ns.setdefault(lane, deque(maxlen=WRONG_ALLOWED))
        tries.append(now_ns)
        if len(tries) < WRONG_ALLOWED or now_ns - tries[0] > WITHIN_S * NS_PER_S:
            return False
        tries.clear()
        self._locked_until_ns[lane] = now_ns + LOCKED_S * NS_PER_S
        return True

    def unlocked(self, now_ns: int) -> tuple[str, ...]:
        """Lanes whose lock has just ended; each is named once."""
        over = tuple(lane for lane, until_ns in self._locked_until_ns.items() if now_ns >= until_ns)
        for lane in over:
            del self._locked_until_ns[lane]
        return over


def _scrypt(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        pin.encode(),
        salt=salt,
        n=_COST,
        r=_BLOCKS,
        p=_LANES,
        maxmem=_MOST_MEMORY,
        dklen=_DIGEST_BYTES,
    )

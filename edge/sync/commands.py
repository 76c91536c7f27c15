"""May this command be obeyed? Pure; the checks in their one order, each with its own code.

A command is a compact JWS (``edge.jws``, type ``gh-command``) on ``cmd/<name>``. Claims: ``jti`` (id),
``aud`` ("tenant/device"), ``cmd``, ``args``, ``iat`` and ``exp`` (Unix seconds, fractions allowed), ``ctr``
(strictly rising per key), ``sn`` (the nonce that the device published in ``state`` for this connection) and,
when the device said its clock is unset, ``chl`` (the challenge it gave in that refusal).

Nonce and counter stop a replay without any clock. Without a set clock ``exp`` means nothing, so such a device
answers the first try with ``clock_unset`` and a challenge that lives five seconds of its own boot time; the
platform signs again with it.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import NS_PER_S, ClockState
from edge.jws import COMMAND_TYPE, JwsError, unverified_claims, verify
from edge.records import JsonObject

SIZE_LIMIT = 16 * 1024
SIZE_LIMITS: Mapping[str, int] = {"enrol": 512 * 1024}
"""Commands that carry pictures; all others keep to ``SIZE_LIMIT``."""
# A command that moves something lives at most this long; others may wait for a slow link.
LIFE_LIMIT_S = dict.fromkeys(("open", "close", "stop", "hold", "fleet", "release", "kill-switch"), 10.0)
OTHER_LIFE_LIMIT_S = 300.0
# Two clocks that are both "set" still differ by this much on a bad day.
CLOCK_SKEW_S = 2.0
CHALLENGE_LIFE_S = 5.0
_JTI = re.compile(r"[\x21-\x7e]{1,64}")


class Code(StrEnum):
    """Why a command was refused; one per check, in the order of the checks.

    What is refused after it was accepted has a code too: the lane's word, or that of the error.
    """

    RETAINED = "retained"
    SIZE = "size"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    AUDIENCE = "aud"
    NONCE = "nonce"
    CLOCK_UNSET = "clock_unset"
    LIFE = "life"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    COUNTER = "counter"
    JOURNAL = "journal"
    UNKNOWN_COMMAND = "unknown_command"
    NOT_ALLOWED = "not_allowed"
    KILL_SWITCH = "kill_switch"


class Result(StrEnum):
    """What became of a command; the word in ``cmd/<name>/res``."""

    ACCEPTED = "accepted"
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that passed every check.

    Attributes:
        jti: Its id, and the cause of whatever follows. kid: Who signed. ctr: Place in that key's sequence.
        issued_s, expires_s: Unix seconds as signed.
        not_after_ns: Boot time after which it must not move anything any more (SAFE-3).
    """

    name: str
    args: JsonObject
    jti: str
    kid: str
    ctr: int
    issued_s: float
    expires_s: float
    not_after_ns: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refusal. ``jti`` is what the message claimed; worth nothing when the code is ``signature``."""

    code: Code
    detail: str
    jti: str = ""

    @property
    def result(self) -> Result:
        """The word for it on the wire."""
        return Result.EXPIRED if self.code is Code.EXPIRED else Result.REJECTED


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What the checks look at; asked for anew for each command.

    Attributes:
        audience: "tenant/device" of this box. nonce: The one in ``state`` now; empty while not connected.
        now_utc_s, clock_state, now_ns: UTC, how far to trust it, and boot time.
        challenge: The challenge that is alive, or empty.
        last_counter: Highest counter obeyed for a kid, 0 when none. is_known: Whether the journal has a jti.
        names: The commands that are obeyed here.
        forbids: Empty when the command may run here and now, else the reason in one line.
        is_killed: Whether the kill switch stops this command.
    """

    audience: str
    keys: Mapping[str, Ed25519PublicKey]
    nonce: str
    now_utc_s: float
    clock_state: ClockState
    now_ns: int
    challenge: str
    last_counter: Callable[[str], int]
    is_known: Callable[[str], bool]
    names: Collection[str]
    forbids: Callable[[Command], str]
    is_killed: Callable[[Command], bool]


def check(raw: bytes, *, name: str, retained: bool, context: CommandContext) -> Command | Rejected:
    """Check one message on ``cmd/<name>`` and return the command, or the first rule that it breaks."""
    if retained:
        return Rejected(Code.RETAINED, "commands are never retained; clear this one at the broker")
    if len(raw) > (limit := SIZE_LIMITS.get(name, SIZE_LIMIT)):
        return Rejected(Code.SIZE, f"{len(raw)} bytes, at most {limit}")
    try:
        signed = verify(raw, context.keys, typ=COMMAND_TYPE)
    except JwsError as error:
        return Rejected(Code.SIGNATURE, str(error), claimed_jti(raw))
    command = _command(signed.claims, signed.kid, context.now_ns)
    if isinstance(command, Rejected):
        return command
    refusal = (
        _wrong_address(command, signed.claims, name, context)
        or _wrong_time(command, signed.claims, context)
        or _played_before(command, context)
    )
    if refusal is not None:
        return refusal
    command = _with_deadline(command, context)
    return _not_here(command, context) or command


def claimed_jti(raw: bytes) -> str:
    """The id that a message claims to have, believed by nobody; only to name it in a refusal."""
    jti = unverified_claims(raw).get("jti")
    return jti if isinstance(jti, str) and _JTI.fullmatch(jti) else ""


def _command(claims: JsonObject, kid: str, now_ns: int) -> Command | Rejected:
    """The claims as a command, every one with its right type; no claim is optional but ``chl``."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        return Rejected(Code.CLAIMS, "jti must be 1 to 64 visible ASCII characters")
    for key, kinds in _CLAIM_TYPES.items():
        value = claims.get(key)
        if not isinstance(value, kinds) or isinstance(value, bool):
            return Rejected(Code.CLAIMS, f"{key} is missing or of the wrong type", jti)
    unknown = set(claims) - set(_CLAIM_TYPES) - {"jti", "chl"}
    if unknown:
        return Rejected(Code.CLAIMS, f"unknown claim {min(unknown)!r}", jti)
    if not 0 < claims["ctr"] < 1 << 62:
        return Rejected(Code.CLAIMS, "ctr must be from 1 to 2^62 - 1", jti)
    if not (0 <= claims["iat"] < 1 << 40 and 0 <= claims["exp"] < 1 << 40):
        return Rejected(Code.CLAIMS, "iat and exp must be Unix seconds", jti)
    return Command(
        name=claims["cmd"],
        args=claims["args"],
        jti=jti,
        kid=kid,
        ctr=claims["ctr"],
        issued_s=float(claims["iat"]),
        expires_s=float(claims["exp"]),
        not_after_ns=now_ns,
    )


_CLAIM_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "aud": str,
    "cmd": str,
    "args": dict,
    "iat": (int, float),
    "exp": (int, float),
    "ctr": int,
    "sn": str,
}


def _wrong_address(
    command: Command, claims: JsonObject, name: str, context: CommandContext
) -> Rejected | None:
    if claims["aud"] != context.audience:
        return Rejected(Code.AUDIENCE, f"meant for {claims['aud']!r}", command.jti)
    if command.name != name:
        return Rejected(Code.AUDIENCE, f"signed as {command.name!r}, sent as {name!r}", command.jti)
    if not context.nonce or claims["sn"] != context.nonce:
        return Rejected(Code.NONCE, "not for this connection; read sn from state again", command.jti)
    return None


def _wrong_time(command: Command, claims: JsonObject, context: CommandContext) -> Rejected | None:
    life_s = command.expires_s - command.issued_s
    limit_s = LIFE_LIMIT_S.get(command.name, OTHER_LIFE_LIMIT_S)
    if not 0 < life_s <= limit_s:
        return Rejected(Code.LIFE, f"lives {life_s:g} s; at most {limit_s:g} s", command.jti)
    if context.clock_state is ClockState.UNSET:
        if context.challenge and claims.get("chl") == context.challenge:
            return None
        return Rejected(Code.CLOCK_UNSET, "clock is not set; sign again with chl", command.jti)
    if command.issued_s > context.now_utc_s + CLOCK_SKEW_S:
        return Rejected(Code.NOT_YET, "issued in the future; compare both clocks", command.jti)
    if command.expires_s <= context.now_utc_s:
        late_s = context.now_utc_s - command.expires_s
        return Rejected(Code.EXPIRED, f"expired {late_s:.1f} s ago", command.jti)
    return None


def _played_before(command: Command, context: CommandContext) -> Rejected | None:
    last = context.last_counter(command.kid)
    if command.ctr <= last:
        return Rejected(Code.COUNTER, f"counter {command.ctr} is not above {last}", command.jti)
    if context.is_known(command.jti):
        return Rejected(Code.JOURNAL, "this id was journaled before", command.jti)
    return None


def _not_here(command: Command, context: CommandContext) -> Rejected | None:
    if command.name not in context.names:
        known = ", ".join(context.names) or "none"
        return Rejected(
            Code.UNKNOWN_COMMAND, f"no command {command.name!r} here; there are {known}", command.jti
        )
    reason = context.forbids(command)
    if reason:
        return Rejected(Code.NOT_ALLOWED, reason, command.jti)
    if context.is_killed(command):
        return Rejected(Code.KILL_SWITCH, "the kill switch is thrown; release it first", command.jti)
    return None


def _with_deadline(command: Command, context: CommandContext) -> Command:
    """Turn the expiry into boot time, once, so that a later jump of the clock cannot prolong it."""
    limit_s = LIFE_LIMIT_S.get(command.name, OTHER_LIFE_LIMIT_S)
    left_s = command.expires_s - context.now_utc_s
    if context.clock_state is ClockState.UNSET:
        left_s = CHALLENGE_LIFE_S
    return replace(command, not_after_ns=context.now_ns + round(min(left_s, limit_s) * NS_PER_S))

"""QR passes: a small signed document that a phone or a sheet of paper shows to the camera of a lane.

A pass is a compact JWS (``edge.jws``, type ``gh-pass``) signed by an issuer whose public key stands in the
configuration, so it is verified without a network. Claims, named as RFC 7519 does where it has a name:

    v    1                                  jti  id of the pass, 8 to 32 letters, digits, "_", "-"
    sub  mark of a person on the roster     hst  mark of the host; a pass without ``sub`` is a visitor's
    lan  lanes, "gate" or "device/gate"     zon  zones; a visitor's pass names at least one of both
    nbf  not before, exp  not after, whole seconds since 1970
    use  how often it opens: 1, 2, ...; 0 is as often as wanted

It holds no name: persons are named by ``subject_mark``, a digest of their id. What a code says is never
acted on in any other way, whatever it is. Pure: time is given.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.access.policy import Moment
from edge.access.roster import Person, Roster
from edge.clock import NS_PER_S, ClockState
from edge.errors import UsageError
from edge.jws import QR_TYPE, JwsError, SignatureMismatch, UnknownIssuer, sign, verify
from edge.records import Reason

VERSION = 1
MOST_TEXT = 1200
"""Characters; a pass has about 330. Longer codes are not looked into."""
LONGEST_S = 400 * 86_400
"""A pass lives for 400 days at most, however it is signed."""
LEEWAY_S = 60
"""By which the clocks of issuer and gate may differ."""
VISITOR_PREFIX = "visitor-"

_JTI = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,31}")
_MARK = re.compile(r"[A-Za-z0-9_-]{16}")
_LANE = re.compile(r"(?:[a-z0-9-]{1,40}/)?[a-z0-9-]{1,40}")
_ZONE = re.compile(r"[a-z0-9-]{1,40}")
_CLAIMS = frozenset({"v", "jti", "sub", "hst", "lan", "zon", "nbf", "exp", "use"})
_MOST_PLACES = 16


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass says.

    Attributes:
        jti: Its id; spent and revoked by it.
        subject, host: Marks (``subject_mark``); "" where there is none.
        lanes: Lane names, some with the device before a slash. zones: Zone names.
        valid_from_utc_s, valid_to_utc_s: Seconds since 1970; from inclusive, to exclusive.
        uses: How often it opens; 0: as often as wanted.
        kid: Key that signed it.
    """

    jti: str
    valid_from_utc_s: int
    valid_to_utc_s: int
    subject: str = ""
    host: str = ""
    lanes: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    uses: int = 1
    kid: str = ""

    @property
    def is_visitor(self) -> bool:
        """Whether it is for somebody who is not on the roster."""
        return not self.subject


class PassRefused(Exception):
    """A code that opens nothing; ``reason`` is for the record, the text for people."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason = reason


def subject_mark(person_id: str) -> str:
    """How a pass names a person: 16 characters of a digest of the roster id.

    >>> subject_mark("wang-li")
    '44s2spl6YD6i7lUZ'
    """
    digest = hashlib.sha256(b"gatehouse pass subject\0" + person_id.encode()).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()


def write_pass(given: Pass, key: Ed25519PrivateKey) -> str:
    """Sign a pass; its ``kid`` names the key.

    Raises:
        UsageError: It says something that no gate would accept.
    """
    claims: dict[str, Any] = {
        "v": VERSION,
        "jti": given.jti,
        "nbf": given.valid_from_utc_s,
        "exp": given.valid_to_utc_s,
        "use": given.uses,
    }
    optional = {
        "sub": given.subject,
        "hst": given.host,
        "lan": list(given.lanes),
        "zon": list(given.zones),
    }
    claims |= {name: value for name, value in optional.items() if value}
    try:
        _pass_from(claims, given.kid)
    except PassRefused as refusal:
        raise UsageError(f"this pass would be accepted nowhere: {refusal}") from None
    return sign(claims, kid=given.kid, key=key, typ=QR_TYPE).decode("ascii")


def read_pass(text: str, keys: Mapping[str, Ed25519PublicKey]) -> Pass:
    """Verify the signature of a pass and check what it says, but not whether it is valid here and now.

    Raises:
        PassRefused: ``QR_UNREADABLE``, ``QR_UNKNOWN_ISSUER`` or ``QR_FORGED``.
    """
    if len(text) > MOST_TEXT or not text.isascii():
        raise PassRefused(Reason.QR_UNREADABLE, "not the text of a pass")
    try:
        signed = verify(text.encode("ascii"), keys, typ=QR_TYPE)
    except UnknownIssuer as error:
        raise PassRefused(Reason.QR_UNKNOWN_ISSUER, str(error)) from None
    except SignatureMismatch as error:
        raise PassRefused(Reason.QR_FORGED, str(error)) from None
    except JwsError as error:
        raise PassRefused(Reason.QR_UNREADABLE, str(error)) from None
    return _pass_from(signed.claims, signed.kid)


def check_pass(
    given: Pass, device: str, lane_name: str, zones: tuple[str, ...], now: Moment
) -> Reason | None:
    """What objects to a genuine pass at this lane and moment; None when nothing does.

    Args:
        given: A pass that ``read_pass`` returned.
        device: Id of this box.
        lane_name: Where it was shown.
        zones: To which that lane leads.
        now: The moment; a clock that was never set opens nothing, for every pass ends some day.
    """
    if given.lanes or given.zones:
        here = {lane_name, f"{device}/{lane_name}"}
        if here.isdisjoint(given.lanes) and set(zones).isdisjoint(given.zones):
            return Reason.WRONG_LANE
    if now.clock_state is ClockState.UNSET:
        return Reason.CLOCK_UNSET
    now_s = now.utc_ns // NS_PER_S
    if now_s < given.valid_from_utc_s - LEEWAY_S:
        return Reason.NOT_YET_VALID
    return Reason.EXPIRED if now_s >= given.valid_to_utc_s + LEEWAY_S else None


class Marks:
    """Finds persons by mark. Made anew only when the roster is another one.

    Thread: one at a time.
    """

    def __init__(self) -> None:
        self._roster: Roster | None = None
        self._by_mark: Mapping[str, Person] = {}

    def find(self, roster: Roster, mark: str) -> Person | None:
        """The person behind a mark; hashing 100,000 ids takes a tenth of a second, once for each roster."""
        if self._roster is not roster:
            self._by_mark = {subject_mark(person.id): person for person in roster.persons.values()}
            self._roster = roster
        return self._by_mark.get(mark)


def holder_of(given: Pass, roster: Roster, marks: Marks) -> Person | None:
    """Who passes with it: the person on the roster, or the visitor as a person of their own.

    A visitor's right hangs on the host's: None also when the host is no longer on the roster.
    """
    if not given.is_visitor:
        return marks.find(roster, given.subject)
    if given.host and marks.find(roster, given.host) is None:
        return None
    # Lanes and dates were checked with the pass itself, with its leeway and its devices.
    return Person(VISITOR_PREFIX + given.jti, "", group="visitor")


def _pass_from(claims: Mapping[str, Any], kid: str) -> Pass:
    unknown = sorted(set(claims) - _CLAIMS)
    if unknown:
        raise PassRefused(Reason.QR_UNREADABLE, f"claims {unknown} are not known")
    if claims.get("v") != VERSION or isinstance(claims.get("v"), bool):
        raise PassRefused(Reason.QR_UNREADABLE, f"version {claims.get('v')!r} is not {VERSION}")
    begins, ends = _whole(claims, "nbf", 1 << 40), _whole(claims, "exp", 1 << 40)
    if not begins < ends <= begins + LONGEST_S:
        raise PassRefused(Reason.QR_UNREADABLE, "nbf is not before exp, or 400 days lie between")
    made = Pass(
        jti=_text(claims, "jti", _JTI),
        subject=_text(claims, "sub", _MARK, optional=True),
        host=_text(claims, "hst", _MARK, optional=True),
        lanes=_places(claims, "lan", _LANE),
        zones=_places(claims, "zon", _ZONE),
        valid_from_utc_s=begins,
        valid_to_utc_s=ends,
        uses=_whole(claims, "use", 1000),
        kid=kid,
    )
    if made.is_visitor and not made.lanes and not made.zones:
        raise PassRefused(Reason.QR_UNREADABLE, "a visitor's pass names no lane and no zone")
    return made


def _text(claims: Mapping[str, Any], name: str, form: re.Pattern[str], *, optional: bool = False) -> str:
    value = claims.get(name, "" if optional else None)
    if isinstance(value, str) and (form.fullmatch(value) or (optional and not value)):
        return value
    raise PassRefused(Reason.QR_UNREADABLE, f"{name} is not what a pass says there")


def _whole(claims: Mapping[str, Any], name: str, most: int) -> int:
    value = claims.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise PassRefused(Reason.QR_UNREADABLE, f"{name} is no whole number up to {most}")


def _places(claims: Mapping[str, Any], name: str, form: re.Pattern[str]) -> tuple[str, ...]:
    value = claims.get(name, [])
    if (
        isinstance(value, list)
        and len(value) <= _MOST_PLACES
        and all(isinstance(item, str) and form.fullmatch(item) for item in value)
    ):
        return tuple(value)
    raise PassRefused(Reason.QR_UNREADABLE, f"{name} is no list of at most {_MOST_PLACES} names")

"""One picture on its way to the platform, in parts that are each answered. Pure: messages in and out.

``pic/up`` (up) is a line of JSON that names the picture, and behind it a part of the JPEG; ``pic/ack`` (down)
says how much the platform has::

    {"sha256": ..., "bytes": ..., "event": ..., "offset": null}              an offer, with no part behind it
    {"sha256": ..., "have": 16384}                                           go on from there
    {"sha256": ..., ..., "offset": 16384}  + up to 16 kB                     a part
    {"sha256": ..., "done": true}                                            whole, its hash checked, stored
    {"sha256": ..., "refused": "why", "later": true}                         not now; without later: never

The place to go on from is always the platform's: a cut, a restart of the box or of the platform need no more
than another offer. One part is out at a time, so events never wait behind a picture.
"""

from enum import Enum
from typing import Any

from edge.clock import NS_PER_S
from edge.jws import JwsError, parse_object
from edge.store.envelope import json_bytes
from edge.store.media_tables import KeptPicture
from edge.sync.topics import Topics

PART_BYTES = 16 * 1024
ANSWER_S, LONGEST_ANSWER_S = 20.0, 600.0
LATER_S = 30.0
DAMAGES = 3
"""A picture whose hash the platform finds wrong so often is not sent again."""
HEADER_LIMIT = 4096
_NOT_SENT = ("state",)


class Heard(Enum):
    """What an answer of the platform means for the picture that is on its way."""

    NOTHING = "not about it"
    GO_ON = "more is wanted"
    DONE = "the platform has it"
    LATER = "not now"
    NEVER = "the platform will not have it"


def up_topic(topics: Topics) -> str:
    """Up: offers and parts."""
    return f"{topics.base}/pic/up"


def ack_topic(topics: Topics) -> str:
    """Down: how far it came."""
    return f"{topics.base}/pic/ack"


def read_part(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and part of a message on ``pic/up``, believed by nobody yet.

    Raises:
        JwsError: It is none.
    """
    line, newline, part = payload.partition(b"\n")
    if not newline or len(line) > HEADER_LIMIT or len(part) > PART_BYTES:
        raise JwsError("no header, or too long")
    return parse_object(line), part


class PictureUpload:
    """Thread: one at a time."""

    def __init__(self) -> None:
        self._picture: KeptPicture | None = None
        self._jpeg = b""
        self._have: int | None = None  # None: the platform is to say
        self._asked_ns: int | None = None
        self._timeout_s = ANSWER_S
        self._damages = 0
        self.why = ""

    @property
    def picture(self) -> KeptPicture | None:
        """Which one is on its way."""
        return self._picture

    def begin(self, picture: KeptPicture, jpeg: bytes) -> None:
        """Send this one next."""
        self._picture, self._jpeg = picture, jpeg
        self._have = self._asked_ns = None
        self._timeout_s, self._damages, self.why = ANSWER_S, 0, ""

    def drop(self) -> None:
        """Send it no further."""
        self._picture, self._jpeg = None, b""

    def reconnected(self) -> None:
        """Nothing that was asked on the old connection is answered."""
        self._have = self._asked_ns = None
        self._timeout_s = ANSWER_S

    def message(self, now_ns: int) -> bytes | None:
        """What to send now; None while an answer is waited for, or nothing is on its way."""
        picture = self._picture
        if picture is None:
            return None
        if self._asked_ns is not None:
            if now_ns - self._asked_ns < self._timeout_s * NS_PER_S:
                return None
            self._have = None  # whatever was lost: begin with what the platform has
            self._timeout_s = min(self._timeout_s * 2, LONGEST_ANSWER_S)
        self._asked_ns = now_ns
        header = {name: value for name, value in picture.to_json().items() if name not in _NOT_SENT}
        part = b"" if self._have is None else self._jpeg[self._have : self._have + PART_BYTES]
        return json_bytes({**header, "offset": self._have}) + b"\n" + part

    def heard(self, payload: bytes) -> Heard:
        """Take an answer of the platform; ``why`` says more where it refuses."""
        if self._picture is None or len(payload) > HEADER_LIMIT:
            return Heard.NOTHING
        try:
            answer = parse_object(payload)
        except JwsError:
            return Heard.NOTHING
        if answer.get("sha256") != self._picture.sha256 or self._asked_ns is None:
            return Heard.NOTHING
        if answer.get("done") is True:
            return Heard.DONE
        if "refused" in answer:
            self.why = str(answer["refused"])[:200]
            return Heard.LATER if answer.get("later") is True else Heard.NEVER
        have = answer.get("have")
        if not isinstance(have, int) or isinstance(have, bool) or not 0 <= have < len(self._jpeg):
            return Heard.NOTHING
        if answer.get("damaged") is True:
            self._damages += 1
            if self._damages >= DAMAGES:
                self.why = f"damaged on its way {DAMAGES} times"
                return Heard.NEVER
        self._have, self._asked_ns, self._timeout_s = have, None, ANSWER_S
        return Heard.GO_ON

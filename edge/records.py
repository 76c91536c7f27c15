"""The records that flow through the daemon, from a sighting to a journaled event.

Each is frozen; each arrow between them is one function (see ``edge.__doc__``). Times named ``*_ns`` are
CLOCK_BOOTTIME nanoseconds unless they say ``utc``. Arrays never travel in records: a face template is
128 little-endian float32 as bytes, a picture is JPEG bytes.
"""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

JsonObject = Mapping[str, Any]


def new_id() -> str:
    """A new UUIDv7 (RFC 9562, 6.2 method 3): sorts by creation time, unique across processes and boots.

    The twelve bits behind the milliseconds are a fraction of one, so two of one thread sort in their order.
    """
    ms, rest_ns = divmod(time.time_ns(), 1_000_000)
    value = (ms & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (rest_ns << 12) // 1_000_000 << 64 | 0b10 << 62 | int.from_bytes(os.urandom(8)) >> 2
    return str(uuid.UUID(int=value))


class Kind(StrEnum):
    """What was seen."""

    FACE = "face"
    PLATE = "plate"
    CARD = "card"
    QR = "qr"
    PIN = "pin"


class Liveness(StrEnum):
    """How much speaks for a living face before the camera; each level includes the ones before it.

    ``none``: nothing was asked, or too little was seen. ``passive``: no sign of a screen or of paper in what
    was seen anyway. ``challenge``: the head turned as it was told. ``model``: a classifier that the user gave
    says so. None of them is proof; see "Liveness" in the README.
    """

    NONE = "none"
    PASSIVE = "passive"
    CHALLENGE = "challenge"
    MODEL = "model"

    def meets(self, wanted: "Liveness | str") -> bool:
        """Whether this level is at least another."""
        order = tuple(Liveness)
        return order.index(self) >= order.index(Liveness(wanted))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the frame it was found in; may reach over the frame's edge."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


# One position of a plate: candidate characters with their natural-log probabilities, best first.
LatticePosition = tuple[tuple[str, float], ...]
Lattice = tuple[LatticePosition, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One usable read of one track in one frame; crosses the pipe from a vision process.

    Attributes:
        camera: Name of the camera in the configuration.
        track_id: Unique within one run of that camera's vision process; never re-used.
        session: Random id of that run, so that (session, track_id) is unique for ever.
        seq: Number of the frame it was read in.
        taken_ns: When that frame arrived from the camera.
        sent_ns: When the sighting left the vision process.
        quality: 0..1, how far the read can be trusted before looking at its content.
        lattice: For a plate: per-position candidates. Empty for a face.
        template: For a face: the descriptor as little-endian float32 bytes. Empty for a plate.
        template_set: Name of the set that the template belongs to; it is compared with no other.
        crop_jpeg: The evidence picture, cut from the very frame that was read; empty where nobody keeps any.
        stages_ms: Milliseconds spent per stage (detect, read, ...).
        ended: True for the last record of a track: it has left; the other fields repeat the last read.
        flaw: Empty, or why the read cannot be used ("too small", "blurred", ...): not enough, not unknown.
        text: For a QR code: what it says, believed by nobody.
        points: For a face: x and y of right eye, left eye, nose tip, right and left corner of the mouth, in
            pixels of the frame. Empty when the detector gives no such points.
        cues: Numbers about liveness and what they were made of (``edge.vision.liveness``); a cue that could
            not be judged is absent.
        in_view_ms: How long its track has been in view by then.
        came, went: Edge of the picture ("left", "top", "right", "bottom") that the track came from, and, with
            ``ended``, left by; empty when it began or ended inside the picture.
        crossed: Which way it crossed the camera's line last: "in", "out", or empty.
    """

    camera: str
    session: str
    track_id: int
    kind: Kind
    seq: int
    taken_ns: int
    sent_ns: int
    box: Box
    quality: float
    lattice: Lattice = ()
    template: bytes = b""
    template_set: str = ""
    crop_jpeg: bytes = b""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    ended: bool = False
    flaw: str = ""
    text: str = ""
    points: tuple[float, ...] = ()
    cues: Mapping[str, float] = field(default_factory=dict)
    in_view_ms: int = 0
    came: str = ""
    went: str = ""
    crossed: str = ""


@dataclass(frozen=True, slots=True)
class Presented:
    """A card, a PIN or a QR code that somebody presented at a lane; nothing about it is checked yet.

    Attributes:
        lane: Name of the lane it was presented at.
        kind: What it is.
        value: Number of the card, digits of the PIN, text of the code. Never logged.
        at_ns: When.
        source: Name of the reader or camera; session and place are empty where there are none.
    """

    lane: str
    kind: Literal["card", "pin", "qr"]
    value: str = field(repr=False)
    at_ns: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the evidence of one track says: whose face, which plate, how sure.

    Attributes:
        subject: Person id (face) or normalised plate text (plate); None when nobody known, or undecided.
        settled: True when more reads of this track would not change the answer (decide now).
        confidence: 0..1; margin: distance to the runner-up in the evidence's own unit (see explanation).
        first_ns, last_ns: Capture time of the first and of the deciding read.
        visit: Id that stays the same over several tracks of one visit; the unit of one access event.
        explanation: Every number that led here; goes into the event as it is.
        liveness: For a face: the level that its track has reached.
    """

    camera: str
    session: str
    track_id: int
    visit: str
    kind: Kind
    subject: str | None
    settled: bool
    confidence: float
    margin: float
    samples: int
    first_ns: int
    last_ns: int
    explanation: Mapping[str, Any] = field(default_factory=dict)
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    crop_jpeg: bytes = b""
    liveness: Liveness = Liveness.NONE


class Verdict(StrEnum):
    """What policy says."""

    GRANT = "grant"
    DENY = "deny"
    WAIT = "wait"


class Reason(StrEnum):
    """Why; the texts for people are in ``edge.reason_texts``."""

    PERMIT = "permit"
    STAFF_COMMAND = "staff_command"
    EXIT_BUTTON = "exit_button"
    NOT_ENOUGH = "not_enough"
    UNKNOWN_FACE = "unknown_face"
    UNKNOWN_PLATE = "unknown_plate"
    AMBIGUOUS = "ambiguous"
    INVALID_PLATE = "invalid_plate"
    DENY_LISTED = "deny_listed"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    WRONG_LANE = "wrong_lane"
    CREDENTIAL_NOT_ACCEPTED = "credential_not_accepted"
    CLOCK_UNSET = "clock_unset"
    STALE_ROSTER = "stale_roster"
    TOO_LATE = "too_late"
    LANE_FAULT = "lane_fault"
    KILL_SWITCH = "kill_switch"
    UNKNOWN_CARD = "unknown_card"
    LIVENESS_NOT_MET = "liveness_not_met"
    FACE_WANTED = "face_wanted"
    SECOND_FACTOR_MISSING = "second_factor_missing"
    SECOND_FACTOR_OF_ANOTHER = "second_factor_of_another"
    PIN_ALONE = "pin_alone"
    PIN_WRONG = "pin_wrong"
    PIN_LOCKED = "pin_locked"
    QR_UNREADABLE = "qr_unreadable"
    QR_UNKNOWN_ISSUER = "qr_unknown_issuer"
    QR_FORGED = "qr_forged"
    QR_USED = "qr_used"
    QR_REVOKED = "qr_revoked"
    QR_HOLDER_UNKNOWN = "qr_holder_unknown"
    CANNOT_RECORD = "cannot_record"


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy decided about one identity at one lane.

    Attributes:
        id: UUIDv7; the cause of the command that may follow. subject: Person (roster id); None for strangers.
        credential: What was matched: the plate text, "face", "face+qr", "card", "command".
        decided_ns: When; not_after_ns: after this boot time the lane records it and moves nothing (SAFE-3).
        checked: The names of the checks in the order in which they were made, the failing one last.
        set_revs: Revisions of the platform's sets that the roster was made of, by name.
        picture: SHA-256 ("sha256") and size ("bytes") of the picture that is kept of it; empty: none is.
    """

    id: str
    lane: str
    verdict: Verdict
    reason: Reason
    subject: str | None
    credential: str
    identity: Identity | None
    decided_ns: int
    not_after_ns: int
    checked: tuple[str, ...] = ()
    roster_rev: int = 0
    config_rev: int = 0
    set_revs: Mapping[str, int] = field(default_factory=dict)
    picture: Mapping[str, Any] = field(default_factory=dict)


class Step(StrEnum):
    """What is asked of a person at a lane."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    LOOK_AHEAD = "look_ahead"
    SECOND_FACTOR = "second_factor"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a display beside a lane shall say to a person, until it is replaced or its time is over.

    Attributes:
        en, zh: One line each; empty with ``NOTHING``.
        until_ns: CLOCK_BOOTTIME. visit: Of whom it is asked.
    """

    lane: str
    step: Step
    en: str
    zh: str
    until_ns: int
    visit: str = ""


class Stream(StrEnum):
    """Event streams; each has its own gap-free sequence within an epoch."""

    ACCESS = "access"
    PLATE = "plate"
    BARRIER = "barrier"
    ALARM = "alarm"
    AUDIT = "audit"
    SYS = "sys"


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event before the journal gave it a place.

    Attributes:
        type: Domain name in the past, ``noun.past_participle``: ``access.decided``, ``barrier.raised``.
        subject: The lane, camera or part it is about.
        data: JSON-ready content; no template, no picture.
        chain: Ids of the records that led here (arrival, track, decision, command), most recent last.
    """

    stream: Stream
    type: str
    subject: str
    data: JsonObject
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """A journaled event: committed to disk, with its place in the stream and the hash chain.

    Attributes:
        id: UUIDv7. epoch: 32 hex digits, new whenever the database was made anew, or the platform turned out
            to have another history.
        seq: From 1, gap-free per (epoch, stream); an epoch that follows on another history goes on counting.
        prev: First 16 bytes of SHA-256 over the previous event's wire form in the stream, as hex;
            32 zeros for the first.
        utc_ns, clock_state, boot_id, boot_ns: When, and how far the clock could be trusted.
    """

    id: str
    stream: Stream
    type: str
    subject: str
    data: JsonObject
    chain: tuple[str, ...]
    epoch: str
    seq: int
    prev: str
    utc_ns: int
    clock_state: str
    boot_id: str
    boot_ns: int

"""What the daemon and a vision process say to each other; every field is checked on arrival.

Down: ``Start`` once, then ``Look``, ``Settled``, ``Configure``, ``Compare``. Up: ``Ready`` once,
``Sighting``, ``Health``, ``Learnt`` and, at least once a second, ``Stats``; ``Failed`` are last words. What
comes up is not trusted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.records import Box, Kind, Lattice, Sighting
from edge.vision.fields import Fields
from edge.vision.passing import EDGES, WAYS
from edge.vision.wire import WireError, frame

MOST_CROP = 40_000
MOST_TEMPLATE = 4_096
MOST_TEXT = 1_200
_POINTS = 10
_MOST_POSITIONS = 16
_MOST_CANDIDATES = 16
_MOST_CHARACTER = 4
_MOST_STAGES = 16
_MOST_CUES = 24
_MOST_MEASURES = 24
MOST_REFERENCE = 60_000
_SEEN = (Kind.FACE, Kind.PLATE, Kind.QR)


@dataclass(frozen=True, slots=True)
class Start:
    """First word down: what to look through, and for what.

    Attributes:
        session: Random id of this run. camera: Name; settings, models: Dumped sections of the configuration.
        cache_dir: Where converted networks are kept, or "". epoch_ns: When the film began, 0 for now.
    """

    camera: str
    session: str
    settings: Mapping[str, Any]
    models: Mapping[str, Any]
    cache_dir: str = ""
    epoch_ns: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """Look now, whether anything moves or not: the loop or the beam has seen something."""

    for_ms: int = 5000


@dataclass(frozen=True, slots=True)
class Settled:
    """More reads of this track would change nothing."""

    track_id: int


@dataclass(frozen=True, slots=True)
class Attend:
    """Read this track in every frame for a while, and tell of flawed reads as well."""

    track_id: int
    for_ms: int


@dataclass(frozen=True, slots=True)
class Compare:
    """What the camera usually shows (``edge.vision.gauge``); an empty picture: forget it and learn anew.

    Attributes:
        picture: PNG, grey, 90 pixels high. focus, has_colour: Of the pictures it was made of.
    """

    picture: bytes
    focus: float = 0.0
    has_colour: bool = False


@dataclass(frozen=True, slots=True)
class Learnt:
    """A reference was learnt: the same as ``Compare``, upwards, to be kept for the next process."""

    picture: bytes
    focus: float
    has_colour: bool


@dataclass(frozen=True, slots=True)
class Configure:
    """The camera's section of the configuration has changed."""

    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Show:
    """Send one picture of what is seen now: whoever asks may have it (``remote.snapshots``)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture that was asked for: JPEG, small enough for the pipe; empty when it cannot be made so."""

    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The models are loaded; frames are next. ``epoch_ns`` is when a film began."""

    session: str
    epoch_ns: int
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """Something about the camera began or ended: ``camera.lost``, ``camera.frozen``, ``film.ended``."""

    name: str
    standing: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Passed:
    """A track did something besides being there, whether it could be read or not.

    Attributes:
        what: ``in`` or ``out``: it crossed the camera's line; ``loiters``: it is in view for long.
        at_ns: When. in_view_ms: How long it was in view by then. came: As in ``Sighting``.
    """

    track_id: int
    kind: Kind
    what: str
    at_ns: int
    in_view_ms: int
    came: str = ""


@dataclass(frozen=True, slots=True)
class Stats:
    """How it goes; at least once a second.

    Attributes:
        frames: From the camera so far; dropped: never looked at because a newer one was there.
        looked: Through the motion gate; searched: by a network; reads: faces and plates read; opened: how
            often the camera was opened. fps: frames per second lately. tracks: being followed now.
        rss_mb: Resident memory. stages_ms: Median of the last times of each stage.
        counts: Tracks that began ("tracks"), those that were read ("read"), crossings ("in", "out").
        picture: What the picture is like (``edge.vision.gauge``); empty while none comes.
    """

    frames: int = 0
    dropped: int = 0
    looked: int = 0
    searched: int = 0
    reads: int = 0
    opened: int = 0
    tracks: int = 0
    fps: float = 0.0
    rss_mb: float = 0.0
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    picture: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """Last words of a process that cannot go on."""

    detail: str


Order = Start | Look | Settled | Attend | Compare | Show | Configure
Report = Ready | Sighting | Passed | Health | Learnt | Picture | Stats | Failed
Message = Order | Report


def encode(message: Message) -> bytes:
    """Put a message into bytes for the pipe.

    Raises:
        WireError: It is too large, or holds what JSON cannot say.
    """
    if isinstance(message, Sighting):
        return _encode_sighting(message)
    header: dict[str, Any] = {"say": type(message).__name__}
    if isinstance(message, Compare | Learnt):
        header |= {"picture": len(message.picture), "focus": message.focus, "colour": message.has_colour}
        return frame(header, message.picture)
    if isinstance(message, Picture):
        return frame(header | {"jpeg": len(message.jpeg)}, message.jpeg)
    header |= {name: getattr(message, name) for name in type(message).__slots__}
    return frame(header)


def decode(header: dict[str, Any], blob: bytes) -> Message:
    """Check one message and give it its type.

    Raises:
        WireError: A field is missing, unknown, of another type, or out of bounds.
    """
    word = header.pop("say", None)
    reader = _READERS.get(word) if isinstance(word, str) else None
    if reader is None:
        raise WireError("a message of unknown kind")
    fields = Fields(header, blob)
    message = reader(fields)
    fields.finish()
    return message


def _encode_sighting(sighting: Sighting) -> bytes:
    box = sighting.box
    header = {
        "say": "Sighting",
        "camera": sighting.camera,
        "session": sighting.session,
        "track_id": sighting.track_id,
        "kind": str(sighting.kind),
        "seq": sighting.seq,
        "taken_ns": sighting.taken_ns,
        "sent_ns": sighting.sent_ns,
        "box": [box.left, box.top, box.right, box.bottom],
        "quality": sighting.quality,
        "lattice": sighting.lattice,
        "template": len(sighting.template),
        "set": sighting.template_set,
        "crop": len(sighting.crop_jpeg),
        "stages_ms": dict(sighting.stages_ms),
        "ended": sighting.ended,
        "flaw": sighting.flaw,
        "text": sighting.text,
        "points": sighting.points,
        "cues": dict(sighting.cues),
        "in_view_ms": sighting.in_view_ms,
        "came": sighting.came,
        "went": sighting.went,
        "crossed": sighting.crossed,
    }
    return frame(header, sighting.template + sighting.crop_jpeg)


def _read_sighting(fields: Fields) -> Sighting:
    left, top, right, bottom = fields.reals("box", 4, -100_000, 100_000)
    return Sighting(
        camera=fields.text("camera", 40),
        session=fields.text("session", 40),
        track_id=fields.whole("track_id", 1),
        kind=Kind(fields.one_of("kind", _SEEN)),
        seq=fields.whole("seq"),
        taken_ns=fields.whole("taken_ns"),
        sent_ns=fields.whole("sent_ns"),
        box=Box(left, top, right, bottom),
        quality=fields.real("quality", 0, 1),
        lattice=_read_lattice(fields),
        template=fields.part("template", MOST_TEMPLATE),
        template_set=fields.text("set", 60),
        crop_jpeg=fields.part("crop", MOST_CROP),
        stages_ms=fields.numbers("stages_ms", _MOST_STAGES),
        ended=fields.flag("ended"),
        flaw=fields.text("flaw", 80),
        text=fields.text("text", MOST_TEXT),
        points=_read_points(fields),
        cues=fields.numbers("cues", _MOST_CUES),
        in_view_ms=fields.whole("in_view_ms"),
        came=fields.one_of("came", EDGES),
        went=fields.one_of("went", EDGES),
        crossed=fields.one_of("crossed", WAYS),
    )


def _read_passed(fields: Fields) -> Passed:
    return Passed(
        track_id=fields.whole("track_id", 1),
        kind=Kind(fields.one_of("kind", _SEEN)),
        what=fields.one_of("what", ("in", "out", "loiters")),
        at_ns=fields.whole("at_ns"),
        in_view_ms=fields.whole("in_view_ms"),
        came=fields.one_of("came", EDGES),
    )


def _read_points(fields: Fields) -> tuple[float, ...]:
    values = [Fields.is_real(value, -100_000, 100_000) for value in fields.rows("points", _POINTS)]
    if values and len(values) != _POINTS:
        raise WireError("points are neither none nor five")
    return tuple(values)


def _read_lattice(fields: Fields) -> Lattice:
    positions = fields.rows("lattice", _MOST_POSITIONS)
    return tuple(
        tuple(
            (Fields.is_text(character, _MOST_CHARACTER), Fields.is_real(log_p, -1000, 0))
            for character, log_p in Fields.pairs(position, _MOST_CANDIDATES)
        )
        for position in positions
    )


def _read_stats(fields: Fields) -> Stats:
    return Stats(
        frames=fields.whole("frames"),
        dropped=fields.whole("dropped"),
        looked=fields.whole("looked"),
        searched=fields.whole("searched"),
        reads=fields.whole("reads"),
        opened=fields.whole("opened"),
        tracks=fields.whole("tracks"),
        fps=fields.real("fps", 0, 10_000),
        rss_mb=fields.real("rss_mb", 0, 1e7),
        stages_ms=fields.numbers("stages_ms", _MOST_STAGES),
        picture=fields.numbers("picture", _MOST_MEASURES),
        counts=fields.numbers("counts", 8),
    )


_READERS: Mapping[str, Callable[[Fields], Message]] = {
    "Start": lambda fields: Start(
        camera=fields.text("camera", 40),
        session=fields.text("session", 40),
        settings=fields.mapping("settings"),
        models=fields.mapping("models"),
        cache_dir=fields.text("cache_dir", 4096),
        epoch_ns=fields.whole("epoch_ns"),
    ),
    "Look": lambda fields: Look(fields.whole("for_ms", 0, 600_000)),
    "Settled": lambda fields: Settled(fields.whole("track_id", 1)),
    "Attend": lambda fields: Attend(fields.whole("track_id", 1), fields.whole("for_ms", 0, 600_000)),
    "Compare": lambda fields: Compare(
        fields.part("picture", MOST_REFERENCE), fields.real("focus", 0, 1000), fields.flag("colour")
    ),
    "Learnt": lambda fields: Learnt(
        fields.part("picture", MOST_REFERENCE), fields.real("focus", 0, 1000), fields.flag("colour")
    ),
    "Show": lambda _fields: Show(),
    "Picture": lambda fields: Picture(fields.part("jpeg", MOST_CROP)),
    "Configure": lambda fields: Configure(fields.mapping("settings")),
    "Ready": lambda fields: Ready(
        fields.text("session", 40), fields.whole("epoch_ns"), fields.texts("models", 8, 80)
    ),
    "Health": lambda fields: Health(
        fields.text("name", 40), fields.flag("standing"), fields.text("detail", 400)
    ),
    "Passed": _read_passed,
    "Stats": _read_stats,
    "Failed": lambda fields: Failed(fields.text("detail", 400)),
    "Sighting": _read_sighting,
}

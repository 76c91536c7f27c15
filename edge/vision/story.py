"""What the loop knows of a track besides where it is, and whether it is worth another read. Pure."""

from dataclasses import dataclass, field

from edge.clock import NS_PER_S
from edge.records import Box, Kind, Sighting
from edge.vision.passing import Course
from edge.vision.senses import Reading
from edge.vision.tracking import Track

# A track whose box overlaps the one of its last try by less than this has moved: worth a read.
MOVED_IOU = 0.6
# A settled track that moves is read this seldom, only to notice when somebody else has taken its place.
RECHECK_S = 1.0
# A face is read in every frame until there are so many reads of it, then at least this apart: a sixth read
# says what the fifth has said, unless the face has turned.
SOON_READS, PACE_S = 4, 0.2
# The longest pause between two reads of a track that is not settled.
LONGEST_PAUSE_S = 10.0
# A flawed track is told of this often, so that others know that somebody is there.
FLAW_S = 0.5
NOWHERE = Box(0, 0, 0, 0)


@dataclass(slots=True)
class Story:
    """What the loop knows of one track.

    Attributes:
        settled: More reads would change nothing. is_doubted: Somebody else may stand in its place.
        tried_ns, tried_box: Time and place of the last try to read it.
        told: How often a usable read was told of; told_flaw_ns: when an unusable one last was.
        attended_until_ns: Until then it is challenged: every frame counts.
        last: What was told last; reading: what was read last.
        course: How it moves. has_loitered: It was told that it is here for long.
    """

    settled: bool = False
    is_doubted: bool = False
    tried_ns: int = 0
    tried_box: Box = NOWHERE
    told_flaw_ns: int = 0
    told: int = 0
    attended_until_ns: int = 0
    last: Sighting | None = None
    reading: Reading | None = None
    course: Course = field(default_factory=Course)
    has_loitered: bool = False

    def wants_read(self, track: Track, now_ns: int) -> bool:
        """Whether reading the track now can still change something."""
        if now_ns < self.attended_until_ns:
            return True
        since_s = (now_ns - self.tried_ns) / NS_PER_S
        has_moved = track.box.iou(self.tried_box) < MOVED_IOU
        if self.settled:
            return has_moved and since_s >= RECHECK_S
        pause_s = read_pause_s((now_ns - track.first_ns) / NS_PER_S)
        if track.kind is Kind.FACE and self.told >= SOON_READS:
            # Two pictures of a face a moment apart are one picture.
            pause_s = max(pause_s, PACE_S)
        return has_moved or since_s >= pause_s

    def doubt(self) -> None:
        """Whoever stands in this place now may be somebody else: look at once."""
        self.tried_ns, self.tried_box, self.is_doubted = 0, NOWHERE, True

    def may_tell_flaw(self, now_ns: int) -> bool:
        """Whether a read that cannot be used is worth a word."""
        is_due = now_ns - self.told_flaw_ns >= FLAW_S * NS_PER_S
        return not self.settled and (is_due or now_ns < self.attended_until_ns)


def read_pause_s(age_s: float) -> float:
    """Seconds between two reads of a track that is not settled, by its age in seconds.

    >>> [read_pause_s(age) for age in (0, 2.9, 5, 30, 120)]
    [0.0, 0.0, 0.25, 2.0, 10.0]
    """
    for until_s, pause_s in ((3.0, 0.0), (10.0, 0.25), (60.0, 2.0)):
        if age_s < until_s:
            return pause_s
    return LONGEST_PAUSE_S

"""When to look, what to read, what to say: one frame in, sightings out.

Every frame passes the motion gate. A network is asked only while something moves or has just moved, while a
track still needs a read, when a lane's loop or beam says so, and now and then in case all of that missed
something. A track is read while reading can still change the decision, less often the older it gets: the cap
is on time, not on the number of tries, and a car that stops in the shade is read again when it rolls on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivers.camera import Frame
from edge.clock import NS_PER_S
from edge.records import Box, Kind, Sighting
from edge.settings import CameraSettings
from edge.vision.codes import CodeReader
from edge.vision.crops import cut
from edge.vision.messages import MOST_CROP
from edge.vision.motion import MotionGate
from edge.vision.senses import FaceSense, Finding, Reading, Sense
from edge.vision.timing import Timer
from edge.vision.tracking import Seen, Track, Tracker

log = logging.getLogger(__name__)

# After the last movement the networks look on for this long: who stops in front of the camera is found.
LINGER_S = 1.0
# While every track is settled, movement (the car that drives on, leaves in the wind) is looked at this often.
CARRY_S = 0.2
# A track whose box overlaps the one of its last try by less than this has moved: worth a read.
MOVED_IOU = 0.6
# A settled track that moves is read this seldom, only to notice when somebody else has taken its place.
RECHECK_S = 1.0
# A face is read in every frame until there are so many reads of it, then at least this apart: a sixth read
# says what the fifth has said, unless the face has turned.
SOON_READS, PACE_S = 4, 0.2
# Even when nothing moves: a net under the motion gate.
ROUND_S = 10.0
# A flawed track is told of this often, so that others know that somebody is there.
FLAW_S = 0.5
MARGINS = {Kind.FACE: 0.4, Kind.PLATE: 0.3}


def read_pause_s(age_s: float) -> float:
    """Seconds between two reads of a track that is not settled, by its age in seconds.

    >>> [read_pause_s(age) for age in (0, 2.9, 5, 30, 120)]
    [0.0, 0.0, 0.25, 2.0, 10.0]
    """
    for until_s, pause_s in ((3.0, 0.0), (10.0, 0.25), (60.0, 2.0)):
        if age_s < until_s:
            return pause_s
    return ROUND_S


_NOWHERE = Box(0, 0, 0, 0)


@dataclass(slots=True)
class _Story:
    """What the loop knows of a track besides where it is."""

    settled: bool = False
    is_doubted: bool = False
    tried_ns: int = 0
    tried_box: Box = _NOWHERE
    told_flaw_ns: int = 0
    told: int = 0
    attended_until_ns: int = 0
    last: Sighting | None = None
    reading: Reading | None = None


class Lookout:
    """The loop of one camera. One thread.

    Args:
        camera: Name.
        session: Id of this run.
        settings: The camera's section.
        senses: What to look with, one per kind.
        say: Takes each sighting.
        clock_ns: CLOCK_BOOTTIME in nanoseconds.
        codes: Reads QR codes, on a camera that looks for them.

    Attributes:
        looked, searched, reads: Counts of frames through the gate, of searches, and of things read.
    """

    def __init__(
        self,
        camera: str,
        session: str,
        settings: CameraSettings,
        senses: Sequence[Sense],
        say: Callable[[Sighting], None],
        clock_ns: Callable[[], int],
        codes: CodeReader | None = None,
    ) -> None:
        self._camera = camera
        self._session = session
        self._settings = settings
        self._senses = senses
        self._say = say
        self._clock_ns = clock_ns
        self._codes = codes
        self._codes_told = 0
        self._corner = (0, 0)
        self._gate = MotionGate()
        self._tracker = Tracker()
        self._stories: dict[int, _Story] = {}
        self._searched_ns: dict[Kind, int] = {}
        self._moving_until_ns = 0
        self._woken_until_ns = 0
        self.timer = Timer()
        self.looked = self.searched = self.reads = 0

    @property
    def tracks(self) -> int:
        """How many tracks are followed now."""
        return len(self._stories)

    def wake(self, for_s: float) -> None:
        """Look for that long, whether anything moves or not."""
        self._woken_until_ns = self._clock_ns() + round(for_s * NS_PER_S)

    def settle(self, track_id: int) -> None:
        """Read that track no more. One that has left is forgotten already."""
        if story := self._stories.get(track_id):
            story.settled = True

    def attend(self, track_id: int, for_s: float) -> None:
        """Read that track in every frame for a while, and tell of flawed reads as well: it is challenged."""
        if story := self._stories.get(track_id):
            story.attended_until_ns = self._clock_ns() + round(for_s * NS_PER_S)

    def configure(self, settings: CameraSettings) -> None:
        """Take new settings from the next frame on."""
        if settings.region != self._settings.region:
            self._gate = MotionGate()
        self._settings = settings
        for sense in self._senses:
            face = sense.kind is Kind.FACE
            sense.configure(settings.min_face_px if face else settings.min_plate_px)
            if isinstance(sense, FaceSense):
                sense.with_cues = bool(settings.liveness_cues)

    def step(self, frame: Frame) -> None:
        """Look at one frame."""
        started_ns = self._clock_ns()
        image, left, top = _region(frame.image, self._settings.region)
        self._corner = (left, top)
        motion, _ = self.timer.measure("motion", lambda: self._gate.look(image, frame.taken_ns))
        self.looked += 1
        if motion.moved:
            self._moving_until_ns = frame.taken_ns + round(LINGER_S * NS_PER_S)
        if motion.jumped:
            self._doubt_all()
        waited_ms = max(0.0, (started_ns - frame.taken_ns) / 1e6)
        self.timer.add("capture_to_start", waited_ms)
        for sense in self._senses:
            if self._is_due(sense.kind, frame.taken_ns):
                self._search(sense, frame, image, (left, top), {"capture_to_start": waited_ms})
        if motion.jumped:
            self._end_doubted()
        if self._codes is not None and self._is_lively(frame.taken_ns):
            self._look_for_code(self._codes, frame, image)
        for track in self._tracker.end_lost(frame.taken_ns):
            self._tell_end(track)

    def _is_lively(self, now_ns: int) -> bool:
        """Whether anything moves, has just moved, or was said to come."""
        return now_ns < max(self._moving_until_ns, self._woken_until_ns)

    def _look_for_code(self, codes: CodeReader, frame: Frame, image: NDArray[np.uint8]) -> None:
        """A code needs no second read and no track: whoever judges it knows the same one again."""
        looks = codes.looks
        code = codes.look(image, frame.taken_ns)
        if codes.looks != looks:
            self.timer.add("code", codes.took_ms)
        if code is None:
            return
        self.reads += 1
        self._codes_told += 1
        self._say(
            Sighting(
                camera=self._camera,
                session=self._session,
                track_id=self._codes_told,
                kind=Kind.QR,
                seq=frame.seq,
                taken_ns=frame.taken_ns,
                sent_ns=self._clock_ns(),
                box=_moved(code.box, self._corner),
                quality=1.0,
                stages_ms={"code": codes.took_ms},
                text=code.text,
            )
        )

    def leave(self) -> None:
        """End all tracks: the camera shows nothing any more."""
        for track in self._tracker.end_all():
            self._tell_end(track)

    def _doubt_all(self) -> None:
        """Whoever stands in a face's place now may be somebody else: look at once, whatever is settled.

        Faces only: a plate shows by its text that it is another one, and a lorry that fills the picture makes
        it jump with every frame.
        """
        for track in self._tracker.tracks(Kind.FACE):
            story = self._stories[track.id]
            story.tried_ns, story.tried_box, story.is_doubted = 0, _NOWHERE, True

    def _end_doubted(self) -> None:
        """Those that were not found again must not lend their names to whoever comes to their place."""
        for track in self._tracker.tracks(Kind.FACE):
            if self._stories[track.id].is_doubted and (
                track.misses or self._stories[track.id].reading is None
            ):
                self._tracker.end(track)
                self._tell_end(track)

    def _is_due(self, kind: Kind, now_ns: int) -> bool:
        since_s = (now_ns - self._searched_ns.get(kind, -(10**18))) / NS_PER_S
        if since_s >= ROUND_S or now_ns < self._woken_until_ns:
            return True
        tracks = self._tracker.tracks(kind)
        if any(track.misses or self._wants_read(track, now_ns) for track in tracks):
            return True
        return now_ns < self._moving_until_ns and (not tracks or since_s >= CARRY_S)

    def _wants_read(self, track: Track, now_ns: int) -> bool:
        story = self._stories[track.id]
        if now_ns < story.attended_until_ns:
            return True
        since_s = (now_ns - story.tried_ns) / NS_PER_S
        has_moved = track.box.iou(story.tried_box) < MOVED_IOU
        if story.settled:
            return has_moved and since_s >= RECHECK_S
        pause_s = read_pause_s((now_ns - track.first_ns) / NS_PER_S)
        if track.kind is Kind.FACE and story.told >= SOON_READS:
            # Two pictures of a face a moment apart are one picture.
            pause_s = max(pause_s, PACE_S)
        return has_moved or since_s >= pause_s

    def _search(
        self,
        sense: Sense,
        frame: Frame,
        image: NDArray[np.uint8],
        corner: tuple[int, int],
        stages_ms: dict[str, float],
    ) -> None:
        findings, stages_ms["detect"] = self.timer.measure("detect", lambda: sense.find(image))
        stages_ms |= sense.found_ms
        self.searched += 1
        self._searched_ns[sense.kind] = frame.taken_ns
        seen = [Seen(_moved(finding.box, corner), finding.text) for finding in findings]
        tracks = self._tracker.update(sense.kind, seen, frame.taken_ns)
        for track in tracks:
            self._stories.setdefault(track.id, _Story())
        wanted = [
            (track, replace(finding, reads=self._stories[track.id].told))
            for track, finding in zip(tracks, findings, strict=True)
            if self._wants_read(track, frame.taken_ns)
        ]
        if wanted:
            self._read(sense, frame, image, wanted, stages_ms)

    def _read(
        self,
        sense: Sense,
        frame: Frame,
        image: NDArray[np.uint8],
        wanted: list[tuple[Track, Finding]],
        stages_ms: dict[str, float],
    ) -> None:
        readings, took_ms = self.timer.measure(
            sense.reads_as, lambda: sense.read(image, [finding for _, finding in wanted])
        )
        stages_ms = {**stages_ms, sense.reads_as: stages_ms.get(sense.reads_as, 0.0) + took_ms}
        for (track, _), reading in zip(wanted, readings, strict=True):
            story = self._stories[track.id]
            story.tried_ns, story.tried_box = frame.taken_ns, track.box
            self.reads += not reading.flaw
            # Without two reads to compare nobody can say that it is still the same face.
            is_blind = bool(reading.flaw) or story.reading is None
            is_other = story.is_doubted if is_blind else self._is_other(sense, story, reading)
            story.is_doubted = False
            if is_other:
                log.info("track %d of %s shows another %s now", track.id, self._camera, sense.kind)
                self._tell_end(track)
                track = self._tracker.split(track)
                self._stories[track.id] = _Story(tried_ns=frame.taken_ns, tried_box=track.box)
            if reading.flaw:
                self._tell_flaw(track, frame, reading, stages_ms)
            elif is_other or not story.settled:
                self._tell(track, frame, reading, stages_ms)

    def _is_other(self, sense: Sense, story: _Story, reading: Reading) -> bool:
        return story.reading is not None and sense.is_other(story.reading, reading)

    def _tell(self, track: Track, frame: Frame, reading: Reading, stages_ms: Mapping[str, float]) -> None:
        story = self._stories[track.id]
        story.reading = reading
        story.told += 1
        crop = cut(frame.image, track.box, MARGINS[track.kind])
        story.last = replace(
            self._sighting(track, frame, reading, stages_ms),
            crop_jpeg=crop if len(crop) <= MOST_CROP else b"",
        )
        self._say(story.last)

    def _tell_flaw(
        self, track: Track, frame: Frame, reading: Reading, stages_ms: Mapping[str, float]
    ) -> None:
        story = self._stories[track.id]
        is_due = frame.taken_ns - story.told_flaw_ns >= FLAW_S * NS_PER_S
        if not story.settled and (is_due or frame.taken_ns < story.attended_until_ns):
            story.told_flaw_ns = frame.taken_ns
            sighting = self._sighting(track, frame, reading, stages_ms)
            story.last = story.last or sighting
            self._say(sighting)

    def _tell_end(self, track: Track) -> None:
        story = self._stories.pop(track.id)
        if story.last is not None:
            self._say(replace(story.last, ended=True, sent_ns=self._clock_ns()))

    def _sighting(
        self, track: Track, frame: Frame, reading: Reading, stages_ms: Mapping[str, float]
    ) -> Sighting:
        return Sighting(
            camera=self._camera,
            session=self._session,
            track_id=track.id,
            kind=track.kind,
            seq=frame.seq,
            taken_ns=frame.taken_ns,
            sent_ns=self._clock_ns(),
            box=track.box,
            quality=reading.quality,
            lattice=reading.lattice,
            template=reading.template,
            template_set=reading.template_set,
            stages_ms=dict(stages_ms),
            flaw=reading.flaw,
            points=tuple(value + self._corner[i % 2] for i, value in enumerate(reading.points)),
            cues=dict(reading.cues),
        )


def _region(
    image: NDArray[np.uint8], region: tuple[float, float, float, float]
) -> tuple[NDArray[np.uint8], int, int]:
    """The part of the picture to look at (a view), and its corner in pixels."""
    height, width = image.shape[:2]
    left, top = int(region[0] * width), int(region[1] * height)
    right, bottom = max(left + 1, round(region[2] * width)), max(top + 1, round(region[3] * height))
    return image[top:bottom, left:right], left, top


def _moved(box: Box, corner: tuple[int, int]) -> Box:
    x, y = corner
    return Box(box.left + x, box.top + y, box.right + x, box.bottom + y)

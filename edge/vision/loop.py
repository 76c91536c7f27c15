"""When to look, what to read, what to say: one frame in, sightings out.

Every frame passes the motion gate. A network is asked only while something moves or has just moved, while a
track still needs a read, when a lane's loop or beam says so, and now and then in case all of that missed
something. It is shown where something moves or a track is expected, and all of the picture when a track was
missed, when an input says so, and now and then. A track is read while reading can still change the decision,
less often the older it gets: the cap is on time, not on the number of tries, and a car that stops in the
shade is read again when it rolls on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivers.camera import Frame
from edge.clock import NS_PER_S
from edge.records import Box, Kind, Sighting
from edge.settings import CameraSettings
from edge.vision.areas import Patch, Zones
from edge.vision.codes import CodeReader
from edge.vision.messages import Passed
from edge.vision.motion import MotionGate
from edge.vision.search import Search, was_searched
from edge.vision.senses import FaceSense, Finding, Reading, Sense
from edge.vision.story import Story
from edge.vision.telling import Teller, exit_of, in_view_ms, moved, passed
from edge.vision.timing import Timer
from edge.vision.tracking import Seen, Track, Tracker

log = logging.getLogger(__name__)

# After the last movement the networks look on for this long: who stops in front of the camera is found.
LINGER_S = 1.0
# While every track is settled, movement (the car that drives on, leaves in the wind) is looked at this often.
CARRY_S = 0.2
# Even when nothing moves, and everywhere: a net under the motion gate.
ROUND_S = 10.0
# From this share of a face's place on that differs from the frame before, it may be another face.
REPLACED_SHARE = 0.65


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

        note: Told who crossed the line, and who is in view for long.

    Attributes:
        looked, reads: Counts of frames through the gate, and of things read.
        counts: Tracks that began ("tracks") and were read ("read"), and crossings of the line ("in", "out").
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
        note: Callable[[Passed], None] = lambda _passed: None,
    ) -> None:
        self._camera = camera
        self._teller = Teller(camera, session)
        self._settings = settings
        self._searches = [Search(sense) for sense in senses]
        self._say = say
        self._clock_ns = clock_ns
        self._codes = codes
        self._codes_told = 0
        self._corner = (0, 0)
        self._size = (0, 0)
        self._note = note
        self._zones = Zones(settings.watch, settings.ignore)
        self._gate = self._new_gate()
        self._tracker = Tracker()
        self._stories: dict[int, Story] = {}
        self._moving_until_ns = 0
        self._woken_until_ns = 0
        self.timer = Timer()
        self.looked = self.reads = 0
        self.counts = {"tracks": 0, "read": 0, "in": 0, "out": 0}

    @property
    def searched(self) -> int:
        """How many pictures were searched by a network, once for each kind."""
        return sum(search.searches for search in self._searches)

    @property
    def searched_pixels(self) -> int:
        """How many pixels the networks were shown."""
        return sum(search.pixels for search in self._searches)

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
        before, self._settings = self._settings, settings
        if (settings.region, settings.watch, settings.ignore) != (before.region, before.watch, before.ignore):
            self._zones = Zones(settings.watch, settings.ignore)
            self._gate = self._new_gate()
        for sense in (search.sense for search in self._searches):
            face = sense.kind is Kind.FACE
            sense.configure(settings.min_face_px if face else settings.min_plate_px)
            if isinstance(sense, FaceSense):
                sense.with_cues = bool(settings.liveness_cues)

    def step(self, frame: Frame) -> None:
        """Look at one frame."""
        started_ns = self._clock_ns()
        image, left, top = _region(frame.image, self._settings.region)
        self._corner, self._size = (left, top), (frame.image.shape[1], frame.image.shape[0])
        motion, _ = self.timer.measure("motion", lambda: self._gate.look(image, frame.taken_ns))
        self.looked += 1
        if motion.moved:
            self._moving_until_ns = frame.taken_ns + round(LINGER_S * NS_PER_S)
        self._doubt(motion.jumped, frame.taken_ns)
        waited_ms = max(0.0, (started_ns - frame.taken_ns) / 1e6)
        self.timer.add("capture_to_start", waited_ms)
        for search in self._searches:
            if self._is_due(search, frame.taken_ns):
                self._search(search, frame, image, motion.jumped, {"capture_to_start": waited_ms})
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
            self._teller.code(code, self._codes_told, frame, self._corner, codes.took_ms, self._clock_ns())
        )

    def leave(self) -> None:
        """End all tracks: the camera shows nothing any more."""
        for track in self._tracker.end_all():
            self._tell_end(track)

    def _doubt(self, has_jumped: bool, now_ns: int) -> None:
        """Whoever stands in a face's place now may be somebody else: look at once, whatever is settled.

        That is so when the whole picture has jumped, or when nearly all of the face's own place has changed
        from one frame to the next: a face that moves or turns takes longer.

        Faces only: a plate shows by its text that it is another one, and a lorry that fills the picture makes
        it jump with every frame.
        """
        back = (-self._corner[0], -self._corner[1])
        for track in self._tracker.tracks(Kind.FACE):
            place = moved(track.expected(now_ns), back)
            if has_jumped or self._gate.replaced(place) >= REPLACED_SHARE:
                self._stories[track.id].doubt()

    def _end_doubted(self) -> None:
        """Those that were not found again must not lend their names to whoever comes to their place."""
        for track in self._tracker.tracks(Kind.FACE):
            if self._stories[track.id].is_doubted and (
                track.misses or self._stories[track.id].reading is None
            ):
                self._tracker.end(track)
                self._tell_end(track)

    def _is_due(self, search: Search, now_ns: int) -> bool:
        if self._must_see_all(search, now_ns):
            return True
        tracks = self._tracker.tracks(search.sense.kind)
        if any(track.misses or self._stories[track.id].wants_read(track, now_ns) for track in tracks):
            return True
        since_s = (now_ns - search.searched_ns) / NS_PER_S
        return now_ns < self._moving_until_ns and (not tracks or since_s >= CARRY_S)

    def _must_see_all(self, search: Search, now_ns: int) -> bool:
        """Whether it is time for the round, or an input says that somebody is there."""
        return now_ns - search.whole_ns >= ROUND_S * NS_PER_S or now_ns < self._woken_until_ns

    def _where(self, search: Search, width: int, height: int, now_ns: int) -> tuple[Patch, ...]:
        """The parts of the region to search: where it moved lately, and where tracks are expected."""
        tracks = self._tracker.tracks(search.sense.kind)
        # A look that is due anyway is the round as well, if that is due soon.
        is_round_near = now_ns - search.whole_ns >= ROUND_S * NS_PER_S / 2
        if is_round_near or now_ns < self._woken_until_ns or any(track.misses == 1 for track in tracks):
            return ((0, 0, width, height),)
        since_ns = min(now_ns - round(LINGER_S * NS_PER_S), search.searched_ns)
        back = (-self._corner[0], -self._corner[1])
        wanted: list[Box] = []
        others: list[Box] = []
        for track in tracks:
            story = self._stories[track.id]
            chosen = wanted if story.wants_read(track, now_ns) or not story.settled else others
            chosen.append(moved(track.expected(now_ns), back))
        return search.where(width, height, self._gate.moved_since(since_ns), wanted, others)

    def _search(
        self,
        search: Search,
        frame: Frame,
        image: NDArray[np.uint8],
        has_jumped: bool,
        stages_ms: dict[str, float],
    ) -> None:
        sense, now_ns = search.sense, frame.taken_ns
        height, width = image.shape[:2]
        parts = ((0, 0, width, height),) if has_jumped else self._where(search, width, height, now_ns)
        (found, parts), stages_ms["detect"] = self.timer.measure(
            "detect", lambda: search.find(image, parts, now_ns)
        )
        stages_ms |= search.found_ms
        findings = [finding for finding in found if self._counts(finding.box)]
        seen = [Seen(moved(finding.box, self._corner), finding.text) for finding in findings]
        back = (-self._corner[0], -self._corner[1])
        tracks = self._tracker.update(
            sense.kind, seen, now_ns, lambda box: was_searched(moved(box, back), parts, width, height)
        )
        for track in tracks:
            if track.id not in self._stories:
                self._stories[track.id] = Story()
                self.counts["tracks"] += 1
            self._follow(track, now_ns)
        wanted = [
            (track, replace(finding, reads=self._stories[track.id].told))
            for track, finding in zip(tracks, findings, strict=True)
            if self._stories[track.id].wants_read(track, now_ns)
        ]
        if wanted:
            self._read(sense, frame, image, wanted, stages_ms)

    def _counts(self, box: Box) -> bool:
        """Whether what was found lies where things count; by its middle."""
        if self._zones.is_everywhere:
            return True
        x, y = (box.left + box.right) / 2 + self._corner[0], (box.top + box.bottom) / 2 + self._corner[1]
        return self._zones.count(x / self._size[0], y / self._size[1])

    def _follow(self, track: Track, now_ns: int) -> None:
        """See where a track goes, and whether it stays."""
        story, settings = self._stories[track.id], self._settings
        way = story.course.follow(track.box, *self._size, settings.line)
        if way:
            self.counts[way] += 1
            self._note(passed(track, story.course, way, now_ns))
        in_view_ns = track.last_ns - track.first_ns
        if not story.has_loitered and 0 < settings.loiter_s * NS_PER_S <= in_view_ns:
            story.has_loitered = True
            self._note(passed(track, story.course, "loiters", now_ns))

    def _new_gate(self) -> MotionGate:
        zones, region = self._zones, self._settings.region
        return MotionGate(mask_of=lambda columns, rows: zones.mask(columns, rows, region))

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
                self._stories[track.id] = Story(tried_ns=frame.taken_ns, tried_box=track.box)
                self.counts["tracks"] += 1
            if reading.flaw:
                self._tell_flaw(track, frame, reading, stages_ms)
            elif is_other or not story.settled:
                self._tell(track, frame, reading, stages_ms)

    def _is_other(self, sense: Sense, story: Story, reading: Reading) -> bool:
        return story.reading is not None and sense.is_other(story.reading, reading)

    def _tell(self, track: Track, frame: Frame, reading: Reading, stages_ms: Mapping[str, float]) -> None:
        story = self._stories[track.id]
        story.reading = reading
        story.told += 1
        self.counts["read"] += story.told == 1
        story.last = self._sighting(track, frame, reading, stages_ms)
        self._say(story.last)

    def _tell_flaw(
        self, track: Track, frame: Frame, reading: Reading, stages_ms: Mapping[str, float]
    ) -> None:
        story = self._stories[track.id]
        if story.may_tell_flaw(frame.taken_ns):
            story.told_flaw_ns = frame.taken_ns
            sighting = self._sighting(track, frame, reading, stages_ms)
            story.last = story.last or sighting
            self._say(sighting)

    def _tell_end(self, track: Track) -> None:
        story = self._stories.pop(track.id)
        if story.last is not None:
            self._say(
                replace(
                    story.last,
                    ended=True,
                    sent_ns=self._clock_ns(),
                    in_view_ms=in_view_ms(track),
                    went=exit_of(track, self._size),
                    crossed=story.course.crossed,
                )
            )

    def _sighting(
        self, track: Track, frame: Frame, reading: Reading, stages_ms: Mapping[str, float]
    ) -> Sighting:
        course = self._stories[track.id].course
        crops, now_ns = self._settings.crops, self._clock_ns()
        wanted = crops is None or track.kind.value in crops
        return self._teller.read(
            track, frame, reading, course, self._corner, stages_ms, now_ns, with_crop=wanted
        )


def _region(
    image: NDArray[np.uint8], region: tuple[float, float, float, float]
) -> tuple[NDArray[np.uint8], int, int]:
    """The part of the picture to look at (a view), and its corner in pixels."""
    height, width = image.shape[:2]
    left, top = int(region[0] * width), int(region[1] * height)
    right, bottom = max(left + 1, round(region[2] * width)), max(top + 1, round(region[3] * height))
    return image[top:bottom, left:right], left, top

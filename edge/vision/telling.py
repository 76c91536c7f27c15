"""The words of the loop: what was seen, as sightings for the pipe. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.camera import Frame
from edge.records import Box, Kind, Sighting
from edge.vision.codes import Code
from edge.vision.crops import cut
from edge.vision.messages import MOST_CROP, Passed
from edge.vision.passing import Course, near_edge
from edge.vision.senses import Reading
from edge.vision.tracking import Track

MARGINS = {Kind.FACE: 0.4, Kind.PLATE: 0.3}
# Who left had so much longer to reach the edge of the picture.
EXIT_NS = 250_000_000


@dataclass(frozen=True, slots=True)
class Teller:
    """Who speaks: the camera's name and the id of the run."""

    camera: str
    session: str

    def read(
        self,
        track: Track,
        frame: Frame,
        reading: Reading,
        course: Course,
        corner: tuple[int, int],
        stages_ms: Mapping[str, float],
        sent_ns: int,
        *,
        with_crop: bool = True,
    ) -> Sighting:
        """One read of a track; with its picture, cut from the very frame, when it can be used.

        Args:
            track: What was read.
            frame: In which frame.
            reading: What it reads as, or its flaw.
            course: How it moves.
            corner: Of the region that was looked at, in pixels of the frame.
            stages_ms: How long it took.
            sent_ns: Now.
            with_crop: Whether anybody wants the picture.
        """
        is_wanted = with_crop and not reading.flaw
        crop = cut(frame.image, track.box, MARGINS[track.kind]) if is_wanted else b""
        return Sighting(
            camera=self.camera,
            session=self.session,
            track_id=track.id,
            kind=track.kind,
            seq=frame.seq,
            taken_ns=frame.taken_ns,
            sent_ns=sent_ns,
            box=track.box,
            quality=reading.quality,
            lattice=reading.lattice,
            template=reading.template,
            template_set=reading.template_set,
            crop_jpeg=crop if len(crop) <= MOST_CROP else b"",
            stages_ms=dict(stages_ms),
            flaw=reading.flaw,
            points=tuple(value + corner[i % 2] for i, value in enumerate(reading.points)),
            cues=dict(reading.cues),
            in_view_ms=in_view_ms(track),
            came=course.came,
            crossed=course.crossed,
        )

    def code(
        self, code: Code, number: int, frame: Frame, corner: tuple[int, int], took_ms: float, sent_ns: int
    ) -> Sighting:
        """One code that was read."""
        return Sighting(
            camera=self.camera,
            session=self.session,
            track_id=number,
            kind=Kind.QR,
            seq=frame.seq,
            taken_ns=frame.taken_ns,
            sent_ns=sent_ns,
            box=moved(code.box, corner),
            quality=1.0,
            stages_ms={"code": took_ms},
            text=code.text,
        )


def passed(track: Track, course: Course, what: str, now_ns: int) -> Passed:
    """What a track did besides being there."""
    return Passed(track.id, track.kind, what, now_ns, in_view_ms(track), course.came)


def exit_of(track: Track, size: tuple[int, int]) -> str:
    """The edge of the picture (width, height) that a track has left by."""
    return near_edge(track.expected(track.last_ns + EXIT_NS), *size)


def in_view_ms(track: Track) -> int:
    """How long a track has been in view."""
    return max(0, track.last_ns - track.first_ns) // 1_000_000


def moved(box: Box, corner: tuple[int, int]) -> Box:
    """A box in pixels of the region, in pixels of the frame."""
    x, y = corner
    return Box(box.left + x, box.top + y, box.right + x, box.bottom + y)

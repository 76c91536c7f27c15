"""A drawn film of cars at a gate, with its ground truth.

The demo plays it through the replay camera, the barrier's simulator takes loop and beam from it, and the
tests count visits with it. Every car approaches from far away, stops at the line, and either drives on under
the camera or reverses away. Everything follows from the arguments: the same arguments give the same film.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import PictureUnusable
from models.plate.grammar import PlateKind
from models.results import BgrImage
from models.training.car import LENGTH_M, Car, build_car, put_car
from models.training.plates import draw_plate, look_of
from models.training.scenery import Eye, draw_lane, gate_eye

START_Z_M = 24.0
STOP_Z_M = 3.8
"""Where the front bumper comes to rest; the line on the road is just before it."""
GONE_Z_M = -LENGTH_M + 0.6
LOOP_Z_M = (1.0, 3.0)
"""The presence loop lies across the lane between these two, behind the line and under the boom."""
BEAM_Z_M = 2.2
_GAP_M = 1.3
_CRUISE_M_S = 4.0
_BRAKE_M_S2 = 1.6
_START_M_S2 = 1.4
_PASS_M_S = 3.2
_BACK_M_S = 2.2
_STEPS_PER_S = 100
_TAIL_S = 2.0

COLOURS: tuple[tuple[int, int, int], ...] = (
    (206, 208, 208), (44, 42, 40), (118, 112, 108), (42, 40, 150), (128, 78, 40), (82, 104, 88), (150, 178,
    196),
)  # fmt: skip
"""Body colours (BGR) for visits that name none."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One car's visit as the caller wants it.

    Attributes:
        plate: Text of the plate, without dot.
        kind: Plate kind.
        arrive_s: When it comes into view, far away.
        stop_s: How long it stands at the line; 0 rolls through.
        leave: "pass" drives on, "back" reverses away.
        colour_bgr: Body colour; None lets the film choose.
    """

    plate: str
    kind: PlateKind | str = PlateKind.BLUE
    arrive_s: float = 1.0
    stop_s: float = 5.0
    leave: Literal["pass", "back"] = "pass"
    colour_bgr: tuple[int, int, int] | None = None


Span = tuple[float, float]
"""From and until, seconds of the film."""


@dataclass(frozen=True, slots=True)
class VisitTruth:
    """What one visit looks like in the film.

    Attributes:
        plate: Text of the plate.
        kind: Plate kind's value.
        leave: "pass" or "back".
        readable_from_frame: First frame whose plate is at least 24 pixels high and inside the picture; None
            if never.
        stops_s: When it stands still for the first time at the line; None if it rolls through.
        leaves_s: When it starts to move again.
        out_s: When nothing of it is in the picture any more.
        loop_s: When it stands on the presence loop, or None.
        beam_s: When it cuts the safety beam, or None.
    """

    plate: str
    kind: str
    leave: str
    readable_from_frame: int | None
    stops_s: float | None
    leaves_s: float
    out_s: float
    loop_s: Span | None
    beam_s: Span | None


@dataclass(frozen=True, slots=True)
class FilmTruth:
    """Ground truth of a film."""

    duration_s: float
    fps: float
    size_px: tuple[int, int]
    visits: tuple[VisitTruth, ...]

    def to_json(self) -> str:
        """One JSON object, for a file beside the film."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "FilmTruth":
        """Read `to_json`'s text back.

        Raises:
            ValueError: It is not such a text.
        """
        try:
            raw = json.loads(text)
            visits = tuple(
                VisitTruth(**{**v, "loop_s": _span(v["loop_s"]), "beam_s": _span(v["beam_s"])})
                for v in raw["visits"]
            )
            width, height = raw["size_px"]
            return cls(float(raw["duration_s"]), float(raw["fps"]), (int(width), int(height)), visits)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a film's ground truth: {error}") from error


def _span(raw: object) -> Span | None:
    if raw is None:
        return None
    if not isinstance(raw, list) or len(raw) != 2:
        raise ValueError(f"{raw!r} is not a span of two seconds")
    return float(raw[0]), float(raw[1])


@dataclass(slots=True)
class _Drive:
    """One car on its way, integrated in small steps.

    Attributes:
        phase: 0 coming, 1 standing, 2 leaving, 3 gone.
    """

    visit: Visit
    z_m: float = START_Z_M
    speed_m_s: float = _CRUISE_M_S
    phase: int = 0
    stops_s: float | None = None
    leaves_s: float = 0.0
    out_s: float = 0.0

    def step(self, now_s: float, dt_s: float, ahead: "_Drive | None") -> None:
        """Move on by one step; ``ahead`` is the car in front, if it is still there."""
        if now_s < self.visit.arrive_s or self.phase == 3:
            return
        if self.phase == 0:
            wall_m = STOP_Z_M if self.visit.stop_s > 0 or self.visit.leave == "back" else -math.inf
            if ahead is not None and ahead.phase < 3:
                wall_m = max(wall_m, ahead.z_m + LENGTH_M + _GAP_M)
            room_m = self.z_m - wall_m
            allowed = math.sqrt(2 * _BRAKE_M_S2 * max(0.0, room_m)) if math.isfinite(room_m) else _PASS_M_S
            faster = self.speed_m_s + _START_M_S2 * dt_s
            self.speed_m_s = min(faster, allowed, _CRUISE_M_S)
            self.z_m -= self.speed_m_s * dt_s
            if math.isfinite(wall_m) and wall_m == STOP_Z_M and self.z_m - STOP_Z_M < 0.02:
                self.phase, self.stops_s, self.speed_m_s = 1, now_s, 0.0
            elif self.z_m < STOP_Z_M - 0.3:
                self.phase, self.leaves_s = 2, now_s
        elif self.phase == 1:
            if now_s - (self.stops_s or 0.0) >= self.visit.stop_s:
                self.phase, self.leaves_s = 2, now_s
        else:
            top, sign = (_PASS_M_S, -1.0) if self.visit.leave == "pass" else (_BACK_M_S, 1.0)
            self.speed_m_s = min(top, self.speed_m_s + _START_M_S2 * dt_s)
            self.z_m += sign * self.speed_m_s * dt_s
            if self.z_m < GONE_Z_M or self.z_m > START_Z_M:
                self.phase, self.out_s = 3, now_s


def _drive_all(visits: Sequence[Visit], fps: float) -> tuple[list[_Drive], list[list[float | None]]]:
    """All positions per frame (None = not in the lane), until the last car is gone."""
    drives = [_Drive(visit) for visit in visits]
    frames: list[list[float | None]] = []
    dt_s = 1 / _STEPS_PER_S
    step = 0
    while any(drive.phase < 3 for drive in drives):
        now_s = step * dt_s
        for i, drive in enumerate(drives):
            drive.step(now_s, dt_s, drives[i - 1] if i else None)
        if now_s >= len(frames) / fps:
            frames.append([d.z_m if d.phase < 3 and now_s >= d.visit.arrive_s else None for d in drives])
        step += 1
        if step > 3600 * _STEPS_PER_S:
            raise ValueError("the film would be longer than an hour; check arrive_s and stop_s")
    tail: list[float | None] = [None] * len(drives)
    frames.extend([tail] * round(_TAIL_S * fps))
    return drives, frames


def _span_where(positions: list[float | None], low_m: float, high_m: float, fps: float) -> Span | None:
    """From the first to the last frame in which a car covers any of low_m..high_m."""
    hits = [i for i, z in enumerate(positions) if z is not None and z < high_m and z + LENGTH_M > low_m]
    return (hits[0] / fps, (hits[-1] + 1) / fps) if hits else None


class LaneFilm:
    """A film that is not drawn yet: `truth` is known at once, `frames` draws one picture after the other."""

    def __init__(
        self,
        visits: Sequence[Visit],
        *,
        fps: float = 25,
        size_px: tuple[int, int] = (1280, 720),
        seed: int = 0,
        night: bool = False,
    ) -> None:
        """Plan the film.

        Args:
            visits: In order of arrival.
            fps: Frames per second.
            size_px: Width and height of the picture.
            seed: Decides the lane, the cars' details and the noise.
            night: Dark, with headlights; the plate shines back.

        Raises:
            ValueError: Visits out of order, a plate that cannot be drawn, or one that follows a car that
                reverses.
        """
        for before, after in itertools.pairwise(visits):
            if after.arrive_s < before.arrive_s + 1.5:
                raise ValueError(f"{after.plate} must arrive at least 1.5 s after {before.plate}")
        self._night = night
        self._rng = np.random.default_rng(seed)
        self._eye = gate_eye(size_px)
        self._cars = [self._build(i, visit) for i, visit in enumerate(visits)]
        self._side_m = [float(self._rng.uniform(-0.15, 0.15)) for _ in visits]
        drives, self._positions = _drive_all(visits, fps)
        for i in range(1, len(drives)):
            if drives[i - 1].visit.leave == "back" and visits[i].arrive_s < drives[i - 1].out_s:
                raise ValueError(f"{visits[i].plate} comes while {visits[i - 1].plate} still reverses out")
        self.truth = FilmTruth(
            len(self._positions) / fps,
            fps,
            size_px,
            tuple(self._truth(i, d, fps) for i, d in enumerate(drives)),
        )

    def _build(self, number: int, visit: Visit) -> Car:
        look = look_of(visit.kind)
        plate = draw_plate(visit.plate, visit.kind, px_per_mm=0.8, weight=0)
        colour = visit.colour_bgr or COLOURS[(number + int(self._rng.integers(7))) % len(COLOURS)]
        return build_car(plate, look.layout.size_mm, colour, self._rng, lit=self._night)

    def _truth(self, number: int, drive: _Drive, fps: float) -> VisitTruth:
        positions = [row[number] for row in self._positions]
        readable = None
        for frame, z_m in enumerate(positions):
            if (
                z_m is not None
                and _plate_height_px(self._eye, self._cars[number], z_m, self._side_m[number]) >= 24
            ):
                readable = frame
                break
        visit = drive.visit
        return VisitTruth(
            visit.plate,
            str(visit.kind),
            visit.leave,
            readable,
            drive.stops_s,
            drive.leaves_s,
            drive.out_s,
            _span_where(positions, *LOOP_Z_M, fps),
            _span_where(positions, BEAM_Z_M - 0.02, BEAM_Z_M + 0.02, fps),
        )

    def plate_corners(self, frame: int) -> list[NDArray[np.float64] | None]:
        """Corners (4, 2) in pixels of each visit's plate in a frame; None while the car is away."""
        out: list[NDArray[np.float64] | None] = []
        for number, z_m in enumerate(self._positions[frame]):
            corners = None
            if z_m is not None:
                points = self._cars[number].plate_corners + np.array((self._side_m[number], 0.0, z_m))
                if self._eye.axes(points)[:, 2].min() > 0.5:
                    corners = self._eye.project(points)
            out.append(corners)
        return out

    def frames(self) -> Iterator[BgrImage]:
        """Draw all frames, (height, width, 3) uint8 BGR; each is the caller's own."""
        lane = draw_lane(self._eye, self._rng)
        width, height = self._eye.size_px
        if self._night:
            lane = np.clip(lane * np.array((0.20, 0.17, 0.16)), 0, 255).astype(np.uint8)
        sigma = 5.0 if self._night else 2.2
        # One large sheet of noise, cut at another place for every frame: drawing fresh noise would cost most.
        sheet = np.clip(self._rng.normal(128, sigma, (height + 64, width + 64, 3)), 0, 255).astype(np.uint8)
        light, plate_light = (0.22, 1.05) if self._night else (1.0, 0.96)
        for row in self._positions:
            picture = lane.copy()
            # Far cars first, so that near ones cover them.
            present = [(z_m, number) for number, z_m in enumerate(row) if z_m is not None]
            for z_m, number in sorted(present, reverse=True):
                side_m = self._side_m[number]
                put_car(
                    picture, self._cars[number], self._eye, z_m, side_m, light=light, plate_light=plate_light
                )
                if self._night:
                    _glow(picture, self._cars[number], self._eye, z_m, side_m)
            x, y = self._rng.integers(0, 64, 2)
            noise = sheet[y : y + height, x : x + width]
            yield np.asarray(cv2.addWeighted(picture, 1.0, noise, 1.0, -128.0), np.uint8)


def _plate_height_px(eye: Eye, car: Car, z_m: float, side_m: float) -> float:
    """Height of the plate, 0 unless it is wholly inside the picture."""
    points = car.plate_corners + np.array((side_m, 0.0, z_m))
    if eye.axes(points)[:, 2].min() <= 0.5:
        return 0.0
    corners = eye.project(points)
    width, height = eye.size_px
    if corners.min() < 0 or (corners >= (width, height)).any():
        return 0.0
    return float(np.linalg.norm(corners[3] - corners[0]))


def _glow(picture: BgrImage, car: Car, eye: Eye, z_m: float, side_m: float) -> None:
    """Add the bloom of both headlights, in place."""
    lamps = car.lamps + np.array((side_m, 0.0, z_m))
    if eye.axes(lamps)[:, 2].min() <= 0.5:
        return
    height, width = picture.shape[:2]
    radius = int(np.clip(0.55 * eye.focal_px / max(z_m, 1.0), 12, 170))
    span = np.arange(-radius, radius + 1, dtype=np.float32) / radius
    distance = np.hypot(*np.meshgrid(span, span))
    bloom = np.clip(1 - distance, 0, 1) ** 2 * 150 + np.clip(1 - distance * 5, 0, 1) * 200
    bloom = np.repeat(np.clip(bloom, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    for x, y in np.round(eye.project(lamps)).astype(int):
        left, top, right, bottom = (
            max(0, x - radius),
            max(0, y - radius),
            min(width, x + radius + 1),
            min(height, y + radius + 1),
        )
        if right > left and bottom > top:
            area = picture[top:bottom, left:right]
            part = bloom[top - y + radius : bottom - y + radius, left - x + radius : right - x + radius]
            area[:] = cv2.add(area, part)


def draw_lane_film(
    path: Path,
    visits: Sequence[Visit],
    *,
    fps: float = 25,
    size_px: tuple[int, int] = (1280, 720),
    seed: int = 0,
    night: bool = False,
) -> FilmTruth:
    """Draw a film to a file.

    Args:
        path: ``.mp4`` (MPEG-4 part 2) or ``.avi`` (Motion JPEG); both are written and read by OpenCV's own
            FFmpeg.
        visits: In order of arrival; see `LaneFilm`.
        fps: Frames per second.
        size_px: Width and height.
        seed: The same arguments give the same film.
        night: Dark, with headlights.

    Returns:
        The ground truth.

    Raises:
        ValueError: The visits cannot be filmed, or the file's ending is unknown.
        PictureUnusable: The file cannot be written.
    """
    codes = {".mp4": "mp4v", ".avi": "MJPG"}
    if path.suffix not in codes:
        raise ValueError(f"{path.name}: a film ends in {' or '.join(codes)}")
    film = LaneFilm(visits, fps=fps, size_px=size_px, seed=seed, night=night)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codes[path.suffix]), fps, size_px)
    if not writer.isOpened():
        raise PictureUnusable(path.name, "this film cannot be written; check that its folder exists")
    try:
        for frame in film.frames():
            writer.write(frame)
    finally:
        writer.release()
    return film.truth

"""Lanes and cameras of this box, which come and go with the configuration while all the others run on.

What did not change is not touched: a lane whose section is the same keeps its state and its open boom; a
camera is started anew only for what its process takes at its start (source, type, what it looks for). A lane
that goes lets go of its outputs, as when the daemon ends (SAFE-4); boards, displays and readers stand in the
file and stay.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.clock import NS_PER_S, Clock
from edge.crew import Crew, Current
from edge.deciding import Decider
from edge.errors import UsageError
from edge.health import Alarms
from edge.lanes import Ask, Boards, Hold, Lane, LaneJournal
from edge.records import Decision, EventDraft, JsonObject, Sighting, Stream, new_id
from edge.settings import AnyCamera, CameraSettings, Settings, VzenithCamera
from edge.vision import Eye
from edge.vision.facts import event_of
from edge.vision.pushed import PushedEye
from edge.vision.shelf import ReferenceShelf

log = logging.getLogger(__name__)

AnyEye = Eye | PushedEye
LET_GO_NS = 10 * NS_PER_S
LIVE_OPTIONS = frozenset(
    {"region", "min_face_px", "min_plate_px", "liveness_cues", "crops", "max_fps", "stall_s", "freeze_s"}
)
"""Options of a camera that its running process takes."""


@dataclass(frozen=True, slots=True)
class SiteParts:
    """What lanes and cameras are made with.

    Attributes:
        crew: Starts and ends them. boards: The owners of all boards, started.
        journal: Where lanes write. note: Takes an event that nobody waits for.
        is_killed: Whether the kill switch is thrown.
        shelf: Keeps what cameras usually show. cache_dir: Keeps converted networks.
    """

    crew: Crew
    boards: Boards
    journal: LaneJournal
    clock: Clock
    alarms: Alarms
    is_killed: Callable[[], bool]
    note: Callable[[EventDraft], None]
    shelf: ReferenceShelf
    cache_dir: Path


class Site:
    """The lanes and cameras that run, and what goes between them and the decider.

    Thread: ``fit`` in ``main`` before the uplink starts, then in the uplink; everything else from any.

    Attributes:
        decider: Takes what cameras see; set before the first camera starts.
    """

    def __init__(self, parts: SiteParts, settings: Settings, revision: int) -> None:
        """Start the lanes; cameras come with ``fit``, when somebody decides about what they see."""
        self._parts, self._settings = parts, settings
        self._crew, self._alarms = parts.crew, parts.alarms
        self._looking: dict[str, dict[str, str]] = {}
        self.decider: Decider | None = None
        self.lanes: Current[Lane] = Current()
        self.eyes: Current[AnyEye] = Current()
        self._start_lanes(settings, revision)

    def fit(self, settings: Settings, revision: int) -> None:
        """Make lanes and cameras those of a configuration.

        Raises:
            EdgeError: Something did not end or start; ``fit`` with the old settings brings them back.
        """
        before, self._settings = self._settings, settings
        self._end_eyes(before, settings)
        self._end_lanes(settings)
        self._parts.boards.rewire(settings)
        self._start_lanes(settings, revision)
        self._start_eyes(before, settings)

    def _end_eyes(self, before: Settings, settings: Settings) -> None:
        for name, eye in dict(self.eyes).items():
            if name in before.cameras and name in settings.cameras:
                old, new = before.cameras[name], settings.cameras[name]
                if _is_wanted(name, settings) and not _is_other(old, new):
                    continue
            log.info("camera %s ends", name)
            self._crew.end(eye)
            self.eyes.swap({n: other for n, other in self.eyes.items() if n != name})
            self._forget(name, ("camera.", "vision.", "faces."))

    def _end_lanes(self, settings: Settings) -> None:
        for name, lane in dict(self.lanes).items():
            if name in settings.lanes and settings.lanes[name].type == lane.status.kind:
                continue
            log.info("lane %s ends", name)
            self._crew.end(lane)
            self.lanes.swap({n: other for n, other in self.lanes.items() if n != name})
            self._forget(name, (f"{lane.status.kind}.", "lane."))

    def _start_lanes(self, settings: Settings, revision: int) -> None:
        for name in settings.lanes:
            if (lane := self.lanes.get(name)) is not None:
                lane.update(settings, revision)
                continue
            log.info("lane %s begins", name)
            lane = self._make_lane(name, settings, revision)
            self.lanes.swap({**self.lanes, name: lane})
            self._crew.start(lane)

    def _start_eyes(self, before: Settings, settings: Settings) -> None:
        for name, camera in settings.cameras.items():
            eye = self.eyes.get(name)
            if isinstance(eye, Eye) and not isinstance(camera, VzenithCamera):
                section = settings.as_run(camera, name)
                # To take even the same section costs an open camera its stream for a moment.
                if section != _as_run(name, before):
                    eye.configure(section)
            if eye is not None:
                continue
            if not _is_wanted(name, settings):
                log.warning("camera %s serves no lane and is not opened", name)
                continue
            fresh = self._make_eye(name, settings)
            self.eyes.swap({**self.eyes, name: fresh})
            self._crew.start(fresh)

    def _make_lane(self, name: str, settings: Settings, revision: int) -> Lane:
        parts = self._parts
        return Lane(
            name,
            settings,
            parts.boards,
            parts.journal,
            parts.clock,
            parts.alarms,
            on_wake=self._wake_cameras,
            config_rev=revision,
            is_killed=parts.is_killed,
        )

    def _make_eye(self, name: str, settings: Settings) -> AnyEye:
        parts, camera = self._parts, settings.cameras[name]
        if isinstance(camera, VzenithCamera):
            return PushedEye(name, camera, parts.clock, parts.alarms, self._pass_on, parts.note)
        return Eye(
            name,
            settings.as_run(camera, name),
            settings.models.on_board(len(os.sched_getaffinity(0)), _looking(settings)),
            parts.clock,
            parts.alarms,
            self._offer,
            cache_dir=parts.cache_dir,
            log_level=settings.device.log_level,
            on_passed=lambda *what: parts.note(event_of(*what)),
            shelf=parts.shelf,
        )

    def _forget(self, subject: str, prefixes: tuple[str, ...]) -> None:
        """Nobody is left who could clear these."""
        for alarm in self._alarms.standing():
            if alarm.subject == subject and alarm.name.startswith(prefixes):
                self._alarms.clear(alarm.name, subject)

    # --- what goes between them and the decider ---------------------------------------------------------

    def _offer(self, sighting: Sighting) -> None:
        """Hand a sighting to the decider; whoever is seen may be let in soon, so their lanes get ready."""
        if not sighting.ended:
            for name in self._settings.lanes_of_camera(sighting.camera):
                if (lane := self.lanes.get(name)) is not None:
                    lane.expect()
        self._pass_on(sighting)

    def _pass_on(self, sighting: Sighting) -> None:
        if self.decider is not None:
            self.decider.offer(sighting)

    def submit(self, lane: str, decision: Decision) -> bool:
        """Hand a decision to a lane; False when it takes none, or was taken away a moment ago."""
        taker = self.lanes.get(lane)
        return taker is not None and taker.submit(decision)

    def settle(self, sighting: Sighting) -> None:
        """Reading this track cannot change anything any more."""
        if (eye := self.eyes.get(sighting.camera)) is not None:
            eye.settle(sighting.track_id, sighting.session)

    def attend(self, sighting: Sighting, for_s: float) -> None:
        """Read this track as often as possible for a while."""
        if isinstance(eye := self.eyes.get(sighting.camera), Eye):
            eye.attend(sighting.track_id, for_s, sighting.session)

    def blind(self) -> tuple[str, ...]:
        """Cameras that show nothing: before the first picture nobody knows whether they will."""
        eyes = {name: eye.stats for name, eye in self.eyes.items() if isinstance(eye, Eye)}
        return tuple(
            f"camera {name} shows no picture"
            for name, stats in eyes.items()
            if not (stats.is_seeing or stats.film_ended)
        )

    def has_fault(self, lane: str) -> bool:
        """Whether a lane's machine is in its fault state, or the lane is gone."""
        judged = self.lanes.get(lane)
        return judged is None or bool(judged.status.fault)

    def let_go(self) -> None:
        """The kill switch was thrown: what is held open from afar is let go, each lane by its own rules."""
        until_ns = self._parts.clock.boot_ns() + LET_GO_NS
        for lane in self.lanes.values():
            if {Hold.REMOTE.value, Hold.FLEET.value} & set(lane.status.holds):
                lane.command(Ask.RELEASE, new_id(), "kill switch", until_ns, lambda _result, _why: None)

    def relearn(self, camera: str) -> None:
        """Somebody has moved a camera on purpose.

        Raises:
            UsageError: There is no such camera. Unavailable: What was kept cannot be removed.
        """
        eye = self.eyes.get(camera)
        if not isinstance(eye, Eye):
            known = ", ".join(self.eyes)
            raise UsageError(f"no camera {camera!r} that gives pictures; there are: {known}")
        eye.relearn()
        self._parts.note(EventDraft(Stream.AUDIT, "camera.relearned", camera, {}))

    def sees(self) -> JsonObject:
        """Which networks look through each camera, as its process said last. Thread: the uplink's."""
        # A process that is being started again says nothing; the state need not change twice for that.
        self._looking |= {n: dict(eye.stats.models) for n, eye in self.eyes.items() if eye.stats.models}
        return {name: models for name, models in self._looking.items() if name in self.eyes}

    def networks(self, camera: str) -> Mapping[str, str]:
        """Which networks look through a camera, by what they look for; empty while it is not there."""
        eye = self.eyes.get(camera)
        return {} if eye is None else dict(eye.stats.models)

    def _wake_cameras(self, lane: str) -> None:
        section = self._settings.lanes.get(lane)
        for camera in section.cameras if section is not None else ():
            if (eye := self.eyes.get(camera)) is not None:
                eye.look()


def _looking(settings: Settings) -> int:
    """How many vision processes there are."""
    return sum(
        _is_wanted(name, settings) and not isinstance(camera, VzenithCamera)
        for name, camera in settings.cameras.items()
    )


def _is_wanted(camera: str, settings: Settings) -> bool:
    return bool(settings.lanes_of_camera(camera))


def _as_run(camera: str, settings: Settings) -> CameraSettings | None:
    """The section that a camera's process has; None when there was none."""
    section = settings.cameras.get(camera)
    if section is None or isinstance(section, VzenithCamera):
        return None
    return settings.as_run(section, camera)


def _is_other(old: AnyCamera, new: AnyCamera) -> bool:
    """Whether the running process cannot take the new section."""
    if type(old) is not type(new):
        return True
    fixed = set(type(old).model_fields) - LIVE_OPTIONS
    if isinstance(old, VzenithCamera):
        return old != new
    return old.model_dump(include=fixed) != new.model_dump(include=fixed)

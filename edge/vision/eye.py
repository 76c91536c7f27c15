"""The thread of one camera in the daemon: hears its vision process, names what is wrong, starts it again."""

import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, Unavailable
from edge.health import Alarms
from edge.records import Sighting
from edge.settings import CameraSettings, ModelSettings
from edge.vision.condition import Condition, Edge, rules_for
from edge.vision.messages import (
    Attend,
    Compare,
    Configure,
    Health,
    Learnt,
    Look,
    Order,
    Passed,
    Picture,
    Ready,
    Report,
    Settled,
    Show,
    Stats,
)
from edge.vision.process import VisionDied, VisionProcess
from edge.vision.sight import ENDED, FROZEN, LOST
from edge.worker import Worker

log = logging.getLogger(__name__)

DIED = "vision.died"
STALLED = "vision.stalled"
# Pauses before a new process. After it ran well for a while the first pause counts again.
BACK_OFF_S = (0.25, 1.0, 2.0, 4.0, 8.0)
RAN_WELL_S = 10.0
# The child speaks once a second; silent for this long it hangs (a slow board may read one plate for seconds).
SILENT_S = 10.0
# Silent and not running for a moment of this time it hangs for certain: said at once, ended later.
HANGS_S = 1.0
# Loading may include converting a network, which takes a minute on a small board.
LOADING_S = 180.0
_TURN_S = 0.25


class BackOff:
    """Pauses between two runs, longer each time, until one went well."""

    def __init__(self) -> None:
        self._failures = 0

    def after_run(self, ran_s: float) -> float:
        """Seconds to wait after a run of that length."""
        if ran_s > RAN_WELL_S:
            self._failures = 0
        pause_s = BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
        self._failures += 1
        return pause_s


@dataclass(frozen=True, slots=True)
class EyeStats:
    """How a camera does.

    Attributes:
        is_seeing: Frames come. session, pid: Of the running process; empty and 0 when there is none.
        runs: Processes started so far; sightings: handed over; stats: the child's last numbers.
        models: Which networks look, by kind.
        counts: As in ``Stats``, of all its processes together.
    """

    is_seeing: bool = False
    session: str = ""
    pid: int = 0
    runs: int = 0
    sightings: int = 0
    film_ended: bool = False
    stats: Stats = field(default_factory=Stats)
    models: tuple[tuple[str, str], ...] = ()
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames per second from the camera."""
        return self.stats.fps

    @property
    def dropped(self) -> int:
        """Frames that nobody looked at because a newer one was there."""
        return self.stats.dropped


class Shelf(Protocol):
    """Keeps what each camera usually shows (``edge.vision.shelf``)."""

    def put(self, camera: str, learnt: Learnt) -> None:
        """Keep it."""
        ...

    def get(self, camera: str) -> Compare | None:
        """What was kept, or None."""
        ...

    def forget(self, camera: str) -> None:
        """Throw it away."""
        ...


class Eye(Worker):
    """Owns one camera's vision process.

    Args:
        name: Of the camera.
        camera_settings: Its section.
        model_settings: Which networks.
        clock: Of the daemon.
        alarms: Told of ``camera.lost``, ``camera.frozen``, the conditions of its picture
            (``edge.vision.condition``), ``vision.died`` and ``vision.stalled``.
        on_sighting: Takes each sighting, in this thread; must be quick, and must not wait for this eye.
        cache_dir: Where converted networks are kept.
        silent_s: No word from the child for this long is ``vision.stalled``.
        log_level: Of the child.
        on_passed: Told, with camera and session, who crossed the line or stays for long; must be quick.
        shelf: Where its reference picture is kept; without one it is learnt in each process.

    Attributes:
        stats: The newest snapshot.

    Thread: itself (``eye-<camera>``). ``stats``, ``settle``, ``attend``, ``look``, ``configure``, ``relearn``
    from any.
    """

    def __init__(
        self,
        name: str,
        camera_settings: CameraSettings,
        model_settings: ModelSettings,
        clock: Clock,
        alarms: Alarms,
        on_sighting: Callable[[Sighting], None],
        *,
        cache_dir: Path | None = None,
        silent_s: float = SILENT_S,
        log_level: str = "info",
        shelf: Shelf | None = None,
        on_passed: Callable[[str, str, Passed], None] = lambda _camera, _session, _passed: None,
    ) -> None:
        super().__init__(f"eye-{name}", clock)
        self.camera = name
        self.stats = EyeStats()
        self._settings = camera_settings
        self._models = model_settings
        self._alarms = alarms
        self._on_sighting = on_sighting
        self._on_passed = on_passed
        self._cache_dir = cache_dir
        self._silent_s = silent_s
        self._log_level = log_level
        self._process: VisionProcess | None = None
        self._epoch_ns = 0
        self._heard_ns = 0
        self._pulse, self._ran_ns = ("", 0), 0
        self._back_off = BackOff()
        self._shelf = shelf
        self._condition = Condition(rules_for(camera_settings.condition_alarms))
        self._begins_anew = False
        self._counted: Mapping[str, float] = {}
        self._asked: deque[Future[bytes]] = deque()

    def settle(self, track_id: int, session: str = "") -> None:
        """Say that a track's evidence is settled. With its session, a process started since is not misled."""
        process = self._process
        if process is not None and session in ("", process.session):
            process.send(Settled(track_id))

    def attend(self, track_id: int, for_s: float, session: str) -> None:
        """Read a track as often as possible for a while; a process started since is not misled."""
        process = self._process
        if process is not None and session == process.session:
            process.send(Attend(track_id, round(for_s * 1000)))

    def look(self, for_s: float = 5.0) -> None:
        """Look now, whether anything moves or not: an input of the lane says that somebody is there."""
        self._send(Look(round(for_s * 1000)))

    def relearn(self) -> None:
        """Forget what the camera usually shows and learn it anew: it was moved on purpose.

        Raises:
            Unavailable: What was kept cannot be removed.
        """
        if self._shelf is not None:
            self._shelf.forget(self.camera)
        self._begins_anew = True
        self._send(Compare(b""))

    def picture(self) -> "Future[bytes]":
        """What the camera sees now, as a small JPEG; cancelled when its process ends first.

        Raises:
            Unavailable: No pictures come.
        """
        if not self.stats.is_seeing:
            raise Unavailable(f"camera {self.camera} gives no pictures now")
        future: Future[bytes] = Future()
        self._asked.append(future)
        self._send(Show())
        return future

    def configure(self, camera_settings: CameraSettings) -> None:
        """Take a new section of the configuration, in the running process too.

        What it looks for and the networks are taken by a new process, so they need a new ``Eye``.
        """
        was, self._settings = self._settings, camera_settings
        if camera_settings.condition_alarms != was.condition_alarms:
            self._begins_anew = True
        self._send(Configure(camera_settings.model_dump(mode="json")))

    def work(self) -> None:
        """Run one process after another until stopped."""
        try:
            while not self.stopping.is_set():
                began_ns = self.clock.boot_ns()
                self._run_once()
                self._rest(self._back_off.after_run((self.clock.boot_ns() - began_ns) / NS_PER_S))
        finally:
            self._end()

    def _run_once(self) -> None:
        """Watch one process from its start to its end."""
        try:
            self._start()
            while not self.stopping.is_set():
                self._turn()
        except VisionDied as death:
            if not self.stopping.is_set():
                self._alarms.set(DIED, self.camera, str(death))
        self._end()

    def _start(self) -> None:
        session = secrets.token_hex(8)
        self._process = process = VisionProcess(
            self.camera,
            self._settings,
            self._models,
            self.clock,
            session=session,
            cache_dir=self._cache_dir,
            epoch_ns=self._epoch_ns,
            log_level=self._log_level,
        )
        self._heard_ns = self.clock.boot_ns()
        self._counted = self.stats.counts
        self.stats = replace(
            self.stats, session=session, pid=process.pid, runs=self.stats.runs + 1, stats=Stats(), models=()
        )

    def _turn(self) -> None:
        process = self._process
        if process is None:
            return
        report = process.poll(_TURN_S)
        self.beat()
        now_ns = self.clock.boot_ns()
        if report is not None:
            self._heard_ns = now_ns
            if isinstance(report, Stats):
                self._alarms.clear(STALLED, self.camera)
            self._take(report)
            return
        if self.stats.models:
            self._feel(process, now_ns)
        limit_s = self._silent_s if self.stats.models else LOADING_S
        if now_ns - self._heard_ns > limit_s * NS_PER_S:
            detail = f"the vision process says nothing for {limit_s:g} s: it is started again"
            self._alarms.set(STALLED, self.camera, detail)
            raise VisionDied(f"{self.camera}: the vision process hung and was ended")

    def _feel(self, process: VisionProcess, now_ns: int) -> None:
        """Tell a process that hangs from one that has much to do, long before its time is over."""
        pulse = process.pulse
        if pulse != self._pulse or pulse[0] == "R":
            self._pulse, self._ran_ns = pulse, now_ns
        elif now_ns - max(self._ran_ns, self._heard_ns) > HANGS_S * NS_PER_S:
            self._alarms.set(STALLED, self.camera, f"the vision process does nothing for {HANGS_S:g} s")

    def _take(self, report: Report) -> None:
        if isinstance(report, Sighting):
            self.stats = replace(self.stats, sightings=self.stats.sightings + 1)
            self._on_sighting(report)
        elif isinstance(report, Stats):
            self.stats = replace(self.stats, stats=report, counts=_sum(self._counted, report.counts))
            self._judge(report)
        elif isinstance(report, Passed):
            self._on_passed(self.camera, self.stats.session, report)
        elif isinstance(report, Learnt):
            self._keep(report)
        elif isinstance(report, Picture):
            self._hand_out(report.jpeg)
        elif isinstance(report, Health):
            self._take_health(report)
        elif isinstance(report, Ready):
            self._epoch_ns = report.epoch_ns
            self.stats = replace(self.stats, models=tuple(report.models.items()))
            self._alarms.clear(DIED, self.camera)
            self._alarms.clear(STALLED, self.camera)
            kept = None if self._shelf is None else self._shelf.get(self.camera)
            if kept is not None:
                self._send(kept)

    def _judge(self, stats: Stats) -> None:
        """What is wrong with the picture becomes alarms."""
        if self._begins_anew:
            self._begins_anew = False
            self._tell(self._condition.forget())
            self._condition = Condition(rules_for(self._settings.condition_alarms))
        self._tell(self._condition.judge(stats.picture, self.clock.boot_ns()))

    def _tell(self, edges: list[Edge]) -> None:
        for edge in edges:
            if edge.standing:
                self._alarms.set(edge.name, self.camera, edge.detail)
            else:
                self._alarms.clear(edge.name, self.camera)

    def _keep(self, learnt: Learnt) -> None:
        log.info("%s: what it usually shows is learnt", self.camera)
        try:
            if self._shelf is not None:
                self._shelf.put(self.camera, learnt)
        except EdgeError as error:
            log.error("%s", error)

    def _take_health(self, health: Health) -> None:
        if health.name in (LOST, FROZEN):
            if health.standing:
                self._alarms.set(health.name, self.camera, health.detail)
            else:
                self._alarms.clear(health.name, self.camera)
            if health.name == LOST:
                self.stats = replace(self.stats, is_seeing=not health.standing)
        elif health.name == ENDED:
            log.info("%s: %s", self.camera, health.detail)
            self.stats = replace(self.stats, film_ended=health.standing)

    def _hand_out(self, jpeg: bytes) -> None:
        """One picture is for everybody who has asked by now."""
        while self._asked:
            future = self._asked.popleft()
            if future.set_running_or_notify_cancel():
                future.set_result(jpeg)

    def _send(self, order: Order) -> None:
        process = self._process
        if process is not None and not process.send(order):
            log.debug("%s: %s could not be told", self.camera, type(order).__name__)

    def _rest(self, pause_s: float) -> None:
        """Wait before the next process."""
        until_ns = self.clock.boot_ns() + round(pause_s * NS_PER_S)
        while not self.stopping.is_set() and self.clock.boot_ns() < until_ns:
            self.beat()
            self.stopping.wait(min(_TURN_S, pause_s))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
        while self._asked:
            self._asked.popleft().cancel()
        self.stats = replace(self.stats, is_seeing=False, pid=0, session="")


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> Mapping[str, float]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}

"""The composition root: every part is made here, started in order, and stopped in reverse.

    journal, sets -> boards -> guard -> lanes -> decide -> eyes -> uplink

Each stop is registered before the next start, so that a start that fails half-way leaves nothing behind.
"""

import logging
import signal
import threading
from contextlib import ExitStack
from importlib import metadata
from types import FrameType

from edge.access import LaneStanding
from edge.clock import Clock
from edge.commanding import forbids, handlers
from edge.deciding import Decider, FaceRules, Known, templates_mark
from edge.errors import EdgeError, Exit, SettingsError, Unavailable
from edge.health import Alarm, Alarms, ServiceNotifier, stalled
from edge.lanes import BoardGuard, Boards, Lane
from edge.records import Decision, EventDraft, JsonObject, Sighting, Stream
from edge.settings import Settings
from edge.simulation import with_simulated_boards
from edge.store import Journal, SetStore, open_vault
from edge.sync.desired import Desired
from edge.sync.keys import KeySet, load_public_keys
from edge.sync.uplink import Uplink
from edge.vision import Eye
from edge.worker import Worker
from models.face import Gallery

log = logging.getLogger(__name__)

TURN_S = 0.2
FACE_SET = "faces-dlib-resnet"
"""Set name of the templates of the default embedder, in whichever runtime it runs."""

JOURNAL_FILE = "events.db"
SETS_FILE = "sets.db"
KEY_FILE = "device.key"
CACHE_FOLDER = "cache"


class Daemon:
    """One box, whole.

    Thread: ``main``. ``stop`` may be called from any thread or a signal handler.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Take the configuration; nothing is opened before ``run``."""
        self._file_settings, self._clock = settings, clock
        self._stopping = threading.Event()
        self._notifier = ServiceNotifier()
        self.alarms = Alarms(clock)
        self._workers: dict[str, Worker] = {}
        self._lanes: dict[str, Lane] = {}
        self._eyes: dict[str, Eye] = {}
        # Building a large gallery and its rule takes seconds; both are kept while templates do not change.
        self._gallery: tuple[bytes, Gallery] | None = None
        self._rules = FaceRules()

    def stop(self) -> None:
        """Ask the daemon to end."""
        self._stopping.set()

    def run(self) -> int:
        """Start everything, watch over it, stop it; returns the exit code.

        Raises:
            EdgeError: It could not be started; nothing is left running.
        """
        with ExitStack() as stops:
            self._catch_signals(stops)
            self._start(stops)
            self._notifier.send("READY=1", f"STATUS={self._summary()}")
            log.info("ready: %s", self._summary())
            code = self._watch()
            self._notifier.send("STOPPING=1")
            log.info("stopping")
        return code

    # Starting

    def _catch_signals(self, stops: ExitStack) -> None:
        if threading.current_thread() is not threading.main_thread():
            return

        def on_signal(number: int, _frame: FrameType | None) -> None:
            log.info("told to stop by %s", signal.Signals(number).name)
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            stops.callback(signal.signal, number, signal.signal(number, on_signal))

    def _start(self, stops: ExitStack) -> None:
        base, clock = self._file_settings, self._clock
        state_dir = base.device.state_dir
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"device.state_dir {state_dir} cannot be made: {error.strerror}") from error

        base = with_simulated_boards(base, state_dir, stops)
        journal = Journal(
            state_dir / JOURNAL_FILE,
            clock,
            tenant=base.device.tenant,
            device=base.device.id,
            keep_acknowledged_days=base.store.keep_acknowledged_days,
            alarms=self.alarms,
        )
        self._journal = journal
        self._run_worker(stops, journal)
        self.alarms.listen(self._journal_alarm)

        self._sets = SetStore(state_dir / SETS_FILE, open_vault(state_dir / KEY_FILE), clock)
        stops.callback(self._sets.close)
        keys = self._load_keys(base)
        self._desired = Desired(journal, clock, keys, base, apply=self._apply, health=self._problems)
        self._settings = settings = self._desired.restore()

        known = self._load_known(settings)
        self._boards = Boards(settings, clock, self.alarms)
        for board in self._boards.values():
            self._run_worker(stops, board)
        self._run_worker(stops, BoardGuard(self._boards, clock, self.alarms))

        for name in settings.lanes:
            lane = Lane(name, settings, self._boards, journal, clock, self.alarms, on_wake=self._wake_cameras)
            self._lanes[name] = lane
            self._run_worker(stops, lane)

        self._decider = Decider(
            settings,
            known,
            clock,
            self.alarms,
            submit=self._submit,
            settle=self._settle,
            standing=self._standing,
            config_rev=self._desired.revision,
        )
        self._run_worker(stops, self._decider)

        for name, camera in settings.cameras.items():
            if not settings.lanes_of_camera(name):
                log.warning("camera %s serves no lane and is not opened", name)
                continue
            eye = Eye(
                name,
                camera,
                settings.models,
                clock,
                self.alarms,
                self._decider.offer,
                cache_dir=state_dir / CACHE_FOLDER,
                log_level=base.device.log_level,
            )
            self._eyes[name] = eye
            self._run_worker(stops, eye)

        if base.sync.enabled:
            uplink = Uplink(
                base,
                journal,
                clock,
                self.alarms,
                keys=keys,
                desired=self._desired,
                handlers=handlers(self._lanes, self._sets, clock),
                forbids=forbids(self._lanes),
                info=self._info,
            )
            self._run_worker(stops, uplink)
        version = metadata.version("gatehouse")
        journal.append(EventDraft(Stream.SYS, "daemon.started", base.device.id, {"version": version}))

    def _load_keys(self, settings: Settings) -> KeySet:
        """The platform's keys; without them nobody is obeyed, and the lanes work all the same."""
        path = settings.sync.platform_keys
        if path is None:
            return KeySet()
        try:
            return load_public_keys(path)
        except SettingsError as error:
            self.alarms.set("platform.keys_unreadable", "uplink", f"{error}; no command is obeyed")
            return KeySet()

    def _run_worker(self, stops: ExitStack, worker: Worker) -> None:
        self._workers[worker.name] = worker
        worker.on_failure = lambda _failed: self.stop()
        stops.callback(self._end_worker, worker)
        worker.start()

    def _end_worker(self, worker: Worker) -> None:
        try:
            worker.close()
        except EdgeError as error:
            # The others must still be stopped, and outputs made safe.
            log.error("%s", error)

    # Watching

    def _watch(self) -> int:
        """Until told to stop, or until a part has failed."""
        # A platform that cannot be reached, or a resolver that hangs, is no reason to restart working lanes.
        critical = {name: worker for name, worker in self._workers.items() if name != "uplink"}
        said: tuple[str, ...] = ()
        while not self._stopping.wait(TURN_S):
            stuck = stalled(critical)
            if stuck != said:
                log.error("no progress: %s", ", ".join(stuck) or "all go on again")
                said = stuck
            if not stuck and self._notifier.watchdog_s:
                # Not fed while anything is stuck: systemd ends and restarts us when it lasts (OPS-1).
                self._notifier.send("WATCHDOG=1")
            self._follow_the_sets()
        failed = [name for name, worker in self._workers.items() if worker.failure is not None]
        if failed:
            log.error("ended because of: %s", ", ".join(failed))
            return Exit.BUG
        return Exit.OK

    def _follow_the_sets(self) -> None:
        """Take over what anybody changed in roster or gallery; what cannot be read leaves the old one."""
        try:
            if self._sets.has_changed():
                self._decider.swap_known(self._load_known(self._settings))
            self.alarms.clear("roster.unreadable", "roster")
        except EdgeError as error:
            self.alarms.set("roster.unreadable", "roster", f"{error}; the last one that was read stays")

    def _load_known(self, settings: Settings) -> Known:
        snapshot = self._sets.snapshot()
        persons, templates = len(snapshot.roster.persons), len(snapshot.templates.get(FACE_SET, ()))
        log.info("roster %d: %d persons, %d face templates", snapshot.rev, persons, templates)
        draft = {"rev": snapshot.rev, "persons": persons, "templates": templates}
        self._journal.append(EventDraft(Stream.AUDIT, "roster.loaded", "roster", draft))
        mark = templates_mark(snapshot.templates.get(FACE_SET, ()))
        if self._gallery is None or self._gallery[0] != mark:
            self._gallery = (mark, snapshot.gallery(FACE_SET))
        gallery = self._gallery[1]
        return Known(snapshot.roster, gallery, self._rules.rule_for(gallery, settings.decision))

    def _problems(self) -> tuple[str, ...]:
        """What does not work now, for the trial of a configuration."""
        alarms = [f"{alarm.name} {alarm.subject}: {alarm.detail}" for alarm in self.alarms.standing()]
        return (*(f"{name} makes no progress" for name in stalled(self._workers)), *alarms)

    def _summary(self) -> str:
        return f"{len(self._lanes)} lanes, {len(self._eyes)} cameras, {len(self._boards)} boards"

    def _info(self) -> JsonObject:
        return {
            "version": metadata.version("gatehouse"),
            "lanes": {
                name: {"type": lane.type, "direction": lane.direction}
                for name, lane in self._settings.lanes.items()
            },
            "cameras": {name: list(eye.stats.models) for name, eye in self._eyes.items()},
            "boards": {name: board.status.detail for name, board in self._boards.items()},
            "clock": self._clock.state().value,
            "roster_rev": self._sets.rev(),
            "config_rev": self._desired.revision,
        }

    # Between the parts

    def _journal_alarm(self, alarm: Alarm, raised: bool) -> None:
        data = {"name": alarm.name, "detail": alarm.detail}
        kind = "alarm.raised" if raised else "alarm.cleared"
        try:
            self._journal.append(EventDraft(Stream.ALARM, kind, alarm.subject, data))
        except EdgeError as error:
            # The disk is what alarms are about here; the log has the alarm itself.
            log.error("alarm %s %s cannot be journaled: %s", alarm.name, alarm.subject, error)

    def _apply(self, settings: Settings, revision: int) -> None:
        """Make another configuration run, live; called in the uplink thread."""
        changed = [
            name
            for name in {*settings.lanes, *self._lanes}
            if name not in settings.lanes
            or name not in self._lanes
            or settings.lanes[name].type != self._settings.lanes[name].type
        ]
        if changed:
            names = ", ".join(sorted(changed))
            raise Unavailable(f"lanes {names}: added, removed or of another type; that is done in the file")
        blind = {c for lane in settings.lanes.values() for c in lane.cameras if c not in self._eyes}
        if blind:
            raise Unavailable(f"cameras {', '.join(sorted(blind))}: served no lane at start; needs a restart")
        self._boards.rewire(settings)
        for lane in self._lanes.values():
            lane.update(settings)
        self._decider.swap_settings(settings, revision)
        self._settings = settings
        self._decider.swap_known(self._load_known(settings))

    def _submit(self, lane: str, decision: Decision) -> bool:
        return self._lanes[lane].submit(decision)

    def _settle(self, sighting: Sighting) -> None:
        eye = self._eyes.get(sighting.camera)
        if eye is not None:
            eye.settle(sighting.track_id, sighting.session)

    def _standing(self, lane: str) -> LaneStanding:
        return LaneStanding(has_fault=bool(self._lanes[lane].status.fault))

    def _wake_cameras(self, lane: str) -> None:
        for camera in self._settings.lanes[lane].cameras:
            if (eye := self._eyes.get(camera)) is not None:
                eye.look()

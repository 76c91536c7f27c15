"""The composition root: every part is made here, started in order, and stopped in reverse.

    journal, sets -> boards -> guard -> lanes -> decide -> enrol -> eyes -> uplink

Each stop is registered before the next start, so that a start that fails half-way leaves nothing behind.
"""

import logging
import signal
import threading
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from types import FrameType

from edge.access import LaneStanding, Person
from edge.clock import Clock
from edge.commanding import forbids, handlers
from edge.deciding import Decider
from edge.enrolment import EnrolmentDesk, likeness_rule
from edge.errors import EdgeError, Exit, SettingsError, Unavailable
from edge.face_models import detector_choice, face_set, pair_distances
from edge.following import Follower
from edge.hatch import Hatch
from edge.health import Alarm, Alarms, ServiceNotifier, stalled
from edge.lanes import ABOUT_PEOPLE, BoardGuard, Boards, Lane, TellingJournal
from edge.overview import beside, overview, parts
from edge.prompting import Prompts
from edge.readers import Readers, outlets_of
from edge.records import Decision, EventDraft, JsonObject, Sighting, Stream
from edge.settings import Settings, VzenithCamera
from edge.signs import Signs
from edge.simulation import with_simulated_boards, with_simulated_displays
from edge.store import Journal, SetStore, open_vault
from edge.sync.desired import Desired
from edge.sync.keys import KeySet, load_public_keys
from edge.sync.uplink import Uplink
from edge.timekeeping import FlooredClock, Timekeeper
from edge.vision import Eye
from edge.vision.pushed import PushedEye
from edge.worker import Worker

log = logging.getLogger(__name__)

TURN_S = 0.2
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
        self._file_settings, self._clock = settings, FlooredClock(clock)
        self._stopping = threading.Event()
        self._notifier = ServiceNotifier()
        self.alarms = Alarms(clock)
        self.prompts = Prompts(clock)
        self._workers: dict[str, Worker] = {}
        self._lanes: dict[str, Lane] = {}
        self._eyes: dict[str, Eye | PushedEye] = {}
        self._looking: dict[str, dict[str, str]] = {}

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
        base = with_simulated_displays(base, state_dir, stops)
        journal = Journal(
            state_dir / JOURNAL_FILE,
            clock,
            tenant=base.device.tenant,
            device=base.device.id,
            keep_acknowledged_days=base.store.keep_acknowledged_days,
            limit_events=base.store.limit_events,
            reserve_mb=base.store.reserve_mb,
            alarms=self.alarms,
        )
        self._journal = journal
        self._run_worker(stops, journal)
        self.alarms.listen(self._journal_alarm)
        self._timekeeper = Timekeeper(clock, journal, self.alarms)

        self._sets = SetStore(state_dir / SETS_FILE, open_vault(state_dir / KEY_FILE), clock)
        stops.callback(self._sets.close)
        self._sets.tidy()
        self._face_set = face_set(base.models)
        self._follower = Follower(self._sets, journal, self._face_set, pair_distances(base.models))
        keys = self._load_keys(
            base.sync.platform_keys, "platform.keys_unreadable", "uplink", "no command is obeyed"
        )
        self._desired = Desired(journal, clock, keys, base, apply=self._apply, health=self._problems)
        self._settings = settings = self._desired.restore()

        known = self._follower.load(settings.decision, lanes=settings.lanes)
        outlets = outlets_of(settings)
        self._boards = Boards(settings, clock, self.alarms, note=self._note, outlets=outlets)
        for board in self._boards.values():
            self._run_worker(stops, board)
        self._run_worker(stops, BoardGuard(self._boards, clock, self.alarms))

        self._signs = Signs(settings, clock, self.alarms, self._person)
        self.prompts.listen(self._signs.prompt)
        for card in self._signs.cards.values():
            self._run_worker(stops, card, is_fatal=False)
        telling = TellingJournal(journal, self._signs.note)

        for name in settings.lanes:
            lane = Lane(
                name,
                settings,
                self._boards,
                telling,
                clock,
                self.alarms,
                on_wake=self._wake_cameras,
                config_rev=self._desired.revision,
            )
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
            pass_keys=self._load_keys(
                base.passes.keys, "passes.keys_unreadable", "decide", "no QR pass opens. 通行码不可用"
            ),
            spend=journal.spend_pass,
            note=self._note,
            show=self.prompts.show,
            attend=self._attend,
        )
        self._run_worker(stops, self._decider)
        self._readers = Readers(settings, self._decider.present, clock, self.alarms, outlets)
        for line in self._readers.workers:
            self._run_worker(stops, line)
        self._desk = EnrolmentDesk(
            self._sets,
            settings.models,
            state_dir / CACHE_FOLDER,
            clock,
            self.alarms,
            lambda: self._follower.known,
            lambda: likeness_rule(self._follower.asked(), self._settings.decision),
            set_name=self._face_set,
            may_keep_pictures=base.enrolment.keep_pictures,
        )
        self._run_worker(stops, self._desk)

        if any("face" in camera.looks_for for camera in settings.cameras.values()):
            choice = detector_choice(settings.models, state_dir / CACHE_FOLDER)
            log.info("face detector: %s; templates: %s", choice, self._face_set)

        for name, camera in settings.cameras.items():
            if not settings.lanes_of_camera(name):
                log.warning("camera %s serves no lane and is not opened", name)
                continue
            eye: Eye | PushedEye
            if isinstance(camera, VzenithCamera):
                eye = PushedEye(name, camera, clock, self.alarms, self._decider.offer, journal.append)
            else:
                eye = Eye(
                    name,
                    settings.as_run(camera, name),
                    settings.models,
                    clock,
                    self.alarms,
                    self._offer,
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
                handlers=handlers(
                    self._lanes,
                    self._sets,
                    clock,
                    self._desk,
                    may_enrol=base.enrolment.from_platform,
                    signs=self._signs,
                ),
                forbids=forbids(self._lanes),
                info=self._info,
                sees=self._sees,
            )
            self._run_worker(stops, uplink)
        self._open_hatch(stops, base)
        version = metadata.version("gatehouse")
        journal.append(EventDraft(Stream.SYS, "daemon.started", base.device.id, {"version": version}))

    def _open_hatch(self, stops: ExitStack, settings: Settings) -> None:
        """Let people on the box look and ask; a gate works without."""

        def status() -> JsonObject:
            prompts = self.prompts.standing()
            return {
                **overview(self._settings, self._lanes, self._boards, self.alarms, self._clock, prompts),
                **beside(self._signs, self._readers),
            }

        try:
            hatch = Hatch(
                settings.device.state_dir, self._lanes, status, self._clock, self._readers.last_card
            )
        except EdgeError as error:
            log.warning("%s; gatehouse lane status will not work", error)
            return
        self._run_worker(stops, hatch)

    def _load_keys(self, path: Path | None, alarm: str, subject: str, effect: str) -> KeySet:
        """Public keys; without them their owners are not believed, and the lanes work all the same."""
        if path is None:
            return KeySet()
        try:
            return load_public_keys(path)
        except SettingsError as error:
            self.alarms.set(alarm, subject, f"{error}; {effect}")
            return KeySet()

    def _run_worker(self, stops: ExitStack, worker: Worker, *, is_fatal: bool = True) -> None:
        self._workers[worker.name] = worker
        worker.on_failure = self._lost_worker if is_fatal else self._lost_sign
        stops.callback(self._end_worker, worker)
        worker.start()

    def _lost_worker(self, _failed: Worker) -> None:
        self.stop()

    def _lost_sign(self, failed: Worker) -> None:
        """A dark display is no reason to end lanes that work."""
        self.alarms.set("display.failed", failed.name, f"a bug: {failed.failure}; restart the service")

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
        # Nor is an enrolment that hangs, or a display.
        apart = ("uplink", "enrol", "hatch", *(card.name for card in self._signs.cards.values()))
        critical = {name: worker for name, worker in self._workers.items() if name not in apart}
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
            self._timekeeper.tick()
        failed = [name for name, worker in self._workers.items() if worker.failure is not None]
        if failed:
            log.error("ended because of: %s", ", ".join(failed))
            return Exit.BUG
        return Exit.OK

    def _follow_the_sets(self) -> None:
        """Take over what anybody changed in roster or gallery; what cannot be read leaves the old one."""
        try:
            if self._sets.has_changed():
                self._follower.load(self._settings.decision, self._decider.swap_known, self._settings.lanes)
            self.alarms.clear("roster.unreadable", "roster")
        except EdgeError as error:
            self.alarms.set("roster.unreadable", "roster", f"{error}; the last one that was read stays")
        try:
            self._follower.tell_journal()
        except EdgeError as error:
            log.debug("the journal is told of changes of the roster later: %s", error)

    def _problems(self) -> tuple[str, ...]:
        """What does not work now, for the trial of a configuration."""
        standing = [a for a in self.alarms.standing() if a.name.partition(".")[2] not in ABOUT_PEOPLE]
        alarms = [f"{alarm.name} {alarm.subject}: {alarm.detail}" for alarm in standing]
        return (*(f"{name} makes no progress" for name in stalled(self._workers)), *alarms)

    def _summary(self) -> str:
        return f"{len(self._lanes)} lanes, {len(self._eyes)} cameras, {len(self._boards)} boards"

    def _info(self) -> JsonObject:
        return {
            **parts(self._settings, self._boards, self._signs, self._readers),
            "version": metadata.version("gatehouse"),
            "cameras": {name: list(eye.stats.models) for name, eye in self._eyes.items()},
            "clock": self._clock.state().value,
            "roster_rev": self._sets.rev(),
            "face_set": self._face_set,
            "faces": self._follower.known.expected(),
            "config_rev": self._desired.revision,
        }

    def _sees(self) -> JsonObject:
        """Which networks look through each camera, as its process said last; in the thread ``uplink``."""
        # A process that is being started again says nothing; the state need not change twice for that.
        self._looking |= {n: dict(eye.stats.models) for n, eye in self._eyes.items() if eye.stats.models}
        return dict(self._looking)

    # Between the parts

    def _note(self, draft: EventDraft) -> None:
        """Journal what a board tells about itself; it must not die of a disk that refuses."""
        try:
            self._journal.append(draft)
        except EdgeError as error:
            log.error("%s of %s cannot be journaled: %s", draft.type, draft.subject, error)

    def _offer(self, sighting: Sighting) -> None:
        """Hand a sighting to the decider; whoever is seen may be let in soon, so their lanes get ready."""
        if not sighting.ended:
            for lane in self._settings.lanes_of_camera(sighting.camera):
                self._lanes[lane].expect()
        self._decider.offer(sighting)

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
            lane.update(settings, revision)
        for name, eye in self._eyes.items():
            camera = settings.cameras[name]
            if isinstance(eye, Eye) and not isinstance(camera, VzenithCamera):
                eye.configure(settings.as_run(camera, name))
        self._decider.swap_settings(settings, revision)
        self._signs.update(settings)
        self._settings = settings
        self._follower.load(settings.decision, self._decider.swap_known, settings.lanes)

    def _person(self, person_id: str) -> Person | None:
        return self._follower.known.roster.persons.get(person_id)

    def _submit(self, lane: str, decision: Decision) -> bool:
        return self._lanes[lane].submit(decision)

    def _settle(self, sighting: Sighting) -> None:
        eye = self._eyes.get(sighting.camera)
        if eye is not None:
            eye.settle(sighting.track_id, sighting.session)

    def _attend(self, sighting: Sighting, for_s: float) -> None:
        eye = self._eyes.get(sighting.camera)
        if isinstance(eye, Eye):
            eye.attend(sighting.track_id, for_s, sighting.session)

    def _standing(self, lane: str) -> LaneStanding:
        return LaneStanding(has_fault=bool(self._lanes[lane].status.fault))

    def _wake_cameras(self, lane: str) -> None:
        for camera in self._settings.lanes[lane].cameras:
            if (eye := self._eyes.get(camera)) is not None:
                eye.look()

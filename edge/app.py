"""The composition root: every part is made here, started in order, and stopped in reverse.

    journal, sets -> boards -> guard -> lanes -> decide -> enrol -> eyes -> errands -> uplink -> hatch

Each stop is registered before the next start, so that a start that fails half-way leaves nothing behind.
"""

import logging
import signal
import threading
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from importlib import metadata
from types import FrameType

from edge.access import LaneStanding, Person
from edge.by_hand import hatch_answers
from edge.clock import NS_PER_S, Clock
from edge.commanding import forbids, handlers, is_opening
from edge.crew import Crew
from edge.deciding import Decider
from edge.doctor import Finding
from edge.enrolment import EnrolmentDesk, likeness_rule
from edge.errands import Errands
from edge.errors import EdgeError, Exit, Unavailable
from edge.face_models import detector_choice, face_set, pair_distances
from edge.following import Follower
from edge.hatch import Hatch
from edge.health import Alarm, Alarms, ServiceNotifier, stalled
from edge.keyholding import keyring_of, load_keys
from edge.kill_switch import ALARM as KILL_ALARM
from edge.kill_switch import KillSwitch
from edge.lanes import ABOUT_PEOPLE, BoardGuard, Boards, Lane, TellingJournal
from edge.logbook import Logbook
from edge.overview import beside, overview, parts, views
from edge.prompting import Prompts
from edge.read_rate import ReadRate
from edge.readers import Readers, outlets_of
from edge.records import EventDraft, JsonObject, Stream
from edge.remote import RemoteParts, remote_handlers
from edge.scope import Scope, admits_when_stale
from edge.self_test import examine_running
from edge.settings import Settings
from edge.signs import Signs
from edge.simulation import with_simulated_boards, with_simulated_displays
from edge.site import Site, SiteParts
from edge.store import Journal, SetStore, Vault, open_vault
from edge.sync.desired import Desired
from edge.sync.set_desk import SetDesk
from edge.sync.uplink import Uplink
from edge.timekeeping import FlooredClock, Timekeeper
from edge.vision import Eye
from edge.vision.pushed import PushedEye
from edge.vision.shelf import ReferenceShelf
from edge.worker import Worker

log = logging.getLogger(__name__)

TURN_S = 0.2
JOURNAL_FILE = "events.db"
SETS_FILE = "sets.db"
KEY_FILE = "device.key"
CACHE_FOLDER = "cache"
RESTART_NS = 1 * NS_PER_S
LET_GO_NS = 10 * NS_PER_S


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
        self._crew = Crew(self._lost_worker)
        self._lanes: Mapping[str, Lane] = {}
        self._eyes: Mapping[str, Eye | PushedEye] = {}
        self._uplink: Uplink | None = None
        self._logbook = Logbook()
        self._restart_at_ns = 0
        self._set_desk: SetDesk | None = None

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
            logging.getLogger().addHandler(self._logbook)
            stops.callback(logging.getLogger().removeHandler, self._logbook)
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
        stops.callback(self._end_journal, journal)
        journal.on_failure = self._lost_worker
        journal.start()
        self.alarms.listen(self._journal_alarm)
        self._timekeeper = Timekeeper(clock, journal, self.alarms)

        vault = open_vault(state_dir / KEY_FILE)
        if vault.notice:
            self.alarms.set("file.restored", KEY_FILE, f"{vault.notice}; check the card")
        self._sets = SetStore(state_dir / SETS_FILE, vault, clock, may_salvage=True)
        stops.callback(self._sets.close)
        if self._sets.salvage is not None:
            self.alarms.set("roster.salvaged", "roster", self._sets.salvage.words)
        self._sets.tidy()
        self._face_set = face_set(base.models)
        self._scope = self._open_scope(base, vault, stops)
        layer = self._scope.layer if self._scope is not None else None
        self._follower = Follower(self._sets, journal, self._face_set, pair_distances(base.models), layer)
        self._keys = keys = keyring_of(base, journal, self.alarms)
        self._kill_switch = KillSwitch(journal, clock, self.alarms)
        self._desired = Desired(
            journal,
            clock,
            keys,
            base,
            apply=self._apply,
            health=self._problems,
            reached=lambda: self._uplink is None or self._uplink.has_heard_platform,
        )
        self._settings = settings = self._desired.restore()

        known = self._follower.load(settings.decision, lanes=settings.lanes)
        outlets = outlets_of(settings)
        self._boards = Boards(settings, clock, self.alarms, note=self._note, outlets=outlets)
        stops.callback(self._crew.close)  # behind everything that its workers use
        for board in self._boards.values():
            self._crew.start(board)
        self._crew.start(BoardGuard(self._boards, clock, self.alarms))

        self._signs = Signs(settings, clock, self.alarms, self._person)
        self.prompts.listen(self._signs.prompt)
        for card in self._signs.cards.values():
            self._crew.start(card, self._lost_sign)
        self._read_rate = ReadRate(self._reads_plates, clock, self.alarms)
        telling = TellingJournal(journal, self._hear_of)

        site_parts = SiteParts(
            crew=self._crew,
            boards=self._boards,
            journal=telling,
            clock=clock,
            alarms=self.alarms,
            is_killed=lambda: self._kill_switch.is_thrown,
            note=self._note,
            shelf=ReferenceShelf(state_dir, vault),
            cache_dir=state_dir / CACHE_FOLDER,
        )
        self._site = Site(site_parts, settings, self._desired.revision)
        self._lanes, self._eyes = self._site.lanes, self._site.eyes
        self._kill_switch.on_thrown(self._site.let_go)

        self._decider = Decider(
            settings,
            known,
            clock,
            self.alarms,
            submit=self._site.submit,
            settle=self._site.settle,
            standing=self._standing,
            config_rev=self._desired.revision,
            pass_keys=load_keys(
                self.alarms,
                base.passes.keys,
                "passes.keys_unreadable",
                "decide",
                "no QR pass opens. 通行码不可用",
            ),
            spend=journal.spend_pass,
            note=self._note,
            show=self.prompts.show,
            attend=self._site.attend,
        )
        self._site.decider = self._decider
        self._crew.start(self._decider)
        self._readers = Readers(settings, self._decider.present, clock, self.alarms, outlets)
        for line in self._readers.workers:
            self._crew.start(line)
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
        self._crew.start(self._desk)

        if any("face" in camera.looks_for for camera in settings.cameras.values()):
            choice = detector_choice(settings.models, state_dir / CACHE_FOLDER)
            log.info("face detector: %s; templates: %s", choice, self._face_set)

        self._site.fit(settings, self._desired.revision)

        if self._scope is not None:
            self._set_desk = self._scope.make_desk(keys, self.alarms, self._revoke)
            self._crew.start(self._set_desk)
        errands = Errands(clock)
        self._crew.start(errands)
        if base.sync.enabled:
            obeyed = handlers(
                self._lanes,
                self._sets,
                clock,
                self._desk,
                may_enrol=base.enrolment.from_platform,
                signs=self._signs,
            )
            obeyed |= remote_handlers(
                RemoteParts(
                    allowed=base.remote,
                    kill_switch=self._kill_switch,
                    keys=keys,
                    desired=self._desired,
                    eyes=self._eyes,
                    logbook=self._logbook,
                    errands=errands,
                    examine=self._examine,
                    restart=self._restart_soon,
                )
            )
            self._uplink = Uplink(
                settings,
                journal,
                clock,
                self.alarms,
                keys=keys,
                desired=self._desired,
                handlers=obeyed,
                forbids=forbids(self._lanes),
                is_killed=lambda command: self._kill_switch.is_thrown and is_opening(command),
                info=self._info,
                sees=self._site.sees,
                measured=self._measured,
                lanes=lambda: {name: {"type": lane.status.kind} for name, lane in self._lanes.items()},
                sets=self._set_desk,
            )
            self._crew.start(self._uplink)
        self._open_hatch(base)
        version = metadata.version("gatehouse")
        journal.append(EventDraft(Stream.SYS, "daemon.started", base.device.id, {"version": version}))

    def _open_hatch(self, settings: Settings) -> None:
        """Let people on the box look and ask; a gate works without."""

        def status() -> JsonObject:
            prompts = self.prompts.standing()
            return {
                **overview(self._settings, self._lanes, self._boards, self.alarms, self._clock, prompts),
                "kill_switch": self._kill_switch.status,
                **beside(self._signs, self._readers),
                **views(self._settings, self._eyes),
                "read_rate": self._read_rate.numbers(),
            }

        try:
            hatch = Hatch(
                settings.device.state_dir,
                self._lanes,
                status,
                self._clock,
                self._readers.last_card,
                self._site.relearn,
                more=hatch_answers(self._kill_switch, self._desired, self._clock),
            )
        except EdgeError as error:
            log.warning("%s; gatehouse lane status will not work", error)
            return
        self._crew.start(hatch)

    def _open_scope(self, settings: Settings, vault: Vault, stops: ExitStack) -> Scope | None:
        """Roster and faces that the platform publishes, where a scope is configured."""
        if settings.sets.scope is None:
            return None
        scope = Scope(settings, vault, self._sets, self._clock, self._face_set)
        stops.callback(scope.close)
        return scope

    def _revoke(self, set_name: str, ids: tuple[str, ...]) -> None:
        self._follower.revoke(set_name, ids, self._decider.swap_known)

    def _examine(self) -> list[Finding]:
        return examine_running(self._settings, self._eyes, self._boards, self.alarms, self._clock)

    def _restart_soon(self) -> None:
        """Told from afar; the result is sent before the uplink takes leave."""
        self._restart_at_ns = self._clock.boot_ns() + RESTART_NS

    def _lost_worker(self, _failed: Worker) -> None:
        self.stop()

    def _lost_sign(self, failed: Worker) -> None:
        """A dark display is no reason to end lanes that work."""
        self.alarms.set("display.failed", failed.name, f"a bug: {failed.failure}; restart the service")

    def _end_journal(self, journal: Journal) -> None:
        try:
            journal.close()
        except EdgeError as error:
            log.error("%s", error)

    # Watching

    def _watch(self) -> int:
        """Until told to stop, or until a part has failed."""
        # A platform that cannot be reached, or a resolver that hangs, is no reason to restart working lanes.
        # Nor is an enrolment that hangs, or a display.
        signs = (card.name for card in self._signs.cards.values())
        apart = ("uplink", "enrol", "hatch", "errands", "sets", *signs)
        said: tuple[str, ...] = ()
        while not self._stopping.wait(TURN_S):
            # Lanes and cameras come and go while this runs.
            stuck = stalled(self._by_name(apart))
            if stuck != said:
                log.error("no progress: %s", ", ".join(stuck) or "all go on again")
                said = stuck
            if not stuck and self._notifier.watchdog_s:
                # Not fed while anything is stuck: systemd ends and restarts us when it lasts (OPS-1).
                self._notifier.send("WATCHDOG=1")
            self._follow_the_sets()
            self._timekeeper.tick()
            if self._uplink is None:
                self._desired.tick()
            if 0 < self._restart_at_ns <= self._clock.boot_ns():
                self.stop()
        failed = [name for name, worker in self._by_name().items() if worker.failure is not None]
        if failed:
            log.error("ended because of: %s", ", ".join(failed))
            return Exit.BUG
        return Exit.OK

    def _by_name(self, apart: Collection[str] = ()) -> dict[str, Worker]:
        workers = (self._journal, *self._crew.all())
        return {worker.name: worker for worker in workers if worker.name not in apart}

    def _follow_the_sets(self) -> None:
        """Take over what anybody changed in roster or gallery; what cannot be read leaves the old one."""
        try:
            if self._follower.has_changed():
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
        standing = [alarm for alarm in standing if alarm.name != KILL_ALARM]
        alarms = [f"{alarm.name} {alarm.subject}: {alarm.detail}" for alarm in standing]
        stuck = (f"{name} makes no progress" for name in stalled(self._by_name()))
        return (*stuck, *self._site.blind(), *alarms)

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
            "keys_serial": self._keys.serial,
            "sets": self._set_desk.info() if self._set_desk is not None else {},
        }

    def _reads_plates(self, name: str) -> bool:
        lane = self._settings.lanes.get(name)
        return lane is not None and lane.type == "barrier" and "plate" in lane.accepts and bool(lane.cameras)

    def _hear_of(self, draft: EventDraft) -> None:
        """What lanes write is shown on displays, and counted."""
        self._signs.note(draft)
        self._read_rate.note(draft)

    def _measured(self) -> dict[str, JsonObject]:
        """Numbers for the platform's curves; in the thread ``uplink``."""
        return {
            "cameras": views(self._settings, self._eyes),
            "lanes": {
                "read_rate": self._read_rate.numbers(),
                "phases": {name: lane.status.phase for name, lane in self._lanes.items()},
            },
        }

    # Between the parts

    def _note(self, draft: EventDraft) -> None:
        """Journal what a board tells about itself; it must not die of a disk that refuses."""
        try:
            self._journal.append(draft)
        except EdgeError as error:
            log.error("%s of %s cannot be journaled: %s", draft.type, draft.subject, error)

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
        self._settings = settings
        self._site.fit(settings, revision)
        self._decider.swap_settings(settings, revision)
        self._signs.update(settings)
        if self._uplink is not None:
            self._uplink.use(settings.sync)
        self._follower.load(settings.decision, self._decider.swap_known, settings.lanes)

    def _person(self, person_id: str) -> Person | None:
        return self._follower.known.roster.persons.get(person_id)

    def _standing(self, lane: str) -> LaneStanding:
        has_fault = self._site.has_fault(lane)
        is_stale = self._set_desk is not None and self._set_desk.is_stale()
        minds, admits = admits_when_stale(self._settings, lane, is_stale=is_stale)
        killed = self._kill_switch.is_thrown
        return LaneStanding(has_fault, minds, stale_admits=admits, is_killed=killed)

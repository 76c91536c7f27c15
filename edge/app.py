"""The composition root: every part is made here, started in order, and stopped in reverse.

    journal, sets -> boards -> guard -> lanes -> decide -> enrol -> eyes -> errands -> uplink -> hatch

Each stop is registered before the next start, so that a start that fails half-way leaves nothing behind.
"""

import logging
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import metadata
from types import FrameType

from edge.clock import NS_PER_S, Clock
from edge.commanding import forbids, handlers, is_opening
from edge.crew import Crew
from edge.deciding import Decider
from edge.enrolment import EnrolmentDesk, likeness_rule
from edge.errands import Errands
from edge.errors import EdgeError, Exit, Unavailable
from edge.face_models import detector_choice, face_set, pair_distances
from edge.following import Follower
from edge.health import Alarms, ServiceNotifier, stalled
from edge.keyholding import keyring_of, load_keys
from edge.kill_switch import KillSwitch
from edge.lanes import BoardGuard, Boards, Lane, TellingJournal
from edge.logbook import Logbook
from edge.pictures import PictureDesk, open_pictures, picture_handlers
from edge.prompting import Prompts
from edge.read_rate import ReadRate
from edge.readers import Readers, outlets_of
from edge.records import EventDraft, Stream
from edge.remote import RemoteParts, remote_handlers
from edge.scope import Scope
from edge.settings import Settings
from edge.signs import Signs
from edge.simulation import with_simulated_boards, with_simulated_displays
from edge.site import Site, SiteParts
from edge.store import Journal, SetStore, Vault, open_vault
from edge.sync.desired import Desired
from edge.sync.set_desk import SetDesk
from edge.sync.side_desks import SideDesks
from edge.sync.uplink import Uplink
from edge.timekeeping import FlooredClock, Timekeeper
from edge.together import Together
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


class Daemon(Together):
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
        self._pictures: PictureDesk | None = None

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

        self._pictures = open_pictures(
            base, vault, journal, self._sets, layer, clock, self.alarms, lambda: self._follower.known
        )
        if self._pictures is not None:
            self._crew.start(self._pictures, self._lost_pictures)

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
            submit=self._pictures.choosing(self._site.submit) if self._pictures else self._site.submit,
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
            networks=self._site.networks,
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
            if self._pictures is not None:
                obeyed |= picture_handlers(self._pictures)
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
                sets=SideDesks(self._set_desk, self._pictures),
            )
            if self._pictures is not None:
                uplink = self._uplink
                self._pictures.yield_to(lambda: uplink.status.in_flight)
            self._crew.start(self._uplink)
        self._open_hatch(base)
        version = metadata.version("gatehouse")
        journal.append(EventDraft(Stream.SYS, "daemon.started", base.device.id, {"version": version}))

    def _open_scope(self, settings: Settings, vault: Vault, stops: ExitStack) -> Scope | None:
        """Roster and faces that the platform publishes, where a scope is configured."""
        if settings.sets.scope is None:
            return None
        scope = Scope(settings, vault, self._sets, self._clock, self._face_set)
        stops.callback(scope.close)
        return scope

    def _restart_soon(self) -> None:
        """Told from afar; the result is sent before the uplink takes leave."""
        self._restart_at_ns = self._clock.boot_ns() + RESTART_NS

    def _lost_worker(self, _failed: Worker) -> None:
        self.stop()

    def _lost_sign(self, failed: Worker) -> None:
        """A dark display is no reason to end lanes that work."""
        self.alarms.set("display.failed", failed.name, f"a bug: {failed.failure}; restart the service")

    def _lost_pictures(self, failed: Worker) -> None:
        self.alarms.set("pictures.failed", "pictures", f"a bug: {failed.failure}; restart the service")

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
        apart = ("uplink", "enrol", "hatch", "errands", "sets", "pictures", *signs)
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

    def _apply(self, settings: Settings, revision: int) -> None:
        """Make another configuration run, live; called in the uplink thread."""
        self._settings = settings
        self._site.fit(settings, revision)
        self._decider.swap_settings(settings, revision)
        self._signs.update(settings)
        if self._uplink is not None:
            self._uplink.use(settings.sync)
        self._follower.load(settings.decision, self._decider.swap_known, settings.lanes)

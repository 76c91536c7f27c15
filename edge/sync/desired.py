"""The desired configuration: tried live, kept when healthy, else back to what ran before (CFG-1).

Every arrow between two phases is one durable row, written before the next step is taken, so that a crash
anywhere finds either the old or the new configuration. The trial is live: ``apply`` swaps the settings of the
running daemon, ``health`` says what does not work with them. The sections ``decision``, ``lanes`` and
``cameras`` confirm themselves by health; ``sync`` could cut the link itself and needs the platform's word
over the new link (an acknowledgement, or the signed command ``config-confirm``) within the trial's time.

Above file and document lies, for some hours, what a technician on the spot has set (``local_override``).
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.camera.address import shown
from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, UsageError
from edge.faults import fault_point
from edge.records import EventDraft, JsonObject, Stream
from edge.settings import Settings, SyncSettings
from edge.store.journal import Journal
from edge.sync.config_document import (
    Document,
    DocumentRefused,
    Fault,
    effective_hash,
    read_document,
    settings_for,
)
from edge.sync.config_state import (
    PROVEN,
    ConfigState,
    Phase,
    advanced,
    after_start,
    applied,
    failed,
    is_news,
    received,
    state_from_json,
    state_to_json,
)
from edge.sync.config_steps import row_written
from edge.sync.local_override import Override, laid_over
from edge.sync.overlay import BEGUN, ENDED, FAILED, Overlay

log = logging.getLogger(__name__)

STATE_KEY = "config"
SETTLE_S = 3.0
# Whoever can write to the topic can send forgeries; they may not fill the journal.
REFUSALS_APART_NS = 10 * NS_PER_S

Apply = Callable[[Settings, int], None]
"""Make these settings, of this revision, the ones that run; ``EdgeError`` when that cannot be done."""

Health = Callable[[], tuple[str, ...]]
"""What does not work right now, one line each; empty when all is well. Must not block."""

Reached = Callable[[], bool]
"""Whether the platform has been heard over the link as it is configured now. Must not block."""


class Desired:
    """The configuration that the platform asks for, and what became of it.

    Thread: one at a time: ``restore`` before the workers start, everything else in the uplink.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        keys: Mapping[str, Ed25519PublicKey],
        base: Settings,
        *,
        apply: Apply,
        health: Health,
        reached: Reached = lambda: True,
        settle_s: float = SETTLE_S,
    ) -> None:
        """Take what is needed; nothing is read before ``restore``.

        Args:
            journal: Holds the row; must be running.
            clock: Time of the trial.
            keys: Whose signatures count.
            base: The settings of the file, over which documents are laid.
            apply: Called in the uplink thread, never for what runs already.
            health: Only problems that were not there before the trial count against it.
            reached: Asked during the trial of another section ``sync``.
            settle_s: Health must last this long without a break.
        """
        self._journal, self._clock, self._keys, self._base = journal, clock, keys, base
        self._apply, self._health, self._reached = apply, health, reached
        self._settle_ns = round(settle_s * NS_PER_S)
        self._audience = f"{base.device.tenant}/{base.device.id}"
        self._state = ConfigState()
        self._laid: Document | None = None
        self._settings = base
        self._trial_began_ns = self._healthy_since_ns = 0
        self._needs_confirm = False
        self._confirmed: tuple[int, str] | None = None
        self._overlay = Overlay(journal, clock)
        self._posted: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._problems_before: frozenset[str] = frozenset()
        self._waiting: bytes | None = None
        self._refusal: tuple[Fault, ...] = ()  # of a message that was not worth a row
        self._misfit: tuple[Fault, ...] = ()  # between the document that should run and the file
        self._refusal_told_ns = -REFUSALS_APART_NS
        self._told: JsonObject | None = None

    @property
    def revision(self) -> int:
        """Of the document that lies over the file now, on trial or not; 0 for the file alone."""
        return 0 if self._laid is None else self._laid.rev

    @property
    def is_on_trial(self) -> bool:
        """True while a new configuration runs and is not yet kept."""
        return self._state.candidate is not None and self._state.phase is Phase.TRIAL

    def restore(self) -> Settings:
        """At start: read the row, judge an unfinished trial, and return the settings to start with.

        Never fails for the content of a document: one that no longer fits the file is left out and reported.

        Raises:
            JournalError: The row cannot be read or written.
        """
        self._overlay.restore()
        before = state_from_json(self._journal.get_state(STATE_KEY))
        self._state = before
        after = after_start(before)
        if after != before:
            self._keep(after)
        if self.is_on_trial:
            self._begin_trial(frozenset())
            try:
                return self._lay(self._state.candidate)
            except DocumentRefused as error:
                self._keep(failed(self._state, Phase.ROLLED_BACK, error.faults))
        running = self._state.running
        try:
            self._lay(running)
        except DocumentRefused as error:
            log.error("configuration %d no longer fits the file: %s", self._state.about[0], error)
            self._lay(None)
            self._misfit = error.faults
        return self._settings

    def receive(self, raw: bytes) -> None:
        """Take a message of ``cfg/desired``. One that comes during a trial waits; only the newest counts.

        Raises:
            JournalError: A row could not be written; ``tick`` will try again.
        """
        if raw:  # an empty one only clears the topic
            self._waiting = raw
            if not self.is_on_trial:
                self._take_waiting()

    def tick(self) -> None:
        """Judge a running trial, then take what waits; call it a few times per second.

        Raises:
            JournalError: A row could not be written; call again.
        """
        while self._posted:
            self._obey(*self._posted.popleft())
        if self._overlay.is_over and not self.is_on_trial:
            self._swap_override(None, ENDED)
        if self.is_on_trial:
            self._judge()
        elif self._state.candidate is not None and self._state.phase in PROVEN:
            self._finish()
        elif self._waiting is not None:
            self._take_waiting()

    def news(self) -> JsonObject | None:
        """The report for ``cfg/reported`` when it differs from the one last taken here, else None."""
        report = self.report()
        if report == self._told:
            return None
        self._told = report
        return report

    def tell_again(self) -> None:
        """Make ``news`` return the report once more, for a new connection."""
        self._told = None

    def report(self) -> JsonObject:
        """What became of the last document, and what runs."""
        state = self._state
        refusal = self._refusal or self._misfit
        phase, faults = (Phase.REJECTED, refusal) if refusal else (state.phase, state.faults)
        return {
            "schema": 1,
            "rev": state.about[0],
            "hash": state.about[1],
            "state": phase.value,
            "errors": [{"path": f.path, "code": f.code, "message": f.message} for f in faults],
            "running_rev": self.revision,
            "effective_hash": effective_hash(self._settings),
            "starts_in_trial": state.starts,
            "awaits_confirm": self.is_on_trial and self._needs_confirm,
            "override": self._overlay.report(),
        }

    def confirm(self, rev: int) -> bool:
        """The platform's signed word that it sees the box with this revision; False when that does not run.

        Thread: the uplink's.
        """
        if self._laid is None or self._laid.rev != rev:
            return False
        self._confirmed = self._laid.key
        return True

    def post_override(self, override: Override | None) -> "Future[None]":
        """Lay an override over everything, or take it away (None); any thread.

        Returns:
            Done when it runs; ``EdgeError``: it does not, and what ran before runs on.
        """
        kind = ENDED if override is None else BEGUN
        future: Future[None] = Future()
        self._posted.append((lambda: self._swap_override(override, kind), future))
        return future

    def _obey(self, call: Callable[[], None], future: "Future[None]") -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            if self.is_on_trial:
                raise UsageError("a configuration of the platform is on trial; try again when it has ended")
            call()
        except EdgeError as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    def _swap_override(self, override: Override | None, kind: str) -> None:
        """Durable first, then live; what cannot run is taken back, durably too.

        Raises:
            SettingsError: It does not fit. EdgeError: It cannot be applied. JournalError: It cannot be kept.
        """
        document = settings_for(self._base, self._laid)
        laid_over(document, override)
        before = self._overlay.override
        self._overlay.keep(override, kind)
        try:
            self._apply(self._overlay.over(document), self.revision)
        except EdgeError:
            self._overlay.keep(before, FAILED)
            self._settings = self._overlay.over(document)
            self._apply(self._settings, self.revision)
            raise
        self._settings = self._overlay.over(document)

    def _take_waiting(self) -> None:
        raw = self._waiting or b""
        try:
            document = read_document(raw, self._keys, self._audience)
            news = is_news(self._state, document)
        except DocumentRefused as error:
            self._refuse(error.faults)
        else:
            self._refusal = ()
            if news:
                self._try(document)
            else:
                self.tell_again()
        self._waiting = None

    def _refuse(self, faults: tuple[Fault, ...]) -> None:
        """Not worth a row, for nothing of it was taken over; what runs runs on."""
        self._refusal = faults
        now_ns = self._clock.boot_ns()
        if now_ns - self._refusal_told_ns >= REFUSALS_APART_NS:
            self._refusal_told_ns = now_ns
            log.warning("configuration refused: %s", faults[0].message)
            self._journal.append(self._draft("config.refused", self._state.about, faults))

    def _try(self, document: Document) -> None:
        self._keep(received(self._state, document))
        try:
            settings = settings_for(self._base, document)
        except DocumentRefused as error:
            log.warning("configuration %d rejected: %s", document.rev, error)
            self._keep(failed(self._state, Phase.REJECTED, error.faults))
            return
        self._keep(advanced(self._state, Phase.VERIFIED))
        if effective_hash(self._overlay.over(settings)) == effective_hash(self._settings):
            # There is nothing to try: only the revision moves.
            self._keep(applied(self._state))
            self._laid, self._misfit = document, ()
            log.info("configuration %d says what runs already", document.rev)
            return
        self._keep(advanced(self._state, Phase.STAGED))
        problems_before = frozenset(self._health())
        self._keep(advanced(self._state, Phase.TRIAL))
        self._begin_trial(problems_before)
        try:
            self._apply(self._lay(document), document.rev)
        except EdgeError as error:
            self._roll_back(Fault("", "apply", shown(str(error))))
            return
        fault_point("config.tried")

    def _begin_trial(self, problems_before: frozenset[str]) -> None:
        self._trial_began_ns, self._healthy_since_ns = self._clock.boot_ns(), 0
        self._problems_before = problems_before
        self._needs_confirm = self._link_of(self._state.candidate) != self._link_of(self._state.running)

    def _link_of(self, document: Document | None) -> SyncSettings | None:
        try:
            return settings_for(self._base, document).sync
        except DocumentRefused:
            return None

    def _judge(self) -> None:
        now_ns = self._clock.boot_ns()
        problems = [problem for problem in self._health() if problem not in self._problems_before]
        faults = [Fault("", "health", shown(problem)) for problem in problems]
        confirm_s = 0 if self._laid is None else self._laid.confirm_s
        if self._needs_confirm and not self._is_confirmed():
            words = f"the platform was not heard over this link within {confirm_s} s"
            faults.insert(0, Fault("/sync", "confirm_timeout", words))
        if faults:
            self._healthy_since_ns = 0
            if now_ns - self._trial_began_ns >= confirm_s * NS_PER_S:
                self._roll_back(*faults)
            return
        self._healthy_since_ns = self._healthy_since_ns or now_ns
        if now_ns - self._healthy_since_ns >= self._settle_ns:
            self._finish()

    def _is_confirmed(self) -> bool:
        return self._reached() or (self._laid is not None and self._confirmed == self._laid.key)

    def _finish(self) -> None:
        if self._state.phase is Phase.TRIAL:
            self._keep(advanced(self._state, Phase.HEALTHY))
        if self._state.phase is Phase.HEALTHY:
            self._keep(advanced(self._state, Phase.CONFIRMED))
        self._keep(applied(self._state))
        log.info("configuration %d applied", self._state.about[0])

    def _roll_back(self, *faults: Fault) -> None:
        log.warning("configuration %d rolled back: %s", self._state.about[0], faults[0].message)
        self._keep(failed(self._state, Phase.ROLLED_BACK, faults))
        try:
            self._lay(self._state.running)
        except DocumentRefused as error:
            self._lay(None)
            self._misfit = error.faults
        # It ran a moment ago. Should it fail now, the error ends this worker, and the start that follows
        # begins from the row.
        self._apply(self._settings, self.revision)

    def _lay(self, document: Document | None) -> Settings:
        self._settings = self._overlay.over(settings_for(self._base, document))
        self._laid, self._misfit = document, ()
        return self._settings

    def _keep(self, state: ConfigState) -> None:
        """Make a step durable, with its event in the same transaction, and only then take it."""
        draft = self._draft(f"config.{state.phase.value}", state.about, state.faults)
        self._journal.put_state(STATE_KEY, state_to_json(state), draft)
        row_written(state.phase)
        self._state = state

    def _draft(self, kind: str, about: tuple[int, str], faults: tuple[Fault, ...]) -> EventDraft:
        data = {"rev": about[0], "hash": about[1], "faults": [f"{f.path} {f.message}" for f in faults]}
        return EventDraft(Stream.AUDIT, kind, "config", data)

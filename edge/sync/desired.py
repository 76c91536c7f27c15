"""The desired configuration: tried live, kept when healthy, else back to what ran before (CFG-1).

Every arrow between two phases is one durable row, written before the next step is taken, so that a crash
anywhere finds either the old or the new configuration. The trial is live: ``apply`` swaps the settings of the
running daemon, ``health`` says what does not work with them. The sections ``decision`` and ``lanes`` confirm
themselves by health; a section that could cut the link itself would need the platform's word.
"""

import logging
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError
from edge.records import EventDraft, JsonObject, Stream
from edge.settings import Settings
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

log = logging.getLogger(__name__)

STATE_KEY = "config"
SETTLE_S = 3.0
# Whoever can write to the topic can send forgeries; they may not fill the journal.
REFUSALS_APART_NS = 10 * NS_PER_S

Apply = Callable[[Settings, int], None]
"""Make these settings, of this revision, the ones that run; ``EdgeError`` when that cannot be done."""

Health = Callable[[], tuple[str, ...]]
"""What does not work right now, one line each; empty when all is well. Must not block."""


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
            settle_s: Health must last this long without a break.
        """
        self._journal, self._clock, self._keys, self._base = journal, clock, keys, base
        self._apply, self._health = apply, health
        self._settle_ns = round(settle_s * NS_PER_S)
        self._audience = f"{base.device.tenant}/{base.device.id}"
        self._state = ConfigState()
        self._laid: Document | None = None
        self._settings = base
        self._trial_began_ns = self._healthy_since_ns = 0
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
        }

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
        if effective_hash(settings) == effective_hash(self._settings):
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
            self._roll_back(Fault("", "apply", str(error)))

    def _begin_trial(self, problems_before: frozenset[str]) -> None:
        self._trial_began_ns, self._healthy_since_ns = self._clock.boot_ns(), 0
        self._problems_before = problems_before

    def _judge(self) -> None:
        now_ns = self._clock.boot_ns()
        problems = [problem for problem in self._health() if problem not in self._problems_before]
        if problems:
            self._healthy_since_ns = 0
            confirm_s = 0 if self._laid is None else self._laid.confirm_s
            if now_ns - self._trial_began_ns >= confirm_s * NS_PER_S:
                self._roll_back(*(Fault("", "health", problem) for problem in problems))
            return
        self._healthy_since_ns = self._healthy_since_ns or now_ns
        if now_ns - self._healthy_since_ns >= self._settle_ns:
            self._finish()

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
        self._settings = settings_for(self._base, document)
        self._laid, self._misfit = document, ()
        return self._settings

    def _keep(self, state: ConfigState) -> None:
        """Make a step durable, with its event in the same transaction, and only then take it."""
        draft = self._draft(f"config.{state.phase.value}", state.about, state.faults)
        self._journal.put_state(STATE_KEY, state_to_json(state), draft)
        self._state = state

    def _draft(self, kind: str, about: tuple[int, str], faults: tuple[Fault, ...]) -> EventDraft:
        data = {"rev": about[0], "hash": about[1], "faults": [f"{f.path} {f.message}" for f in faults]}
        return EventDraft(Stream.AUDIT, kind, "config", data)

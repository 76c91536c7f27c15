"""What happens to a command: checked, journaled, obeyed once, and its result told.

SAFE-3: ``journal.begin_command`` is on the disk before the handler is called; a crash after that ends as
``unknown`` and is never tried again. A handler answers at once, or gives a ``Future`` for what takes time.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError, JournalError
from edge.faults import fault_point
from edge.records import EventDraft, JsonObject, Stream
from edge.store.claims import CounterTooLow
from edge.store.envelope import from_wire
from edge.store.journal import Journal
from edge.store.schema import OutboxRow
from edge.sync.commands import (
    CHALLENGE_LIFE_S,
    Code,
    Command,
    CommandContext,
    Rejected,
    Result,
    check,
    claimed_jti,
)
from edge.sync.keys import KeySet
from edge.sync.nonces import Budget, new_nonce

log = logging.getLogger(__name__)

# Longer than any barrier takes to open and to be seen open.
RESULT_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What a handler did: ``done``, ``rejected``, ``expired`` or ``unknown``, and one line about it.

    ``code`` says why it was rejected, in one word for machines.
    """

    result: Result
    detail: str = ""
    data: JsonObject = field(default_factory=dict)
    code: str = ""


Handler = Callable[[Command], CommandOutcome | Future[CommandOutcome]]
"""Obeys one command; called in the uplink thread, so quick, or a ``Future``. ``EdgeError``: rejected."""


@dataclass(frozen=True, slots=True)
class Reply:
    """To be published on ``cmd/<name>/res``."""

    name: str
    body: JsonObject


class CommandDesk:
    """Takes commands and answers them.

    Thread: the uplink's; the futures that handlers return may be completed in any thread.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        keys: KeySet,
        audience: str,
        handlers: Mapping[str, Handler],
        *,
        forbids: Callable[[Command], str] = lambda _command: "",
        is_killed: Callable[[Command], bool] = lambda _command: False,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what is needed.

        Args:
            journal: Remembers jti, counters and results; must be running.
            clock: UTC for expiry, boot time for deadlines and challenges.
            keys: Whose signatures count.
            audience: "tenant/device" of this box.
            handlers: What obeys, by name of the command; other names are refused.
            forbids: Empty when a command may run here and now, else why not (lane unknown, ...).
            is_killed: Whether the kill switch stops a command now.
            wake: Called, in any thread, when a future is done and ``finished`` has something to say.
        """
        self._journal, self._clock, self._keys, self._audience = journal, clock, keys, audience
        self._handlers, self._forbids, self._wake = dict(handlers), forbids, wake
        self._is_killed = is_killed
        self._challenge, self._challenge_ns = "", 0
        self._open: dict[str, tuple[Command, Future[CommandOutcome]]] = {}
        self._settled: deque[str] = deque()
        # Anybody who gets at the topic may send rubbish; it may fill neither the journal nor the line.
        self._journal_budget = Budget(clock, burst=20, per_s=1 / 6)
        self._answer_budget = Budget(clock, burst=100, per_s=10)

    @property
    def names(self) -> tuple[str, ...]:
        """Commands that are obeyed here."""
        return tuple(self._handlers)

    def take(self, name: str, raw: bytes, *, retained: bool, nonce: str) -> list[Reply]:
        """Handle one message of ``cmd/<name>``, whatever it is; returns what to answer."""
        try:
            verdict = check(raw, name=name, retained=retained, context=self._context(nonce))
        except JournalError as error:
            verdict = Rejected(Code.JOURNAL, str(error), claimed_jti(raw))
        if isinstance(verdict, Rejected):
            return self._refuse(name, self._not_to_be_signed_again(verdict))
        self._challenge = ""  # it was good for one command
        draft = EventDraft(
            Stream.AUDIT,
            "command.accepted",
            name,
            # Arguments may hold a template or a name, and those have no place in an event.
            {"jti": verdict.jti, "kid": verdict.kid, "ctr": verdict.ctr, "lane": verdict.args.get("lane")},
            (verdict.jti,),
        )
        try:
            fresh = self._journal.begin_command(
                verdict.jti, verdict.kid, verdict.ctr, int(verdict.expires_s) + 1, draft
            )
        except CounterTooLow as error:
            return self._refuse(name, Rejected(Code.COUNTER, str(error), verdict.jti))
        except (JournalError, ValueError) as error:
            return self._refuse(name, Rejected(Code.JOURNAL, str(error), verdict.jti))
        if not fresh:
            return self._refuse(name, Rejected(Code.JOURNAL, "this id was journaled before", verdict.jti))
        fault_point("command.journaled")
        replies = [reply(verdict.name, verdict.jti, Result.ACCEPTED, "")]
        outcome = self._obey(verdict)
        if outcome is not None:
            replies.append(self._finish(verdict, outcome))
        return replies

    def finished(self) -> list[Reply]:
        """Results of commands whose futures are done, or took too long."""
        replies = []
        while self._settled:
            command, future = self._open.pop(self._settled.popleft(), (None, None))
            if command is not None and future is not None:
                replies.append(self._finish(command, _outcome_of(future)))
        now_ns = self._clock.boot_ns()
        for command, future in list(self._open.values()):
            if now_ns > command.not_after_ns + RESULT_WITHIN_S * NS_PER_S:
                del self._open[command.jti]
                future.cancel()
                late = CommandOutcome(Result.UNKNOWN, f"no result within {RESULT_WITHIN_S:.0f} s")
                replies.append(self._finish(command, late))
        return replies

    def unfinished(self) -> list[Reply]:
        """What the last run accepted and never finished: ``unknown``, for whoever waits for it."""
        wanted = set(self._journal.unfinished_commands())
        replies: list[Reply] = []
        after = 0
        while wanted:
            rows = self._journal.pending(Stream.AUDIT, after, 500)
            if not rows:
                break
            after = rows[-1].id
            replies += _unknown_replies(rows, wanted)
        return replies

    def _context(self, nonce: str) -> CommandContext:
        now_ns = self._clock.boot_ns()
        fresh = now_ns - self._challenge_ns <= CHALLENGE_LIFE_S * NS_PER_S
        return CommandContext(
            audience=self._audience,
            keys=self._keys,
            nonce=nonce,
            now_utc_s=self._clock.utc_ns() / NS_PER_S,
            clock_state=self._clock.state(),
            now_ns=now_ns,
            challenge=self._challenge if fresh else "",
            last_counter=self._journal.high_water,
            is_known=self._is_known,
            names=tuple(self._handlers),
            forbids=self._forbids,
            is_killed=self._is_killed,
        )

    def _obey(self, command: Command) -> CommandOutcome | None:
        try:
            outcome = self._handlers[command.name](command)
        except EdgeError as error:
            return _failed(error)
        if isinstance(outcome, CommandOutcome):
            return outcome
        self._open[command.jti] = (command, outcome)

        def settle(_future: Future[CommandOutcome]) -> None:
            self._settled.append(command.jti)
            self._wake()

        outcome.add_done_callback(settle)
        return None

    def _finish(self, command: Command, outcome: CommandOutcome) -> Reply:
        draft = EventDraft(
            Stream.AUDIT,
            "command.finished",
            command.name,
            {"jti": command.jti, "result": outcome.result.value, "detail": outcome.detail},
            (command.jti,),
        )
        fault_point("command.obeyed")
        try:
            self._journal.finish_command(command.jti, outcome.result.value, draft)
        except JournalError as error:
            # It happened all the same, and the next start will call it unknown; tell what is known now.
            log.error("the result of command %s cannot be journaled: %s", command.jti, error)
        fault_point("command.finished")
        extra: dict[str, object] = {"code": outcome.code} if outcome.code else {}
        return reply(command.name, command.jti, outcome.result, outcome.detail, data=outcome.data, **extra)

    def _refuse(self, name: str, refusal: Rejected) -> list[Reply]:
        if self._journal_budget.spend():
            log.warning("command %s refused (%s): %s", name, refusal.code, refusal.detail)
            data = {
                "code": refusal.code.value,
                "detail": refusal.detail,
                "jti": refusal.jti,
                "more_before": self._journal_budget.take_refused(),
            }
            try:
                self._journal.append(EventDraft(Stream.AUDIT, "command.rejected", name, data))
            except JournalError as error:
                log.error("a refused command cannot be journaled: %s", error)
        if not self._answer_budget.spend():
            return []
        extra: dict[str, object] = {"code": refusal.code.value}
        if refusal.code is Code.CLOCK_UNSET:
            self._challenge, self._challenge_ns = new_nonce(), self._clock.boot_ns()
            extra["chl"] = self._challenge
        result = self._result_before(refusal) or refusal.result
        return [reply(name, refusal.jti, result, refusal.detail, **extra)]

    def _is_known(self, jti: str) -> bool:
        return jti in self._open or self._journal.command_result(jti) is not None

    def _not_to_be_signed_again(self, refusal: Rejected) -> Rejected:
        """Whoever hears ``nonce`` signs again, sure that nothing was done; so it must be true.

        The broker delivers a command again when we die between obeying it and acknowledging the message, or
        lose the connection meanwhile.
        """
        try:
            was_obeyed = refusal.code is Code.NONCE and self._is_known(refusal.jti)
        except JournalError as error:
            return Rejected(Code.JOURNAL, str(error), refusal.jti)
        return Rejected(Code.JOURNAL, "this id was journaled before", refusal.jti) if was_obeyed else refusal

    def _result_before(self, refusal: Rejected) -> Result | None:
        """What became of a command that has come before; its sender may have missed it."""
        if refusal.code is not Code.JOURNAL:
            return None
        if refusal.jti in self._open:
            return Result.ACCEPTED
        try:
            known = self._journal.command_result(refusal.jti)
        except JournalError:
            return None
        return Result(known) if known in tuple(Result) else None


def _outcome_of(future: Future[CommandOutcome]) -> CommandOutcome:
    try:
        return future.result(timeout=0)
    except CancelledError:
        return CommandOutcome(Result.UNKNOWN, "given up by the lane")
    except EdgeError as error:
        return _failed(error)


def _failed(error: EdgeError) -> CommandOutcome:
    """What a handler could not do; its code is the name of the exit code: ``usage``, ``unavailable`` ..."""
    return CommandOutcome(Result.REJECTED, str(error), code=error.exit_code.name.lower())


def _unknown_replies(rows: Sequence[OutboxRow], wanted: set[str]) -> list[Reply]:
    """Answers for the ``command.unknown`` events among some rows; found ones leave ``wanted``."""
    replies = []
    for row in rows:
        event = from_wire(row.payload).event
        jti = event.data.get("command")
        if event.type == "command.unknown" and jti in wanted:
            wanted.discard(str(jti))
            detail = str(event.data.get("explanation", ""))
            replies.append(reply(event.subject, str(jti), Result.UNKNOWN, detail))
    return replies


def reply(name: str, jti: str, result: Result, detail: str, **extra: object) -> Reply:
    """An answer as it goes on the wire."""
    body = {"schema": 1, "jti": jti, "cmd": name, "result": result.value, "detail": detail}
    return Reply(name, body | extra)

"""The thread ``enrol``: what the platform orders about faces, one person after the other.

Pictures are examined in a process of their own (``outside``) that lives for one order, so neither the thread
``decide`` nor ``uplink`` waits and the networks fill no memory afterwards. Withdrawals do not queue behind
enrolments: they are served while the examiner works, and end an enrolment of the same person.

A withdrawal is done when the live gallery no longer knows the person, not before.
"""

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from edge.clock import NS_PER_S, Clock
from edge.enrolment.judging import Judgement, judge
from edge.enrolment.likeness import LikenessRule
from edge.enrolment.outside import OutsideExaminer
from edge.enrolment.reembedding import backlog, reembed
from edge.enrolment.requests import EnrolRequest
from edge.enrolment.verdicts import PictureVerdict
from edge.errors import EdgeError, Unavailable, UsageError
from edge.health import Alarms
from edge.known import Known
from edge.settings import ModelSettings
from edge.store import Receipt, SetStore
from edge.worker import Worker

log = logging.getLogger(__name__)

MOST_WAITING = 4
TURN_S = 0.1
LIVE_WITHIN_S = 60.0
"""So long the daemon may take to swap its gallery after a change."""
DESCRIBED_AT_ONCE = 25
INCOMPLETE = "gallery.incomplete"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How an order ended.

    Attributes:
        refusal: Empty, or why nothing was stored.
        verdicts: One for each picture, in their order.
        stored: How many templates. set_name: Of which set. rev: Revision of the sets with them.
    """

    refusal: str
    verdicts: tuple[PictureVerdict, ...] = ()
    stored: int = 0
    set_name: str = ""
    rev: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    serial: int
    request: EnrolRequest
    future: "Future[Enrolled]"


@dataclass(frozen=True, slots=True, eq=False)
class _Withdrawal:
    serial: int
    person_id: str
    future: "Future[Receipt]"


class _Withdrawn(EdgeError):
    """The person whom we are enrolling has withdrawn."""


class _Stopping(EdgeError):
    """The daemon ends."""


class EnrolmentDesk(Worker):
    """Enrols, withdraws, describes again.

    Thread: its own; ``enrol``, ``withdraw`` and ``stop`` may be called from any.
    """

    def __init__(
        self,
        sets: SetStore,
        models: ModelSettings,
        cache: Path,
        clock: Clock,
        alarms: Alarms,
        live: Callable[[], Known],
        likeness: Callable[[], LikenessRule],
        *,
        set_name: str,
        may_keep_pictures: bool = True,
    ) -> None:
        """Take what is needed.

        Args:
            sets: Roster and gallery on the disk.
            models: Which networks examine.
            cache: Where they are kept.
            clock: Boot time.
            alarms: ``gallery.incomplete`` is raised here.
            live: What is decided with now.
            likeness: Who is the same person in the gallery of now.
            set_name: ``faces-<model>`` of the configured embedder.
            may_keep_pictures: False: no picture is kept, whatever a consent allows.
        """
        super().__init__("enrol", clock)
        self._sets, self._models, self._cache, self._alarms = sets, models, cache, alarms
        self._live, self._likeness = live, likeness
        self._set_name, self._may_keep = set_name, may_keep_pictures
        self._serials = itertools.count()
        self._orders: deque[_Order] = deque()
        self._withdrawals: deque[_Withdrawal] = deque()
        self._settling: list[tuple[Receipt, Future[Receipt], int]] = []
        self._awake = threading.Event()
        self._current: _Order | None = None
        self._is_void = self._is_incomplete = False
        self._to_describe: deque[str] = deque()

    # Any thread

    def enrol(self, request: EnrolRequest) -> "Future[Enrolled]":
        """Enrol a person; the future says how it ended.

        Raises:
            Unavailable: Too many wait already.
        """
        if len(self._orders) >= MOST_WAITING:
            raise Unavailable(f"{MOST_WAITING} persons wait to be enrolled; try again in a minute")
        future: Future[Enrolled] = Future()
        self._orders.append(_Order(next(self._serials), request, future))
        self._awake.set()
        return future

    def withdraw(self, person_id: str) -> "Future[Receipt]":
        """Take a person's consent back; done when neither the disk nor the live gallery has them."""
        future: Future[Receipt] = Future()
        self._withdrawals.append(_Withdrawal(next(self._serials), person_id, future))
        self._awake.set()
        return future

    def stop(self) -> None:
        """Ask the thread to end; an examiner at work is ended with it."""
        super().stop()
        self._awake.set()

    # The thread

    def work(self) -> None:
        """Serve until stopped."""
        has_looked = False
        while not self.stopping.is_set():
            try:
                if not has_looked:
                    has_looked = True
                    self._look_for_other_sets()
                self._turn()
                self._do_something()
            except _Stopping:
                return
            except EdgeError as error:
                # The disk refuses, most likely, and has its own alarm: nothing here may end the daemon.
                log.error("enrolment goes on after: %s", error)
                self.stopping.wait(1.0)

    def _do_something(self) -> None:
        if self._orders:
            self._serve(self._orders.popleft())
        elif self._to_describe:
            self._describe_some()
        else:
            self._awake.wait(TURN_S)
            self._awake.clear()

    def _serve(self, order: _Order) -> None:
        if not order.future.set_running_or_notify_cancel():
            return
        self._current, self._is_void = order, False
        try:
            order.future.set_result(self._enrol(order.request))
        except _Withdrawn as error:
            order.future.set_exception(UsageError(str(error)))
        except EdgeError as error:
            order.future.set_exception(error)
        finally:
            self._current = None
        self._review()

    def _enrol(self, request: EnrolRequest) -> Enrolled:
        with OutsideExaminer(self._models, self._cache, self.clock, self._turn) as examiner:
            found = [
                (f"picture {number}", examiner.examine(content))
                for number, content in enumerate(request.pictures, start=1)
            ]
            set_name = examiner.set_name
        try:
            live = self._caught_up()
            if live.gallery.set_name != set_name:
                raise Unavailable(f"templates of {set_name} do not fit {live.gallery.set_name}; restart")
            judgement = judge(
                request.person_id,
                found,
                live.gallery,
                self._likeness(),
                despite_likeness=request.despite_likeness,
            )
            if judgement.refusal:
                return Enrolled(judgement.refusal, judgement.verdicts)
            self._turn()  # a withdrawal that came in the last moment counts
            rev = self._store(request, set_name, judgement)
        finally:
            for _, examination in found:
                if examination.template is not None:
                    examination.template.fill(0)
        stored = len(judgement.templates)
        log.info("%s is enrolled with %d of %d pictures", request.person_id, stored, len(request.pictures))
        return Enrolled("", judgement.verdicts, stored, set_name, rev)

    def _store(self, request: EnrolRequest, set_name: str, judgement: Judgement) -> int:
        pictures = [request.pictures[place] for place in judgement.accepted] if self._may_keep else []
        note = enrolment_note(judgement, by="platform", operator=request.operator, command=request.cause)
        return self._sets.enrol(
            request.person_id,
            request.consent,
            set_name,
            judgement.templates,
            person=request.person,
            pictures=pictures,
            note=note | {"text_version": request.consent.text_version, "channel": request.consent.channel},
        )

    def _caught_up(self) -> Known:
        """What is decided with, once it contains everything that is stored: else twins slip in together."""
        wanted = self._sets.rev()
        until_ns = self.clock.boot_ns() + round(LIVE_WITHIN_S * NS_PER_S)
        while (live := self._live()).roster.rev < wanted:
            if self.clock.boot_ns() > until_ns:
                raise Unavailable("the gallery is not up to date; see the alarms")
            self._turn()
            self.stopping.wait(TURN_S)
        return live

    # Withdrawals, whatever else goes on

    def _turn(self) -> None:
        """Called a few times a second, also while the examiner works."""
        self.beat()
        while self._withdrawals:
            self._withdraw(self._withdrawals.popleft())
        self._settle()
        if self.stopping.is_set():
            raise _Stopping("the daemon ends")
        if self._is_void and self._current is not None:
            raise _Withdrawn(f"{self._current.request.person_id!r} has withdrawn meanwhile")

    def _withdraw(self, withdrawal: _Withdrawal) -> None:
        if not withdrawal.future.set_running_or_notify_cancel():
            return
        self._void_orders_of(withdrawal)
        try:
            receipt = self._sets.withdraw_consent(withdrawal.person_id)
        except EdgeError as error:
            withdrawal.future.set_exception(error)
            return
        until_ns = self.clock.boot_ns() + round(LIVE_WITHIN_S * NS_PER_S)
        self._settling.append((receipt, withdrawal.future, until_ns))

    def _void_orders_of(self, withdrawal: _Withdrawal) -> None:
        """Who has withdrawn is not enrolled by an order from before."""
        for order in list(self._orders):
            if order.request.person_id == withdrawal.person_id and order.serial < withdrawal.serial:
                self._orders.remove(order)
                if order.future.set_running_or_notify_cancel():
                    order.future.set_exception(
                        UsageError(f"{withdrawal.person_id!r} has withdrawn meanwhile")
                    )
        current = self._current
        if current is not None and current.request.person_id == withdrawal.person_id:
            self._is_void = self._is_void or current.serial < withdrawal.serial

    def _settle(self) -> None:
        """Tell those whose person the live roster and gallery, which are swapped together, no longer hold."""
        if not self._settling:
            return
        live, now_ns = self._live(), self.clock.boot_ns()
        waiting = []
        for receipt, future, until_ns in self._settling:
            if live.roster.rev >= receipt.rev:
                future.set_result(receipt)
            elif now_ns > until_ns:
                future.set_exception(
                    Unavailable(f"deleted (receipt {receipt.id}), but the live gallery still holds the face")
                )
            else:
                waiting.append((receipt, future, until_ns))
        self._settling = waiting

    # A new network

    def _look_for_other_sets(self) -> None:
        """Once, at the start: persons whose templates are all of another model."""
        waiting = backlog(self._sets, self._set_name)
        self._to_describe.extend(waiting.with_pictures)
        if waiting:
            counts = len(waiting.with_pictures), len(waiting.without), self._set_name
            log.info("%d persons are described again, %d must enrol again, for %s", *counts)
            self._review(is_certain=True)

    def _describe_some(self) -> None:
        """A few persons, so that orders need not wait until all are done."""
        some = [self._to_describe.popleft() for _ in range(min(DESCRIBED_AT_ONCE, len(self._to_describe)))]
        try:
            with OutsideExaminer(self._models, self._cache, self.clock, self._turn) as examiner:
                for person in some:
                    reembed(self._sets, person, examiner.set_name, examiner.examine)
        except Unavailable as error:
            log.error("kept pictures cannot be described again now: %s", error)
            self._to_describe.clear()
        log.info("%d persons are still to be described again", len(self._to_describe))
        self._review(is_certain=True)

    def _review(self, *, is_certain: bool = False) -> None:
        """Say who must enrol again as long as there is somebody."""
        if not is_certain and not self._is_incomplete:
            return
        waiting = set(self._to_describe)
        left = backlog(self._sets, self._set_name)
        again = sorted({*left.without, *left.with_pictures} - waiting)
        self._is_incomplete = bool(again)
        if again:
            named = ", ".join(again[:5]) + (", ..." if len(again) > 5 else "")
            detail = f"{len(again)} persons must enrol again for {self._set_name}: {named}"
            self._alarms.set(INCOMPLETE, "gallery", f"{detail} (gatehouse roster audit)")
        else:
            self._alarms.clear(INCOMPLETE, "gallery")


def enrolment_note(
    judgement: Judgement, *, by: str, operator: str = "", command: str = ""
) -> dict[str, object]:
    """What the journal is told: who ordered it, how the pictures fared; no picture, template or name."""
    findings: dict[str, int] = {}
    for verdict in judgement.verdicts:
        findings[verdict.finding.value] = findings.get(verdict.finding.value, 0) + 1
    note: dict[str, object] = {"by": by, "pictures": findings, "look_alikes": list(judgement.others)}
    return note | ({"operator": operator} if operator else {}) | ({"command": command} if command else {})

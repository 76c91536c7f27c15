"""One line with readers: a thread that owns it, hands on what people present, and shows them the answer.

It asks the same policy as a camera does (``Decider.present``), and waits for nothing: the answer comes when
it comes, and a reader that is gone costs an alarm and whoever would have used it.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drivers.errors import BadReply, DriverError
from drivers.reader import (
    CardRead,
    Condition,
    Feedback,
    KeysPressed,
    ReaderChanged,
    ReaderEvent,
    ReaderLine,
    card_number,
)
from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError
from edge.health import Alarms
from edge.readers.outlets import Outlet
from edge.readers.pinpad import PinPad
from edge.records import Decision, Presented, Verdict
from edge.settings_readers import AnyReader
from edge.worker import Worker

log = logging.getLogger(__name__)

LOST, TAMPERED, POWER_LOST, MANY_REFUSED = (
    "reader.lost",
    "reader.tampered",
    "reader.power_lost",
    "reader.many_refused",
)
_ALARMS: Mapping[Condition, str] = {
    Condition.OFFLINE: LOST,
    Condition.TAMPERED: TAMPERED,
    Condition.POWER_LOST: POWER_LOST,
}
POLL_S, POLL_WITH_RELAYS_S = 0.05, 0.01
REFUSED_ALLOWED = 5  # in a row; GB 50396 asks for an alarm at five or fewer
FORGIVEN_S = 600
LAST_CARD_S = 60
_RETRY_S = (1.0, 2.0, 5.0)
_ANSWERS: Mapping[Verdict, Feedback] = {
    Verdict.GRANT: Feedback.GRANTED,
    Verdict.DENY: Feedback.REFUSED,
    Verdict.WAIT: Feedback.MORE_WANTED,
}

Present = Callable[[Presented, Callable[[Decision | None], None]], bool]
"""``Decider.present``: hands on what was presented; the answer comes in the thread ``decide``."""


Make = Callable[[Callable[[str, str], None]], ReaderLine]


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """A reader at one moment, for console and command line; ``detail`` says why it is not up."""

    name: str
    type: str
    lane: str
    is_up: bool
    detail: str


class ReaderWorker(Worker):
    """Thread ``reader-<first name>``. ``statuses`` and ``last_card`` may be used from any.

    Args:
        readers: The sections of the readers on this line, by name.
        make: Makes the driver of the line, not yet open; asked anew for each try, because keys may have come.
            It is given whom to tell which reader has to be left out, and why.
        present: Where what people present goes.
        clock: CLOCK_BOOTTIME.
        alarms: ``reader.lost``, ``.tampered``, ``.power_lost`` and ``.many_refused`` stand here.
        outlets: The ways to the relays of these readers, by reader.
    """

    def __init__(
        self,
        readers: Mapping[str, AnyReader],
        make: Make,
        present: Present,
        clock: Clock,
        alarms: Alarms,
        outlets: Mapping[str, Outlet] = MappingProxyType({}),
    ) -> None:
        super().__init__(f"reader-{next(iter(readers))}", clock)
        self._readers, self._make, self._present = dict(readers), make, present
        self._alarms, self._outlets = alarms, outlets
        self._line: ReaderLine | None = None
        self._tries = 0
        self._pads = {name: PinPad(reader.pin_timeout_s) for name, reader in readers.items()}
        self._answers: deque[tuple[str, Decision | None]] = deque()
        self._refused: dict[str, tuple[int, int]] = {}
        self._why_down = dict.fromkeys(readers, "not heard yet")
        self._last_card: dict[str, tuple[str, int]] = {}

    # Any thread

    @property
    def statuses(self) -> tuple[ReaderStatus, ...]:
        """Every reader of the line as of now."""
        down = dict(self._why_down)
        return tuple(
            ReaderStatus(name, reader.type, reader.lane, name not in down, down.get(name, "up"))
            for name, reader in self._readers.items()
        )

    def last_card(self, name: str) -> str | None:
        """The number of the card that was held before a reader in the last minute; for entering it."""
        number, at_ns = self._last_card.get(name, ("", 0))
        return number if number and self.clock.boot_ns() - at_ns < LAST_CARD_S * NS_PER_S else None

    # The thread

    def work(self) -> None:
        """Keep the line going until stopped."""
        try:
            while not self.stopping.is_set():
                self.beat()
                try:
                    self._turn()
                except (DriverError, EdgeError) as error:
                    self._lose(error)
        finally:
            self._close()

    def _turn(self) -> None:
        if self._line is None:
            line = self._make(self._leave_out)
            line.open()
            self._line = line
        for event in self._line.poll(POLL_S if not self._outlets else POLL_WITH_RELAYS_S):
            self._take(event)
        for name, outlet in self._outlets.items():
            outlet.is_up = name not in self._why_down
            outlet.serve(self._line)
        while self._answers:
            self._tell(*self._answers.popleft())
        self._forgive()

    def _lose(self, error: DriverError | EdgeError) -> None:
        self._close()
        for name in self._readers:
            self._leave_out(name, str(error))
        pause_s = _RETRY_S[min(self._tries, len(_RETRY_S) - 1)]
        self._tries += 1
        self.stopping.wait(pause_s)

    def _leave_out(self, name: str, why: str) -> None:
        if (outlet := self._outlets.get(name)) is not None:
            outlet.is_up = False
        self._why_down[name] = why
        self._alarms.set(LOST, name, why)

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _take(self, event: ReaderEvent) -> None:
        match event:
            case ReaderChanged():
                self._change(event)
            case CardRead():
                self._take_card(event)
            case KeysPressed():
                for pin in self._pads[event.reader].press(event.keys, event.at_ns):
                    self._ask("pin", event.reader, pin, event.at_ns)

    def _change(self, change: ReaderChanged) -> None:
        name, alarm = change.reader, _ALARMS[change.condition]
        if change.condition is Condition.OFFLINE:
            self._tries = 0
            if change.holds:
                self._why_down[name] = change.detail
            else:
                self._why_down.pop(name, None)
        if change.holds:
            self._alarms.set(alarm, name, change.detail)
        else:
            self._alarms.clear(alarm, name)

    def _take_card(self, read: CardRead) -> None:
        reader = self._readers[read.reader]
        try:
            number = card_number(read, reader.card_format, reader.byte_order)
        except BadReply as error:
            log.warning("%s", error)
            self._signal(read.reader, Feedback.REFUSED)
            return
        self._last_card[read.reader] = (number, read.at_ns)
        self._ask("card", read.reader, number, read.at_ns)

    def _ask(self, kind: str, name: str, value: str, at_ns: int) -> None:
        presented = Presented(self._readers[name].lane, kind, value, at_ns, name)  # type: ignore[arg-type]
        if not self._present(presented, lambda decision: self._answers.append((name, decision))):
            self._signal(name, Feedback.REFUSED)

    def _tell(self, name: str, decision: Decision | None) -> None:
        if decision is None:  # the same showing goes on
            return
        self._signal(name, _ANSWERS[decision.verdict])
        if decision.verdict is Verdict.GRANT:
            self._refused.pop(name, None)
            self._alarms.clear(MANY_REFUSED, name)
        elif decision.verdict is Verdict.DENY:
            times = self._refused.get(name, (0, 0))[0] + 1
            self._refused[name] = (times, self.clock.boot_ns())
            if times >= REFUSED_ALLOWED:
                self._alarms.set(MANY_REFUSED, name, f"{times} refusals in a row; somebody is trying")

    def _forgive(self) -> None:
        now_ns = self.clock.boot_ns()
        for name, (_, at_ns) in list(self._refused.items()):
            if now_ns - at_ns > FORGIVEN_S * NS_PER_S:
                del self._refused[name]
                self._alarms.clear(MANY_REFUSED, name)

    def _signal(self, name: str, feedback: Feedback) -> None:
        if self._line is not None:
            self._line.signal(name, feedback)

"""The kill switch: until it is released no lane opens by recognition, by schedule or by remote command.

What stands beside it works on (SAFE-2): fire input, key switch and exit button, and the hand of whoever
stands at the box (``gatehouse lane ask``). A lane that is held open remotely or by its schedule is let go
when it is thrown; it comes down by its own rules, never onto something.

It is durable: a box that starts with the switch thrown starts with it thrown. Thrown it counts at once, even
where the disk refuses; released it counts only when that is on the disk.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.health import Alarms
from edge.records import EventDraft, JsonObject, Stream
from edge.store import Journal

log = logging.getLogger(__name__)

STATE_KEY = "kill_switch"
ALARM = "kill_switch.thrown"
SUBJECT = "box"


@dataclass(frozen=True, slots=True)
class Thrown:
    """Who threw it, why, and when (Unix seconds by the clock of the box)."""

    by: str
    why: str
    at_s: int


class KillSwitch:
    """One for all lanes of a box.

    Thread: any. ``is_thrown`` never waits; the other two wait for the disk.

    Args:
        journal: Keeps it; must be running.
        clock: When it was thrown.
        alarms: ``kill_switch.thrown`` stands while it is thrown.
    """

    def __init__(self, journal: Journal, clock: Clock, alarms: Alarms) -> None:
        self._journal, self._clock, self._alarms = journal, clock, alarms
        self._changing = threading.Lock()  # one hand at a time; nobody who decides waits for it
        self._listeners: list[Callable[[], None]] = []
        kept = journal.get_state(STATE_KEY)
        self._thrown = None if kept is None else Thrown(kept["by"], kept["why"], kept["at_s"])
        if self._thrown is not None:
            self._alarm(self._thrown)

    @property
    def is_thrown(self) -> bool:
        """Whether lanes are to refuse."""
        return self._thrown is not None

    @property
    def status(self) -> JsonObject:
        """For people and for the platform."""
        thrown = self._thrown
        return {"thrown": False} if thrown is None else {"thrown": True, **asdict(thrown)}

    def on_thrown(self, listener: Callable[[], None]) -> None:
        """Be told, in the thread of whoever throws it, that it counts from now on."""
        self._listeners.append(listener)

    def throw(self, by: str, why: str, cause: str = "") -> bool:
        """Throw it; False when it is thrown already.

        Args:
            by: Who.
            why: In their words.
            cause: Id of the command, for the chain of events.

        Raises:
            JournalError: It counts, but a restart would forget it.
        """
        with self._changing:
            if self._thrown is not None:
                return False
            self._thrown = thrown = Thrown(by[:64], why[:200], self._clock.utc_ns() // NS_PER_S)
        self._alarm(thrown)
        for listener in self._listeners:
            listener()
        self._keep(asdict(thrown), "kill_switch.thrown", by, why, cause)
        return True

    def release(self, by: str, why: str, cause: str = "") -> bool:
        """Release it; False when it is not thrown.

        Raises:
            JournalError: That could not be made durable: it stays thrown.
        """
        with self._changing:
            if self._thrown is None:
                return False
            self._keep(None, "kill_switch.released", by, why, cause)
            self._thrown = None
        self._alarms.clear(ALARM, SUBJECT)
        return True

    def _alarm(self, thrown: Thrown) -> None:
        self._alarms.set(ALARM, SUBJECT, f"by {thrown.by}: {thrown.why or 'no reason given'}")

    def _keep(self, value: JsonObject | None, kind: str, by: str, why: str, cause: str) -> None:
        data = {"by": by[:64], "why": why[:200]}
        draft = EventDraft(Stream.AUDIT, kind, SUBJECT, data, (cause,) if cause else ())
        try:
            self._journal.put_state(STATE_KEY, value, draft)
        except JournalError as error:
            log.error("%s by %s is not on the disk: %s", kind, by, error)
            raise

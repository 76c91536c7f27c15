"""What the daemon knows about its own clock: it never believes an earlier time than one it was sure of.

A board without a battery starts in the past, or at the moment of its last shutdown. ``FlooredClock`` calls
the time unset while it is earlier than the latest moment that was ever known from the network; ``Timekeeper``
keeps that moment over restarts and journals what a platform needs to put right the times of earlier events:
pairs of boot time and UTC, each change of the state, and each step.
"""

from datetime import UTC, datetime

from edge.clock import NS_PER_S, Clock, ClockState
from edge.errors import JournalError
from edge.health import Alarms
from edge.records import EventDraft, JsonObject, Stream
from edge.store.journal import Journal

HIGH_WATER = "clock.high_water_utc_ns"
SAVE_EVERY_NS = 3600 * NS_PER_S
PAIR_EVERY_NS = 86_400 * NS_PER_S
STEP_NS = 2 * NS_PER_S
SLACK_NS = 60 * NS_PER_S
"""Clocks that were both right differ by less."""

ALARM, SUBJECT = "clock.unset", "clock"


class FlooredClock:
    """A clock that calls itself unset while it shows less than it has shown before. Thread: any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.floor_utc_ns = 0

    def boot_ns(self) -> int:
        """Nanoseconds since boot."""
        return self._clock.boot_ns()

    def utc_ns(self) -> int:
        """Nanoseconds since 1970 UTC; may jump, and may be wrong: see ``state``."""
        return self._clock.utc_ns()

    def state(self) -> ClockState:
        """As the clock itself says; ``unset`` where it is behind the floor and nothing holds it right now."""
        state = self._clock.state()
        if state is ClockState.HOLDOVER and self.utc_ns() < self.floor_utc_ns - SLACK_NS:
            return ClockState.UNSET
        return state


class Timekeeper:
    """Thread: main; ``tick`` about once a second."""

    def __init__(self, clock: FlooredClock, journal: Journal, alarms: Alarms) -> None:
        """Take the floor from the journal.

        Args:
            clock: Gets the floor.
            journal: Keeps it, and takes the events.
            alarms: ``clock.unset`` stands while times cannot be trusted.
        """
        self._clock, self._journal, self._alarms = clock, journal, alarms
        kept = journal.get_state(HIGH_WATER)
        clock.floor_utc_ns = kept if isinstance(kept, int) else 0
        self._state: ClockState | None = None
        self._offset_ns = clock.utc_ns() - clock.boot_ns()
        self._save_due_ns = 0
        self._pair_due_ns = clock.boot_ns() + PAIR_EVERY_NS

    def tick(self) -> None:
        """Look at the clock, and say what has changed."""
        boot_ns, utc_ns, state = self._clock.boot_ns(), self._clock.utc_ns(), self._clock.state()
        offset_ns = utc_ns - boot_ns
        stepped_ns = offset_ns - self._offset_ns
        self._offset_ns = offset_ns
        try:
            if abs(stepped_ns) > STEP_NS:
                self._say("clock.stepped", boot_ns, utc_ns, state, {"by_s": round(stepped_ns / NS_PER_S, 3)})
            if state is not self._state:
                before = None if self._state is None else self._state.value
                self._say("clock.changed", boot_ns, utc_ns, state, {"before": before})
                self._state = state
            elif boot_ns >= self._pair_due_ns:
                self._say("clock.paired", boot_ns, utc_ns, state, {})
            if state is ClockState.SYNCED and (boot_ns >= self._save_due_ns or abs(stepped_ns) > STEP_NS):
                # Also downwards: what the network says now is better than what it said then.
                self._journal.put_state(HIGH_WATER, utc_ns)
                self._clock.floor_utc_ns = utc_ns
                self._save_due_ns = boot_ns + SAVE_EVERY_NS
        except JournalError:
            return  # its own alarm stands; the next tick tries again
        self._watch(state, utc_ns)

    def _watch(self, state: ClockState, utc_ns: int) -> None:
        if state is not ClockState.UNSET:
            self._alarms.clear(ALARM, SUBJECT)
            return
        shown = datetime.fromtimestamp(min(utc_ns, 2**62) // NS_PER_S, UTC)
        detail = f"shows {shown:%Y-%m-%d %H:%M} and was never set; permits with times wait: check the network"
        self._alarms.set(ALARM, SUBJECT, detail)

    def _say(self, kind: str, boot_ns: int, utc_ns: int, state: ClockState, more: JsonObject) -> None:
        data: JsonObject = {"boot_ns": str(boot_ns), "utc_ns": str(utc_ns), "state": state.value, **more}
        self._journal.append(EventDraft(Stream.SYS, kind, SUBJECT, data))
        self._pair_due_ns = boot_ns + PAIR_EVERY_NS

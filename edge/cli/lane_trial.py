"""Trying every wire of a lane, step by step, with a person beside it; the daemon is not running.

The boards are driven by the same owners that the daemon uses, so everything holds that holds there: safe
states first and last, OPEN and CLOSE never together, a guard on every pulse, OFF until it stands. Nothing is
moved without a yes, and a boom is lowered only while every sensor says that nobody is there.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import Event

from edge.clock import NS_PER_MS, NS_PER_S, SystemClock
from edge.errors import Unavailable
from edge.health import Alarms
from edge.lanes import Boards
from edge.lanes.contacts import Contacts
from edge.lanes.orders import Order, Outcome, WireResult
from edge.settings import Output, Settings
from edge.settings_passages import boards_of

log = logging.getLogger(__name__)

OPENING_S = 8.0  # boards get so long to open
LEVEL_MS = 2000  # a level is tried for so long
SETTLING_S = 15  # a boom gets so long to reach its limit
_LIMITS = {"open": "open_limit", "close": "closed_limit"}
_SENSORS = ("presence", "second_loop", "beam", "edge", "fire", "hold_key")  # all clear, or no CLOSE
_TURN_S = 0.02


class Verdict(StrEnum):
    """How a step ended."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Step:
    """One wire, tried."""

    meaning: str
    verdict: Verdict
    detail: str


class Trial:
    """One lane with its boards in our hands. Make it with ``trial_of``.

    Args:
        lane: Name of the lane.
        settings: All of the configuration.
        boards: Started.
    """

    def __init__(self, lane: str, settings: Settings, boards: Boards) -> None:
        self._clock = SystemClock()
        self._lane, self._boards = settings.lanes[lane], boards
        self._contacts = Contacts(self._lane, lambda name: boards[name].snapshot)
        self._seen: dict[str, set[bool]] = {meaning: set() for meaning in self._contacts.wires}
        for name in {wire.board for wire in self._contacts.wires.values()}:
            boards[name].on_inputs(self._notice)

    @property
    def outputs(self) -> Mapping[str, Output]:
        """The wired outputs by meaning."""
        named = ((option, getattr(self._lane, option)) for option in type(self._lane).model_fields)
        return {option: wire for option, wire in named if isinstance(wire, Output)}

    def contacts(self) -> dict[str, bool | None]:
        """Every input as it is now; None when not known."""
        now_ns = self._clock.boot_ns()
        return {meaning: self._contacts.raw(meaning, now_ns) for meaning in self._contacts.wires}

    def seen(self, meaning: str) -> frozenset[bool]:
        """Which levels of an input have been seen so far."""
        return frozenset(self._seen[meaning])

    def _notice(self) -> None:
        for meaning, value in self.contacts().items():
            if value is not None:
                self._seen[meaning].add(value)

    def settle(self, meaning: str) -> bool | None:
        """Wait until the boom has reached the limit of this output; None when no limit tells."""
        limit = _LIMITS.get(meaning, "")
        if limit not in self._contacts.wires:
            return None
        until_ns = self._clock.boot_ns() + SETTLING_S * NS_PER_S
        while self.contacts()[limit] is not True:
            if self._clock.boot_ns() > until_ns:
                return False
            time.sleep(_TURN_S)
        return True

    def why_not(self, meaning: str) -> str:
        """Empty, or why this output may not be tried now."""
        if meaning != "close":
            return ""
        now = self.contacts()
        doubtful = [name for name in _SENSORS if name in now and now[name] is not False]
        return f"{', '.join(doubtful)}: active or not known, nothing is lowered" if doubtful else ""

    def switch(self, meaning: str) -> WireResult:
        """Move one output away from its safe state for its pulse, and wait until it is back."""
        wire = self.outputs[meaning]
        owner = self._boards[wire.board]
        told: list[WireResult] = []
        is_told = Event()

        def done(result: WireResult) -> None:
            told.append(result)
            is_told.set()

        length_ms = wire.pulse_ms or min(LEVEL_MS, wire.max_on_ms)
        not_after_ns = self._clock.boot_ns() + 3 * NS_PER_S
        owner.order(
            Order(
                wire.channel,
                length_ms,
                wire.max_on_ms,
                not_after_ns,
                first=meaning != "close",
                only_if=lambda: not self.why_not(meaning),
                done=done,
            )
        )
        if not is_told.wait(5.0):
            return WireResult(Outcome.UNKNOWN, why="the board does not get to it")
        back_ns = self._clock.boot_ns() + (length_ms + 2000) * NS_PER_MS
        while wire.channel in owner.status.away and self._clock.boot_ns() < back_ns:
            time.sleep(_TURN_S)
        if wire.channel in owner.status.away:
            return WireResult(Outcome.UNKNOWN, why="the relay could not be brought back to its safe state")
        return told[0]

    def watch_input(self, meaning: str, seconds: float, say: Callable[[bool | None], None]) -> bool:
        """Wait until an input has been active and clear, both; ``say`` is told every change."""
        until_ns = self._clock.boot_ns() + round(seconds * NS_PER_S)
        self._notice()
        before = self.contacts()[meaning]
        say(before)
        while self._clock.boot_ns() < until_ns and len(self._seen[meaning]) < 2:
            time.sleep(_TURN_S)
            if (value := self.contacts()[meaning]) is not before:
                say(value)
            before = value
        return len(self._seen[meaning]) == 2


@contextmanager
def trial_of(lane: str, settings: Settings) -> Iterator[Trial]:
    """Take the boards of a lane, everything safe; and give them back, everything safe.

    Raises:
        Unavailable: A board cannot be opened; says why and what to do.
    """
    alarms = Alarms(SystemClock())
    boards = Boards(settings, SystemClock(), alarms)
    with ExitStack() as stops:
        used = sorted(boards_of(settings.lanes[lane]))
        for name in used:
            stops.callback(boards[name].close)
            boards[name].start()
        until_s = time.monotonic() + OPENING_S
        while not all(boards[name].is_up for name in used):
            down = [alarm.detail for alarm in alarms.standing() if alarm.name == "board.lost"]
            if down:
                raise Unavailable(down[0])
            if time.monotonic() > until_s:
                raise Unavailable(f"boards {', '.join(used)} do not open within {OPENING_S:g} s")
            time.sleep(_TURN_S)
        yield Trial(lane, settings, boards)

"""When the owner of a board that acknowledges nothing tells it the same thing again."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from drivers.relay import Capabilities
from edge.clock import NS_PER_MS
from edge.health import Alarms
from edge.lanes.interlock import Interlock
from edge.lanes.line import Line
from edge.lanes.orders import Order
from edge.lanes.relays import ONCE_PATIENCE_NS, TWICE_PATIENCE_NS, Relays
from edge.lanes.wiring import wiring_of
from edge.settings_file import parse_settings

OPEN, CLOSE, STOP, LOCK = 1, 2, 3, 4
GAP_MS = 60
MS = NS_PER_MS
ONCE_MS = ONCE_PATIENCE_NS // MS


@dataclass
class Clock:
    now_ns: int = 10_000 * MS

    def boot_ns(self) -> int:
        return self.now_ns


@dataclass
class Paper:
    """Writes down who was written to, and wants a pause after each frame."""

    clock: Clock
    written: list[tuple[int, bool]] = field(default_factory=list)
    free_ns: int = 0
    capabilities: Capabilities = Capabilities(4, 0, False, False, None, GAP_MS)

    def write_output(self, channel: int, energised: bool) -> int:
        self.written.append((channel, energised))
        self.free_ns = self.clock.now_ns + GAP_MS * MS
        return self.clock.now_ns


@dataclass
class Welded(Paper):
    """A board that can be read, one of whose relays hangs in the meantime."""

    hanging: set[int] = field(default_factory=set)
    capabilities: Capabilities = Capabilities(4, 0, False, True, None, GAP_MS)

    def read_outputs(self, wanted: Any) -> tuple[bool, ...]:
        return tuple(channel in self.hanging for channel in (OPEN, CLOSE, STOP, LOCK))


class Rig:
    def __init__(self) -> None:
        def wire(channel: int) -> dict[str, Any]:
            return {"board": "relays", "channel": channel, "pulse_ms": 400}

        settings = parse_settings(
            {
                "device": {"id": "box"},
                "boards": {
                    "relays": {"type": "lcus", "port": "/dev/null"},
                    "io": {"type": "modbus", "profile": "lc", "port": "/dev/zero"},
                },
                "lanes": {
                    "entry": {
                        "type": "barrier",
                        "accepts": ["card"],
                        "open": wire(OPEN),
                        "close": wire(CLOSE),
                        "stop": wire(STOP),
                        "presence": {"board": "io", "channel": 3},
                        "beam": {"board": "io", "channel": 4},
                        "open_limit": {"board": "io", "channel": 1},
                        "closed_limit": {"board": "io", "channel": 2},
                    },
                    "hall": {"type": "door", "accepts": ["card"], "lock": wire(LOCK)},
                },
            }
        )
        self.clock = Clock()
        self.line = Line()
        self.board: Any = Paper(self.clock)
        clock: Any = self.clock
        interlock = Interlock(settings)
        wiring = wiring_of("relays", settings)
        self.alarms = Alarms(clock)
        self.relays = Relays("relays", wiring, clock, self.alarms, interlock, self.line, lambda *_: None)

    def pulse(self, channel: int) -> None:
        """A pulse, its end, and its end told again."""
        self.relays.move(self.board, Order(channel, 400, 1000, self.clock.now_ns + 1000 * MS, first=True))
        self.clock.now_ns += 400 * MS
        self.relays.make_due_safe(self.board, {channel})
        self.run(200)

    def run(self, ms: int) -> list[tuple[int, int]]:
        """Who is told again in that time, as (milliseconds, channel)."""
        begin_ns, told = self.clock.now_ns, []
        while self.clock.now_ns < begin_ns + ms * MS:
            if self.clock.now_ns >= self.board.free_ns and self.relays.repeat(self.board):
                told.append(((self.clock.now_ns - begin_ns) // MS, self.board.written[-1][0]))
            self.clock.now_ns += MS
        return told


@pytest.fixture
def made() -> Rig:
    return Rig()


def end_of_pulse(made: Rig, channel: int) -> None:
    made.relays.move(made.board, Order(channel, 400, 1000, made.clock.now_ns + 1000 * MS, first=True))
    made.clock.now_ns += 400 * MS
    made.relays.make_due_safe(made.board, {channel})


@pytest.mark.parametrize("channel", [OPEN, CLOSE, STOP, LOCK])
def test_an_end_is_told_twice(made: Rig, channel: int) -> None:
    end_of_pulse(made, channel)
    assert made.run(300) == [(GAP_MS, channel)]
    assert made.board.written == [(channel, True), (channel, False), (channel, False)]


@pytest.mark.parametrize(
    ("channel", "after_ms"), [(OPEN, ONCE_MS), (CLOSE, GAP_MS), (STOP, ONCE_MS), (LOCK, ONCE_MS)]
)
def test_an_end_waits_to_be_told_twice_for_who_comes_unless_its_opposite_may_have_to_act(
    made: Rig, channel: int, after_ms: int
) -> None:
    made.line.keep_free(made.clock.now_ns + 3600_000 * MS)
    end_of_pulse(made, channel)
    assert made.run(2000) == [(after_ms, channel)]


def test_what_was_told_twice_is_told_a_third_time_behind_another_relay(made: Rig) -> None:
    made.pulse(STOP)
    made.relays.move(made.board, Order(LOCK, 400, 1000, made.clock.now_ns + 1000 * MS, first=True))
    assert made.run(300) == [(GAP_MS, STOP)]


def test_a_third_time_waits_for_who_comes_but_not_for_ever(made: Rig) -> None:
    made.pulse(STOP)
    made.line.keep_free(made.clock.now_ns + 3600_000 * MS)
    made.relays.move(made.board, Order(LOCK, 0, 0, made.clock.now_ns + 1000 * MS, first=True))
    assert made.relays.next_ns(made.board) == made.clock.now_ns + TWICE_PATIENCE_NS
    patience_ms = TWICE_PATIENCE_NS // MS
    assert made.run(2 * patience_ms) == [(patience_ms, STOP)]


def test_a_third_time_is_told_as_soon_as_nobody_comes_any_more(made: Rig) -> None:
    made.pulse(STOP)
    made.line.keep_free(made.clock.now_ns + 300 * MS)
    made.relays.move(made.board, Order(LOCK, 0, 0, made.clock.now_ns + 1000 * MS, first=True))
    assert made.run(900) == [(300, STOP)]


def test_an_opposite_is_told_a_third_time_at_once_whoever_comes(made: Rig) -> None:
    made.pulse(CLOSE)
    made.pulse(STOP)
    made.line.keep_free(made.clock.now_ns + 3600_000 * MS)
    made.relays.move(made.board, Order(OPEN, 0, 0, made.clock.now_ns + 1000 * MS, first=True))
    assert made.run(500) == [(GAP_MS, CLOSE)]
    assert made.run(TWICE_PATIENCE_NS // MS) == [(TWICE_PATIENCE_NS // MS - 500, STOP)]


def test_what_the_board_says_to_be_safe_is_not_told_again(made: Rig) -> None:
    made.board = Welded(made.clock)
    made.pulse(STOP)
    made.relays.move(made.board, Order(LOCK, 0, 0, made.clock.now_ns + 1000 * MS, first=True))
    made.clock.now_ns += 500 * MS
    made.relays.check(made.board, lambda: False)
    assert made.run(TWICE_PATIENCE_NS // MS + 500) == []


def test_a_relay_that_came_free_is_seen_to_be_so_while_the_line_is_kept_free(made: Rig) -> None:
    made.board = Welded(made.clock, hanging={OPEN})
    made.relays.move(made.board, Order(OPEN, 400, 1000, made.clock.now_ns + 1000 * MS, first=True))
    made.clock.now_ns += 400 * MS
    made.relays.make_due_safe(made.board, {OPEN})

    def pass_s(seconds: float) -> None:
        until_ns = made.clock.now_ns + round(seconds * 1000) * MS
        while made.clock.now_ns < until_ns:
            made.clock.now_ns = max(made.clock.now_ns + MS, made.board.free_ns)
            if not made.relays.repeat(made.board):
                made.relays.check(made.board, lambda: False)

    pass_s(2.0)
    assert [alarm.name for alarm in made.alarms.standing()] == ["relay.stuck"]
    made.line.keep_free(made.clock.now_ns + 3600_000 * MS)
    made.board.hanging.clear()
    pass_s(2.5)
    assert made.alarms.standing() == ()
    made.board.written.clear()
    pass_s(60)
    assert made.board.written == []

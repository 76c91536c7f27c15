"""The outputs of a lane: levels kept, releases answered, what is asked before bytes go out."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Pulse, Wire
from edge.lanes.interlock import pairs_of
from edge.lanes.machines import machine_of
from edge.lanes.orders import Order, Outcome, WireResult
from edge.lanes.outputs import LaneOutputs
from edge.settings import DoorLane, Lane, Settings

NOTHING: dict[Wire, bool] = {}


@dataclass
class Board:
    """Takes orders and does them at once, as long as it is up."""

    is_up: bool = True
    away: set[int] = field(default_factory=set)
    orders: list[Order] = field(default_factory=list)
    releases: list[int] = field(default_factory=list)
    deaf: bool = False

    @property
    def status(self) -> Any:
        return self

    def order(self, order: Order) -> None:
        self.orders.append(order)
        if self.deaf:
            order.done(WireResult(Outcome.FAILED, why="lost"))
        else:
            self.away.add(order.channel)
            order.done(WireResult(Outcome.DONE, 5))

    def release(self, channel: int) -> None:
        self.releases.append(channel)
        if not self.deaf:
            self.away.discard(channel)

    def keep_line_free(self, until_ns: int) -> None:
        return


def door(**changes: Any) -> DoorLane:
    section: dict[str, Any] = {
        "type": "door",
        "lock": {"board": "relays", "channel": 1, "pulse_ms": 0},
        "light_red": {"board": "relays", "channel": 2},
        "light_green": {"board": "relays", "channel": 3},
        "alarm": {"board": "relays", "channel": 4},
    }
    return DoorLane.model_validate(section | changes)


def outputs(settings: Lane, board: Board) -> LaneOutputs:
    return LaneOutputs(settings, {"relays": board})  # type: ignore[dict-item]


@pytest.fixture
def board() -> Board:
    return Board()


def test_lamps_follow_the_machine_and_are_ordered_once(board: Board) -> None:
    lane = outputs(door(), board)
    for now_s in range(3):
        lane.keep(frozenset({"light_red"}), NOTHING, now_s * NS_PER_S)
    assert [order.channel for order in board.orders] == [2]
    lane.keep(frozenset({"light_green", "alarm"}), NOTHING, 4 * NS_PER_S)
    assert board.away == {3, 4}
    assert all(order.ms == 0 and order.guard_ms == 0 and not order.first for order in board.orders)


def test_SAFE_4_levels_are_ordered_again_when_a_board_comes_back_with_everything_safe(board: Board) -> None:
    lane = outputs(door(), board)
    lane.keep(frozenset({"light_red"}), NOTHING, 0)
    board.away.clear()
    board.is_up = False
    lane.keep(frozenset({"light_red"}), NOTHING, 5 * NS_PER_S)
    assert len(board.orders) == 1
    board.is_up = True
    lane.keep(frozenset({"light_red"}), NOTHING, 6 * NS_PER_S)
    assert board.away == {2}


def test_a_level_that_fails_is_tried_again_a_second_later_and_not_before(board: Board) -> None:
    lane = outputs(door(), board)
    board.deaf = True
    for now_ms in range(0, 2500, 100):
        lane.keep(frozenset({"light_red"}), NOTHING, now_ms * NS_PER_MS)
    assert len(board.orders) == 3


def test_an_alarm_output_that_is_a_pulse_is_pulsed_once_as_it_begins(board: Board) -> None:
    lane = outputs(door(alarm={"board": "relays", "channel": 4, "pulse_ms": 300}), board)
    for now_s in range(5):
        lane.keep(frozenset({"alarm"}), NOTHING, now_s * NS_PER_S)
        board.away.discard(4)
    (order,) = board.orders
    assert (order.channel, order.ms, order.guard_ms) == (4, 300, 12_000)


def test_SAFE_4_a_lock_that_is_safe_unlocked_is_locked_by_the_level_and_let_go_by_the_act(
    board: Board,
) -> None:
    magnet = {
        "board": "relays",
        "channel": 1,
        "pulse_ms": 0,
        "energise_to": "lock",
        "safe": "unlocked",
    }
    lane = outputs(door(lock=magnet), board)
    lane.keep(frozenset(), {Wire.LOCK: False}, 0)
    assert board.away == {1}, "locked: energised, away from the safe state"
    told: list[WireResult] = []
    lane.pulse(Pulse(Wire.LOCK), NS_PER_S, only_if=lambda: True, done=told.append)
    assert board.releases == [1]
    lane.keep(frozenset(), {Wire.LOCK: True}, NS_PER_S)
    assert [result.outcome for result in told] == [Outcome.DONE]
    lane.release(Wire.LOCK)
    assert board.away == set(), "only the level locks it"
    lane.keep(frozenset(), {Wire.LOCK: False}, 3 * NS_PER_S)
    assert board.away == {1}


def test_a_lock_of_which_nobody_knows_whether_it_was_let_go_is_unknown(board: Board) -> None:
    magnet = {"board": "relays", "channel": 1, "pulse_ms": 0, "energise_to": "lock", "safe": "unlocked"}
    lane = outputs(door(lock=magnet), board)
    lane.keep(frozenset(), {Wire.LOCK: False}, 0)
    board.deaf = True
    told: list[WireResult] = []
    lane.pulse(Pulse(Wire.LOCK), NS_PER_S, only_if=lambda: True, done=told.append)
    lane.keep(frozenset(), {Wire.LOCK: True}, NS_PER_S)
    assert told == []
    lane.keep(frozenset(), {Wire.LOCK: True}, 3 * NS_PER_S)
    assert [result.outcome for result in told] == [Outcome.UNKNOWN]


def test_a_dry_run_switches_nothing_and_says_so(board: Board) -> None:
    lane = outputs(door(dry_run=True), board)
    told: list[WireResult] = []
    lane.pulse(Pulse(Wire.LOCK), 0, only_if=lambda: True, done=told.append)
    lane.keep(frozenset({"light_red"}), NOTHING, 0)
    assert [(result.outcome, result.why) for result in told] == [(Outcome.CANCELLED, "dry run")]
    assert board.orders == []


def test_a_strike_that_is_held_has_no_guard_and_a_pulse_has_its_own(board: Board) -> None:
    outputs(door(), board).pulse(Pulse(Wire.LOCK), 0, only_if=lambda: True, done=lambda _: None)
    pulsed = door(lock={"board": "relays", "channel": 1, "pulse_ms": 400, "max_on_ms": 900})
    outputs(pulsed, board).pulse(Pulse(Wire.LOCK), 0, only_if=lambda: True, done=lambda _: None)
    assert [(order.ms, order.guard_ms, order.first) for order in board.orders] == [
        (0, 0, True),
        (400, 900, True),
    ]


def test_the_two_ways_of_a_turnstile_exclude_each_other_and_neither_loses_patience() -> None:
    settings = Settings.model_validate(
        {
            "device": {"id": "box"},
            "boards": {
                "relays": {"type": "lcus", "port": "/dev/ttyUSB0"},
                "io": {"type": "modbus", "profile": "lc", "port": "/dev/ttyUSB1", "outputs": 0},
            },
            "lanes": {
                "tripod": {
                    "type": "turnstile",
                    "pass_in": {"board": "relays", "channel": 1},
                    "pass_out": {"board": "relays", "channel": 2},
                    "passage": {"board": "io", "channel": 1},
                    "times": {"dead_time_ms": 400},
                }
            },
        }
    )
    pairs = pairs_of(settings)
    assert {channel: (pair.channel, pair.wins) for channel, pair in pairs.items()} == {
        ("relays", 1): (("relays", 2), False),
        ("relays", 2): (("relays", 1), False),
    }
    assert {pair.dead_time_ns for pair in pairs.values()} == {400 * NS_PER_MS}


@pytest.mark.parametrize(
    ("kind", "act", "must_be"),
    [
        ("barrier", Pulse(Wire.OPEN), {}),
        (
            "barrier",
            Pulse(Wire.CLOSE),
            {"presence": False, "beam": False, "edge": False, "fire": False, "hold_key": False},
        ),
        ("door", Pulse(Wire.LOCK), {}),
        ("turnstile", Pulse(Wire.PASS_IN), {}),
        ("mantrap", Pulse(Wire.OUTER_LOCK), {"inner_contact": False, "inner_locked": True}),
        ("mantrap", Pulse(Wire.INNER_LOCK), {"outer_contact": False, "outer_locked": True}),
        ("mantrap", Pulse(Wire.INNER_LOCK, urgent=True), {}),
    ],
)
def test_SAFE_1_what_must_be_so_at_the_very_moment_before_the_bytes_go_out(
    kind: str, act: Pulse, must_be: dict[str, bool]
) -> None:
    class Section:
        type = kind

    assert machine_of(Section()).must_be(act) == must_be  # type: ignore[arg-type]

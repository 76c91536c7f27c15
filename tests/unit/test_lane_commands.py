"""What the platform may ask of a lane by hand, and what it may not say."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from edge.commanding import LANE_COMMANDS, LONGEST_HOLD_S, _at_lane
from edge.errors import UsageError
from edge.lanes import Ask
from edge.sync.commands import LIFE_LIMIT_S, Command, Result


@dataclass
class Lane:
    """Notes what it is asked, and says how it ended."""

    lane_name: str = "gate"
    takes: bool = True
    asked: list[tuple[Ask, str, float]] = field(default_factory=list)

    def command(
        self, ask: Ask, command_id: str, operator: str, not_after_ns: int, done: Any, *, hold_s: float = 0
    ) -> bool:
        self.asked.append((ask, operator, hold_s))
        done("done", "")
        return self.takes


def command(name: str, **args: Any) -> Command:
    said = {"lane": "gate", "operator": "wang", **args}
    return Command(
        name=name, args=said, jti="c-1", kid="k", ctr=1, issued_s=0.0, expires_s=9.0, not_after_ns=9
    )


def ask(lane: Lane, name: str, **args: Any) -> Result:
    lanes: Any = {"gate": lane}
    return _at_lane(lanes, LANE_COMMANDS[name], command(name, **args)).result(0).result


@pytest.mark.parametrize("name", sorted(LANE_COMMANDS))
def test_every_wish_has_its_command_which_does_not_live_long(name: str) -> None:
    lane = Lane()
    assert ask(lane, name) is Result.DONE
    assert lane.asked == [(Ask(name), "wang", 0)]
    assert LIFE_LIMIT_S[name] <= 10.0


def test_all_wishes_can_be_commanded() -> None:
    assert set(LANE_COMMANDS.values()) == set(Ask)


def test_a_hold_may_be_for_a_time_and_others_may_not_mean_one() -> None:
    lane = Lane()
    ask(lane, "hold", for_s=90.5)
    ask(lane, "open", for_s=90.5)
    assert lane.asked == [(Ask.HOLD, "wang", 90.5), (Ask.OPEN, "wang", 0)]


@pytest.mark.parametrize("for_s", [-1, LONGEST_HOLD_S + 1, "soon", True, float("nan")])
def test_a_hold_for_no_time_that_can_be_meant_is_refused(for_s: object) -> None:
    lane = Lane()
    with pytest.raises(UsageError, match="for_s"):
        ask(lane, "hold", for_s=for_s)
    assert lane.asked == []


def test_a_lane_that_takes_nothing_now_says_so() -> None:
    with pytest.raises(UsageError, match="takes no command now"):
        ask(Lane(takes=False), "open")

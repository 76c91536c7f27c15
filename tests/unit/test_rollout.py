"""Stages of a roll-out, and its end when boxes do not keep the configuration."""

import pytest

from edge.errors import UsageError
from edge.platform.rollout import Rollout, Standing, stages_of

BOXES = tuple(f"park/box-{n}" for n in range(20))


@pytest.mark.parametrize(
    ("text", "count", "totals"),
    [
        ("1,10,100%", 20, (1, 10, 20)),
        ("1,1%,10%,100%", 1000, (1, 10, 100, 1000)),
        ("1,10,100%", 3, (1, 3)),
        ("100%", 1, (1,)),
        ("25%,100%", 5, (2, 5)),
    ],
)
def test_stages_are_totals_that_rise_to_all(text: str, count: int, totals: tuple[int, ...]) -> None:
    assert stages_of(text, count) == totals


@pytest.mark.parametrize("text", ["", "1,10", "10,1,100%", "a", "0,100%", "1,200%", "1;100%", "-1,100%"])
def test_stages_that_do_not_end_with_all_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        stages_of(text, 20)


def drive(rollout: Rollout, *, bad: tuple[str, ...] = (), silent: tuple[str, ...] = ()) -> list[int]:
    """How many were sent in each round."""
    now_s, rounds = 0.0, []
    while not rollout.is_over:
        due = rollout.due()
        rounds.append(len(due))
        for device in due:
            rollout.sent(device, 7, now_s)
        for device in due:
            if device not in silent:
                state = "rolled_back" if device in bad else "applied"
                errors = [{"message": "no camera"}] if device in bad else []
                rollout.heard(device, {"rev": 6, "state": "applied"})
                rollout.heard(device, {"rev": 7, "state": "trial"})
                rollout.heard(device, {"rev": 7, "state": state, "errors": errors})
        now_s += 100
        rollout.tick(now_s)
    return rounds


def test_each_stage_waits_for_the_one_before() -> None:
    rollout = Rollout(BOXES, (1, 10, 20), 60)
    assert drive(rollout) == [1, 9, 10]
    assert {standing for standing, _ in rollout.standings().values()} == {Standing.APPLIED}


def test_the_first_box_that_takes_it_back_ends_the_roll_out() -> None:
    rollout = Rollout(BOXES, (1, 10, 20), 60)
    assert drive(rollout, bad=(BOXES[0],)) == [1]
    assert rollout.is_aborted
    assert rollout.standings()[BOXES[0]] == (Standing.FAILED, "no camera")
    assert sum(standing is Standing.WAITING for standing, _ in rollout.standings().values()) == 19


def test_a_share_of_failures_may_be_borne_and_silence_is_failure() -> None:
    borne = Rollout(BOXES, (1, 10, 20), 60, abort_share=0.2)
    assert drive(borne, silent=BOXES[5:7]) == [1, 9, 10]
    assert not borne.is_aborted
    assert borne.standings()[BOXES[5]][0] is Standing.SILENT
    too_many = Rollout(BOXES, (1, 10, 20), 60, abort_share=0.2)
    assert drive(too_many, silent=BOXES[5:8]) == [1, 9]
    assert too_many.is_aborted

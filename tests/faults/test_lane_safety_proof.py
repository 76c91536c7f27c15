"""The barrier machine against arbitrary stories, 20,000 steps; a million by command (``lane_proof.py``)."""

import pytest
from lane_proof import MUTANTS, Violation, World, prove

from edge.lanes.barrier_turn import BarrierTurn

STEPS = 20_000


def test_SAFE_1_SAFE_2_SAFE_3_SAFE_4_hold_at_every_step_of_every_story() -> None:
    assert prove(BarrierTurn, STEPS) >= STEPS
    assert len(World.phases_seen) >= 25  # the stories have been everywhere


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_the_proof_can_fail_and_catches(name: str) -> None:
    turn_type, promise, lanes = MUTANTS[name]
    with pytest.raises(Violation, match=promise):
        prove(turn_type, 10 * STEPS, lanes, quick=True, derandomize=True)

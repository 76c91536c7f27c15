"""Every lane machine against arbitrary stories, 20,000 steps each; a million by ``lane_proof.py``."""

import re

import pytest
from lane_proof import GOT_AWAY, PROOFS, is_caught
from proof_kit import prove

STEPS = 20_000
SEED = 20261123
LEAST_TRANSITIONS = {"barrier": 25, "door": 12, "turnstile": 6, "mantrap": 15}
PROMISES = ("SAFE-1", "SAFE-2", "SAFE-3", "SAFE-4")


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_SAFE_1_SAFE_2_SAFE_3_SAFE_4_hold_at_every_step_of_every_story(name: str) -> None:
    world = PROOFS[name].world
    assert prove(world, STEPS, seed=SEED) >= STEPS  # always the same here; new ones in the long form
    assert len(world.phases_seen) >= LEAST_TRANSITIONS[name]  # the stories have been everywhere


@pytest.mark.parametrize(
    ("name", "mutant"), [(name, mutant) for name in sorted(PROOFS) for mutant in sorted(PROOFS[name].mutants)]
)
def test_the_proof_can_fail_and_catches(name: str, mutant: str) -> None:
    said = is_caught(name, mutant, 10 * STEPS, seed=1)
    assert not said.startswith(GOT_AWAY), said


@pytest.mark.parametrize("name", sorted(PROOFS))
@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_has_a_mutant_of_every_machine(name: str, promise: str) -> None:
    assert any(re.match(mutant.promise, promise) for mutant in PROOFS[name].mutants.values())

"""The barrier as a Promela model: spin looks at every state; model and machine do the same (``spin.py``)."""

from dataclasses import replace

import pytest
import spin

pytestmark = pytest.mark.skipif(bool(spin.why_not()), reason=spin.why_not() or "spin is here")


@pytest.mark.parametrize("claim", ["", spin.CLAIMS[0]])
def test_SAFE_1_SAFE_2_SAFE_3_SAFE_4_ACC_1_hold_in_every_state_of_the_model(claim: str) -> None:
    kept, said = spin.verify(claim=claim)
    assert kept, said
    assert int(said.split()[0]) > 1000, "the model has lost most of its states"


@pytest.mark.parametrize("mutant", sorted(spin.MUTANTS))
def test_spin_can_fail_and_catches(mutant: str) -> None:
    kept, said = spin.verify(f"MUTANT_{mutant}")
    assert not kept
    assert "assertion violated" in said


def test_every_mutant_of_the_model_is_known_here() -> None:
    text = spin.MODEL.read_text(encoding="utf-8")
    defined = {word.removeprefix("MUTANT_") for word in text.split() if word.startswith("MUTANT_")} - {"..."}
    assert defined == set(spin.MUTANTS)
    promises = set(spin.MUTANTS.values())
    assert promises == {"SAFE-1", "SAFE-2", "SAFE-3", "SAFE-4", "ACC-1"}


def test_the_model_and_the_machine_do_the_same_step_by_step_in_both_directions() -> None:
    forth, back, seen = spin.compare(1500)
    assert forth >= 1500
    assert back >= 1500
    assert len(seen) >= 35  # the walks have been everywhere


def test_the_comparison_can_fail_in_both_directions() -> None:
    steps = spin.walk_of_the_model(1500, 1, "MUTANT_FORGETS_THE_BEAM", "MUTANT_DOES_NOT_WAIT_FOR_CLEAR")
    try:
        differences = [
            each for each in steps if spin.in_python(each.state, each.look) != (each.after, each.sent)
        ]
    except AssertionError:
        differences = ["the mutant broke a promise on its walk"]
    assert differences
    walk = list(spin.walk_of_the_machine(50, 3))
    assert spin.replay_in_the_model(walk) == ""
    phase, *others = walk[30].after
    walk[30] = replace(walk[30], after=((phase + 1) % 9, *others))
    assert spin.replay_in_the_model(walk).startswith("at step 30")

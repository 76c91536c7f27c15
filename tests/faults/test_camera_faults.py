"""Every kind of fault once on the real vision processes; more: ``camera_faults.py --count 300``."""

from camera_faults import FAULTS, Outcome, run


def test_every_fault_of_a_camera_is_named_and_the_camera_back_and_nothing_leaks() -> None:
    outcomes, before, after = run(len(FAULTS), seed=3, longest_s=0.2)
    assert {one.fault for one in outcomes} == set(FAULTS)
    missed: list[Outcome] = [one for one in outcomes if one.seen_s is None or one.back_s is None]
    assert not missed, "within a minute, on whatever machine"
    assert {name: number for name, number in after.items() if number > before[name]} == {}

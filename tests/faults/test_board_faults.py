"""The short form of ``board_faults``: every kind of fault on every family of boards, and some at random."""

from board_fault_kinds import FAMILIES, faults_of
from board_faults import run

EACH = 8


def test_whatever_breaks_no_output_is_unsafe_no_owner_is_stuck_and_every_fault_is_named() -> None:
    outcomes = run(EACH * len(FAMILIES), seed=3)
    assert [problem for one in outcomes for problem in one.problems] == []
    kinds = {fault.name for family in FAMILIES.values() for fault in faults_of(family)}
    assert set().union(*(one.injected for one in outcomes)) == kinds
    for one in outcomes:
        assert one.injected.total() == EACH
        assert one.named.total() + one.unseen.total() == EACH

"""Whom a lane waits for."""

from edge.access import Second
from edge.access.factors import Factors
from edge.clock import NS_PER_S
from edge.records import Identity, Kind

FACE = Identity("cam", "s", 1, "v1", Kind.FACE, "anna", True, 0.9, 0.2, 3, 0, 0)
S = NS_PER_S


def test_a_question_stands_until_it_is_answered_or_overdue() -> None:
    factors = Factors()
    assert factors.ask("door", "anna", FACE, 0, 20 * S)
    assert not factors.ask("door", "anna", FACE, 5 * S, 20 * S), "the same question"
    (question,) = factors.waiting("door", 19 * S)
    assert (question.person, question.asked_ns, question.until_ns) == ("anna", 0, 20 * S)
    assert factors.waiting("gate", 1) == ()
    factors.answered("door", "anna")
    assert factors.waiting("door", 6 * S) == ()
    assert factors.overdue(60 * S) == ()


def test_what_nobody_answers_is_handed_out_once() -> None:
    factors = Factors()
    factors.ask("door", "anna", FACE, 0, 20 * S)
    assert factors.waiting("door", 20 * S) == ()
    assert [question.person for question in factors.overdue(20 * S)] == ["anna"]
    assert factors.overdue(20 * S) == ()
    assert factors.ask("door", "anna", FACE, 21 * S, 20 * S), "a later one is a new question"


def test_a_factor_that_came_first_is_kept_for_its_person_lane_and_time() -> None:
    factors, pin = Factors(), Second("pin", 0)
    factors.keep("door", "anna", pin, 20 * S)
    assert factors.kept("door", "anna", 19 * S) == pin
    assert factors.kept("door", "anna", 20 * S) is None
    assert factors.kept("gate", "anna", 1) is None
    assert factors.kept("door", "bert", 1) is None
    factors.overdue(20 * S)
    assert factors.kept("door", "anna", 1) is None, "and then forgotten"

"""Whose turn it is on a line, and how trouble is told without flooding the journal."""

import threading
import time

from edge.clock import NS_PER_S
from edge.lanes.line import Line
from edge.lanes.troubles import Troubles
from edge.records import EventDraft

S = NS_PER_S


def told_by(troubles_of: "list[EventDraft]") -> list[tuple[str, object]]:
    return [(draft.type, draft.data.get("fault") or dict(draft.data["faults"])) for draft in troubles_of]


def test_the_first_fault_of_a_kind_is_told_and_the_rest_counted() -> None:
    notes: list[EventDraft] = []
    troubles = Troubles("relays", notes.append, quiet_ns=60 * S)
    for second in range(10):
        troubles.saw("silent", "no answer within 300 ms", second * S)
        troubles.look(second * S)
    troubles.saw("garbled", "damaged answer", 10 * S, times=3)
    assert told_by(notes) == [("board.faulted", "silent"), ("board.faulted", "garbled")]
    assert troubles.faults == {"silent": 10, "garbled": 3}
    troubles.look(69 * S)
    assert len(notes) == 2
    troubles.look(70 * S)
    assert told_by(notes)[2:] == [("board.recovered", {"silent": 10, "garbled": 3})]
    assert notes[-1].data["lasted_ms"] == 10_000
    assert troubles.faults == {}
    troubles.saw("silent", "again", 80 * S)
    assert notes[-1].type == "board.faulted"


def test_a_bad_line_costs_a_handful_of_events_a_day() -> None:
    notes: list[EventDraft] = []
    troubles = Troubles("relays", notes.append)
    for tick in range(24 * 3600 * 2):
        troubles.saw("garbled", "damaged answer", tick * S // 2)
        troubles.look(tick * S // 2)
    troubles.close()
    troubles.close()
    assert [draft.type for draft in notes] == ["board.faulted", "board.recovered"]


def test_one_has_the_line_at_a_time_and_the_urgent_go_first() -> None:
    line = Line(is_shared=True)
    order: list[str] = []
    holds = threading.Event()
    may_end = threading.Event()

    def hold() -> None:
        with line.turn():
            holds.set()
            may_end.wait(10.0)
            order.append("holder")

    def want(name: str, *, urgent: bool) -> None:
        with line.turn(urgent=urgent):
            order.append(name)

    threads = [threading.Thread(target=hold, name="holder")]
    threads[0].start()
    assert holds.wait(10.0)
    for i in range(3):
        threads.append(threading.Thread(target=want, args=(f"looker-{i}",), kwargs={"urgent": False}))
        threads[-1].start()
    threads.append(threading.Thread(target=want, args=("raiser",), kwargs={"urgent": True}))
    threads[-1].start()
    until_s = time.monotonic() + 10.0
    while not line.is_wanted:
        assert time.monotonic() < until_s
        time.sleep(0.001)
    may_end.set()
    for thread in threads:
        thread.join(10.0)
    assert order[:2] == ["holder", "raiser"]
    assert len(order) == 5
    assert not line.is_wanted


def test_a_line_that_was_let_go_by_a_failure_can_be_taken_again() -> None:
    line = Line()
    try:
        with line.turn():
            raise RuntimeError
    except RuntimeError:
        pass
    with line.turn(urgent=True):
        assert not line.is_wanted


def test_keeping_a_line_free_only_lengthens() -> None:
    line = Line()
    line.keep_free(500)
    line.keep_free(300)
    assert line.free_until_ns == 500

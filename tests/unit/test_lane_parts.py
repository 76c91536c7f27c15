"""The small parts of a lane: contacts, interlock, order queue, visits, stages."""

import pytest

from edge.clock import NS_PER_MS
from edge.lanes.contacts import Contacts
from edge.lanes.drafts import Times
from edge.lanes.interlock import OPEN_PATIENCE_NS, Interlock
from edge.lanes.orders import MAX_WAITING, Order, OrderQueue
from edge.lanes.snapshots import InputSnapshot
from edge.lanes.visits import REMEMBERED, Visits
from edge.lanes.wiring import wiring_of
from edge.settings import BarrierLane, Settings

MS = NS_PER_MS
OPEN, CLOSE = ("relays", 1), ("relays", 2)


def settings(**lane: object) -> Settings:
    section: dict[str, object] = {
        "type": "barrier",
        "open": {"board": "relays", "channel": 1},
        "close": {"board": "relays", "channel": 2},
        "presence": {"board": "io", "channel": 1, "debounce_ms": 100},
        "beam": {"board": "io", "channel": 2, "inverted": True},
        "poll_ms": 30,
    }
    return Settings.model_validate(
        {
            "device": {"id": "box"},
            "boards": {
                "relays": {"type": "lcus", "port": "/dev/null"},
                "io": {"type": "modbus", "profile": "lc", "port": "/dev/zero", "outputs": 0},
            },
            "lanes": {"gate": section | lane},
        }
    )


class Board:
    """Shows whatever the test puts there."""

    def __init__(self) -> None:
        self.snapshot = InputSnapshot(0, 0, None)

    def show(self, at_ms: int, *values: bool) -> None:
        self.snapshot = InputSnapshot(at_ms * MS, (at_ms + 200) * MS, values)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def contacts(board: Board) -> Contacts:
    lane = settings().lanes["gate"]
    assert isinstance(lane, BarrierLane)
    return Contacts(lane, lambda name: board.snapshot)


def test_a_contact_is_unknown_until_the_board_was_read_and_when_it_was_read_too_long_ago(
    board: Board, contacts: Contacts
) -> None:
    assert contacts.read(0) == {"presence": None, "beam": None}
    board.show(1000, False, True)
    contacts.read(1000 * MS)
    assert contacts.read(1150 * MS) == {"presence": False, "beam": False}
    assert contacts.read(1201 * MS) == {"presence": None, "beam": None}


def test_a_change_is_unknown_until_it_has_stood_for_the_debounce_time(
    board: Board, contacts: Contacts
) -> None:
    board.show(0, False, False)
    contacts.read(0)
    assert contacts.read(100 * MS)["presence"] is False
    board.show(120, True, False)
    assert contacts.read(120 * MS)["presence"] is None
    board.show(150, False, False)  # it was a flicker
    assert contacts.read(150 * MS)["presence"] is False
    board.show(200, True, False)
    assert contacts.read(200 * MS)["presence"] is None
    board.show(290, True, False)
    assert contacts.read(299 * MS)["presence"] is None
    assert contacts.read(300 * MS)["presence"] is True


def test_an_inverted_contact_is_active_when_open_and_raw_knows_no_debounce(
    board: Board, contacts: Contacts
) -> None:
    board.show(0, True, False)
    assert contacts.read(0) == {"presence": None, "beam": True}
    assert contacts.raw("presence", 0) is True
    assert contacts.raw("beam", 0) is True
    assert contacts.raw("beam", 201 * MS) is None


def test_a_channel_that_the_board_does_not_have_is_unknown(board: Board, contacts: Contacts) -> None:
    board.show(0, False)
    assert contacts.raw("beam", 0) is None


def test_the_interlock_keeps_opposites_apart_for_the_dead_time() -> None:
    lock = Interlock(settings())
    assert lock.claim(OPEN, 0) == 0
    assert lock.claim(CLOSE, 1) > 0
    lock.back(OPEN, 100 * MS)
    assert lock.claim(CLOSE, 100 * MS) == 250 * MS
    assert lock.claim(CLOSE, 349 * MS) == 1 * MS
    assert lock.claim(CLOSE, 350 * MS) == 0
    assert lock.claim(OPEN, 400 * MS) > 0


def test_close_waits_for_ever_and_open_only_for_its_patience() -> None:
    lock = Interlock(settings())
    lock.claim(OPEN, 0)
    assert lock.claim(CLOSE, 3600_000 * MS) > 0
    lock = Interlock(settings())
    lock.claim(CLOSE, 0)
    for at_ns in range(10 * MS, 10 * MS + OPEN_PATIENCE_NS, 10 * MS):  # as often as the board's owner asks
        assert lock.claim(OPEN, at_ns) > 0
    assert lock.claim(OPEN, 10 * MS + OPEN_PATIENCE_NS) == 0


def test_an_open_that_was_given_up_has_no_patience_to_lose_the_next_time() -> None:
    lock = Interlock(settings())
    lock.claim(CLOSE, 0)
    assert lock.claim(OPEN, 10 * MS) > 0
    assert lock.claim(OPEN, 20 * MS + OPEN_PATIENCE_NS) > 0


def test_a_close_does_not_overtake_an_open_that_waits() -> None:
    lock = Interlock(settings())
    lock.claim(CLOSE, 0)
    assert lock.claim(OPEN, 10 * MS) > 0
    lock.back(CLOSE, 20 * MS)
    assert lock.claim(CLOSE, 30 * MS) > 0
    assert lock.claim(OPEN, 270 * MS) == 0


def test_close_waits_until_open_has_been_read_to_be_back_and_open_does_not_wait_for_close() -> None:
    lock = Interlock(settings())
    lock.claim(OPEN, 0)
    lock.back(OPEN, 100 * MS, is_sure=False)
    assert not lock.awaits("relays")
    assert lock.claim(CLOSE, 5000 * MS) > 0
    assert lock.awaits("relays")
    assert not lock.awaits("other")
    lock.confirm(OPEN)
    assert not lock.awaits("relays")
    assert lock.claim(CLOSE, 5010 * MS) == 0
    lock.back(CLOSE, 6000 * MS, is_sure=False)
    assert lock.claim(OPEN, 6250 * MS) == 0


def test_relays_without_an_opposite_are_never_kept_waiting() -> None:
    lock = Interlock(settings())
    assert lock.claim(("relays", 7), 0) == 0
    assert lock.claim(("other", 1), 0) == 0


def order(channel: int, *, first: bool = False) -> Order:
    return Order(channel, 100, 1000, 1 << 62, first=first)


def test_orders_that_go_first_pass_the_others_and_each_kind_keeps_its_order() -> None:
    queue = OrderQueue()
    for made in (order(1), order(2, first=True), order(3), order(4, first=True)):
        assert queue.put(made)
    assert [made.channel for made in queue.waiting()] == [2, 4, 1, 3]


def test_a_release_drops_what_waits_for_its_channel_and_always_fits() -> None:
    queue = OrderQueue()
    for _ in range(MAX_WAITING):
        assert queue.put(order(1))
    assert not queue.put(order(2))
    assert len(queue.release(1)) == MAX_WAITING
    assert queue.take_releases() == {1}
    assert queue.take_releases() == frozenset()


def test_a_dropped_order_cannot_be_taken_and_a_closed_queue_takes_none() -> None:
    queue = OrderQueue()
    made = order(1)
    queue.put(made)
    queue.release(1)
    assert not queue.take(made)
    queue.take_all(close=True)
    assert not queue.put(order(2))


def test_one_visit_is_admitted_once_until_it_is_turned_back() -> None:
    visits = Visits()
    assert visits.refuse("a")
    assert not visits.refuse("a")
    assert visits.admit("a")
    assert not visits.admit("a")
    assert not visits.refuse("a")
    visits.turn_back("a")
    assert visits.admit("a")
    visits.passed("a")
    assert not visits.admit("a")
    visits.turn_back("a")
    assert not visits.admit("a")


def test_the_memory_of_visits_is_bounded() -> None:
    visits = Visits()
    for i in range(REMEMBERED + 1):
        visits.refuse(f"visit-{i}")
    assert visits.refuse("visit-0")
    assert not visits.refuse(f"visit-{REMEMBERED}")


def test_a_visit_that_stays_is_not_forgotten_however_many_come_and_go_beside_it() -> None:
    visits = Visits()
    assert visits.admit("parked")
    assert visits.refuse("stranger who waits")
    for i in range(3 * REMEMBERED):
        assert visits.admit(f"visit-{i}")
        assert not visits.admit("parked")
        assert not visits.refuse("stranger who waits")


def test_stages_name_only_what_was_reached() -> None:
    assert Times(0, 10 * MS).stages_ms() == {"decide": 10.0}
    assert Times(0, 10 * MS, 15 * MS, 40 * MS).stages_ms() == {
        "decide": 10.0,
        "journal": 5.0,
        "relay": 25.0,
        "capture_to_relay": 40.0,
    }


def test_the_wiring_of_a_board_is_collected_from_all_lanes() -> None:
    wiring = wiring_of("relays", settings())
    assert set(wiring.outputs) == {1, 2}
    assert wiring.poll_ns == 0
    wiring = wiring_of("io", settings())
    assert wiring.poll_ns == 30 * MS
    assert 2 * 30 * MS < wiring.stale_ns < 300 * MS

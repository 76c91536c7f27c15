"""42 cars crossed, 31 read: counted from the events of a lane."""

from edge.clock import ManualClock
from edge.health import Alarms
from edge.read_rate import ReadRate
from edge.records import EventDraft, Stream

S = 1_000_000_000


class Counted:
    """A lane, and the events it writes."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.alarms = Alarms(clock)
        self.rate = ReadRate(lambda name: name == "entry", clock, self.alarms)
        self.visits = 0

    def decided(self, kind: str = "plate", lane: str = "entry") -> str:
        self.visits += 1
        visit = f"v{self.visits}"
        self.rate.note(EventDraft(Stream.ACCESS, "access.decided", lane, {"kind": kind, "visit": visit}))
        return visit

    def crossed(self, visit: str | None, kind: str = "passed", lane: str = "entry") -> None:
        self.clock.advance(10)
        self.rate.note(EventDraft(Stream.BARRIER, f"barrier.{kind}", lane, {"visit": visit}))

    @property
    def numbers(self) -> tuple[int, int]:
        entry = self.rate.numbers()["entry"]
        return entry["crossed"], entry["read"]

    def alarm(self) -> str:
        return "".join(f"{alarm.name} {alarm.subject}: {alarm.detail}" for alarm in self.alarms.standing())


def test_42_cars_crossed_and_31_were_read(clock: ManualClock) -> None:
    lane = Counted(clock)
    for number in range(42):
        lane.crossed(lane.decided() if number % 42 < 31 else None)
    assert lane.numbers == (42, 31)
    assert lane.alarm() == "", "74 % is not good, and not yet an alarm"


def test_too_few_reads_raise_an_alarm_and_good_ones_clear_it(clock: ManualClock) -> None:
    lane = Counted(clock)
    for number in range(30):
        lane.crossed(lane.decided() if number % 2 else None)
    assert lane.alarm().startswith("plates.missed entry: 20 cars crossed, 10 were read")
    for _ in range(22):
        lane.crossed(lane.decided())
    assert lane.alarm(), "of the last fifty 36 were read"
    for _ in range(5):
        lane.crossed(lane.decided())
    assert lane.alarm() == ""


def test_a_few_cars_say_nothing(clock: ManualClock) -> None:
    lane = Counted(clock)
    for _ in range(19):
        lane.crossed(None)
    assert lane.alarm() == ""
    assert lane.numbers == (19, 0)


def test_a_stranger_who_was_read_and_let_in_by_staff_was_read(clock: ManualClock) -> None:
    lane = Counted(clock)
    lane.decided()
    lane.crossed("the staff's own decision")
    assert lane.numbers == (1, 1)


def test_who_turned_round_is_not_counted_for_a_car_that_comes_much_later(clock: ManualClock) -> None:
    lane = Counted(clock)
    lane.decided()
    clock.advance(400)
    lane.crossed(None)
    assert lane.numbers == (1, 0)


def test_one_read_is_not_counted_twice_and_a_tailgater_was_not_read(clock: ManualClock) -> None:
    lane = Counted(clock)
    visit = lane.decided()
    lane.crossed(visit)
    lane.crossed(None, "tailgated")
    assert lane.numbers == (2, 1)


def test_faces_other_lanes_and_other_events_do_not_count(clock: ManualClock) -> None:
    lane = Counted(clock)
    lane.decided("face")
    lane.crossed(None, "opened")
    lane.crossed(lane.decided(lane="door"), lane="door")
    assert lane.rate.numbers() == {}
    lane.crossed(None)
    assert lane.numbers == (1, 0)

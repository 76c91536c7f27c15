"""Scripts of simulated sites: read whole or refused with the entry's number; cars that wait for the boom."""

from typing import Any

import pytest

from drivers.errors import DriverError
from drivers.simulated.script import Car, CarOnTheWay, Fault, Interval, Level, Person, read_script


def test_every_kind_of_entry_is_read() -> None:
    script = read_script(
        [
            {"kind": "car", "loop": [5, 11], "beam": [7, 9.5], "only_if_up": True, "patience_s": 3},
            {"kind": "person", "at": 4, "open_for_s": 1, "force": True},
            {"kind": "level", "input": "fire", "during": [1, 2]},
            {"kind": "fault", "board": "lcus", "fault": "unplug", "during": [1, 2]},
        ]
    )
    assert script == (
        Car(Interval(5, 11), Interval(7, 9.5), only_if_up=True, patience_s=3),
        Person(4, open_for_s=1, force=True),
        Level("fire", Interval(1, 2)),
        Fault("lcus", "unplug", Interval(1, 2)),
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "bus"}, "kind = 'bus'"),
        ({"kind": "car", "loop": [1, 2], "beem": [1, 2]}, "no 'beem'"),
        ({"kind": "car", "loop": [1, 2]}, "'beam'"),
        ({"kind": "car", "loop": [2, 1], "beam": [1, 2]}, "ends before it starts"),
        ({"kind": "level", "input": "rain", "during": [1, 2]}, "'rain' is none of"),
        ({"kind": "person", "at": "noon"}, "noon"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_named(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(DriverError, match="script entry 2") as caught:
        read_script([{"kind": "person", "at": 1}, entry])
    assert words in str(caught.value)


def test_a_car_drives_at_its_times_whatever_the_boom_does() -> None:
    car = CarOnTheWay(Car(Interval(5, 11), Interval(7, 9)))
    assert [car.presence(t, False) for t in (4.9, 5, 7, 9, 11)] == [
        (False, False),
        (True, False),
        (True, True),
        (True, False),
        (False, False),
    ]


def test_a_car_that_waits_for_the_boom_drives_later_by_the_time_it_waited() -> None:
    car = CarOnTheWay(Car(Interval(5, 11), Interval(7, 9), only_if_up=True))
    assert car.presence(6, False) == (False, False)
    assert car.presence(8, True) == (True, False)
    assert car.presence(10, True) == (True, True)
    assert car.presence(13.9, False) == (True, False)
    assert car.presence(14, True) == (False, False)


def test_a_car_whose_patience_is_over_is_never_seen() -> None:
    car = CarOnTheWay(Car(Interval(5, 11), Interval(7, 9), only_if_up=True, patience_s=2))
    assert car.presence(7.1, False) == (False, False)
    assert car.gave_up
    assert car.presence(8, True) == (False, False)

"""Times of the week at which a lane is held open."""

from datetime import UTC, datetime

import pytest

from edge.lanes.hours import is_within
from edge.settings import HoldWindow

MORNING = HoldWindow(days=("mon", "fri"), start="07:30", end="09:00")
NIGHT = HoldWindow(days=("fri",), start="22:00", end="02:00")
ALWAYS = HoldWindow(start="00:00", end="00:00")


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        (MORNING, "2026-11-23 07:29", False),  # a Monday
        (MORNING, "2026-11-23 07:30", True),
        (MORNING, "2026-11-23 08:59", True),
        (MORNING, "2026-11-23 09:00", False),
        (MORNING, "2026-11-24 08:00", False),
        (NIGHT, "2026-11-27 21:59", False),
        (NIGHT, "2026-11-27 23:30", True),
        (NIGHT, "2026-11-28 01:59", True),
        (NIGHT, "2026-11-28 02:00", False),
        (NIGHT, "2026-11-27 01:00", False),
        (ALWAYS, "2026-11-25 12:00", True),
        (ALWAYS, "2026-11-25 00:00", True),
    ],
)
def test_a_window_holds_from_its_start_until_its_end(window: HoldWindow, moment: str, inside: bool) -> None:
    assert is_within([window], datetime.fromisoformat(moment).replace(tzinfo=UTC)) is inside


def test_no_window_holds_nothing_and_one_of_several_is_enough() -> None:
    monday = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert not is_within([], monday)
    assert is_within([NIGHT, MORNING], monday)

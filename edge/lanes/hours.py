"""Times of the week at which a lane is held open. Pure; the worker gives the local time."""

from collections.abc import Iterable
from datetime import datetime

from edge.settings import HoldWindow

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60


def is_within(windows: Iterable[HoldWindow], local: datetime) -> bool:
    """True when a moment lies in one of the windows; the end does not belong to it.

    Args:
        windows: As configured; one whose end is not after its start goes on until the next day.
        local: Local time.
    """
    now_min = local.hour * 60 + local.minute
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    for window in windows:
        start_min, end_min = _minutes(window.start), _minutes(window.end)
        overnight = end_min <= start_min
        if today in window.days and start_min <= now_min < (DAY_MIN if overnight else end_min):
            return True
        if overnight and yesterday in window.days and now_min < end_min:
            return True
    return False


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)

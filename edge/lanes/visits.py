"""Which arrivals a lane has dealt with, so that one arrival makes one access event and one opening."""

import threading
from collections import OrderedDict
from enum import StrEnum

REMEMBERED = 256


class Stage(StrEnum):
    """How far a visit got at this lane."""

    REFUSED = "refused"  # told no; may still be let in by better evidence
    ADMITTED = "admitted"  # its opening is under way, or stands
    TURNED_BACK = "turned_back"  # the lane closed again before it passed: may be let in anew
    PASSED = "passed"


class Visits:
    """The visits heard of last (`REMEMBERED`) and their stage. Thread: any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: OrderedDict[str, Stage] = OrderedDict()

    def refuse(self, visit: str) -> bool:
        """Note a no; False when this visit has been dealt with already."""
        with self._lock:
            if visit in self._stages:
                self._stages.move_to_end(visit)
                return False
            self._put(visit, Stage.REFUSED)
            return True

    def admit(self, visit: str) -> bool:
        """Note that an opening begins; False when one stands for this visit, or it has passed."""
        with self._lock:
            if self._stages.get(visit) in (Stage.ADMITTED, Stage.PASSED):
                self._stages.move_to_end(visit)  # who stays in sight is not forgotten, and let in twice
                return False
            self._put(visit, Stage.ADMITTED)
            return True

    def turn_back(self, visit: str, *, though_passed: bool = False) -> None:
        """Its opening ended, never was, or it came back (``though_passed``): it may be let in anew."""
        ended = (Stage.ADMITTED, Stage.PASSED) if though_passed else (Stage.ADMITTED,)
        with self._lock:
            if self._stages.get(visit) in ended:
                self._put(visit, Stage.TURNED_BACK)

    def passed(self, visit: str) -> None:
        """It went through."""
        with self._lock:
            self._put(visit, Stage.PASSED)

    def _put(self, visit: str, stage: Stage) -> None:
        self._stages[visit] = stage
        self._stages.move_to_end(visit)
        while len(self._stages) > REMEMBERED:
            self._stages.popitem(last=False)

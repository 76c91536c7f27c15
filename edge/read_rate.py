"""How many of the cars that crossed were read: the number that says whether a plate camera is good enough.

The lane's own events are counted, not pictures: a crossing is what the loop says (``barrier.passed`` and its
like), a read is an access decision about a plate, granted or not. A camera that has slowly gone soft, dirty
or dark shows here first: the gate still works, but more and more people must ring.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.clock import NS_PER_S, Clock
from edge.health import Alarms
from edge.records import EventDraft, JsonObject

MISSED = "plates.missed"
WINDOW = 50
"""So many crossings are looked back on."""
LEAST = 20
LOW_SHARE, GOOD_SHARE = 0.6, 0.75
# A plate that was judged so long ago belongs to no car that crosses now.
REMEMBERED_S = 300.0
_MOST_WAITING = 64
_CROSSED = ("passed", "tailgated", "passed_closed")


@dataclass(slots=True)
class _Lane:
    """One lane's counts since the start, its last crossings, and reads whose cars have not crossed yet."""

    crossed: int = 0
    read: int = 0
    lately: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    waiting: OrderedDict[str, int] = field(default_factory=OrderedDict)


class ReadRate:
    """Follows the events of all lanes that read plates. Any thread.

    Args:
        counts: Whether a lane of that name reads plates and has a loop.
        clock: CLOCK_BOOTTIME.
        alarms: Told of ``plates.missed``, with the lane as subject.
    """

    def __init__(self, counts: Callable[[str], bool], clock: Clock, alarms: Alarms) -> None:
        self._counts, self._clock, self._alarms = counts, clock, alarms
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}

    def note(self, draft: EventDraft) -> None:
        """Take one event of a lane."""
        is_read = draft.type == "access.decided" and draft.data.get("kind") == "plate"
        is_crossing = draft.type.partition(".")[2] in _CROSSED
        if not (is_read or is_crossing) or not self._counts(draft.subject):
            return
        with self._lock:
            lane = self._lanes.setdefault(draft.subject, _Lane())
        if is_read:
            self._note_read(lane, str(draft.data["visit"]))
        else:
            self._note_crossing(draft.subject, lane, draft.data.get("visit"))

    def numbers(self) -> JsonObject:
        """Crossed and read of each lane, since the start and of the last fifty."""
        with self._lock:
            return {
                name: {
                    "crossed": lane.crossed,
                    "read": lane.read,
                    "lately_crossed": len(lane.lately),
                    "lately_read": sum(lane.lately),
                }
                for name, lane in self._lanes.items()
            }

    def _note_read(self, lane: _Lane, visit: str) -> None:
        with self._lock:
            lane.waiting[visit] = self._clock.boot_ns()
            lane.waiting.move_to_end(visit)
            while len(lane.waiting) > _MOST_WAITING:
                lane.waiting.popitem(last=False)

    def _note_crossing(self, name: str, lane: _Lane, visit: object) -> None:
        with self._lock:
            oldest_ns = self._clock.boot_ns() - round(REMEMBERED_S * NS_PER_S)
            for known in [known for known, at_ns in lane.waiting.items() if at_ns < oldest_ns]:
                del lane.waiting[known]
            is_read = isinstance(visit, str) and lane.waiting.pop(visit, None) is not None
            if not is_read and lane.waiting:
                # Let in by other means (staff, a held boom), but read all the same.
                lane.waiting.popitem(last=False)
                is_read = True
            lane.crossed += 1
            lane.read += is_read
            lane.lately.append(is_read)
            crossed, read = len(lane.lately), sum(lane.lately)
        if crossed < LEAST:
            return
        if read < LOW_SHARE * crossed:
            detail = (
                f"{crossed} cars crossed, {read} were read: look at the camera (light, focus, dirt, aim)"
                f" 过车 {crossed} 辆,仅识别 {read} 辆,请检查摄像机"
            )
            self._alarms.set(MISSED, name, detail)
        elif read >= GOOD_SHARE * crossed:
            self._alarms.clear(MISSED, name)

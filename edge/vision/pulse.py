"""Do pictures come as often as they usually do? Pure.

A decoder that is fed noise makes a picture of it now and then (from a slice whose first bits happen to be
valid), so a single picture is no proof that a camera is alive: a stream of which every tenth picture comes is
a broken one, and nobody may wait until by chance none comes for a whole second.
"""

from collections import deque
from statistics import median

# Fewer pictures than this in the stall time are no sign of life, of a camera that usually sends three times
# as many in that time or more; a slower one is judged by its silence alone.
LEAST_PICTURES = 3
_TIMES = 3
# What is usual is told by so many pictures: a camera that changes its rate for good has a new usual one after
# half of them.
_USUAL_FROM, _USUAL_OF = 8, 32
_KEPT = 256


class Pulse:
    """Counts the pictures of one camera. One thread.

    Args:
        least: So many pictures in the stall time are enough; 0: any silence shorter than that is.
    """

    def __init__(self, least: int = 0) -> None:
        self.least = least
        self._came: deque[tuple[int, int]] = deque(maxlen=_KEPT)
        self._pauses_ns: deque[int] = deque(maxlen=_USUAL_OF)

    def beat(self, taken_ns: int, seq: int) -> None:
        """A picture has come.

        Args:
            taken_ns: When it arrived.
            seq: Its number; those that nobody looked at count too.
        """
        if self._came:
            before_ns, before = self._came[-1]
            if seq <= before or taken_ns <= before_ns:
                return
            self._pauses_ns.append((taken_ns - before_ns) // (seq - before))
        self._came.append((taken_ns, seq))

    def is_faint(self, now_ns: int, stall_ns: int) -> bool:
        """Whether far fewer pictures have come lately than usual. Silence alone is told by the stall time.

        Args:
            now_ns: In the time of ``taken_ns``.
            stall_ns: Without any picture for so long a camera is lost.
        """
        window_ns = self._window_ns(stall_ns)
        return window_ns > 0 and self._are_few(now_ns - window_ns)

    def is_steady(self, now_ns: int, stall_ns: int) -> bool:
        """Whether pictures come as they should again: twice as often as a faint camera's at least."""
        window_ns = self._window_ns(stall_ns)
        return not window_ns or not self._are_few(now_ns - window_ns // 2)

    def _window_ns(self, stall_ns: int) -> int:
        """Over which time pictures are counted; 0: nobody can say what is usual, or the camera is slow."""
        if not self.least or len(self._pauses_ns) < _USUAL_FROM:
            return 0
        usual_ns = round(median(self._pauses_ns))
        # Longer than the stall time by as much as the pictures take that are asked for: a pause just short of
        # the stall time is one that is allowed.
        return 0 if _TIMES * self.least * usual_ns > stall_ns else stall_ns + self.least * usual_ns

    def _are_few(self, since_ns: int) -> bool:
        before = next((seq for taken_ns, seq in reversed(self._came) if taken_ns <= since_ns), None)
        return before is not None and self._came[-1][1] - before < self.least

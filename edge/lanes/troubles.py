"""What goes wrong with a board, told to the journal by name and without flooding it.

A line that loses one answer in ten would fill a disk if each were written. So trouble comes in episodes: the
first fault of each kind is journaled at once (``board.faulted``), the others are counted, and when nothing
has gone wrong for a while the counts are journaled (``board.recovered``). An episode costs a handful of
events, however bad the line is.

Faults have one word each: those of ``drivers.errors`` (absent, taken, forbidden, unplugged, silent, garbled,
wrong_address, echo, refused), and

    slow          answers take more than half of the time that they may take
    stray         bytes that nobody asked for: noise, late or doubled answers, another master
    disobedient   a relay reads as switched although it was released
"""

from collections.abc import Callable
from typing import Any

from edge.clock import NS_PER_MS, NS_PER_S
from edge.records import EventDraft, Stream

Note = Callable[[EventDraft], None]
"""Has an event journaled; must not wait for the disk."""

QUIET_NS = 60 * NS_PER_S


def no_note(_: EventDraft) -> None:
    """For those who keep no journal."""


class Troubles:
    """The episodes of one board. Thread: the board's owner.

    Args:
        board: Its name.
        note: Takes the events.
        quiet_ns: An episode is over after this long without a fault.
    """

    def __init__(self, board: str, note: Note, quiet_ns: int = QUIET_NS) -> None:
        self._board = board
        self._note = note
        self._quiet_ns = quiet_ns
        self._times: dict[str, int] = {}
        self._began_ns = self._last_ns = 0

    @property
    def faults(self) -> dict[str, int]:
        """How often each fault was met in the episode that goes on; empty when all is well."""
        return dict(self._times)

    def saw(self, fault: str, detail: str, now_ns: int, times: int = 1) -> None:
        """Count a fault, and journal the first of its kind."""
        if not self._times:
            self._began_ns = now_ns
        self._last_ns = now_ns
        is_new = fault not in self._times
        self._times[fault] = self._times.get(fault, 0) + times
        if is_new:
            self._tell("board.faulted", {"fault": fault, "detail": detail})

    def look(self, now_ns: int) -> None:
        """Close the episode when it has been quiet for long enough; called every now and then."""
        if self._times and now_ns - self._last_ns >= self._quiet_ns:
            self.close()

    def close(self) -> None:
        """Close the episode, if there is one."""
        if self._times:
            lasted_ms = (self._last_ns - self._began_ns) // NS_PER_MS
            self._tell("board.recovered", {"faults": dict(self._times), "lasted_ms": lasted_ms})
            self._times.clear()

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        self._note(EventDraft(Stream.SYS, kind, self._board, data))

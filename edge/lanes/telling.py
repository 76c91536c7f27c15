"""A lane's journal that tells somebody besides: of what was decided, and only once it is written."""

from collections.abc import Callable

from edge.lanes.drafts import LaneJournal
from edge.records import Event, EventDraft


class TellingJournal:
    """A ``LaneJournal`` around another one.

    Args:
        journal: Where everything goes.
        tell: Called in the thread that writes; must not block.
    """

    def __init__(self, journal: LaneJournal, tell: Callable[[EventDraft], None]) -> None:
        self._journal, self._tell = journal, tell

    def append(self, draft: EventDraft) -> None:
        """Queue an event."""
        self._journal.append(draft)
        self._tell(draft)

    def append_now(self, draft: EventDraft) -> Event:
        """Write an event."""
        event = self._journal.append_now(draft)
        self._tell(draft)
        return event

    def begin_actuation(self, actuation_id: str, draft: EventDraft) -> bool:
        """Accept an actuation; told when it is accepted, and not when it was before."""
        is_new = self._journal.begin_actuation(actuation_id, draft)
        if is_new:
            self._tell(draft)
        return is_new

    def finish_actuation(self, actuation_id: str, result: str, draft: EventDraft) -> None:
        """Write how it ended."""
        self._journal.finish_actuation(actuation_id, result, draft)

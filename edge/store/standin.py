"""A stand-in: one small event in the place of events that will never be sent. Pure.

A stream has no holes: the platform takes event n only behind n - 1. When events must go all the same (one
that is refused again and again, or many that no longer fit on the disk), the last of them is replaced by an
event ``events.replaced`` with its sequence, which names the first and the last that it stands for, why they
are gone, and the hash of the last, so that the chain goes on through it.
"""

from dataclasses import dataclass
from typing import Final

from edge.records import Event, EventDraft, JsonObject, Stream

TYPE: Final = "events.replaced"


@dataclass(frozen=True, slots=True)
class StandIn:
    """What an event stands for.

    Attributes:
        first, last: Sequences that it stands for, both included; its own is ``last``.
        digest: Hash of event ``last`` as it was (32 hex digits); the event behind carries it as ``prev``.
        why: ``refused`` (the broker or the platform would not have it) or ``space`` (the disk).
    """

    first: int
    last: int
    digest: str
    why: str

    @property
    def count(self) -> int:
        """How many events are gone."""
        return self.last - self.first + 1

    def draft(self, stream: Stream, subject: str, explanation: str) -> EventDraft:
        """The event to write."""
        data: JsonObject = {
            "first": self.first,
            "last": self.last,
            "count": self.count,
            "digest": self.digest,
            "why": self.why,
            "explanation": explanation,
        }
        return EventDraft(stream, TYPE, subject, data)


def stand_in_of(event: Event) -> StandIn | None:
    """What an event stands for; None for every other event, and for one that says something impossible."""
    if event.type != TYPE:
        return None
    first, digest, why = (event.data.get(name) for name in ("first", "digest", "why"))
    if not isinstance(first, int) or isinstance(first, bool) or not 1 <= first <= event.seq:
        return None
    if not isinstance(digest, str) or len(digest) != 32 or not isinstance(why, str):
        return None
    return StandIn(first, event.seq, digest, why)

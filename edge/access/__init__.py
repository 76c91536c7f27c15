"""Who may pass, and why; pure logic on immutable snapshots.

- ``roster``: persons, permits, plates and the deny list at one revision; JSON in and out.
- ``policy``: ``decide`` asks named checks in order; the first objection is the reason.
- ``plate_search``: which plate of the roster a read means (exact, or by look-alikes).
"""

from edge.access.plate_search import find_plate, near_denied
from edge.access.policy import LaneStanding, Moment, decide, decide_request
from edge.access.roster import (
    DenyEntry,
    DenyKind,
    Person,
    Roster,
    deny_from_json,
    deny_to_json,
    person_from_json,
    person_to_json,
    plate_text,
    roster_from_json,
    roster_to_json,
)

__all__ = [
    "DenyEntry",
    "DenyKind",
    "LaneStanding",
    "Moment",
    "Person",
    "Roster",
    "decide",
    "decide_request",
    "deny_from_json",
    "deny_to_json",
    "find_plate",
    "near_denied",
    "person_from_json",
    "person_to_json",
    "plate_text",
    "roster_from_json",
    "roster_to_json",
]

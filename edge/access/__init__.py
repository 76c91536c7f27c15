"""Who may pass, and why; pure logic on immutable snapshots.

- ``roster``: persons, permits, plates and the deny list at one revision; JSON in and out.
- ``cards``: card numbers as people write them.
- ``consent``: what a consent to face recognition must say; JSON in and out.
- ``policy``: ``decide`` asks named checks in order; the first objection is the reason.
- ``outright``: what needs no policy: staff, the exit button, and what cannot count.
- ``passes``, ``pins``: QR passes and their signatures; digests of PINs, and how often one may be tried.
- ``factors``: whom a lane waits for, and the second factors that came before their faces.
- ``plate_search``: which plate of the roster a read means (exact, or by look-alikes).
"""

from edge.access.cards import card_text
from edge.access.consent import Consent, check_consent, consent_from_json, consent_to_json, is_under_14
from edge.access.outright import decide_presented, decide_request
from edge.access.plate_search import find_plate, near_denied
from edge.access.policy import LaneStanding, Moment, Second, decide
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
    without,
)

__all__ = [
    "Consent",
    "DenyEntry",
    "DenyKind",
    "LaneStanding",
    "Moment",
    "Person",
    "Roster",
    "Second",
    "card_text",
    "check_consent",
    "consent_from_json",
    "consent_to_json",
    "decide",
    "decide_presented",
    "decide_request",
    "deny_from_json",
    "deny_to_json",
    "find_plate",
    "is_under_14",
    "near_denied",
    "person_from_json",
    "person_to_json",
    "plate_text",
    "roster_from_json",
    "roster_to_json",
    "without",
]

"""Of which decision a picture is kept, and what waits in memory until its event is written."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge.clock import NS_PER_S
from edge.records import Decision, Kind, Verdict
from edge.settings import PictureSettings

MOST_OFFERED = 32
OFFER_NS = 120 * NS_PER_S
"""So many, and so long, a picture waits for its event; then it is forgotten."""


def rests_on(settings: PictureSettings, decision: Decision, consents: Mapping[str, str]) -> str | None:
    """Whether a picture of what was decided about is kept, and on whose consent. Pure.

    Args:
        settings: The section ``pictures``.
        decision: With its picture.
        consents: Who allows pictures of their face at passages.

    Returns:
        None: it is not. A person's id: on theirs, for a face. Empty: on the configuration, for a plate.
    """
    identity = decision.identity
    if identity is None or not identity.crop_jpeg or decision.verdict is Verdict.WAIT:
        return None
    if identity.kind.value not in settings.kinds_at(decision.lane):
        return None
    if identity.kind is Kind.PLATE:
        return "" if settings.plates == "always" or decision.verdict is Verdict.DENY else None
    person = identity.subject
    return person if identity.settled and person is not None and person in consents else None


@dataclass(frozen=True, slots=True)
class Offer:
    """A picture whose event is not written yet. ``person``: as ``rests_on`` says."""

    person: str
    jpeg: bytes
    at_ns: int


class Offers:
    """What waits, by decision; in memory only. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, Offer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, decision: Decision, person: str, now_ns: int) -> Decision:
        """Lay the picture of a decision aside; returns the decision, which names it and has it no more."""
        identity = decision.identity
        if identity is None:
            return decision
        jpeg = identity.crop_jpeg
        with self._lock:
            self._waiting[decision.id] = Offer(person, jpeg, now_ns)
            while len(self._waiting) > MOST_OFFERED:
                self._waiting.popitem(last=False)
        named = {"sha256": hashlib.sha256(jpeg).hexdigest(), "bytes": len(jpeg)}
        return replace(decision, picture=named, identity=replace(identity, crop_jpeg=b""))

    def take(self, decision_id: str) -> Offer | None:
        """The picture of a decision; None when it was forgotten."""
        with self._lock:
            return self._waiting.pop(decision_id, None)

    def keep_to(self, consents: Mapping[str, str]) -> None:
        """Forget faces of whoever does not consent any more."""
        with self._lock:
            for decision_id, offer in list(self._waiting.items()):
                if offer.person and offer.person not in consents:
                    del self._waiting[decision_id]

    def forget_old(self, now_ns: int) -> None:
        """Forget those whose event has not come: most decisions repeat one that was written before."""
        with self._lock:
            for decision_id, offer in list(self._waiting.items()):
                if now_ns - offer.at_ns > OFFER_NS:
                    del self._waiting[decision_id]


def without_picture(decision: Decision) -> Decision:
    """The same decision; what is not kept goes no further."""
    identity = decision.identity
    if identity is None or not identity.crop_jpeg:
        return decision
    return replace(decision, identity=replace(identity, crop_jpeg=b""))

"""What becomes of a key set that comes in: taken, or refused with a record, and not too many of those."""

import logging

from edge.clock import Clock
from edge.errors import JournalError
from edge.records import EventDraft, Stream
from edge.store.journal import Journal
from edge.sync.keyring import Keyring, KeysRefused
from edge.sync.keys import KeySet
from edge.sync.nonces import Budget

log = logging.getLogger(__name__)


class KeyDesk:
    """Takes what comes on ``cfg/keys``.

    Thread: the uplink's.

    Args:
        keys: The keys that count; only a ``Keyring`` can change.
        journal: Refusals are recorded there.
        clock: For the budget of refusals.
    """

    def __init__(self, keys: KeySet, journal: Journal, clock: Clock) -> None:
        self._keyring = keys if isinstance(keys, Keyring) else None
        self._journal = journal
        # Anybody who gets at the topic may send rubbish; it may not fill the journal.
        self._budget = Budget(clock, burst=5, per_s=1 / 60)

    def take(self, payload: bytes) -> bool:
        """Take a key set; True when other keys count from now on. An empty payload only clears the topic."""
        if not payload or self._keyring is None:
            return False
        try:
            return self._keyring.take(payload)
        except KeysRefused as error:
            if self._budget.spend():
                log.warning("key set refused (%s): %s", error.code, error)
                self._note(error)
        except JournalError as error:
            log.error("the key set waits for the next connection: %s", error)
        return False

    def _note(self, refusal: KeysRefused) -> None:
        data = {"code": refusal.code, "detail": str(refusal), "more_before": self._budget.take_refused()}
        try:
            self._journal.append(EventDraft(Stream.AUDIT, "keys.refused", "keys", data))
        except JournalError as error:
            log.error("a refused key set cannot be journaled: %s", error)

"""The table ``pins`` of ``sets.db``: the digest of each person's PIN, sealed with the device key.

Why sealed besides digested: six digits are found in hours, whatever the digest; without the key there is
nothing to try them on.
"""

import logging
import secrets
from collections.abc import Mapping

from edge.access.pins import PinDigest, check_pin
from edge.clock import NS_PER_S, Clock
from edge.errors import UsageError, VaultError
from edge.store.database import Database
from edge.store.vault import Vault

log = logging.getLogger(__name__)


class PinRows:
    """Reads and writes inside a transaction that the caller has begun."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database, self._vault, self._clock = database, vault, clock

    def all(self) -> Mapping[str, PinDigest]:
        """Digests by person id; one that does not open with this key is left out, and said."""
        found: dict[str, PinDigest] = {}
        for person, sealed in self._database.execute("SELECT person, sealed FROM pins ORDER BY person"):
            try:
                found[person] = PinDigest.from_bytes(self._vault.open(sealed, _about(person)))
            except (VaultError, UsageError) as error:
                log.error("the PIN of person %s is left out: %s", person, error)
        return found

    def put(self, person_id: str, pin: str) -> None:
        """Replace a person's PIN.

        Raises:
            UsageError: It is no good PIN.
        """
        digest = PinDigest.of(check_pin(pin), secrets.token_bytes(16))
        sealed = self._vault.seal(digest.to_bytes(), _about(person_id))
        self._database.execute(
            "INSERT OR REPLACE INTO pins VALUES (?, ?, ?)",
            (person_id, sealed, self._clock.utc_ns() // NS_PER_S),
        )

    def remove(self, person_id: str) -> bool:
        """Delete a person's PIN; False when there was none."""
        self._database.execute("DELETE FROM pins WHERE person = ?", (person_id,))
        return self._database.changes() == 1


def _about(person: str) -> bytes:
    """What a sealed digest is bound to: it does not open in another person's row."""
    return f"pin|{person}".encode()

"""What the platform publishes for many boxes, here: its store, the layer over the roster, its thread."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import Clock
from edge.health import Alarms
from edge.settings import Settings
from edge.store import DatabaseDamaged, ScopeLayer, ScopeSets, SetStore
from edge.store.scope_sets import discard
from edge.store.vault import Vault
from edge.sync.set_desk import PERMITS, SetDesk
from edge.sync.set_keeper import DAMAGED

log = logging.getLogger(__name__)

FILE = "scope_sets.db"
STAFF = "staff"


class Scope:
    """The parts of ``[sets]``; made only where a scope is configured. Thread: as of each part."""

    def __init__(
        self, settings: Settings, vault: Vault, local: SetStore, clock: Clock, face_set: str
    ) -> None:
        """Open the store.

        Raises:
            JournalError: It cannot be opened.
        """
        self._settings, self._vault, self._local, self._clock = settings, vault, local, clock
        self._face_set = face_set
        path: Path = settings.device.state_dir / FILE
        self._damage = ""
        try:
            self.store = ScopeSets(path, vault)
        except DatabaseDamaged as error:
            # No reason not to start: residents enrolled here pass, and the platform sends the others again.
            self._damage = f"{error}; it was deleted and is fetched again"
            log.error("%s", self._damage)
            discard(path)
            self.store = ScopeSets(path, vault)
        take = settings.sets.take
        self.layer = ScopeLayer(
            self.store,
            clock,
            permits=PERMITS if "permits" in take else "",
            faces=face_set if "faces" in take else "",
        )

    def make_desk(
        self,
        keys: Mapping[str, Ed25519PublicKey],
        alarms: Alarms,
        revoked: Callable[[str, tuple[str, ...]], None],
    ) -> SetDesk:
        """The thread that keeps the sets; see ``SetDesk``."""
        if self._damage:
            for name in filter(None, (self.layer.permits, self.layer.faces)):
                alarms.set(DAMAGED, name, self._damage)
        return SetDesk(
            self._settings,
            self.store,
            self._local,
            self._vault,
            keys,
            self._clock,
            alarms,
            face_set=self._face_set,
            revoked=revoked,
        )

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def admits_when_stale(settings: Settings, lane: str, *, is_stale: bool) -> tuple[bool, str]:
    """Whether a lane minds that the sets are stale, and the group that may pass all the same."""
    policy = settings.lanes[lane].when_stale
    return is_stale and policy != "keep", STAFF if policy == "only_staff" else ""

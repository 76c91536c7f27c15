"""The pictures of passages, as ``sets.db`` reaches them: opened for the moment in which somebody's go."""

import logging
from pathlib import Path

from edge.clock import Clock
from edge.errors import JournalError, VaultError
from edge.store.media import Media
from edge.store.vault import Vault

log = logging.getLogger(__name__)


class MediaBeside:
    """Withdrawing works with the daemon running or not; where no picture was ever kept nothing is made.

    Where they cannot be read or deleted now, the daemon does it as soon as it can, with a receipt of its own:
    a template never waits for a picture.
    """

    def __init__(self, path: Path, vault: Vault, clock: Clock) -> None:
        self._path, self._vault, self._clock = path, vault, clock

    def sealed_of(self, person: str) -> tuple[tuple[str, str], ...]:
        """(Name of the file, SHA-256 of it as it stands on the disk) of a person's pictures."""
        media = self._open()
        if media is None:
            return ()
        try:
            return media.sealed_of(person)
        except JournalError as error:
            log.error("pictures of passages of %s cannot be counted: %s", person, error)
            return ()
        finally:
            media.close()

    def forget(self, person: str, why: str) -> None:
        """Delete a person's pictures."""
        media = self._open()
        if media is None:
            return
        try:
            media.forget(person, why)
        except JournalError as error:
            log.error("pictures of passages of %s are not deleted yet: %s", person, error)
        finally:
            media.close()

    def _open(self) -> Media | None:
        if not self._path.exists():
            return None
        try:
            return Media(self._path, self._vault, self._clock)
        except (JournalError, VaultError) as error:
            log.error("%s", error)
            return None

"""A piece of the disk held back for the time when everything else has filled it.

While the disk has room, a file of fixed size keeps some of it. When a commit meets a full disk the file goes,
and only what must not be lost is written into the room it leaves, until there is room for the file again.
"""

import logging
import os
import shutil
from pathlib import Path

log = logging.getLogger(__name__)


class DiskReserve:
    """The file. Thread: the journal's."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        """Say where; ``hold`` then makes it. A size of 0 means no reserve.

        Args:
            path: The file, on the disk of the journal.
            size_bytes: How much to hold back.
        """
        self._path, self._size_bytes = path, size_bytes

    @property
    def is_held(self) -> bool:
        """Whether the room is still there; True when there is no reserve to hold."""
        try:
            return self._path.stat().st_blocks * 512 >= self._size_bytes
        except OSError:
            return self._size_bytes == 0

    def hold(self) -> bool:
        """Take the room, if as much again stays free; returns whether it is held now."""
        if self.is_held:
            return True
        try:
            if shutil.disk_usage(self._path.parent).free < 2 * self._size_bytes:
                return False
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size_bytes)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            log.warning("%s: no reserve for a full disk: %s", self._path, error.strerror)
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the room to the journal; returns whether there was any to give."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

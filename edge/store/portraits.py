"""Pictures that a consent allows to keep, each a sealed file, to be described again by another network.

A file is ``<id>.sealed`` with mode 0600 in a folder of mode 0700 beside ``sets.db``; a row there says whose
it is, and the seal binds it to that person. Files are written before their row is committed and deleted after
it is gone; what a crash leaves between the two is a file without a row, and ``tidy`` deletes it.

Not a promise: on flash memory the overwritten blocks may live on until the card reuses them. They are sealed.
"""

import hashlib
import logging
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from edge.errors import JournalError, VaultError
from edge.store.vault import Vault

log = logging.getLogger(__name__)

SUFFIX = ".sealed"


class Portraits:
    """The folder of kept pictures.

    Thread: whoever holds the write lock of ``sets.db``, for everything that writes; ``read`` any.
    """

    def __init__(self, folder: Path, vault: Vault) -> None:
        self.folder = folder
        self._vault = vault

    def write(self, picture_id: str, person_id: str, content: bytes) -> tuple[int, str]:
        """Seal a picture into its file; it is on the disk when this returns.

        Returns:
            Size in bytes and SHA-256 of the sealed file.

        Raises:
            JournalError: It cannot be written.
        """
        sealed = self._vault.seal(content, _about(person_id, picture_id))
        path = self._path(picture_id)
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            _flush_folder(self.folder)
        except OSError as error:
            self.delete([picture_id])
            raise JournalError(f"{path}: the picture cannot be kept: {error.strerror}") from error
        return len(sealed), hashlib.sha256(sealed).hexdigest()

    def read(self, picture_id: str, person_id: str) -> bytes:
        """The picture as it was handed in.

        Raises:
            VaultError: It is gone, was altered, or is of another person or device.
        """
        try:
            sealed = self._path(picture_id).read_bytes()
        except OSError as error:
            raise VaultError(f"{self._path(picture_id)}: cannot be read: {error.strerror}") from error
        return self._vault.open(sealed, _about(person_id, picture_id))

    def delete(self, picture_ids: Iterable[str]) -> None:
        """Overwrite and unlink; what is not there need not go. Left to ``tidy`` where the disk refuses."""
        gone = False
        for picture_id in picture_ids:
            path = self._path(picture_id)
            try:
                with path.open("r+b") as file:
                    file.write(bytes(os.fstat(file.fileno()).st_size))
                    file.flush()
                    os.fsync(file.fileno())
                path.unlink()
                gone = True
            except FileNotFoundError:
                continue
            except OSError as error:
                log.error("%s: cannot be deleted yet: %s", path, error.strerror)
        if gone:
            with suppress(OSError):
                _flush_folder(self.folder)

    def tidy(self, wanted: Collection[str]) -> None:
        """Delete every file that belongs to no row."""
        try:
            found = [path.name.removesuffix(SUFFIX) for path in self.folder.iterdir()]
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("%s: cannot be read: %s", self.folder, error.strerror)
            return
        if left_over := [picture_id for picture_id in found if picture_id not in wanted]:
            log.warning("%d kept pictures belong to nobody any more; they are deleted", len(left_over))
            self.delete(left_over)

    def _path(self, picture_id: str) -> Path:
        return self.folder / f"{picture_id}{SUFFIX}"


def _about(person_id: str, picture_id: str) -> bytes:
    """What a sealed picture is bound to."""
    return f"picture|{person_id}|{picture_id}".encode()


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

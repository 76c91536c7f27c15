"""Reference pictures of the cameras, kept in the state folder for the next process, sealed with its key.

A reference is 90 pixels high and a median over minutes: nobody can be told on it. It is sealed all the same:
no picture lies open on this box.
"""

import logging
import os
from pathlib import Path

from edge.errors import Unavailable, VaultError
from edge.store import Vault
from edge.vision.messages import Compare, Learnt, decode, encode
from edge.vision.wire import Unframer, WireError

log = logging.getLogger(__name__)

FOLDER = "references"


class ReferenceShelf:
    """One file for each camera. Any thread; each camera's own thread uses only its own.

    Args:
        state_dir: The state folder; ours is below it.
        vault: Of this device.
    """

    def __init__(self, state_dir: Path, vault: Vault) -> None:
        self._folder = state_dir / FOLDER
        self._vault = vault

    def put(self, camera: str, learnt: Learnt) -> None:
        """Keep a reference.

        Raises:
            Unavailable: The disk refuses; it is learnt anew after a restart.
        """
        path = self._path(camera)
        half = path.with_suffix(".new")
        sealed = self._vault.seal(encode(learnt), _about(camera))
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        except OSError as error:
            raise Unavailable(f"{path}: the reference picture cannot be kept: {error.strerror}") from error

    def get(self, camera: str) -> Compare | None:
        """The reference that was kept; None when there is none, or it cannot be read."""
        try:
            sealed = self._path(camera).read_bytes()
        except OSError:
            return None
        try:
            ((header, blob),) = Unframer().feed(self._vault.open(sealed, _about(camera)))
            learnt = decode(header, blob)
        except (VaultError, WireError, ValueError) as error:
            log.warning("%s: the reference picture that was kept is of no use: %s", camera, error)
            return None
        return (
            Compare(learnt.picture, learnt.focus, learnt.has_colour) if isinstance(learnt, Learnt) else None
        )

    def forget(self, camera: str) -> None:
        """Throw a reference away.

        Raises:
            Unavailable: The disk refuses.
        """
        try:
            self._path(camera).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{self._path(camera)}: cannot be removed: {error.strerror}") from error

    def _path(self, camera: str) -> Path:
        return self._folder / f"{camera}.ref"


def _about(camera: str) -> bytes:
    return b"reference:" + camera.encode()

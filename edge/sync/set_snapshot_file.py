"""A snapshot on its way into the store: a partial file that survives restarts, then a generation built of it.

The file counts only when all of it has the hash that a signed manifest names; then its items are written
beside what counts, a few at a time, so that whoever builds can turn to a revocation in between.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from edge.errors import Unavailable
from edge.store.items import BUCKETS, Item, ItemInvalid, read_item
from edge.store.scope_sets import ScopeSets
from edge.sync.set_course import Base
from edge.sync.set_documents import SetRefused, SnapshotFile

log = logging.getLogger(__name__)

STEP_ITEMS = 250
STEP_BUCKETS = 8
_READ_BYTES = 1 << 20


def part_path(folder: Path, name: str, snapshot: SnapshotFile) -> Path:
    """Where a snapshot is gathered; another snapshot has another name."""
    return folder / f"{name}-{snapshot.sha256[:24]}.part"


def tidy(folder: Path, name: str, keep: Path | None = None) -> None:
    """Delete what is left of other snapshots of a set."""
    for path in folder.glob(f"{name}-*.part"):
        if path != keep:
            path.unlink(missing_ok=True)


class PartFile:
    """A snapshot that comes in chunks, in their order. Thread: the sets'."""

    def __init__(self, path: Path, snapshot: SnapshotFile) -> None:
        """Go on where an earlier try has ended.

        Raises:
            Unavailable: The file cannot be written.
        """
        self.path, self.snapshot = path, snapshot
        self._early: dict[int, bytes] = {}
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(handle, "r+b")
            whole = min(self._file.seek(0, os.SEEK_END), snapshot.size) // snapshot.chunk_bytes
            self._file.truncate(whole * snapshot.chunk_bytes)
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise Unavailable(f"{path}: cannot be written: {error.strerror}") from error
        self.next_chunk = whole

    @property
    def is_whole(self) -> bool:
        """All chunks are here; whether they are the right ones is another question."""
        return self.next_chunk >= self.snapshot.chunks

    def put(self, chunk: int, content: bytes) -> None:
        """Take a chunk; one that comes too early waits for those before it.

        Raises:
            SetRefused: It has not the length that it should. Unavailable: The disk refuses.
        """
        snapshot = self.snapshot
        wanted = min(snapshot.chunk_bytes, snapshot.size - chunk * snapshot.chunk_bytes)
        if len(content) != wanted:
            raise SetRefused(f"chunk {chunk} has {len(content)} bytes, not {wanted}")
        if chunk >= self.next_chunk:
            self._early[chunk] = content
        try:
            while content := self._early.pop(self.next_chunk, b""):
                self._file.write(content)
                self.next_chunk += 1
        except OSError as error:
            raise Unavailable(f"{self.path}: cannot be written: {error.strerror}") from error

    def has(self, chunk: int) -> bool:
        """Whether a chunk need not be asked for."""
        return chunk < self.next_chunk or chunk in self._early

    def close(self) -> None:
        """Close; what has come stays."""
        self._file.close()


class Build:
    """A snapshot that is being written into a generation of its own. Thread: the sets'."""

    def __init__(self, path: Path, snapshot: SnapshotFile, store: ScopeSets, name: str) -> None:
        self.snapshot = snapshot
        self.base = Base(store.begin(name), snapshot.rev)
        self._store = store
        self._items = _items(path, snapshot)
        self._checked = 0
        self._written = False

    def step(self) -> bool:
        """Do a little; True when the base is ready.

        Raises:
            SetRefused: The file is not what the manifest names, or holds what is no item.
            JournalError: It cannot be stored.
        """
        if not self._written:
            batch: list[Item] = []
            for item in self._items:
                batch.append(item)
                if len(batch) >= STEP_ITEMS:
                    break
            else:
                self._written = True
            self._store.add(self.base.gen, batch)
            return False
        for bucket in range(self._checked, min(self._checked + STEP_BUCKETS, BUCKETS)):
            self.base.digests[bucket] = self._store.digest(self.base.gen, bucket)
        self._checked += STEP_BUCKETS
        return self._checked >= BUCKETS


def _items(path: Path, snapshot: SnapshotFile) -> Iterator[Item]:
    """Items of a file whose hash is checked first; nothing is yielded of one that was altered."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
                size += len(block)
            if size != snapshot.size or digest.hexdigest() != snapshot.sha256:
                raise SetRefused(
                    f"the snapshot of revision {snapshot.rev} was altered: its hash does not match"
                )
            file.seek(0)
            for line in file:
                yield read_item(line.rstrip(b"\n"))
    except ItemInvalid as error:
        raise SetRefused(f"the snapshot of revision {snapshot.rev}: {error}") from None
    except OSError as error:
        raise SetRefused(f"{path}: cannot be read: {error.strerror}") from error

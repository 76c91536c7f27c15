"""A snapshot on its way into the store: fetched over HTTP(S), else in chunks; checked; built beside.

Thread: the sets'. Whatever was signed once may be gathered to its end, even when a newer manifest has come:
what it lacks is repaired afterwards.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from edge.store.scope_sets import ScopeSets
from edge.sync.set_course import Base
from edge.sync.set_documents import Manifest, SetRefused, SnapshotFile
from edge.sync.set_fetcher import Wanted
from edge.sync.set_questions import Questions
from edge.sync.set_snapshot_file import Build, PartFile, part_path, tidy

log = logging.getLogger(__name__)

CHUNKS_AT_ONCE = 8
HTTP_TRIES = 2
SNAPSHOT_TRIES = 3


class Gathering:
    """Gathers one snapshot at a time."""

    def __init__(
        self,
        name: str,
        store: ScopeSets,
        folder: Path,
        questions: Questions,
        fetch: Callable[[Wanted], None],
        *,
        by_http: bool,
        limit_bytes: int,
    ) -> None:
        self._name, self._store, self._folder, self._questions = name, store, folder, questions
        self._fetch, self._by_http, self._limit_bytes = fetch, by_http, limit_bytes
        self._snapshot: SnapshotFile | None = None
        self._part: PartFile | None = None
        self._fetching: Wanted | None = None
        self._build: Build | None = None
        self._failures = self._http_failures = 0

    @property
    def is_going(self) -> bool:
        """Something is on its way."""
        return self._part is not None or self._fetching is not None or self._build is not None

    @property
    def is_building(self) -> bool:
        """``step`` has something to do."""
        return self._build is not None

    @property
    def generation(self) -> int:
        """The one that is being built; 0 for none."""
        return self._build.base.gen if self._build is not None else 0

    def may_begin(self, target: Manifest) -> bool:
        """Whether there is a snapshot that is worth a try."""
        return target.snapshot is not None and self._failures < SNAPSHOT_TRIES

    def begin(self, snapshot: SnapshotFile) -> None:
        """Fetch it, from where an earlier try has ended.

        Raises:
            SetRefused: It is too large; it is not tried again.
            Unavailable: The disk refuses.
        """
        if snapshot.size > self._limit_bytes:
            self._failures = SNAPSHOT_TRIES
            raise SetRefused(
                f"a snapshot of {snapshot.size} bytes is above sets.limit_mb; buckets are asked for"
            )
        path = part_path(self._folder, self._name, snapshot)
        tidy(self._folder, self._name, path)
        self._snapshot = snapshot
        if self._by_http and snapshot.url and self._http_failures < HTTP_TRIES:
            self._fetching = Wanted(snapshot.url, path, snapshot.size, self._name)
            self._fetch(self._fetching)
        else:
            self._part = PartFile(path, snapshot)
            self.ask()

    def ask(self) -> None:
        """Ask for the next chunks, where it comes in chunks."""
        part = self._part
        if part is None:
            return
        if part.is_whole:
            self._part = None
            part.close()
            self._begin_build(part.path)
            return
        waiting = self._questions.numbers("chunk")
        for chunk in range(part.next_chunk, min(part.next_chunk + CHUNKS_AT_ONCE, part.snapshot.chunks)):
            if chunk not in waiting and not part.has(chunk):
                self._questions.ask("chunk", chunk, chunk=chunk, sha256=part.snapshot.sha256)

    def put(self, chunk: int, content: bytes) -> None:
        """A chunk has come.

        Raises:
            SetRefused: It has another length. Unavailable: The disk refuses.
        """
        if self._part is not None:
            self._part.put(chunk, content)

    def refused(self) -> None:
        """The platform has no such chunk: it has another snapshot by now."""
        self._questions.drop("chunk")
        if self._part is not None:
            self._part.close()
            self._part = None
            self._failures += 1

    def fetched(self, wanted: Wanted, failure: str) -> bool:
        """The file over HTTP is here, or why it is not; False when that is to be tried again later."""
        if self._fetching is not wanted:
            return True
        self._fetching = None
        if failure:
            self._http_failures += 1
            log.warning("set %s: %s", self._name, failure)
            return False
        self._begin_build(wanted.path)
        return True

    def step(self) -> Base | None:
        """Build a little; the base when it is ready.

        Raises:
            SetRefused: It was altered; the file is gone, and nothing of it counts.
            JournalError: It cannot be stored.
        """
        if self._build is None:
            return None
        try:
            is_ready = self._build.step()
        except SetRefused:
            self._build = None
            self._failures += 1
            self._http_failures = HTTP_TRIES  # the same file again would be as wrong
            tidy(self._folder, self._name)
            raise
        if not is_ready:
            return None
        base, self._build = self._build.base, None
        return base

    def settled(self) -> None:
        """The set is what it should be: no file is needed any more."""
        self._failures = self._http_failures = 0
        self.close()
        self._part = None
        tidy(self._folder, self._name)

    def close(self) -> None:
        """Close files; what has come stays."""
        if self._part is not None:
            self._part.close()

    def _begin_build(self, path: Path) -> None:
        if self._snapshot is not None:
            self._build = Build(path, self._snapshot, self._store, self._name)

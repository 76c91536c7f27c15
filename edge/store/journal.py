"""The journal: every event of the daemon, on the disk before anybody is told, in one file with one writer.

Who appends waits for the commit (``append_now``, ``begin_...``) or does not (``append``,
``finish_actuation``). Group commit and what happens when the disk refuses: ``edge.store.commits``.
"""

import fcntl
import json
import logging
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.faults import fault_point
from edge.health import Alarms
from edge.records import Event, EventDraft, Stream
from edge.store.claims import CommandClaim, Stamp
from edge.store.commits import CommitThread
from edge.store.envelope import check_draft
from edge.store.places import FORKED
from edge.store.reading import EventReader
from edge.store.reserve import DiskReserve
from edge.store.salvage import open_or_salvage
from edge.store.saved_events import LEFT_OUT, give_places, save_events, write_note
from edge.store.schema import MIGRATIONS, OutboxRow
from edge.store.writing import REFUSED, SACRIFICE, EventWriter

log = logging.getLogger(__name__)

CommitListener = Callable[[tuple[Event, ...]], None]
RETENTION_EVERY_NS = 3600 * NS_PER_S
STEADY_NS = 3600 * NS_PER_S
ROOM_EVERY_NS = 30 * NS_PER_S
RESERVE_FILE = "reserve"
CROWDED = "journal.crowded"
REPLACED = "journal.replaced"


class Journal(CommitThread):
    """The only writer of ``events.db``; ``reader`` reads beside it.

    Thread: its own writes; every public method may be called from any thread.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        tenant: str,
        device: str,
        keep_acknowledged_days: float = 7.0,
        limit_events: int = 150_000,
        reserve_mb: int = 0,
        alarms: Alarms | None = None,
        boot_id: str | None = None,
    ) -> None:
        """Open the file and close what the last run left unfinished; ``start`` then begins to take orders.

        A damaged file is moved aside as ``<name>.damaged-<utc>``; a new one, with a new epoch, takes its
        place, and its first event says so (``edge.store.salvage``): what could be read is in it.

        Args:
            path: ``events.db``; a lock file beside it keeps a second daemon out.
            clock: Stamps every event.
            tenant: Goes into ``source`` of every event, as the device does.
            device: This box.
            keep_acknowledged_days: Events that the platform has are kept so long.
            limit_events: More than so many are not kept; who goes first: ``EventWriter.make_room``.
            reserve_mb: Room on the disk held back for when it is full.
            alarms: Where ``journal.failed``, ``journal.crowded`` and ``disk.full`` are raised and cleared.
            boot_id: Of this boot of the machine; the kernel is asked when not given.

        Raises:
            JournalError: It cannot be opened, or another process writes it.
        """
        reserve = DiskReserve(path.with_name(RESERVE_FILE), reserve_mb << 20) if reserve_mb else None
        super().__init__("journal", clock, alarms, reserve)
        self.path = path
        self._limit_events = limit_events
        self._room_due_ns = clock.boot_ns() + ROOM_EVERY_NS
        self._keep_days = keep_acknowledged_days
        self._listeners: list[CommitListener] = []
        self._retention_due_ns = clock.boot_ns()
        self._offset_ns = clock.utc_ns() - clock.boot_ns()
        self._lock_file: int | None = _lock(path.with_name(path.name + ".lock"))
        try:
            database, _ = open_or_salvage(
                path, MIGRATIONS, clock.utc_ns(), leave_out=LEFT_OUT, fill=save_events, note=write_note
            )
            try:
                self._writer = EventWriter(database, tenant, device, boot_id or _kernel_boot_id())
                fault_point("journal.opened")
                with self._writer.transaction():
                    replaced = give_places(self._writer, database, path.name, Stamp.now(clock))
                    self._unfinished = self._writer.close_unfinished(clock)
                self.reader = EventReader(path)
            except JournalError:
                database.close()
                raise
        except JournalError:
            os.close(self._lock_file)
            raise
        self.epoch, self._forked = self._writer.epoch, ""
        if replaced and alarms is not None:
            alarms.set(REPLACED, self.name, replaced)

    # Events

    def append(self, draft: EventDraft) -> None:
        """Hand over an event; it is on the disk within milliseconds. Blocks briefly when too many wait.

        Raises:
            ValueError: The draft cannot be an event.
            JournalError: The journal has ended, or the disk has refused for too long.
        """
        stamp = self._stamp(draft)
        self._order(lambda: self._writer.add_event(draft, stamp), spare=draft.stream in SACRIFICE)

    def append_now(self, draft: EventDraft) -> Event:
        """Write an event and return it when it is on the disk.

        Raises:
            ValueError: The draft cannot be an event.
            JournalError: It is not on the disk.
        """
        stamp = self._stamp(draft)
        return self._wait_for(lambda: self._writer.add_event(draft, stamp), spare=draft.stream in SACRIFICE)

    def flush(self) -> None:
        """Wait until everything that was appended so far is on the disk.

        Raises:
            JournalError: It is not.
        """
        self._wait_for(lambda: None)

    def on_commit(self, listener: CommitListener) -> None:
        """Be told of the events of every commit, in the journal's thread: be quick, and never wait for it."""
        self._listeners.append(listener)

    # Actuations and commands: accepted once, on the disk before anything moves

    def begin_actuation(self, actuation_id: str, draft: EventDraft) -> bool:
        """Accept an actuation and write its event, both or neither; on the disk when this returns.

        Returns:
            True: this caller, and nobody else ever, may actuate. False: the id is known; do nothing.

        Raises:
            JournalError: It is not on the disk: do not actuate.
        """
        stamp = self._stamp(draft)
        return self._wait_for(lambda: self._writer.begin_actuation(actuation_id, draft, stamp))

    def finish_actuation(self, actuation_id: str, result: str, draft: EventDraft) -> None:
        """Close an actuation and write its event in one transaction. Does not wait: a lane must not.

        A crash before it is on the disk ends as ``actuation.unknown``, which is then the truth.
        """
        stamp = self._stamp(draft)
        self._order(lambda: self._writer.finish_actuation(actuation_id, result, draft, stamp))

    def unfinished_actuations(self) -> tuple[str, ...]:
        """Ids that the last run accepted and did not finish; closed as unknown when this was opened."""
        return self._unfinished.actuations

    def unfinished_commands(self) -> tuple[str, ...]:
        """The same for commands (jti): whoever sent them should be told ``unknown``."""
        return self._unfinished.commands

    def begin_command(self, jti: str, kid: str, ctr: int, exp_utc_s: int, draft: EventDraft) -> bool:
        """Accept a signed command, raise the counter of its key and write its event, all or nothing.

        Returns:
            True: accepted, on the disk. False: this jti was accepted before.

        Raises:
            CounterTooLow: ``ctr`` is not above ``high_water(kid)``; nothing was written.
            JournalError: It is not on the disk: do not obey.
        """
        stamp, claim = self._stamp(draft), CommandClaim(jti, kid, ctr, exp_utc_s)
        return self._wait_for(lambda: self._writer.begin_command(claim, draft, stamp))

    def finish_command(self, jti: str, result: str, draft: EventDraft) -> Event:
        """Close a command and write its event; on the disk when this returns, so it may be reported."""
        stamp = self._stamp(draft)
        return self._wait_for(lambda: self._writer.finish_command(jti, result, draft, stamp))

    def command_result(self, jti: str) -> str | None:
        """Result of a finished command; None when unknown or not finished."""
        return self.reader.command_result(jti)

    def high_water(self, kid: str) -> int:
        """Highest command counter accepted from a key; -1 when none ever was."""
        return self.reader.high_water(kid)

    def spend_pass(self, jti: str, uses: int, exp_utc_s: int) -> bool:
        """Count one use of a QR pass; on the disk when this returns.

        Returns:
            False: all its uses are spent, let nobody in.

        Raises:
            JournalError: It is not on the disk: let nobody in.
        """
        return self._wait_for(lambda: self._writer.spend_pass(jti, uses, exp_utc_s))

    # Small durable state

    def put_state(self, key: str, value: Any, draft: EventDraft | None = None) -> None:
        """Keep a small JSON value (None removes it), with an event in the same transaction if one is given.

        On the disk when this returns.

        Raises:
            ValueError, TypeError: The value is not JSON.
            JournalError: It is not on the disk; the old value stands.
        """
        text = None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)
        stamp = self._stamp(draft)
        self._wait_for(lambda: self._writer.put_state(key, text, draft, stamp))

    def get_state(self, key: str) -> Any | None:
        """The value last put under a key; None when there is none."""
        return self.reader.state(key)

    # The uplink's side

    def pending(self, stream: Stream | None, after: int, limit: int) -> list[OutboxRow]:
        """Unacknowledged events whose ``OutboxRow.id`` is above ``after``, oldest first.

        Args:
            stream: One stream, or None for all of them in the order in which they were written.
            after: Id of the last row already taken; 0 for the beginning.
            limit: At most so many.
        """
        return self.reader.pending(stream, after, limit)

    def acknowledge(self, stream: Stream, epoch: str, upto: int) -> int:
        """Note what the platform has committed, cumulatively; returns how many events that newly settles.

        Another epoch, a sequence that was never written, or nothing new: 0, and nothing changes.
        """
        return self._wait_for(lambda: self._writer.acknowledge(stream, epoch, upto))

    def acknowledge_soon(self, stream: Stream, epoch: str, upto: int) -> None:
        """The same, written within milliseconds and without waiting for it.

        Raises:
            JournalError: The journal has ended, or the disk has refused for too long.
        """
        self._order(lambda: self._writer.acknowledge(stream, epoch, upto))

    def go_back(self, stream: Stream, epoch: str, upto: int) -> int:
        """The platform has less of a stream than it had acknowledged: what is still here is to go again.

        Returns:
            Up to which sequence it counts as acknowledged now.
        """
        return self._wait_for(lambda: self._writer.go_back(stream, epoch, upto))

    def park(self, row: OutboxRow, why: str) -> int:
        """Take an event that nobody will have out of its stream; a stand-in takes its place.

        Args:
            row: The event, as ``pending`` gave it.
            why: The words of who refuses it.

        Returns:
            1, or 0 when it has been acknowledged or parked meanwhile.

        Raises:
            JournalError: It could not be written.
        """
        stamp = Stamp.now(self.clock)
        return self._wait_for(lambda: self._writer.replace(row.stream, row.seq, row.seq, REFUSED, why, stamp))

    def begin_epoch_soon(self, why: str) -> None:
        """The platform has another history than this: begin a new one, within milliseconds to seconds.

        ``epoch`` changes when it is on the disk; see ``EventWriter.begin_epoch``.

        Args:
            why: One line for the event and the alarm ``journal.forked``.

        Raises:
            JournalError: The journal has ended, or the disk has refused for too long.
        """
        stamp, left = Stamp.now(self.clock), self.epoch

        def begin() -> None:
            if self._writer.epoch == left:
                self._writer.begin_epoch(self.path.name, why, stamp)
                self._forked = why

        self._order(begin)

    def backlog(self) -> Mapping[Stream, int]:
        """Unacknowledged events per stream that has ever had one."""
        return self.reader.backlog()

    def first_wanted(self) -> Mapping[Stream, int]:
        """Sequence per stream of the first event, written or still to come, that is not acknowledged."""
        return self.reader.first_wanted()

    def last_written(self) -> Mapping[Stream, int]:
        """Sequence per stream of the last event that was written."""
        return self.reader.last_written()

    def retention(self, now_utc_ns: int) -> int:
        """Delete acknowledged events older than the settings keep them; returns how many. Runs hourly too."""
        return self._wait_for(lambda: self._writer.delete_old(now_utc_ns, self._keep_days))

    def tail(self, after_rowid: int, streams: Collection[Stream] = (), limit: int = 1000) -> list[OutboxRow]:
        """Events behind a place, oldest first, acknowledged or not; of all streams when none is named."""
        return self.reader.tail(after_rowid, streams, limit)

    # The thread

    def close(self) -> None:
        """Write what is queued, end the thread, close the file. Harmless when closed."""
        super().close()
        self._refuse("the journal has been closed")
        if self._lock_file is not None:
            self.reader.close()
            self._writer.close()
            os.close(self._lock_file)
            self._lock_file = None

    def _transaction(self) -> AbstractContextManager[None]:
        return self._writer.transaction()

    def _committed(self) -> None:
        if self._writer.epoch != self.epoch:
            self.epoch = self.reader.epoch = self._writer.epoch
            log.error("a new epoch begins: %s", self._forked)
            if self._alarms is not None:
                self._alarms.set(FORKED, self.name, self._forked)
        if events := tuple(self._writer.written):
            for listener in self._listeners:
                listener(events)

    def _turned(self) -> None:
        if self.clock.boot_ns() >= self._retention_due_ns:
            self._retention_due_ns = self.clock.boot_ns() + RETENTION_EVERY_NS
            offset_ns = self.clock.utc_ns() - self.clock.boot_ns()
            # That a pass was used must not be forgotten because a clock was wrong for a moment: it shall have
            # gone steadily since the last look before it says how old something is.
            if abs(offset_ns - self._offset_ns) < STEADY_NS:
                self._order(lambda: self._writer.delete_old(self.clock.utc_ns(), self._keep_days))
            self._offset_ns = offset_ns
        if self.clock.boot_ns() >= self._room_due_ns:
            self._room_due_ns = self.clock.boot_ns() + ROOM_EVERY_NS
            self._order(self._make_room)

    def _make_room(self) -> None:
        given_up = self._writer.make_room(self._limit_events, Stamp.now(self.clock))
        if self._alarms is None:
            return
        if given_up:
            words = ", ".join(f"{count} of {stream.value}" for stream, count in given_up.items())
            detail = f"more than {self._limit_events} events wait for the platform; given up: {words}"
            self._alarms.set(CROWDED, self.name, detail)
        elif sum(self.reader.backlog().values()) < self._limit_events * 9 // 10:
            self._alarms.clear(CROWDED, self.name)

    def _stamp(self, draft: EventDraft | None) -> Stamp:
        """Check the draft and take the time here, in the thread of whoever saw it happen."""
        if draft is not None:
            check_draft(draft)
        return Stamp.now(self.clock)


def _lock(path: Path) -> int:
    """Take the lock file, which the kernel frees however we end."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(
            f"{path.parent}: cannot be written: {error.strerror}; the folder must exist and be ours"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise JournalError(f"{path.parent}: another Gatehouse daemon is running on this folder") from error
    return handle


def _kernel_boot_id() -> str:
    """The kernel's boot id; "unknown" where a sandbox hides it (pass it in then)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"

"""The one way in which Gatehouse opens a SQLite file; nothing else imports apsw.

Every file is opened the same way: WAL, ``synchronous=FULL`` (a commit that returned is on the disk), foreign
keys, untrusted schema, checkpoints only by the connection that writes, ``quick_check`` at start, migrations
counted in ``user_version`` and applied in one transaction. Whatever SQLite complains about becomes one
``JournalError`` with one line that says what, where and what to do.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from edge.errors import JournalError

log = logging.getLogger(__name__)

Row = tuple[Any, ...]
Value = str | bytes | int | float | None

_FULL_BYTES = 64 * 1024
BUSY_TIMEOUT_MS = 5000
CHECKPOINT_PAGES = 1000  # SQLite's own default: about 4 MB of WAL
WAL_LIMIT_BYTES = 8 << 20
OLDEST_SAFE_SQLITE = (3, 51, 3)  # 3.7.0 to 3.51.2 can corrupt a WAL shared by two connections


class DatabaseDamaged(JournalError):
    """The file is no database, or its pages contradict each other. Its content cannot be trusted."""


class DiskFull(JournalError):
    """The disk has no room for what was to be written; nothing of it was."""


class Database:
    """One connection to one file.

    Thread: any, but one at a time; who shares a connection holds a lock of its own.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str] = (),
        *,
        readonly: bool = False,
        secure_delete: bool = False,
        check: bool = True,
    ) -> None:
        """Open, check and migrate.

        Args:
            path: The file; made with mode 0600 when it does not exist (not when ``readonly``).
            migrations: One SQL script per schema version; those not yet applied are, all or none.
            readonly: Never write, never checkpoint; for readers beside the writer, also in other processes.
            secure_delete: Overwrite deleted content with zeros.
            check: Run ``quick_check`` first (milliseconds per megabyte).

        Raises:
            DatabaseDamaged: Not a database, or damaged.
            JournalError: It cannot be opened, made, read or migrated; the message says why.
        """
        self.path = path
        self.readonly = readonly
        if _too_old():
            raise JournalError(f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL file; update apsw")
        if not readonly:
            _make_private_file(path)
        with _mapped(path):
            flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE
            self._connection = apsw.Connection(str(path), flags=flags)
        try:
            with _mapped(path):
                self._configure(secure_delete)
                if check and not readonly:
                    self._check()
                self._migrate(migrations)
        except JournalError:
            self._connection.close()
            raise

    def _configure(self, secure_delete: bool) -> None:
        connection = self._connection
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.pragma("foreign_keys", 1)
        connection.pragma("cell_size_check", 1)
        # A reader that checkpoints would make two of them; see OLDEST_SAFE_SQLITE for what that has cost.
        connection.wal_autocheckpoint(0 if self.readonly else CHECKPOINT_PAGES)
        if self.readonly:
            connection.pragma("query_only", 1)
            return
        if connection.readonly("main"):
            raise JournalError(f"{self.path}: cannot be written; check its owner, mode and file system")
        # While a new file is switched to WAL it has a rollback journal for a moment. EXTRA flushes the folder
        # when that is gone; else it could be back after a power cut and undo the switch, and the log with it.
        connection.pragma("synchronous", "EXTRA")
        if connection.pragma("journal_mode", "wal") != "wal":
            raise JournalError(
                f"{self.path}: this file system cannot hold a write-ahead log; use a local one"
            )
        connection.pragma("synchronous", "FULL")
        connection.pragma("journal_size_limit", WAL_LIMIT_BYTES)
        connection.pragma("secure_delete", int(secure_delete))

    def _check(self) -> None:
        complaints = [row[0] for row in self._connection.execute("PRAGMA quick_check(3)")]
        if complaints != ["ok"]:
            raise DatabaseDamaged(f"{self.path}: damaged ({complaints[0].splitlines()[-1]})")

    def _migrate(self, migrations: Sequence[str]) -> None:
        known = len(migrations)
        version = self._version()
        if version > known > 0:
            raise JournalError(
                f"{self.path}: written by a newer Gatehouse (schema {version}, this one knows {known});"
                " install that one again or restore a backup"
            )
        if self.readonly or version >= known:
            if version < known:
                raise JournalError(
                    f"{self.path}: schema {version} is older than {known}; start the daemon once"
                )
            return
        with self.transaction():
            # Read again inside: another process may have migrated while we waited for the lock.
            for number, script in enumerate(migrations[self._version() :], start=self._version() + 1):
                self._connection.execute(script)
                self._connection.pragma("user_version", number)

    def _version(self) -> int:
        return int(self._connection.pragma("user_version"))

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and return all its rows.

        Raises:
            JournalError: SQLite refused; inside ``transaction`` let it pass, so that all is undone.
        """
        with _mapped(self.path):
            return list(self._connection.execute(sql, values))

    def rows(self, sql: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """The same, row by row as they are read: those before a damaged page come out.

        Raises:
            JournalError: Nothing more can be read.
        """
        with _mapped(self.path):
            yield from self._connection.execute(sql, values)

    def changes(self) -> int:
        """Rows touched by the last INSERT, UPDATE or DELETE."""
        return self._connection.changes()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written, and on the disk when the block has ended; or nothing is.

        Raises:
            JournalError: It could not be committed; nothing was written.
        """
        with _mapped(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with _mapped(self.path):
                self._connection.execute("COMMIT")
        finally:
            # SQLite has already undone it after some errors (disk full, I/O): then there is nothing to undo.
            if self._connection.in_transaction:
                with _mapped(self.path):
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state of the file, whatever is committed meanwhile."""
        with _mapped(self.path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                with _mapped(self.path):
                    self._connection.execute("ROLLBACK")

    def data_version(self) -> int:
        """A number that changes when another connection, of any process, has committed. Cheap."""
        with _mapped(self.path):
            return int(self._connection.pragma("data_version"))

    def checkpoint(self) -> None:
        """Move the WAL into the file and empty it, so that nothing deleted lingers in it."""
        with _mapped(self.path):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        """Close; harmless when closed."""
        with _mapped(self.path):
            self._connection.close()


def _too_old() -> bool:
    return tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < OLDEST_SAFE_SQLITE


def _make_private_file(path: Path) -> None:
    """Make the file with mode 0600 (its -wal and -shm take that over) and the directory entry durable."""
    if path.exists():
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise JournalError(
            f"{path}: cannot be made: {error.strerror}; the folder must exist and be writable"
        ) from error


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """Turn what SQLite complains about into one line for a person."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise DatabaseDamaged(f"{path}: damaged or not a database ({error})") from error
    except apsw.FullError as error:
        raise DiskFull(f"{path}: the disk is full; nothing was written") from error
    except apsw.ReadOnlyError as error:
        raise JournalError(f"{path}: cannot be written; check its owner, mode and file system") from error
    except apsw.CantOpenError as error:
        raise JournalError(f"{path}: cannot be opened; check that it exists and who owns it") from error
    except apsw.BusyError as error:
        raise JournalError(f"{path}: locked by another process for more than {BUSY_TIMEOUT_MS} ms") from error
    except apsw.IOError as error:
        if shutil.disk_usage(path.parent).free < _FULL_BYTES:  # some writes fail so when it is full
            raise DiskFull(f"{path}: the disk is full; nothing was written") from error
        raise JournalError(f"{path}: the disk reports an error ({error}); check the card") from error
    except apsw.Error as error:
        raise JournalError(f"{path}: {type(error).__name__}: {error}") from error

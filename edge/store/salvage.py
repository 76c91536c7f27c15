"""What becomes of a damaged database: moved aside, replaced, and filled with all that can still be read.

A lane must open for those who may pass, whatever the card has done to a file. So a damaged file is never a
reason not to start: it is renamed to ``<name>.damaged-<utc>`` (with its log), a new one takes its place, and
row by row, from both ends of every table, what the old one still gives is copied in one transaction. What
cannot be read is missing, and missing means no: nobody gets in by what is lost. A kill at any moment ends
with the whole of the old file or the whole of the new one.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.clock import NS_PER_S
from edge.errors import JournalError
from edge.faults import fault_point
from edge.store.database import Database, DatabaseDamaged, Row

log = logging.getLogger(__name__)

SUFFIXES = ("", "-wal", "-shm")
KEPT = 3
"""Damaged files that are kept; older ones make room."""


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was done.

    Attributes:
        aside: Where the damaged file lies now. why: What was wrong with it.
        rows: Rows that were copied, by table. cut: Tables of which a part could not be read.
    """

    aside: Path
    why: str
    rows: dict[str, int]
    cut: tuple[str, ...]

    @property
    def words(self) -> str:
        """One line for a person."""
        copied = ", ".join(f"{count} {table}" for table, count in self.rows.items() if count) or "nothing"
        lost = f"; parts are lost of: {', '.join(self.cut)}" if self.cut else ""
        return f"damaged, moved to {self.aside.name}, begun anew; saved: {copied}{lost}"


Fill = Callable[[Database, Database], dict[str, int]]
"""Copies from the old file what it gives into the new one, in one transaction; returns rows by table."""


def open_or_salvage(
    path: Path,
    migrations: Sequence[str],
    utc_ns: int,
    *,
    secure_delete: bool = False,
    leave_out: Sequence[str] = (),
    fill: Fill = lambda _old, _new: {},
    note: Callable[[Database, Salvage], None] = lambda _new, _salvage: None,
) -> tuple[Database, Salvage | None]:
    """Open a database; a damaged one is replaced, and saved row by row.

    Args:
        path: The file.
        migrations: Its schema, as for ``Database``.
        utc_ns: Goes into the name of the damaged file.
        secure_delete: As for ``Database``.
        leave_out: Tables that are not copied as they are.
        fill: Copies what ``leave_out`` leaves, in its own way.
        note: Writes into the new file what was done, so that it is known even after a kill.

    Raises:
        JournalError: It cannot be opened for another reason than damage, or not be moved.
    """
    ready = path.with_name(f"{path.name}.salvaged")
    _finish(path, ready)
    try:
        return Database(path, migrations, secure_delete=secure_delete), None
    except DatabaseDamaged as error:
        log.error("%s; what can be read of it is saved into a new one", error)
        why = str(error)
    fault_point("salvage.begun")
    building = path.with_name(f"{path.name}.building")
    _remove(building)
    aside = _free_name(path, utc_ns)
    new = Database(building, migrations, secure_delete=secure_delete)
    try:
        rows, cut = _copy(path, new, leave_out, fill)
        salvage = Salvage(aside, why, rows, cut)
        with new.transaction():
            note(new, salvage)
        new.checkpoint()
    finally:
        new.close()
    try:
        building.rename(ready)
        flush_folder(path.parent)
        fault_point("salvage.copied")
        # The log first: a database without its log is an old one, a log without its database is nothing.
        for suffix in reversed(SUFFIXES):
            source = path.with_name(path.name + suffix)
            if source.exists():
                source.rename(aside.with_name(aside.name + suffix))
        flush_folder(path.parent)
        fault_point("salvage.moved")
        _forget_the_oldest(path)
    except OSError as error:
        raise JournalError(f"{path}: damaged, and cannot be moved aside: {error.strerror}") from error
    _finish(path, ready)
    return Database(path, migrations, secure_delete=secure_delete), salvage


def _finish(path: Path, ready: Path) -> None:
    """Put a finished new file into its place, which is empty; one beside a file that was not moved is old."""
    if not ready.exists():
        return
    try:
        if path.exists():
            _remove(ready)
            return
        _remove(path)  # a log of the damaged file must not be taken for one of the new
        ready.rename(path)
        flush_folder(path.parent)
    except OSError as error:
        raise JournalError(f"{ready}: cannot be put in its place: {error.strerror}") from error


def _remove(path: Path) -> None:
    for suffix in SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _free_name(path: Path, utc_ns: int) -> Path:
    moment = datetime.fromtimestamp(utc_ns // NS_PER_S, UTC)
    first = aside = path.with_name(f"{path.name}.damaged-{moment:%Y%m%dT%H%M%SZ}")
    number = 1
    while aside.exists():
        number += 1
        aside = first.with_name(f"{first.name}-{number}")
    return aside


def _copy(
    path: Path, new: Database, leave_out: Sequence[str], fill: Fill
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Copy what can be read, all in one transaction; returns rows by table, and the tables cut short."""
    rows: dict[str, int] = {}
    cut: list[str] = []
    try:
        old = Database(path, readonly=True, check=False)
    except JournalError as error:
        log.error("nothing can be read of it: %s", error)
        return rows, ("all of it",)
    try:
        with new.transaction():
            for table in _tables(new):
                if table not in leave_out:
                    rows[table], whole = _copy_table(old, new, table)
                    if not whole:
                        cut.append(table)
            rows |= fill(old, new)
    finally:
        with suppress(JournalError):
            old.close()
    return rows, tuple(cut)


def flush_folder(folder: Path) -> None:
    """Make renames and new files in a folder durable.

    Raises:
        OSError: The disk refuses.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_from_both_ends(
    read: Callable[[str], Iterator[Row]],
) -> tuple[list[Row], bool]:
    """All rows that are given before something breaks, from the first on and from the last back.

    Args:
        read: Gives the rows in an order, ``ASC`` or ``DESC``; the key stands first in each.

    Returns:
        The rows in rising order, and whether none is missing.
    """
    rows, whole = _until_it_breaks(read("ASC"))
    if whole:
        return rows, True
    seen = {row[0] for row in rows}
    later, _ = _until_it_breaks(row for row in read("DESC") if row[0] not in seen)
    return [*rows, *reversed(later)], False


def _until_it_breaks(rows: Iterator[Row]) -> tuple[list[Row], bool]:
    found: list[Row] = []
    try:
        for row in rows:
            found.append(row)  # noqa: PERF402 - what came before it broke must stay
    except (JournalError, ValueError, OverflowError):
        return found, False
    return found, True


def _tables(database: Database) -> list[str]:
    rows = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return [str(row[0]) for row in rows]


def _copy_table(old: Database, new: Database, table: str) -> tuple[int, bool]:
    columns = [(str(row[1]), int(row[5])) for row in new.execute(f"PRAGMA table_info({table})")]
    names = ", ".join(name for name, _ in columns)
    key = ", ".join(name for name, place in sorted(columns, key=lambda c: c[1]) if place) or "rowid"
    # Of what its key is made of, whatever that is: one value to tell rows apart.
    whole_key = " || '|' || ".join(f"quote({name})" for name in key.split(", "))

    def read(order: str) -> Iterator[Row]:
        ordered = ", ".join(f"{name} {order}" for name in key.split(", "))
        yield from old.rows(f"SELECT {whole_key}, {names} FROM {table} ORDER BY {ordered}")  # noqa: S608

    rows, whole = read_from_both_ends(read)
    places = ", ".join("?" * len(columns))
    copied = 0
    for row in rows:
        with suppress(JournalError):  # a row that breaks a rule of the schema is damaged too
            new.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", row[1:])  # noqa: S608
            copied += new.changes()
    return copied, whole and copied == len(rows)


def _forget_the_oldest(path: Path) -> None:
    found = sorted(p for p in path.parent.glob(f"{path.name}.damaged-*") if not p.name.endswith(SUFFIXES[1:]))
    for old in found[:-KEPT]:
        for suffix in SUFFIXES:
            old.with_name(old.name + suffix).unlink(missing_ok=True)

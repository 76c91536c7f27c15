"""Changes a SQLite file behind the back of whoever has it open, as a failing disk or a curious person does.

With the product's own copy of SQLite: a second copy in one process (the standard library's) does not see the
locks of the first, drops them when it closes the file, and takes the shared memory away from under it
(sqlite.org, "How To Corrupt An SQLite Database File", 2.2).
"""

from contextlib import closing
from pathlib import Path

import apsw


def rewrite(path: Path, statement: str, values: tuple[str | int, ...] = ()) -> None:
    """Run one statement, committed when this returns."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute(statement, values)

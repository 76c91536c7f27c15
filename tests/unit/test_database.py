"""The one way to open a SQLite file, and what it says when that does not work."""

import ast
from pathlib import Path

import apsw
import pytest

from edge.errors import Exit, JournalError
from edge.store.database import Database, DatabaseDamaged

ROOT = Path(__file__).resolve().parents[2]
TABLE = "CREATE TABLE things (name TEXT PRIMARY KEY) STRICT;"


def test_only_the_store_imports_the_database_library() -> None:
    importers = set()
    for path in ROOT.glob("edge/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if any(name.split(".")[0] in ("apsw", "sqlite3") for name in names):
                importers.add(path.relative_to(ROOT).as_posix())
    assert importers == {"edge/store/database.py"}


def test_a_file_is_opened_with_wal_full_sync_foreign_keys_and_a_private_mode(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", (TABLE,))
    try:
        database.execute("INSERT INTO things VALUES ('x')")
        pragmas = {
            name: database.execute(f"PRAGMA {name}")[0][0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "user_version")
        }
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        database.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "user_version": 1,
    }
    assert modes == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}


def test_migrations_are_applied_once_in_order_and_keep_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    first = Database(path, (TABLE,))
    first.execute("INSERT INTO things VALUES ('old')")
    first.close()
    second = Database(path, (TABLE, "ALTER TABLE things ADD COLUMN size INTEGER; CREATE TABLE more (x) ;"))
    rows = second.execute("SELECT name, size FROM things")
    version = second.execute("PRAGMA user_version")[0][0]
    second.close()
    assert rows == [("old", None)]
    assert version == 2


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(path, (TABLE,)).close()
    with pytest.raises(JournalError, match="no such table"):
        Database(path, (TABLE, "CREATE TABLE more (x); INSERT INTO nowhere VALUES (1);"))
    again = Database(path, (TABLE,))
    tables = again.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    again.close()
    assert tables == [("things",)]


def test_a_file_of_a_newer_gatehouse_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(path, (TABLE, "CREATE TABLE more (x);")).close()
    with pytest.raises(JournalError, match=r"written by a newer Gatehouse \(schema 2, this one knows 1\)"):
        Database(path, (TABLE,))


@pytest.mark.parametrize("content", [b"\0" * 8192, b"this is a text and no database\n" * 200])
def test_a_file_of_zeros_or_text_is_named_as_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged, match=r"a\.db: damaged or not a database") as caught:
        Database(path, (TABLE,))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is Exit.IO


def test_a_page_with_a_flipped_byte_is_found_at_start(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = Database(path, (TABLE,))
    with database.transaction():
        for number in range(2000):
            database.execute("INSERT INTO things VALUES (?)", (f"name {number:06d}",))
    database.close()
    content = bytearray(path.read_bytes())
    for place in range(4096 * 3, 4096 * 3 + 64):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged, match="damaged"):
        Database(path, (TABLE,))


def test_a_folder_that_is_missing_or_not_ours_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="the folder must exist and be writable"):
        Database(tmp_path / "nowhere" / "a.db", (TABLE,))
    with pytest.raises(JournalError, match="cannot be made"):
        Database(Path("/proc/a.db"), (TABLE,))


def test_a_reader_of_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened; check that it exists"):
        Database(tmp_path / "a.db", readonly=True)


def test_a_full_disk_is_named_and_nothing_of_the_transaction_stays(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", (TABLE,))
    try:
        database.execute("INSERT INTO things VALUES ('before')")
        database.execute("PRAGMA max_page_count = 4")  # SQLite itself answers SQLITE_FULL from here on

        def fill() -> None:
            with database.transaction():
                for number in range(5000):
                    database.execute("INSERT INTO things VALUES (?)", (f"{number:0100d}",))

        with pytest.raises(JournalError, match="the disk is full; nothing was written"):
            fill()
        assert database.execute("SELECT name FROM things") == [("before",)]
        with database.transaction():
            database.execute("INSERT INTO things VALUES ('after')")
        assert len(database.execute("SELECT name FROM things")) == 2
    finally:
        database.close()


def test_an_error_inside_a_transaction_undoes_all_of_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", (TABLE,))
    try:

        def add_twice() -> None:
            with database.transaction():
                database.execute("INSERT INTO things VALUES ('x')")
                database.execute("INSERT INTO things VALUES ('x')")

        with pytest.raises(JournalError, match="UNIQUE"):
            add_twice()
        assert database.execute("SELECT name FROM things") == []
    finally:
        database.close()


def test_a_reader_sees_commits_of_others_and_can_write_nothing(tmp_path: Path) -> None:
    writer = Database(tmp_path / "a.db", (TABLE,))
    reader = Database(tmp_path / "a.db", (TABLE,), readonly=True)
    try:
        before = reader.data_version()
        assert reader.data_version() == before
        writer.execute("INSERT INTO things VALUES ('x')")
        assert reader.data_version() != before
        assert reader.execute("SELECT name FROM things") == [("x",)]
        with pytest.raises(JournalError, match="cannot be written"):
            reader.execute("INSERT INTO things VALUES ('y')")
    finally:
        reader.close()
        writer.close()


def test_a_snapshot_does_not_move_while_others_write(tmp_path: Path) -> None:
    writer = Database(tmp_path / "a.db", (TABLE,))
    reader = Database(tmp_path / "a.db", (TABLE,), readonly=True)
    try:
        with reader.snapshot():
            assert reader.execute("SELECT count(*) FROM things") == [(0,)]
            writer.execute("INSERT INTO things VALUES ('x')")
            assert reader.execute("SELECT count(*) FROM things") == [(0,)]
        assert reader.execute("SELECT count(*) FROM things") == [(1,)]
    finally:
        reader.close()
        writer.close()


def test_the_bundled_sqlite_has_no_wal_reset_bug() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)

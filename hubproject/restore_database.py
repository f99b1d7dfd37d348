"""Puts a restored database in the place of the hub's own, in one step; the one before is kept under another name."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction

from hubproject.backup import sync_directory
from hubproject.backup_check import bring_up_to_date, in_scratch
from hubproject.backup_database import ASIDE, load_statements, sqlite_content
from hubproject.backup_file import Archive
from hubproject.backup_programs import BackupError
from hubproject.restore_files import aside_name, staged, write_beside

STILL_RUNNING = (
    "The hub is still running. Stop it first: systemctl stop wireguard-hub-api wireguard-hub-agent, "
    "or Ctrl-C of `make run`. Tunnels stay up."
)
_LOCK_SECONDS = 3.0
# PostgreSQL sees the end of a connection a while after it, our own before this one included.
_LEAVING_SECONDS = 5.0
_LEAVING_POLL_SECONDS = 0.05
_ENDINGS_OF_LOG = ("-wal", "-shm")


def put_database(archive: Archive, *, afterwards: Callable[[], None], now: datetime) -> str:
    """Restores the database, does `afterwards` in it, and then makes it the hub's. Returns where the old one is.

    Raises BackupError, and then the old one is in its place.
    """
    if connection.vendor == "postgresql":
        return _put_postgresql(archive, afterwards, now)
    with in_scratch(archive):
        afterwards()
        content = sqlite_content()
    return _put_sqlite(content, now)


# --- SQLite -------------------------------------------------------------------------------------------------------


def _put_sqlite(content: bytes, now: datetime) -> str:
    path = Path(connection.settings_dict["NAME"])
    connection.close()
    is_shared = path.parent.stat().st_mode & 0o020
    write_beside(path, content, path.stat().st_mode & 0o777 if path.exists() else 0o660 if is_shared else 0o600)
    try:
        with _unused(path):
            return _swap(path, path.with_name(f"{path.name}.{aside_name(now)}"))
    finally:
        staged(path).unlink(missing_ok=True)


def _swap(path: Path, aside: Path) -> str:
    """The old one's name is there at any moment, for the one or the other."""
    was_there = path.exists()
    if was_there:
        aside.hardlink_to(path)
    for ending in _ENDINGS_OF_LOG:  # of a damaged one: it must not be taken for the new one's
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    staged(path).replace(path)
    sync_directory(path.parent)
    return str(aside) if was_there else ""


def refuse_when_used(path: Path) -> None:
    """Raises BackupError when some process has the SQLite database open."""
    with _unused(path):
        pass


@contextmanager
def _unused(path: Path) -> Iterator[None]:
    """Nobody has the database open, and nobody can open it meanwhile; its log is written back into it and gone."""
    if not path.exists():
        yield
        return
    with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)) as lock:
        try:
            # Leaving the mode needs the whole file: it fails while anybody else merely has it open.
            lock.execute("PRAGMA journal_mode = DELETE").fetchone()
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as refusal:
            if "locked" in str(refusal):
                raise BackupError(STILL_RUNNING) from None
            raise BackupError(f"{path} cannot be opened: {refusal}.") from None
        except sqlite3.DatabaseError:
            pass  # damaged: perhaps the very reason for the restore
        yield


# --- PostgreSQL ---------------------------------------------------------------------------------------------------

# Identity columns' sequences, indexes and triggers go with their tables.
_TABLES = """
    SELECT format('ALTER TABLE %%I.%%I SET SCHEMA %%I', n.nspname, c.relname, %s::text)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
"""
_FUNCTIONS = """
    SELECT format('ALTER FUNCTION %%s SET SCHEMA %%I', p.oid::regprocedure, %s::text)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = current_schema()
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def refuse_when_others_are_connected() -> None:
    """Raises BackupError when somebody else is connected to the PostgreSQL database, and stays so."""
    deadline = time.monotonic() + _LEAVING_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_OTHERS)
            number = cursor.fetchone()[0]
            if not number:
                return
            if time.monotonic() > deadline:
                raise BackupError(f"{STILL_RUNNING} ({number} others are connected to the database.)")
            time.sleep(_LEAVING_POLL_SECONDS)


def _put_postgresql(archive: Archive, afterwards: Callable[[], None], now: datetime) -> str:
    """All of it in one transaction."""
    schema = f"{ASIDE}{now:%Y%m%dT%H%M%S_%fZ}".lower()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10s'")
        was_there = _move_aside(schema)
        load_statements(archive.database)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        bring_up_to_date()
        afterwards()
    return f"schema {schema}" if was_there else ""


def _move_aside(schema: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [schema])
        statements = [row[0] for row in cursor.fetchall()]
        cursor.execute(_FUNCTIONS, [schema])
        statements += [row[0] for row in cursor.fetchall()]
        if statements:
            cursor.execute(f"CREATE SCHEMA {connection.ops.quote_name(schema)}")
        for statement in statements:
            cursor.execute(statement)
    return bool(statements)

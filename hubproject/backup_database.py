"""The database as bytes, of one moment; and a copy of it put in the place of the hub's own while it is looked at.

SQLite's is the file's content, copied in memory. PostgreSQL's is pg_dump's custom archive of a snapshot.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import IO, Any

from django.db import DatabaseError, ProgrammingError, connection, connections, transaction
from psycopg.conninfo import make_conninfo

from hubproject.backup_programs import BackupError, as_statements, dumping, file_in_memory

PIECE_BYTES = 1 << 22
# Where PostgreSQL keeps what a restore replaced.
ASIDE = "before_restore_"
# Of what Django connects with, what programs of PostgreSQL need as well; the password goes another way.
_CONNECTION_WORDS = ("host", "port", "user", "dbname", "service", "sslmode", "sslrootcert", "sslcert", "sslkey")
# A database that says it has a write-ahead log cannot be opened in memory: bytes 18 and 19 of its header.
_WITHOUT_WAL = b"\x01\x01"


class NoScratchDatabase(BackupError):
    """PostgreSQL's role may not make a database to try the backup in."""


# --- Out ----------------------------------------------------------------------------------------------------------


@contextmanager
def snapshot() -> Iterator[Iterator[bytes]]:
    """The database's bytes in pieces; meanwhile the ORM reads the very same moment."""
    with _postgresql_snapshot() if connection.vendor == "postgresql" else _sqlite_snapshot() as pieces:
        yield pieces


@contextmanager
def _sqlite_snapshot() -> Iterator[Iterator[bytes]]:
    connection.ensure_connection()
    source: Any = connection.connection
    with _in_memory():
        source.backup(connection.connection)  # in one go: writers are not kept waiting by a reader of the log
        content = sqlite_content()
        yield (content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES))


def sqlite_content() -> bytes:
    """What a file of the SQLite database that is connected would hold."""
    content = connection.connection.serialize()
    return bytes(content[:18] + _WITHOUT_WAL + content[20:])


@contextmanager
def _postgresql_snapshot() -> Iterator[Iterator[bytes]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        name = cursor.fetchone()[0]
        at = connection.get_connection_params()
        dsn = make_conninfo(**{word: at[word] for word in _CONNECTION_WORDS if at.get(word)})
        with dumping(dsn, at.get("password") or "", snapshot=name, without=f"{ASIDE}*") as archive:
            yield iter(lambda: archive.read(PIECE_BYTES), b"")


# --- Back, to be looked at ----------------------------------------------------------------------------------------


@contextmanager
def scratch(content: IO[bytes]) -> Iterator[None]:
    """While it lasts, the ORM works on a copy made of these bytes; it is gone afterwards. Raises NoScratchDatabase."""
    with _postgresql_scratch(content) if connection.vendor == "postgresql" else _sqlite_scratch(content):
        yield


@contextmanager
def _sqlite_scratch(content: IO[bytes]) -> Iterator[None]:
    content.seek(0)
    with _in_memory():
        connection.connection.deserialize(content.read())
        yield


@contextmanager
def _postgresql_scratch(content: IO[bytes]) -> Iterator[None]:
    hubs_own = connections["default"]
    name = f"{hubs_own.settings_dict['NAME']}_backup_check"[-63:]
    quoted = connection.ops.quote_name(name)
    with hubs_own.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted}")
        try:
            cursor.execute(f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8'")
        except ProgrammingError as refusal:
            raise NoScratchDatabase(str(refusal).strip()) from None
    try:
        with _in_place_of_the_hubs(name):
            load_statements(content)
            yield
    finally:
        with suppress(DatabaseError), hubs_own.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")


@contextmanager
def _in_memory() -> Iterator[None]:
    with _in_place_of_the_hubs(":memory:"), connection.cursor() as cursor:
        cursor.execute("PRAGMA temp_store = MEMORY")  # large sorts and indexes would go to a file
        yield


@contextmanager
def _in_place_of_the_hubs(name: str) -> Iterator[None]:
    """This thread's connection goes to another database; the one there is stays as it is, and comes back."""
    kept = connections["default"]
    other = kept.copy()
    other.settings_dict["NAME"] = name
    connections["default"] = other
    try:
        yield
    finally:
        connections["default"] = kept
        if other.connection is not None:
            other.connection.close()


# --- PostgreSQL's statements --------------------------------------------------------------------------------------


def load_statements(archive: IO[bytes]) -> None:
    """Runs what a custom archive holds in the database that is connected, in the caller's transaction if any."""
    connection.ensure_connection()
    raw: Any = connection.connection
    with as_statements(archive) as script, raw.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        search_path = cursor.fetchone()[0]
        for text, rows in _parts(script):
            if text.strip():
                cursor.execute(text)
            if rows is not None:
                header, lines = rows
                with cursor.copy(header) as copy:
                    for line in lines:
                        copy.write(line)
        cursor.execute("SELECT set_config('search_path', %s, false)", [search_path])


def counts_in(archive: IO[bytes]) -> dict[str, int]:
    """How many rows of each table a custom archive holds, read without any database."""
    counts = {}
    with as_statements(archive) as script:
        for _, rows in _parts(script):
            if rows is not None:
                header, lines = rows
                table = header.split()[1].decode().removeprefix("public.").strip('"')
                counts[table] = sum(1 for _ in lines)
    return counts


def _parts(script: IO[bytes]) -> Iterator[tuple[bytes, tuple[bytes, Iterator[bytes]] | None]]:
    """Statements, and behind them the head and the rows of a COPY, if one follows."""
    statements: list[bytes] = []
    for line in script:
        if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
            yield b"".join(statements), (line, takewhile(lambda row: row != b"\\.\n", script))
            statements = []
        elif not line.startswith((b"\\restrict ", b"\\unrestrict ")):  # for psql alone
            statements.append(line)
    yield b"".join(statements), None


@contextmanager
def file_of(pieces: Iterator[bytes]) -> Iterator[IO[bytes]]:
    """A file in memory of all these pieces."""
    with file_in_memory() as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        yield file

"""A copy of the migrated test database for each test that needs real transactions: `django_db(transaction=True)`.

Django would empty every table after such a test, and the audit log refuses that. A copy is thrown away whole; other
processes see it too, by `database_url`. It costs a file copy on SQLite, a CREATE DATABASE … TEMPLATE on PostgreSQL.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection, connections
from django.test import TransactionTestCase

# Makes a copy and gives its name; removes it at the end.
Copy = Callable[[], AbstractContextManager[str]]


@contextmanager
def copies_instead_of_flushes() -> Iterator[None]:
    """While this lasts, tests with real transactions run on copies of the test database as it is now."""
    copies = _postgresql_copies() if connection.vendor == "postgresql" else _sqlite_copies()
    with copies as copy, pytest.MonkeyPatch.context() as patch:
        test = ExitStack()

        def setup(cls: type) -> None:
            test.enter_context(_connected_to(test.enter_context(copy())))

        patch.setattr(TransactionTestCase, "_fixture_setup", classmethod(setup))
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: test.close())
        yield


def database_url() -> str:
    """DATABASE_URL of the database this test runs on, for processes it starts."""
    at = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{at['NAME']}"
    who = f"{at['USER']}:{quote(at['PASSWORD'], safe='')}" if at["PASSWORD"] else at["USER"]
    where = f"{at['HOST']}:{at['PORT']}" if at["PORT"] else at["HOST"]
    # The directory of a socket stands where a path begins.
    host_and_path = f"/{where}" if where.startswith("/") else where
    return f"postgres://{who}@{host_and_path}/{at['NAME']}"


@contextmanager
def _connected_to(name: str) -> Iterator[None]:
    """New connections of all threads go to this database. Ours is put aside as it is: closed, one in memory is gone."""
    settings, ours = connections.settings["default"], connections["default"]
    known_name = settings["NAME"]
    settings["NAME"] = name
    connections["default"] = connections.create_connection("default")
    try:
        yield
    finally:
        connections["default"].close()
        settings["NAME"] = known_name
        connections["default"] = ours


@contextmanager
def _sqlite_copies() -> Iterator[Copy]:
    with tempfile.TemporaryDirectory(prefix="hub-copies-") as home:
        template, copied = Path(home, "template.sqlite"), Path(home, "copy.sqlite")
        connection.ensure_connection()
        with closing(sqlite3.connect(template)) as file:
            connection.connection.backup(file)

        @contextmanager
        def copy() -> Iterator[str]:
            shutil.copyfile(template, copied)
            yield str(copied)
            for path in Path(home).glob(f"{copied.name}*"):  # with its write-ahead log
                path.unlink()

        yield copy


@contextmanager
def _postgresql_copies() -> Iterator[Copy]:
    source = connection.settings_dict["NAME"]
    connection.close()  # a database that somebody is connected to cannot be copied
    with _postgresql_copy(source, f"{source}_template") as template:
        yield lambda: _postgresql_copy(template, f"{source}_copy")


@contextmanager
def _postgresql_copy(source: str, name: str) -> Iterator[str]:
    quoted = connection.ops.quote_name
    _on_server(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
    _on_server(f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(source)}")
    try:
        yield name
    finally:
        _on_server(f"DROP DATABASE {quoted(name)} WITH (FORCE)")


def _on_server(statement: str) -> None:
    with connections["default"]._nodb_cursor() as cursor:
        cursor.execute(statement)

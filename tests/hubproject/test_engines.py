"""What the database engines count of each statement, as django-prometheus' own series, and whom they ask for life."""

import math

import pytest
from django.db import Error, NotSupportedError, OperationalError, connection, connections, transaction
from prometheus_client import REGISTRY

from hubproject.engines.postgresql.base import TRUSTED_SECONDS, DatabaseWrapper

pytestmark = pytest.mark.django_db


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"alias": "default", "vendor": connection.vendor} | labels) or 0


def test_a_statement_is_counted_once_and_timed():
    executed, timed = counted("django_db_execute_total"), counted("django_db_query_duration_seconds_count")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert counted("django_db_execute_total") == executed + 1
    assert counted("django_db_query_duration_seconds_count") == timed + 1


def test_many_at_once_are_counted_each():
    executed, many = counted("django_db_execute_total"), counted("django_db_execute_many_total")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE counted (given integer)")
        cursor.executemany("INSERT INTO counted VALUES (%s)", [[1], [2], [3]])
    assert counted("django_db_execute_total") == executed + 4
    assert counted("django_db_execute_many_total") == many + 3


def test_what_fails_is_counted_by_its_kind_and_raised_as_ever():
    kind = "OperationalError" if connection.vendor == "sqlite" else "UndefinedTable"
    failed, timed = counted("django_db_errors_total", type=kind), counted("django_db_query_duration_seconds_count")
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    assert counted("django_db_errors_total", type=kind) == failed + 1
    assert counted("django_db_query_duration_seconds_count") > timed


def test_there_is_one_class_for_all_cursors_of_a_database():
    with connection.cursor() as one, connection.cursor() as other:
        assert type(one.cursor) is type(other.cursor)


# --- Whether PostgreSQL is there ------------------------------------------------------------------------------------


@pytest.fixture
def postgres() -> DatabaseWrapper:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is in this process")
    connection.ensure_connection()
    own = connections[connection.alias]
    assert isinstance(own, DatabaseWrapper)
    own._asked_at = -math.inf
    return own


def on_another_connection(statement: str) -> None:
    with connection.get_new_connection(connection.get_connection_params()) as other:
        other.execute(statement)


def hung_up(pid: int) -> None:
    on_another_connection(f"SELECT pg_terminate_backend({pid}, 5000)")


def asked(connection: DatabaseWrapper) -> float:
    """How many statements it took to find out that the connection lives."""
    before = counted("django_db_execute_total")
    assert connection.is_usable()
    return counted("django_db_execute_total") - before


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_found_alive_just_now_is_not_asked(postgres):
    assert [asked(postgres), asked(postgres), asked(postgres)] == [1, 0, 0]
    postgres._asked_at -= TRUSTED_SECONDS
    assert asked(postgres) == 1


@pytest.mark.django_db(transaction=True)
def test_a_server_that_has_hung_up_is_noticed_before_the_next_statement(postgres):
    assert postgres.is_usable()
    hung_up(postgres.connection.info.backend_pid)
    assert not postgres.is_usable()
    postgres.close()


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_is_not_used_again(postgres):
    assert postgres.is_usable()
    hung_up(postgres.connection.info.backend_pid)
    with pytest.raises(OperationalError), postgres.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert postgres.connection.closed
    assert not postgres.is_usable()
    postgres.close()


@pytest.mark.django_db(transaction=True)
def test_a_connection_on_which_a_statement_failed_is_not_used_again(postgres):
    """It may have prepared what a migration has changed since, and would fail with it again and again."""
    with postgres.cursor() as cursor:
        cursor.execute("CREATE TABLE widened (name varchar(10))")
        try:
            for _ in range(7):
                cursor.execute("SELECT name FROM widened WHERE name = %s", ["a"])
            on_another_connection("ALTER TABLE widened ALTER name TYPE varchar(20)")
            with pytest.raises(NotSupportedError):
                cursor.execute("SELECT name FROM widened WHERE name = %s", ["a"])
            postgres.close_if_unusable_or_obsolete()
            assert postgres.connection is None
        finally:
            with postgres.cursor() as another:
                another.execute("DROP TABLE widened")
    with postgres.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert postgres.is_usable()

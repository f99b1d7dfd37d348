"""What the database engines count of each statement, and that it is django-prometheus' own series."""

import pytest
from django.db import Error, connection, transaction
from prometheus_client import REGISTRY

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

"""Statements composed once, for the rows that every registration reads and writes.

The ORM composes a statement anew each time, in Python, which costs ten times what the database needs for it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection, connections
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model
from django.db.models.expressions import Col
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row", bound=Model)


def find(
    model: type[Row], column: str, value: str | int, *, locked: bool = False, only: tuple[str, ...] = ()
) -> Row | None:
    """The row with this value in a unique column, if there is one; `locked` until the caller's transaction ends.

    With `only`, these attributes and none beside them, as the ORM's `only` does; the key has to be among them.
    """
    if locked and not connection.in_atomic_block:
        raise TransactionManagementError("A lock needs a transaction that it lasts as long as.")
    lock = " FOR UPDATE" if locked and connection.features.has_select_for_update else ""
    columns, names, conversions = _selection(model, only)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {model._meta.db_table} WHERE {column} = %s{lock}", [value])  # noqa: S608
        found = cursor.fetchone()
    if found is None:
        return None
    values = list(found)
    for place, expression, convert in conversions:
        values[place] = convert(values[place], expression, connection)
    return model.from_db(connection.alias, names, values)


@cache
def _selection(
    model: type[Model], only: tuple[str, ...]
) -> tuple[str, list[str], list[tuple[int, Col, Callable[[Any, Col, Any], Any]]]]:
    """The columns, the attributes they fill, and what makes a column's Python value of the database's, by its place."""
    fields = [field for field in model._meta.concrete_fields if not only or field.attname in only]
    conversions = [
        (place, expression, convert)
        for place, expression in enumerate(field.get_col(model._meta.db_table) for field in fields)
        for convert in (*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection))
    ]
    return ", ".join(f'"{field.column}"' for field in fields), [field.attname for field in fields], conversions


def insert(row: Model) -> None:
    """Writes a new row, as `save(force_insert=True)` does, but sends no signals; sets the key the database gave it."""
    own_key = row._meta.auto_field
    with connection.cursor() as cursor:
        _insert(cursor, [row], returning=(own_key and own_key.column) or "")
        if own_key:
            ((row.pk,),) = cursor.fetchall()


def insert_all(rows: Sequence[Model]) -> None:
    """Writes new rows of one model, which bring their keys, in one statement; otherwise as `insert`."""
    with connection.cursor() as cursor:
        _insert(cursor, rows)


def _insert(cursor: CursorWrapper, rows: Sequence[Model], returning: str = "") -> None:
    statement, fields = _insertion(type(rows[0]), len(rows), returning)
    database = connections[connection.alias]  # looked up once, not with every field
    cursor.execute(
        statement, [field.get_db_prep_save(getattr(row, field.attname), database) for row in rows for field in fields]
    )
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@cache
def _insertion(model: type[Model], count: int, returning: str) -> tuple[str, list["Field[Any, Any]"]]:
    """The statement, and the fields whose values it takes of each row."""
    fields = [field for field in model._meta.concrete_fields if not (returning and field is model._meta.auto_field)]
    columns, places = ", ".join(f'"{field.column}"' for field in fields), ", ".join(["%s"] * len(fields))
    values = ", ".join([f"({places})"] * count)
    end = f" RETURNING {returning}" if returning else ""
    return f"INSERT INTO {model._meta.db_table} ({columns}) VALUES {values}{end}", fields  # noqa: S608


def update(model: type[Model], values: Mapping[str, Any], *, where: Mapping[str, Any]) -> int:
    """Sets these attributes in the rows that have those, as `filter(**where).update(**values)` does; returns in how
    many. Takes plain values alone, and None only to set."""
    statement, fields = _updating(model, tuple(values), tuple(where))
    database = connections[connection.alias]
    given = (*values.values(), *where.values())
    with connection.cursor() as cursor:
        cursor.execute(
            statement, [field.get_db_prep_save(value, database) for field, value in zip(fields, given, strict=True)]
        )
        return int(cursor.rowcount)


@cache
def _updating(
    model: type[Model], changed: tuple[str, ...], known: tuple[str, ...]
) -> tuple[str, list["Field[Any, Any]"]]:
    """The statement, and the fields whose values it takes."""
    by_name = {field.name: field for field in model._meta.concrete_fields}
    fields = [by_name[name] for name in changed + known]
    places = [f'"{field.column}" = %s' for field in fields]
    settings, conditions = ", ".join(places[: len(changed)]), " AND ".join(places[len(changed) :])
    return f"UPDATE {model._meta.db_table} SET {settings} WHERE {conditions}", fields  # noqa: S608

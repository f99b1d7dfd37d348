"""Counting in the database: several numbers in one query, each from the narrowest index."""

from typing import Any

from django.db.models import Func, IntegerField, QuerySet, Subquery


def count_of(rows: QuerySet[Any]) -> Subquery:
    """How many rows there are, as a column of another query."""
    number = Func(template="COUNT(*)", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(number=number).values("number"))

"""SQLite, counted."""

import sqlite3

from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django_prometheus.db.backends.sqlite3 import base

from hubproject.engines.counting import counting_cursor


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc] # the package has no types
    def create_cursor(self, name: str | None = None) -> sqlite3.Cursor:
        kind = counting_cursor(SQLiteCursorWrapper, self.alias, self.vendor)
        cursor: sqlite3.Cursor = self.connection.cursor(factory=kind)
        return cursor

"""What both engines count: django-prometheus' series, for less of each statement's time.

That package makes a class for every cursor of SQLite and looks every label up with every statement: more than the least
statements cost themselves. Here there is one class for each database, and it knows its series.
"""

import time
from functools import cache
from typing import Any

from django_prometheus.db import errors_total, execute_total, query_duration_seconds
from django_prometheus.db.common import ExportingCursorWrapper


@cache
def counting_cursor(cursor_class: type[Any], alias: str, vendor: str) -> type[Any]:
    """A kind of cursor that counts its statements, times them, and counts what fails by the exception's name."""
    executed, duration = execute_total.labels(alias, vendor), query_duration_seconds.labels(alias, vendor)

    class CountingCursor(ExportingCursorWrapper(cursor_class, alias, vendor)):  # type: ignore[misc] # has no types
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            executed.inc()
            started = time.perf_counter()
            try:
                return cursor_class.execute(self, *args, **kwargs)  # past the package's own counting
            except Exception as problem:
                errors_total.labels(alias, vendor, type(problem).__name__).inc()
                raise
            finally:
                duration.observe(time.perf_counter() - started)

    return CountingCursor

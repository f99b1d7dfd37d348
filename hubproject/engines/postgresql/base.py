"""PostgreSQL, counted."""

from typing import Any

from django.db.backends.postgresql.base import DatabaseWrapper as Uncounted
from django_prometheus.db.backends.postgresql import base

from hubproject.engines.counting import counting_cursor


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc] # the package has no types
    def get_connection_params(self) -> dict[str, Any]:
        parameters = Uncounted.get_connection_params(self)
        return parameters | {"cursor_factory": counting_cursor(parameters["cursor_factory"], self.alias, self.vendor)}

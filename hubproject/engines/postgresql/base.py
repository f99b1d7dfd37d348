"""PostgreSQL, counted, and asked whether it is there only where that is in doubt."""

import math
import select
import time
from typing import Any

from django.db.backends.postgresql.base import DatabaseWrapper as Uncounted
from django_prometheus.db.backends.postgresql import base

from hubproject.engines.counting import counting_cursor

TRUSTED_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc] # the package has no types
    _asked_at = -math.inf

    def get_connection_params(self) -> dict[str, Any]:
        parameters = Uncounted.get_connection_params(self)
        return parameters | {"cursor_factory": counting_cursor(parameters["cursor_factory"], self.alias, self.vendor)}

    def is_usable(self) -> bool:
        """Asked before a request's first statement, and where one has failed.

        A connection that was found alive just now is asked again only when its server has said something by itself, as
        one does that hangs up: the question costs as much as any statement. One on which a statement failed is not used
        again, whatever it answers: what it has prepared may be of tables that a migration has changed.
        """
        if self.errors_occurred:
            return False
        now = time.monotonic()
        is_trusted, self._asked_at = now - self._asked_at < TRUSTED_SECONDS, now
        return (is_trusted and not self._is_in_doubt()) or bool(super().is_usable())

    def _is_in_doubt(self) -> bool:
        if self.connection.closed:
            return True
        heard = select.poll()
        heard.register(self.connection.fileno(), select.POLLIN)
        return bool(heard.poll(0))

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
    _used_at = -math.inf

    def get_connection_params(self) -> dict[str, Any]:
        parameters = Uncounted.get_connection_params(self)
        return parameters | {"cursor_factory": counting_cursor(parameters["cursor_factory"], self.alias, self.vendor)}

    def is_usable(self) -> bool:
        """Before each request. A connection that was used just now is asked only when its server has said something by
        itself, as one does that hangs up: the question costs as much as any statement."""
        now = time.monotonic()
        was_used, self._used_at = now - self._used_at < TRUSTED_SECONDS, now
        return (was_used and not self._is_in_doubt()) or bool(super().is_usable())

    def _is_in_doubt(self) -> bool:
        if self.connection.closed:
            return True
        heard = select.poll()
        heard.register(self.connection.fileno(), select.POLLIN)
        return bool(heard.poll(0))

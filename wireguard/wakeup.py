"""How the agent learns at once that somebody has committed: SQLite's data version, PostgreSQL's notifications."""

import math
import threading
import time
from typing import Protocol

from django.db import connection

SQLITE_POLL_SECONDS = 0.02
# Where one machine enrolled the next may follow, and each waits for its answer.
SQLITE_BUSY_FOR_SECONDS = 0.5
SQLITE_BUSY_POLL_SECONDS = 0.004


class Wakeup(Protocol):
    """Sleeps until there may be something to do."""

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Returns after a commit of somebody else, after so many seconds, or when `stop` is set."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


def wakeup_for_database() -> Wakeup:
    """The one that fits the configured database."""
    if connection.vendor == "postgresql":
        from wireguard.postgres import PostgresWakeup

        return PostgresWakeup()
    return SqliteWakeup()


class SqliteWakeup:
    """Reads `PRAGMA data_version` on the agent's own connection: it moves with commits of others, not with ours."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._news_at = -math.inf

    def wait(self, seconds: float, stop: threading.Event) -> None:
        connection.ensure_connection()
        # The raw connection, and a plain sleep: fifty times a second, anything more is most of an idle agent's work.
        execute = connection.connection.execute
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not stop.is_set():
            version = execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._version, self._news_at = version, time.monotonic()
                return
            is_busy = time.monotonic() - self._news_at < SQLITE_BUSY_FOR_SECONDS
            time.sleep(SQLITE_BUSY_POLL_SECONDS if is_busy else SQLITE_POLL_SECONDS)

    def close(self) -> None:
        """The connection is Django's own."""

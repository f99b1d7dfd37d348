"""What the agent needs on PostgreSQL alone: notes, and a lock of its own. Loaded only there: psycopg is five MB."""

import math
import threading
import time
from contextlib import suppress

import psycopg
from django.db import OperationalError, connection

from wireguard.services import GENERATION_CHANNEL
from wireguard.wakeup import BUSY_FOR_SECONDS

WAIT_SECONDS = 0.5
# In a rush of notes those of so long are answered by one turn.
RUSH_PAUSE_SECONDS = 0.01
# The two halves of the advisory lock's name.
_LOCK = (0x77673031, 0x6167656E)


class PostgresWakeup:
    """LISTENs on a connection of its own. A lost connection counts as news, for a note may have been lost with it."""

    def __init__(self) -> None:
        self._listener: psycopg.Connection | None = None
        self._news_at = -math.inf

    def wait(self, seconds: float, stop: threading.Event) -> None:
        deadline = time.monotonic() + seconds
        try:
            if self._listener is None:
                self._listener = self._listen()
                return
            while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
                timeout = min(left, WAIT_SECONDS)
                if list(self._listener.notifies(timeout=timeout, stop_after=1)):
                    self._gather(self._listener)
                    return
        except psycopg.Error:
            # Without a listener the agent polls, once in so long, and keeps trying to listen.
            self.close()
            stop.wait(min(seconds, WAIT_SECONDS))

    def _gather(self, listener: psycopg.Connection) -> None:
        """The first note counts at once; in a rush a turn waits for those that follow, for each turn has its price."""
        if time.monotonic() - self._news_at < BUSY_FOR_SECONDS:
            time.sleep(RUSH_PAUSE_SECONDS)
            list(listener.notifies(timeout=0))
        self._news_at = time.monotonic()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _listen(self) -> psycopg.Connection:
        listener: psycopg.Connection = connection.get_new_connection(connection.get_connection_params())
        listener.autocommit = True
        listener.execute(f"LISTEN {GENERATION_CHANNEL}")
        return listener


class AdvisoryLock:
    """PostgreSQL's own lock, on a connection of its own: however that ends, the lock ends with it."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection | None = None

    def take(self, *, by_force: bool = False) -> bool:
        """Holds it, or goes on holding it. By force: a stalled holder's connection is ended first."""
        try:
            if self._connection is not None and self._answers(self._connection):
                return True
            self.release()
            self._connection = connection.get_new_connection(connection.get_connection_params())
            self._connection.autocommit = True
            if self._try(self._connection):
                return True
            if by_force:
                self._end_holder(self._connection)
            if by_force and self._try(self._connection):
                return True
        except psycopg.Error as failure:
            self.release()
            raise OperationalError(str(failure)) from failure
        self.release()
        return False

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _answers(held: psycopg.Connection) -> bool:
        with suppress(psycopg.Error):
            return held.execute("SELECT 1").fetchone() is not None
        return False

    @staticmethod
    def _try(free: psycopg.Connection) -> bool:
        row = free.execute("SELECT pg_try_advisory_lock(%s, %s)", _LOCK).fetchone()
        return bool(row and row[0])

    @staticmethod
    def _end_holder(free: psycopg.Connection) -> None:
        # Waits until it has ended: its lock goes with it.
        free.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = %s AND objid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            _LOCK,
        )

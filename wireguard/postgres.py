"""What the agent needs on PostgreSQL alone: notes, and a lock of its own. Loaded only there: psycopg is five MB."""

import threading
import time
from contextlib import suppress

import psycopg
from django.db import OperationalError, connection

from wireguard.services import GENERATION_CHANNEL

WAIT_SECONDS = 0.5
# In a rush those who come within so long are let in by one turn.
RUSH_PAUSE_SECONDS = 0.01
# The two halves of the advisory lock's name.
_LOCK = (0x77673031, 0x6167656E)


class PostgresWakeup:
    """LISTENs on a connection of its own. A lost connection counts as news, for a note may have been lost with it."""

    def __init__(self) -> None:
        self._listener: psycopg.Connection | None = None

    def wait(self, seconds: float, stop: threading.Event) -> None:
        deadline = time.monotonic() + seconds
        try:
            if self._listener is None:
                self._listener = self._listen()
                return
            if self._has_heard(0.0):
                # It came while we worked: more may be under way, and each turn has its price.
                time.sleep(RUSH_PAUSE_SECONDS)
                self._has_heard(0.0)
                return
            while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
                if self._has_heard(min(left, WAIT_SECONDS)):
                    return
        except psycopg.Error:
            # Without a listener the agent polls, once in so long, and keeps trying to listen.
            self.close()
            stop.wait(min(seconds, WAIT_SECONDS))

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _has_heard(self, seconds: float) -> bool:
        assert self._listener is not None  # noqa: S101 - for mypy: who calls has looked
        return bool(list(self._listener.notifies(timeout=seconds, stop_after=1)))

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
        """Gives the lock back, if it is held; whoever asks next gets it."""
        if self._connection is not None:
            # Said aloud: the server notices only later that a connection has ended.
            with suppress(psycopg.Error):
                self._connection.execute("SELECT pg_advisory_unlock_all()")
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

"""Which agent may act: a lease in the database, numbered by terms, that a stalled agent notices it has lost.

The holder renews it every few seconds. A second agent takes over when it has watched the lease stand still for as
long as it was given, by its own clock: no two clocks are ever compared. Taking over begins a new term. Whatever the
holder of an old term writes to the database names that term and changes no row; before it writes to the interface it
looks at its deadline, which also runs while the process or the machine sleeps.
"""

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from hubproject.statements import update
from wireguard.models import AgentState

if TYPE_CHECKING:
    from wireguard.postgres import AdvisoryLock

LEASE_SECONDS = 10.0
# No holder is waited for any longer, whatever its row says.
LONGEST_SECONDS = 300.0
_FENCE = "SELECT 1 FROM agent_state WHERE id = 1 AND term = %s"


class LeaseLost(Exception):
    """Another agent has taken over."""


def _seconds_since_boot() -> float:
    """Goes on while the machine sleeps, and no time server moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The right to act, of one agent. Until `acquire` has said yes, nothing else may be called."""

    def __init__(self, *, holder: str = "", clock: Callable[[], float] = _seconds_since_boot) -> None:
        self.holder = holder or _this_process()
        self._clock = clock
        self._term = 0
        self._deadline = 0.0
        self._watched: tuple[Any, ...] = ()
        self._watched_since = 0.0
        self._lock = _advisory_lock()

    @property
    def is_held(self) -> bool:
        return self._term > 0

    def acquire(self) -> str:
        """Takes the lease where it is free, gone or run out. Returns who has it otherwise, empty when it is ours."""
        row, _ = AgentState.objects.get_or_create(id=1)
        is_free = row.lease_expires_at is None
        if not (is_free or _is_gone(row.lease_holder) or self._has_run_out(row)):
            return row.lease_holder
        term, started = row.term + 1, self._clock()
        unchanged = AgentState.objects.filter(id=1, term=row.term, lease_expires_at=row.lease_expires_at)
        if not unchanged.update(term=term, lease_holder=self.holder, **_renewal(LEASE_SECONDS)):
            return "another agent"
        if self._lock and not self._lock.take(by_force=not is_free):
            AgentState.objects.filter(id=1, term=term).update(lease_expires_at=None)
            return "another agent, by its lock in the database"
        self._term, self._deadline = term, started + LEASE_SECONDS
        return ""

    def check(self, seconds: float) -> None:
        """Before each write to the interface: that the lease lasts for so many more seconds. Raises LeaseLost."""
        if self._deadline - self._clock() < seconds:
            self.renew(seconds=seconds + LEASE_SECONDS)

    def renew(self, *, seconds: float = LEASE_SECONDS, **report: Any) -> None:
        """Prolongs the lease and writes what the agent has to report in the same UPDATE. Raises LeaseLost."""
        started = self._clock()
        is_ours = update(AgentState, _renewal(seconds) | report, where={"id": 1, "term": self._term})
        if not is_ours or (self._lock and not self._lock.take()):
            self._lose()
        self._deadline = started + seconds

    def fence(self) -> None:
        """First in a transaction: that nobody takes over before it ends. Raises LeaseLost."""
        with connection.cursor() as cursor:  # by hand, for a look at many peers begins many transactions
            cursor.execute(_FENCE + (" FOR UPDATE" if connection.features.has_select_for_update else ""), [self._term])
            is_ours = cursor.fetchone() is not None
        if not is_ours:
            self._lose()

    def release(self) -> None:
        """Gives it back, so that a successor need not wait."""
        if self.is_held:
            AgentState.objects.filter(id=1, term=self._term).update(lease_expires_at=None)
        self._forget()

    def _lose(self) -> None:
        self._forget()
        raise LeaseLost

    def _forget(self) -> None:
        self._term = 0
        if self._lock:
            self._lock.release()

    def _has_run_out(self, row: AgentState) -> bool:
        """Whether the row stood still for as long as its lease was given for, watched from here."""
        watched = (row.term, row.lease_expires_at, row.alive_at)
        if watched != self._watched:
            self._watched, self._watched_since = watched, self._clock()
        given = LEASE_SECONDS
        if row.lease_expires_at and row.alive_at:
            given = (row.lease_expires_at - row.alive_at).total_seconds()
        return self._clock() - self._watched_since >= min(max(given, LEASE_SECONDS), LONGEST_SECONDS)


def _renewal(seconds: float) -> dict[str, Any]:
    now = timezone.now()
    return {"alive_at": now, "lease_expires_at": now + timedelta(seconds=seconds)}


def _this_process() -> str:
    """Machine, process id, and what tells this process from all that ever bore that number: three words."""
    return f"{socket.gethostname()} {os.getpid()} {_process_space()}:{uuid4().hex[:8]}"


def _process_space() -> str:
    """This boot of this machine, and this container of it: within it, a process id names a process."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{Path('/proc/self/ns/pid').readlink().name}"


def _is_gone(holder: str) -> bool:
    """Whether it was a process of this machine that is no more, or an agent before us in this very process."""
    host, _, rest = holder.partition(" ")
    pid, _, identity = rest.partition(" ")
    if not host or not pid.isdecimal() or not identity.startswith(f"{_process_space()}:"):
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _advisory_lock() -> "AdvisoryLock | None":
    """PostgreSQL's; SQLite has none, nor another machine that could open it."""
    if connection.vendor != "postgresql":
        return None
    from wireguard.postgres import AdvisoryLock

    return AdvisoryLock()

"""Waiting until the agent has applied what was committed."""

import math
import threading
import time

from django.conf import settings
from django.db import connection
from django.utils import timezone

from hubproject.statements import find
from wireguard.models import AgentState

POLL_SECONDS = 0.005
# Who waits for longer is in no hurry any more.
LATER_SECONDS, LATER_POLL_SECONDS = 0.1, 0.05
# Shorter than anybody sleeps: what a waiting thread finds read already was read since it began to wait.
READING_HOLDS_SECONDS = 0.004

# At most half of web's threads wait for the agent at any time, so that a slow agent cannot stop the whole site.
_waiting = threading.BoundedSemaphore(max(1, settings.HUB_THREADS // 2))


class _Reading:
    """The generation that the agent has applied, read by one of those who wait for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation, self._at = 0, -math.inf

    def generation(self) -> int:
        # Whose connection hangs must not hold up the others: an old number says too little at worst.
        if self._lock.acquire(timeout=POLL_SECONDS):
            try:
                now = time.monotonic()
                if now - self._at >= READING_HOLDS_SECONDS:
                    self._generation, self._at = self._read(), now
            finally:
                self._lock.release()
        return self._generation

    @staticmethod
    def _read() -> int:
        # On the raw connection: up to two hundred times a second, anything more is most of what a registration costs.
        with connection.wrap_database_errors:
            found = connection.connection.execute("SELECT applied_generation FROM agent_state WHERE id = 1").fetchone()
        return int(found[0]) if found else 0


_reading = _Reading()


def wait_until_applied(generation: int, *, seconds: float) -> bool:
    """Whether the agent has applied this generation, after waiting for it at most so long.

    Does not wait when the agent is not alive or on hold, or enough threads wait already.
    """
    state = find(AgentState, "id", 1, only=("id", "applied_generation", "alive_at", "hold"))
    if state is None:
        return False
    if state.applied_generation >= generation and not state.hold:
        return True
    if state.hold or not state.is_alive(timezone.now()) or not _waiting.acquire(blocking=False):
        return False
    try:
        return _poll(generation, seconds)
    finally:
        _waiting.release()


def _poll(generation: int, seconds: float) -> bool:
    started = time.monotonic()
    while (waited := time.monotonic() - started) < seconds:
        time.sleep(POLL_SECONDS if waited < LATER_SECONDS else LATER_POLL_SECONDS)
        if _reading.generation() >= generation:
            return True
    return False

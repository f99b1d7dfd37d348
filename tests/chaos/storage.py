"""What the disk may do: SQLite locked by somebody else, no space, errors and death at the n-th fsync."""

import sys
import time
from collections.abc import Sequence

from tests.chaos.stage import PG, Stage, stage

_LOCKED = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
held.execute("BEGIN IMMEDIATE")
time.sleep(float(sys.argv[2]))
held.execute("ROLLBACK")
"""
SMALL_DISK_MIB = {"sqlite": 8, "postgresql": 160}


def locked(seconds: Sequence[float] = (10, 60)) -> str:
    """Another process holds the one lock of SQLite for so long."""
    with stage(calm=6) as hub:
        hub.crowd(pause=0.5)
        time.sleep(2)
        for span in seconds:
            lock(hub, span)
            time.sleep(3 if span != seconds[-1] else 0)
        return f"locked for {' and '.join(f'{span:g}' for span in seconds)} s: {hub.verdict()}"


def lock(hub: Stage, seconds: float) -> None:
    holder = [sys.executable, "-c", _LOCKED, str(hub.home / "database.sqlite"), str(seconds)]
    hub.host.run(holder, timeout=seconds + 70, check=True)


def disk_full(engine: str, *, seconds: float = 12) -> str:
    """No byte left where the database is, then space again."""
    with stage(engine, calm=6, prepare=_move_to_small_disk) as hub:
        hub.crowd(pause=0.2)
        time.sleep(3)
        place = _place(hub)
        hub.host.run(f"cat /dev/zero >{place}/filler 2>/dev/null")
        time.sleep(seconds)
        hub.host.run(f"rm {place}/filler", check=True)
        if engine == "postgresql":
            # A server that could not write its log has ended itself, as it must.
            hub.postgres_back()
        return f"no space for {seconds:g} s: {hub.verdict()}"


def _place(hub: Stage) -> str:
    return f"{PG}/data" if hub.engine == "postgresql" else str(hub.home)


def _move_to_small_disk(hub: Stage) -> None:
    if hub.engine == "postgresql":
        hub.postgres("stop")
    place, size = _place(hub), SMALL_DISK_MIB[hub.engine]
    hub.host.run(
        f"set -e; cp -a {place} /run/moved; mount -t tmpfs -o size={size}m tmpfs {place};"
        f"cp -a /run/moved/. {place}/; rm -r /run/moved",
        check=True,
    )
    if hub.engine == "postgresql":
        hub.postgres("start")


def fsync_fails(numbers: Sequence[int] = (1, 2, 3, 5, 8), *, seconds: float = 9) -> str:
    """For each n: every third fsync from the n-th on gives EIO, and the n-th one kills, in web and agent at once."""
    with stage(calm=6) as hub:
        hub.crowd(pause=0.2)
        for number in numbers:
            for fate in (f"error=EIO:when={number}+3", f"signal=SIGKILL:when={number}"):
                _inject(hub, fate)
                hub.wait_for_answers(25, most_seconds=seconds)
        deaths = sum(service.starts for service in hub.services.values()) - 2 - 4 * len(numbers)
        for service in hub.services.values():
            service.restart_under()
        refused = sum(request.status == 503 for request in hub.requests())
        assert deaths > 0, "nobody was killed, so this proves nothing"
        assert refused > 0, "nobody was told of an error, so this proves nothing"
        return f"EIO and SIGKILL at fsync {', '.join(map(str, numbers))} ({deaths} deaths): {hub.verdict()}"


def _inject(hub: Stage, fate: str) -> None:
    calls = "fsync,fdatasync"
    strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={calls}"]
    for service in hub.services.values():
        service.restart_under(*strace, "-e", f"inject={calls}:{fate}")

"""`make soak`: an hour of enrolments, removals and reads with two thousand peers, and nothing may grow.

Every ten seconds it looks at the memory that web and agent made themselves, their descriptors, zombies, and the
write-ahead log.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.chaos.machine import new_peers
from tests.chaos.stage import THREADS, WORKERS, Stage, stage

PEERS = 2000
EVERY_SECONDS = 10.0
# The share of the time after which everything has been used once.
WARM_UP = 0.25
MOST_GROWTH = 0.05
# What a checkpoint leaves behind; a log that is never emptied is beyond it in minutes.
MOST_LOG_MIB = 64.0


class Sample(NamedTuple):
    """One look: MiB of memory and log, numbers of the rest."""

    web: float
    agent: float
    descriptors: int
    zombies: int
    log: float


def verdict(samples: Sequence[Sample]) -> tuple[str, list[str]]:
    """The figures of the time after warm-up as one line, and what is wrong with them."""
    warm = samples[int(len(samples) * WARM_UP) :]
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]
    wrong, figures = [], []
    for name, what in (("web", "memory of web"), ("agent", "memory of the agent"), ("descriptors", "descriptors")):
        before, after = (median(getattr(sample, name) for sample in span) for span in (first, last))
        figures.append(f"{what} {before:.0f} → {after:.0f}")
        # Requests under way hold a descriptor each; the lowest of many looks does not see them.
        low_before, low_after = (min(getattr(sample, name) for sample in span) for span in (first, last))
        if after > before * (1 + MOST_GROWTH) and low_after > low_before * (1 + MOST_GROWTH):
            wrong.append(f"{what} has grown from {before:.1f} to {after:.1f}")
    most = max(sample.log for sample in samples)
    figures.append(f"write-ahead log {most:.1f} MiB at most")
    if most > MOST_LOG_MIB:
        wrong.append(f"the write-ahead log has reached {most:.1f} MiB")
    if min(sample.zombies for sample in last):
        wrong.append("zombies stay")
    return ", ".join(figures), wrong


def soak(minutes: float) -> str:
    with stage(calm=6) as hub:
        hub.plant(new_peers(PEERS, start=200))  # far from the addresses that clients get
        hub.crowd(clients=3, pause=1.0, stay=0.0)
        _wake_every_thread(hub)
        samples: list[Sample] = []
        began = time.monotonic()
        while time.monotonic() - began < minutes * 60:
            time.sleep(EVERY_SECONDS)
            samples.append(_sample(hub))
            if len(samples) % 6 == 0:
                print(f"{len(samples) // 6} min: {_line(samples[-1])}", flush=True)
        starts = {name: service.starts for name, service in hub.services.items()}
        said = hub.verdict()
        line, wrong = verdict(samples)
        assert not wrong, f"{'; '.join(wrong)} ({line})"
        assert set(starts.values()) == {1}, f"something had to be started again: {starts}"
        return f"{minutes:g} minutes with {PEERS} peers: {line}; {said}"


def _wake_every_thread(hub: Stage) -> None:
    """A thread of web is born when all others are busy, and opens the database for itself: none should come late.

    More requests begin than there are threads, and none ends before all have begun. The workers share them as it comes.
    """
    count = 4 * WORKERS * THREADS
    program = [sys.executable, "-c", _HELD, hub.settings["HUB_BIND"], str(count)]
    answered = hub.host.run(program, timeout=60, check=True).stdout.split()
    assert answered == ["200"] * count, answered


_HELD = """
import socket, sys, time
host, _, port = sys.argv[1].rpartition(":")
held = [socket.create_connection((host, int(port)), 30) for _ in range(int(sys.argv[2]))]
for request in held:
    request.sendall(b"GET /api/healthz HTTP/1.1\\r\\nConnection: close\\r\\nHost: " + host.encode() + b"\\r\\n")
time.sleep(2)
for request in held:
    request.sendall(b"\\r\\n")
print(*(request.recv(12).split()[1].decode() for request in held))
"""


def _line(sample: Sample) -> str:
    return (
        f"web {sample.web:.1f} MiB, agent {sample.agent:.1f} MiB, {sample.descriptors} descriptors, "
        f"{sample.zombies} zombies, log {sample.log:.1f} MiB"
    )


def _sample(hub: Stage) -> Sample:
    # Of the agent without the programs that it is about to become for a moment.
    web, agent = hub.services["web"].pids(), hub.services["agent"].pids()[:1]
    pids = [*web, *agent]
    log = hub.host.run(f"stat -c %s {hub.home}/database.sqlite-wal 2>/dev/null || echo 0").stdout
    descriptors = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)  # noqa: PTH208
    return Sample(_memory(web), _memory(agent), descriptors, _zombies(pids), int(log) / 2**20)


def _memory(pids: Sequence[int]) -> float:
    return sum(map(_kib, pids)) / 1024


def _kib(pid: int) -> int:
    """What it made itself. Pages of files count more or less as other programs come and go that share them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))


def _zombies(pids: Sequence[int]) -> int:
    """Children of ours that have ended and that nobody has asked about."""
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        found += state == "Z" and int(parent) in pids
    return found


def main(minutes: str = "60") -> int:
    try:
        print(f"soak: ok, {soak(float(minutes))}")
    except AssertionError as problem:
        print(f"soak: FAILED, {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

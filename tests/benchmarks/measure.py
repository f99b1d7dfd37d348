"""What a thing costs, and how it compares: CPU of whole groups of processes, pairs in turns, medians."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds."""

    cpu: float
    wall: float

    def per(self, count: int) -> "Cost":
        return Cost(self.cpu / count, self.wall / count)


def cpu_seconds(pids: Iterable[int]) -> float:
    """What these processes have used so far, with the children that they have waited for.

    A process that has ended counts nothing here: its parent has it.
    """
    return sum(_cpu_of(pid) for pid in pids)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # The clock of another process, to the nanosecond; what it has waited for is known in ticks only.
        own = time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0
    return own + sum(map(int, fields[13:15])) / _TICKS


def memory_bytes(pids: Iterable[int]) -> int:
    """PSS: what they would give back, shared pages divided among those who share them."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def processes_of(namespace: int, words: Iterable[str]) -> list[int]:
    """The processes of a machine of the lab, told by its process, whose command line has one of the words."""
    wanted = Path(f"/proc/{namespace}/ns/pid_for_children").stat().st_ino
    return [pid for pid in _all_processes() if _is_in(pid, wanted) and any(word in _command(pid) for word in words)]


def descendants(root: int) -> list[int]:
    """The process and what it has started that still runs."""
    found = [root]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def _all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _is_in(pid: int, namespace: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino == namespace
    except OSError:
        return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def costs(act: Callable[[], object], group: Callable[[], Iterable[int]]) -> Cost:
    """What `act` cost the processes of the group."""
    before, started = cpu_seconds(group()), time.monotonic()
    act()
    wall = time.monotonic() - started
    return Cost(cpu_seconds(group()) - before, wall)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of pairs: the median, and how far they lie apart."""

    median: float
    least: float
    most: float
    pairs: int


def in_turns(
    one: Callable[[], Cost], other: Callable[[], Cost], pairs: int, *, rehearsals: int = 1
) -> list[tuple[Cost, Cost]]:
    """Pairs of one and other, one right after the other; who goes first changes. Rehearsals are thrown away."""
    measured = []
    for number in range(-rehearsals, pairs):
        if number % 2:
            second = other()
            first = one()
        else:
            first = one()
            second = other()
        if number >= 0:
            measured.append((first, second))
    return measured


def ratio(pairs: Iterable[tuple[float, float]]) -> Ratio:
    """Of the first to the second, pair by pair."""
    ratios = [one / other for one, other in pairs]
    return Ratio(median(ratios), min(ratios), max(ratios), len(ratios))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def rounded(value: Any) -> Any:
    """Figures as a person reads them: three digits."""
    return float(f"{value:.3g}") if isinstance(value, float) else value

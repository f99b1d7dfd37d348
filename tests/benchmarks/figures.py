"""What a benchmark finds: how large it was, and the figures, one for each line of the table."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.measure import Cost, Ratio, ratio

TALKING = 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    """How large and how often."""

    sizes: tuple[int, ...] = (100, 1000, 10_000)
    pairs: int = 7
    calls: int = 20  # of one kind in a sample

    @property
    def small(self) -> int:
        return self.sizes[0]

    @property
    def middle(self) -> int:
        return self.sizes[len(self.sizes) // 2]

    @property
    def large(self) -> int:
        return self.sizes[-1]

    @property
    def talking(self) -> int:
        """How many spokes of the large fleet are heard between two looks."""
        return int(self.large * TALKING)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `ratio` is judged: at most, or with `at_least` no less than the goal."""

    name: str
    sizes: Sequence[int]
    ratio: Ratio
    goal: float
    floor: str  # what it is compared with, and what that cost
    unit: str = "×"  # noqa: RUF001 - the sign that people know
    at_least: bool = False
    cpu: float = 0.0  # seconds of what was measured, the median
    wall: float = 0.0
    note: str = ""
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def met(self) -> bool:
        return self.ratio.median >= self.goal if self.at_least else self.ratio.median <= self.goal


def compared(
    name: str, sizes: Sequence[int], pairs: list[tuple[Cost, Cost]], *, goal: float, floor: str, note: str = ""
) -> Figure:
    """By CPU; the wall time stands beside it."""
    cpu = ratio((one.cpu, other.cpu) for one, other in pairs)
    wall = ratio((one.wall, other.wall) for one, other in pairs)
    floor = f"{floor} {_milliseconds(other.cpu for _, other in pairs)}"
    return Figure(
        name,
        sizes,
        cpu,
        goal,
        floor,
        cpu=median(one.cpu for one, _ in pairs),
        wall=median(one.wall for one, _ in pairs),
        note=", ".join(filter(None, [f"{wall.median:.2f} by the clock", note])),
    )


def _milliseconds(seconds: Iterator[float]) -> str:
    return f"{median(seconds) * 1000:.1f} ms"


def alone(values: Sequence[float]) -> Ratio:
    """What is compared with nothing."""
    return Ratio(median(values), min(values), max(values), len(values))
